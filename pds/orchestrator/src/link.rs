//! The queues to and from the auditor: what is asked of it, and what it says, in the form it must have.
//!
//! Whether a report answers anything is for its receiver to say. An auditor whose indices or reports cannot
//! be is cut off for good, and so is one that takes nothing from its ring for long (it takes requests at once,
//! so the orchestrator pings it whenever there is nothing else to take) or does not report what it owes. One that takes
//! nothing for a while is *silent*: it may come back.

use totebox_domain::watch::Watch;
use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::audit::{Asked, Report, Reported, Request};
use totebox_shm::{Mapped, PeerError};

/// Milliseconds without a request taken after which the auditor is cut off for good.
pub const CUT_OFF_MS: u64 = 60_000;

/// Beats without a due report after which the auditor is cut off: a minute, far more than a write takes.
pub const SILENT_BEATS: u32 = 60;

/// Beats the auditor has to read the audit record at start: ten minutes, far more than a full one takes. Cut
/// off it audits nothing until the next start.
pub const START_BEATS: u32 = 600;

/// What the auditor is to report next, in a time that does not depend on how large a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Restoration,
    Entry(u32),
    History(u32),
}

pub struct AuditorLink {
    link: Endpoint<Request, Report>,
    volumes: usize,
    /// Requests sent, and of these taken when last looked at; the next one left there is to be taken.
    sent: u64,
    taken: u64,
    watch: Watch,
    /// What is due, and since how many beats.
    due: Option<Due>,
    due_beats: u32,
}

impl AuditorLink {
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<AuditorLink, SetupError> {
        Ok(AuditorLink {
            link: Endpoint::open(manifest, mapped, Role::Auditor, 0)?,
            volumes: manifest.volumes().len(),
            sent: 0,
            taken: 0,
            watch: Watch::default(),
            due: None,
            due_beats: 0,
        })
    }

    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

    /// Whether it takes nothing it is asked, or was cut off.
    pub fn is_silent(&self, now_ms: u64) -> bool {
        self.is_broken() || self.watch.is_silent(now_ms)
    }

    /// Whether it has not taken what it is asked, or not reported what is due, for so long that it is cut off.
    pub fn is_lost(&self, now_ms: u64) -> bool {
        let due_beats_max = if self.due == Some(Due::Restoration) { START_BEATS } else { SILENT_BEATS };
        self.watch.overdue_ms(now_ms) >= CUT_OFF_MS || self.due_beats >= due_beats_max
    }

    /// Looks whether it has taken what it is asked. While vault or disk are lost it is `excused`: what it has taken
    /// before may have to wait for them.
    pub fn look(&mut self, now_ms: u64, excused: bool) {
        let waiting = self.link.slots() - self.room();
        if self.is_broken() {
            return;
        }
        let taken = self.sent - waiting as u64;
        if core::mem::replace(&mut self.taken, taken) != taken || waiting == 0 || excused {
            self.watch.lives();
        }
        if waiting > 0 {
            self.watch.expect(now_ms);
        }
    }

    pub fn cut_off(&mut self) {
        self.link.break_off();
    }

    pub fn room(&mut self) -> usize {
        self.link.room()
    }

    /// Asks for something. There is room.
    pub fn ask(&mut self, asked: &Asked) {
        self.sent += u64::from(asked.encode(|request, body| self.link.send(request, body)));
    }

    /// A beat: looks whether it reports what is due, and gives it something to take.
    pub fn beat(&mut self, due: Option<Due>, now_ms: u64) {
        let waiting = self.link.slots() - self.room();
        if self.is_broken() {
            return;
        }
        let still_due = due.is_some() && due == self.due;
        self.due_beats = if still_due { self.due_beats.saturating_add(1) } else { 0 };
        self.due = due;
        if waiting == 0 {
            self.ask(&Asked::Ping);
            self.watch.expect(now_ms);
        }
    }

    pub fn waiting(&mut self) -> usize {
        self.link.waiting()
    }

    /// The next report, in the form it must have.
    pub fn hear(&mut self) -> Result<Reported, PeerError> {
        let report = self.link.peek().ok_or(PeerError)?;
        let reported = Reported::decode(&report, |body| self.link.data(body), self.volumes);
        self.link.release();
        reported.ok_or(PeerError)
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}
