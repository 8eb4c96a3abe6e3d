//! Blocks in memory, found by run and index. Index blocks have one part, with eight places for each, so that neither
//! finding one nor making room depends on its size. Leaves have another, small one: a listing needs one of each run at
//! a time, and must not lose it to a block that is wanted more often.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::block::BLOCK;

/// Places an index block can have.
const WAYS: usize = 8;

/// Leaves at least.
const LEAVES_MIN: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Nothing is in it.
    Empty,
    /// A block that was looked at.
    Used,
    /// A block that was read, and that whoever wanted it has not seen yet.
    Fresh,
    /// To be read.
    Wanted,
    /// Being read.
    Loading,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    state: State,
    run: u32,
    index: u32,
    /// When it was last looked at.
    used: u64,
}

/// What became of a look into the cache.
pub enum Look {
    /// The block is in this place.
    Here(usize),
    /// It is on its way, or will be when there is a place.
    Waiting,
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    /// Those of index blocks first.
    slots: Vec<Slot>,
    indexes: usize,
    bytes: Vec<u8>,
    wanted: Vec<usize>,
    now: u64,
}

/// Blocks that a cache for so many index blocks has in all.
pub const fn total_blocks(indexes: usize) -> usize {
    let (indexes, leaves) = (whole_sets(indexes), indexes / 8);
    indexes + if leaves < LEAVES_MIN { LEAVES_MIN } else { leaves }
}

const fn whole_sets(indexes: usize) -> usize {
    if indexes < WAYS { WAYS } else { indexes / WAYS * WAYS }
}

impl Cache {
    /// Room for so many index blocks, and an eighth as many leaves.
    pub fn new(indexes: usize) -> Self {
        let slot = Slot { state: State::Empty, run: 0, index: 0, used: 0 };
        let total = total_blocks(indexes);
        Cache {
            slots: vec![slot; total],
            indexes: whole_sets(indexes),
            bytes: vec![0; total * BLOCK],
            wanted: Vec::with_capacity(total),
            now: 0,
        }
    }

    /// Places of an index block.
    fn ways(&self, run: u32, index: u32) -> Range<usize> {
        let mixed = ((u64::from(run) << 32) | u64::from(index)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let set = mixed as usize % (self.indexes / WAYS);
        set * WAYS..(set + 1) * WAYS
    }

    /// Looks for a block, and wants it if it is not there.
    pub fn look(&mut self, run: u32, index: u32, is_leaf: bool) -> Look {
        self.now += 1;
        let (ways, leaves) = (self.ways(run, index), self.indexes..self.slots.len());
        let is_it = |at: &usize| {
            let slot = &self.slots[*at];
            slot.index == index && slot.run == run && slot.state != State::Empty
        };
        if let Some(at) = ways.clone().chain(leaves.clone()).find(is_it) {
            let slot = &mut self.slots[at];
            slot.used = self.now;
            if slot.state >= State::Wanted {
                return Look::Waiting;
            }
            slot.state = State::Used;
            return Look::Here(at);
        }
        if let Some(at) = self.replaceable(if is_leaf { leaves } else { ways }) {
            self.slots[at] = Slot { state: State::Wanted, run, index, used: self.now };
            self.wanted.push(at);
        }
        Look::Waiting
    }

    /// The place of these whose block is missed least.
    fn replaceable(&self, mut ways: Range<usize>) -> Option<usize> {
        let replaceable = ways.by_ref().filter(|&at| self.slots[at].state < State::Wanted);
        replaceable.min_by_key(|&at| (self.slots[at].state, self.slots[at].used))
    }

    /// Puts in an index block that was just made.
    pub fn put(&mut self, run: u32, index: u32, block: &[u8]) {
        self.now += 1;
        if let Some(at) = self.replaceable(self.ways(run, index)) {
            self.slots[at] = Slot { state: State::Used, run, index, used: self.now };
            self.loading(at).copy_from_slice(block);
        }
    }

    /// Index blocks there is room for.
    pub fn capacity(&self) -> usize {
        self.indexes
    }

    /// The bytes in a place.
    pub fn bytes(&self, at: usize) -> &[u8] {
        &self.bytes[at * BLOCK..][..BLOCK]
    }

    /// The next block to be read: its place, run and index. It counts as being read from now on.
    pub fn next_wanted(&mut self) -> Option<(usize, u32, u32)> {
        loop {
            // The first one wanted comes first; there are never many.
            let at = (!self.wanted.is_empty()).then(|| self.wanted.remove(0))?;
            let slot = &mut self.slots[at];
            if slot.state == State::Wanted {
                slot.state = State::Loading;
                return Some((at, slot.run, slot.index));
            }
        }
    }

    /// Where a block that is being read belongs.
    pub fn loading(&mut self, at: usize) -> &mut [u8] {
        &mut self.bytes[at * BLOCK..][..BLOCK]
    }

    /// The block in this place was read; or not, and then it is not there.
    pub fn loaded(&mut self, at: usize, good: bool) {
        self.slots[at].state = if good { State::Fresh } else { State::Empty };
    }

    /// Forgets a run's blocks. Those that are being read are forgotten when they come.
    pub fn forget(&mut self, run: u32) {
        for slot in self.slots.iter_mut().filter(|slot| slot.run == run && slot.state != State::Loading) {
            slot.state = State::Empty;
        }
    }
}
