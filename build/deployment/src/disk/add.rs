//! Lays out one more volume on a disk that is in service, behind all the others, whose bytes stay as they
//! are. Whatever is not as it must be is refused before anything is written.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use ledger_fmt::layout::{BLOCK_SIZE, SuperblockError};
use rustix::fs::{SeekFrom as Whence, seek};
use rustix::io::Errno;
use totebox_lock::LockedDisk;
use totebox_shown::ShowPath;

use crate::Deployment;
use crate::disk::contents::superblock;
use crate::disk::create::write_superblock;
use crate::partitions;
use crate::volume::{TABLE_SIZE, Volume};
use totebox_common::units::{MIB, show_size};

const BLOCK: u64 = BLOCK_SIZE as u64;

/// Puts a disk back as it was, and holds its lock until then.
pub struct Undo {
    disk: LockedDisk,
    path: PathBuf,
    /// Bytes the image had; `None` for a device.
    length: Option<u64>,
    saved: Vec<(u64, Vec<u8>)>,
}

/// Lays out the volume that `new` has and `old` has not. An error leaves the disk as it was.
pub fn add_volume(path: &Path, old: &Deployment, new: &Deployment) -> Result<Undo> {
    let context = || format!("the disk {}", path.shown());
    let mut disk = LockedDisk::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("{} is not there: see that it is mounted, or leave --disk out", context()),
        _ => anyhow!(error).context(context()),
    })?;
    let is_file = disk.metadata().with_context(context)?.is_file();
    let length = disk.seek(SeekFrom::End(0)).with_context(context)?;
    let plan = Plan { old, new, volume: added(old, new), length, is_file };
    plan.check(&mut disk).with_context(context)?;

    let saved = plan.overwritten().into_iter().map(|range| save(&mut disk, range)).collect::<Result<_>>();
    let saved = saved.with_context(context)?;
    let length = is_file.then_some(length);
    let mut undo = Undo { disk, path: path.to_owned(), length, saved };
    match plan.carry_out(&mut undo.disk).with_context(context) {
        Ok(()) => Ok(undo),
        Err(error) => {
            undo.run()?;
            Err(error)
        }
    }
}

impl Undo {
    pub fn run(mut self) -> Result<()> {
        self.write().with_context(|| format!("the disk {} could not be put back as it was", self.path.shown()))
    }

    fn write(&mut self) -> Result<()> {
        for (offset, bytes) in &self.saved {
            self.disk.seek(SeekFrom::Start(*offset))?;
            self.disk.write_all(bytes)?;
        }
        if let Some(length) = self.length {
            self.disk.set_len(length)?;
        }
        Ok(self.disk.sync_all()?)
    }
}

/// The volume that was added: the last archive's.
fn added<'a>(old: &Deployment, new: &'a Deployment) -> &'a Volume {
    let count = old.archives.len();
    assert_eq!(new.archives.len(), count + 1, "one archive was added");
    let unmoved = old.volumes[..count] == new.volumes[..count] && old.volumes.last() == new.volumes.last();
    assert!(unmoved, "an archive at the end moves no volume");
    &new.volumes[count]
}

struct Plan<'a> {
    old: &'a Deployment,
    new: &'a Deployment,
    volume: &'a Volume,
    /// Bytes the disk has.
    length: u64,
    is_file: bool,
}

