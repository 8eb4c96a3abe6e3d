//! The manifest: which runs there are, where their segments lie, and up to which record the catalogue is complete.
//! Two copies, written in turn. See `docs/catalogue.md`, "Manifest".

use alloc::vec;
use alloc::vec::Vec;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::block::{self, BLOCK, Key, Range};
use crate::build::INDEX_LEVELS_MAX;
use crate::space::SEGMENTS_MAX;

/// Runs at most.
pub const RUNS_MAX: usize = 24;

/// Blocks of a copy.
pub const MANIFEST_BLOCKS: usize = 3;

/// Bytes of a copy.
pub const MANIFEST_BYTES: usize = MANIFEST_BLOCKS * BLOCK;

const MAGIC: [u8; 8] = *b"TBXCATLG";
const VERSION: u16 = 1;
const CHECK: usize = 32;

/// How far a catalogue holds: its head, and the hash of the record before that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The first sequence number it does not know of.
    pub next: u64,
    /// Whatever the caller knows the ledger's record before that by: its hash.
    pub anchor: [u8; 32],
}

impl Head {
    /// The records from this one up to the head.
    pub fn range_from(&self, from: u64) -> Range {
        let anchor = self.anchor[..block::CHECK].try_into().expect("an anchor is longer");
        Range { from, to: self.next, anchor }
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The records it is about.
    pub range: Range,
    /// Entries in it, at least one.
    pub entries: u64,
    /// Blocks of it; the last is the root.
    pub blocks: u32,
    /// Levels of index blocks.
    pub index_levels: u8,
    /// Where it lies: its blocks in order, a segment after the other.
    pub segments: Vec<u16>,
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The higher of two counts.
    pub generation: u64,
    /// How far it is complete.
    pub head: Head,
    /// The runs, oldest first.
    pub runs: Vec<Run>,
}

/// What a copy must agree with.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The volume's id.
    pub volume: [u8; 16],
    /// Blocks of a segment.
    pub segment_blocks: u32,
    /// Segments in the directory.
    pub segments: u32,
    /// The first sequence number there is.
    pub first: u64,
}

#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: U16,
    runs: U16,
    segments_used: U16,
    reserved: [u8; 2],
    volume: [u8; 16],
    generation: U64,
    first: U64,
    head: U64,
    anchor: [u8; 32],
    segment_blocks: U32,
    segments: U32,
}

#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RunRow {
    from: U64,
    to: U64,
    entries: U64,
    blocks: U32,
    segments: U16,
    index_levels: u8,
    reserved: u8,
    anchor: [u8; block::CHECK],
}

const HEADER: usize = size_of::<Header>();
const ROW: usize = size_of::<RunRow>();
const _: () = assert!(HEADER == 96 && ROW == 48);
const _: () = assert!(HEADER + RUNS_MAX * ROW + SEGMENTS_MAX as usize * 2 + CHECK <= MANIFEST_BYTES);

/// What a copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// It was never written.
    Blank,
    /// It can be used.
    Whole(Manifest),
    /// It is another volume's, or of another layout.
    Foreign,
    /// It is none of these.
    Damaged,
}

impl Manifest {
    /// Its bytes.
    pub fn encode(&self, key: &Key, frame: &Frame) -> Vec<u8> {
        let mut bytes = vec![0; MANIFEST_BYTES];
        let used: usize = self.runs.iter().map(|run| run.segments.len()).sum();
        let header = Header {
            magic: MAGIC,
            version: VERSION.into(),
            runs: (self.runs.len() as u16).into(),
            segments_used: (used as u16).into(),
            reserved: [0; 2],
            volume: frame.volume,
            generation: self.generation.into(),
            first: frame.first.into(),
            head: self.head.next.into(),
            anchor: self.head.anchor,
            segment_blocks: frame.segment_blocks.into(),
            segments: frame.segments.into(),
        };
        bytes[..HEADER].copy_from_slice(header.as_bytes());
        let mut at = HEADER;
        for run in &self.runs {
            let row = RunRow {
                from: run.range.from.into(),
                to: run.range.to.into(),
                entries: run.entries.into(),
                blocks: run.blocks.into(),
                segments: (run.segments.len() as u16).into(),
                index_levels: run.index_levels,
                reserved: 0,
                anchor: run.range.anchor,
            };
            bytes[at..at + ROW].copy_from_slice(row.as_bytes());
            at += ROW;
        }
        for segment in self.runs.iter().flat_map(|run| &run.segments) {
            bytes[at..at + 2].copy_from_slice(&segment.to_le_bytes());
            at += 2;
        }
        let (text, check) = bytes.split_at_mut(MANIFEST_BYTES - CHECK);
        check.copy_from_slice(&key.hash(text));
        bytes
    }

