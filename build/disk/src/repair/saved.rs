//! What a repair overwrites, kept as evidence: a file of JSON, whole on its disk before anything is written.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use totebox_shown::ShowPath;

use super::Plan;
use crate::report::hex;
use totebox_common::files;

#[derive(Serialize)]
struct Saved {
    disk: String,
    overwritten: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    volume: Option<String>,
    what: &'static str,
    offset: u64,
    length: u64,
    /// None if it could not be read.
    hex: Option<String>,
}

/// Where it goes if nobody says: beside an image, under the first name that is free. `None` beside a device.
pub fn beside(disk: &Path) -> Option<PathBuf> {
    disk.is_file().then_some(())?;
    let name = |number: u32| {
        let mut name = disk.as_os_str().to_owned();
        name.push(if number == 1 { ".overwritten".to_owned() } else { format!(".overwritten-{number}") });
        PathBuf::from(name)
    };
    (1..).map(name).find(|path| path.symlink_metadata().is_err())
}

pub fn save(disk: &File, plan: &Plan, path: &Path, to: &Path) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        bail!("{} exists already, and nothing is overwritten: give another file with --save", to.shown());
    }
    let mut overwritten = Vec::new();
    for piece in &plan.pieces {
        for (offset, bytes) in &piece.writes {
            let mut old = vec![0; bytes.len()];
            let old = disk.read_exact_at(&mut old, *offset).ok().map(|()| hex(&old));
            let (volume, what, length) = (piece.volume.clone(), piece.what, bytes.len() as u64);
            overwritten.push(Row { volume, what, offset: *offset, length, hex: old });
        }
    }
    let saved = Saved { disk: path.shown().to_string(), overwritten };
    let text = serde_json::to_string_pretty(&saved)? + "\n";
    // For its owner alone: nobody knows what stood there.
    files::write_secret(to, text.as_bytes(), false).context("nothing was written to the disk")
}
