//! What is in the files to put: read and hashed before the line is taken, which others may wait for. What can be read
//! only once, a pipe or standard input, is kept in a temporary file on the way.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write, stdin};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ledger_fmt::Hash;
use rustix::fs::OFlags;
use totebox_shown::ShowPath;

use super::progress::Progress;
use super::sources::{STDIN, Source};
use totebox_common::output::causes;

/// Bytes read at a time.
const PIECE: usize = 128 * 1024;

/// What is known of a file before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Bytes of content.
    pub size: u64,
    pub hash: Hash,
}

/// A file that was read.
#[derive(Debug)]
pub struct FileContent(Result<Known, String>);

#[derive(Debug)]
struct Known {
    path: PathBuf,
    declared: Declared,
    kept: Option<File>,
}

impl FileContent {
    pub fn read_all(sources: &[Source], progress: &mut dyn Progress) -> Vec<FileContent> {
        sources.iter().map(|source| FileContent(read(source, progress).map_err(|error| causes(&error)))).collect()
    }

    /// The file, to be read again, and what is known of it; an error if it could not be read.
    pub fn open(&self) -> Result<(File, Declared)> {
        let Known { path, declared, kept } = self.0.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
        let file = match kept {
            Some(file) => file.try_clone().context("cannot open what was kept of it")?,
            // It was a file when it was read. Whatever it is now, opening it must not wait.
            None => File::options()
                .read(true)
                .custom_flags(OFlags::NONBLOCK.bits() as i32)
                .open(path)
                .with_context(|| format!("cannot open {}", path.shown()))?,
        };
        Ok((file, *declared))
    }
}

fn read(source: &Source, progress: &mut dyn Progress) -> Result<Known> {
    let path = source.path.clone();
    if path == Path::new(STDIN) {
        let (declared, kept) = keep(&mut stdin().lock(), source, progress)?;
        return Ok(Known { path, declared, kept: Some(kept) });
    }
    // A pipe that nobody writes to is waited for here.
    let mut file = File::open(&path).with_context(|| format!("cannot open {}", path.shown()))?;
    let metadata = file.metadata()?;
    if metadata.file_type().is_fifo() {
        let (declared, kept) = keep(&mut file, source, progress)?;
        return Ok(Known { path, declared, kept: Some(kept) });
    }
    if !metadata.is_file() {
        bail!("{} is not a file; a folder is put with -r", path.shown());
    }
    let declared = pass_over(&mut file, source, metadata.len(), progress, |_| Ok(()))?;
    Ok(Known { path, declared, kept: None })
}

/// Reads to the end what can be read only once, into a file without a name.
fn keep(from: &mut dyn Read, source: &Source, progress: &mut dyn Progress) -> Result<(Declared, File)> {
    let mut kept = tempfile::tempfile().context("cannot make a temporary file")?;
    let declared = pass_over(from, source, 0, progress, |bytes| {
        kept.write_all(bytes).context("cannot keep it in a temporary file")
    })?;
    kept.seek(SeekFrom::Start(0))?;
    Ok((declared, kept))
}

/// Reads to the end, and finds size and hash.
fn pass_over(
    from: &mut dyn Read,
    source: &Source,
    expected: u64,
    progress: &mut dyn Progress,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Declared> {
    progress.begin(&format!("hashing {}", source.name), expected);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; PIECE];
    let mut size = 0;
    let read = loop {
        match from.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                if let Err(error) = each(&buffer[..count]) {
                    break Err(error);
                }
                size += count as u64;
                progress.at(size);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error).with_context(|| format!("cannot read {}", source.path.shown())),
        }
    };
    progress.end();
    read.map(|()| Declared { size, hash: *hasher.finalize().as_bytes() })
}
