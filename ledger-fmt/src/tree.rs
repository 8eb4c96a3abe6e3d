//! The RFC 6962 Merkle tree (SHA-256) over record hashes.
//!
//! A leaf is `SHA-256(0x00 || record hash)`, a node `SHA-256(0x01 || left || right)`; roots, inclusion
//! and consistency proofs are exactly those of C2SP `tlog-checkpoint` and `tlog-tiles`.

use sha2::{Digest, Sha256};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Hash;

/// The leaf hash of a record: RFC 6962 §2.1.
pub fn leaf(record_hash: &Hash) -> Hash {
    Sha256::new().chain_update([0]).chain_update(record_hash).finalize().into()
}

/// The hash of an inner node: RFC 6962 §2.1.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Sha256::new().finalize().into()
}

/// Perfect subtrees a tree can have at most; 2^40 records exceed the largest volume.
pub const LEVELS: usize = 40;

/// The right edge of a growing tree: the roots of its perfect subtrees, one per set bit of its size
/// (a *compact range* from 0). Constant in size, so that it can be kept in memory and on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Edge {
    size: zerocopy::little_endian::U64,
    /// `levels[i]` is the root of the perfect subtree of 2^i leaves if bit i of the size is set.
    levels: [Hash; LEVELS],
}

impl Default for Edge {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Edge {
    pub const EMPTY: Edge = Edge { size: zerocopy::little_endian::U64::ZERO, levels: [[0; 32]; LEVELS] };

    /// The edge of a tree of `size` leaves whose perfect subtrees have these roots, from the smallest up.
    /// `None` if they are not as many as such a tree has.
    pub fn of(size: u64, subtrees: impl IntoIterator<Item = Hash>) -> Option<Edge> {
        let mut edge = Edge { size: size.into(), ..Edge::EMPTY };
        let mut subtrees = subtrees.into_iter();
        for level in (0..u64::BITS as usize).filter(|level| size >> level & 1 == 1) {
            *edge.levels.get_mut(level)? = subtrees.next()?;
        }
        subtrees.next().is_none().then_some(edge)
    }

    /// The edge of the tree over these records, by their hashes.
    pub fn over(records: &[Hash]) -> Edge {
        let mut edge = Edge::EMPTY;
        records.iter().for_each(|record| edge.push(record));
        edge
    }

    /// The roots of the perfect subtrees, from the smallest up.
    pub fn subtrees(&self) -> impl Iterator<Item = &Hash> {
        let size = self.size.get();
        self.levels.iter().enumerate().filter(move |(level, _)| size >> level & 1 == 1).map(|(_, root)| root)
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size.get()
    }

    /// Adds the record with this hash as the next leaf.
    pub fn push(&mut self, record_hash: &Hash) {
        let mut hash = leaf(record_hash);
        let size = self.size.get();
        let level = (size.trailing_ones() as usize).min(LEVELS - 1);
        for left in &self.levels[..level] {
            hash = node(left, &hash);
        }
        self.levels[level] = hash;
        self.size = (size + 1).into();
    }

    pub fn root(&self) -> Hash {
        let size = self.size.get();
        let mut right: Option<Hash> = None;
        for (level, left) in self.levels.iter().enumerate() {
            if size >> level & 1 == 1 {
                right = Some(match right {
                    None => *left,
                    Some(hash) => node(left, &hash),
                });
            }
        }
        right.unwrap_or_else(empty_root)
    }
}
