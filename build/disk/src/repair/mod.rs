//! Repairs what a disk has only once and that follows from the rest of it: the superblock and the frontier hints of a
//! volume, and the partition table. Nothing else is ever written, and no block of `ledger/`, `assets/` or
//! `app-console-input/`.
//!
//! First everything is looked at, and a plan made; then, if that is wanted, what would be overwritten is saved, the
//! plan carried out one structure at a time with a flush behind each, and what was repaired is looked at once more.
//! Each structure is as good as before or better after each of those steps, so a power cut costs nothing; a repair
//! that was cut short is repeated.

mod labels;
mod saved;
mod tables;

pub use saved::beside;

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ledger_fmt::layout::{BLOCK_SIZE, DIRECTORIES_START};
use rustix::io::Errno;
use serde::Serialize;
use totebox_lock::LockedDisk;
use totebox_shown::ShowPath;

use super::image::{Image, Searching, Volume};
use super::report::hex;
use super::table::end;
use totebox_common::read::Source;
use totebox_deployment::Deployment;
use totebox_deployment::partitions::Stretch;

/// What stands wrong on a disk, and what it should be.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The volume it is of; none for the partition table.
    pub volume: Option<String>,
    pub what: &'static str,
    /// Why it is written, and what says how it must be.
    pub why: String,
    pub writes: Vec<Stretch>,
}

/// Something wrong that cannot be repaired.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// The volume it concerns; none if it is the disk.
    pub volume: Option<String>,
    pub text: String,
}

/// What there is to repair on a disk.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order in which they are to be written.
    pub pieces: Vec<Piece>,
    pub refusals: Vec<Refusal>,
}

pub struct Repair {
    path: PathBuf,
    deployment: Option<Deployment>,
    /// Held until the end, if anything is to be written.
    lock: Option<LockedDisk>,
}

/// Told of a volume, how many bytes of it were read, and about how many there are.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

impl Repair {
    /// Of a disk that is only looked at.
    pub fn looking(path: &Path, deployment: Option<Deployment>) -> Repair {
        Repair { path: path.to_owned(), deployment, lock: None }
    }

    /// Of a disk that is to be written; nobody else may have it.
    pub fn writing(path: &Path, deployment: Option<Deployment>) -> Result<Repair> {
        let lock = LockedDisk::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!("{} is not there", path.shown()),
            _ => anyhow!(error).context(format!("cannot write {}", path.shown())),
        })?;
        Ok(Repair { lock: Some(lock), ..Repair::looking(path, deployment) })
    }

    pub fn plan(&self, progress: Progress<'_>) -> Result<Plan> {
        let image = self.image(progress)?;
        let plan = self.plan_of(&image, &|_| true, progress)?;
        plan.check(&image)?;
        Ok(plan)
    }

    fn image(&self, progress: Progress<'_>) -> Result<Image> {
        let file = match &self.lock {
            Some(lock) => lock.try_clone(),
            None => Source::open_file(&self.path),
        };
        let file = file.with_context(|| format!("cannot read {}", self.path.shown()))?;
        let search = &mut |done, size| progress("the disk", done, size);
        let image = Image::of(&self.path, file, self.deployment.as_ref(), Searching::IfNeeded, search)?;
        if self.lock.is_none()
            && let Some(writer) = image.writer()?
        {
            bail!(
                "{} is in use by {writer}: what only half is written looks damaged; stop it first",
                self.path.shown()
            );
        }
        Ok(image)
    }

    fn plan_of(&self, image: &Image, looks_at: &dyn Fn(&Volume) -> bool, progress: Progress<'_>) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut sound = Vec::new();
        for volume in image.volumes.iter().filter(|volume| looks_at(volume)) {
            let show = &mut |done, expected| progress(&volume.name, done, expected);
            if labels::plan(image, volume, self.deployment.is_some(), &mut plan, show) {
                sound.push(volume);
            }
        }
        tables::plan(image, self.deployment.as_ref(), &sound, &mut plan)?;
        Ok(plan)
    }

    /// Saves what the plan overwrites to `saved`, which must not exist, and carries the plan out.
    ///
    /// # Panics
    /// If the disk was not opened for writing.
    pub fn carry_out(&self, plan: &Plan, saved: &Path, progress: Progress<'_>) -> Result<()> {
        let disk = self.lock.as_ref().expect("opened for writing");
        saved::save(disk, plan, &self.path, saved)?;
        for piece in &plan.pieces {
            for (offset, bytes) in &piece.writes {
                let wrote = disk.write_all_at(bytes, *offset).and_then(|()| disk.sync_all());
                wrote.with_context(|| {
                    format!(
                        "the {} could not be written at byte {offset} of {}; what stood there is in {}",
                        piece.what,
                        self.path.shown(),
                        saved.shown()
                    )
                })?;
            }
        }
        self.check_repaired(plan, progress)
    }

    /// Looks once more at what was repaired.
    fn check_repaired(&self, plan: &Plan, progress: Progress<'_>) -> Result<()> {
        for piece in &plan.pieces {
            for (offset, bytes) in &piece.writes {
                ensure!(
                    self.reads_back(*offset, bytes)?,
                    "the {} at byte {offset} does not read back as it was written: the disk is failing; copy it before \
                     anything else",
                    piece.what
                );
            }
        }
        let image = self.image(progress)?;
        let repaired =
            |volume: &Volume| plan.pieces.iter().any(|piece| piece.volume.as_ref() == Some(&volume.name));
        let left = self.plan_of(&image, &repaired, progress)?;
        let again = left
            .pieces
            .iter()
            .find(|left| plan.pieces.iter().any(|piece| (&piece.volume, piece.what) == (&left.volume, left.what)));
        if let Some(piece) = again {
            return Err(anyhow!("the {} is not as it must be though it was written: {}", piece.what, piece.why));
        }
        Ok(())
    }

    /// Whether the disk has these bytes there. Its cache is given up first, where the system lets that be done.
    fn reads_back(&self, offset: u64, bytes: &[u8]) -> Result<bool> {
        let disk = File::open(&self.path).with_context(|| format!("cannot read {}", self.path.shown()))?;
        // A hint to the system only.
        let _: Result<(), Errno> = rustix::fs::fadvise(&disk, offset, None, rustix::fs::Advice::DontNeed);
        let mut read = vec![0; bytes.len()];
        Ok(disk.read_exact_at(&mut read, offset).is_ok() && read == bytes)
    }
}

