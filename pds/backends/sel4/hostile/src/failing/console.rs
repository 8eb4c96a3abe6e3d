//! A console that fails after a while, to be put in the console's place.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_console::Console;
use totebox_hostile::Failing;
use totebox_sel4::{Pl011, heap, start};

#[protection_domain(heap_size = heap::CONSOLE)]
fn init() -> impl Handler {
    start(|manifest, mapped| {
        let console = Console::new(manifest, mapped, Pl011::new(manifest, mapped)?)?;
        Ok(Failing::new(manifest, console))
    })
}
