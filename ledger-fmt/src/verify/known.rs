//! What is known of a volume beside its batches: superblock, hints, and the frontier somebody vouches for.

use zerocopy::IntoBytes;

use super::window::{Window, first_nonzero};
use super::{FindingKind, Reporter, Visitor};
use crate::batch_header::{Frontier, Hint};
use crate::layout::{Area, HINT_BLOCKS, Layout, SUPERBLOCK, Superblock};
use crate::record::Head;

/// Frontiers the walk has to pass through, and where its word comes from.
pub(super) struct Known {
    marks: [Option<Mark>; 4],
    hints: [HintState; 2],
    /// Where the claimed frontier is in `ledger/`, and the frontier the volume was seen at before.
    claimed: Option<u64>,
    remembered: Option<(Frontier, Head)>,
}

/// A frontier the walk has to pass through.
#[derive(Clone, Copy)]
struct Mark {
    frontier: Frontier,
    /// Where its last batch header stands, if that is known.
    last_header_block: Option<u64>,
    kind: FindingKind,
    area: Area,
    block: u64,
}

/// What the marks stand for. Where several are not met, the most serious is told first.
const CLAIMED: usize = 0;
const REMEMBERED: usize = 1;
const HINTED: usize = 2;

/// What stands where a hint belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HintState {
    /// Zeros.
    Blank,
    /// A hint this volume can have, of so many batches.
    Valid(u64),
    /// Neither.
    Damaged,
}

impl Known {
    pub fn new(claimed: Option<Frontier>) -> Self {
        let marks = [claimed.map(Mark::in_ledger), None, None, None];
        let claimed = claimed.map(|frontier| frontier.ledger_next);
        Known { marks, hints: [HintState::Damaged; 2], claimed, remembered: None }
    }

    /// The walk has to pass through this frontier: the volume was seen there before.
    ///
    /// With this head: a batch header speaks for its records by a checksum, which whoever has the disk can keep.
    pub fn remember(&mut self, frontier: Frontier, head: Head) {
        self.marks[REMEMBERED] = Some(Mark::in_ledger(frontier));
        self.remembered = Some((frontier, head));
    }

    /// Whether the walk stands where the volume was seen before.
    pub fn is_remembered(&self, frontier: &Frontier) -> bool {
        self.remembered.is_some_and(|(remembered, _)| remembered == *frontier)
    }

    /// Looks at the first blocks of the volume, and returns up to where everything must be whole.
    pub fn read(
        &mut self,
        window: &Window,
        expected: &Superblock,
        layout: &Layout,
        report: &mut Reporter,
        visitor: &mut dyn Visitor,
    ) -> Frontier {
        let (superblock, rest) = window.block(SUPERBLOCK).split_at(size_of::<Superblock>());
        let sound = superblock == expected.as_bytes() && first_nonzero(rest).is_none();
        if !sound && window.readable(SUPERBLOCK) {
            report.finding(visitor, FindingKind::Superblock, Area::Volume, SUPERBLOCK, None);
        }
        for (i, block) in HINT_BLOCKS.into_iter().enumerate() {
            if !window.readable(block) {
                continue;
            }
            let bytes = window.block(block);
            let hint = Hint::find(bytes, &expected.volume, layout);
            let mark = hint.map(|hint| Mark::of_hint(&hint, block));
            let padded = first_nonzero(&bytes[size_of::<Hint>()..]).is_none();
            self.hints[i] = match mark {
                Some(mark) => HintState::Valid(mark.frontier.batches),
                None if first_nonzero(bytes).is_none() => HintState::Blank,
                None => HintState::Damaged,
            };
            if self.hints[i] == HintState::Damaged || !padded {
                report.finding(visitor, FindingKind::Hint, Area::Volume, block, None);
            }
            self.marks[HINTED + i] = mark;
        }
        let hinted = self.marks[HINTED..].iter().flatten().map(|mark| mark.frontier);
        let claimed = self.marks[CLAIMED].map(|mark| mark.frontier);
        let bound = claimed.or(hinted.max_by_key(|frontier| frontier.batches)).unwrap_or(Frontier::EMPTY);
        let assets_next = bound.assets_next.min(layout.blocks_of(Area::Assets));
        Frontier { ledger_next: bound.ledger_next.min(layout.ledger_end(assets_next)), assets_next, ..bound }
    }

