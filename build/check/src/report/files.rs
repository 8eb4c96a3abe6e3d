//! The hashes of the files a report is about. SHA-256, since every auditor's machine can compute it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use totebox_common::read::Source;
use totebox_shown::{ShowPath, Shown};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedFile {
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

pub fn hash(path: &Path, name: String) -> Result<HashedFile> {
    let read = || -> io::Result<HashedFile> {
        // What was a pipe has been read, and its bytes are gone.
        let mut file = Source::open_file(path)?;
        let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            size += read as u64;
        }
        let mut sha256 = String::new();
        hasher.finalize().iter().for_each(|byte| write!(sha256, "{byte:02x}").expect("writing to a string"));
        Ok(HashedFile { name: name.clone(), size, sha256 })
    };
    read().with_context(|| format!("cannot read {}", path.shown()))
}

/// Hashes what a Microkit SDK puts into an image for a board, or for all of them, and what puts it there:
/// its tool, kernels, loaders, initialisers, monitors and libraries. Names are the SDK's own.
pub fn sdk(directory: &Path, board: Option<&str>) -> Result<Vec<HashedFile>> {
    let mut names = BTreeSet::from(["VERSION".to_owned(), "bin/microkit".to_owned()]);
    let boards = match board {
        Some(board) => BTreeSet::from([board.to_owned()]),
        None => entries(&directory.join("board"))?,
    };
    for board in boards {
        for config in entries(&directory.join("board").join(&board))? {
            for kind in ["elf", "lib"] {
                let under = format!("board/{board}/{config}/{kind}");
                names.extend(entries(&directory.join(&under))?.into_iter().map(|file| format!("{under}/{file}")));
            }
        }
    }
    let is_file = |name: &String| directory.join(name).is_file();
    names
        .into_iter()
        .filter(is_file)
        .map(|name| hash(&directory.join(&name), format!("SDK: {}", Shown(&name))))
        .collect()
}

fn entries(directory: &Path) -> Result<BTreeSet<String>> {
    let read = directory.read_dir();
    let read = read.with_context(|| format!("cannot read {} (is it a Microkit SDK?)", directory.shown()))?;
    let mut names = BTreeSet::new();
    for entry in read {
        let Ok(name) = entry?.file_name().into_string() else {
            bail!("{}: the name of a file is not UTF-8", directory.shown());
        };
        names.insert(name);
    }
    Ok(names)
}
