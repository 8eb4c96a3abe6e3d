//! The seL4 Microkit backend: what turns a [`Domain`](totebox_domain::Domain) into a protection domain's
//! program image, and the drivers of the devices it may need. The images are the binaries in `bin/`.

#![no_std]

extern crate alloc;

mod counter;
pub mod drivers;
mod fault;
pub mod heap;
mod kernel;
mod pd;

pub use pd::{Pd, start};
