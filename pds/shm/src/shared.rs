//! A region as a run of atomic 64-bit words.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use totebox_manifest::Region;

/// Proof that the regions of a manifest are mapped as it says. A backend makes one per PD, after it has
/// mapped them; whoever holds it may turn manifest entries into memory.
#[derive(Clone, Copy, Debug)]
pub struct Mapped(());

impl Mapped {
    /// # Safety
    ///
    /// Every [`Region`] passed to [`Shared::new`] together with this value must be mapped at its address,
    /// in its whole size, aligned to 8 bytes, for the rest of the program: readable, and writable if this
    /// PD writes it. Nothing else in this program may access that memory except through atomics.
    pub unsafe fn assert() -> Mapped {
        Mapped(())
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
    /// The memory of `region`. `None` if it is empty, not aligned, or smaller than a word.
    pub fn new(_: Mapped, region: Region) -> Option<Shared> {
        let (vaddr, size) = (region.vaddr.get() as usize, region.size.get() as usize);
        let words = NonNull::new(core::ptr::with_exposed_provenance_mut::<AtomicU64>(vaddr))?;
        (vaddr.is_multiple_of(8) && size >= 8).then_some(Shared { words, len: size / 8 })
    }

    /// Bytes in the region.
    pub fn size(&self) -> usize {
        self.len * 8
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.len, "access outside a region");
        // SAFETY: in bounds by the assertion; mapped for the rest of the program and only accessed
        // atomically, by the contract of `Mapped::assert`.
        unsafe { self.words.add(index).as_ref() }
    }

    /// Reads the word at byte `offset` (a multiple of 8), ordered after what its writer stored before it.
    pub fn load(&self, offset: usize) -> u64 {
        u64::from_le(self.word(offset / 8).load(Ordering::Acquire))
    }

    /// Writes the word at byte `offset` (a multiple of 8), ordered after what was stored before.
    pub fn store(&self, offset: usize, value: u64) {
        self.word(offset / 8).store(value.to_le(), Ordering::Release);
    }

    /// The words of `len` bytes from byte `offset` (a multiple of 8); the last may be partial.
    fn words(&self, offset: usize, len: usize) -> &[AtomicU64] {
        assert!(offset.is_multiple_of(8), "unaligned access to a region");
        let (first, count) = (offset / 8, len.div_ceil(8));
        assert!(first <= self.len && count <= self.len - first, "access outside a region");
        // SAFETY: as in `word`, for the whole range just checked.
        unsafe { core::slice::from_raw_parts(self.words.add(first).as_ptr(), count) }
    }

    /// Copies bytes out, from byte `offset` (a multiple of 8).
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        let words = self.words(offset, out.len());
        let mut chunks = out.chunks_exact_mut(8);
        for (chunk, word) in (&mut chunks).zip(words) {
            chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        let rest = chunks.into_remainder();
        if let (false, Some(word)) = (rest.is_empty(), words.last()) {
            rest.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes()[..rest.len()]);
        }
    }

    /// Copies bytes in, at byte `offset` (a multiple of 8); the bytes up to the next word become zero.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let words = self.words(offset, bytes.len());
        let chunks = bytes.chunks_exact(8);
        let rest = chunks.remainder();
        for (chunk, word) in chunks.zip(words) {
            let chunk = chunk.try_into().expect("chunks of 8");
            word.store(u64::from_ne_bytes(chunk), Ordering::Relaxed);
        }
        if let (false, Some(word)) = (rest.is_empty(), words.last()) {
            let mut padded = [0; 8];
            padded[..rest.len()].copy_from_slice(rest);
            word.store(u64::from_ne_bytes(padded), Ordering::Relaxed);
        }
    }
}
