//! The queues to and from the auditor: what is asked of it, and what it says, in the form it must have.
//!
//! Whether a report answers anything is for its receiver to say. An auditor whose indices or reports cannot
//! be is cut off for good. One that takes nothing from its ring any more is not heard of as long as it is so:
//! it takes requests at once, so the orchestrator pings it whenever there is nothing else to take.

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_manifest::conversation::{self, MESSAGE_HEADER, QueueForm};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_shm::{Consumer, Mapped, PeerError, Producer, queue_pair};
use zerocopy::{FromZeros, IntoBytes};

use crate::proto::audit::{Entry, Event, Op, Remembered, Report, Request, Verdict, Verified};
use crate::proto::flag::{Acknowledged, FlagKind, FlagRow, NO_VOLUME};
use crate::{Channel, Kernel, SetupError};

const RING: QueueForm = match conversation::queue(Role::Orchestrator, Role::Auditor) {
    Some(form) => form,
    None => panic!("orchestrator and auditor share a queue"),
};

/// The tag of what nobody asked for.
pub const UNASKED: u32 = 0;

/// Beats without a request taken after which the auditor is silent: a minute, more than its start on a full
/// audit record takes.
const SILENT_BEATS: u32 = 60;

/// What the auditor said.
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
    to_auditor: Producer,
    from_auditor: Consumer,
    channel: Channel,
    volumes: usize,
    broken: bool,
    unannounced: bool,
    /// Requests in the ring when last looked at, and beats since it took one.
    waiting: usize,
    silent_beats: u32,
}

impl AuditorLink {
    /// Opens the link.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<AuditorLink, SetupError> {
        let missing = SetupError::Link(Role::Auditor, LinkKind::Queue);
        let link = manifest.link(Role::Auditor, 0, LinkKind::Queue).ok_or(missing)?;
        let (to_auditor, from_auditor) = queue_pair(mapped, link, RING).ok_or(missing)?;
        Ok(AuditorLink {
            to_auditor,
            from_auditor,
            channel: Channel::of(link).ok_or(missing)?,
            volumes: manifest.volumes().len(),
            broken: false,
            unannounced: false,
            waiting: 0,
            silent_beats: 0,
        })
    }

    /// Whether the auditor was cut off.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it does not take what it is asked.
    pub fn is_silent(&self) -> bool {
        self.silent_beats >= SILENT_BEATS
    }

    /// Cuts the auditor off.
    pub fn cut_off(&mut self) {
        self.broken = true;
    }

    /// Requests that can be sent now.
    pub fn room(&mut self) -> usize {
        if self.broken {
            return 0;
        }
        self.to_auditor.free().unwrap_or_else(|PeerError| {
            self.broken = true;
            0
        })
    }

    /// Sends a request. There is room.
    fn send(&mut self, request: &Request, body: &[u8]) {
        self.to_auditor.write(0, request.as_bytes());
        self.to_auditor.write(MESSAGE_HEADER, body);
        self.to_auditor.publish();
        self.unannounced = true;
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

    /// A beat: looks whether it takes what it is asked, and gives it something to take.
    pub fn beat(&mut self) {
        let waiting = RING.slots - self.room();
        if self.broken {
            return;
        }
        let stuck = waiting > 0 && waiting >= self.waiting;
        self.silent_beats = if stuck { self.silent_beats.saturating_add(1) } else { 0 };
        self.waiting = waiting;
        if waiting == 0 {
            let mut request = Request::new_zeroed();
            request.op = Op::Ping as u8;
            self.send(&request, &[]);
            self.waiting = 1;
        }
    }

    /// Reports that have come.
    pub fn waiting(&mut self) -> Result<usize, PeerError> {
        if self.broken { Ok(0) } else { self.from_auditor.available() }
    }

    /// The next report, in the form it must have.
    pub fn hear(&mut self) -> Result<Heard, PeerError> {
        let mut report = Report::new_zeroed();
        self.from_auditor.read(0, report.as_mut_bytes());
        let heard = self.body_of(report);
        self.from_auditor.release();
        self.unannounced = true;
        heard
    }

    fn body_of(&self, report: Report) -> Result<Heard, PeerError> {
        let verdict = Verdict::from_wire(report.verdict);
        let unasked = report.tag.get() == UNASKED;
        Ok(match Op::from_wire(report.op).ok_or(PeerError)? {
            Op::RestoreVolume if unasked && usize::from(report.volume) < self.volumes => {
                let mut remembered = Remembered::new_zeroed();
                self.from_auditor.read(MESSAGE_HEADER, remembered.as_mut_bytes());
                Heard::Volume(report, remembered)
            }
            Op::RestoreFlag if unasked => {
                let mut row = FlagRow::new_zeroed();
                self.from_auditor.read(MESSAGE_HEADER, row.as_mut_bytes());
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
                self.from_auditor.read(MESSAGE_HEADER, verified.as_mut_bytes());
                let sound = verdict.is_some_and(|verdict| consistent(&report, &verified, verdict));
                if sound { Heard::Verified(report, verified) } else { return Err(PeerError) }
            }
            Op::History if verdict == Some(Verdict::Event) => {
                let mut event = Event::new_zeroed();
                self.from_auditor.read(MESSAGE_HEADER, event.as_mut_bytes());
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
    }

    /// Wakes the auditor if something was sent or taken since the last time.
    pub fn announce(&mut self, kernel: &mut dyn Kernel) {
        if core::mem::take(&mut self.unannounced) && !self.broken {
            kernel.notify(self.channel);
        }
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
                && (first.kind, first.area, first.block) == (report.finding, report.area, report.block)
        }
        Verdict::Recorded | Verdict::NotRecorded | Verdict::Event | Verdict::Complete => false,
    }
}
