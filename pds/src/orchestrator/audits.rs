//! Verifications: what was asked of the auditor, and what it reported.
//!
//! At most one verification of a volume is under way, so the requests of all volumes always fit the ring. A
//! report that answers no request, or whose fields contradict each other, closes the link for good: the
//! verifications under way end as [`Verdict::NotVerified`], and commands are answered
//! [`Outcome::AuditorUnavailable`].

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_manifest::conversation::{self, QueueForm};
use totebox_manifest::{LinkKind, Manifest, Role, VOLUMES_MAX};
use totebox_shm::{Consumer, Mapped, PeerError, Producer, queue_pair};
use zerocopy::{FromZeros, IntoBytes};

use crate::proto::audit::{NO_RECORD, Op, Report, Request, Verdict};
use crate::proto::operator::Outcome;
use crate::{Channel, Kernel, SetupError};

const RING: QueueForm = match conversation::queue(Role::Orchestrator, Role::Auditor) {
    Some(form) => form,
    None => panic!("orchestrator and auditor share a queue"),
};

// A request for every volume fits the ring, and so does a report on each and one on the boot record.
const _: () = assert!(RING.slots > VOLUMES_MAX);

/// The tag of a verification no operator commanded.
pub const NO_COMMAND: u32 = 0;

/// A volume's verifications.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audited {
    /// The tag of the verification that is under way.
    pub under_way: Option<u32>,
    /// The last report, and when it came, in milliseconds since 1970-01-01 UTC.
    pub last: Option<(Report, u64)>,
}

/// The auditor's own ledger, as its reports tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// It said nothing yet.
    Unknown,
    /// It takes records; this many are in it.
    Records(u64),
    /// It takes none; this many were in it when last known.
    Broken(u64),
}

/// The link to the auditor and what came over it.
pub struct Audits {
    to_auditor: Producer,
    from_auditor: Consumer,
    channel: Channel,
    broken: bool,
    tag: u32,
    volumes: Vec<Audited>,
    recording: Recording,
}

impl Audits {
    /// Opens the link to the auditor.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Audits, SetupError> {
        let missing = SetupError::Link(Role::Auditor, LinkKind::Queue);
        let link = manifest.link(Role::Auditor, 0, LinkKind::Queue).ok_or(missing)?;
        let (to_auditor, from_auditor) = queue_pair(mapped, link, RING).ok_or(missing)?;
        Ok(Audits {
            to_auditor,
            from_auditor,
            channel: Channel::of(link).ok_or(missing)?,
            broken: false,
            tag: NO_COMMAND,
            volumes: vec![Audited::default(); manifest.volumes().len()],
            recording: Recording::Unknown,
        })
    }

    /// The auditor's channel.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// A volume's verifications.
    pub fn volume(&self, volume: usize) -> &Audited {
        &self.volumes[volume]
    }

    /// The state of the audit record.
    pub fn recording(&self) -> Recording {
        self.recording
    }

    /// The operator wants these volumes verified in full: all of them or none. Returns the command's tag, or
    /// [`NO_COMMAND`].
    pub fn command(&mut self, kernel: &mut dyn Kernel, volumes: Range<usize>) -> (Outcome, u32) {
        if self.volumes[volumes.clone()].iter().any(|volume| volume.under_way.is_some()) {
            return (Outcome::AlreadyRunning, NO_COMMAND);
        }
        let room = self.to_auditor.free().unwrap_or_else(|PeerError| {
            self.give_up();
            0
        });
        if self.broken || room < volumes.len() {
            return (Outcome::AuditorUnavailable, NO_COMMAND);
        }
        self.tag = self.tag.checked_add(1).unwrap_or(NO_COMMAND + 1);
        for volume in volumes {
            self.request(volume, Op::VerifyFull, self.tag);
        }
        kernel.notify(self.channel);
        (Outcome::Accepted, self.tag)
    }

    /// Asks the auditor to verify a volume that is not under way, in a slot known to be free.
    fn request(&mut self, volume: usize, op: Op, tag: u32) {
        let mut request = Request::new_zeroed();
        request.op = op as u8;
        request.volume = volume as u8;
        request.tag = tag.into();
        self.to_auditor.write(0, request.as_bytes());
        self.to_auditor.publish();
        self.volumes[volume].under_way = Some(tag);
    }

    /// Takes in the reports that have come. `now_ms` is the wall clock's time.
    pub fn receive(&mut self, kernel: &mut dyn Kernel, now_ms: u64) {
        if self.broken {
            return;
        }
        let Ok(waiting) = self.from_auditor.available() else {
            return self.give_up();
        };
        for _ in 0..waiting {
            let mut report = Report::new_zeroed();
            self.from_auditor.read(0, report.as_mut_bytes());
            self.from_auditor.release();
            if self.accept(&report, now_ms).is_err() {
                return self.give_up();
            }
        }
        if waiting > 0 {
            kernel.notify(self.channel);
        }
    }

    fn accept(&mut self, report: &Report, now_ms: u64) -> Result<(), PeerError> {
        if matches!(Op::from_wire(report.op), Some(Op::RestoreVolume | Op::RestoreFlag)) {
            return Ok(());
        }
        let verdict = Verdict::from_wire(report.verdict).ok_or(PeerError)?;
        match Op::from_wire(report.op) {
            // Unasked: the auditor has opened its own ledger and entered the boot record, or cannot.
            Some(Op::Record) if report.tag.get() == NO_COMMAND => {
                if !matches!(verdict, Verdict::Recorded | Verdict::NotRecorded) {
                    return Err(PeerError);
                }
                self.recording = Recording::Records(report.records.get());
            }
            Some(Op::VerifyFull) if consistent(report, verdict) => {
                let volume = self.volumes.get_mut(usize::from(report.volume)).ok_or(PeerError)?;
                if volume.under_way != Some(report.tag.get()) {
                    return Err(PeerError);
                }
                *volume = Audited { under_way: None, last: Some((*report, now_ms)) };
            }
            _ => return Err(PeerError),
        }
        match (verdict, report.audit_record.get()) {
            (Verdict::NotVerified, _) => {}
            (_, NO_RECORD) => self.recording_broke(),
            (_, sequence) => self.recording = Recording::Records(sequence + 1),
        }
        Ok(())
    }

    fn recording_broke(&mut self) {
        self.recording = match self.recording {
            Recording::Unknown => Recording::Broken(0),
            Recording::Records(records) | Recording::Broken(records) => Recording::Broken(records),
        };
    }

    /// The auditor does not keep to its protocol: nothing it sends is read any more.
    fn give_up(&mut self) {
        self.broken = true;
        self.recording_broke();
        for (number, volume) in self.volumes.iter_mut().enumerate() {
            if let Some(tag) = volume.under_way.take() {
                let mut report = Report::new_zeroed();
                report.op = Op::VerifyFull as u8;
                report.volume = number as u8;
                report.verdict = Verdict::NotVerified as u8;
                report.tag = tag.into();
                report.record = NO_RECORD.into();
                report.audit_record = NO_RECORD.into();
                volume.last = Some((report, 0));
            }
        }
    }
}

/// Whether verdict and finding of a verification's report go together.
fn consistent(report: &Report, verdict: Verdict) -> bool {
    let found = FindingKind::from_u8(report.finding).is_some() && Area::from_u8(report.area).is_some();
    match verdict {
        Verdict::Clean | Verdict::NotVerified => report.finding == 0 && report.findings.get() == 0,
        Verdict::Mismatch | Verdict::Unreadable => found && report.findings.get() > 0,
        Verdict::Recorded | Verdict::NotRecorded | Verdict::Event | Verdict::Complete => false,
    }
}
