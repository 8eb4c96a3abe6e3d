//! Signed checkpoints in files: what an auditor keeps, and what proofs are made against.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ledger_fmt::Hash;
use ledger_fmt::checkpoint::{self, Checkpoint, CheckpointError};
use ledger_fmt::layout::Superblock;
use ledger_fmt::note::{NOTE_MAX, Note, Unverified, Verifier};
use ledger_fmt::payload::Stated;
use ledger_fmt::record::{Kind, Record};
use totebox_common::read::bytes;
use totebox_shown::ShowPath;

/// A signed checkpoint; what it states is to be believed if [`SignedCheckpoint::verify`] says so, or if
/// whoever has it has kept it safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: String,
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    pub root: Hash,
}

impl SignedCheckpoint {
    /// Reads one from bytes that may be anything.
    pub fn parse(bytes: &[u8]) -> Result<SignedCheckpoint, CheckpointError> {
        let (_, Checkpoint { origin, size, root }) = Checkpoint::parse(bytes)?;
        let note = String::from_utf8_lossy(bytes).into_owned();
        Ok(SignedCheckpoint { origin: origin.to_owned(), note, size, root })
    }

    pub fn read(path: &Path) -> Result<SignedCheckpoint> {
        let bytes = bytes(path, NOTE_MAX).with_context(|| format!("cannot read {}", path.shown()))?;
        SignedCheckpoint::parse(&bytes).with_context(|| format!("{} is no checkpoint", path.shown()))
    }

    /// Checks that one of these keys has signed it for the log it speaks of.
    pub fn verify(&self, keys: &[Verifier]) -> Result<(), Unverified> {
        let keys: Vec<Verifier> = keys.iter().filter(|key| key.name() == self.origin).cloned().collect();
        let note = Note::parse(self.note.as_bytes()).expect("it was read from one");
        note.verify(&keys)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

/// What the names of checkpoints in a folder end in.
pub const EXTENSION: &str = "checkpoint";

/// The checkpoints in a folder, in the order of their names; of a file itself. A folder without any is an error: who
/// named it believes to have kept some.
pub fn paths(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = || format!("cannot read {}", path.shown());
    let entries =
        path.read_dir().and_then(|entries| entries.collect::<Result<Vec<_>, _>>()).with_context(cannot)?;
    let entries = entries.into_iter().map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == EXTENSION)).collect();
    paths.sort();
    ensure!(!paths.is_empty(), "there is no *.{EXTENSION} in {}", path.shown());
    Ok(paths)
}

/// The origin of a volume's checkpoints; `None` if no archive can have its name.
pub fn origin(superblock: &Superblock) -> Option<String> {
    checkpoint::origin(&superblock.deployment, &superblock.name).map(|origin| origin.to_string())
}

/// The signed checkpoint in a record's payload; `None` if it is unsigned, or the record is another.
pub fn note<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    let stated = Stated::read(record.payload).filter(|_| record.kind == Kind::Checkpoint)?;
    stated.note.map(str::as_bytes)
}
