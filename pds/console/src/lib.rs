//! The console: drives the serial line and speaks docs/console-protocol.md with whoever is at its other
//! end, a person or a program. It takes documents to the archives and brings back receipts, documents and
//! listings; what it tells of the archives' state and of audits is the orchestrator's surface.
//!
//! Everything it waits for is in [`session::Session`]: one activity at a time, which Ctrl-C can always
//! end. It handles one thing after another, each only if its answer fits what waits for the line.
//!
//! | module | what |
//! |---|---|
//! | [`input`], [`output`] | bytes from and to the serial line |
//! | [`limits`], [`phrases`] | how long lines get, and how states and findings are said on them |
//! | [`holder`], [`begun`] | who is at the line, who was cut off from it, and from what |
//! | [`line`] | lines; words and data lines are of [`totebox_console_protocol`] |
//! | [`commands`], [`errors`] | what can be said, and what is refused |
//! | [`session`], [`answers`] | what is under way: the operator's side and the archives' |
//! | [`put`], [`fetch`], [`status`] | the commands that take more than one step or line |
//! | [`orders`], [`audit`], [`lifecycle`], [`flags`], [`history`] | what the orchestrator is to do, and shows |
//! | [`links`], [`submissions`] | the archives and their receipts |
//! | [`orchestrator`], [`surface`] | the orchestrator's queue, and its page |
//! | [`clock`] | whether the clock ticks |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod answers;
mod audit;
mod begun;
mod clock;
mod commands;
mod errors;
mod fetch;
mod findings;
mod flags;
mod history;
mod holder;
mod input;
mod lifecycle;
mod limits;
mod line;
mod links;
mod orchestrator;
mod orders;
mod output;
mod phrases;
mod put;
mod session;
mod status;
mod submissions;
mod surface;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use totebox_console_protocol::data::LINE_MAX;
use totebox_domain::device::Uart;
use totebox_domain::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_manifest::{DeviceKind, Manifest, NO_CHANNEL, Role};
use totebox_shm::Mapped;

use session::Session;

/// Bytes of heap that the console of the largest deployment takes in large pieces: what waits for the line and what came
/// over it, the surface, lines and words, requests and answers, submissions. Each volume's name, and what was told of it,
/// come on top, some kilobytes in all.
pub const HEAP: usize =
    output::CAPACITY + input::HEAP + surface::HEAP + 3 * LINE_MAX + links::HEAP + submissions::HEAP;

/// The console domain.
pub struct Console<U> {
    uart: U,
    interrupt: Channel,
    session: Session,
}

impl<U: Uart> Console<U> {
    /// The console of the deployment in `manifest`, on this serial line.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped, uart: U) -> Result<Self, SetupError> {
        if manifest.role() != Role::Console {
            return Err(SetupError::Role(manifest.role()));
        }
        let no_uart = SetupError::Device(DeviceKind::Uart);
        let interrupt = match manifest.device(DeviceKind::Uart).ok_or(no_uart)?.irq_channel {
            NO_CHANNEL => return Err(no_uart),
            channel => Channel(channel),
        };
        Ok(Console { uart, interrupt, session: Session::new(manifest, mapped)? })
    }

    /// Goes on with everything that can go on.
    fn pump(&mut self, kernel: &mut dyn Kernel) {
        self.session.listen(kernel.counter_ms());
        loop {
            let mut moved = self.session.output.drain(&mut self.uart);
            moved |= self.session.input.fill(&mut self.uart);
            if self.uart.hung_up() {
                self.session.hung_up();
                moved = true;
            }
            moved |= self.session.step();
            if !moved {
                break;
            }
        }
        self.session.wake_peers(kernel);
    }
}

impl<U: Uart> Domain for Console<U> {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.session.orchestrator.start(kernel.counter_ms());
        self.pump(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        if from.contains(self.interrupt) {
            self.uart.acknowledge();
        }
        if from.contains(self.session.orchestrator.channel()) {
            self.session.surface.expire();
        }
        self.pump(kernel);
        if from.contains(self.interrupt) {
            kernel.acknowledge(self.interrupt);
        }
    }
}
