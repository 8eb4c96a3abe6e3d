//! What an auditor has kept elsewhere, held against a volume while it is read: checkpoints its tree must
//! extend, and keys its own checkpoints must be signed with.

use std::collections::BTreeSet;

use ledger_fmt::auditor_state::COPIES;
use ledger_fmt::layout::Superblock;
use ledger_fmt::note::{Note, Unverified, Verifier};
use ledger_fmt::payload::Stated;
use ledger_fmt::record::Record;
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{Finding, Summary, Visitor};

use totebox_common::units::count;

use super::auditor::AuditorState;
use super::image::Image;
use super::report::{Findings, Report, Row};
use crate::checkpoint::{SignedCheckpoint, origin};

/// What an auditor brings along. Checkpoints are believed as they are.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    pub checkpoints: Vec<SignedCheckpoint>,
    pub keys: Vec<Verifier>,
}

/// A verification's visitor that compares with what was kept of this volume.
pub(super) struct Comparison<'a> {
    pub findings: Findings,
    /// The checkpoints not reached yet, by falling size, and who has them.
    checkpoints: Vec<(&'a SignedCheckpoint, &'static str)>,
    keys: Vec<Verifier>,
    tree: Edge,
    /// Checkpoints on the volume whose signature is good.
    pub signatures: Option<u64>,
}

impl Pinned {
    /// The keys for the volume with this superblock.
    pub(super) fn keys_of(&self, superblock: &Superblock) -> Vec<Verifier> {
        let origin = origin(superblock).unwrap_or_default();
        self.keys.iter().filter(|key| key.name() == origin).cloned().collect()
    }

    /// What of it concerns the volume with this superblock, on which `published` is signed beside the ledger.
    pub(super) fn of<'a>(
        &'a self,
        superblock: &Superblock,
        findings: Findings,
        published: &'a [SignedCheckpoint],
    ) -> Comparison<'a> {
        let origin = origin(superblock).unwrap_or_default();
        let pinned = self.checkpoints.iter().map(|kept| (kept, "the pinned checkpoint"));
        let published = published.iter().map(|signed| (signed, "the auditor's own checkpoint"));
        let ours = pinned.chain(published).filter(|(checkpoint, _)| checkpoint.origin == origin);
        let mut checkpoints: Vec<_> = ours.collect();
        checkpoints.sort_by_key(|(checkpoint, _)| std::cmp::Reverse(checkpoint.size));
        let keys = self.keys_of(superblock);
        let signatures = (!keys.is_empty()).then_some(0);
        Comparison { findings, checkpoints, keys, tree: Edge::EMPTY, signatures }
    }

    /// Of whom something was kept, and no volume of this image is.
    pub(super) fn missing(&self, image: &Image) -> BTreeSet<&str> {
        let here: Vec<String> =
            image.volumes.iter().filter_map(|volume| origin(volume.superblock.as_ref().ok()?)).collect();
        let checkpoints = self.checkpoints.iter().map(|kept| kept.origin.as_str());
        let origins = checkpoints.chain(self.keys.iter().map(|key| key.name()));
        origins.filter(|&origin| here.iter().all(|here| here != origin)).collect()
    }
}

impl Comparison<'_> {
    /// Takes what is published on the audit volume, if its key is known: whether it is signed, and with what.
    pub fn take_published(&mut self, state: &AuditorState, published: &[SignedCheckpoint]) {
        let Some(signatures) = self.signatures.as_mut().filter(|_| state.is_there()) else { return };
        let signed = published.iter().any(|checkpoint| checkpoint.verify(&self.keys).is_ok());
        *signatures += u64::from(signed);
        if state.is_foreign(&self.keys) {
            let text = "what the auditor publishes is signed with another key than was given";
            self.findings.published("signature", COPIES[0], text.to_owned());
        }
    }

    fn compare(&mut self, block: u64) {
        while let Some((kept, whose)) = self.checkpoints.pop_if(|(kept, _)| kept.size == self.tree.size()) {
            if kept.root != self.tree.root() {
                let text = format!("its first {} records are not those under {whose}", kept.size);
                self.findings.kept("tree", block, None, text);
            }
        }
    }

    fn check_signature(&mut self, record: &Record<'_>, block: u64) {
        let Some(signatures) = &mut self.signatures else { return };
        let sequence = record.header.sequence.get();
        // Of what has not its form the verifier tells.
        let Some(stated) = Stated::read(record.payload) else { return };
        let verified = stated.note.map(|note| match Note::parse(note.as_bytes()) {
            Ok(note) => note.verify(&self.keys).map_err(Some),
            Err(_) => Err(None),
        });
        let text = match verified {
            Some(Ok(())) => {
                *signatures += 1;
                return;
            }
            Some(Err(None)) => return,
            Some(Err(Some(Unverified::Mismatch))) => "the checkpoint's signature does not match",
            Some(Err(Some(Unverified::UnknownKey))) => "the checkpoint is signed with another key than was given",
            None => "the checkpoint is not signed",
        };
        self.findings.kept("signature", block, Some(sequence), text.to_owned());
    }

    /// All of the volume was read.
    pub fn finish(&mut self, summary: &Summary) {
        let end = summary.frontier.ledger_next;
        self.compare(end);
        while let Some((kept, whose)) = self.checkpoints.pop() {
            let (size, records) = (kept.size, summary.records);
            if size > records {
                let text = format!("the volume ends after {}, {whose} is over {size}", count(records, "record"));
                self.findings.kept("rollback", end, None, text);
            } else {
                let text = format!("records are missing, so {whose} over {size} cannot be checked");
                self.findings.kept("tree", end, None, text);
            }
        }
    }
}

impl Visitor for Comparison<'_> {
    fn finding(&mut self, finding: &Finding) {
        self.findings.finding(finding);
    }

    fn record(&mut self, record: &Record<'_>, block: u64, _: usize) {
        let sequence = record.header.sequence.get();
        // Behind the last checkpoint the tree matters to nobody.
        if !self.checkpoints.is_empty() {
            self.compare(block);
            // The hash of one damaged record is known from the next.
            if sequence == self.tree.size() + 1 {
                self.tree.push(&record.header.previous);
                self.compare(block);
            }
            if sequence == self.tree.size() {
                self.tree.push(&record.hash);
                self.compare(block);
            }
        }
        if record.kind == ledger_fmt::record::Kind::Checkpoint {
            self.check_signature(record, block);
        }
    }
}

impl Report {
    /// Adds the archives of which something was kept and that no volume of the image is.
    pub fn add_missing(&mut self, image: &Image, kept: &Pinned) {
        for origin in kept.missing(image) {
            let text = format!("no volume is {origin}, for which a checkpoint or a key was given");
            let (volume, kind, area, block, record) = (None, "rollback", None, None, None);
            self.findings.push(Row { volume, kind, area, block, record, text });
            self.clean = false;
        }
    }
}
