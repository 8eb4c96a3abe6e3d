//! A volume in memory, laid out and committed to as the host tool and the vault do it, for the tests of
//! every crate that reads volumes (feature `testing`). It asserts its caller's mistakes and is no part of the
//! appliance.

extern crate alloc;

mod payloads;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use zerocopy::IntoBytes;

use crate::auditor_state::{COPIES, COPY_BLOCKS, HEAD_SIZE, seal};
use crate::batch_header::{Batch, BatchHeader, BatchKind, Frontier, Hint, STAMP_SIZE};
use crate::cbor::{self, Map, Value};
use crate::checkpoint;
use crate::hash::{self, checksum};
use crate::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Layout, NAME_LEN_MAX, Superblock, volume_name};
use crate::note::{Seed, Signer};
use crate::payload::{Content, Document, Genesis, Lifecycle, PAYLOAD_MAX, Stated, TreeHead};
use crate::record::{Draft, Head, Kind, RECORD_MAX, Record};
use crate::tree::Edge;
use crate::verify::{Finding, Mode, Point, Summary, Verifier, Visitor};

pub use payloads::payloads;

/// The time of the first record: 2026-01-01 00:00:00 UTC. Each further one is 1.001 s later.
pub const TIME_MS: u64 = 1_767_225_600_000;

/// A volume and its writer.
#[derive(Clone)]
pub struct TestVolume {
    /// What block 0 holds.
    pub superblock: Superblock,
    /// Where its directories are.
    pub layout: Layout,
    /// All of the volume.
    pub bytes: Vec<u8>,
    /// What has been committed.
    pub frontier: Frontier,
    /// The chain, uncommitted records included.
    pub head: Head,
    /// The tree, uncommitted records included.
    pub tree: Edge,
    /// What its hints say of content that may have been written: see [`Hint::assets_written`].
    pub assets_written: u64,
    last_header_block: u64,
    assets_next: u64,
    assets_durable: u64,
    batch: Vec<u8>,
}

/// A name, padded with zeros.
pub fn padded_name(name: &str) -> [u8; NAME_LEN_MAX] {
    let mut padded = [0; NAME_LEN_MAX];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    padded
}

impl TestVolume {
    /// An empty volume as the host tool lays it out: this superblock, everything else zero.
    pub fn of(superblock: Superblock) -> Self {
        let layout = superblock.layout().expect("a possible layout");
        let mut bytes = vec![0; layout.blocks as usize * BLOCK_SIZE];
        bytes[..size_of::<Superblock>()].copy_from_slice(superblock.as_bytes());
        TestVolume {
            superblock,
            layout,
            bytes,
            frontier: Frontier::EMPTY,
            head: Head::EMPTY,
            tree: Edge::EMPTY,
            assets_written: 0,
            last_header_block: 0,
            assets_next: 0,
            assets_durable: 0,
            batch: Vec::new(),
        }
    }

    /// An empty volume of this name and size.
    pub fn blank(name: &str, blocks: u64) -> Self {
        let id = *hash::content_blake3(name.as_bytes()).first_chunk().expect("a hash has 32 bytes");
        Self::of(Superblock::new(*b"test deployment ", id, padded_name(name), blocks))
    }

    /// A volume of 1 MiB after its first start.
    pub fn new(name: &str) -> Self {
        let mut volume = Self::blank(name, 256);
        volume.start();
        volume
    }

    /// The first start: one hint is written, genesis committed.
    pub fn start(&mut self) {
        self.hint(0);
        self.genesis();
        self.commit();
    }

    /// The place in the volume of blocks of an area that lie in one piece.
    pub fn range(&self, area: Area, block: u64, blocks: u64) -> Range<usize> {
        let mut ranges = ranges(&self.layout, area, block, blocks);
        let range = ranges.next().unwrap_or_else(|| {
            let start = self.layout.run(area, block).start as usize * BLOCK_SIZE;
            start..start
        });
        assert!(
            ranges.next().is_none(),
            "{blocks} blocks of {} from {block} on are not in one piece",
            area.name()
        );
        range
    }

