//! Whether the clock ticks: its page, looked at whenever something happens.

use totebox_domain::SetupError;
use totebox_domain::watch::ClockWatch;
use totebox_link::page_reader;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::page::Time;
use totebox_shm::{Mapped, PageReader};
use zerocopy::FromZeros;

pub struct ClockView {
    page: PageReader<Time>,
    watch: ClockWatch,
}

impl ClockView {
    /// The clock this PD's manifest names. A tick also wakes the console.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let page = page_reader(manifest, mapped, Role::Clock, 0)?;
        Ok(ClockView { page, watch: ClockWatch::default() })
    }

    /// Something has happened.
    pub fn look(&mut self, now_ms: u64) {
        let mut time = Time::new_zeroed();
        match self.page.read(&mut time) {
            true => self.watch.ticked(time.ticks.get(), now_ms),
            false => self.watch.nothing(now_ms),
        }
    }

    pub fn is_silent(&self, now_ms: u64) -> bool {
        self.watch.is_silent(now_ms)
    }
}
