//! One batch of a ledger, from bytes that may be anything.

use ledger_fmt::batch_header::{BatchHeader, Frontier, STAMP_SIZE};
use ledger_fmt::hash::checksum;
use ledger_fmt::layout::{BLOCK_SIZE, Layout};

/// A batch whose batch header is whole. Whether it continues the batch before is the caller's to know.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub header: BatchHeader,
    pub records: &'a [u8],
    /// Whether these are the bytes the batch header vouches for.
    pub whole: bool,
    /// Bytes of its blocks.
    pub len: usize,
}

/// Why there is no batch to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBatch {
    /// No batch header, or not the one that belongs here.
    Bad,
    /// The batch goes on behind the bytes given.
    Cut,
}

impl<'a> Batch<'a> {
    /// The batch at the start of `bytes` that continues `frontier`.
    pub fn after(
        frontier: &Frontier,
        volume: &[u8; 16],
        layout: &Layout,
        bytes: &'a [u8],
    ) -> Result<Batch<'a>, NoBatch> {
        let header = BatchHeader::decode(bytes, volume, frontier, layout).map_err(|_| NoBatch::Bad)?;
        Batch::headed(header, bytes)
    }

    /// The batch at the start of `bytes`, which stand at `block` of `ledger/`, whatever comes before it.
    pub fn at(block: u64, volume: &[u8; 16], layout: &Layout, bytes: &'a [u8]) -> Result<Batch<'a>, NoBatch> {
        let header = BatchHeader::find(bytes, volume, block, layout).map_err(|_| NoBatch::Bad)?;
        Batch::headed(header, bytes)
    }

    fn headed(header: BatchHeader, bytes: &'a [u8]) -> Result<Batch<'a>, NoBatch> {
        let len = header.ledger_blocks.get() as usize * BLOCK_SIZE;
        let batch = bytes.get(..len).ok_or(NoBatch::Cut)?;
        let records = &batch[STAMP_SIZE..][..header.payload_len.get() as usize];
        let whole = checksum(records) == header.ledger_checksum;
        Ok(Batch { header, records, whole, len })
    }
}
