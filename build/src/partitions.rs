//! The partition tables of a deployment's disk: a GPT with one partition a volume, in the order of the
//! disk. They are for people and their tools; the vault goes by its manifest.

use std::collections::BTreeMap;
use std::fs::File;

use anyhow::{Context, Result};
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use ledger_fmt::layout::BLOCK_SIZE;
use uuid::Uuid;

use crate::model::Deployment;
use crate::model::volume::Volume;

/// The type of a Totebox volume: a UUID made for it.
pub const PARTITION_TYPE: Uuid = uuid::uuid!("b6d7ca1e-8e1f-4c39-a2f0-5f0c41d87b93");

const SECTOR: u64 = 512;
const BLOCK_SECTORS: u64 = BLOCK_SIZE as u64 / SECTOR;

/// What identifies a partition, as far as a deployment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its type.
    pub kind: Uuid,
    /// Its own id: the volume's.
    pub id: Uuid,
    /// Its name: the volume's.
    pub name: String,
    /// Its first block.
    pub first_block: u64,
    /// Its blocks.
    pub blocks: u64,
}

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
    let partitions: BTreeMap<u32, Partition> = (1..).zip(expected(deployment).iter().map(partition)).collect();
    table.update_partitions(partitions).context("cannot lay out the partitions")?;
    table.write().context("cannot write the partition tables")?;
    Ok(())
}

/// The disk's own id, which follows from the deployment's.
fn disk_id(deployment: &Deployment) -> Uuid {
    let hash = blake3::derive_key("totebox.v1 disk id", &deployment.id);
    Uuid::new_v8(hash[..16].try_into().expect("16 of 32 bytes"))
}

fn config() -> GptConfig {
    GptConfig::new().logical_block_size(LogicalBlockSize::Lb512)
}
