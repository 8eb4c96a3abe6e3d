//! Reading a ledger run by run and checking that each continues the one before. Without I/O: it says which
//! blocks it wants and takes their bytes, which may be anything.

use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use ledger_fmt::record::{Head, Record};
use ledger_fmt::stamp::{Frontier, RUN_BLOCKS_MAX, STAMP_SIZE, Stamp};
use ledger_fmt::tree::Edge;

/// What the records of a ledger add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Where the chain stands.
    pub head: Head,
    /// The right edge of the tree over the record hashes.
    pub tree: Edge,
    /// Records that carry content.
    pub documents: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl Totals {
    /// Those of an empty ledger.
    pub const EMPTY: Totals = Totals { head: Head::EMPTY, tree: Edge::EMPTY, documents: 0, bytes: 0 };

    /// Adds the record after which the chain stands at `head`; `content_len` if it carries content.
    pub fn add(&mut self, head: Head, content_len: Option<u64>) {
        self.head = head;
        self.tree.push(&head.hash);
        if let Some(len) = content_len {
            self.documents += 1;
            self.bytes = self.bytes.saturating_add(len);
        }
    }
}

/// The ledger is not whole: the run at this block of `ledger/` is missing, damaged, or does not continue
/// the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The block of the run's stamp.
    pub block: u64,
}

/// A walk over the runs of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The frontier behind the runs read so far.
    pub frontier: Frontier,
    /// What their records add up to.
    pub totals: Totals,
}

impl Walk {
    /// A walk from the first run.
    pub const START: Walk = Walk { frontier: Frontier::EMPTY, totals: Totals::EMPTY };

    /// The blocks of `ledger/` to read next, if it ends at block `end`: the first and how many.
    pub fn wants(&self, end: u64) -> (u64, usize) {
        let rest = end.saturating_sub(self.frontier.ledger_next);
        (self.frontier.ledger_next, rest.min(RUN_BLOCKS_MAX as u64) as usize)
    }

    /// Takes the bytes of the blocks it wanted and checks the runs that are whole in them, at least one.
    /// `visit` gets the block and the first sequence number of each.
    pub fn feed(
        &mut self,
        volume: &[u8; 16],
        layout: &Layout,
        bytes: &[u8],
        mut visit: impl FnMut(u64, u64),
    ) -> Result<(), Broken> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let block = self.frontier.ledger_next;
            let broken = Broken { block };
            let stamp = Stamp::decode(rest, volume, &self.frontier, layout.ledger.blocks, layout.assets.blocks)
                .map_err(|_| broken)?;
            let len = stamp.ledger_blocks.get() as usize * BLOCK_SIZE;
            if len > rest.len() {
                // A run may go on behind what was read, but not the first: a read holds the largest.
                return if rest.len() == bytes.len() { Err(broken) } else { Ok(()) };
            }
            let (run, behind) = rest.split_at(len);
            let records = &run[STAMP_SIZE..][..stamp.payload_len.get() as usize];
            if Domain::RunLedger.hash(records) != stamp.ledger_digest {
                return Err(broken);
            }
            let mut totals = self.totals;
            add_records(&mut totals, records).ok_or(broken)?;
            visit(block, self.totals.head.records);
            self.totals = totals;
            self.frontier = stamp.frontier_after();
            rest = behind;
        }
        Ok(())
    }
}

/// Adds the records of a run; `None` if they are not records that continue the chain.
fn add_records(totals: &mut Totals, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let (record, len) = Record::decode(bytes).ok()?;
        let head = record.continues(&totals.head).ok()?;
        let content_len = record.kind.has_content().then_some(record.header.content_len.get());
        totals.add(head, content_len);
        bytes = &bytes[len..];
    }
    Some(())
}