    /// What a copy says. One with the right check that says what cannot be is damaged like any other.
    pub fn decode(bytes: &[u8], key: &Key, frame: &Frame) -> Copy {
        if bytes.iter().all(|&byte| byte == 0) {
            return Copy::Blank;
        }
        let Ok((header, _)) = Header::read_from_prefix(bytes) else { return Copy::Damaged };
        if header.magic != MAGIC || header.version.get() != VERSION {
            return Copy::Damaged;
        }
        let shape = (header.segment_blocks.get(), header.segments.get(), header.first.get());
        if header.volume != frame.volume || shape != (frame.segment_blocks, frame.segments, frame.first) {
            return Copy::Foreign;
        }
        match bytes.split_at_checked(MANIFEST_BYTES - CHECK) {
            Some((text, check)) if check == key.hash(text) => {
                Self::read(&header, &text[HEADER..], frame).map_or(Copy::Damaged, Copy::Whole)
            }
            _ => Copy::Damaged,
        }
    }

    fn read(header: &Header, rest: &[u8], frame: &Frame) -> Option<Self> {
        let count = usize::from(header.runs.get());
        if count > RUNS_MAX || u64::from(header.segments_used.get()) > SEGMENTS_MAX {
            return None;
        }
        let (rows, mut rest) = rest.split_at_checked(count * ROW)?;
        let (mut runs, mut at) = (Vec::with_capacity(RUNS_MAX), frame.first);
        let mut seen = vec![false; frame.segments as usize];
        for row in rows.chunks_exact(ROW) {
            let row = RunRow::read_from_bytes(row).ok()?;
            let range = Range { from: row.from.get(), to: row.to.get(), anchor: row.anchor };
            let due = row.blocks.get().div_ceil(frame.segment_blocks);
            let possible = range.from >= at
                && range.to > range.from
                && (1..=range.to - range.from).contains(&row.entries.get())
                && row.blocks.get() > 0
                && u32::from(row.segments.get()) == due
                && usize::from(row.index_levels) <= INDEX_LEVELS_MAX;
            let (segments, others) = rest.split_at_checked(usize::from(row.segments.get()) * 2)?;
            let segments: Vec<u16> =
                segments.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
            let distinct = segments.iter().all(|&segment| {
                seen.get_mut(usize::from(segment)).is_some_and(|seen| !core::mem::replace(seen, true))
            });
            if !possible || !distinct {
                return None;
            }
            (rest, at) = (others, range.to);
            let (entries, blocks, index_levels) = (row.entries.get(), row.blocks.get(), row.index_levels);
            runs.push(Run { range, entries, blocks, index_levels, segments });
        }
        let head = Head { next: header.head.get(), anchor: header.anchor };
        let generation = header.generation.get();
        (head.next >= at && (1..u64::MAX / 2).contains(&generation)).then_some(Manifest { generation, head, runs })
    }

    /// An empty one of a catalogue that begins at `first`.
    pub fn empty(first: u64) -> Self {
        Manifest { generation: 0, head: Head { next: first, anchor: [0; 32] }, runs: Vec::with_capacity(RUNS_MAX) }
    }
}
