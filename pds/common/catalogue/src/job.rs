//! A run being written: from a table, or from two runs that follow each other in age. It reads and writes eight
//! blocks at a time, and does a bounded piece of work at each step.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::block::{self, BLOCK, Key, Range};
use crate::build::{BURST_BLOCKS, Builder, Unfit};
use crate::entry::compare;
use crate::leaf::Position;
use crate::manifest::Run;
use crate::space::Space;
use crate::table::Table;

/// Blocks that are read or written at once.
pub const TRANSFER_BLOCKS: usize = 8;

/// Writes of one job under way at most.
const WRITES_MAX: usize = 2;

/// Reads a run from its first entry to its last, past the cache.
#[derive(Debug)]
pub struct Reader {
    /// The run.
    pub serial: u32,
    range: Range,
    blocks: u32,
    /// The index of the first block in the buffer.
    pub first: u32,
    /// Blocks in the buffer, and the one that is looked at.
    loaded: u32,
    at: u32,
    buffer: Vec<u8>,
    in_leaf: bool,
    has_entry: bool,
    loading: bool,
    position: Position,
}

/// What a reader has.
enum Head {
    Entry,
    Blocks,
    End,
    /// This block of the run is damaged.
    Damaged(u32),
}

impl Reader {
    /// From the run's beginning.
    pub fn new(serial: u32, run: &Run) -> Self {
        Reader {
            serial,
            range: run.range,
            blocks: run.blocks,
            first: 0,
            loaded: 0,
            at: 0,
            buffer: vec![0; TRANSFER_BLOCKS * BLOCK],
            in_leaf: false,
            has_entry: false,
            loading: false,
            position: Position::default(),
        }
    }

    fn head(&mut self, key: &Key) -> Head {
        while !self.has_entry {
            if self.at == self.loaded {
                return if self.first + self.loaded >= self.blocks { Head::End } else { Head::Blocks };
            }
            let block = &mut self.buffer[self.at as usize * BLOCK..][..BLOCK];
            if !self.in_leaf {
                let Some(header) = block::open(block, key, self.range, self.first + self.at) else {
                    return Head::Damaged(self.first + self.at);
                };
                self.in_leaf = header.level == 0;
                if self.in_leaf {
                    self.position.start(block);
                }
            }
            match self.in_leaf.then(|| self.position.next(block, self.range)) {
                Some(Ok(true)) => self.has_entry = true,
                Some(Ok(false)) | None => (self.in_leaf, self.at) = (false, self.at + 1),
                Some(Err(_)) => return Head::Damaged(self.first + self.at),
            }
        }
        Head::Entry
    }

    /// The blocks it wants to be read now: the first one's index, and how many. They are being read from now on.
    fn next_read(&mut self, segment_blocks: u32) -> Option<(u32, u32)> {
        if self.loading || self.has_entry || self.at < self.loaded {
            return None;
        }
        let next = self.first + self.loaded;
        // A segment's blocks lie together; the next segment may be anywhere.
        let in_segment = segment_blocks - next % segment_blocks;
        let blocks = (TRANSFER_BLOCKS as u32).min(in_segment).min(self.blocks - next);
        if blocks == 0 {
            return None;
        }
        (self.first, self.loaded, self.at, self.loading) = (next, 0, 0, true);
        Some((next, blocks))
    }
}

/// What a run is made of.
#[derive(Debug)]
pub enum Source {
    /// The frozen table, from the entry with this rank.
    Table(usize),
    /// Two runs, the older first.
    Runs(Box<[Reader; 2]>),
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Entries were moved, and there are more.
    Moved,
    /// It waits for the disk.
    Waiting,
    /// The run is written.
    Done,
    /// This block of this run is damaged.
    Damaged(u32, u32),
    /// The run has more levels than there may be.
    TooDeep,
}

/// A job.
#[derive(Debug)]
pub struct Job {
    /// The number its run will have.
    pub serial: u32,
    /// What the run will be about.
    pub range: Range,
    /// What it is made of.
    pub source: Source,
    builder: Builder,
    /// Blocks that are built and not handed out for writing yet, after those that were handed out last.
    out: Vec<u8>,
    handed_out: usize,
    /// Blocks handed out for writing.
    written: u32,
    writes: usize,
    segments: Vec<u16>,
    /// Segments it may still take of those that were set aside for it.
    pub reserved: usize,
    ended: bool,
    /// Blocks it is expected to write: the smallest job comes first.
    pub size: u32,
    /// True if it is given up, and only waits for what is under way.
    pub given_up: bool,
}

/// A write to be sent.
pub struct Write {
    /// The segment and the block in it.
    pub segment: u16,
    /// The block of that segment.
    pub block: u32,
    /// The same block, counted in the run.
    pub index: u32,
    /// Bytes.
    pub len: usize,
}

