//! The clock's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_pds::clock::Clock;
use totebox_sel4::{GenericTimer, start};

/// Its list of time pages takes 3 kB; the allocator's step is 64 KiB.
const HEAP_SIZE: usize = 0x1_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(|manifest, mapped| Clock::new(manifest, mapped, GenericTimer::new(manifest, mapped)?))
}
