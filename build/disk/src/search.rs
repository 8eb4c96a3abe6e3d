//! Volumes on a disk whose partition table is lost or says nothing of them, by their superblocks: the disk is read
//! from front to back. A superblock is at the front of its volume and says how far that reaches, so what is found
//! inside a volume is its content and no volume, whatever it looks like.
//!
//! A superblock counts if more of its volume bears it out: a hint of that volume behind it, or the first batch where it
//! says that `ledger/` begins. One that nothing bears out, that of a volume that was never in service or what is left
//! of an earlier layout, counts only if nothing else lies where its volume would.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ledger_fmt::batch_header::Hint;
use ledger_fmt::layout::{BLOCK_SIZE, HINT_BLOCKS, Superblock};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::restore::from_first_batch;
use super::table::end;

/// Where superblocks are looked for: at each multiple of this many bytes, as a copy may begin at any sector.
const STEP: u64 = 512;

/// Bytes read at a time.
const CHUNK: u64 = 1 << 20;

/// Superblocks examined in each such stretch: a disk full of them takes no longer than reading it.
const CLOSELY_MAX: usize = 4;

/// Volumes that are found at most.
pub const VOLUMES_MAX: usize = 1024;

/// A volume that was found, by its superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The byte of the disk it begins at.
    pub start: u64,
    pub superblock: Superblock,
}

/// What a search came to.
#[derive(Debug, Default)]
pub struct Search {
    /// The volumes, in the order of the disk. None reaches into another.
    pub found: Vec<Found>,
    /// Superblocks that nothing bears out and that reach into a volume that was found.
    pub passed_over: Vec<Found>,
    /// More than [`VOLUMES_MAX`] were there, and the rest of the disk was not searched.
    pub cut_short: bool,
}

impl Found {
    /// The byte behind it, by its word: it may be behind the end of the disk.
    pub fn end(&self) -> u64 {
        end(self.start, self.superblock.blocks.get())
    }

    fn overlaps(&self, other: &Found) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// Searches a disk of so many bytes. `progress` is told how far it has come, and `size`.
pub fn search(file: &File, size: u64, progress: &mut dyn FnMut(u64, u64)) -> Search {
    let mut search = Search::default();
    let mut alone = Vec::new();
    let mut chunk = vec![0; CHUNK as usize];
    let mut at = 0;
    while let Some(next) = next_data(file, at, size) {
        let len = (next / CHUNK * CHUNK + CHUNK).min(size) - next;
        let bytes = &mut chunk[..len as usize];
        read(file, next, bytes);
        at = next + len;
        for found in superblocks(bytes, next).take(CLOSELY_MAX) {
            if found.start < search.found.last().map_or(0, Found::end) {
                continue;
            }
            if is_borne_out(file, &found) {
                at = found.end();
                search.found.push(found);
            } else if alone.len() < VOLUMES_MAX {
                alone.push(found);
            }
        }
        if search.found.len() >= VOLUMES_MAX {
            search.cut_short = at < size;
            break;
        }
        progress(at.min(size), size);
    }
    for found in alone {
        if search.found.iter().any(|other| found.overlaps(other)) {
            search.passed_over.push(found);
        } else {
            search.found.push(found);
        }
    }
    search.found.sort_by_key(|found| found.start);
    search
}

/// The sound superblocks in bytes of the disk, which begin at byte `at`.
fn superblocks(bytes: &[u8], at: u64) -> impl Iterator<Item = Found> {
    let sectors = bytes.chunks(STEP as usize).zip((at..).step_by(STEP as usize));
    sectors.filter_map(|(sector, start)| {
        let (superblock, _) = Superblock::decode(sector).ok()?;
        Some(Found { start, superblock })
    })
}

/// Whether its volume has a hint or a first batch that says the same of it.
fn is_borne_out(file: &File, found: &Found) -> bool {
    let Found { start, superblock } = found;
    let Some(layout) = superblock.layout() else { return false };
    let block = |block: u64| {
        let mut bytes = [0; BLOCK_SIZE];
        file.read_exact_at(&mut bytes, end(*start, block)).ok().map(|()| bytes)
    };
    let hinted = HINT_BLOCKS
        .into_iter()
        .filter_map(block)
        .any(|bytes| Hint::find(&bytes, &superblock.volume, &layout).is_some());
    hinted
        || block(layout.space.start)
            .and_then(|bytes| from_first_batch(&bytes, &superblock.volume, &layout))
            .is_some_and(|said| said == *superblock)
}

/// The first sector from byte `at` on that may hold anything: holes in a sparse image are not read.
fn next_data(file: &File, at: u64, size: u64) -> Option<u64> {
    let next = match seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.max(at) / STEP * STEP,
        // Nothing but holes up to the end.
        Err(Errno::NXIO) => size,
        // A device, or a file system, that cannot tell.
        Err(_) => at,
    };
    let next = next.max(at);
    (next < size).then_some(next)
}

/// Reads bytes of the disk; what cannot be read counts as zeros.
fn read(file: &File, at: u64, bytes: &mut [u8]) {
    if file.read_exact_at(bytes, at).is_ok() {
        return;
    }
    for (piece, at) in bytes.chunks_mut(BLOCK_SIZE).zip((at..).step_by(BLOCK_SIZE)) {
        if file.read_exact_at(piece, at).is_err() {
            piece.fill(0);
        }
    }
}
