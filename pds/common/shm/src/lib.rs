//! Memory regions between protection domains: bounded queues, published pages and traces.
//!
//! This is the only crate of the domains' logic in which `unsafe` is allowed. Every access to a shared
//! region is an atomic word access, so a peer that changes memory while it is looked at can make us
//! read nonsense but never break Rust's memory model; every index a peer controls is checked before use.
//! A reader **copies out once, then checks**.

#![no_std]

mod page;
mod queue;
mod shared;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trace;

pub use page::{PageReader, PageWriter};
pub use queue::{Consumer, PeerError, Producer, queue_pair};
pub use shared::{Mapped, Shared};
pub use trace::{TraceReader, TraceWriter};
