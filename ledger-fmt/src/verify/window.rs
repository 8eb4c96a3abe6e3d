//! The blocks the walk is looking at: a stretch of `ledger/` (at first: the superblock and the hints).

use crate::batch_header::BATCH_BLOCKS_MAX;
use crate::layout::BLOCK_SIZE;

/// Blocks the window holds: the longest batch.
pub(super) const BLOCKS: usize = BATCH_BLOCKS_MAX;

pub(super) struct Window {
    start: u64,
    blocks: usize,
    /// Bit i: block i could not be read and stands here as zeros.
    unreadable: u8,
    bytes: [u8; BLOCKS * BLOCK_SIZE],
}

const _: () = assert!(BLOCKS <= u8::BITS as usize);

impl Window {
    pub const fn new() -> Self {
        Window { start: 0, blocks: 0, unreadable: 0, bytes: [0; BLOCKS * BLOCK_SIZE] }
    }

    /// The block after the last one held.
    pub const fn end(&self) -> u64 {
        self.start + self.blocks as u64
    }

    pub const fn covers(&self, block: u64, end: u64) -> bool {
        self.start <= block && end <= self.end()
    }

    pub fn clear(&mut self) {
        (self.start, self.blocks, self.unreadable) = (0, 0, 0);
    }

    /// Makes `block` the first block, keeping what is held of it and behind it.
    pub fn move_to(&mut self, block: u64) {
        if !self.covers(block, block) {
            self.clear();
            self.start = block;
            return;
        }
        let dropped = (block - self.start) as usize;
        self.bytes.copy_within(dropped * BLOCK_SIZE..self.blocks * BLOCK_SIZE, 0);
        self.start = block;
        self.blocks -= dropped;
        self.unreadable = self.unreadable.checked_shr(dropped as u32).unwrap_or(0);
    }

    /// Adds the blocks behind the last one held.
    pub fn push(&mut self, bytes: &[u8], readable: bool) {
        let from = self.blocks * BLOCK_SIZE;
        self.bytes[from..from + bytes.len()].copy_from_slice(bytes);
        if !readable {
            self.unreadable |= 1 << self.blocks;
        }
        self.blocks += bytes.len() / BLOCK_SIZE;
    }

    /// Bytes `from..to`, counted from the start of the area, of blocks that are held.
    pub fn bytes(&self, from: u64, to: u64) -> &[u8] {
        let base = self.start * BLOCK_SIZE as u64;
        &self.bytes[(from - base) as usize..(to - base) as usize]
    }

    pub fn block(&self, block: u64) -> &[u8] {
        let from = block * BLOCK_SIZE as u64;
        self.bytes(from, from + BLOCK_SIZE as u64)
    }

    pub fn readable(&self, block: u64) -> bool {
        self.unreadable >> (block - self.start) & 1 == 0
    }
}

/// Where the first byte that is not zero stands.
pub(super) fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    // Mostly there is none, and that is seen many bytes at a time.
    let any = bytes.iter().fold(0, |any, byte| any | byte);
    if any == 0 {
        return None;
    }
    bytes.iter().position(|&byte| byte != 0)
}
