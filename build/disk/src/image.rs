//! A disk image opened for reading, and the volumes on it.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout, Superblock};
use serde::Serialize;
use totebox_shown::ShowPath;

/// When volumes are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Searching {
    /// If neither the partition table nor the deployment shows where one is.
    IfNeeded,
    Always,
}

/// Who says that a volume is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    PartitionTable,
    Deployment,
    Search,
}

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

pub struct Volume {
    /// Fit to be a file's name, and no other volume's of this image.
    pub name: String,
    /// Its partition's id, or where there is none its own.
    pub id: [u8; 16],
    /// Where it begins, in bytes.
    pub start: u64,
    /// Blocks it has, by whoever says that it is there.
    pub blocks: u64,
    pub found_by: FoundBy,
    /// The superblock it must have; or why it cannot be read.
    pub superblock: Result<Superblock, String>,
    pub contradiction: Option<String>,
}

/// Fills a buffer with the bytes at a block of a volume; false if they cannot be read.
pub type Reader = Arc<dyn Fn(u64, &mut [u8]) -> bool + Send + Sync>;

/// Fills a buffer with the bytes at a block of an area, piece by piece where they are not in one; false if they cannot
/// be read.
pub fn read_area(reader: &Reader, layout: &Layout, area: Area, block: u64, out: &mut [u8]) -> bool {
    let (mut next, mut left) = (block, out);
    while !left.is_empty() {
        let run = layout.run(area, next);
        let blocks = run.blocks.min((left.len() / BLOCK_SIZE) as u64);
        let (piece, rest) = left.split_at_mut(blocks as usize * BLOCK_SIZE);
        if blocks == 0 || !reader(run.start, piece) {
            return false;
        }
        (next, left) = (next + blocks, rest);
    }
    true
}

fn read(file: &File, start: u64, block: u64, out: &mut [u8]) -> bool {
    let at = block.checked_mul(BLOCK_SIZE as u64).and_then(|offset| offset.checked_add(start));
    at.is_some_and(|at| file.read_exact_at(out, at).is_ok())
}

impl Image {
    /// An image that is open already, in which no volumes were looked for.
    pub(super) fn new(path: &Path, mut file: File) -> Result<Image> {
        // Of a device, the metadata do not tell the size.
        let size = file.seek(SeekFrom::End(0)).with_context(|| format!("cannot read {}", path.shown()))?;
        let (path, file) = (path.to_owned(), Arc::new(file));
        Ok(Image { path, file, size, volumes: Vec::new(), troubles: Vec::new(), note: None })
    }

    /// Fills `out` with the bytes at byte `at` of the disk; false if they cannot be read.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> bool {
        self.file.read_exact_at(out, at).is_ok()
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who writes the disk now, in words; `None` if nobody does.
    pub fn writer(&self) -> Result<Option<String>> {
        totebox_lock::writer(&self.file).with_context(|| format!("cannot read {}", self.path.shown()))
    }

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
