//! Where the archive's own scrub had come to, kept in `app-console-input/` behind the head snapshots, so
//! that a start goes on there. It is a saving of time and nothing else: a pass that went on from it and finds
//! something begins anew, and only what that one finds is told.

use ledger_fmt::Hash;
use ledger_fmt::batch_header::Frontier;
use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{BLOCK_SIZE, FORMAT_VERSION, INPUT_BLOCKS_MIN};
use ledger_fmt::record::Head;
use ledger_fmt::tree::Edge;
use totebox_ledger_writer::{SNAPSHOTS_END, Totals};
use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The block of `app-console-input/` it lies in.
pub const POSITION_BLOCK: u64 = SNAPSHOTS_END;

/// Bytes of the fields before the tree.
const HEADER: usize = 136;
const TAIL: usize = BLOCK_SIZE - HEADER - size_of::<Edge>() - 32;

/// The position: a frontier within the ledger, and what the records before it add up to.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Position {
    /// [`Position::MAGIC`].
    magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    version: U16,
    reserved: [u8; 6],
    /// The volume, as in its superblock.
    volume: [u8; 16],
    /// [`Frontier::batches`].
    batches: U64,
    /// [`Frontier::ledger_next`].
    ledger_next: U64,
    /// [`Frontier::assets_next`].
    assets_next: U64,
    /// [`Frontier::last_header`].
    last_header: Hash,
    /// [`Head::hash`].
    head: Hash,
    /// Records that carry content.
    documents: U64,
    /// Bytes of content.
    bytes: U64,
    /// The tree over all records; its size is their number.
    tree: Edge,
    reserved_tail: [u8; TAIL],
    /// [`Domain::Position`] over the bytes before.
    check: Hash,
}

const _: () = assert!(core::mem::offset_of!(Position, tree) == HEADER && size_of::<Position>() == BLOCK_SIZE);
const _: () = assert!(POSITION_BLOCK < INPUT_BLOCKS_MIN);

impl Position {
    pub const MAGIC: [u8; 8] = *b"TBXCHECK";

    /// The position of a pass whose batches so far end at `frontier` and add up to `totals`.
    pub fn fill(&mut self, volume: &[u8; 16], frontier: &Frontier, totals: &Totals) {
        self.magic = Self::MAGIC;
        self.version = FORMAT_VERSION.into();
        self.volume = *volume;
        self.batches = frontier.batches.into();
        self.ledger_next = frontier.ledger_next.into();
        self.assets_next = frontier.assets_next.into();
        self.last_header = frontier.last_header;
        self.head = totals.head.hash;
        self.documents = totals.documents.into();
        self.bytes = totals.bytes.into();
        self.tree = totals.tree;
        self.check = self.expected_check();
    }

    fn expected_check(&self) -> Hash {
        let bytes = self.as_bytes();
        Domain::Position.hash(&bytes[..bytes.len() - 32])
    }

    /// What it names, if it is whole, of this volume, and in a ledger of so many blocks and records.
    pub fn usable(&self, volume: &[u8; 16], ledger_next: u64, records: u64) -> Option<(Frontier, Totals)> {
        let frontier = Frontier {
            batches: self.batches.get(),
            ledger_next: self.ledger_next.get(),
            assets_next: self.assets_next.get(),
            last_header: self.last_header,
            sealed: false,
        };
        let usable = self.magic == Self::MAGIC
            && self.version.get() == FORMAT_VERSION
            && self.check == self.expected_check()
            && self.volume == *volume
            && frontier.batches > 0
            && frontier.ledger_next <= ledger_next
            && self.tree.size() <= records;
        let totals = Totals {
            head: Head { records: self.tree.size(), hash: self.head },
            tree: self.tree,
            documents: self.documents.get(),
            bytes: self.bytes.get(),
            ..Totals::EMPTY
        };
        usable.then_some((frontier, totals))
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let offsets = [
            offset_of!(Position, version),
            offset_of!(Position, volume),
            offset_of!(Position, batches),
            offset_of!(Position, last_header),
            offset_of!(Position, head),
            offset_of!(Position, documents),
            offset_of!(Position, tree),
            offset_of!(Position, reserved_tail),
            offset_of!(Position, check),
        ];
        assert_eq!((POSITION_BLOCK, offsets), (10, [8, 16, 32, 56, 88, 120, 136, 1424, 4064]));
    }
}
