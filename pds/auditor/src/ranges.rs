//! The findings of a verification beyond those it names one by one, folded into ranges: however much is damaged, the
//! memory is the same, each finding is inside a range of its kind and area, and how many there are is exact.
//!
//! Ranges of the same kind and area have blocks between them that nothing was found in. When there are too many ranges,
//! the two with the fewest such blocks between them become one.

use ledger_fmt::verify::Finding;
use totebox_protocol::audit::{FoundRange, NO_RECORD, RANGES_MAX, RangeRows};

/// The ranges, by kind, area and block. There is room for one more than [`RANGES_MAX`] only while one is added.
#[derive(Clone, Debug)]
pub struct Ranges(heapless::Vec<FoundRange, { RANGES_MAX + 1 }>);

impl Ranges {
    /// Of no findings.
    pub const fn new() -> Ranges {
        Ranges(heapless::Vec::new())
    }

    pub fn add(&mut self, finding: &Finding) {
        let range = FoundRange::of(finding);
        let at = self.0.partition_point(|other| place(other) <= place(&range));
        self.0.insert(at, range).expect("there is room for one more");
        if self.gap(at).is_some_and(|gap| gap <= 1) {
            self.join(at);
        }
        if at > 0 && self.gap(at - 1).is_some_and(|gap| gap <= 1) {
            self.join(at - 1);
        }
        if self.0.len() > RANGES_MAX {
            let joined = self.coarsen();
            assert!(joined, "so many ranges are not all of different kinds and areas");
        }
    }

    /// Makes one range of the two that are nearest to each other; false if no two are of the same kind and area.
    pub fn coarsen(&mut self) -> bool {
        let gaps = (0..self.0.len()).filter_map(|at| Some((self.gap(at)?, at)));
        let nearest = gaps.min();
        if let Some((_, at)) = nearest {
            self.join(at);
        }
        nearest.is_some()
    }

    /// Leaves the last range out; false if there is none.
    pub fn leave_out(&mut self) -> bool {
        self.0.pop().is_some()
    }

    pub fn as_slice(&self) -> &[FoundRange] {
        &self.0
    }

    /// The ranges, and rows that are not in use.
    pub fn rows(&self) -> RangeRows {
        core::array::from_fn(|at| self.0.get(at).copied().unwrap_or(FoundRange::NONE))
    }

    /// From one range's last block to the next one's first; `None` if that is of another kind or area.
    fn gap(&self, at: usize) -> Option<u64> {
        let (range, next) = (self.0.get(at)?, self.0.get(at + 1)?);
        let alike = (range.kind, range.area) == (next.kind, next.area);
        alike.then(|| next.block.get().saturating_sub(range.last_block.get()))
    }

    /// Makes one of a range and the next.
    fn join(&mut self, at: usize) {
        let next = self.0.remove(at + 1);
        let range = &mut self.0[at];
        range.findings = range.findings.get().saturating_add(next.findings.get()).into();
        range.last_block = range.last_block.max(next.last_block);
        range.record = range.record.min(next.record);
        // All ones stand for no record, not for a late one.
        range.last_record = match (range.last_record.get(), next.last_record.get()) {
            (NO_RECORD, last) | (last, NO_RECORD) => last.into(),
            (one, other) => one.max(other).into(),
        };
    }
}

