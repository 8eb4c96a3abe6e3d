//! The logic of the protection domains (PDs), one module each. A domain is a plain value that never
//! blocks, allocates nothing after start and knows no backend: [`Domain`] is all a backend drives, and
//! [`Kernel`] and the traits of [`device`] are all it asks for. What crosses between domains is in
//! [`proto`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod archive;
pub mod audit_room;
pub mod auditor;
pub mod clock;
pub mod console;
pub mod device;
pub mod flags;
pub mod kernel;
pub mod ledger_writer;
pub mod lifecycle;
pub mod orchestrator;
pub mod proto;
pub mod setup;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod vault;
pub mod vault_client;
pub mod watch;

pub use kernel::{Channel, ChannelSet, Child, Domain, Fault, FaultKind, Kernel};
pub use setup::SetupError;
