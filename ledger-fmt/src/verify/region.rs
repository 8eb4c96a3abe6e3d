//! What the walk knows of the stretch of `ledger/` whose records it is reading: a batch, or what is left
//! where batch headers were lost.

use crate::batch_header::{BatchHeader, Frontier, STAMP_SIZE};
use crate::hash::{Checksum, Checksummer, ContentHash};
use crate::layout::BLOCK_SIZE;

pub(super) struct Region {
    /// The first block, in `ledger/`.
    pub block: u64,
    /// Where the next record stands and where records end, in bytes from the start of `ledger/`.
    pub at: u64,
    pub end: u64,
    /// The records are those the batch header's checksum covers.
    pub sound: bool,
    /// There is a batch header, hence records and nothing else, and checksums.
    pub headed: bool,
    /// Asset blocks committed here and not yet looked at.
    pub assets_next: u64,
    pub assets_to: u64,
    /// The batch header's checksum covers asset blocks from here.
    pub checksum_from: u64,
    pub checksum_expected: Checksum,
    pub checksum: Checksummer,
    /// The blocks under the checksum were read.
    pub checksummed: bool,
    /// The first block under the checksum that no record refers to.
    pub unreferenced: Option<u64>,
    /// Asset blocks of this batch were reported.
    pub assets_reported: bool,
    pub findings_before: u64,
    /// The frontier behind it.
    pub after: Frontier,
    /// Where the last batch header before that frontier stands, if it was read.
    pub last_header_block: Option<u64>,
}

impl Region {
    pub fn batch(header: &BatchHeader, sound: bool, findings_before: u64) -> Region {
        let block = header.ledger_block.get();
        let at = block * BLOCK_SIZE as u64 + STAMP_SIZE as u64;
        Region {
            block,
            at,
            end: at + u64::from(header.payload_len.get()),
            sound,
            headed: true,
            assets_next: header.assets_from.get(),
            assets_to: header.assets_to.get(),
            checksum_from: header.assets_durable.get(),
            checksum_expected: header.assets_checksum,
            checksum: Checksummer::default(),
            checksummed: false,
            unreferenced: None,
            assets_reported: false,
            findings_before,
            after: header.frontier_after(),
            last_header_block: Some(block),
        }
    }

    /// The blocks between a lost batch header at `before` and `after`, where the walk goes on.
    pub fn lost(before: &Frontier, after: &Frontier, findings_before: u64) -> Region {
        Region {
            block: before.ledger_next,
            at: before.ledger_next * BLOCK_SIZE as u64,
            end: after.ledger_next * BLOCK_SIZE as u64,
            sound: false,
            headed: false,
            assets_next: before.assets_next,
            assets_to: after.assets_next,
            checksum_from: u64::MAX,
            checksum_expected: [0; 16],
            checksum: Checksummer::default(),
            checksummed: false,
            unreferenced: None,
            assets_reported: false,
            findings_before,
            after: *after,
            last_header_block: None,
        }
    }

    /// Asset blocks before `block` that were not looked at belong to no record.
    pub fn leave_out(&mut self, block: u64) {
        let first = self.assets_next.max(self.checksum_from);
        if first < block {
            self.unreferenced.get_or_insert(first);
        }
    }
}

pub(super) struct Content {
    pub sequence: u64,
    /// Its first block in `assets/`.
    pub block: u64,
    /// Its bytes in all, and those taken in.
    pub len: u64,
    pub done: u64,
    pub expected: ContentHash,
    /// Its hashes, if all of it is taken in at once.
    pub hash: Option<ContentHash>,
    /// Something of it could not be read.
    pub unreadable: bool,
}
