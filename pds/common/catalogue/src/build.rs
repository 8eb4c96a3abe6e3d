//! Builds a run: entries come in order, blocks go out in order, a parent after its children and the root last.

use alloc::vec::Vec;

use crate::block::{BLOCK, Key, Range};
use crate::entry::{Entry, common};
use crate::index::{self, Separator};
use crate::leaf;

/// Levels of index blocks above the leaves at most. An index block has room for three children whatever their
/// names, and for hundreds if names are not made to be in its way.
pub const INDEX_LEVELS_MAX: usize = 12;

/// Blocks that one entry or the end of a run can finish at most.
pub const BURST_BLOCKS: usize = INDEX_LEVELS_MAX + 1;

/// Why a run cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has more levels than there may be: only names that were made for it come to this.
    TooDeep,
    /// The entry does not come after the one before.
    OutOfOrder,
}

/// A run that is being built.
#[derive(Debug)]
pub struct Builder {
    range: Range,
    leaf: leaf::Writer,
    /// The open leaf's separator.
    separator: Separator,
    indexes: Vec<index::Writer>,
    last: Vec<u8>,
    last_version: u64,
    entries: u64,
    blocks: u32,
}

impl Builder {
    /// A run about this range.
    pub fn new(range: Range) -> Self {
        Builder {
            range,
            leaf: leaf::Writer::new(),
            separator: Separator::first(),
            indexes: Vec::new(),
            last: Vec::new(),
            last_version: 0,
            entries: 0,
            blocks: 0,
        }
    }

    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Blocks finished so far.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Levels of index blocks.
    pub fn index_levels(&self) -> u8 {
        self.indexes.len() as u8
    }

    /// Adds the next entry, whose name is not empty. Blocks that it finishes are appended to `out`.
    pub fn push(&mut self, key: &Key, name: &[u8], entry: &Entry, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let shared = common(&self.last, name);
        let rises = match (self.last.get(shared), name.get(shared)) {
            (Some(before), Some(byte)) => byte > before,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => entry.sequence < self.last_version,
        };
        if !rises {
            return Err(Unfit::OutOfOrder);
        }
        if !self.leaf.push(shared, name, entry, self.range.from) {
            self.finish_leaf(key, out)?;
            self.separator = Separator::between(&self.last, self.last_version, name);
            let fits = self.leaf.push(0, name, entry, self.range.from);
            assert!(fits, "an empty leaf has room for the largest entry");
        }
        self.last.clear();
        self.last.extend_from_slice(name);
        self.last_version = entry.sequence;
        self.entries += 1;
        Ok(())
    }

    /// Finishes the run; the last block appended is its root.
    pub fn finish(&mut self, key: &Key, out: &mut Vec<u8>) -> Result<(), Unfit> {
        if self.leaf.is_empty() {
            return Ok(());
        }
        if self.blocks == 0 {
            self.emit_leaf(key, out);
            return Ok(());
        }
        self.finish_leaf(key, out)?;
        let mut level = 0;
        while level < self.indexes.len() {
            let is_root = level + 1 == self.indexes.len();
            let (separator, block) = self.emit_index(key, level, out);
            if !is_root {
                self.add_child(key, level + 1, separator, block, out)?;
            }
            level += 1;
        }
        Ok(())
    }

    fn emit_leaf(&mut self, key: &Key, out: &mut Vec<u8>) -> u32 {
        let block = self.blocks;
        self.leaf.finish(key, self.range, block, out);
        self.blocks += 1;
        block
    }

    fn emit_index(&mut self, key: &Key, level: usize, out: &mut Vec<u8>) -> (Separator, u32) {
        let block = self.blocks;
        let separator = self.indexes[level].finish(key, self.range, block, level as u8 + 1, out);
        self.blocks += 1;
        (separator, block)
    }

    fn finish_leaf(&mut self, key: &Key, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let block = self.emit_leaf(key, out);
        let separator = core::mem::take(&mut self.separator);
        self.add_child(key, 0, separator, block, out)
    }

    /// Adds a child to the open index block of a level, and finishes that first if it is full.
    fn add_child(
        &mut self,
        key: &Key,
        level: usize,
        separator: Separator,
        child: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        let (mut level, mut separator, mut child) = (level, separator, child);
        loop {
            if level == self.indexes.len() {
                if level == INDEX_LEVELS_MAX {
                    return Err(Unfit::TooDeep);
                }
                self.indexes.push(index::Writer::new());
            }
            if self.indexes[level].push(&separator, child, self.range.from) {
                return Ok(());
            }
            let (full, block) = self.emit_index(key, level, out);
            let fits = self.indexes[level].push(&separator, child, self.range.from);
            assert!(fits, "an empty index block has room for the largest separator");
            (level, separator, child) = (level + 1, full, block);
        }
    }
}

const _: () = assert!(BLOCK - crate::block::HEADER > 3 * (crate::entry::NAME_MAX + 4 + 10 + 5));
