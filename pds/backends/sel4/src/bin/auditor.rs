//! The auditor's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_programs::Auditor;
use totebox_sel4::{heap, start};

#[protection_domain(heap_size = heap::AUDITOR)]
fn init() -> impl Handler {
    start(Auditor::new)
}
