//! Reading a ledger batch by batch and checking that each continues the one before. Without I/O: it says which
//! blocks it wants and takes their bytes, which may be anything.

use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, Frontier};
use ledger_fmt::layout::Layout;
use ledger_fmt::payload::Document;
use ledger_fmt::record::{Head, Kind, Record};
use ledger_fmt::tree::Edge;
use totebox_protocol::lifecycle::{self, Standing};

use super::batch::{Batch, NoBatch};

/// What the records of a ledger add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub head: Head,
    /// The right edge of the tree over the record hashes.
    pub tree: Edge,
    /// Records of documents.
    pub documents: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// What the archive is, by the last lifecycle record.
    pub standing: Standing,
    /// The last record is a checkpoint: there is nothing new to sign.
    pub signed: bool,
}

/// What a walk tells its caller while it goes.
pub trait Observer {
    /// The batch at `block` is whole and continues the ledger; its first record has number `first`.
    fn batch(&mut self, _first: u64, _block: u64) {}
    fn record(&mut self, _record: &Record<'_>) {}
}

impl Totals {
    pub const EMPTY: Totals = Totals {
        head: Head::EMPTY,
        tree: Edge::EMPTY,
        documents: 0,
        bytes: 0,
        standing: Standing::Active,
        signed: false,
    };

    /// Adds the record after which the chain stands at `head`.
    pub fn add(&mut self, head: Head, kind: Kind, payload: &[u8]) {
        self.head = head;
        self.tree.push(&head.hash);
        self.signed = kind == Kind::Checkpoint;
        match kind {
            Kind::Lifecycle => self.standing = lifecycle::destination(payload).unwrap_or(self.standing),
            Kind::Document => {
                let content = Document::read(payload).and_then(|document| document.content);
                self.documents += 1;
                self.bytes = self.bytes.saturating_add(content.map_or(0, |content| content.size));
            }
            _ => {}
        }
    }

    /// Adds the record at the start of `bytes`; `None` if there is none that continues the chain.
    pub fn add_next<'a>(&mut self, bytes: &'a [u8]) -> Option<(Record<'a>, usize)> {
        let (record, len) = Record::decode(bytes).ok()?;
        let head = record.continues(&self.head).ok()?;
        self.add(head, record.kind, record.payload);
        Some((record, len))
    }

    /// Adds the records of a batch; `None` if they are not records that continue the chain.
    fn add_batch(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let (_, len) = self.add_next(bytes)?;
            bytes = &bytes[len..];
        }
        Some(())
    }
}

/// The ledger is not whole: the batch at this block is missing, damaged, or does not continue the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The block of the batch's header.
    pub block: u64,
}

/// A walk over the batches of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The frontier behind the batches read so far.
    pub frontier: Frontier,
    pub totals: Totals,
}

impl Walk {
    pub const START: Walk = Walk { frontier: Frontier::EMPTY, totals: Totals::EMPTY };

    /// The blocks of `ledger/` to read next, if it ends at block `end`: the first and how many.
    pub fn wants(&self, end: u64) -> (u64, usize) {
        let rest = end.saturating_sub(self.frontier.ledger_next);
        (self.frontier.ledger_next, rest.min(BATCH_BLOCKS_MAX as u64) as usize)
    }

    /// Takes the blocks it wanted, checks the batches whole in them, at least one, and shows them the observer.
    pub fn feed(
        &mut self,
        volume: &[u8; 16],
        layout: &Layout,
        bytes: &[u8],
        observer: &mut dyn Observer,
    ) -> Result<(), Broken> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let block = self.frontier.ledger_next;
            let broken = Broken { block };
            let batch = match Batch::after(&self.frontier, volume, layout, rest) {
                Ok(batch) if batch.whole => batch,
                // A read holds the largest batch: only a later one may go on behind it.
                Err(NoBatch::Cut) if rest.len() < bytes.len() => return Ok(()),
                Ok(_) | Err(_) => return Err(broken),
            };
            let mut totals = self.totals;
            totals.add_batch(batch.records).ok_or(broken)?;
            observer.batch(self.totals.head.records, block);
            let mut records = batch.records;
            while let Ok((record, len)) = Record::decode(records) {
                observer.record(&record);
                records = &records[len..];
            }
            self.totals = totals;
            self.frontier = batch.header.frontier_after();
            rest = &rest[batch.len..];
        }
        Ok(())
    }
}
