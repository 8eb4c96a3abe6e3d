//! The program image of a taken-over archive, to be put in an archive's place.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_hostile::Hostile;
use totebox_sel4::start;

/// Its attacks take next to nothing; the allocator's step is 64 KiB.
const HEAP_SIZE: usize = 0x1_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(Hostile::new)
}
