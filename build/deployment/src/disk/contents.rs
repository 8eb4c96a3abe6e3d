//! What is on a disk: whether it is a deployment's, and in words what it is else, so that nobody gives up or starts on
//! the wrong one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Result, bail};
use ledger_fmt::layout::{BLOCK_SIZE, Superblock, SuperblockError};
use totebox_shown::ShowPath;

use crate::Deployment;
use crate::disk::container;
use crate::partitions::{self, Entry, PARTITION_TYPE};
use crate::volume::Volume;
use totebox_common::units::{MIB, show_size};

/// Names shown of a partition table at most.
const NAMES_MAX: usize = 8;

/// What a disk can hold, by the bytes at an offset.
const SIGNATURES: [(u64, &[u8], &str); 12] = [
    (0, b"LUKS\xba\xbe", "an encrypted LUKS volume"),
    (0, b"XFSB", "an XFS file system"),
    (0, b"hsqs", "a SquashFS file system"),
    (3, b"NTFS    ", "an NTFS file system"),
    (3, b"EXFAT   ", "an exFAT file system"),
    (54, b"FAT", "a FAT file system"),
    (82, b"FAT32", "a FAT file system"),
    (512, b"LABELONE", "an LVM physical volume"),
    (1080, b"\x53\xef", "an ext file system"),
    (4086, b"SWAPSPACE2", "swap space"),
    (0x8001, b"CD001", "an ISO 9660 file system"),
    (0x1_0040, b"_BHRfS_M", "a Btrfs file system"),
];

pub fn describe(disk: &mut File) -> Result<String> {
    let length = disk.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok("nothing: it is empty".into());
    }
    if let Some(table) = partitions::read(disk).ok().filter(|table| !table.is_empty()) {
        return Ok(describe_table(disk, &table));
    }
    if let Some(what) = container::name(disk) {
        return Ok(what.into());
    }
    for (offset, signature, what) in SIGNATURES {
        let mut bytes = vec![0; signature.len()];
        if disk.read_exact_at(&mut bytes, offset).is_ok() && bytes == signature {
            return Ok(what.into());
        }
    }
    let mut start = Vec::new();
    disk.rewind()?;
    disk.take(MIB).read_to_end(&mut start)?;
    let blank = start.iter().all(|&byte| byte == 0);
    let partitioned = start.get(510..512) == Some(b"\x55\xaa");
    let what = match (blank, partitioned) {
        (true, _) if length <= MIB => "nothing but zeros",
        (true, _) => "zeros where a disk begins",
        (_, true) => "a boot sector, which has the partitions of an MBR or a file system",
        _ => "data of a kind unknown here",
    };
    Ok(what.into())
}

fn describe_table(disk: &mut File, table: &[Entry]) -> String {
    let names: Vec<String> = table.iter().take(NAMES_MAX).map(|entry| format!("{:?}", entry.name)).collect();
    let more = if table.len() > NAMES_MAX { ", ..." } else { "" };
    let names = names.join(", ") + more;
    let volumes = table.iter().filter(|entry| entry.kind == PARTITION_TYPE);
    let superblocks =
        volumes.filter_map(|entry| superblock_at(disk, entry.first_block * BLOCK_SIZE as u64).ok()?.ok());
    let deployment = { superblocks }.next().map(|superblock| superblock.deployment);
    match deployment {
        Some(id) => {
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("volumes of the deployment {id}: {names}")
        }
        None => format!("a partition table with {names}"),
    }
}

/// Refuses a disk on which no volume of the deployment is, and one that ends before the volumes do. What is wrong
/// with a single volume the appliance says itself.
pub fn check_belongs(disk: &mut File, deployment: &Deployment) -> Result<()> {
    let length = disk.seek(SeekFrom::End(0))?;
    let ours = |volume| superblock(disk, volume).is_ok_and(|found| found.is_ok());
    if !deployment.volumes.iter().any(ours) {
        bail!(
            "no volume of this deployment is where totebox.toml has it; the disk holds {}; name the right one with \
             --disk FILE, or give up what is there with `totebox disk create --force`",
            describe(disk)?
        );
    }
    let end = deployment.volumes.iter().map(|volume| volume.offset() + volume.size()).max().unwrap_or(0);
    if length < end {
        bail!(
            "it ends after {}, and the volumes reach to {}: it was cut short (a copy may be whole), or the last \
             archive is not on it yet (`totebox provision NAME --disk FILE`)",
            show_size(length),
            show_size(end)
        );
    }
    Ok(())
}

/// What there is to say of a disk that has volumes of the deployment, but not where, or not as large, as `totebox.toml`
/// says by now; `None` if it has none such. The vault refuses each of them.
pub fn laid_out_otherwise(disk: &mut File, path: &Path, deployment: &Deployment) -> Option<String> {
    let table = partitions::read(disk).unwrap_or_default();
    let mut differs = |volume: &&Volume| {
        let partition = table.iter().find(|entry| entry.id.as_bytes() == &volume.id);
        let place = (volume.first_block, volume.layout.blocks);
        let found = superblock_at(disk, volume.offset()).ok().and_then(Result::ok);
        partition.is_some_and(|entry| (entry.first_block, entry.blocks) != place)
            || found.is_some_and(|found| found.volume == volume.id && found.layout() != Some(volume.layout))
    };
    let names: Vec<&str> =
        deployment.volumes.iter().filter(|volume| differs(volume)).map(|volume| volume.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the disk {} has these volumes in another place or size than totebox.toml says now, and they stay out of \
             service until it says again what it said: {}",
            path.shown(),
            names.join(", ")
        )
    })
}

/// Whether the superblock a volume must have stands in its place.
pub fn superblock(disk: &mut File, volume: &Volume) -> Result<Result<(), SuperblockError>> {
    let found = superblock_at(disk, volume.offset())?;
    Ok(found.and_then(|found| found.matches(&volume.superblock())))
}

fn superblock_at(disk: &mut File, offset: u64) -> Result<Result<Superblock, SuperblockError>> {
    let mut block = Vec::with_capacity(BLOCK_SIZE);
    disk.seek(SeekFrom::Start(offset))?;
    disk.take(BLOCK_SIZE as u64).read_to_end(&mut block)?;
    Ok(Superblock::decode(&block).map(|(superblock, _)| superblock))
}
