//! One run of a ledger, from bytes that may be anything.

use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use ledger_fmt::stamp::{Frontier, STAMP_SIZE, Stamp};

/// A run whose stamp is whole. Whether it continues the run before is the caller's to know.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Its stamp.
    pub stamp: Stamp,
    /// Its record bytes.
    pub records: &'a [u8],
    /// Whether these are the bytes the stamp vouches for.
    pub whole: bool,
    /// Bytes of its blocks.
    pub len: usize,
}

/// Why there is no run to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRun {
    /// No stamp, or not the one that belongs here.
    Bad,
    /// The run goes on behind the bytes given.
    Cut,
}

impl<'a> Run<'a> {
    /// The run at the start of `bytes` that continues `frontier`.
    pub fn after(
        frontier: &Frontier,
        volume: &[u8; 16],
        layout: &Layout,
        bytes: &'a [u8],
    ) -> Result<Run<'a>, NoRun> {
        let stamp = Stamp::decode(bytes, volume, frontier, layout.ledger.blocks, layout.assets.blocks)
            .map_err(|_| NoRun::Bad)?;
        Run::stamped(stamp, bytes)
    }

    /// The run at the start of `bytes`, which stand at `block` of `ledger/`, whatever comes before it.
    pub fn at(block: u64, volume: &[u8; 16], layout: &Layout, bytes: &'a [u8]) -> Result<Run<'a>, NoRun> {
        let stamp = Stamp::find(bytes, volume, block, layout.ledger.blocks, layout.assets.blocks)
            .map_err(|_| NoRun::Bad)?;
        Run::stamped(stamp, bytes)
    }

    fn stamped(stamp: Stamp, bytes: &'a [u8]) -> Result<Run<'a>, NoRun> {
        let len = stamp.ledger_blocks.get() as usize * BLOCK_SIZE;
        let run = bytes.get(..len).ok_or(NoRun::Cut)?;
        let records = &run[STAMP_SIZE..][..stamp.payload_len.get() as usize];
        let whole = Domain::RunLedger.hash(records) == stamp.ledger_digest;
        Ok(Run { stamp, records, whole, len })
    }
}
