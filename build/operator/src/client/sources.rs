//! Finding the files to put. Whatever is found is a file to put, or is reported with the reason why not.

use std::ffi::OsString;
use std::fs::{FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The path that stands for standard input.
pub const STDIN: &str = "-";

/// A file to put, and the name its document gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub name: String,
}

/// Something that was found and cannot be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unputtable {
    pub path: PathBuf,
    pub why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The files to put, in the order of the command line, and of their names in a folder.
    pub sources: Vec<Source>,
    pub others: Vec<Unputtable>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    pub recursive: bool,
    /// Symbolic links to folders are followed, too. Those to files always are.
    pub follow: bool,
}

/// The files to put for the paths on the command line: a file under its own name, a folder as all files in it,
/// each under its path from the folder on.
pub fn sources(paths: &[PathBuf], folders: Folders) -> Found {
    let mut walk = Walk { follow: folders.follow, found: Found::default(), above: Vec::new() };
    for path in paths {
        if path == Path::new(STDIN) {
            walk.not(path, "standard input is put by itself, with a --name");
            continue;
        }
        let name = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = name.file_name().map(PathBuf::from).unwrap_or_default();
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() && folders.recursive => walk.folder(path, &name, &metadata),
            Ok(metadata) if metadata.is_dir() => walk.not(path, "a folder; -r puts all files in it"),
            // What is wrong with it shows when it is opened.
            _ => walk.file(path.clone(), &name),
        }
    }
    walk.found
}

struct Walk {
    follow: bool,
    found: Found,
    /// The folders it is in, by device and inode.
    above: Vec<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, name: &Path, metadata: &Metadata) {
        let identity = (metadata.dev(), metadata.ino());
        if self.above.contains(&identity) {
            return self.not(folder, "a symbolic link to a folder that it is in itself");
        }
        let (entries, failed) = match list(folder) {
            Ok(listed) => listed,
            Err(error) => return self.not(folder, format!("cannot list this folder: {error}")),
        };
        self.above.push(identity);
        for entry in entries {
            self.entry(folder.join(&entry), &name.join(&entry));
        }
        self.above.pop();
        if let Some(error) = failed {
            self.not(folder, format!("cannot list all that is in this folder: {error}"));
        }
    }

    fn entry(&mut self, path: PathBuf, name: &Path) {
        let (link, metadata) = match (path.symlink_metadata(), path.metadata()) {
            (Ok(link), Ok(metadata)) => (link, metadata),
            (Ok(link), Err(error)) if link.is_symlink() => {
                return self.not(&path, format!("a symbolic link that leads nowhere: {error}"));
            }
            (Err(error), _) | (_, Err(error)) => return self.not(&path, format!("cannot be looked at: {error}")),
        };
        if metadata.is_dir() && link.is_symlink() && !self.follow {
            self.not(&path, "a symbolic link to a folder; --follow puts what is in it");
        } else if metadata.is_dir() {
            self.folder(&path, name, &metadata);
        } else if metadata.is_file() {
            self.file(path, name);
        } else {
            self.not(&path, format!("no file but a {}", kind(metadata.file_type())));
        }
    }

    fn file(&mut self, path: PathBuf, name: &Path) {
        match name.to_str() {
            Some(name) => self.found.sources.push(Source { path, name: name.to_string() }),
            None => self.not(&path, "its name is not UTF-8 text; put it by itself, with another --name"),
        }
    }

    fn not(&mut self, path: &Path, why: impl Into<String>) {
        self.found.others.push(Unputtable { path: path.to_path_buf(), why: why.into() });
    }
}

/// The names of what is in a folder, in their order; and the error that ended the list early, if one did.
fn list(folder: &Path) -> std::io::Result<(Vec<OsString>, Option<std::io::Error>)> {
    let (mut names, mut failed) = (Vec::new(), None);
    for entry in folder.read_dir()? {
        match entry {
            Ok(entry) => names.push(entry.file_name()),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    names.sort();
    Ok((names, failed))
}

fn kind(of: FileType) -> &'static str {
    match of {
        of if of.is_fifo() => "FIFO",
        of if of.is_socket() => "socket",
        of if of.is_char_device() || of.is_block_device() => "device",
        _ => "thing of an unknown kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_listed_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = folder.path().metadata().unwrap();
        let gone = folder.path().join("gone");
        let mut walk = Walk { follow: false, found: Found::default(), above: Vec::new() };
        walk.folder(&gone, Path::new("gone"), &metadata);
        let [Unputtable { path, why }] = &walk.found.others[..] else { panic!("{:?}", walk.found) };
        assert!(*path == gone && why.starts_with("cannot list this folder: "), "{why}");
    }
}
