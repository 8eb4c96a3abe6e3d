//! The vault's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_programs::Vault;
use totebox_sel4::{drivers, heap, start};

#[protection_domain(heap_size = heap::VAULT)]
fn init() -> impl Handler {
    start(|manifest, mapped| Vault::new(manifest, mapped, drivers::disk(manifest, mapped)?))
}
