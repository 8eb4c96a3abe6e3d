//! The sans-I/O verifier of a whole volume: it says which blocks it wants, takes their bytes, and
//! reports what it sees. The auditor feeds it through the vault, the host tool from a disk image.

use crate::Hash;
use crate::layout::Area;
use crate::record::Record;
use crate::stamp::Frontier;
use crate::tree::Edge;

/// What is wrong with a committed structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FindingKind {
    /// The superblock is not the one this volume must have.
    Superblock = 1,
    /// A frontier hint is neither blank nor valid, or contradicts the stamps.
    Hint = 2,
    /// A stamp is damaged, stray or contradicts itself.
    Stamp = 3,
    /// A record is damaged: its bytes are not those its run's digest covers, or not a record.
    Record = 4,
    /// A whole record does not continue the chain.
    Chain = 5,
    /// The tree over the records is not the one a checkpoint states.
    Tree = 6,
    /// Asset bytes do not have the hash their record gives.
    Asset = 7,
    /// The volume is older than what is known of it.
    Rollback = 8,
    /// The archive claims another head than its ledger has.
    HeadDisagreement = 9,
    /// The blocks cannot be read.
    Unreadable = 10,
}

impl FindingKind {
    /// The kind with this number.
    pub const fn from_u8(n: u8) -> Option<FindingKind> {
        Some(match n {
            1 => FindingKind::Superblock,
            2 => FindingKind::Hint,
            3 => FindingKind::Stamp,
            4 => FindingKind::Record,
            5 => FindingKind::Chain,
            6 => FindingKind::Tree,
            7 => FindingKind::Asset,
            8 => FindingKind::Rollback,
            9 => FindingKind::HeadDisagreement,
            10 => FindingKind::Unreadable,
            _ => return None,
        })
    }

    /// The kind's name in every message.
    pub const fn name(self) -> &'static str {
        match self {
            FindingKind::Superblock => "superblock",
            FindingKind::Hint => "hint",
            FindingKind::Stamp => "stamp",
            FindingKind::Record => "record",
            FindingKind::Chain => "chain",
            FindingKind::Tree => "tree",
            FindingKind::Asset => "asset",
            FindingKind::Rollback => "rollback",
            FindingKind::HeadDisagreement => "head-disagreement",
            FindingKind::Unreadable => "unreadable",
        }
    }
}

/// Something wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The area `block` is counted in.
    pub area: Area,
    /// The first block concerned, in its area.
    pub block: u64,
    /// The record concerned, by sequence number.
    pub record: Option<u64>,
}

/// Blocks the verifier wants next, relative to the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The first block.
    pub block: u64,
    /// How many: at most [`RUN_BLOCKS_MAX`](crate::stamp::RUN_BLOCKS_MAX).
    pub blocks: usize,
}

/// What a verifier tells while it goes: findings, and for listings and extraction the sound records and
/// their content.
pub trait Visitor {
    /// Something is wrong.
    fn finding(&mut self, finding: &Finding);
    /// A whole record; it starts at byte `offset` of block `block` of `ledger/`.
    fn record(&mut self, _record: &Record<'_>, _block: u64, _offset: usize) {}
    /// Content of the record with this sequence number, from byte `offset`; comes after the record. Not yet
    /// known to be sound: that is said by [`Visitor::content_end`].
    fn content(&mut self, _sequence: u64, _offset: u64, _bytes: &[u8]) {}
    /// All content of a record was read, and has (or has not) the hash the record gives.
    fn content_end(&mut self, _sequence: u64, _sound: bool) {}
}

/// What a finished verification found out.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Records read, sound or not.
    pub records: u64,
    /// Documents among them.
    pub documents: u64,
    /// Content bytes the records declare.
    pub content_bytes: u64,
    /// Bytes fed to the verifier.
    pub bytes_read: u64,
    /// Findings reported.
    pub findings: u64,
    /// Hash of the last record.
    pub head: Hash,
    /// The tree over all record hashes.
    pub tree: Edge,
    /// Where the runs end.
    pub frontier: Frontier,
}
