//! The one lock on a disk. Whatever writes a disk takes it here first: both backends of the appliance, and the host
//! tool's commands that make, extend or repair a disk.
//!
//! It is the lock QEMU takes by itself: Linux's *open file description* locks on single bytes of the image (of a block
//! device, on its node). QEMU says with a read lock on byte 100 + n that it does n to the disk, and with one on byte
//! 200 + n that nobody else may; n is 0 for reading, 1 for writing, 3 for resizing. Who writes a disk here locks all
//! bytes exclusively, which goes together with none of that, and with no other lock either.
//!
//! A block device is opened with `O_EXCL` besides: the kernel then refuses a disk that is mounted or has a mounted
//! partition, and one that was opened so through another node. Of a loop device the image below it is locked, too, and
//! what is below that if it is a loop device itself.
//!
//! The lock belongs to the opening: it is held until it is given up or the last descriptor of the opening is closed,
//! in whichever process. Renaming a file over a disk, or removing it, goes around the lock, so nothing here does that.

//!
//! The socket of an appliance's console is another thing only one appliance may have: [`is_left_behind`] tells whether
//! it is free.

#![forbid(unsafe_code)]

mod socket;

pub use socket::is_left_behind;

use std::ffi::OsStr;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::mem::forget;
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;

/// QEMU's bytes: what is done, and what others must not do. (`RAW_LOCK_PERM_BASE` and `RAW_LOCK_SHARED_BASE` in its
/// `block/file-posix.c`.)
const DONE: i64 = 100;
const NOT_SHARED: i64 = 200;
const READING: i64 = 0;
const WRITING: i64 = 1;
const RESIZING: i64 = 3;

/// The bytes before QEMU's, by which an appliance in QEMU keeps the lock while QEMU takes its own.
const OURS: Bytes = Bytes { start: 0, len: DONE };
const QEMUS: Bytes = Bytes { start: DONE, len: TO_THE_END };
const ALL: Bytes = Bytes { start: 0, len: TO_THE_END };

/// As the length of a range of bytes: all that follow, wherever the file ends.
const TO_THE_END: i64 = 0;

/// Loop devices that may lie on each other.
const STACKED_MAX: usize = 8;

/// How long to try, and between two tries.
const TIMEOUT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone, Copy)]
struct Bytes {
    start: i64,
    len: i64,
}

impl Bytes {
    const fn one(base: i64, what: i64) -> Bytes {
        Bytes { start: base + what, len: 1 }
    }
}

/// A disk, open and locked. Dropping it gives up the lock, whoever has inherited a descriptor.
#[derive(Debug)]
pub struct LockedDisk {
    file: File,
    /// The images below a loop device, each below the one before.
    images: Vec<File>,
    kept: bool,
}

impl LockedDisk {
    /// Opens a disk for reading and writing, for this program alone. An error of the kind
    /// [`ErrorKind::ResourceBusy`] says who has it.
    pub fn open(path: &Path) -> Result<LockedDisk> {
        patiently(|| {
            let mut options = OpenOptions::new();
            let file = open(path, options.read(true).write(true))?;
            let images = images_below(&file, &options)?;
            for file in images.iter().chain([&file]) {
                lock(file, ALL, libc::F_WRLCK)?;
            }
            Ok(LockedDisk { file, images, kept: false })
        })
    }

    /// Opens a disk for an appliance that only reads it: others may read it, too, and nobody writes it meanwhile.
    pub fn open_read_only(path: &Path) -> Result<LockedDisk> {
        patiently(|| {
            let mut options = OpenOptions::new();
            let file = open(path, options.read(true))?;
            let images = images_below(&file, &options)?;
            images.iter().chain([&file]).try_for_each(share)?;
            Ok(LockedDisk { file, images, kept: false })
        })
    }

    /// The disk's descriptor; the lock lasts until it and all its copies are closed, and that of an image below a loop
    /// device until this process ends.
    pub fn keep(mut self) -> Result<File> {
        let file = self.file.try_clone()?;
        self.kept = true;
        self.images.drain(..).for_each(forget);
        Ok(file)
    }

