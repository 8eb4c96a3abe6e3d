//! What is measured: something that keeps records durably and reads them back.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::{Advice, fadvise};

/// A store.
pub trait Store {
    /// Its name and version.
    fn name(&self) -> String;
    /// Appends `count` records; every `batch` of them are durable before the next are begun, or, where the store
    /// takes records in while it makes others durable, before the next but one.
    fn append(&mut self, count: u64, batch: u64) -> Result<()>;
    /// Flushes of its disk so far, if it counts them.
    fn flushes(&self) -> Option<u64> {
        None
    }
    /// Lets go of what it has in its own memory, if it has any.
    fn reopen(&mut self) -> Result<()>;
    /// Reads every record and compares it with its hash; how many there are.
    fn verify(&mut self) -> Result<u64>;
    /// Its file, or the directory its files are in.
    fn files(&self) -> PathBuf;
}

/// Has the system forget the content of a file, or of every file of a directory.
pub fn forget(path: &Path) -> Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            forget(&entry?.path())?;
        }
        return Ok(());
    }
    let file = File::open(path)?;
    // Only what is on the disk can be forgotten.
    file.sync_all()?;
    Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
}

/// The version of a package this program was built with.
pub fn version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let (_, behind) =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).expect("a package of Cargo.lock");
    behind.split('"').next().expect("its version")
}
