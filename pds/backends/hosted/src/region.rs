//! Memory regions as the supervisor makes them: memfds that lose every right nobody has in the system
//! description.
//!
//! The order matters. The one writer maps its region first; then [`Region::seal`] takes away all writing
//! through anything but that mapping; only then do readers get a descriptor, and a read-only one. So a reader
//! can neither `mprotect` its mapping nor reopen the memory for writing.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::Result;
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create, openat};

/// Memory before it is sealed.
#[derive(Debug)]
pub struct Region(File);

impl Region {
    /// `size` bytes that begin with `content`, the rest zeros. The name shows in `/proc`.
    pub fn new(name: &str, size: u64, content: &[u8]) -> Result<Region> {
        let memory = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memory, size)?;
        let mut file = File::from(memory);
        file.write_all(content)?;
        Ok(Region(file))
    }

    pub fn writable(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Ends all writing but through the mapping of the one writer, if any; returns a read-only descriptor.
    pub fn seal(self, has_writer: bool) -> Result<OwnedFd> {
        let writing = if has_writer { SealFlags::FUTURE_WRITE } else { SealFlags::WRITE };
        fcntl_add_seals(&self.0, writing | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        Ok(openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }
}
