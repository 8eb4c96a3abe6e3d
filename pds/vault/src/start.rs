//! How far a volume has come on its way into service.

use alloc::boxed::Box;

use super::disk::Ticket;
use super::recovery::Recovery;

/// How far a volume has come since the vault's start.
#[derive(Debug)]
pub enum Start {
    /// Walking over the disk.
    Recovering {
        recovery: Box<Recovery>,
        busy: bool,
    },
    /// What was found behind the newest hint may be in the disk's cache alone; it is being made durable.
    Settling(Ticket),
    /// A hint must be written that names it.
    Hinting,
    /// The hint is being made durable.
    Hinted(Ticket),
    Served,
    /// The frontier is not known and never will be.
    GivenUp,
}

impl Start {
    pub fn new() -> Start {
        Start::Recovering { recovery: Box::new(Recovery::new()), busy: false }
    }

    /// What must be durable before it goes on.
    pub fn awaits(&self) -> Option<Ticket> {
        match self {
            Start::Settling(ticket) | Start::Hinted(ticket) => Some(*ticket),
            _ => None,
        }
    }
}
