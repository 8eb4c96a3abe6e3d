//! What a domain is to a backend ([`Domain`]), and what it may ask of one: its kernel ([`Kernel`]), and the
//! traits of [`device`]. A domain is a plain value that never blocks, allocates nothing after start and knows
//! no backend.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod device;
mod kernel;
mod setup;
pub mod watch;

pub use kernel::{Channel, ChannelSet, Child, Domain, Fault, FaultKind, Kernel};
pub use setup::SetupError;
