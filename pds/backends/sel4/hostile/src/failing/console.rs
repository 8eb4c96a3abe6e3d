//! A console that fails after a while, to be put in the console's place.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_hostile::Failing;
use totebox_programs::Console;
use totebox_sel4::{drivers, heap, start};

#[protection_domain(heap_size = heap::CONSOLE)]
fn init() -> impl Handler {
    start(|manifest, mapped| {
        let console = Console::new(manifest, mapped, drivers::uart(manifest, mapped)?)?;
        Ok(Failing::new(manifest, console))
    })
}
