//! A value published by one writer and read by others: a sequence lock over atomic words.

use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use totebox_manifest::Region;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::shared::{Mapped, Shared};

const SEQUENCE: usize = 0;
const VALUE: usize = 8;

/// Tries of a reader before it gives up: a writer that never lets it finish is broken or hostile.
const READ_TRIES: usize = 64;

#[derive(Debug)]
pub struct PageWriter<T> {
    region: Shared,
    sequence: u64,
    value: PhantomData<T>,
}

#[derive(Debug)]
pub struct PageReader<T> {
    region: Shared,
    value: PhantomData<T>,
}

impl<T: IntoBytes + Immutable> PageWriter<T> {
    /// The page in `region`; `None` if the region is missing or too small.
    pub fn new(mapped: Mapped, region: Region) -> Option<Self> {
        let region = Shared::new(mapped, region)?;
        let fits = region.size() >= VALUE + size_of::<T>();
        fits.then_some(PageWriter { region, sequence: 0, value: PhantomData })
    }

    pub fn publish(&mut self, value: &T) {
        self.region.store(SEQUENCE, self.sequence + 1);
        fence(Ordering::Release);
        self.region.write(VALUE, value.as_bytes());
        self.sequence += 2;
        self.region.store(SEQUENCE, self.sequence);
    }
}

impl<T: FromBytes + IntoBytes> PageReader<T> {
    /// The page in `region`; `None` if the region is missing or too small.
    pub fn new(mapped: Mapped, region: Region) -> Option<Self> {
        let region = Shared::new(mapped, region)?;
        let fits = region.size() >= VALUE + size_of::<T>();
        fits.then_some(PageReader { region, value: PhantomData })
    }

    /// Copies the value into `out`. False, `out` undefined, if none was published or the writer kept writing.
    pub fn read(&self, out: &mut T) -> bool {
        for _ in 0..READ_TRIES {
            let before = self.region.load(SEQUENCE);
            if before == 0 {
                return false;
            }
            if before % 2 == 1 {
                continue;
            }
            self.region.read(VALUE, out.as_mut_bytes());
            fence(Ordering::Acquire);
            if self.region.load(SEQUENCE) == before {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{mapped, region};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    type Value = [u64; 5];

    #[test]
    fn nothing_is_read_before_the_first_publication() {
        let page = region(64);
        let reader = PageReader::<Value>::new(mapped(), page).unwrap();
        let mut out = [7; 5];
        assert!(!reader.read(&mut out));
        PageWriter::new(mapped(), page).unwrap().publish(&[1u64, 2, 3, 4, 5]);
        assert!(reader.read(&mut out));
        assert_eq!(out, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_writer_that_never_finishes_gives_nothing_and_does_not_hold_the_reader() {
        let page = region(64);
        let reader = PageReader::<Value>::new(mapped(), page).unwrap();
        PageWriter::new(mapped(), page).unwrap().publish(&[1u64; 5]);
        let writer = Shared::new(mapped(), page).unwrap();
        writer.store(SEQUENCE, 3);
        writer.store(VALUE, 2);
        assert!(!reader.read(&mut [0; 5]));
        writer.store(SEQUENCE, 4);
        let mut out = [0; 5];
        assert!(reader.read(&mut out));
        assert_eq!(out, [2, 1, 1, 1, 1]);
    }

    #[test]
    fn a_region_too_small_for_the_value_is_refused() {
        let whole = region(64);
        let part = |size: u64| totebox_manifest::Region { vaddr: whole.vaddr, size: size.into() };
        assert!(PageReader::<Value>::new(mapped(), part(48)).is_some());
        assert!(PageReader::<Value>::new(mapped(), part(40)).is_none());
        assert!(PageWriter::<Value>::new(mapped(), part(40)).is_none());
        assert!(PageReader::<Value>::new(mapped(), part(0)).is_none());
    }

    #[test]
    fn a_value_torn_by_its_writer_is_never_returned() {
        let page = region(64);
        let done = Arc::new(AtomicBool::new(false));
        let mut writer = PageWriter::new(mapped(), page).unwrap();
        writer.publish(&[0u64; 5]);
        let publisher = {
            let done = done.clone();
            std::thread::spawn(move || {
                let mut n = 0u64;
                while !done.load(Relaxed) {
                    n += 1;
                    writer.publish(&[n; 5]);
                }
                writer.publish(&[u64::MAX; 5]);
            })
        };
        let reader = PageReader::<Value>::new(mapped(), page).unwrap();
        let wanted = if cfg!(miri) { 20 } else { 20_000 };
        let (mut reads, mut last) = (0, 0);
        while reads < wanted {
            let mut out = [0; 5];
            if reader.read(&mut out) {
                assert_eq!(out, [out[0]; 5], "torn");
                assert!(out[0] >= last, "older than what was read before");
                last = out[0];
                reads += 1;
            } else {
                std::thread::yield_now();
            }
        }
        done.store(true, Relaxed);
        publisher.join().unwrap();
        let mut out = [0; 5];
        assert!(reader.read(&mut out));
        assert_eq!(out, [u64::MAX; 5]);
    }
}
