//! Files written whole or not at all, and what of them others may read.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::Mode;
use rustix::process::umask;
use tempfile::NamedTempFile;
use totebox_shown::ShowPath;

/// What a partition table begins with, in the second sector of a disk (UEFI specification, GPT header).
const GPT_SIGNATURE: [u8; 8] = *b"EFI PART";

/// Bytes of a disk's sectors.
const SECTOR_SIZES: [u64; 2] = [512, 4096];

/// A new file beside its destination, which it replaces only by [`Draft::publish`]. Until then, and if it
/// is dropped, whatever is at the destination stays.
pub struct Draft {
    file: NamedTempFile,
    destination: PathBuf,
}

impl Draft {
    /// A new, empty file for `destination`; if that is a symbolic link, for what it points to.
    pub fn new(destination: &Path) -> Result<Draft> {
        // As a file made in the usual way: the process's mask takes away what it must. One that is there already
        // was given its mode on purpose.
        let mut draft = Draft::with_mode(destination, 0o666)?;
        if let Ok(there) = fs::metadata(destination) {
            let cannot = || format!("cannot write {}", destination.shown());
            let mode = Permissions::from_mode(there.permissions().mode() & 0o777);
            draft.file().set_permissions(mode).with_context(cannot)?;
        }
        Ok(draft)
    }

    /// One that its owner alone may read.
    pub fn secret(destination: &Path) -> Result<Draft> {
        Draft::with_mode(destination, 0o600)
    }

    fn with_mode(destination: &Path, mode: u32) -> Result<Draft> {
        if is_stream(destination) {
            let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
            return Ok(Draft { file, destination: destination.to_owned() });
        }
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
            .with_context(|| format!("cannot write {}", destination.shown()))?;
        Ok(Draft { file, destination })
    }

    /// One that was written already, in a folder of the same file system as its destination.
    pub fn of(file: NamedTempFile, destination: &Path) -> Draft {
        Draft { file, destination: fs::canonicalize(destination).unwrap_or(destination.to_owned()) }
    }

    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Makes the file durable and puts it at its destination; with `replace` false only if there is
    /// nothing. A reader, or a crash, sees what was there before or this.
    pub fn publish(mut self, replace: bool) -> Result<()> {
        let failed = format!("cannot write {}", self.destination.shown());
        if replace && is_stream(&self.destination) {
            return pour(self.file.as_file_mut(), &self.destination);
        }
        if replace {
            refuse_disk(&self.destination).context(failed.clone())?;
        }
        self.file.as_file().sync_all().context(failed.clone())?;
        let published = match replace {
            true => self.file.persist(&self.destination),
            false => self.file.persist_noclobber(&self.destination),
        };
        published.map(drop).map_err(|error| error.error).context(failed)
    }

    /// Publishes what a command was told to write: see [`Target`].
    pub fn publish_output(self, force: bool) -> Result<()> {
        let Target { force, .. } = Target::new(&self.destination, force)?;
        let replace = force || is_stream(&self.destination);
        self.publish(replace)
    }
}

/// The file a command was told to write. One that is there already is replaced only with `force`; a FIFO, a terminal
/// and the like are written into.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    path: &'a Path,
    force: bool,
}

impl<'a> Target<'a> {
    /// To be made before the work, which would be for nothing if the file may not be written.
    pub fn new(path: &'a Path, force: bool) -> Result<Target<'a>> {
        if !force && path.symlink_metadata().is_ok() && !is_stream(path) {
            bail!("{} already exists; --force replaces it, -o names another file", path.shown());
        }
        Ok(Target { path, force })
    }

    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// Writes the file, whole or not at all.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        draft(self.path, bytes)?.publish_output(self.force)
    }
}

/// From now on nobody but their owner may read or write files, folders and sockets that this process and those it
/// starts make. For commands that let documents and keys out.
pub fn keep_to_owner() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a directory, and those above it, for its owner alone. One that is there already stays as it is.
pub fn secret_directory(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make {}", path.shown()))
}

/// The mode of a file in digits if others than its owner may do with it what `others` says, and what mends that.
pub fn open_to_others(path: &Path, others: u32) -> Result<Option<String>> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.shown()))?;
    let mode = metadata.permissions().mode() & 0o777;
    let mend = if metadata.is_dir() { "700" } else { "600" };
    Ok((mode & others != 0).then(|| format!("its mode is {mode:04o}; chmod {mend} {}", path.shown())))
}

