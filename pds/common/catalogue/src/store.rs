//! The runs, and their blocks as lookups and listings read them: through the cache, each checked when it comes.

use alloc::vec::Vec;

use crate::block::{self, BLOCK, Key};
use crate::cache::{Cache, Look};
use crate::index;
use crate::manifest::{RUNS_MAX, Run};

/// Something in the directory is not what the catalogue wrote, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The block of the directory.
    pub block: u64,
    /// True if the disk gave no answer, rather than a wrong one.
    pub unreadable: bool,
}

/// A run in use.
#[derive(Debug)]
pub struct Live {
    /// What the manifest says of it.
    pub run: Run,
    /// Its number in memory, which no other run had.
    pub serial: u32,
    /// True if it is being merged.
    pub busy: bool,
    /// Writes that had been answered when its last block was: all of its own are among them.
    pub written: u64,
}

/// The runs in use.
#[derive(Debug)]
pub struct Store {
    /// The key of their blocks.
    pub key: Key,
    /// The block of the directory at which the first segment begins.
    base: u64,
    segment_blocks: u32,
    /// Oldest first.
    pub runs: Vec<Live>,
    /// Counts up whenever the runs or the tables are others.
    pub version: u64,
    /// What was found first.
    pub damage: Option<Damage>,
    cache: Cache,
    next_serial: u32,
    /// Index blocks that are to be in the cache soon: run and index.
    warm: Vec<(u32, u32)>,
}

impl Store {
    /// No runs.
    pub fn new(key: Key, base: u64, segment_blocks: u32, cache_blocks: usize) -> Self {
        let runs = Vec::with_capacity(RUNS_MAX);
        let cache = Cache::new(cache_blocks);
        Store {
            key,
            base,
            segment_blocks,
            runs,
            version: 0,
            damage: None,
            cache,
            next_serial: 0,
            warm: Vec::new(),
        }
    }

    /// A number for a run, which no other has.
    pub fn serial(&mut self) -> u32 {
        self.next_serial += 1;
        self.next_serial
    }

    /// Puts the index blocks of what a run is being written with into the cache: they are wanted as soon as the run
    /// is in use.
    pub fn keep_indexes(&mut self, serial: u32, index: u32, blocks: &[u8]) {
        for (block, index) in blocks.chunks_exact(BLOCK).zip(index..) {
            if block::header(block).level > 0 {
                self.cache.put(serial, index, block);
            }
        }
    }

    /// Has the index blocks of all runs read, as far as there is room for them, so that after a start lookups cost
    /// what they cost later.
    pub fn warm_up(&mut self) {
        self.warm.extend(self.runs.iter().map(|live| (live.serial, live.run.blocks - 1)));
    }

    /// True if that is not done.
    pub fn is_warming(&self) -> bool {
        !self.warm.is_empty()
    }

    /// Goes on with that; false if there is nothing to do.
    pub fn go_on_warming(&mut self) -> bool {
        let Some(&(serial, index)) = self.warm.last() else { return false };
        let Some(blocks) = self.get(serial).map(|live| live.run.blocks) else {
            self.warm.pop();
            return true;
        };
        if let Look::Here(at) = self.cache.look(serial, index, false) {
            self.warm.pop();
            let block = self.cache.bytes(at);
            // Children of a block that is two levels up are index blocks; those lie before it.
            if block::header(block).level > 1 {
                let room = self.cache.capacity() / 2;
                let children = index::children(block).filter(|&child| child < index && child < blocks);
                self.warm.extend(children.take(room).map(|child| (serial, child)));
            }
        }
        true
    }

    /// The run with this number, if it is still in use.
    pub fn get(&self, serial: u32) -> Option<&Live> {
        self.runs.iter().find(|live| live.serial == serial)
    }

    /// The block of the directory in which a segment's block lies.
    pub fn block_in_segment(&self, segment: u16, block: u32) -> u64 {
        self.base + u64::from(segment) * u64::from(self.segment_blocks) + u64::from(block)
    }

    /// The block of the directory in which a run's block lies.
    pub fn place(&self, run: &Run, index: u32) -> u64 {
        let segment = run.segments[(index / self.segment_blocks) as usize];
        self.block_in_segment(segment, index % self.segment_blocks)
    }

    /// A block of a run in use, and whether it is expected to be a leaf: `None` if it has to be read first.
    pub fn block(&mut self, serial: u32, index: u32, is_leaf: bool) -> Option<&[u8]> {
        match self.cache.look(serial, index, is_leaf) {
            Look::Here(at) => Some(self.cache.bytes(at)),
            Look::Waiting => None,
        }
    }

    /// Notes damage to a run's block.
    pub fn damaged(&mut self, serial: u32, index: u32, unreadable: bool) {
        if let Some(live) = self.get(serial) {
            let block = self.place(&live.run, index);
            self.damage.get_or_insert(Damage { block, unreadable });
        }
    }

    /// The next block to be read: its place in the cache, run and index, and the block of the directory.
    pub fn next_wanted(&mut self) -> Option<(usize, u32, u32, u64)> {
        loop {
            let (at, serial, index) = self.cache.next_wanted()?;
            match self.get(serial) {
                Some(live) => return Some((at, serial, index, self.place(&live.run, index))),
                None => self.cache.loaded(at, false),
            }
        }
    }

    /// Where a block that is being read belongs.
    pub fn loading(&mut self, at: usize) -> &mut [u8] {
        self.cache.loading(at)
    }

    /// A block was read into its place in the cache. One of a run that is not in use any more may have been written
    /// over meanwhile, and says nothing.
    pub fn loaded(&mut self, at: usize, serial: u32, index: u32, read: bool) {
        let range = self.get(serial).map(|live| live.run.range);
        let good = range
            .is_some_and(|range| read && block::open(self.cache.loading(at), &self.key, range, index).is_some());
        if range.is_some() && !good {
            self.damaged(serial, index, !read);
        }
        self.cache.loaded(at, good);
    }

    /// A run is not in use any more.
    pub fn forget(&mut self, serial: u32) {
        self.cache.forget(serial);
    }
}
