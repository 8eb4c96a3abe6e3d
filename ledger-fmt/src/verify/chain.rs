//! The records one after another: sequence, previous hash, tree, and what their payloads must say.

use super::{FindingKind, Point, Reporter, Visitor};
use crate::checkpoint::{self, Checkpoint};
use crate::layout::{Area, BLOCK_SIZE, Superblock, volume_name};
use crate::payload::{Genesis, Stated};
use crate::record::{HEADER_SIZE, Head, Kind, Record};
use crate::tree::Edge;

pub(super) struct Chain {
    pub head: Head,
    pub tree: Edge,
    /// Every record's hash is in the tree.
    tree_whole: bool,
    /// Where whole records ended, until the next one is found.
    hole: Option<Hole>,
}

/// Bytes that should hold records and do not.
struct Hole {
    /// Where it begins, in bytes from the start of `ledger/`.
    at: u64,
    /// Records below this one have been reported.
    named: u64,
}

impl Chain {
    pub fn at(point: &Point) -> Self {
        let (head, tree_whole) = (point.head, point.tree.is_some());
        Chain { head, tree: point.tree.unwrap_or(Edge::EMPTY), tree_whole, hole: None }
    }

    /// The tree over all records, if all of them were seen.
    pub fn whole_tree(&self) -> Option<Edge> {
        self.tree_whole.then_some(self.tree)
    }

    /// Bytes of a batch that are not a whole record begin at `at`: the next record is damaged.
    pub fn damaged(&mut self, at: u64, report: &mut Reporter, visitor: &mut dyn Visitor) {
        let next = self.head.records;
        if self.hole.as_ref().is_none_or(|hole| hole.named <= next) {
            report.finding(visitor, FindingKind::Record, Area::Ledger, at / BLOCK_SIZE as u64, Some(next));
            let at = self.hole.as_ref().map_or(at, |hole| hole.at);
            self.hole = Some(Hole { at, named: next.saturating_add(1) });
        }
    }

    /// Batches were lost from `at` on: records may be missing.
    pub fn interrupted(&mut self, at: u64) {
        self.hole.get_or_insert(Hole { at, named: self.head.records });
    }

    /// Whether a whole record found at `at`, in bytes nothing vouches for, can be the next one: the
    /// records that would be missing before it must have had room.
    pub fn plausible(&self, record: &Record<'_>, at: u64) -> bool {
        let Some(hole) = &self.hole else { return true };
        let room = at.saturating_sub(hole.at) / HEADER_SIZE as u64;
        record.header.sequence.get().checked_sub(self.head.records).is_some_and(|missing| missing <= room)
    }

    pub fn accept(
        &mut self,
        record: &Record<'_>,
        at: u64,
        volume: &Superblock,
        report: &mut Reporter,
        visitor: &mut dyn Visitor,
    ) {
        let sequence = record.header.sequence.get();
        let block = at / BLOCK_SIZE as u64;
        let plausible = self.plausible(record, at);
        if let Some(hole) = self.hole.take()
            && plausible
            && sequence > self.head.records
        {
            for missing in hole.named..sequence {
                let block = hole.at / BLOCK_SIZE as u64;
                report.finding(visitor, FindingKind::Record, Area::Ledger, block, Some(missing));
            }
            // The hash of the last missing record is known from this one.
            if sequence - self.head.records > 1 {
                self.tree_whole = false;
            } else if self.tree_whole {
                self.tree.push(&record.header.previous);
            }
            self.head = Head { records: sequence, hash: record.header.previous };
        }
        match record.continues(&self.head) {
            Ok(head) => self.head = head,
            Err(_) => {
                report.finding(visitor, FindingKind::Chain, Area::Ledger, block, Some(sequence));
                self.head = Head { records: sequence.saturating_add(1), hash: record.hash };
                self.tree_whole = false;
            }
        }
        if let Some(kind) = self.fault(record, volume) {
            report.finding(visitor, kind, Area::Ledger, block, Some(sequence));
        }
        if self.tree_whole {
            self.tree.push(&record.hash);
        }
    }

    /// What is wrong with the payload of a record, which is not in the tree yet.
    fn fault(&self, record: &Record<'_>, volume: &Superblock) -> Option<FindingKind> {
        let sequence = record.header.sequence.get();
        let first = (record.kind == Kind::Genesis) == (sequence == 0);
        let sound = first
            && record.has_form()
            && match record.kind {
                Kind::Genesis => Genesis::read(record.payload).is_some_and(|genesis| {
                    (genesis.deployment, genesis.volume) == (volume.deployment, volume.volume)
                        && volume_name(&volume.name) == Some(genesis.name)
                }),
                Kind::Document => record
                    .document()
                    .is_some_and(|document| document.supersedes.is_none_or(|earlier| earlier < sequence)),
                Kind::Checkpoint => return self.checkpoint_fault(record, volume),
                _ => true,
            };
        (!sound).then_some(FindingKind::Record)
    }

    /// What is wrong with a checkpoint: the tree it states, or the note that states it once more.
    fn checkpoint_fault(&self, record: &Record<'_>, volume: &Superblock) -> Option<FindingKind> {
        let Some(Stated { tree, note }) = Stated::read(record.payload) else {
            return Some(FindingKind::Record);
        };
        let noted = match note.map(|note| Checkpoint::parse(note.as_bytes())) {
            None => None,
            Some(Ok((_, noted))) => Some(noted),
            Some(Err(_)) => return Some(FindingKind::Record),
        };
        let stated = (tree.size, tree.root);
        let of_tree = !self.tree_whole || stated == (self.tree.size(), self.tree.root());
        let of_volume = checkpoint::origin(&volume.deployment, &volume.name);
        let agreed = noted.is_none_or(|noted| {
            of_volume.is_some_and(|origin| origin == noted.origin) && (noted.size, noted.root) == stated
        });
        (!of_tree || !agreed).then_some(FindingKind::Tree)
    }
}
