//! The clock's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_pds::clock::Clock;
use totebox_sel4::{GenericTimer, start};

/// The clock allocates nothing; the runtime wants a heap.
const HEAP_SIZE: usize = 0x1000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(|manifest, mapped| Clock::new(manifest, mapped, GenericTimer::new(manifest, mapped)?))
}
