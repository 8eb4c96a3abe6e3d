//! The seL4 Microkit backend: what turns a [`Domain`](totebox_domain::Domain) into a protection domain's
//! program image, and the drivers of the devices it may need. The images are the binaries in `bin/`.

#![no_std]

mod counter;
mod dma;
mod fault;
mod generic_timer;
pub mod heap;
mod kernel;
mod pd;
mod pl011;
mod pl031;
mod virtio_blk;

pub use generic_timer::GenericTimer;
pub use pd::{Pd, start};
pub use pl011::Pl011;
pub use virtio_blk::VirtioBlock;
