//! What the console knows of the appliance: the orchestrator's status page, whether the orchestrator answers, and
//! whether the clock ticks.

use totebox_console_protocol::text::Duration;
use totebox_domain::{Channel, Kernel, SetupError};
use totebox_manifest::Manifest;
use totebox_protocol::operator::Order;
use totebox_protocol::page::{ApplianceStatus, ArchiveState, degraded};
use totebox_shm::Mapped;

use super::clock::ClockView;
use super::orchestrator::{Answered, OrchestratorLink};
use super::page::StatusPageCopy;

/// The appliance as the console sees it.
pub struct View {
    page: StatusPageCopy,
    orchestrator: OrchestratorLink,
    clock: ClockView,
    /// What the CPU's counter showed when this event came. Signs of life are judged by it.
    now_ms: u64,
}

impl View {
    /// Opens the links to the orchestrator and the clock.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        Ok(View {
            page: StatusPageCopy::new(manifest, mapped)?,
            orchestrator: OrchestratorLink::new(manifest, mapped)?,
            clock: ClockView::new(manifest, mapped)?,
            now_ms: 0,
        })
    }

    pub fn start(&mut self, now_ms: u64) {
        self.orchestrator.start(now_ms);
    }

    /// Something has happened at this time: looks whether the clock ticks.
    pub fn look(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.clock.look(now_ms);
    }

    /// The orchestrator's next answer. Once it is here the page is up to date.
    pub fn receive(&mut self) -> Option<Answered> {
        let answered = self.orchestrator.receive(self.now_ms);
        if answered.is_some() {
            self.expire();
        }
        answered
    }

    /// Asks the orchestrator for a sign of life, if it is time and none is due.
    pub fn beat(&mut self) {
        self.orchestrator.beat(self.now_ms);
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.orchestrator.notify(kernel);
    }

    /// The channel by which the orchestrator says that its page may have changed.
    pub fn channel(&self) -> Channel {
        self.orchestrator.channel()
    }

    /// The CPU's counter at this event.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub fn expire(&mut self) {
        self.page.expire();
    }

    /// Reads the page anew if it may have changed. Returns whether there may be something to tell.
    pub fn take_news(&mut self) -> bool {
        self.page.take_news()
    }

    /// Reads the page anew; `None` if nothing was published yet.
    pub fn refresh(&mut self) -> Option<&ApplianceStatus> {
        self.page.refresh()
    }

    /// The page as it was last read; `None` if nothing was published yet.
    pub fn last(&self) -> Option<&ApplianceStatus> {
        self.page.last()
    }

    /// The state of an archive by the page; `None` if it is not known.
    pub fn state(&self, archive: usize) -> Option<ArchiveState> {
        self.page.state(archive)
    }

    /// Sends the orchestrator an order and returns its tag; `None` if it is lost or takes nothing.
    pub fn send(&mut self, order: Order, reason: &str) -> Option<u32> {
        if self.is_orchestrator_lost() { None } else { self.orchestrator.send(self.now_ms, order, reason) }
    }

    /// Whether the orchestrator gives no sign of life, or was cut off.
    pub fn is_orchestrator_lost(&self) -> bool {
        self.is_orchestrator_broken() || self.orchestrator.is_lost(self.now_ms)
    }

    /// Whether it broke its protocol, in its queue or on its page.
    fn is_orchestrator_broken(&self) -> bool {
        self.orchestrator.is_broken() || self.page.is_broken()
    }

    /// In words, since when the orchestrator is lost.
    pub fn since_when_lost(&self) -> heapless::String<96> {
        let lost = match self.is_orchestrator_broken() {
            true => return heapless::format!("the orchestrator broke its protocol").unwrap_or_default(),
            false => Duration(self.age_ms()),
        };
        heapless::format!("the orchestrator has not answered for {lost}").unwrap_or_default()
    }

    /// Milliseconds since the orchestrator last said that its page is up to date.
    pub fn age_ms(&self) -> u64 {
        self.orchestrator.age_ms(self.now_ms)
    }

    /// The domains that do not work, as bits of [`degraded`]: by the orchestrator's word and the console's own.
    pub fn degraded(&self) -> u8 {
        let reported = self.last().map_or(0, |status| status.degraded) & !degraded::ORCHESTRATOR;
        let orchestrator = if self.is_orchestrator_lost() { degraded::ORCHESTRATOR } else { 0 };
        let clock = if self.clock.is_silent(self.now_ms) { degraded::CLOCK } else { 0 };
        reported | orchestrator | clock
    }
}
