//! The vault's program image.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, protection_domain};
use totebox_pds::vault::Vault;
use totebox_sel4::{VirtioBlock, start};

/// The volumes and clients of the largest deployment take more than 600 kB, in 64 KiB steps.
const HEAP_SIZE: usize = 0x14_0000;

#[protection_domain(heap_size = HEAP_SIZE)]
fn init() -> impl Handler {
    start(|manifest, mapped| Vault::new(manifest, mapped, VirtioBlock::new(manifest, mapped)?))
}