    /// Whether the hints that should say how far the ledger reached are gone. In a volume that was never in
    /// service both are blank.
    pub fn hints_lost(&self, frontier: &Frontier) -> bool {
        let unused = self.hints == [HintState::Blank; 2] && frontier.batches == 0;
        let hinted = self.hints.iter().any(|hint| matches!(hint, HintState::Valid(_)));
        !hinted && !unused
    }

    /// Compares where the walk and the chain stand with every frontier it reached. `last_header_block` is `None` behind
    /// lost batches: there a frontier may have been passed unseen.
    pub fn compare(
        &mut self,
        frontier: &Frontier,
        head: &Head,
        last_header_block: Option<u64>,
        report: &mut Reporter,
        visitor: &mut dyn Visitor,
    ) {
        for (i, slot) in self.marks.iter_mut().enumerate() {
            let Some(mark) = slot.take_if(|mark| mark.frontier.ledger_next <= frontier.ledger_next) else {
                continue;
            };
            let same = mark.frontier == *frontier
                && (mark.last_header_block.is_none()
                    || last_header_block.is_none()
                    || mark.last_header_block == last_header_block);
            let passed =
                i != CLAIMED && last_header_block.is_none() && mark.frontier.ledger_next < frontier.ledger_next;
            // Where something was found, the chain may stand elsewhere for that.
            let other = i == REMEMBERED
                && report.findings == 0
                && self.remembered.is_some_and(|(_, remembered)| remembered != *head);
            if (!same && !passed) || (same && other) {
                report.finding(visitor, mark.kind, mark.area, mark.block, None);
            }
        }
    }

    /// Reports what can be said when the walk has ended at `frontier`.
    pub fn finish(&self, frontier: &Frontier, report: &mut Reporter, visitor: &mut dyn Visitor) {
        for (i, block) in HINT_BLOCKS.into_iter().enumerate() {
            // A volume's first start writes one hint, of no batches; the next hint goes to the other slot.
            let written = match self.hints[1 - i] {
                HintState::Blank => frontier.batches > 0,
                HintState::Valid(batches) => batches > 0,
                HintState::Damaged => false,
            };
            if self.hints[i] == HintState::Blank && written {
                report.finding(visitor, FindingKind::Hint, Area::Volume, block, None);
            }
        }
        // A hint newer than the claimed frontier is the vault's, gone on meanwhile; the claim itself must
        // have been reached, unless what lies in its way was reported.
        if let Some(mark) = self.marks[CLAIMED].filter(|_| report.findings == 0) {
            report.finding(visitor, mark.kind, mark.area, mark.block, None);
        }
        // Damage may keep the walk from getting there; a claim that ends before it may not.
        let older = |mark: &Mark| self.claimed.is_some_and(|claimed| claimed < mark.frontier.ledger_next);
        if let Some(mark) = self.marks[REMEMBERED].filter(|mark| report.findings == 0 || older(mark)) {
            report.finding(visitor, mark.kind, mark.area, mark.block, None);
        }
    }
}

impl Mark {
    /// A frontier the ledger must have had.
    fn in_ledger(frontier: Frontier) -> Mark {
        Mark {
            frontier,
            last_header_block: None,
            kind: FindingKind::Rollback,
            area: Area::Ledger,
            block: frontier.ledger_next.saturating_sub(1),
        }
    }

    /// The frontier this hint names, which stands in this block of the volume.
    fn of_hint(hint: &Hint, block: u64) -> Mark {
        let frontier = hint.frontier();
        let last_header_block = (frontier.batches > 0).then_some(hint.last_header_block.get());
        Mark { frontier, last_header_block, kind: FindingKind::Hint, area: Area::Volume, block }
    }
}
