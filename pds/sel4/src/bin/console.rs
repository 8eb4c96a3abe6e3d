//! The console's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_pds::console::Console;
use totebox_sel4::{Pl011, start};

/// What waits for the line takes twice the largest answer, its other buffers 100 kB, in 64 KiB steps.
const HEAP_SIZE: usize = 0x10_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(|manifest, mapped| Console::new(manifest, mapped, Pl011::new(manifest, mapped)?))
}
