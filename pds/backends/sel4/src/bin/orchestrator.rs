//! The orchestrator's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_programs::Orchestrator;
use totebox_sel4::{heap, start};

#[protection_domain(heap_size = heap::ORCHESTRATOR)]
fn init() -> impl Handler {
    start(Orchestrator::new)
}