/// Where a range stands among the others.
fn place(range: &FoundRange) -> (u8, u8, u64) {
    (range.kind, range.area, range.block.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use ledger_fmt::layout::Area;
    use ledger_fmt::verify::FindingKind;

    use totebox_protocol::audit::findings_in;
    use totebox_testing::Random;

    fn finding(kind: FindingKind, area: Area, block: u64, record: Option<u64>) -> Finding {
        Finding { kind, area, block, record }
    }

    fn asset(block: u64) -> Finding {
        finding(FindingKind::Asset, Area::Assets, block, Some(block + 1))
    }

    /// Blocks, records and how many findings.
    fn folded(findings: &[Finding]) -> Vec<(u64, u64, u64, u64, u32)> {
        let mut ranges = Ranges::new();
        findings.iter().for_each(|finding| ranges.add(finding));
        let row = |range: &FoundRange| {
            let blocks = (range.block.get(), range.last_block.get());
            (blocks.0, blocks.1, range.record.get(), range.last_record.get(), range.findings.get())
        };
        ranges.as_slice().iter().map(row).collect()
    }

    #[test]
    fn neighbours_are_one_range_in_whatever_order_they_come() {
        assert_eq!(folded(&[asset(3), asset(4), asset(5)]), [(3, 5, 4, 6, 3)]);
        assert_eq!(folded(&[asset(5), asset(3), asset(4)]), [(3, 5, 4, 6, 3)]);
        assert_eq!(folded(&[asset(3), asset(3)]), [(3, 3, 4, 4, 2)], "two findings in one block");
        assert_eq!(folded(&[asset(3), asset(5)]), [(3, 3, 4, 4, 1), (5, 5, 6, 6, 1)]);
        let of_no_record = finding(FindingKind::Asset, Area::Assets, 4, None);
        assert_eq!(folded(&[of_no_record]), [(4, 4, NO_RECORD, NO_RECORD, 1)]);
        assert_eq!(folded(&[asset(3), of_no_record]), [(3, 4, 4, 4, 2)], "the records that are known");
        assert_eq!(folded(&[of_no_record, asset(5)]), [(4, 5, 6, 6, 2)]);
        let header = finding(FindingKind::BatchHeader, Area::Ledger, 4, None);
        assert_eq!(folded(&[asset(3), header]).len(), 2, "another kind");
        let last = asset(u64::MAX - 1);
        assert_eq!(folded(&[last, asset(u64::MAX - 2)]).len(), 1, "at the end of all numbers");
    }

    #[test]
    fn when_there_are_too_many_the_nearest_become_one() {
        let apart: Vec<_> = (0..RANGES_MAX as u64).map(|n| asset(n * 100)).collect();
        assert_eq!(folded(&apart).len(), RANGES_MAX);
        let with_near = [&apart[..], &[asset(730)]].concat();
        let ranges = folded(&with_near);
        assert_eq!((ranges.len(), ranges[7]), (RANGES_MAX, (700, 730, 701, 731, 2)));
    }

    #[test]
    fn a_range_for_each_kind_in_each_area_fits_and_no_two_of_them_are_made_one() {
        let mut ranges = Ranges::new();
        for round in 0..3 {
            for kind in (0..=u8::MAX).filter_map(FindingKind::from_u8) {
                for area in Area::ALL {
                    ranges.add(&finding(kind, area, round * 1000, None));
                }
            }
        }
        assert_eq!(ranges.as_slice().len(), RANGES_MAX);
        assert!(ranges.as_slice().iter().all(|range| range.findings.get() == 3));
        assert!(!ranges.coarsen());
        assert!(ranges.leave_out());
        assert_eq!(ranges.as_slice().len(), RANGES_MAX - 1);
    }

    /// Against a plain list of all findings, on disks with little and with much damage.
    #[test]
    fn every_finding_is_in_a_range_of_its_kind_and_the_counts_add_up() {
        let kinds: Vec<_> = (0..=u8::MAX).filter_map(FindingKind::from_u8).collect();
        for seed in 0..300 {
            let mut random = Random(seed);
            let (blocks, of_kinds) = (1 + random.below(20_000), 1 + random.below(kinds.len() as u64));
            let (mut ranges, mut all) = (Ranges::new(), Vec::new());
            for _ in 0..random.below(400) {
                let kind = kinds[random.below(of_kinds) as usize];
                let area = Area::ALL[random.below(4) as usize];
                let record = (random.below(3) > 0).then(|| random.below(5000));
                all.push(finding(kind, area, random.below(blocks), record));
                ranges.add(all.last().unwrap());

                let rows = ranges.as_slice();
                assert!(
                    rows.len() <= RANGES_MAX && rows.iter().all(FoundRange::is_sound),
                    "seed {seed}: {rows:?}"
                );
                assert_eq!(findings_in(rows), all.len() as u64, "seed {seed}");
            }
            while ranges.coarsen() {
                assert_eq!(findings_in(ranges.as_slice()), all.len() as u64, "seed {seed}");
                holds(seed, ranges.as_slice(), &all);
            }
        }
    }

    /// Asserts that ranges and findings are of each other.
    fn holds(seed: u64, ranges: &[FoundRange], all: &[Finding]) {
        let is_in = |finding: &Finding, range: &FoundRange| {
            (range.kind, range.area) == (finding.kind as u8, finding.area as u8)
                && (range.block.get()..=range.last_block.get()).contains(&finding.block)
        };
        for range in ranges {
            let inside: Vec<_> = all.iter().filter(|finding| is_in(finding, range)).collect();
            assert_eq!(inside.len(), range.findings.get() as usize, "seed {seed}: {range:?}");
            let blocks = inside.iter().map(|finding| finding.block);
            let ends = (blocks.clone().min(), blocks.max());
            assert_eq!(ends, (Some(range.block.get()), Some(range.last_block.get())), "seed {seed}: {range:?}");
            let records = inside.iter().filter_map(|finding| finding.record);
            let known = |record: u64| Some(record).filter(|&record| record != NO_RECORD);
            let ends = (records.clone().min(), records.max());
            assert_eq!(
                ends,
                (known(range.record.get()), known(range.last_record.get())),
                "seed {seed}: {range:?}"
            );
        }
        let found = all.iter().all(|finding| ranges.iter().any(|range| is_in(finding, range)));
        assert!(found, "seed {seed}: a finding is in no range");
    }
}
