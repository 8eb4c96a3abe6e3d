//! What the programs of an attack share: a `thief` receives where only the `watcher` may, to get what
//! the `victim` sends there. If the system gives the two a channel to call the watcher by, it is a call
//! that is stolen, by the thief's own capability for calls; if not, a fault, by the copy of the fault
//! endpoint in slot 2. tests/attacks/ has the systems.

#![no_std]

use sel4_microkit::{Channel, var};

/// By which channel the thief tells the watcher of its success.
pub const TOLD: Channel = Channel::new(0);

/// What the watcher answers calls with.
pub const HONEST: u64 = 1;
/// What the thief answers them with.
pub const FORGED: u64 = 2;

/// The channel to call the watcher by, if there is one.
pub fn call_channel() -> Option<Channel> {
    /// No channel has this id.
    const NONE: usize = usize::MAX;
    Some(*var!(call_channel: usize = NONE)).filter(|&id| id != NONE).map(Channel::new)
}
