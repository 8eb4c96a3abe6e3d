//! The backend's command line, and what it names: the disk image and the operator's line.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::fs::{FileType, fstat};
use totebox_lock::{LockedDisk, is_left_behind};

/// Runs a system description on Linux, one process per protection domain. For development; not a security
/// boundary. `totebox run` calls this.
#[derive(Debug, Parser)]
#[command(name = "totebox-hosted", version, after_help = EXAMPLE)]
pub struct Arguments {
    /// The system description
    #[arg(value_name = "SYSTEM_XML")]
    pub system: PathBuf,
    /// The folder of the files the description fills regions with
    #[arg(long, value_name = "DIR")]
    pub manifests: PathBuf,
    /// The disk image, or a block device
    #[arg(long, value_name = "FILE")]
    disk: PathBuf,
    /// The operator's line: `unix:PATH`, a socket to listen on for one peer at a time; or `stdin`, where
    /// standard input is a connected socket and the system ends when it is closed
    #[arg(long, value_name = "LINE")]
    console: Console,
}

const EXAMPLE: &str =
    "Example:\n  totebox-hosted system.xml --manifests run --disk disk.img --console unix:console";

#[derive(Clone, Debug)]
enum Console {
    Listen(PathBuf),
    Stdin,
}

impl FromStr for Console {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Console::Listen(path.into())),
            None if text == "stdin" => Ok(Console::Stdin),
            _ => Err("expected unix:PATH or stdin"),
        }
    }
}

impl Arguments {
    /// Opens the disk for this run alone; `None`, with a word to the operator, if there is none. The second
    /// value says whether it takes no writes.
    pub fn open_disk(&self) -> Result<Option<(File, bool)>> {
        open_disk(&self.disk)
    }

    /// Opens the operator's line. The second value says whether it is a socket to accept peers from.
    pub fn open_line(&self) -> Result<(OwnedFd, bool)> {
        match &self.console {
            Console::Listen(path) => {
                let listener = listen(path)?;
                eprintln!("the operator's line is unix:{}", path.display());
                Ok((listener.into(), true))
            }
            Console::Stdin => {
                let line = std::io::stdin().as_fd().try_clone_to_owned()?;
                let socket = FileType::from_raw_mode(fstat(&line)?.st_mode) == FileType::Socket;
                ensure!(socket, "--console stdin needs a connected socket as standard input");
                Ok((line, false))
            }
        }
    }
}

fn open_disk(path: &Path) -> Result<Option<(File, bool)>> {
    // For root a file without write permission opens all the same, but it was meant to stay as it is.
    let protected = path.metadata().is_ok_and(|metadata| metadata.permissions().readonly());
    let open = if protected { LockedDisk::open_read_only } else { LockedDisk::open };
    let cannot = || format!("cannot open the disk {}", path.display());
    let (file, read_only) = match open(path) {
        Ok(file) => (file, protected),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!(
                "there is no disk {}: no volume can be used; `totebox disk create` makes one",
                path.display()
            );
            return Ok(None);
        }
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            (LockedDisk::open_read_only(path).with_context(cannot)?, true)
        }
        Err(error) => return Err(error).with_context(cannot),
    };
    if read_only {
        eprintln!("the disk {} is read-only: documents can be read, not put", path.display());
    }
    // Kept by whichever process has a descriptor: the vault's, which may outlive this one for a moment.
    Ok(Some((file.keep()?, read_only)))
}

/// Listens at `path`, where an earlier run may have left a socket behind.
fn listen(path: &Path) -> Result<UnixListener> {
    if path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket()) {
        ensure!(is_left_behind(path), "the console {} is another run's", path.display());
        std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    UnixListener::bind(path).with_context(|| format!("cannot listen at {}", path.display()))
}
