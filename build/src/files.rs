//! Files written whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// A new file beside its destination, which it replaces only by [`Draft::publish`]. Until then, and if it
/// is dropped, whatever is at the destination stays.
pub struct Draft {
    file: NamedTempFile,
    destination: PathBuf,
}

impl Draft {
    /// A new, empty file for `destination`; if that is a symbolic link, for what it points to.
    pub fn new(destination: &Path) -> Result<Draft> {
        // As a file made in the usual way: the process's mask takes away what it must.
        Draft::with_mode(destination, 0o666)
    }

    /// One that its owner alone may read.
    pub fn secret(destination: &Path) -> Result<Draft> {
        Draft::with_mode(destination, 0o600)
    }

    fn with_mode(destination: &Path, mode: u32) -> Result<Draft> {
        let destination = fs::canonicalize(destination).unwrap_or(destination.to_owned());
        let directory = match destination.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let permissions = Permissions::from_mode(mode);
        let file = tempfile::Builder::new()
            .prefix(".totebox-")
            .permissions(permissions)
            .tempfile_in(directory)
            .with_context(|| format!("cannot write {}", destination.display()))?;
        Ok(Draft { file, destination })
    }

    /// The file, open for reading and writing.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Makes the file durable and puts it at its destination; with `replace` false only if there is
    /// nothing. A reader, or a crash, sees what was there before or this.
    pub fn publish(self, replace: bool) -> Result<()> {
        let failed = format!("cannot write {}", self.destination.display());
        self.file.as_file().sync_all().context(failed.clone())?;
        let published = match replace {
            true => self.file.persist(&self.destination),
            false => self.file.persist_noclobber(&self.destination),
        };
        published.map(drop).map_err(|error| error.error).context(failed)
    }
}

/// Replaces a file by one with these bytes, such that a reader, or a crash, sees the old one or the new.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    draft(path, bytes)?.publish(true)
}

/// As [`write_atomically`], for a file that its owner alone may read.
pub fn write_secret(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let mut draft = Draft::secret(path)?;
    draft.file().write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
    draft.publish(replace)
}

/// A file with these bytes, to be published later.
pub fn draft(path: &Path, bytes: &[u8]) -> Result<Draft> {
    let mut draft = Draft::new(path)?;
    draft.file().write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(draft)
}
