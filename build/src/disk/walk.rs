//! Drives the verifier over a volume of an image.

use ledger_fmt::layout::{BLOCK_SIZE, Superblock};
use ledger_fmt::stamp::RUN_BLOCKS_MAX;
use ledger_fmt::verify::{Mode, Summary, Verifier, Visitor};

use super::image::{Image, Volume};
use super::kept::Kept;
use super::report::{Findings, VolumeReport};

/// A verification under way.
pub struct Walk<'a> {
    image: &'a Image,
    volume: &'a Volume,
    verifier: Box<Verifier>,
    buffer: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// Of a volume that must have this superblock.
    pub fn new(image: &'a Image, volume: &'a Volume, superblock: &Superblock, mode: Mode) -> Self {
        let verifier = Box::new(Verifier::new(superblock, None, mode));
        Walk { image, volume, verifier, buffer: vec![0; RUN_BLOCKS_MAX * BLOCK_SIZE] }
    }

    /// Goes one step; false at the end.
    pub fn step(&mut self, visitor: &mut dyn Visitor) -> bool {
        let Some(want) = self.verifier.want() else { return false };
        let bytes = &mut self.buffer[..want.blocks * BLOCK_SIZE];
        if self.image.read(self.volume, want.block, bytes) {
            self.verifier.feed(bytes, visitor);
        } else {
            self.verifier.unreadable(visitor);
        }
        true
    }

    /// Bytes read, and about how many there will be.
    pub fn progress(&self) -> (u64, u64) {
        let done = self.verifier.bytes_read();
        (done, self.verifier.bytes_expected().max(done))
    }

    /// What was found out.
    pub fn summary(&self) -> Summary {
        self.verifier.summary()
    }
}

/// Verifies a volume, and holds it against what was kept of it. `progress` is told bytes read and expected.
pub fn verify(image: &Image, volume: &Volume, kept: &Kept, mut progress: impl FnMut(u64, u64)) -> VolumeReport {
    let findings = Findings::new(volume);
    let superblock = match &volume.superblock {
        Ok(superblock) => superblock,
        Err(_) => return VolumeReport::new(volume, None, findings),
    };
    let mut walk = Walk::new(image, volume, superblock, Mode::Full);
    let mut comparison = kept.of(superblock, findings);
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
