//! A deployment: what `totebox.toml` says, checked, and everything that follows from it.

#![forbid(unsafe_code)]

pub mod board;
pub mod cpu;
pub mod disk;
pub mod graph;
pub mod keys;
mod manifests;
mod new;
mod parse;
pub mod partitions;
mod provision;
mod read;
mod system_xml;
pub mod volume;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use totebox_manifest::OnMismatch;

use board::Board;
use graph::Graph;
use totebox_shown::ShowPath;
use volume::Volume;

use totebox_common::problem::Problems;
use totebox_common::read::text;

pub use new::new_deployment;
pub use provision::provision;

/// The name of the file a deployment is described in.
pub const DEPLOYMENT_FILE: &str = "totebox.toml";

/// The name of the system description beside it.
pub const SYSTEM_FILE: &str = "system.xml";

/// Bytes of a file that a person writes for a deployment, of its own or of a board, at most: many times what the largest
/// one has.
pub const SOURCE_MAX: usize = 1 << 20;

/// Bytes of a `system.xml` that was made from one at most.
pub const SYSTEM_MAX: usize = 4 << 20;

/// Clock ticks per second: often enough to notice a silent archive, too seldom to cost anything.
pub const TICK_HZ: u32 = 10;

/// A deployment. Always sound: every archive fits the board, the disk and the CPU.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub directory: PathBuf,
    pub name: String,
    /// Its id, unique in the world.
    pub id: [u8; 16],
    pub board: Board,
    /// Bytes of the disk.
    pub disk_size: u64,
    pub audit: Audit,
    /// The archives, in the order of the file.
    pub archives: Vec<Archive>,
    /// The volumes by number: archive i's is volume i, the audit volume is the last.
    pub volumes: Vec<Volume>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Seconds between audits of one archive; 0 is never.
    pub period_s: u32,
    /// Every so many of them reads everything.
    pub full_every: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    pub name: String,
    pub on_mismatch: OnMismatch,
    /// Its share of the CPU in parts per million.
    pub share_ppm: u32,
}

impl Deployment {
    /// Reads a deployment from its file, or from the directory its file is in.
    pub fn load(path: &Path) -> Result<Deployment> {
        let path = file(path);
        Ok(Deployment::parse(&path, &read_source(&path)?)?)
    }

    /// Reads a deployment from text. `file` is named in problems, and boards are looked for beside it.
    pub fn parse(file: &Path, source: &str) -> Result<Deployment, Problems> {
        parse::deployment(file, source)
    }

    pub fn graph(&self) -> Graph {
        Graph::new(&self.archives, &self.board)
    }

    /// Bytes of the disk behind the last volume that another one could have.
    pub fn free(&self) -> u64 {
        let volumes: u64 = self.volumes.iter().map(Volume::size).sum();
        self.disk_size - 2 * volume::TABLE_SIZE - volumes
    }
}

/// Reads the text of a deployment's file.
fn read_source(file: &Path) -> Result<String> {
    text(file, SOURCE_MAX)
        .with_context(|| format!("cannot read {} (`totebox new DIR` makes a deployment)", file.shown()))
}

/// A deployment's file: `path`, or the one in the directory `path`.
pub fn file(path: &Path) -> PathBuf {
    match path {
        path if path == Path::new(".") => DEPLOYMENT_FILE.into(),
        path if path.is_dir() => path.join(DEPLOYMENT_FILE),
        path => path.to_owned(),
    }
}
