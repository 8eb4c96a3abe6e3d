//! A disk image opened for reading, and the volumes on it.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ledger_fmt::layout::{BLOCK_SIZE, Superblock};
use totebox_shown::ShowPath;

use super::find::{FoundBy, Searching, find};
use totebox_deployment::Deployment;

/// A disk image, or a disk.
pub struct Image {
    path: PathBuf,
    file: Arc<File>,
    /// Bytes of it.
    pub size: u64,
    /// Its volumes, in the order of the table, of the deployment or, if they were searched for, of the disk.
    pub volumes: Vec<Volume>,
    /// What is wrong with the disk as a whole.
    pub troubles: Vec<String>,
    /// What is to be said of how its volumes were found, though nothing is wrong with it.
    pub note: Option<String>,
}

/// A volume of an image.
pub struct Volume {
    /// Fit to be a file's name, and no other volume's of this image.
    pub name: String,
    /// Its partition's id, or where there is none its own.
    pub id: [u8; 16],
    /// Where it begins, in bytes.
    pub start: u64,
    /// Blocks it has, by whoever says that it is there.
    pub blocks: u64,
    /// Who says that.
    pub found_by: FoundBy,
    /// The superblock it must have; or why it cannot be read.
    pub superblock: Result<Superblock, String>,
    /// Its superblock contradicts its partition: how.
    pub contradiction: Option<String>,
}

/// Fills a buffer with the bytes at a block of a volume; false if they cannot be read.
pub type Reader = Arc<dyn Fn(u64, &mut [u8]) -> bool + Send + Sync>;

fn read(file: &File, start: u64, block: u64, out: &mut [u8]) -> bool {
    let at = block.checked_mul(BLOCK_SIZE as u64).and_then(|offset| offset.checked_add(start));
    at.is_some_and(|at| file.read_exact_at(out, at).is_ok())
}

impl Image {
    /// Opens an image. With a deployment its volumes are looked for where they must be, without one where the
    /// partition table has them; where neither helps they are searched for.
    pub fn open(path: &Path, deployment: Option<&Deployment>) -> Result<Image> {
        Image::open_searching(path, deployment, Searching::IfNeeded, &mut |_, _| ())
    }

    /// As [`Image::open`]. `progress` is told how many bytes were searched, and how many there are.
    pub fn open_searching(
        path: &Path,
        deployment: Option<&Deployment>,
        searching: Searching,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Image> {
        let cannot = || format!("cannot read {}", path.shown());
        // Before it is opened: opening a FIFO waits for somebody who writes.
        let kind = fs::metadata(path).with_context(cannot)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            let what = if kind.is_dir() { "a folder" } else { "neither a file nor a block device" };
            bail!("{} is {what}; name a disk image or a block device", path.shown());
        }
        Image::of(path, File::open(path).with_context(cannot)?, deployment, searching, progress)
    }

    /// As [`Image::open_searching`], of an image that is open already.
    pub fn of(
        path: &Path,
        mut file: File,
        deployment: Option<&Deployment>,
        searching: Searching,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Image> {
        // Of a device, the metadata do not tell the size.
        let size = file.seek(SeekFrom::End(0)).with_context(|| format!("cannot read {}", path.shown()))?;
        let (path, file) = (path.to_owned(), Arc::new(file));
        let mut image = Image { path, file, size, volumes: Vec::new(), troubles: Vec::new(), note: None };
        find(&mut image, deployment, searching, progress)?;
        if image.volumes.is_empty() {
            bail!("{} has no Totebox volumes; `totebox disk create` makes a disk that has", image.path.shown());
        }
        Ok(image)
    }

    /// Fills `out` with the bytes at byte `at` of the disk; false if they cannot be read.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> bool {
        self.file.read_exact_at(out, at).is_ok()
    }

    /// The disk itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who writes the disk now, in words; `None` if nobody does.
    pub fn writer(&self) -> Result<Option<String>> {
        totebox_lock::writer(&self.file).with_context(|| format!("cannot read {}", self.path.shown()))
    }

    /// The volume of this name.
    pub fn volume(&self, name: &str) -> Result<&Volume> {
        self.volumes.iter().find(|volume| volume.name == name).with_context(|| {
            let names: Vec<&str> = self.volumes.iter().map(|volume| volume.name.as_str()).collect();
            format!("{} has no volume {name:?}; it has: {}", self.path.shown(), names.join(", "))
        })
    }

    /// Fills `out` with the bytes at `block` of a volume; false if they cannot be read.
    pub fn read(&self, volume: &Volume, block: u64, out: &mut [u8]) -> bool {
        read(&self.file, volume.start, block, out)
    }

    /// [`Image::read`] of this volume, for any thread.
    pub fn reader(&self, volume: &Volume) -> Reader {
        let (file, start) = (self.file.clone(), volume.start);
        Arc::new(move |block, out| read(&file, start, block, out))
    }
}