/// Whether anybody may rename what stands in the folder that `path` is in, and what mends that. In one with the sticky
/// bit, as `/tmp` has it, only an owner may.
pub fn replaceable_by_anybody(path: &Path) -> Result<Option<String>> {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode =
        fs::metadata(folder).with_context(|| format!("cannot read {}", folder.shown()))?.permissions().mode();
    let open = mode & OTHERS_WRITE != 0 && mode & STICKY == 0;
    Ok(open.then(|| format!("the mode of {0} is {1:04o}; chmod o-w {0}", folder.shown(), mode & 0o7777)))
}

/// Refuses to put a file in the place of a disk. A file that is renamed over one goes around its lock: an appliance
/// would run on with a disk that nobody finds again.
pub fn refuse_disk(path: &Path) -> Result<()> {
    let Ok(there) = File::open(path) else { return Ok(()) };
    if let Some(writer) = totebox_lock::writer(&there)? {
        bail!("it is a disk, and in use by {writer}; name another file");
    }
    let mut signature = [0; GPT_SIGNATURE.len()];
    let is_disk = SECTOR_SIZES
        .iter()
        .any(|&sector| there.read_exact_at(&mut signature, sector).is_ok() && signature == GPT_SIGNATURE);
    if is_disk {
        bail!("it holds a disk; name another file, or remove that one yourself");
    }
    Ok(())
}

/// Whether something is there that is written into and not replaced: a FIFO, a terminal, `/dev/stdout`.
pub fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Writes the content of a file, from its start, into a stream.
pub fn pour(content: &mut File, stream: &Path) -> Result<()> {
    let poured = content.seek(SeekFrom::Start(0)).and_then(|_| {
        let mut stream = File::options().write(true).open(stream)?;
        io::copy(content, &mut stream)
    });
    poured.map(drop).with_context(|| format!("cannot write {}", stream.shown()))
}

/// Replaces a file by one with these bytes, such that a reader, or a crash, sees the old one or the new.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    draft(path, bytes)?.publish(true)
}

/// As [`write_atomically`], for a file that its owner alone may read.
pub fn write_secret(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let mut draft = Draft::secret(path)?;
    draft.file().write_all(bytes).with_context(|| format!("cannot write {}", path.shown()))?;
    draft.publish(replace)
}

/// A file with these bytes, to be published later.
pub fn draft(path: &Path, bytes: &[u8]) -> Result<Draft> {
    let mut draft = Draft::new(path)?;
    draft.file().write_all(bytes).with_context(|| format!("cannot write {}", path.shown()))?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_takes_the_place_of_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        for sector in SECTOR_SIZES {
            let mut disk = vec![0; sector as usize];
            disk.extend(GPT_SIGNATURE);
            fs::write(&path, &disk).unwrap();
            let error = format!("{:#}", write_atomically(&path, b"a report").unwrap_err());
            assert!(error.contains("it holds a disk; name another file"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), disk);
        }
        // Whatever is on it: somebody has locked it.
        fs::write(&path, b"a volume alone").unwrap();
        let locked = totebox_lock::LockedDisk::open(&path).unwrap();
        let error = format!("{:#}", write_atomically(&path, b"a report").unwrap_err());
        assert!(error.contains("it is a disk, and in use by "), "{error}");
        drop(locked);
        write_atomically(&path, b"a report").unwrap();
    }

    #[test]
    fn what_a_command_is_told_to_write_replaces_a_file_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let dangling = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &dangling).unwrap();
        Target::new(&path, false).unwrap().write(b"mine").unwrap();
        // It came while the command was at work.
        let early = Target { path: &path, force: false };
        let refused =
            [Target::new(&path, false).map(drop), early.write(b"theirs"), Target::new(&dangling, false).map(drop)];
        for refused in refused {
            let error = refused.unwrap_err().to_string();
            assert!(error.ends_with("already exists; --force replaces it, -o names another file"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        Target::new(&path, true).unwrap().write(b"theirs").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        Target::new(Path::new("/dev/null"), false).unwrap().write(b"poured").unwrap();
    }

    #[test]
    fn what_anybody_could_replace_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let set = |mode| fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let within = folder.path().join("keys");
        for (mode, replaceable) in [(0o755, false), (0o775, false), (0o777, true), (0o1777, false)] {
            set(mode);
            assert_eq!(replaceable_by_anybody(&within).unwrap().is_some(), replaceable, "{mode:o}");
        }
    }
}
