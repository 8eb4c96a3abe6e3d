//! The head snapshot: what a writer knew of its ledger when it wrote it, so that the next start reads only
//! the batches behind it. It lies in `app-console-input/`, in two copies written in turn, and is believed
//! only as far as the ledger bears it out: see `docs/ledger-format.md`, "Head snapshot".

use ledger_fmt::Hash;
use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, Frontier};
use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{BLOCK_SIZE, FORMAT_VERSION, INPUT_BLOCKS_MIN, Layout};
use ledger_fmt::record::{Head, Kind, Record};
use ledger_fmt::tree::Edge;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::vault::Committed;
use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::batch::Batch;
use super::sparse_index::SparseIndex;
use super::walk::{Totals, Walk};

/// Blocks of one copy.
pub const SNAPSHOT_BLOCKS: usize = 5;

/// Where the two copies start, in blocks of `app-console-input/`.
pub const COPIES: [u64; 2] = [0, SNAPSHOT_BLOCKS as u64];

/// The block of `app-console-input/` behind both.
pub const SNAPSHOTS_END: u64 = 2 * SNAPSHOT_BLOCKS as u64;

/// Bytes of the fields before the tree.
const HEADER: usize = 144;
const TAIL: usize = SNAPSHOT_BLOCKS * BLOCK_SIZE - HEADER - size_of::<Edge>() - size_of::<SparseIndex>() - 32;

#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Snapshot {
    /// [`Snapshot::MAGIC`].
    magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    version: U16,
    /// [`Totals::standing`], as the number of its state; 0 stands for active.
    standing: u8,
    reserved: [u8; 5],
    volume: [u8; 16],
    /// [`Frontier::batches`].
    batches: U64,
    /// [`Frontier::ledger_next`].
    ledger_next: U64,
    /// [`Frontier::assets_next`].
    assets_next: U64,
    /// Where the last batch header stands, from the start of `ledger/`.
    last_header_block: U64,
    /// [`Frontier::last_header`].
    last_header: Hash,
    /// [`Head::hash`].
    head: Hash,
    /// Records of documents.
    documents: U64,
    /// Bytes of content.
    bytes: U64,
    /// The tree over all records; its size is their number.
    tree: Edge,
    pub sparse_index: SparseIndex,
    reserved_tail: [u8; TAIL],
    /// [`Domain::Snapshot`] over the bytes before.
    check: Hash,
}

const _: () = assert!(core::mem::offset_of!(Snapshot, tree) == HEADER);
const _: () = assert!(size_of::<Snapshot>() == SNAPSHOT_BLOCKS * BLOCK_SIZE);
const _: () = assert!(SNAPSHOTS_END <= INPUT_BLOCKS_MIN && SNAPSHOT_BLOCKS <= BATCH_BLOCKS_MAX);

impl Snapshot {
    pub const MAGIC: [u8; 8] = *b"TBXSNAP\0";

    /// Fills in everything but the index entries.
    pub fn fill(&mut self, volume: &[u8; 16], committed: &Committed, totals: &Totals) {
        self.magic = Self::MAGIC;
        self.version = FORMAT_VERSION.into();
        self.volume = *volume;
        let Frontier { batches, ledger_next, assets_next, last_header, .. } = committed.frontier;
        self.batches = batches.into();
        self.ledger_next = ledger_next.into();
        self.assets_next = assets_next.into();
        self.last_header_block = committed.last_header_block.into();
        self.last_header = last_header;
        self.head = totals.head.hash;
        self.standing = totals.standing.state() as u8;
        self.documents = totals.documents.into();
        self.bytes = totals.bytes.into();
        self.tree = totals.tree;
        self.check = self.expected_check();
    }

    fn expected_check(&self) -> Hash {
        let bytes = self.as_bytes();
        Domain::Snapshot.hash(&bytes[..bytes.len() - 32])
    }

    /// Batches it holds for: the newer of two copies has more.
    pub fn batches(&self) -> u64 {
        self.batches.get()
    }

    /// Ledger blocks it holds for.
    pub fn ledger_next(&self) -> u64 {
        self.ledger_next.get()
    }

    /// Where its last batch stands, which [`Snapshot::confirmed_by`] wants to see.
    pub fn last_header_block(&self) -> u64 {
        self.last_header_block.get()
    }

    /// Whether it is whole, of this volume, and not ahead of what the vault says.
    pub fn usable(&self, volume: &[u8; 16], frontier: &Frontier) -> bool {
        self.magic == Self::MAGIC
            && self.version.get() == FORMAT_VERSION
            && self.check == self.expected_check()
            && self.volume == *volume
            && self.batches.get() > 0
            && self.batches.get() <= frontier.batches
            && self.ledger_next.get() <= frontier.ledger_next
            && self.assets_next.get() <= frontier.assets_next
            && self.last_header_block < self.ledger_next
            && self.sparse_index.sound(self.ledger_next.get(), self.tree.size())
    }

    /// The walk it saves, if the bytes of its last batch bear it out: the batch ends where it says, has the
    /// batch header it says, and its last record is the head.
    pub fn confirmed_by(&self, volume: &[u8; 16], layout: &Layout, batch: &[u8]) -> Option<Walk> {
        let frontier = Frontier {
            batches: self.batches.get(),
            ledger_next: self.ledger_next.get(),
            assets_next: self.assets_next.get(),
            last_header: self.last_header,
            sealed: false,
        };
        let head = Head { records: self.tree.size(), hash: self.head };
        let batch = Batch::at(self.last_header_block.get(), volume, layout, batch).ok()?;
        let mut bytes = batch.records;
        let (mut last, mut signed) = (Head::EMPTY, false);
        while !bytes.is_empty() {
            let (record, len) = Record::decode(bytes).ok()?;
            last = Head { records: record.header.sequence.get().checked_add(1)?, hash: record.hash };
            signed = record.kind == Kind::Checkpoint;
            bytes = &bytes[len..];
        }
        let (tree, documents, bytes) = (self.tree, self.documents.get(), self.bytes.get());
        let standing = Standing::from_wire(self.standing).unwrap_or_default();
        let totals = Totals { head, tree, documents, bytes, standing, signed };
        (batch.whole && last == head && batch.header.frontier_after() == frontier)
            .then_some(Walk { frontier, totals })
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let offsets = [
            offset_of!(Snapshot, version),
            offset_of!(Snapshot, volume),
            offset_of!(Snapshot, batches),
            offset_of!(Snapshot, last_header_block),
            offset_of!(Snapshot, last_header),
            offset_of!(Snapshot, head),
            offset_of!(Snapshot, documents),
            offset_of!(Snapshot, tree),
            offset_of!(Snapshot, sparse_index),
            offset_of!(Snapshot, reserved_tail),
            offset_of!(Snapshot, check),
        ];
        assert_eq!(offsets, [8, 16, 32, 56, 64, 96, 128, 144, 1432, 17832, 20448]);
    }
}
