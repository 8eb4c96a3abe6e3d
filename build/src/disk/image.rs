//! A disk image opened for reading, and the volumes on it.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ledger_fmt::layout::{BLOCK_SIZE, Superblock, SuperblockError, volume_name};
use uuid::Uuid;

use super::restore::restore;
use super::table::{self, Partition};
use crate::model::Deployment;

/// A disk image, or a disk.
pub struct Image {
    path: PathBuf,
    file: Arc<File>,
    /// Its volumes, in the order of the table or of the deployment.
    pub volumes: Vec<Volume>,
    /// What is wrong with the disk as a whole.
    pub troubles: Vec<String>,
}

/// A volume of an image.
pub struct Volume {
    /// Fit to be a file's name, and no other volume's of this image.
    pub name: String,
    /// Its partition's id.
    pub id: [u8; 16],
    /// Where it begins, in bytes.
    pub start: u64,
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
    /// Opens an image. With a deployment its volumes are looked for where they must be, without one
    /// those that the partition table shows.
    pub fn open(path: &Path, deployment: Option<&Deployment>) -> Result<Image> {
        let cannot = || format!("cannot read {}", path.display());
        let mut file = File::open(path).with_context(cannot)?;
        // Of a device, the metadata do not tell the size.
        let size = file.seek(SeekFrom::End(0)).with_context(cannot)?;
        let file = Arc::new(file);
        let mut image = Image { path: path.to_owned(), file, volumes: Vec::new(), troubles: Vec::new() };
        match (table::read(&image.file, size), deployment) {
            (Ok(table), Some(deployment)) => {
                image.troubles = table.troubles;
                image.expect(deployment, &table.partitions);
            }
            (Ok(table), None) => {
                image.troubles = table.troubles;
                image.find(&table.partitions);
            }
            (Err(error), Some(deployment)) => {
                image.troubles.push(format!("{error}; the volumes are read where the deployment has them"));
                image.take(deployment);
            }
            (Err(error), None) => bail!(
                "{} has no usable partition table: {error}\n    If it is a Totebox disk, give its deployment \
                 with --deployment DIR",
                path.display()
            ),
        }
        if image.volumes.is_empty() {
            bail!("{} has no Totebox volumes; `totebox disk create` makes a disk that has", path.display());
        }
        Ok(image)
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who writes the disk now, in words; `None` if nobody does.
    pub fn writer(&self) -> Result<Option<String>> {
        totebox_lock::writer(&self.file).with_context(|| format!("cannot read {}", self.path.display()))
    }

    /// The volume of this name.
    pub fn volume(&self, name: &str) -> Result<&Volume> {
        self.volumes.iter().find(|volume| volume.name == name).with_context(|| {
            let names: Vec<&str> = self.volumes.iter().map(|volume| volume.name.as_str()).collect();
            format!("{} has no volume {name:?}; it has: {}", self.path.display(), names.join(", "))
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

    /// Takes the volumes of a deployment, where they must be.
    fn take(&mut self, deployment: &Deployment) {
        for volume in &deployment.volumes {
            self.volumes.push(Volume {
                name: volume.name.clone(),
                id: volume.id,
                start: volume.offset(),
                superblock: Ok(volume.superblock()),
                contradiction: None,
            });
        }
    }

    /// Takes the volumes of a deployment, and compares with the table.
    fn expect(&mut self, deployment: &Deployment, partitions: &[Partition]) {
        self.take(deployment);
        for volume in &deployment.volumes {
            let partition = partitions.iter().find(|partition| partition.id == volume.id);
            let place = partition.map(|partition| (partition.start, partition.blocks));
            let trouble = match place {
                None => "has no partition",
                Some(place) if place != (volume.offset(), volume.layout.blocks) => {
                    "has its partition in another place or size"
                }
                Some(_) => continue,
            };
            self.troubles.push(format!("the deployment's volume {} {trouble}", volume.name));
        }
        for Partition { name, id, .. } in partitions {
            if !deployment.volumes.iter().any(|volume| volume.id == *id) {
                self.troubles
                    .push(format!("partition {name:?} ({}) is not the deployment's", Uuid::from_bytes(*id)));
            }
        }
    }

    /// Takes the volumes of the table, each by its own word.
    fn find(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            let mut volume = Volume {
                name: Uuid::from_bytes(partition.id).to_string(),
                id: partition.id,
                start: partition.start,
                superblock: Err(String::new()),
                contradiction: None,
            };
            let mut block = [0; BLOCK_SIZE];
            let decoded = if self.read(&volume, 0, &mut block) {
                Superblock::decode(&block).map_err(|error| complaint(error).to_owned())
            } else {
                Err("its first block cannot be read".to_owned())
            };
            volume.superblock = match decoded {
                Ok((superblock, _)) => {
                    volume.contradiction = contradiction(&superblock, partition);
                    Ok(superblock)
                }
                Err(error) => restore(self, &volume, partition.blocks, &block).ok_or(error),
            };
            let named = volume.superblock.as_ref().ok().and_then(|superblock| volume_name(&superblock.name));
            if let Some(name) = named.or_else(|| volume_name(partition.name.as_bytes()))
                && self.volumes.iter().all(|other| other.name != name)
            {
                volume.name = name.to_owned();
            }
            self.volumes.push(volume);
        }
    }
}

/// Why a superblock is not one, in words.
fn complaint(error: SuperblockError) -> &'static str {
    match error {
        SuperblockError::Foreign => "there is no Totebox superblock",
        SuperblockError::Damaged => "the superblock is damaged",
        SuperblockError::Version(_) => "the superblock is of a format version this tool does not know",
        SuperblockError::Inconsistent => "the superblock's fields contradict each other",
        SuperblockError::OtherDeployment => "the superblock is of another deployment",
        SuperblockError::OtherVolume => "the superblock is of another volume",
    }
}

/// How a superblock contradicts the partition it stands in.
fn contradiction(superblock: &Superblock, partition: &Partition) -> Option<String> {
    let blocks = superblock.blocks.get();
    let name = volume_name(&superblock.name).unwrap_or_default();
    if superblock.volume != partition.id {
        let (own, other) = (Uuid::from_bytes(superblock.volume), Uuid::from_bytes(partition.id));
        Some(format!("it is of volume {own}, in the partition of {other}"))
    } else if blocks != partition.blocks {
        Some(format!("it says {blocks} blocks, its partition has {}", partition.blocks))
    } else if name != partition.name {
        Some(format!("it is called {name}, its partition {:?}", partition.name))
    } else {
        None
    }
}
