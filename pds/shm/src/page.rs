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

/// The writing end of a page.
#[derive(Debug)]
pub struct PageWriter<T> {
    region: Shared,
    sequence: u64,
    value: PhantomData<T>,
}

/// A reading end of a page.
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

    /// Publishes a new value.
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

    /// Copies the published value into `out`. False, with `out` undefined, if nothing was published yet
    /// or the writer did not hold still.
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
