//! The orchestrator's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_pds::orchestrator::Orchestrator;
use totebox_sel4::start;

/// The surface, the flags, what waits to be recorded and the registry of the largest deployment take 140 kB;
/// the allocator's step is 64 KiB.
const HEAP_SIZE: usize = 0x5_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(Orchestrator::new)
}
