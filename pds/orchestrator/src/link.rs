//! The queues to and from the auditor: what is asked of it, and what it says, in the form it must have.
//!
//! Whether a report answers anything is for its receiver to say. An auditor whose indices or reports cannot
//! be is cut off for good, and so is one that takes nothing from its ring for long (it takes requests at once,
//! so the orchestrator pings it whenever there is nothing else to take) or does not report what it owes. One that takes
//! nothing for a while is *silent*: it may come back.

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_domain::watch::Watch;
use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::conversation;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::audit::{
    Entry, Event, Op, Remembered, Report, Request, Verdict, Verified, are_beyond_the_first,
};
use totebox_protocol::flag::{Acknowledged, FlagKind, FlagRow, NO_VOLUME};
use totebox_shm::{Mapped, PeerError};
use zerocopy::{FromZeros, IntoBytes};

/// Requests that the auditor can have waiting.
const REQUESTS_MAX: usize = conversation::ring(Role::Orchestrator, Role::Auditor).slots;

/// The tag of what nobody asked for.
pub const UNASKED: u32 = 0;

/// Milliseconds without a request taken after which the auditor is cut off for good.
pub const CUT_OFF_MS: u64 = 60_000;

/// Beats without the report that is due after which the auditor is cut off: a minute, far more than a write to the audit
/// volume takes.
pub const SILENT_BEATS: u32 = 60;

/// Beats the auditor has to read the audit record at start: ten minutes, far more than a full one takes. Cut
/// off it audits nothing until the next start.
pub const START_BEATS: u32 = 600;

/// What the auditor is to report next, in a time that does not depend on how large a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// What the audit record says.
    Restoration,
    /// The entry with this tag.
    Entry(u32),
    /// The history with this tag.
    History(u32),
}

/// What the auditor said.
#[expect(clippy::large_enum_variant, reason = "one at a time; a box would take an allocation a message")]
pub enum Heard {
    /// What the audit record says of a volume.
    Volume(Report, Remembered),
    /// A flag of the audit record.
    Flag(FlagRow),
    /// The audit record was read, and the start entered; or that is not possible.
    Opened(Report),
    /// A verification has ended.
    Verified(Report, Verified),
    /// A record is entered, or could not be.
    Entered(Report),
    /// A record of the audit record, for the operator.
    Event(Report, Event),
    /// That was all of them.
    Complete(Report),
}

