//! The room of the directory after the manifests: segments of equal size, each free, taken, or given up and still
//! named by a manifest that a power cut may bring back.

use alloc::vec;
use alloc::vec::Vec;

/// Segments at most, however large the directory: they grow with it.
pub const SEGMENTS_MAX: u64 = 4096;

/// Blocks of a segment at least, which is what one request carries.
pub const SEGMENT_BLOCKS_MIN: u64 = 8;

/// Blocks of a segment in a directory with so many blocks after the manifests: a power of two.
pub const fn segment_blocks(blocks: u64) -> u64 {
    let least = blocks.div_ceil(SEGMENTS_MAX);
    let least = if least < SEGMENT_BLOCKS_MIN { SEGMENT_BLOCKS_MIN } else { least };
    least.next_power_of_two()
}

/// Which segments are free.
#[derive(Debug)]
pub struct Space {
    free: Vec<bool>,
    count: usize,
    next: usize,
    /// Segments given up, each with the first generation of the manifest that does not name it.
    retired: Vec<(u16, u64)>,
}

impl Space {
    /// So many free segments, at most [`SEGMENTS_MAX`].
    pub fn new(segments: usize) -> Self {
        Space { free: vec![true; segments], count: segments, next: 0, retired: Vec::with_capacity(segments) }
    }

    /// Free segments.
    pub fn free(&self) -> usize {
        self.count
    }

    /// True if some will be free once a manifest is durable.
    pub fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Takes a segment, the next free one in the order of their places.
    pub fn take(&mut self) -> Option<u16> {
        let (before, behind) = self.free.split_at(self.next);
        let at = match behind.iter().position(|&free| free) {
            Some(at) => self.next + at,
            None => before.iter().position(|&free| free)?,
        };
        self.claim(at as u16).then_some(at as u16)
    }

    /// Takes this segment; false if it is not free, or not there.
    pub fn claim(&mut self, segment: u16) -> bool {
        let Some(free) = self.free.get_mut(usize::from(segment)).filter(|free| **free) else { return false };
        *free = false;
        self.count -= 1;
        self.next = usize::from(segment) + 1;
        true
    }

    /// Gives back a segment that no manifest names.
    pub fn give_back(&mut self, segment: u16) {
        self.free[usize::from(segment)] = true;
        self.count += 1;
    }

    /// Gives up a segment that is free when the manifest of this generation is durable.
    pub fn retire(&mut self, segment: u16, generation: u64) {
        self.retired.push((segment, generation));
    }

    /// Frees what the manifest of this generation, which is durable, does not name.
    pub fn durable(&mut self, generation: u64) {
        let mut at = 0;
        while let Some(&(segment, needed)) = self.retired.get(at) {
            if needed <= generation {
                self.retired.swap_remove(at);
                self.give_back(segment);
            } else {
                at += 1;
            }
        }
    }
}
