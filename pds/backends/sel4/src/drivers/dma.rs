//! Memory shared with a device: one region, given out from its start, of which the physical address is
//! known. The virtio crate asks for it through a type without a value ([`Dma`] as its `Hal`), so the
//! region is a static of this program.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use totebox_manifest::Region;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

static VADDR: AtomicUsize = AtomicUsize::new(0);
static PADDR: AtomicU64 = AtomicU64::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

pub struct Dma;

impl Dma {
    /// Sets the region and its physical address; to be called once, before anything else.
    ///
    /// # Safety
    ///
    /// `region` must be mapped, cached, contiguous at `paddr`, and used by nothing else in this program.
    pub unsafe fn init(region: Region, paddr: u64) {
        assert_eq!(SIZE.load(Relaxed), 0, "the DMA region is set already");
        VADDR.store(region.vaddr.get() as usize, Relaxed);
        PADDR.store(paddr, Relaxed);
        SIZE.store(region.size.get() as usize, Relaxed);
    }

    /// Bytes not given out yet.
    pub fn remaining() -> usize {
        SIZE.load(Relaxed) - USED.load(Relaxed)
    }

    /// Takes zeroed whole pages for ever; `None` if so many are not left.
    pub fn take(bytes: usize) -> Option<NonNull<u8>> {
        let bytes = bytes.next_multiple_of(PAGE_SIZE);
        if bytes > Self::remaining() {
            return None;
        }
        let offset = USED.fetch_add(bytes, Relaxed);
        NonNull::new(core::ptr::with_exposed_provenance_mut(VADDR.load(Relaxed) + offset))
    }

    /// Where the device sees memory that [`Dma::take`] gave out.
    fn paddr(memory: NonNull<u8>) -> PhysAddr {
        let offset = memory.addr().get().wrapping_sub(VADDR.load(Relaxed));
        assert!(offset < SIZE.load(Relaxed), "a buffer outside the DMA region");
        PADDR.load(Relaxed) + offset as u64
    }
}

// SAFETY: `dma_alloc` gives out pages of the region that nothing else uses, zeroed (Microkit zeroes it
// before the start, and nothing is ever given out twice); `share` gives the physical address of memory in
// the region, which the device sees as we do.
unsafe impl Hal for Dma {
    /// A physical address of 0 means that there is none.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match Self::take(pages * PAGE_SIZE) {
            Some(memory) => (Self::paddr(memory), memory),
            None => (0, NonNull::dangling()),
        }
    }

    /// Nothing: what a queue took, it keeps.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("only PCI transports ask")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        Self::paddr(buffer.cast())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