/// The link to the auditor.
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
    /// Opens the link.
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

    /// Whether the auditor was cut off.
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

    /// Looks whether it has taken what it is asked. While vault or disk are lost it is `excused`: what it has taken before
    /// may have to wait for them.
    pub fn look(&mut self, now_ms: u64, excused: bool) {
        let waiting = REQUESTS_MAX - self.room();
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

    /// Cuts the auditor off.
    pub fn cut_off(&mut self) {
        self.link.break_off();
    }

    /// Requests that can be sent now.
    pub fn room(&mut self) -> usize {
        self.link.room()
    }

    /// Sends a request. There is room.
    fn send(&mut self, request: &Request, body: &[u8]) {
        self.sent += u64::from(self.link.send(request, body));
    }

    /// Asks for the verification of a volume.
    pub fn verify(&mut self, op: Op, volume: usize, tag: u32) {
        let mut request = Request::new_zeroed();
        (request.op, request.volume, request.tag) = (op as u8, volume as u8, tag.into());
        self.send(&request, &[]);
    }

    /// Asks for a record to be entered.
    pub fn record(&mut self, entry: &Entry, tag: u32) {
        let mut request = Request::new_zeroed();
        (request.op, request.tag) = (Op::Record as u8, tag.into());
        request.len = (size_of::<Entry>() as u32).into();
        self.send(&request, entry.as_bytes());
    }

    /// Asks for `count` records of the audit record from `from` on.
    pub fn history(&mut self, from: u64, count: usize, tag: u32) {
        let mut request = Request::new_zeroed();
        (request.op, request.tag) = (Op::History as u8, tag.into());
        (request.count, request.number) = ((count as u32).into(), from.into());
        self.send(&request, &[]);
    }

    /// A beat: looks whether it reports what is due, and gives it something to take.
    pub fn beat(&mut self, due: Option<Due>, now_ms: u64) {
        let waiting = REQUESTS_MAX - self.room();
        if self.is_broken() {
            return;
        }
        let still_due = due.is_some() && due == self.due;
        self.due_beats = if still_due { self.due_beats.saturating_add(1) } else { 0 };
        self.due = due;
        if waiting == 0 {
            let mut request = Request::new_zeroed();
            request.op = Op::Ping as u8;
            self.send(&request, &[]);
            self.watch.expect(now_ms);
        }
    }

    /// Reports that have come.
    pub fn waiting(&mut self) -> usize {
        self.link.waiting()
    }

    /// The next report, in the form it must have.
    pub fn hear(&mut self) -> Result<Heard, PeerError> {
        let report = self.link.peek().ok_or(PeerError)?;
        let heard = self.body_of(report);
        self.link.release();
        heard
    }

    fn body_of(&self, report: Report) -> Result<Heard, PeerError> {
        let verdict = Verdict::from_wire(report.verdict);
        let unasked = report.tag.get() == UNASKED;
        Ok(match Op::from_wire(report.op).ok_or(PeerError)? {
            Op::RestoreVolume if unasked && usize::from(report.volume) < self.volumes => {
                let mut remembered = Remembered::new_zeroed();
                self.link.data(remembered.as_mut_bytes());
                let sound = are_beyond_the_first(&remembered.more, report.findings.get());
                if sound { Heard::Volume(report, remembered) } else { return Err(PeerError) }
            }
            Op::RestoreFlag if unasked => {
                let mut row = FlagRow::new_zeroed();
                self.link.data(row.as_mut_bytes());
                if self.makes_sense(&row) { Heard::Flag(row) } else { return Err(PeerError) }
            }
            Op::Record if matches!(verdict, Some(Verdict::Recorded | Verdict::NotRecorded)) => match unasked {
                true => Heard::Opened(report),
                false => Heard::Entered(report),
            },
            // A request that the auditor does not serve.
            Op::Record if !unasked && verdict == Some(Verdict::NotVerified) => Heard::Entered(report),
            Op::VerifyFull | Op::VerifyIncremental => {
                let mut verified = Verified::new_zeroed();
                self.link.data(verified.as_mut_bytes());
                let sound = verdict.is_some_and(|verdict| consistent(&report, &verified, verdict));
                if sound { Heard::Verified(report, verified) } else { return Err(PeerError) }
            }
            Op::History if verdict == Some(Verdict::Event) => {
                let mut event = Event::new_zeroed();
                self.link.data(event.as_mut_bytes());
                Heard::Event(report, event)
            }
            Op::History if verdict.is_some() => Heard::Complete(report),
            _ => return Err(PeerError),
        })
    }

    fn makes_sense(&self, row: &FlagRow) -> bool {
        row.id.get() != 0
            && FlagKind::from_wire(row.kind).is_some()
            && Acknowledged::from_wire(row.acknowledged).is_some_and(|state| state != Acknowledged::Recording)
            && (row.volume == NO_VOLUME || usize::from(row.volume) < self.volumes)
            && Area::from_u8(row.area).is_some()
            && row.tag.get() == UNASKED
    }

    /// Notifies the auditor, if it is owed that.
    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}

/// Whether verdict and findings of a verification's report go together.
fn consistent(report: &Report, verified: &Verified, verdict: Verdict) -> bool {
    let is_place = |kind: u8, area: u8| FindingKind::from_u8(kind).is_some() && Area::from_u8(area).is_some();
    let places_are = verified.findings.iter().all(|place| place.kind == 0 || is_place(place.kind, place.area));
    match verdict {
        Verdict::Clean | Verdict::NotVerified => report.finding == 0 && report.findings.get() == 0,
        Verdict::Mismatch | Verdict::Unreadable => {
            let first = &verified.findings[0];
            places_are
                && is_place(report.finding, report.area)
                && report.findings.get() > 0
                && are_beyond_the_first(&verified.more, report.findings.get())
                && (first.kind, first.area, first.block) == (report.finding, report.area, report.block)
        }
        Verdict::Recorded | Verdict::NotRecorded | Verdict::Event | Verdict::Complete => false,
    }
}
