//! The clock's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_programs::Clock;
use totebox_sel4::{drivers, heap, start};

#[protection_domain(heap_size = heap::CLOCK)]
fn init() -> impl Handler {
    start(|manifest, mapped| Clock::new(manifest, mapped, drivers::ticker(manifest, mapped)?))
}
