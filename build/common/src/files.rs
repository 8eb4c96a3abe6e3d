//! Files written whole or not at all, and what of them others may read.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;
use rustix::process::umask;
use tempfile::NamedTempFile;
use totebox_shown::ShowPath;

/// What a partition table begins with, in the second sector of a disk (UEFI specification, GPT header).
const GPT_SIGNATURE: [u8; 8] = *b"EFI PART";

/// Where a process finds its descriptors by their numbers.
const OWN_DESCRIPTORS: &str = "/proc/self/fd";

/// Bytes of a disk's sectors.
const SECTOR_SIZES: [u64; 2] = [512, 4096];

/// A new file in the folder of its destination, which it replaces only by [`Draft::publish`]. Until then, and if it
/// is dropped, whatever is at the destination stays. It has no name until it is whole, so that nothing is left of it
/// however this process ends.
#[derive(Debug)]
pub struct Draft {
    content: Content,
    destination: PathBuf,
}

#[derive(Debug)]
enum Content {
    Unnamed(File),
    /// For file systems on which every file has a name. It is left behind if this process is killed.
    Named(NamedTempFile),
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

    /// One in a folder, for a destination on the same file system that [`Draft::at`] names later. `mode` is what the
    /// process's mask takes away from.
    pub fn within(folder: &Path, mode: u32) -> Result<Draft> {
        let content = Content::new(folder, mode).with_context(|| format!("cannot write to {}", folder.shown()))?;
        Ok(Draft { content, destination: folder.to_owned() })
    }

    /// The same with this destination.
    pub fn at(self, destination: &Path) -> Draft {
        Draft { destination: resolved(destination), ..self }
    }

    fn with_mode(destination: &Path, mode: u32) -> Result<Draft> {
        let content = match is_stream(destination) {
            true => tempfile::tempfile().map(Content::Unnamed),
            false => Content::new(&folder_of(destination), mode),
        };
        let content = content.with_context(|| format!("cannot write {}", destination.shown()))?;
        Ok(Draft { content, destination: resolved(destination) })
    }

    pub fn file(&mut self) -> &mut File {
        match &mut self.content {
            Content::Unnamed(file) => file,
            Content::Named(file) => file.as_file_mut(),
        }
    }

    /// Makes the file durable and puts it at its destination; with `replace` false only if there is
    /// nothing. A reader, or a crash, sees what was there before or this.
    pub fn publish(mut self, replace: bool) -> Result<()> {
        let destination = self.destination.clone();
        if replace && is_stream(&destination) {
            return pour(self.file(), &destination);
        }
        let failed = || format!("cannot write {}", destination.shown());
        if replace {
            refuse_disk(&destination).with_context(failed)?;
        }
        // Its bytes before its name, or a crash between the two would leave the name of an empty file.
        self.file().sync_all().with_context(failed)?;
        self.content.put(&destination, replace).with_context(failed)?;
        let folder = File::open(folder_of(&destination)).and_then(|folder| folder.sync_all());
        folder.with_context(|| format!("{} is written, and a power cut may undo that", destination.shown()))
    }

    /// Publishes what a command was told to write: see [`Target`].
    pub fn publish_output(self, force: bool) -> Result<()> {
        let Target { force, .. } = Target::new(&self.destination, force)?;
        let replace = force || is_stream(&self.destination);
        self.publish(replace)
    }
}

impl Content {
    fn new(folder: &Path, mode: u32) -> io::Result<Content> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(CWD, folder, flags, Mode::from_raw_mode(mode)) {
            Ok(file) if Path::new(OWN_DESCRIPTORS).is_dir() => Ok(Content::Unnamed(file.into())),
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let permissions = Permissions::from_mode(mode);
                unguessable().permissions(permissions).tempfile_in(folder).map(Content::Named)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives it its name.
    fn put(self, destination: &Path, replace: bool) -> io::Result<()> {
        match self {
            Content::Unnamed(file) => {
                let file = format!("{OWN_DESCRIPTORS}/{}", file.as_raw_fd());
                let link = |path: &Path| Ok(linkat(CWD, &file, CWD, path, AtFlags::SYMLINK_FOLLOW)?);
                if !replace {
                    return link(destination);
                }
                // Only a file that has a name takes another's.
                let linked = unguessable().make_in(folder_of(destination), link)?;
                Ok(linked.into_temp_path().persist(destination)?)
            }
            Content::Named(file) if replace => Ok(file.persist(destination).map(drop)?),
            Content::Named(file) => Ok(file.persist_noclobber(destination).map(drop)?),
        }
    }
}

/// Names for files that are about to have another.
fn unguessable() -> tempfile::Builder<'static, 'static> {
    let mut names = tempfile::Builder::new();
    names.prefix(".totebox-");
    names
}

/// What a path leads to; itself if there is nothing.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or(path.to_owned())
}

/// The folder in which a file for this path is made, to take its place later.
pub fn folder_of(path: &Path) -> PathBuf {
    match resolved(path).parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
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
        if path.is_dir() {
            bail!("{} is a folder; name a file with -o", path.shown());
        }
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

/// Writes a file in a folder that was made for it. Nothing is to be there; a symbolic link is not followed.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(bytes));
    written.with_context(|| format!("cannot write {}", path.shown()))
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
    fn nothing_has_a_name_before_it_is_whole_and_nothing_is_left_of_what_failed() {
        let folder = tempfile::tempdir().unwrap();
        let names =
            || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        let path = folder.path().join("file");
        for (bytes, replace) in [(b"one", false), (b"two", true)] {
            let mut drafts =
                [Draft::new(&path), Draft::secret(&path), Draft::within(folder.path(), 0o600)].map(Result::unwrap);
            drafts.iter_mut().for_each(|draft| draft.file().write_all(bytes).unwrap());
            let before = usize::from(replace);
            assert_eq!(names().len(), before, "whatever ends this process now leaves nothing");
            let [first, second, third] = drafts;
            first.publish(replace).unwrap();
            assert_eq!((names(), fs::read(&path).unwrap()), (vec!["file".into()], bytes.to_vec()));
            let refused = second.publish(false).unwrap_err().to_string();
            assert!(refused.starts_with("cannot write ") && refused.ends_with("/file"), "{refused}");
            let folder_in_its_place = folder.path().join("folder");
            fs::create_dir(&folder_in_its_place).unwrap();
            third.at(&folder_in_its_place).publish(true).unwrap_err();
            fs::remove_dir(&folder_in_its_place).unwrap();
            assert_eq!(names(), ["file"]);
        }
    }

    #[test]
    fn a_link_is_followed_to_the_file_it_names_and_a_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("elsewhere/file"), "before").unwrap();
        std::os::unix::fs::symlink("elsewhere/file", at("link")).unwrap();
        Target::new(&at("link"), true).unwrap().write(b"after").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read(at("elsewhere/file")).unwrap(), b"after");
        assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 1);
        let refused = Target::new(&at("elsewhere"), true).unwrap_err().to_string();
        assert!(refused.ends_with("/elsewhere is a folder; name a file with -o"), "{refused}");
        assert!(write_new(&at("link"), b"again").is_err());
        assert_eq!(fs::read(at("elsewhere/file")).unwrap(), b"after");
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
