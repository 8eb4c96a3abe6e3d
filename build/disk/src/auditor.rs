//! What the auditor has published on the audit volume: see `docs/ledger-format.md`, "Auditor's state".

use ledger_fmt::auditor_state::{COPIES, COPY_SIZE, Copy};
use ledger_fmt::layout::Superblock;
use ledger_fmt::note::Verifier;
use totebox_deployment::volume::AUDIT;

use super::image::{Image, Volume};
use crate::checkpoint::SignedCheckpoint;

/// The copies of the auditor's state, as they stand on the disk.
pub struct AuditorState {
    copies: Vec<Vec<u8>>,
    volume: [u8; 16],
}

impl AuditorState {
    /// That of a volume with this superblock. On any other than the audit volume nothing is looked for.
    pub fn read(image: &Image, volume: &Volume, superblock: &Superblock) -> AuditorState {
        let input = superblock.layout().filter(|_| volume.name == AUDIT).map(|layout| layout.input.start);
        let copy = |(input, start): (u64, u64)| {
            let mut bytes = vec![0; COPY_SIZE];
            image.read(volume, input + start, &mut bytes).then_some(bytes)
        };
        let starts = input.into_iter().flat_map(|input| COPIES.map(|start| (input, start)));
        AuditorState { copies: starts.filter_map(copy).collect(), volume: superblock.volume }
    }

    /// The copies in their form that one of these keys has signed, or that any has if none is given; the newest first.
    fn copies(&self, keys: Option<&[Verifier]>) -> Vec<Copy<'_>> {
        let ours = |copy: &Copy| keys.is_none_or(|keys| keys.iter().any(|key| copy.is_signed_by(key)));
        let read = self.copies.iter().filter_map(|bytes| Copy::read(bytes, &self.volume));
        let mut copies: Vec<Copy> = read.filter(ours).collect();
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.generation));
        copies
    }

    /// Whether it is looked for on this volume.
    pub fn is_there(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Whether both copies were written, and neither is signed with one of these keys. A power cut spoils no more than one.
    pub fn is_foreign(&self, keys: &[Verifier]) -> bool {
        let written = self.copies.iter().filter(|bytes| bytes.iter().any(|&byte| byte != 0)).count();
        written == COPIES.len() && self.copies(Some(keys)).is_empty()
    }

    /// The checkpoints of the audit record in the copies, the newest first.
    pub fn checkpoints(&self, keys: Option<&[Verifier]>) -> Vec<SignedCheckpoint> {
        let notes = self.copies(keys).into_iter().filter_map(|copy| copy.checkpoint());
        notes.filter_map(|note| SignedCheckpoint::parse(note.as_bytes()).ok()).collect()
    }
}
