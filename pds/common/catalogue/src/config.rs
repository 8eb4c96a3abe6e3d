//! What a catalogue is for, and how much memory it takes.

use crate::block::BLOCK;
use crate::build::{BURST_BLOCKS, INDEX_LEVELS_MAX};
use crate::cache::total_blocks;
use crate::entry::NAME_MAX;
use crate::job::TRANSFER_BLOCKS;
use crate::manifest::MANIFEST_BYTES;
use crate::space::SEGMENTS_MAX;

/// Merges under way at most.
pub const MERGES_MAX: usize = 3;

/// What a catalogue is for, and what it may take.
#[derive(Clone, Debug)]
pub struct Config {
    /// The volume's id.
    pub volume: [u8; 16],
    /// The archive's key for the checks: 32 bytes that nobody else knows.
    pub key: [u8; 32],
    /// The first sequence number of the volume.
    pub first: u64,
    /// The directory's block at which the catalogue begins.
    pub begin: u64,
    /// Blocks it has.
    pub blocks: u64,
    /// Bytes of each of its two tables, for what is not on the disk yet: see [`table_bytes`](crate::table_bytes).
    pub table_bytes: usize,
    /// Index blocks in the cache, which keeps some leaves besides.
    pub cache_blocks: usize,
}

impl Config {
    /// Bytes of memory that a catalogue takes at most, without the listings that read it.
    pub const fn memory(&self) -> usize {
        let tables = 2 * self.table_bytes;
        let cache = total_blocks(self.cache_blocks) * (BLOCK + 40);
        let job = (2 * TRANSFER_BLOCKS + TRANSFER_BLOCKS + 2 * BURST_BLOCKS + 1) * BLOCK
            + (4 + INDEX_LEVELS_MAX) * 2 * NAME_MAX;
        // Which segments are free, which are given up and until when, and which belong to what.
        let space = SEGMENTS_MAX as usize * (1 + 16 + 2 + 2);
        tables + cache + (MERGES_MAX + 1) * job + 4 * MANIFEST_BYTES + space
    }
}
