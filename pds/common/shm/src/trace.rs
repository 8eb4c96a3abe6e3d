//! A trace: the last rows that one domain has noted, in a region of its own, for another one to read.
//!
//! Row `n` stands in slot `n % TRACE_ROWS`, behind its *stamp* `n + 1`. While a row is written its stamp is 0, so a
//! writer that is stopped at any moment leaves whole rows behind, and at most one slot without any. The writer
//! waits for nobody. The reader copies each slot once and believes no more than that a row is where its stamp says:
//! whatever a hostile writer does, it gets [`TRACE_ROWS`] rows at most, each of another number.

use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use totebox_manifest::Region;
use totebox_manifest::conversation::{TRACE_ROW, TRACE_ROWS};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::shared::{Mapped, Shared};

/// Bytes of a stamp.
const STAMP: usize = 8;

/// The region of a trace, if it is large enough.
fn open<T>(mapped: Mapped, region: Region) -> Option<Shared> {
    const { assert!(STAMP + size_of::<T>() == TRACE_ROW, "a row is as long as the regions are made for") };
    Shared::new(mapped, region).filter(|region| region.size() >= TRACE_ROWS * TRACE_ROW)
}

/// The writing end of a trace.
#[derive(Debug)]
pub struct TraceWriter<T> {
    region: Shared,
    next: u64,
    row: PhantomData<fn(T)>,
}

/// The reading end of a trace.
#[derive(Debug)]
pub struct TraceReader<T> {
    region: Shared,
    row: PhantomData<fn() -> T>,
}

impl<T: IntoBytes + Immutable> TraceWriter<T> {
    /// The trace in `region`; `None` if the region is missing or too small.
    pub fn new(mapped: Mapped, region: Region) -> Option<Self> {
        Some(TraceWriter { region: open::<T>(mapped, region)?, next: 0, row: PhantomData })
    }

    /// Notes a row, over the oldest one.
    pub fn note(&mut self, row: &T) {
        let slot = (self.next % TRACE_ROWS as u64) as usize * TRACE_ROW;
        self.next += 1;
        self.region.store(slot, 0);
        fence(Ordering::Release);
        self.region.write(slot + STAMP, row.as_bytes());
        self.region.store(slot, self.next);
    }
}

impl<T: FromBytes + IntoBytes> TraceReader<T> {
    /// The trace in `region`; `None` if the region is missing or too small.
    pub fn new(mapped: Mapped, region: Region) -> Option<Self> {
        Some(TraceReader { region: open::<T>(mapped, region)?, row: PhantomData })
    }

    /// The rows that are there, each with its number, in no order.
    pub fn rows(&self) -> impl Iterator<Item = (u64, T)> {
        (0..TRACE_ROWS).filter_map(|slot| self.row(slot))
    }

    fn row(&self, slot: usize) -> Option<(u64, T)> {
        let at = slot * TRACE_ROW;
        let stamp = self.region.load(at);
        let number = stamp.checked_sub(1).filter(|number| number % TRACE_ROWS as u64 == slot as u64)?;
        let mut row = T::new_zeroed();
        self.region.read(at + STAMP, row.as_mut_bytes());
        fence(Ordering::Acquire);
        (self.region.load(at) == stamp).then_some((number, row))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{mapped, region};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::vec::Vec;
    use totebox_manifest::conversation::TRACE_SIZE;

    type Row = [u64; 2];

    const ROWS: u64 = TRACE_ROWS as u64;

    fn rows(reader: &TraceReader<Row>) -> Vec<(u64, Row)> {
        let mut rows: Vec<_> = reader.rows().collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn the_last_rows_are_there_and_the_others_are_not() {
        let trace = region(TRACE_SIZE);
        let reader = TraceReader::new(mapped(), trace).unwrap();
        assert_eq!(rows(&reader), []);
        let mut writer = TraceWriter::<Row>::new(mapped(), trace).unwrap();
        for n in 0..3 * ROWS + 5 {
            writer.note(&[n, n + 1]);
            let first = (n + 1).saturating_sub(ROWS);
            let expected: Vec<_> = (first..=n).map(|n| (n, [n, n + 1])).collect();
            assert_eq!(rows(&reader), expected);
        }
    }

    #[test]
    fn a_writer_that_is_stopped_in_a_row_leaves_all_others() {
        let trace = region(TRACE_SIZE);
        let reader = TraceReader::new(mapped(), trace).unwrap();
        let mut writer = TraceWriter::<Row>::new(mapped(), trace).unwrap();
        (0..ROWS).for_each(|n| writer.note(&[n; 2]));
        // What it does before a row is whole, step by step.
        let words = Shared::new(mapped(), trace).unwrap();
        let others: Vec<_> = (1..ROWS).map(|n| (n, [n; 2])).collect();
        for (offset, word) in [(0, 0), (8, ROWS), (16, ROWS)] {
            words.store(offset, word);
            assert_eq!(rows(&reader), others);
        }
        words.store(0, ROWS + 1);
        assert_eq!(rows(&reader).last(), Some(&(ROWS, [ROWS; 2])));
    }

    /// Every stamp in every slot, among them the highest: no row twice, none in the wrong slot, no panic.
    #[test]
    fn whatever_a_hostile_writer_leaves_rows_are_few_and_different() {
        let trace = region(TRACE_SIZE);
        let reader = TraceReader::<Row>::new(mapped(), trace).unwrap();
        let words = Shared::new(mapped(), trace).unwrap();
        let stamps = [0, 1, 2, ROWS, ROWS + 1, 1 << 63, u64::MAX - ROWS, u64::MAX - 1, u64::MAX];
        for rotation in 0..stamps.len() {
            for slot in 0..TRACE_ROWS {
                words.store(slot * TRACE_ROW, stamps[(slot + rotation) % stamps.len()]);
                words.store(slot * TRACE_ROW + 8, u64::MAX);
            }
            let rows = rows(&reader);
            assert!(rows.len() <= TRACE_ROWS);
            assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "{rows:?}");
        }
        // The same number everywhere is believed where it belongs.
        (0..TRACE_ROWS).for_each(|slot| words.store(slot * TRACE_ROW, 8));
        assert_eq!(rows(&reader).iter().map(|row| row.0).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn a_row_that_is_written_while_it_is_read_is_left_out_or_whole() {
        let trace = region(TRACE_SIZE);
        let reader = TraceReader::<Row>::new(mapped(), trace).unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let mut writer = TraceWriter::<Row>::new(mapped(), trace).unwrap();
        let noting = {
            let done = done.clone();
            std::thread::spawn(move || {
                let mut n = 0;
                while !done.load(Relaxed) {
                    writer.note(&[n; 2]);
                    n += 1;
                }
            })
        };
        let wanted = if cfg!(miri) { 200 } else { 200_000 };
        let mut read = 0;
        while read < wanted {
            for (number, row) in reader.rows() {
                assert_eq!(row, [number; 2], "torn");
                read += 1;
            }
        }
        done.store(true, Relaxed);
        noting.join().unwrap();
    }

    #[test]
    fn a_region_too_small_is_refused() {
        let whole = region(TRACE_SIZE);
        let part = |size: usize| Region { vaddr: whole.vaddr, size: (size as u64).into() };
        assert!(TraceReader::<Row>::new(mapped(), part(TRACE_ROWS * TRACE_ROW)).is_some());
        assert!(TraceReader::<Row>::new(mapped(), part(TRACE_ROWS * TRACE_ROW - 8)).is_none());
        assert!(TraceWriter::<Row>::new(mapped(), part(0)).is_none());
    }
}
