//! The auditor's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_pds::auditor::Auditor;
use totebox_sel4::start;

/// The verifier and its read buffers take 500 kB, of them 200 kB in one piece, in 64 KiB steps.
const HEAP_SIZE: usize = 0x10_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(Auditor::new)
}