    /// As [`LockedDisk::keep`], and gives up what QEMU must lock itself. Until the descriptor is closed every program
    /// that asks here is refused, so QEMU must inherit it. Between this and QEMU's own locking another QEMU may come
    /// first, and ours then ends.
    pub fn leave_to_qemu(self) -> Result<File> {
        lock(&self.file, QEMUS, libc::F_UNLCK)?;
        for image in &self.images {
            // QEMU inherits it and knows nothing of it.
            fcntl(image, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        self.keep()
    }
}

impl Drop for LockedDisk {
    fn drop(&mut self) {
        if !self.kept {
            for file in self.images.iter().chain([&self.file]) {
                // Fails only if the descriptor is no file's.
                let _ = lock(file, ALL, libc::F_UNLCK);
            }
        }
    }
}

impl Deref for LockedDisk {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl DerefMut for LockedDisk {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.file
    }
}

/// Who writes the disk now, in words; `None` if nobody does. For those who read it all the same.
pub fn writer(disk: &File) -> Result<Option<String>> {
    let written = is_locked(disk, Bytes::one(DONE, WRITING))? || is_locked(disk, OURS)?;
    Ok(written.then(|| holder(disk).unwrap_or("another program".into())))
}

fn open(path: &Path, options: &OpenOptions) -> Result<File> {
    let is_disk = |kind: FileType| kind.is_file() || kind.is_block_device();
    let no_disk = || Error::new(ErrorKind::InvalidInput, "it is neither a file nor a block device");
    // Opening a FIFO would wait for somebody at its other end.
    let kind = fs::metadata(path)?.file_type();
    if !is_disk(kind) {
        return Err(no_disk());
    }
    let device = kind.is_block_device();
    // Of anything but a block device the flag means nothing.
    let disk = options.clone().custom_flags(if device { libc::O_EXCL } else { 0 }).open(path).map_err(|error| {
        let busy = "it is in use: it or a partition on it is mounted, or another program has it; unmount it, or \
                    end that program";
        if device && error.kind() == ErrorKind::ResourceBusy { Error::new(error.kind(), busy) } else { error }
    })?;
    let opened = disk.metadata()?.file_type();
    // A block device that came in between was not opened as one.
    if is_disk(opened) && (device || opened.is_file()) { Ok(disk) } else { Err(no_disk()) }
}

/// The images below a loop device or a partition of one, from the upper to the lowest.
fn images_below(disk: &File, options: &OpenOptions) -> Result<Vec<File>> {
    let mut images: Vec<File> = Vec::new();
    while let Some(name) = image_name(images.last().unwrap_or(disk))? {
        if images.len() == STACKED_MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "too many loop devices lie on each other"));
        }
        match options.open(&name) {
            Ok(image) => images.push(image),
            // It was removed, so that nobody else can open it either.
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(error) => {
                let why = format!("the image below the loop device cannot be locked: {name:?}: {error}");
                return Err(Error::new(error.kind(), why));
            }
        }
    }
    Ok(images)
}

/// The file a loop device shows, if the disk is one or a partition of one.
fn image_name(disk: &File) -> Result<Option<PathBuf>> {
    let metadata = disk.metadata()?;
    if !metadata.file_type().is_block_device() {
        return Ok(None);
    }
    let device = metadata.rdev();
    let device = format!("/sys/dev/block/{}:{}", libc::major(device), libc::minor(device));
    let named = ["loop", "../loop"].map(|place| fs::read(format!("{device}/{place}/backing_file")));
    let name = named.into_iter().find_map(Result::ok);
    Ok(name.map(|name| PathBuf::from(OsStr::from_bytes(name.trim_ascii_end()))))
}

/// Tries again for a moment while the disk is in use: the processes of an appliance that has just been ended close it
/// each in its own time.
fn patiently(attempt: impl Fn() -> Result<LockedDisk>) -> Result<LockedDisk> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => sleep(PAUSE),
            result => return result,
        }
    }
}

/// Locks a disk as QEMU does for somebody who reads it.
fn share(disk: &File) -> Result<()> {
    for bytes in [Bytes::one(DONE, READING), Bytes::one(NOT_SHARED, WRITING), Bytes::one(NOT_SHARED, RESIZING)] {
        lock(disk, bytes, libc::F_RDLCK)?;
    }
    // Locks of reading do not exclude each other, so what others do is looked at, as QEMU does it.
    for bytes in [Bytes::one(NOT_SHARED, READING), Bytes::one(DONE, WRITING), Bytes::one(DONE, RESIZING)] {
        if is_locked(disk, bytes)? {
            return Err(in_use(disk));
        }
    }
    Ok(())
}

/// Locks or unlocks bytes, without waiting.
fn lock(disk: &File, bytes: Bytes, kind: i32) -> Result<()> {
    match fcntl(disk, FcntlArg::F_OFD_SETLK(&request(bytes, kind))) {
        Ok(_) => Ok(()),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(in_use(disk)),
        Err(error) => {
            let why = format!("it cannot be locked, so that others could write it meanwhile: {}", error.desc());
            Err(Error::new(Error::from(error).kind(), why))
        }
    }
}

/// Whether another opening has any lock on these bytes.
fn is_locked(disk: &File, bytes: Bytes) -> Result<bool> {
    let mut answer = request(bytes, libc::F_WRLCK);
    fcntl(disk, FcntlArg::F_OFD_GETLK(&mut answer))?;
    Ok(i32::from(answer.l_type) != libc::F_UNLCK)
}

fn request(Bytes { start, len }: Bytes, kind: i32) -> libc::flock {
    let whence = libc::SEEK_SET as libc::c_short;
    libc::flock { l_type: kind as libc::c_short, l_whence: whence, l_start: start, l_len: len, l_pid: 0 }
}

fn in_use(disk: &File) -> Error {
    let text = match holder(disk) {
        Some(holder) => format!("it is in use by {holder}; end that first"),
        None => "it is in use: an appliance runs on it, hosted or in QEMU, or a command writes it; end that first"
            .into(),
    };
    Error::new(ErrorKind::ResourceBusy, text)
}

/// The process that has a lock on this disk, if this one may see it.
fn holder(disk: &File) -> Option<String> {
    let own = disk.metadata().ok()?;
    let numbered = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit());
    for process in fs::read_dir("/proc").ok()?.flatten().filter(numbered) {
        let descriptors = fs::read_dir(process.path().join("fdinfo")).into_iter().flatten().flatten();
        for descriptor in descriptors {
            let locks = fs::read_to_string(descriptor.path()).is_ok_and(|info| info.contains("\nlock:"));
            let file = process.path().join("fd").join(descriptor.file_name());
            let same = |file: fs::Metadata| (file.dev(), file.ino()) == (own.dev(), own.ino());
            if locks && fs::metadata(file).is_ok_and(same) {
                let program = fs::read_link(process.path().join("exe")).ok()?;
                let name = program.file_name()?.to_string_lossy().into_owned();
                return Some(format!("{name}, process {}", process.file_name().to_string_lossy()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
