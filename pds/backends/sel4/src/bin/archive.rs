//! The archives' program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_programs::Archive;
use totebox_sel4::start;

/// Its record run, snapshots and intake buffers take 165 kB, the verifier of its self-check and that one's
/// read buffers as much again, in whole 64 KiB steps of the allocator. Every archive's copy of the image
/// holds a heap, so it is not much larger.
const HEAP_SIZE: usize = 0x8_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(Archive::new)
}
