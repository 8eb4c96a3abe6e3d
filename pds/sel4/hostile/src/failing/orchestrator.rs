//! An orchestrator that fails after a while, to be put in the orchestrator's place.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_hostile::Failing;
use totebox_pds::orchestrator::Orchestrator;
use totebox_sel4::start;

/// As the orchestrator's.
const HEAP_SIZE: usize = 0x5_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(|manifest, mapped| Ok(Failing::new(manifest, Orchestrator::new(manifest, mapped)?)))
}
