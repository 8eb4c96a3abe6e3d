//! The partition table. Either of its copies will do; what is wrong with the other is told.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use ledger_fmt::layout::BLOCK_SIZE;

use crate::partitions::PARTITION_TYPE;

/// Bytes of a sector, in which GPT counts.
const SECTOR: u64 = 512;

/// Bytes of an entry: the only size in use.
const ENTRY_SIZE: u32 = 128;

/// Entries a table may have: eight times what is usual, so that a hostile one cannot keep us reading.
const ENTRIES_MAX: u32 = 1024;

/// A partition of the type of a Totebox volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name, from the disk: not to be trusted.
    pub name: String,
    /// Its unique id.
    pub id: [u8; 16],
    /// Where it begins, in bytes.
    pub start: u64,
    /// Whole blocks in it.
    pub blocks: u64,
}

/// The partitions, and what is wrong with the table they are from.
pub struct Table {
    pub partitions: Vec<Partition>,
    pub troubles: Vec<String>,
}

/// Reads the table; the error says what is wrong with both copies.
pub fn read(file: &File, size: u64) -> Result<Table, String> {
    let backup_sector = (size / SECTOR).saturating_sub(1);
    let primary = read_copy(file, 1, backup_sector);
    let backup = read_copy(file, backup_sector, 1);
    let (partitions, trouble) = match (primary, backup) {
        (Ok(primary), Ok(backup)) if primary == backup => (primary, None),
        (Ok(primary), Ok(_)) => {
            (primary, Some("its two copies differ; the one at the start of the disk is used".to_owned()))
        }
        (Ok(primary), Err(error)) => {
            (primary, Some(format!("the copy at the end of the disk is damaged: {error}")))
        }
        (Err(error), Ok(backup)) => (
            backup,
            Some(format!("the copy at the start of the disk is damaged ({error}); the one at the end is used")),
        ),
        (Err(error), Err(backup)) if error == backup => return Err(error),
        (Err(error), Err(backup)) => return Err(format!("{error}; the copy at its end: {backup}")),
    };
    let mut table = Table { partitions, troubles: trouble.into_iter().collect() };
    for Partition { name, start, blocks, .. } in &table.partitions {
        let end = start.saturating_add(blocks.saturating_mul(BLOCK_SIZE as u64));
        if end > size {
            table.troubles.push(format!("partition {name:?} ends at byte {end}, the disk at byte {size}"));
        }
    }
    Ok(table)
}

/// The volumes by the copy whose header is in sector `header`, the other's being hidden.
fn read_copy(file: &File, header: u64, other: u64) -> Result<Vec<Partition>, String> {
    let mut sector = [0; SECTOR as usize];
    file.read_exact_at(&mut sector, header * SECTOR).map_err(|error| error.to_string())?;
    if !sector.starts_with(b"EFI PART") {
        return Err("there is no GPT header".to_owned());
    }
    let field = |at: usize| u32::from_le_bytes(sector[at..at + 4].try_into().expect("four bytes"));
    if field(80) > ENTRIES_MAX || field(84) != ENTRY_SIZE {
        return Err(format!("{} entries of {} bytes each cannot be", field(80), field(84)));
    }
    let device = Masked { file, position: 0, hidden: other * SECTOR };
    let disk = GptConfig::new()
        .logical_block_size(LogicalBlockSize::Lb512)
        .open_from_device(device)
        .map_err(|error| error.to_string())?;
    let volumes = disk.partitions().values().filter(|partition| {
        partition.part_type_guid.guid == PARTITION_TYPE && partition.last_lba >= partition.first_lba
    });
    let partition = |partition: &gpt::partition::Partition| Partition {
        name: partition.name.clone(),
        id: *partition.part_guid.as_bytes(),
        start: partition.first_lba.saturating_mul(SECTOR),
        blocks: (partition.last_lba - partition.first_lba).saturating_add(1) / (BLOCK_SIZE as u64 / SECTOR),
    };
    Ok(volumes.map(partition).collect())
}

/// A disk with one sector reading as zeros, so that the library sees one copy of the table alone.
#[derive(Debug)]
struct Masked<'a> {
    file: &'a File,
    position: u64,
    hidden: u64,
}

impl Read for Masked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(out, self.position)?;
        for (byte, at) in out[..len].iter_mut().zip(self.position..) {
            if (self.hidden..self.hidden + SECTOR).contains(&at) {
                *byte = 0;
            }
        }
        self.position += len as u64;
        Ok(len)
    }
}

impl Seek for Masked<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => {
                let mut file = self.file;
                file.seek(SeekFrom::End(0))?.checked_add_signed(offset)
            }
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Write for Masked<'_> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
