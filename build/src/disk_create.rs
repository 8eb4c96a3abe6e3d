//! Makes the disk of a deployment: partition tables, a superblock in each volume, and zeros.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use zerocopy::IntoBytes;

use crate::files::Draft;
use crate::model::Deployment;
use crate::model::units::{MIB, show_size};
use crate::model::volume::Volume;
use crate::partitions;

/// What may happen to what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing: it is an error.
    Keep,
    /// It is replaced. A block device is overwritten as far as the deployment's disk reaches.
    Replace,
}

impl Deployment {
    /// Makes the disk of this deployment as a new sparse file at `path`, whole or not at all. Anything
    /// that is there already stays, and is an error.
    pub fn create_disk(&self, path: &Path) -> Result<()> {
        self.create_disk_over(path, Existing::Keep, &mut |_| ())
    }

    /// As [`Deployment::create_disk`], with a say in what happens to what is there. Calls `wrote` with
    /// the bytes of each piece of a block device that was overwritten.
    pub fn create_disk_over(&self, path: &Path, existing: Existing, wrote: &mut dyn FnMut(u64)) -> Result<()> {
        let kind = fs::metadata(path).map(|metadata| metadata.file_type());
        match kind {
            Ok(kind) if existing == Existing::Keep => {
                let what = if kind.is_block_device() { "is a block device" } else { "exists already" };
                bail!("{} {what}; --force gives up everything on it", path.display());
            }
            Ok(kind) if kind.is_block_device() => self.overwrite_device(path, wrote),
            Ok(kind) if !kind.is_file() => bail!("{} is not a file", path.display()),
            _ => {
                let mut draft = Draft::new(path)?;
                self.lay_out(draft.file()).with_context(|| format!("cannot make {}", path.display()))?;
                draft.publish(existing == Existing::Replace)
            }
        }
    }

    fn lay_out(&self, file: &mut File) -> Result<()> {
        file.set_len(self.disk_size)?;
        for volume in &self.volumes {
            write_superblock(file, volume)?;
        }
        partitions::write(self, file, self.disk_size)
    }

    /// Old runs of the same volume would be taken for commits, so every byte is overwritten.
    fn overwrite_device(&self, path: &Path, wrote: &mut dyn FnMut(u64)) -> Result<()> {
        let failed = || format!("cannot write {}", path.display());
        let mut device = OpenOptions::new().read(true).write(true).open(path).with_context(failed)?;
        let length = device.seek(SeekFrom::End(0)).with_context(failed)?;
        if length < self.disk_size {
            let (has, needs) = (show_size(length), show_size(self.disk_size));
            bail!("{} has {has}, and the deployment's disk needs {needs}", path.display());
        }
        device.rewind().with_context(failed)?;
        let zeros = vec![0; MIB as usize];
        for _ in 0..self.disk_size / MIB {
            device.write_all(&zeros).with_context(failed)?;
            wrote(MIB);
        }
        for volume in &self.volumes {
            write_superblock(&mut device, volume).with_context(failed)?;
        }
        partitions::write(self, &mut device, length)?;
        device.sync_all().with_context(failed)
    }
}

/// Writes a volume's superblock to its place on the disk.
pub fn write_superblock(disk: &mut File, volume: &Volume) -> Result<()> {
    disk.seek(SeekFrom::Start(volume.offset()))?;
    disk.write_all(volume.superblock().as_bytes())?;
    Ok(())
}