    /// The place in the volume of blocks of an area, piece by piece.
    pub fn ranges(&self, area: Area, block: u64, blocks: u64) -> impl Iterator<Item = Range<usize>> + use<> {
        ranges(&self.layout, area, block, blocks)
    }

    /// Blocks of an area, one after another.
    pub fn bytes_of(&self, area: Area, block: u64, blocks: u64) -> Vec<u8> {
        self.ranges(area, block, blocks).flat_map(|range| self.bytes[range].iter().copied()).collect()
    }

    /// The area this block of the volume belongs to now, and which of its blocks it is. What is free is the ledger's.
    pub fn owner(&self, block: u64) -> (Area, u64) {
        let Layout { input, space, chunk, .. } = self.layout;
        if block < input.start {
            return (Area::Volume, block);
        }
        if block < space.start {
            return (Area::Input, block - input.start);
        }
        let behind = space.end() - 1 - block;
        let asset = behind / chunk * chunk + (chunk - 1 - behind % chunk);
        let of_assets = asset < self.assets_next;
        if of_assets { (Area::Assets, asset) } else { (Area::Ledger, block - space.start) }
    }

    /// Appends content to `assets/`; returns what a record says of it.
    pub fn append(&mut self, content: &[u8]) -> Content {
        let (block, blocks) = (self.assets_next, content.len().div_ceil(BLOCK_SIZE) as u64);
        assert!(block + blocks <= self.layout.assets_end(self.frontier.ledger_next), "the volume is full");
        let mut left = content;
        for range in self.ranges(Area::Assets, block, blocks) {
            let (piece, rest) = left.split_at(left.len().min(range.len()));
            self.bytes[range.start..range.start + piece.len()].copy_from_slice(piece);
            left = rest;
        }
        self.assets_next += blocks;
        self.assets_written = self.assets_written.max(self.assets_next);
        Content { size: content.len() as u64, hash: hash::content(content), block }
    }

    /// The asset blocks appended so far are flushed: the batch's digest begins behind them.
    pub fn flush_assets(&mut self) {
        self.assets_durable = self.assets_next;
    }

    /// Adds a record to the batch; returns its sequence number.
    pub fn add(&mut self, kind: Kind, payload: &[u8]) -> u64 {
        let sequence = self.head.records;
        let draft = Draft { kind, time_ms: TIME_MS + sequence * 1001, payload };
        let mut bytes = [0; RECORD_MAX];
        let (len, head) = draft.encode(&self.head, &mut bytes).expect("a payload that fits");
        self.batch.extend_from_slice(&bytes[..len]);
        self.tree.push(&head.hash);
        self.head = head;
        sequence
    }

    /// Adds the genesis record.
    pub fn genesis(&mut self) -> u64 {
        let Superblock { deployment, volume, name, .. } = self.superblock;
        let name = volume_name(&name).expect("a volume's name");
        self.write(Kind::Genesis, |out| Genesis { deployment, volume, name }.write(out))
    }