impl Plan<'_> {
    /// Bytes the disk will have.
    fn new_length(&self) -> u64 {
        if self.is_file { self.new.disk_size } else { self.length }
    }

    /// Where the second partition table is now.
    fn tail(&self) -> Range<u64> {
        self.length.saturating_sub(TABLE_SIZE)..self.length
    }

    /// Refuses a disk that is not the old deployment's, or on which the new volume's place is in use.
    fn check(&self, disk: &mut File) -> Result<()> {
        let (has, says) = (show_size(self.length), show_size(self.new.disk_size));
        if self.is_file && self.length > self.new.disk_size {
            bail!(
                "it has {has}, and totebox.toml says {says}; if it is the right one, write size = \"{has}\" there"
            );
        }
        if !self.is_file && self.length < self.new.disk_size {
            bail!("it has {has}, and totebox.toml says {says}; take a larger one, or write less there");
        }
        let found = partitions::read(disk)?;
        // The new table is there already if a try was cut short.
        if found != partitions::expected(self.old) && found != partitions::expected(self.new) {
            bail!(
                "its partitions are not this deployment's; if an earlier `totebox provision` was cut short, \
                 repeat that one first"
            );
        }
        for volume in &self.old.volumes {
            if let Err(error) = superblock(disk, volume)? {
                bail!("the volume \"{}\" on it is not this deployment's: {}", volume.name, describe(error));
            }
        }
        let first = match superblock(disk, self.volume)? {
            Ok(()) => self.volume.offset() + BLOCK,
            Err(_) => self.volume.offset(),
        };
        let end = self.volume.offset() + self.volume.size();
        // The second partition table moves away when the image grows.
        let end = if self.new_length() > self.length { end.min(self.tail().start) } else { end };
        if let Some(byte) = first_byte_in_use(disk, first..end)? {
            bail!("there are data at byte {byte}, where the new volume would be, and they are not overwritten");
        }
        Ok(())
    }

    /// What [`Plan::carry_out`] overwrites of what the disk has.
    fn overwritten(&self) -> [Range<u64>; 3] {
        let first_block = self.volume.offset()..self.volume.offset() + BLOCK;
        [0..TABLE_SIZE, first_block, self.tail()].map(|range| range.start..range.end.min(self.length))
    }

    fn carry_out(&self, disk: &mut File) -> Result<()> {
        if self.new_length() > self.length {
            disk.set_len(self.new_length())?;
            disk.seek(SeekFrom::Start(self.tail().start))?;
            disk.write_all(&vec![0; (self.tail().end - self.tail().start) as usize])?;
        }
        write_superblock(disk, self.volume)?;
        disk.sync_all()?;
        partitions::write(self.new, disk, self.new_length())?;
        Ok(disk.sync_all()?)
    }
}

/// Bytes of the disk, to be put back.
fn save(disk: &mut File, range: Range<u64>) -> Result<(u64, Vec<u8>)> {
    let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
    disk.seek(SeekFrom::Start(range.start))?;
    disk.read_exact(&mut bytes)?;
    Ok((range.start, bytes))
}

fn describe(error: SuperblockError) -> &'static str {
    match error {
        SuperblockError::Foreign => "it has no superblock",
        SuperblockError::Damaged => "its superblock is damaged",
        SuperblockError::Version(_) => "its superblock has another version",
        SuperblockError::Inconsistent => "its superblock contradicts itself",
        SuperblockError::OtherDeployment => "its superblock is of another deployment",
        SuperblockError::OtherVolume => "its superblock is of another volume, or of another size",
    }
}

/// The first byte of the range that is not zero. Holes in a sparse image are not read.
fn first_byte_in_use(disk: &mut File, range: Range<u64>) -> Result<Option<u64>> {
    let mut piece = Vec::new();
    let mut next = range.start;
    while next < range.end {
        next = match seek(&*disk, Whence::Data(next)) {
            Ok(data) => data.max(next),
            // Nothing but holes up to the end.
            Err(Errno::NXIO) => return Ok(None),
            // A device, or a file system, that cannot tell.
            Err(Errno::INVAL) => next,
            Err(error) => return Err(error.into()),
        };
        if next >= range.end {
            break;
        }
        piece.clear();
        disk.seek(SeekFrom::Start(next))?;
        let read = disk.take(MIB.min(range.end - next)).read_to_end(&mut piece)?;
        if let Some(byte) = piece.iter().position(|&byte| byte != 0) {
            return Ok(Some(next + byte as u64));
        }
        if read == 0 {
            break;
        }
        next += read as u64;
    }
    Ok(None)
}
