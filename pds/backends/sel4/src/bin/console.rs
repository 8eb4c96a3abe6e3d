//! The console's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_programs::Console;
use totebox_sel4::{drivers, heap, start};

#[protection_domain(heap_size = heap::CONSOLE)]
fn init() -> impl Handler {
    start(|manifest, mapped| Console::new(manifest, mapped, drivers::uart(manifest, mapped)?))
}
