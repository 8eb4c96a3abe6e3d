//! A region as a run of atomic 64-bit words.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use totebox_manifest::Region;

/// Proof that the regions of a manifest are mapped as it says. A backend makes one per PD, after it has
/// mapped them; whoever holds it may turn manifest entries into memory.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    /// Whether it vouches for this address and size; a region it does not vouch for is refused.
    covers: fn(usize, usize) -> bool,
}

impl Mapped {
    /// # Safety
    ///
    /// Every [`Region`] passed to [`Shared::new`] together with this value must be mapped at its address,
    /// in its whole size, for the rest of the program: readable, and writable if this PD writes it.
    /// Nothing in this program may access that memory except through atomics. Its address must have been
    /// exposed if it is part of an allocation Rust knows of.
    pub unsafe fn assert() -> Mapped {
        Mapped { covers: |_, _| true }
    }

    /// # Safety
    ///
    /// As for [`Mapped::assert`], for every region of which `covers` says true.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) unsafe fn checked(covers: fn(usize, usize) -> bool) -> Mapped {
        Mapped { covers }
    }
}

/// A mapped region, accessed word by word.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    words: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the memory lives for the rest of the program and every access to it is atomic.
unsafe impl Send for Shared {}

impl Shared {
    /// The memory of `region`. `None` if it is empty, not aligned, smaller than a word, or not vouched for.
    pub fn new(mapped: Mapped, region: Region) -> Option<Shared> {
        let vaddr = usize::try_from(region.vaddr.get()).ok()?;
        let size = usize::try_from(region.size.get()).ok()?;
        if !vaddr.is_multiple_of(8) || size < 8 || !(mapped.covers)(vaddr, size) {
            return None;
        }
        let words = NonNull::new(core::ptr::with_exposed_provenance_mut::<AtomicU64>(vaddr))?;
        Some(Shared { words, len: size / 8 })
    }

    /// Bytes in the region.
    pub fn size(&self) -> usize {
        self.len * 8
    }

    /// The words of `len` bytes from byte `offset` (a multiple of 8); the last may be partial.
    fn words(&self, offset: usize, len: usize) -> &[AtomicU64] {
        assert!(offset.is_multiple_of(8), "unaligned access to a region");
        let (first, count) = (offset / 8, len.div_ceil(8));
        assert!(first <= self.len && count <= self.len - first, "access outside a region");
        // SAFETY: in bounds by the assertion; mapped for the rest of the program and only accessed
        // atomically, by the contract of `Mapped::assert`.
        unsafe { core::slice::from_raw_parts(self.words.add(first).as_ptr(), count) }
    }

    /// Reads the word at byte `offset` (a multiple of 8), ordered after what its writer stored before it.
    pub fn load(&self, offset: usize) -> u64 {
        // A region may be mapped read-only, where only relaxed loads are guaranteed to be plain loads.
        let word = self.words(offset, 8)[0].load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        u64::from_le(word)
    }

    /// Writes the word at byte `offset` (a multiple of 8), ordered after what was stored before.
    pub fn store(&self, offset: usize, value: u64) {
        self.words(offset, 8)[0].store(value.to_le(), Ordering::Release);
    }

    /// Copies bytes out, from byte `offset` (a multiple of 8).
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        let words = self.words(offset, out.len());
        let (chunks, rest) = out.as_chunks_mut();
        for (chunk, word) in chunks.iter_mut().zip(words) {
            *chunk = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        if let (false, Some(word)) = (rest.is_empty(), words.last()) {
            rest.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes()[..rest.len()]);
        }
    }

    /// Copies bytes in, at byte `offset` (a multiple of 8); the bytes up to the next word become zero.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let words = self.words(offset, bytes.len());
        let (chunks, rest) = bytes.as_chunks();
        for (chunk, word) in chunks.iter().zip(words) {
            word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
        if let (false, Some(word)) = (rest.is_empty(), words.last()) {
            let mut padded = [0; 8];
            padded[..rest.len()].copy_from_slice(rest);
            word.store(u64::from_ne_bytes(padded), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{mapped, region};

    #[test]
    fn what_is_written_is_read_at_every_length() {
        let shared = Shared::new(mapped(), region(64)).unwrap();
        let bytes: [u8; 40] = core::array::from_fn(|i| i as u8 + 1);
        for len in 0..=bytes.len() {
            shared.write(8, &bytes[..len]);
            let mut out = [0xff; 40];
            shared.read(8, &mut out[..len]);
            assert_eq!(out[..len], bytes[..len]);
            assert!(out[len..].iter().all(|&b| b == 0xff));
        }
        assert_eq!(shared.load(0), 0, "the word before is untouched");
        assert_eq!(shared.load(48), 0, "the word behind is untouched");
    }

    #[test]
    fn regions_that_are_not_vouched_for_are_refused() {
        let whole = region(64);
        let (base, size) = (whole.vaddr.get(), whole.size.get());
        let make = |vaddr: u64, size: u64| {
            Shared::new(mapped(), Region { vaddr: vaddr.into(), size: size.into() }).is_some()
        };
        assert!(make(base, size));
        assert!(make(base + 8, size - 8), "a part of it");
        assert!(!make(base, size + 8), "longer than it");
        assert!(!make(base + 4, 8), "not aligned");
        assert!(!make(base, 7), "less than a word");
        assert!(!make(base, u64::MAX - 7), "wraps around");
        assert!(!make(0, 0), "no region");
    }

    #[test]
    #[should_panic(expected = "outside a region")]
    fn an_access_outside_its_region_is_our_own_mistake() {
        let whole = region(64);
        let part = Region { vaddr: whole.vaddr, size: 64.into() };
        Shared::new(mapped(), part).unwrap().read(56, &mut [0; 16]);
    }
}