    /// Adds a record with the payload that is written.
    pub fn write(&mut self, kind: Kind, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> u64 {
        let mut payload = [0; PAYLOAD_MAX];
        let len = write(&mut payload).expect("a payload that fits");
        self.add(kind, &payload[..len])
    }

    /// Adds a document.
    pub fn document(&mut self, name: &str, content: &[u8]) -> u64 {
        let content = self.append(content);
        self.add_document(&Document { name, content: Some(content), supersedes: None })
    }

    /// Adds a document whose content is in its place already.
    pub fn add_document(&mut self, document: &Document<'_>) -> u64 {
        self.write(Kind::Document, |out| document.write(out))
    }

    /// Adds a transition of the archive's.
    pub fn transition(&mut self, from: &str, to: &str, cause: &str) -> u64 {
        self.write(Kind::Lifecycle, |out| Lifecycle { from, to, cause }.write(out))
    }

    /// Adds a checkpoint of the tree so far, unsigned.
    pub fn checkpoint(&mut self) -> u64 {
        let tree = TreeHead::of(&self.tree);
        self.write(Kind::Checkpoint, |out| Stated { tree, note: None }.write(out))
    }

    /// The key of the volume's archive that has this seed.
    pub fn signer(&self, seed: &Seed) -> Signer {
        let Superblock { deployment, name, .. } = &self.superblock;
        let origin = checkpoint::origin(deployment, name).expect("a volume's name");
        Signer::new(&origin, seed).expect("an origin is a key's name")
    }

    /// Adds a checkpoint of the tree so far, signed by the archive whose key has this seed.
    pub fn signed_checkpoint(&mut self, seed: &Seed) -> u64 {
        let tree = TreeHead::of(&self.tree);
        let note = checkpoint::sign(&self.signer(seed), &tree);
        self.write(Kind::Checkpoint, |out| Stated { tree, note: Some(&note) }.write(out))
    }

    /// Publishes a checkpoint of the tree so far in this copy of the auditor's state, as the auditor with this seed does.
    pub fn publish(&mut self, copy: usize, generation: u64, seed: &Seed) {
        let signer = self.signer(seed);
        let note = checkpoint::sign(&signer, &TreeHead::of(&self.tree));
        let range = self.range(Area::Input, COPIES[copy], COPY_BLOCKS as u64);
        let bytes = &mut self.bytes[range];
        let len = cbor::write(&mut bytes[HEAD_SIZE..], |map| map.text("checkpoint", &note)).expect("it is short");
        seal(bytes, &self.superblock.volume, generation, len, &signer);
    }

    /// Commits the batch.
    pub fn commit(&mut self) {
        self.write_batch(BatchKind::Commit);
    }

    /// Seals the volume.
    pub fn seal(&mut self) {
        assert!(self.batch.is_empty() && self.assets_next == self.frontier.assets_next, "nothing uncommitted");
        self.write_batch(BatchKind::Seal);
    }

    fn write_batch(&mut self, kind: BatchKind) {
        let assets_durable = self.assets_durable.max(self.frontier.assets_next);
        let covered = self.bytes_of(Area::Assets, assets_durable, self.assets_next - assets_durable);
        let header = BatchHeader::new(
            &self.frontier,
            &Batch {
                kind,
                volume: self.superblock.volume,
                payload_len: self.batch.len() as u32,
                assets_to: self.assets_next,
                assets_durable,
                ledger_checksum: checksum(&self.batch),
                assets_checksum: checksum(&covered),
            },
        );
        let after = header.frontier_after();
        assert!(after.is_within(&self.layout), "the volume is full");
        let range =
            self.range(Area::Ledger, self.frontier.ledger_next, after.ledger_next - self.frontier.ledger_next);
        let bytes = &mut self.bytes[range];
        bytes.fill(0);
        bytes[..STAMP_SIZE].copy_from_slice(header.as_bytes());
        bytes[STAMP_SIZE..STAMP_SIZE + self.batch.len()].copy_from_slice(&self.batch);
        self.batch.clear();
        self.last_header_block = self.frontier.ledger_next;
        self.frontier = after;
    }

    /// Writes a hint of the committed frontier into slot 0 or 1.
    pub fn hint(&mut self, slot: usize) {
        let Superblock { volume, .. } = self.superblock;
        let hint = Hint::new(volume, &self.frontier, self.last_header_block, self.assets_written);
        let range = self.range(Area::Volume, HINT_BLOCKS[slot], 1);
        self.bytes[range.start..range.start + size_of::<Hint>()].copy_from_slice(hint.as_bytes());
    }

    /// Verifies the volume as the auditor does: up to the committed frontier.
    pub fn audit(&self) -> Seen {
        verify(&self.bytes, &self.superblock, Some(self.frontier), Mode::Full)
    }

    /// Verifies the volume as the host tool does.
    pub fn verify(&self) -> Seen {
        verify(&self.bytes, &self.superblock, None, Mode::Full)
    }
}

/// What a verification told.
pub struct Seen {
    /// Every finding, in order.
    pub findings: Vec<Finding>,
    /// Sequence number and place (block, offset) of every whole record, in order.
    pub records: Vec<(u64, u64, usize)>,
    /// The content of every record whose content is sound.
    pub contents: Vec<(u64, Vec<u8>)>,
    /// Records whose content is not.
    pub unsound: Vec<u64>,
    /// The end.
    pub summary: Option<Summary>,
    /// Where the walk ended.
    pub point: Option<Point>,
    open: Vec<u8>,
}

impl Visitor for Seen {
    fn finding(&mut self, finding: &Finding) {
        self.findings.push(*finding);
    }

