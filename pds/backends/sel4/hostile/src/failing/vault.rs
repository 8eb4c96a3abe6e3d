//! A vault that fails after a while, to be put in the vault's place.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_hostile::Failing;
use totebox_programs::Vault;
use totebox_sel4::{drivers, heap, start};

#[protection_domain(heap_size = heap::VAULT)]
fn init() -> impl Handler {
    start(|manifest, mapped| {
        let vault = Vault::new(manifest, mapped, drivers::disk(manifest, mapped)?)?;
        Ok(Failing::new(manifest, vault))
    })
}
