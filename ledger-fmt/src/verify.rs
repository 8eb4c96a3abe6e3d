//! The sans-I/O verifier of a whole volume: it says which blocks it wants, takes their bytes, and
//! reports what it sees. The auditor feeds it through the vault, the host tool from a disk image.
//!
//! It works in constant memory and trusts no byte. Blocks are read once, but for the asset blocks of a batch
//! behind the bound, and of one whose assets not all belong to records. What it checks:
//!
//! | bytes | against |
//! |---|---|
//! | block 0 | the superblock the deployment expects; the rest is zero |
//! | blocks 1, 2 | each a valid hint the batches agree with, or blank while it need not be written; the rest is zero |
//! | each batch's header | its check, its place, the batch header before |
//! | each batch's record bytes | the batch header's checksum; the rest of the last block is zero |
//! | each record | its own check, sequence and previous hash, payload; a checkpoint's tree head |
//! | each record's content | its hash; inside what its batch commits, behind the record before; zeros to the block's end |
//! | asset blocks no record refers to | the batch's checksum over them and their neighbours |
//!
//! Up to the *bound* everything must be whole. The bound is the frontier the vault claims, and then the
//! batches must end exactly there; or, offline, the newest valid hint, and then further batches are taken as
//! long as they are whole: the first that is not was never acknowledged ([`Summary::tail`]).
//!
//! Damage does not end the walk. A damaged record is passed by, and named, as every record carries a
//! check of its own. Behind a lost batch header the walk goes on at the next batch header of this volume, or at the
//! bound, and whole records between are still found.
//!
//! A walk need not begin at the first batch: [`Verifier::resume`] looks at what came after a [`Point`] that was
//! verified before, [`Verifier::sample`] at a stretch of what had come by then.

mod chain;
mod finding;
mod known;
mod region;
mod walk;
mod window;

pub use finding::{Finding, FindingKind};
pub use walk::Verifier;

use crate::Hash;
use crate::batch_header::Frontier;
use crate::layout::Area;
use crate::record::{Head, Record};
use crate::tree::Edge;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Full,
    /// Everything but `assets/`: a listing.
    Ledger,
}

/// Blocks the verifier wants next. They lie in one piece: see [`Layout::run`](crate::layout::Layout::run).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub area: Area,
    /// The first, counted in the area.
    pub block: u64,
    /// How many: at most [`BATCH_BLOCKS_MAX`](crate::batch_header::BATCH_BLOCKS_MAX).
    pub blocks: usize,
    /// They are all of a content of so many bytes: see [`Verifier::feed_hashed`].
    pub content: Option<u64>,
}

/// What a verifier reports on its way: findings, and sound records and content for listings and extraction.
pub trait Visitor {
    /// Something is wrong.
    fn finding(&mut self, finding: &Finding);
    /// A whole record; it starts at byte `offset` of block `block` of `ledger/`.
    fn record(&mut self, _record: &Record<'_>, _block: u64, _offset: usize) {}
    /// Content of the record with this sequence number, from byte `offset`; comes after the record. Not yet
    /// known to be sound: that is said by [`Visitor::content_end`].
    fn content(&mut self, _sequence: u64, _offset: u64, _bytes: &[u8]) {}
    /// All content of a record was read, and has (or has not) the hash the record gives. Not called where
    /// content is not read ([`Mode::Ledger`]).
    fn content_end(&mut self, _sequence: u64, _sound: bool) {}
}

#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Records in the ledger, damaged ones included.
    pub records: u64,
    pub documents: u64,
    /// Content bytes their records declare.
    pub content_bytes: u64,
    /// Bytes fed to the verifier.
    pub bytes_read: u64,
    pub findings: u64,
    pub head: Hash,
    /// The tree over all record hashes; where records are missing, over those before them.
    pub tree: Edge,
    /// Where the batches end.
    pub frontier: Frontier,
    /// Offline: the block of `ledger/` at which a batch begins that is not whole and that no hint vouches
    /// for: a commit that was never acknowledged. The next start of the vault forgets it.
    pub tail: Option<u64>,
}

/// A place between two batches, and what the ledger adds up to there: where a later walk may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub frontier: Frontier,
    pub head: Head,
    /// The tree over the records before; `None` if it is not known, then no checkpoint's word is checked.
    pub tree: Option<Edge>,
}

impl Point {
    pub const START: Point = Point { frontier: Frontier::EMPTY, head: Head::EMPTY, tree: Some(Edge::EMPTY) };
}

/// Reports findings and counts them.
struct Reporter {
    findings: u64,
}

impl Reporter {
    fn finding(
        &mut self,
        visitor: &mut dyn Visitor,
        kind: FindingKind,
        area: Area,
        block: u64,
        record: Option<u64>,
    ) {
        self.findings += 1;
        visitor.finding(&Finding { kind, area, block, record });
    }
}
