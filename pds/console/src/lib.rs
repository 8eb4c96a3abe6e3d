//! The console: drives the serial line and speaks docs/console-protocol.md with whoever is at its other
//! end, a person or a program. It takes documents to the archives and brings back receipts, documents and
//! listings; what it tells of the archives' state and of audits is from the orchestrator's status page.
//!
//! One activity is under way at a time, and Ctrl-C can always end it. Each owns what it waits for and is handed a
//! [`context::Context`] with what it may use. The console handles one thing after another, each only if its answer fits
//! what waits for the line.
//!
//! From the bottom up:
//!
//! | module | what |
//! |---|---|
//! | [`input`], [`output`], [`line`], [`terminal`] | bytes from and to the serial line, and lines; words and data lines are of [`totebox_console_protocol`] |
//! | [`limits`], [`phrases`], [`errors`] | how long lines get, how states and findings are said on them, what is refused |
//! | [`links`], [`archives`], [`submissions`] | the archives, and what became of documents |
//! | [`orchestrator`], [`page`], [`clock`], [`view`] | what is known of the appliance |
//! | [`context`], [`progress`] | what activities may use, and what becomes of them |
//! | [`skip`], [`receipts`] | lines that are dropped, and what became of submissions |
//! | [`order`], [`look`] | what goes to the orchestrator: an order, and looking at its page |
//! | [`command`], [`commands`] | what can be said: a row in the table for each command, and a file with what it does |
//! | [`activity`], [`work`] | which activity is under way, and what goes on with it or ends it |
//! | [`holder`], [`news`] | who is at the line and who was cut off from it; what the operator was told |
//! | [`session`] | all of it together |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod activity;
mod archives;
mod clock;
mod command;
mod commands;
mod context;
mod errors;
mod holder;
mod input;
mod limits;
mod line;
mod links;
mod look;
mod news;
mod orchestrator;
mod order;
mod output;
mod page;
mod phrases;
mod progress;
mod receipts;
mod session;
mod skip;
mod submissions;
mod terminal;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod view;
mod volumes;
mod work;

use totebox_console_protocol::data::LINE_MAX;
use totebox_domain::device::Uart;
use totebox_domain::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_manifest::{DeviceKind, Manifest, NO_CHANNEL, Role};
use totebox_shm::Mapped;

use progress::Progress;
use session::Session;

/// Bytes of heap that the console of the largest deployment takes in large pieces: what waits for the line and what
/// came over it, the status page, lines and words, requests and answers, submissions. Each volume's name, and what was
/// told of it, come on top, some kilobytes in all.
pub const HEAP: usize =
    output::CAPACITY + input::HEAP + page::HEAP + 3 * LINE_MAX + links::HEAP + submissions::HEAP;

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
        while self.session.step(&mut self.uart) == Progress::Moved {}
        self.session.notify_peers(kernel);
    }
}

impl<U: Uart> Domain for Console<U> {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.session.start(kernel.counter_ms());
        self.pump(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        if from.contains(self.interrupt) {
            self.uart.acknowledge();
        }
        if from.contains(self.session.page_channel()) {
            self.session.expire_page();
        }
        self.pump(kernel);
        if from.contains(self.interrupt) {
            kernel.acknowledge(self.interrupt);
        }
    }
}
