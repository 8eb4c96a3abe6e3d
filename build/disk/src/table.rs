//! The partition table: a GPT with sectors of 512 or 4096 bytes. Either of its copies will do; what is wrong with
//! the other is told.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ledger_fmt::layout::{BLOCK_SIZE, Superblock};
use uuid::Uuid;

use totebox_deployment::partitions::PARTITION_TYPE;

/// Bytes of a sector, in which GPT counts: what nearly all disks have, and what some have.
const SECTORS: [u64; 2] = [512, 4096];

/// Bytes of a header, wherever its entries are.
pub const HEADER_SIZE: usize = 92;

/// Bytes of the shortest entry, the one in use, and of the longest; in between are those times a power of two.
const ENTRY_SIZES: [u32; 2] = [128, 4096];

/// Entries a table may have: eight times what is usual, so that a hostile one cannot keep us reading.
const ENTRIES_MAX: u32 = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name, from the disk: not to be trusted.
    pub name: String,
    pub id: [u8; 16],
    /// Where it begins, in bytes.
    pub start: u64,
    pub blocks: u64,
    /// It has the type of a volume; else only its superblock says that it is one.
    pub typed: bool,
}

/// The partitions that are volumes, and what is wrong with the table they are from.
pub struct Table {
    pub partitions: Vec<Partition>,
    pub troubles: Vec<String>,
}

/// Both copies of a table, each as it is or why it is none.
pub struct Copies {
    /// Bytes of a sector.
    pub sector: u64,
    pub primary: Result<Copy, String>,
    pub backup: Result<Copy, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The byte of the disk its header begins at.
    pub at: u64,
    pub header: [u8; HEADER_SIZE],
    /// Its entries, one behind another.
    pub entries: Vec<u8>,
}

/// Reads the table; the error says what is wrong with both copies.
pub fn read(file: &File, size: u64) -> Result<Table, String> {
    let Copies { sector, primary, backup } = copies(file, size);
    let volumes = |copy: &Copy| copy.volumes(file, sector);
    let (partitions, trouble) = match (primary, backup) {
        (Ok(primary), Ok(backup)) if volumes(&primary) == volumes(&backup) => (volumes(&primary), None),
        (Ok(primary), Ok(_)) => {
            (volumes(&primary), Some("its two copies differ; the one at the start of the disk is used".to_owned()))
        }
        (Ok(primary), Err(error)) => {
            let moved = primary.other(file, sector).filter(|other| volumes(other) == volumes(&primary));
            let trouble = match moved.and_then(|other| size.checked_sub(other.at + sector)) {
                Some(rest) => format!("the disk goes on for {rest} bytes behind the copy at the table's end"),
                None => format!("the copy at the end of the disk is damaged: {error}"),
            };
            (volumes(&primary), Some(trouble))
        }
        (Err(error), Ok(backup)) => (
            volumes(&backup),
            Some(format!("the copy at the start of the disk is damaged ({error}); the one at the end is used")),
        ),
        (Err(error), Err(backup)) if error == backup => return Err(error),
        (Err(error), Err(backup)) => return Err(format!("{error}; the copy at its end: {backup}")),
    };
    let mut table = Table { partitions, troubles: trouble.into_iter().collect() };
    for Partition { name, start, blocks, typed, .. } in &table.partitions {
        let end = end(*start, *blocks);
        if end > size {
            table.troubles.push(format!("partition {name:?} ends at byte {end}, the disk at byte {size}"));
        }
        if !typed {
            table.troubles.push(format!(
                "partition {name:?} has not the type of a Totebox volume, {PARTITION_TYPE}; its superblock says that \
                 it is one"
            ));
        }
    }
    Ok(table)
}

/// The byte behind so many blocks from byte `start` on.
pub fn end(start: u64, blocks: u64) -> u64 {
    start.saturating_add(blocks.saturating_mul(BLOCK_SIZE as u64))
}