    fn record(&mut self, record: &Record<'_>, block: u64, offset: usize) {
        self.records.push((record.header.sequence.get(), block, offset));
        self.open.clear();
    }

    fn content(&mut self, _sequence: u64, offset: u64, bytes: &[u8]) {
        assert_eq!(offset, self.open.len() as u64, "content comes in order");
        self.open.extend_from_slice(bytes);
    }

    fn content_end(&mut self, sequence: u64, sound: bool) {
        let content = core::mem::take(&mut self.open);
        if sound { self.contents.push((sequence, content)) } else { self.unsound.push(sequence) }
    }
}

/// The place in a volume of blocks of an area, piece by piece.
pub fn ranges(layout: &Layout, area: Area, block: u64, blocks: u64) -> impl Iterator<Item = Range<usize>> + use<> {
    let (layout, end) = (*layout, block + blocks);
    let mut next = block;
    core::iter::from_fn(move || {
        let run = layout.run(area, next);
        let blocks = run.blocks.min(end - next);
        assert!(blocks > 0 || next == end, "block {next} is behind the end of {}", area.name());
        next += blocks;
        let start = run.start as usize * BLOCK_SIZE;
        (blocks > 0).then(|| start..start + blocks as usize * BLOCK_SIZE)
    })
}

/// Verifies a volume in memory; blocks behind its end cannot be read.
pub fn verify(bytes: &[u8], expected: &Superblock, claimed: Option<Frontier>, mode: Mode) -> Seen {
    verify_with(expected, claimed, mode, |range| bytes.get(range))
}

/// Verifies a volume whose bytes `read` gives, or `None` where they cannot be read.
pub fn verify_with<'a>(
    expected: &Superblock,
    claimed: Option<Frontier>,
    mode: Mode,
    read: impl Fn(Range<usize>) -> Option<&'a [u8]>,
) -> Seen {
    batch(Verifier::new(expected, claimed, mode), read)
}

/// Lets this verifier see the bytes `read` gives, or `None` where they cannot be read.
pub fn batch<'a>(mut verifier: Verifier, read: impl Fn(Range<usize>) -> Option<&'a [u8]>) -> Seen {
    let mut seen = Seen {
        findings: Vec::new(),
        records: Vec::new(),
        contents: Vec::new(),
        unsound: Vec::new(),
        summary: None,
        point: None,
        open: Vec::new(),
    };
    while let Some(want) = verifier.want() {
        let place =
            verifier.layout().place(want.area, want.block, want.blocks as u64).expect("wanted in one piece");
        let start = place.start as usize * BLOCK_SIZE;
        match read(start..start + want.blocks * BLOCK_SIZE) {
            Some(bytes) => verifier.feed(bytes, &mut seen),
            None => verifier.unreadable(&mut seen),
        }
    }
    let summary = verifier.summary();
    assert_eq!(summary.findings, seen.findings.len() as u64);
    seen.summary = Some(summary);
    seen.point = Some(verifier.point());
    seen
}

/// A payload as compact JSON, bytes in hexadecimal; empty if it cannot be read.
pub fn shown(payload: &[u8]) -> String {
    Map::read(payload).map(|map| shown_value(Value::Map(map))).unwrap_or_default()
}

fn shown_value(value: Value<'_>) -> String {
    let joined = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(",");
    match value {
        Value::Uint(number) => format!("{number}"),
        Value::Bool(truth) => format!("{truth}"),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\"{digits}\"")
        }
        Value::Text(text) => format!("{text:?}"),
        Value::List(list) => format!("[{}]", joined(&mut list.iter().map(shown_value))),
        Value::Map(map) => {
            format!(
                "{{{}}}",
                joined(&mut map.iter().map(|(key, value)| format!("{key:?}:{}", shown_value(value))))
            )
        }
    }
}
