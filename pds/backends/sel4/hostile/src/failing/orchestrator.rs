//! An orchestrator that fails after a while, to be put in the orchestrator's place.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_hostile::Failing;
use totebox_programs::Orchestrator;
use totebox_sel4::{heap, start};

#[protection_domain(heap_size = heap::ORCHESTRATOR)]
fn init() -> impl Handler {
    start(|manifest, mapped| Ok(Failing::new(manifest, Orchestrator::new(manifest, mapped)?)))
}
