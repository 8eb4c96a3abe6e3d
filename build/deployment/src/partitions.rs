//! The partition tables of a deployment's disk: a GPT with one partition a volume, in the order of the
//! disk. They are for people and their tools; the vault goes by its manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use gpt::{DiskDevice, GptConfig};
use ledger_fmt::layout::BLOCK_SIZE;
use uuid::Uuid;

use crate::Deployment;
use crate::volume::{TABLE_SIZE, Volume};

/// The type of a Totebox volume: a UUID made for it.
pub const PARTITION_TYPE: Uuid = uuid::uuid!("b6d7ca1e-8e1f-4c39-a2f0-5f0c41d87b93");

const SECTOR: u64 = 512;
const BLOCK_SECTORS: u64 = BLOCK_SIZE as u64 / SECTOR;

/// Sectors of the 128 entries of a table.
const ENTRY_SECTORS: u64 = 32;

/// What identifies a partition, as far as a deployment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Uuid,
    pub id: Uuid,
    pub name: String,
    pub first_block: u64,
    pub blocks: u64,
}

/// Bytes of a disk, and the one that they begin at.
pub type Stretch = (u64, Vec<u8>);

/// The partitions a deployment's disk must have, in their order.
pub fn expected(deployment: &Deployment) -> Vec<Entry> {
    let mut volumes: Vec<&Volume> = deployment.volumes.iter().collect();
    volumes.sort_by_key(|volume| volume.first_block);
    let entry = |volume: &Volume| Entry {
        kind: PARTITION_TYPE,
        id: Uuid::from_bytes(volume.id),
        name: volume.name.clone(),
        first_block: volume.first_block,
        blocks: volume.layout.blocks,
    };
    volumes.into_iter().map(entry).collect()
}

/// The partitions a disk has, from whichever of its two tables is whole.
pub fn read(disk: &mut File) -> Result<Vec<Entry>> {
    let table = config().open_from_device(disk).context("no partition table that can be read")?;
    let entry = |partition: &Partition| Entry {
        kind: partition.part_type_guid.guid,
        id: partition.part_guid,
        name: partition.name.clone(),
        first_block: partition.first_lba / BLOCK_SECTORS,
        blocks: (partition.last_lba + 1).saturating_sub(partition.first_lba) / BLOCK_SECTORS,
    };
    Ok(table.partitions().values().filter(|partition| partition.is_used()).map(entry).collect())
}

/// Writes the partition tables of `deployment` to a disk, of whose length the second one takes the end.
/// Touches nothing else.
pub fn write(deployment: &Deployment, disk: &mut File, length: u64) -> Result<()> {
    write_to(&expected(deployment), &deployment.id, disk, length)
}

/// The tables with these partitions, of a deployment's disk of so many bytes: the one at its end and the one at its
/// start, each in pieces in the order in which they are to be written, its header last.
pub fn tables(entries: &[Entry], deployment: &[u8; 16], length: u64) -> Result<[Vec<Stretch>; 2]> {
    let mut ends = Ends::new(length);
    write_to(entries, deployment, &mut ends, length)?;
    let last = (length / SECTOR).saturating_sub(1);
    let mut piece = |sector: u64, sectors: u64| {
        let mut bytes = vec![0; (sectors * SECTOR) as usize];
        ends.position = sector * SECTOR;
        ends.read_exact(&mut bytes).map(|()| (sector * SECTOR, bytes))
    };
    let backup = vec![piece(last.saturating_sub(ENTRY_SECTORS), ENTRY_SECTORS)?, piece(last, 1)?];
    let primary = vec![piece(2, ENTRY_SECTORS)?, piece(0, 1)?, piece(1, 1)?];
    Ok([backup, primary])
}

fn write_to(entries: &[Entry], deployment: &[u8; 16], disk: &mut impl DiskDevice, length: u64) -> Result<()> {
    let sectors = u32::try_from(length / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(disk).context("cannot write the protective MBR")?;
    let mut table = config()
        .writable(true)
        .create_from_device(disk, Some(disk_id(deployment)))
        .context("cannot make a partition table")?;
    let partition = |entry: &Entry| Partition {
        part_type_guid: Type { guid: entry.kind, os: OperatingSystem::None },
        part_guid: entry.id,
        first_lba: entry.first_block * BLOCK_SECTORS,
        last_lba: (entry.first_block + entry.blocks) * BLOCK_SECTORS - 1,
        flags: 0,
        name: entry.name.clone(),
    };
    let partitions: BTreeMap<u32, Partition> = (1..).zip(entries.iter().map(partition)).collect();
    table.update_partitions(partitions).context("cannot lay out the partitions")?;
    table.write().context("cannot write the partition tables")?;
    Ok(())
}

/// The first and the last bytes of a disk, in memory; between them there is nothing.
#[derive(Debug)]
struct Ends {
    length: u64,
    position: u64,
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Ends {
    fn new(length: u64) -> Ends {
        let bytes = || vec![0; TABLE_SIZE as usize];
        Ends { length, position: 0, start: bytes(), end: bytes() }
    }

    /// The bytes there are at the position, as far as they go together; none in between.
    fn here(&mut self) -> &mut [u8] {
        let (position, end) = (self.position, self.length.saturating_sub(TABLE_SIZE));
        let (bytes, at) = match position.checked_sub(end) {
            Some(at) => (&mut self.end, at),
            None => (&mut self.start, position),
        };
        let at = usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
        &mut bytes[at..]
    }
}

impl Read for Ends {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let here = self.here();
        let len = out.len().min(here.len());
        out[..len].copy_from_slice(&here[..len]);
        self.position += len as u64;
        Ok(len)
    }
}

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let here = self.here();
        let len = bytes.len().min(here.len());
        here[..len].copy_from_slice(&bytes[..len]);
        self.position += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Ends {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// The disk's own id, which follows from the deployment's.
fn disk_id(deployment: &[u8; 16]) -> Uuid {
    let hash = blake3::derive_key("totebox.v1 disk id", deployment);
    Uuid::new_v8(hash[..16].try_into().expect("16 of 32 bytes"))
}

fn config() -> GptConfig {
    GptConfig::new().logical_block_size(LogicalBlockSize::Lb512)
}
