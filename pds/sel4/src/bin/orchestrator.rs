//! The orchestrator's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_pds::orchestrator::Orchestrator;
use totebox_sel4::start;

/// Its registry of the largest deployment takes 28 kB; the allocator's step is 64 KiB.
const HEAP_SIZE: usize = 0x1_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(Orchestrator::new)
}