impl Job {
    /// A job that has not begun.
    pub fn new(serial: u32, range: Range, source: Source, size: u32, reserved: usize) -> Self {
        Job {
            serial,
            range,
            source,
            builder: Builder::new(range),
            out: Vec::with_capacity((TRANSFER_BLOCKS + BURST_BLOCKS) * BLOCK),
            handed_out: 0,
            written: 0,
            writes: 0,
            segments: Vec::new(),
            reserved,
            ended: false,
            size,
            given_up: false,
        }
    }

    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.builder.entries()
    }

    /// True if this run is one that it is made of.
    pub fn merges(&self, serial: u32) -> bool {
        matches!(&self.source, Source::Runs(readers) if readers.iter().any(|reader| reader.serial == serial))
    }

    /// Moves up to `entries` entries.
    pub fn step(&mut self, key: &Key, table: &Table, entries: u32) -> Stepped {
        for _ in 0..entries {
            if self.ended {
                break;
            }
            self.drop_handed_out();
            if self.out.len() >= TRANSFER_BLOCKS * BLOCK {
                return Stepped::Waiting;
            }
            let pushed = match &mut self.source {
                Source::Table(rank) => match table.at(*rank) {
                    Some((name, entry)) => {
                        *rank += 1;
                        self.builder.push(key, name, &entry, &mut self.out)
                    }
                    None => self.end(key),
                },
                Source::Runs(readers) => {
                    let [older, newer] = &mut **readers;
                    let from_older = match (older.head(key), newer.head(key)) {
                        (Head::Damaged(index), _) => return Stepped::Damaged(older.serial, index),
                        (_, Head::Damaged(index)) => return Stepped::Damaged(newer.serial, index),
                        (Head::Blocks, _) | (_, Head::Blocks) => return Stepped::Waiting,
                        (Head::Entry, Head::Entry) => {
                            let (a, b) = (&older.position, &newer.position);
                            Some(compare(&a.name, a.entry.sequence, &b.name, b.entry.sequence).is_lt())
                        }
                        (Head::Entry, Head::End) => Some(true),
                        (Head::End, Head::Entry) => Some(false),
                        (Head::End, Head::End) => None,
                    };
                    match from_older {
                        Some(from_older) => {
                            let reader = if from_older { older } else { newer };
                            reader.has_entry = false;
                            let Position { name, entry, .. } = &reader.position;
                            self.builder.push(key, name, entry, &mut self.out)
                        }
                        None => self.end(key),
                    }
                }
            };
            match (pushed, &self.source) {
                (Ok(()), _) => {}
                (Err(Unfit::OutOfOrder), Source::Runs(readers)) => {
                    let older = &readers[0];
                    return Stepped::Damaged(
                        older.serial,
                        older.first + older.at.min(older.loaded.saturating_sub(1)),
                    );
                }
                (Err(_), _) => return Stepped::TooDeep,
            }
        }
        match self.ended {
            false => Stepped::Moved,
            true if self.writes > 0 || self.out.len() > self.handed_out => Stepped::Waiting,
            true => Stepped::Done,
        }
    }

    fn end(&mut self, key: &Key) -> Result<(), Unfit> {
        self.ended = true;
        self.builder.finish(key, &mut self.out)
    }

    fn drop_handed_out(&mut self) {
        if self.handed_out > 0 {
            self.out.drain(..self.handed_out);
            self.handed_out = 0;
        }
    }

    /// The next blocks to be read: of which of its two runs, the first one's index, and how many.
    pub fn next_read(&mut self, segment_blocks: u32) -> Option<(usize, u32, u32)> {
        let Source::Runs(readers) = &mut self.source else { return None };
        if self.given_up || self.ended {
            return None;
        }
        readers.iter_mut().enumerate().find_map(|(which, reader)| {
            let (first, blocks) = reader.next_read(segment_blocks)?;
            Some((which, first, blocks))
        })
    }

    /// Where blocks that are being read belong.
    pub fn reading(&mut self, which: usize, blocks: u32) -> Option<&mut [u8]> {
        let Source::Runs(readers) = &mut self.source else { return None };
        readers.get_mut(which).map(|reader| &mut reader.buffer[..blocks as usize * BLOCK])
    }

    /// Blocks were read. False if the disk gave none.
    pub fn read(&mut self, which: usize, blocks: u32, read: bool) {
        let Source::Runs(readers) = &mut self.source else { return };
        if let Some(reader) = readers.get_mut(which) {
            reader.loading = false;
            reader.loaded = if read { blocks } else { 0 };
        }
    }

    /// True if a write is to be sent.
    fn wants_to_write(&self) -> bool {
        let waiting = self.out.len() - self.handed_out;
        !self.given_up
            && self.writes < WRITES_MAX
            && waiting > 0
            && (self.ended || waiting >= TRANSFER_BLOCKS * BLOCK)
    }

    /// The next write. An error if there is no room for it.
    pub fn next_write(&mut self, space: &mut Space, segment_blocks: u32) -> Result<Option<Write>, NoRoom> {
        if !self.wants_to_write() {
            return Ok(None);
        }
        self.drop_handed_out();
        let (segment, block) = ((self.written / segment_blocks) as usize, self.written % segment_blocks);
        if segment == self.segments.len() {
            self.segments.push(space.take().ok_or(NoRoom)?);
            self.reserved = self.reserved.saturating_sub(1);
        }
        let len = self.out.len().min(TRANSFER_BLOCKS * BLOCK).min((segment_blocks - block) as usize * BLOCK);
        self.handed_out = len;
        let index = self.written;
        self.written += (len / BLOCK) as u32;
        self.writes += 1;
        Ok(Some(Write { segment: self.segments[segment], block, index, len }))
    }

    /// The bytes of the write that was handed out last.
    pub fn writing(&self, len: usize) -> &[u8] {
        &self.out[..len]
    }

    /// A write was answered.
    pub fn wrote(&mut self) {
        self.writes = self.writes.saturating_sub(1);
    }

    /// True if nothing of it is under way.
    pub fn is_at_rest(&self) -> bool {
        let reads = match &self.source {
            Source::Table(_) => false,
            Source::Runs(readers) => readers.iter().any(|reader| reader.loading),
        };
        self.writes == 0 && !reads
    }

    /// The segments it has taken.
    pub fn into_segments(self) -> Vec<u16> {
        self.segments
    }

    /// The run it has written.
    pub fn into_run(self) -> Run {
        Run {
            range: self.range,
            entries: self.builder.entries(),
            blocks: self.builder.blocks(),
            index_levels: self.builder.index_levels(),
            segments: self.segments,
        }
    }
}

/// There is no free segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;