impl Plan {
    /// Nothing is wrong that could be repaired, or that could not.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.refusals.is_empty()
    }

    fn add(&mut self, volume: &Volume, what: &'static str, block: u64, why: String, bytes: Vec<u8>) {
        let writes = vec![(end(volume.start, block), bytes)];
        self.pieces.push(Piece { volume: Some(volume.name.clone()), what, why, writes });
    }

    fn refuse(&mut self, volume: Option<&Volume>, text: String) {
        self.refusals.push(Refusal { volume: volume.map(|volume| volume.name.clone()), text });
    }

    /// Whatever went into it: nothing but superblocks, hints and what no volume has is ever written.
    fn check(&self, image: &Image) -> Result<()> {
        for piece in &self.pieces {
            for (offset, bytes) in &piece.writes {
                let written = *offset..offset + bytes.len() as u64;
                let harms = image.volumes.iter().any(|volume| {
                    let own = piece.volume.as_ref() == Some(&volume.name);
                    let first = if own { DIRECTORIES_START } else { 0 };
                    written.start < end(volume.start, volume.blocks) && end(volume.start, first) < written.end
                });
                ensure!(
                    !harms && written.end <= image.size,
                    "the {} would be written to bytes {} to {}, which hold something else; nothing was written",
                    piece.what,
                    written.start,
                    written.end
                );
            }
        }
        Ok(())
    }
}

/// The plan in JSON, or what was made of it.
#[derive(Debug, Serialize)]
pub struct RepairReport<'a> {
    pub repairs: Vec<RepairRow<'a>>,
    pub refused: &'a [Refusal],
    pub written: bool,
    pub saved: Option<String>,
}

/// One of [`RepairReport::repairs`].
#[derive(Debug, Serialize)]
pub struct RepairRow<'a> {
    /// The volume; none for the partition table.
    pub volume: Option<&'a str>,
    pub what: &'a str,
    /// Why, and what says how it must be.
    pub why: &'a str,
    pub writes: Vec<WriteRow>,
}

/// A piece of the disk that is written.
#[derive(Debug, Serialize)]
pub struct WriteRow {
    pub offset: u64,
    pub length: u64,
    /// BLAKE3 of what is written.
    pub hash: String,
}

impl<'a> RepairReport<'a> {
    pub fn new(plan: &'a Plan, saved: Option<&Path>) -> RepairReport<'a> {
        let row = |(offset, bytes): &Stretch| WriteRow {
            offset: *offset,
            length: bytes.len() as u64,
            hash: hex(&ledger_fmt::hash::content_blake3(bytes)),
        };
        let repairs = plan.pieces.iter().map(|piece| RepairRow {
            volume: piece.volume.as_deref(),
            what: piece.what,
            why: &piece.why,
            writes: piece.writes.iter().map(row).collect(),
        });
        RepairReport {
            repairs: repairs.collect(),
            refused: &plan.refusals,
            written: saved.is_some(),
            saved: saved.map(|path| path.shown().to_string()),
        }
    }
}

/// A block that begins with these bytes.
fn block(bytes: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_SIZE];
    block[..bytes.len()].copy_from_slice(bytes);
    block
}