/// Reads both copies, in sectors of the size with which one is found.
pub fn copies(file: &File, size: u64) -> Copies {
    let copies = |sector: u64| Copies {
        sector,
        primary: Copy::read(file, sector, sector),
        backup: Copy::read(file, sector, (size / sector).saturating_sub(1) * sector),
    };
    let mut tried = SECTORS.map(copies).into_iter();
    let usual = tried.next().expect("there are sizes");
    if usual.primary.is_ok() || usual.backup.is_ok() {
        return usual;
    }
    tried.find(|copies| copies.primary.is_ok() || copies.backup.is_ok()).unwrap_or(usual)
}

impl Copy {
    /// The copy whose header begins at byte `at` of the disk.
    fn read(file: &File, sector: u64, at: u64) -> Result<Copy, String> {
        let mut header = [0; HEADER_SIZE];
        file.read_exact_at(&mut header, at).map_err(|error| error.to_string())?;
        if !header.starts_with(b"EFI PART") {
            return Err("there is no GPT header".to_owned());
        }
        if checksum(&header) != number(&header, 16) {
            return Err("the checksum of its header is wrong".to_owned());
        }
        let (count, entry) = (number(&header, 80), number(&header, 84));
        if count > ENTRIES_MAX || !entry.is_power_of_two() || !(ENTRY_SIZES[0]..=ENTRY_SIZES[1]).contains(&entry) {
            return Err(format!("{count} entries of {entry} bytes each are impossible"));
        }
        let mut entries = vec![0; count as usize * entry as usize];
        let from = long(&header, 72).checked_mul(sector).ok_or("its entries are nowhere")?;
        file.read_exact_at(&mut entries, from).map_err(|error| format!("its entries: {error}"))?;
        if crc32fast::hash(&entries) != number(&header, 88) {
            return Err("the checksum of its entries is wrong".to_owned());
        }
        Ok(Copy { at, header, entries })
    }

    /// The other copy, where this one says it is.
    pub fn other(&self, file: &File, sector: u64) -> Option<Copy> {
        Copy::read(file, sector, self.other_at(sector)?).ok()
    }

    /// The byte of the disk at which the other copy's header begins, by this one's word.
    pub fn other_at(&self, sector: u64) -> Option<u64> {
        long(&self.header, 32).checked_mul(sector)
    }

    pub fn volumes(&self, file: &File, sector: u64) -> Vec<Partition> {
        let size = number(&self.header, 84) as usize;
        let entries = self.entries.chunks_exact(size);
        entries.filter_map(|entry| partition(entry, file, sector)).collect()
    }
}

/// The volume an entry is of.
fn partition(entry: &[u8], file: &File, sector: u64) -> Option<Partition> {
    let id = |at: usize| Uuid::from_bytes_le(entry[at..at + 16].try_into().expect("16 bytes"));
    let (first, last) = (long(entry, 32), long(entry, 40));
    if id(0).is_nil() || last < first {
        return None;
    }
    let units = entry[56..128].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let partition = Partition {
        name: char::decode_utf16(units.take_while(|&unit| unit != 0))
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        id: id(16).into_bytes(),
        start: first.saturating_mul(sector),
        blocks: (last - first).saturating_add(1).saturating_mul(sector) / BLOCK_SIZE as u64,
        typed: id(0) == PARTITION_TYPE,
    };
    (partition.typed || superblock(file, partition.start).is_some()).then_some(partition)
}

/// The sound superblock at a byte of the disk.
pub fn superblock(file: &File, at: u64) -> Option<Superblock> {
    let mut block = [0; size_of::<Superblock>()];
    file.read_exact_at(&mut block, at).ok()?;
    Superblock::decode(&block).ok().map(|(superblock, _)| superblock)
}

pub fn checksum(header: &[u8; HEADER_SIZE]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    [&header[..16], &[0; 4], &header[20..]].into_iter().for_each(|bytes| hasher.update(bytes));
    hasher.finalize()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
