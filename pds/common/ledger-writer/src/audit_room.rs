//! What is left of the audit volume, and for what it is kept. It has no content: all of its space is `ledger/`.
//!
//! Nothing is ever taken out of the audit record, so what comes by itself must stop before what an operator
//! does cannot be entered any more. The results of audits and the starts of the appliance come again and
//! again; flags, acknowledgements, transitions and faults come when something is wrong or somebody acts.

use crate::RESERVED_BLOCKS;

/// Blocks that audit results and starts leave free for everything else, of a `ledger/` of so many blocks: a
/// sixteenth, but no more than 1 MiB. An entry takes a block at most.
pub const fn kept_blocks(ledger_blocks: u64) -> u64 {
    const MOST: u64 = 256;
    let part = ledger_blocks / 16;
    RESERVED_BLOCKS + if part < MOST { part } else { MOST }
}

/// Whether so little is free of a `ledger/` of so many blocks that the operator has to know: audit results are
/// not entered any more, or will not be some days from now. One in which nothing is kept is just full some day.
pub const fn is_nearly_full(ledger_blocks: u64, used: u64) -> bool {
    let (kept, eighth) = (kept_blocks(ledger_blocks), ledger_blocks / 8);
    let early = if 2 * kept > eighth { 2 * kept } else { eighth };
    kept > RESERVED_BLOCKS && ledger_blocks.saturating_sub(used) <= early
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_grows_with_the_volume_up_to_a_mebibyte() {
        let kept: [u64; 5] = [5, 64, 128, 8192, 1 << 20].map(kept_blocks);
        assert_eq!(kept, [4, 8, 12, 260, 260]);
    }

    #[test]
    fn it_is_said_before_anything_is_kept_out() {
        for blocks in [64, 1024, 8192, 1 << 20] {
            let last = (0..blocks).find(|&used| is_nearly_full(blocks, used)).unwrap();
            assert!(blocks - last >= 2 * kept_blocks(blocks), "{blocks}");
            assert!(is_nearly_full(blocks, blocks) && !is_nearly_full(blocks, 0), "{blocks}");
        }
    }
}
