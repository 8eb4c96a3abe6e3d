//! How the room of a catalogue is divided, and how much a volume has for one.

use crate::block::BLOCK;
use crate::manifest::MANIFEST_BLOCKS;
use crate::space::segment_blocks;

/// Blocks that a volume of so many blocks has for its catalogue: a 32nd, and 256 at least.
///
/// An entry takes its name, less what it shares with its neighbour, and about 30 bytes; a merge of everything needs
/// as much room again as there is. So a 32nd is enough for names of 32 bytes if a document takes 4 KiB of the volume
/// on average, with its record.
pub const fn catalogue_blocks(volume_blocks: u64) -> u64 {
    let share = volume_blocks / 32;
    if share < 256 { 256 } else { share }
}

/// Bytes that each table of a catalogue of so many blocks should have: a sixteenth of it, so that a table is a small
/// part of what there is room for; from 16 KiB to 1 MiB.
pub const fn table_bytes(catalogue_blocks: u64) -> usize {
    match catalogue_blocks.saturating_mul(BLOCK as u64) / 16 {
        share @ 0x4000..=0x10_0000 => share as usize,
        0..0x4000 => 0x4000,
        _ => 0x10_0000,
    }
}

/// Where what lies, in blocks of the directory.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    begin: u64,
    /// The first segment's first block.
    pub data: u64,
    /// Blocks of a segment.
    pub segment_blocks: u32,
    /// Whole segments there are.
    pub segments: u16,
}

impl Layout {
    /// The layout of a catalogue that begins at `begin` and has so many blocks.
    pub fn new(begin: u64, blocks: u64) -> Self {
        let manifests = 2 * MANIFEST_BLOCKS as u64;
        // A run's blocks are counted in 32 bits; what is beyond is not used.
        let data = blocks.saturating_sub(manifests).min(u32::MAX.into());
        let segment_blocks = segment_blocks(data);
        let segments = (data / segment_blocks) as u16;
        Layout { begin, data: begin + manifests, segment_blocks: segment_blocks as u32, segments }
    }

    /// The first block of a manifest's copy.
    pub fn manifest(&self, copy: u64) -> u64 {
        self.begin + copy * MANIFEST_BLOCKS as u64
    }
}
