//! That a deployment has had a disk, so that a disk which is gone (not mounted, moved) is not replaced by an empty one
//! in silence. It stands in `state/disk.toml` beside `totebox.toml`, and not beside the disk: what takes the disk away
//! would take it away, too.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use toml_edit::{DocumentMut, value};
use totebox_shown::ShowPath;

use crate::Deployment;
use totebox_common::files::write_atomically;
use totebox_common::read::text;

/// The directory of what an installation knows and its sources do not, beside `totebox.toml`.
const STATE_DIRECTORY: &str = "state";

/// Bytes of the file at most: it has a path in it.
const FILE_MAX: usize = 64 * 1024;

const HEAD: &str = "# Written by totebox: the disk this deployment was last seen with. While this file is here, no
# empty disk is made in its place but by `totebox disk create` and `totebox run --new-disk`.
";

#[derive(Deserialize)]
struct Memory {
    disk: String,
}

impl Deployment {
    /// Where the deployment's disk was last; `None` if it has never had one.
    pub fn remembered_disk(&self) -> Result<Option<String>> {
        let path = self.disk_memory();
        match text(&path, FILE_MAX) {
            Ok(text) => {
                let memory: Memory = toml::from_str(&text).with_context(|| path.shown().to_string())?;
                Ok(Some(memory.disk))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.shown())),
        }
    }

    /// Remembers that this is the deployment's disk.
    pub fn remember_disk(&self, disk: &Path) -> Result<()> {
        let disk = fs::canonicalize(disk).unwrap_or(disk.to_owned());
        let mut document = DocumentMut::new();
        document["disk"] = value(disk.to_string_lossy().as_ref());
        let written = format!("{HEAD}{document}");
        let path = self.disk_memory();
        if text(&path, FILE_MAX).is_ok_and(|found| found == written) {
            return Ok(());
        }
        let directory = self.directory.join(STATE_DIRECTORY);
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.shown()))?;
        // It speaks of this installation, not of the deployment's sources.
        write_atomically(&directory.join(".gitignore"), b"*\n")?;
        write_atomically(&path, written.as_bytes())
    }

    fn disk_memory(&self) -> PathBuf {
        self.directory.join(STATE_DIRECTORY).join("disk.toml")
    }
}
