//! Files that somebody names to be read, and that are small if they are what they are meant to be. Whatever is there, no
//! more than that is read of it, and nobody is waited for without an end: not for a FIFO that nobody writes to, nor
//! for a device that never ends.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::retry_on_intr;

use crate::units::show_size;

/// How long a FIFO may have no writer at first: both ends of one are opened by programs that start together.
const WRITER_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a writer may write nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The bytes of a file that has no more than `len_max` of them.
pub fn bytes(path: &Path, len_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let source = Source::open(path)?;
    let is_pipe = source.is_pipe()?;
    source.take(len_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > len_max {
        let most = show_size(len_max as u64);
        return Err(error(
            ErrorKind::FileTooLarge,
            format!("it has more than {most}, the most that is read of one"),
        ));
    }
    if bytes.is_empty() && is_pipe {
        return Err(error(ErrorKind::UnexpectedEof, "it is a pipe, and nobody writes into it".into()));
    }
    Ok(bytes)
}

/// As [`bytes`], of a file of UTF-8 text.
pub fn text(path: &Path, len_max: usize) -> io::Result<String> {
    String::from_utf8(bytes(path, len_max)?).map_err(|not_text| {
        let at = not_text.utf8_error().valid_up_to();
        error(ErrorKind::InvalidData, format!("it is not UTF-8 text, from byte {at} on"))
    })
}

/// A file, open to be read. Of a pipe, or a device, it waits for what comes, but not for ever.
#[derive(Debug)]
pub struct Source {
    file: File,
    /// Nothing was read of it yet.
    fresh: bool,
}

impl Source {
    pub fn open(path: &Path) -> io::Result<Source> {
        // For files and folders the flag means nothing.
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
        if file.metadata()?.is_dir() {
            return Err(error(ErrorKind::IsADirectory, "it is a folder; name a file".into()));
        }
        Ok(Source { file, fresh: true })
    }

    /// As [`Source::open`], for what is read more than once, or anywhere in it.
    pub fn open_file(path: &Path) -> io::Result<File> {
        let Source { file, .. } = Source::open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_file() || kind.is_block_device() {
            return Ok(file);
        }
        Err(error(ErrorKind::InvalidInput, "it is neither a file nor a block device; name one".into()))
    }

    fn is_pipe(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.file_type().is_fifo())
    }

    /// Waits until there is something, or will never be; `false` if that takes longer.
    fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(timeout).expect("less than a year");
        let ready = retry_on_intr(|| poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout)))?;
        Ok(ready > 0)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.fresh) {
            self.wait(WRITER_TIMEOUT)?;
        }
        loop {
            match self.file.read(buffer) {
                Err(waits) if waits.kind() == ErrorKind::WouldBlock => {
                    if !self.wait(SILENCE_MAX)? {
                        let seconds = SILENCE_MAX.as_secs();
                        return Err(error(ErrorKind::TimedOut, format!("nothing came from it for {seconds} s")));
                    }
                }
                read => return read,
            }
        }
    }
}

fn error(kind: ErrorKind, text: String) -> io::Error {
    io::Error::new(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Write;
    use std::os::fd::AsRawFd;

    #[test]
    fn no_more_is_read_than_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(text(&path, 4).unwrap(), "four");
        let refused = |path: &Path, len_max| bytes(path, len_max).unwrap_err().to_string();
        assert_eq!(refused(&path, 3), "it has more than 3 bytes, the most that is read of one");
        assert_eq!(refused(Path::new("/dev/zero"), 1024), "it has more than 1 KiB, the most that is read of one");
        assert_eq!(refused(folder.path(), 4), "it is a folder; name a file");
        std::fs::write(&path, b"f\xff").unwrap();
        assert_eq!(text(&path, 4).unwrap_err().to_string(), "it is not UTF-8 text, from byte 1 on");
    }

    #[test]
    fn a_pipe_is_read_if_somebody_writes_and_not_waited_for_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(bytes(&path, 9).unwrap_err().to_string(), "it is a pipe, and nobody writes into it");
        assert!(Source::open_file(&path).is_err());
        // More than a pipe holds at a time.
        let sent = "a text\n".repeat(20_000);
        let (read_end, mut writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", read_end.as_raw_fd());
        let len = sent.len();
        let reader = std::thread::spawn(move || text(Path::new(&path), len));
        writer.write_all(sent.as_bytes()).unwrap();
        drop(writer);
        assert_eq!(reader.join().unwrap().unwrap(), sent);
    }
}
