//! Drives the verifier over a volume of an image.

use std::sync::Arc;

use ledger_fmt::batch_header::BATCH_BLOCKS_MAX;
use ledger_fmt::layout::{Area, BLOCK_SIZE, Block, Superblock};
use ledger_fmt::verify::{Mode, Summary, Verifier, Visitor, Want};
use zerocopy::{FromZeros, IntoBytes};

use super::ahead::ReadAhead;
use super::auditor::AuditorState;
use super::image::{Image, Reader, Volume, read_area};
use super::pinned::Pinned;
use super::prehash::works;
use super::report::{Findings, VolumeReport};

pub struct Walk {
    reader: Reader,
    verifier: Box<Verifier>,
    /// Of `ledger/` and of `assets/`.
    ahead: [ReadAhead; 2],
    /// For what is not read ahead.
    buffer: Vec<Block>,
}

impl Walk {
    /// Of a volume that must have this superblock.
    pub fn new(image: &Image, volume: &Volume, superblock: &Superblock, mode: Mode) -> Self {
        Walk::with(image.reader(volume), superblock, mode)
    }

    /// Of a volume that is read so.
    pub fn with(reader: Reader, superblock: &Superblock, mode: Mode) -> Self {
        let verifier = Box::new(Verifier::new(superblock, None, mode));
        let layout = *verifier.layout();
        let [ledger, assets] = works();
        let ahead = [(Area::Ledger, ledger), (Area::Assets, assets)].map(|(area, works)| {
            let reader = reader.clone();
            let of_area = move |block, out: &mut [u8]| read_area(&reader, &layout, area, block, out);
            ReadAhead::new(Arc::new(of_area), works)
        });
        Walk { reader, verifier, ahead, buffer: vec![Block::new_zeroed(); BATCH_BLOCKS_MAX] }
    }

    /// Goes one step; false at the end.
    pub fn step(&mut self, visitor: &mut dyn Visitor) -> bool {
        let Some(want) = self.verifier.want() else { return false };
        // Only what is committed is read ahead: it never changes, so it does not matter when it is read.
        let mut areas = self.ahead.iter_mut().zip(self.verifier.expected());
        let ahead = areas.find(|(_, (area, end))| *area == want.area && want.block < *end);
        match ahead.and_then(|(ahead, (_, end))| ahead.get(want, end)) {
            Some((bytes, Some(hash))) => self.verifier.feed_hashed(bytes, hash, visitor),
            Some((bytes, None)) => self.verifier.feed(bytes, visitor),
            None => self.read(want, visitor),
        }
        true
    }

    fn read(&mut self, want: Want, visitor: &mut dyn Visitor) {
        let bytes = self.buffer[..want.blocks].as_mut_bytes();
        if read_area(&self.reader, self.verifier.layout(), want.area, want.block, bytes) {
            self.verifier.feed(bytes, visitor);
        } else {
            self.verifier.unreadable(visitor);
        }
    }

    /// Bytes read, and about how many there will be.
    pub fn progress(&self) -> (u64, u64) {
        let done = self.verifier.bytes_read();
        let expected: u64 = self.verifier.expected().iter().map(|(_, blocks)| blocks * BLOCK_SIZE as u64).sum();
        (done, expected.max(done))
    }

    /// The block of `ledger/` in which the last batch header stands: see [`Verifier::last_header_block`].
    pub fn last_header_block(&self) -> Option<u64> {
        self.verifier.last_header_block()
    }

    pub fn summary(&self) -> Summary {
        self.verifier.summary()
    }
}

/// Verifies a volume, and holds it against what was kept of it. `progress` is told bytes read and expected.
pub fn verify(image: &Image, volume: &Volume, kept: &Pinned, mut progress: impl FnMut(u64, u64)) -> VolumeReport {
    let findings = Findings::new(volume);
    let superblock = match &volume.superblock {
        Ok(superblock) => superblock,
        Err(_) => return VolumeReport::new(volume, None, findings),
    };
    // Before the ledger, which may go on growing meanwhile. Without a key nobody can tell what a power cut has spoilt.
    let state = AuditorState::read(image, volume, superblock);
    let published = state.checkpoints(Some(&kept.keys_of(superblock)));
    let mut walk = Walk::new(image, volume, superblock, Mode::Full);
    let mut comparison = kept.of(superblock, findings, &published[..published.len().min(1)]);
    comparison.take_published(&state, &published);
    while walk.step(&mut comparison) {
        let (done, expected) = walk.progress();
        progress(done, expected);
    }
    let summary = walk.summary();
    comparison.finish(&summary);
    let mut report = VolumeReport::new(volume, Some(&summary), comparison.findings);
    report.signatures = comparison.signatures;
    report
}

#[cfg(test)]
mod tests;
