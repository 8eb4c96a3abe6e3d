//! Makes the disk of a deployment: partition tables, a superblock in each volume, and zeros.

use std::fs::{self, File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use totebox_lock::LockedDisk;
use totebox_shown::ShowPath;
use zerocopy::IntoBytes;

use crate::Deployment;
use crate::disk::contents::describe;
use crate::partitions;
use crate::volume::Volume;
use totebox_common::files::Draft;
use totebox_common::read::Source;
use totebox_common::units::{MIB, show_size};

/// What may happen to what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Keep,
    /// It is given up, unless somebody uses it. A block device is overwritten as far as the deployment's disk reaches.
    Replace,
}

impl Deployment {
    /// Makes the disk of this deployment as a new sparse file at `path`, whole or not at all, for its owner alone.
    /// Anything that is there already stays, and is an error.
    pub fn create_disk(&self, path: &Path) -> Result<()> {
        self.create_disk_over(path, Existing::Keep, &mut |_| ()).map(drop)
    }

    /// As [`Deployment::create_disk`], with a say in what happens to what is there; returns in words what was. Calls
    /// `wrote` with the bytes of each piece of a block device that was overwritten.
    pub fn create_disk_over(
        &self,
        path: &Path,
        existing: Existing,
        wrote: &mut dyn FnMut(u64),
    ) -> Result<Option<String>> {
        let shown = path.shown();
        let Ok(kind) = fs::metadata(path).map(|metadata| metadata.file_type()) else {
            if let Ok(target) = fs::read_link(path) {
                bail!(
                    "{shown} is a symbolic link to {}, which is not there (not mounted?); make the disk there, or \
                     remove the link",
                    target.shown()
                );
            }
            let mut draft = Draft::secret(path)?;
            self.lay_out(draft.file()).with_context(|| format!("cannot make {shown}"))?;
            draft.publish(false)?;
            return Ok(None);
        };
        if !kind.is_file() && !kind.is_block_device() {
            bail!("{shown} is not a file");
        }
        if existing == Existing::Keep {
            let what = if kind.is_block_device() { "is a block device" } else { "exists already" };
            let held = Source::open_file(path).map_err(Into::into).and_then(|mut disk| describe(&mut disk));
            let held = held.unwrap_or_else(|error| format!("what cannot be read ({error})"));
            bail!("{shown} {what} and holds {held}; --force gives up everything on it");
        }
        // What is there is overwritten rather than replaced: only what is locked is known not to be in use.
        let cannot = || format!("cannot make the disk {shown}");
        let mut disk = LockedDisk::open(path).with_context(cannot)?;
        let held = describe(&mut disk).with_context(cannot)?;
        let made =
            if kind.is_file() { self.overwrite_file(&mut disk) } else { self.overwrite_device(&mut disk, wrote) };
        made.with_context(cannot)?;
        Ok(Some(held))
    }

    fn lay_out(&self, file: &mut File) -> Result<()> {
        file.set_len(self.disk_size)?;
        for volume in &self.volumes {
            write_superblock(file, volume)?;
        }
        partitions::write(self, file, self.disk_size)
    }

    fn overwrite_file(&self, file: &mut File) -> Result<()> {
        file.set_len(0)?;
        // As a new one.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let made = self.lay_out(file).and_then(|()| Ok(file.sync_all()?));
        made.context("what was on it is gone, and it is not whole; repeat the command")
    }

    /// Old runs of the same volume would be taken for commits, so every byte is overwritten.
    fn overwrite_device(&self, device: &mut File, wrote: &mut dyn FnMut(u64)) -> Result<()> {
        let length = device.seek(SeekFrom::End(0))?;
        if length < self.disk_size {
            bail!("it has {}, and the deployment's disk needs {}", show_size(length), show_size(self.disk_size));
        }
        device.rewind()?;
        let zeros = vec![0; MIB as usize];
        for _ in 0..self.disk_size / MIB {
            device.write_all(&zeros)?;
            wrote(MIB);
        }
        for volume in &self.volumes {
            write_superblock(device, volume)?;
        }
        partitions::write(self, device, length)?;
        Ok(device.sync_all()?)
    }
}

/// Writes a volume's superblock to its place on the disk.
pub fn write_superblock(disk: &mut File, volume: &Volume) -> Result<()> {
    disk.seek(SeekFrom::Start(volume.offset()))?;
    disk.write_all(volume.superblock().as_bytes())?;
    Ok(())
}
