//! Having the auditor verify: the command goes to the orchestrator, and the verdict comes back on its
//! surface.

use core::fmt;

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_console_protocol::text::{Duration, Found, Size};
use totebox_console_protocol::views::UNRECORDED;
use totebox_manifest::VOLUMES_MAX;
use totebox_protocol::audit::{NO_RECORD, Verdict};
use totebox_protocol::operator::{ALL_VOLUMES, Op};
use totebox_protocol::page::SurfaceRow;

use super::errors::Error;
use super::orders::Order;
use super::phrases::{FoundFields, verdict_name, yes};
use super::session::{Activity, Session};

/// A verification the operator waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The orchestrator's name for it.
    tag: u32,
    /// The volume, or [`ALL_VOLUMES`].
    volume: u8,
    /// The volumes whose verdict was shown, one bit each.
    shown: u64,
}

const _: () = assert!(VOLUMES_MAX <= u64::BITS as usize);

impl Verification {
    /// The one the orchestrator took up under this name.
    pub fn new(tag: u32, volume: u8) -> Verification {
        Verification { tag, volume, shown: 0 }
    }

    /// The volume, or [`ALL_VOLUMES`].
    pub fn volume(&self) -> u8 {
        self.volume
    }

    /// Whether the operator is shown the verdict with this tag anyway.
    pub fn awaits(&self, tag: u32, volume: usize) -> bool {
        self.tag == tag && (self.volume == ALL_VOLUMES || usize::from(self.volume) == volume)
    }
}

/// The first finding of the last verification.
pub fn found(row: &SurfaceRow) -> Option<Found<'static>> {
    let (kind, area) = FindingKind::from_u8(row.finding).zip(Area::from_u8(row.finding_area))?;
    let record = Some(row.finding_record.get()).filter(|&record| record != NO_RECORD);
    let (block, count) = (row.finding_block.get(), row.findings.get().into());
    Some(Found { kind: kind.name(), area: area.name(), block, record, count })
}

/// The first finding of a verification, for a person; nothing if there is none.
pub struct FirstFinding<'a>(pub &'a SurfaceRow);

impl fmt::Display for FirstFinding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        found(self.0).map_or(Ok(()), |found| write!(f, "{found}"))
    }
}

/// The first finding of a verification as `KEY=VALUE` pairs.
pub struct FindingFields<'a>(pub &'a SurfaceRow);

impl fmt::Display for FindingFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "findings={}", self.0.findings)?;
        found(self.0).map_or(Ok(()), |found| write!(f, " {}", FoundFields(&found)))
    }
}

impl Session {
    pub(super) fn begin_audit(&mut self, volume: Option<usize>) {
        let volume = volume.map_or(ALL_VOLUMES, |volume| volume as u8);
        self.order(Order { op: Op::Verify, volume, number: 0 }, "");
    }

    /// The audit was taken up under this name.
    pub(super) fn await_audit(&mut self, volume: u8, tag: u32) {
        if !self.machine {
            self.output.line(format_args!("verifying; Ctrl-C stops waiting"));
        }
        self.activity = Activity::Audit(Verification::new(tag, volume));
    }

    /// Shows the verdicts that have come for the verification under way, and ends it with the last.
    pub(super) fn show_verdicts(&mut self) {
        let Activity::Audit(verification) = &mut self.activity else { return };
        let Some(surface) = self.surface.last() else { return };
        let volumes = match verification.volume {
            ALL_VOLUMES => 0..self.volumes.len(),
            volume => usize::from(volume)..usize::from(volume) + 1,
        };
        for volume in volumes.clone() {
            let row = &surface.rows[volume];
            let come = row.verify_tag.get() == verification.tag && row.verifying == 0;
            if !come || verification.shown >> volume & 1 == 1 {
                continue;
            }
            verification.shown |= 1 << volume;
            let (name, verdict) = (&self.volumes[volume], verdict_name(row));
            let (records, bytes, ms) = (row.verified_records, row.verified_bytes, row.verify_duration_ms);
            if self.machine {
                let (recorded, finding) = (yes(1 - row.unrecorded.min(1)), FindingFields(row));
                self.output.line(format_args!(
                    "=volume name={name} verdict={verdict} records={records} bytes={bytes} duration_ms={ms} \
                     recorded={recorded} {finding}"
                ));
            } else {
                let (size, time, finding) = (Size(bytes.get()), Duration(ms.get()), FirstFinding(row));
                let remark = if row.unrecorded == 1 { UNRECORDED } else { "" };
                self.output.line(format_args!(
                    "  {name:<32} {verdict:<12} {records} records, {size} read in {time}{remark}  {finding}"
                ));
            }
        }
        if volumes.clone().any(|volume| verification.shown >> volume & 1 == 0) {
            return;
        }
        self.activity = Activity::Idle;
        // The most serious verdict is the answer.
        let first =
            |verdict: Verdict| volumes.clone().find(|&volume| surface.rows[volume].verdict == verdict as u8);
        if let Some(volume) = first(Verdict::Mismatch) {
            let (name, finding) = (&self.volumes[volume], FirstFinding(&surface.rows[volume]));
            self.output.error(
                Error::Mismatch,
                None,
                format_args!("volume {name}: {finding}; keep the disk as it is"),
            );
        } else if let Some(volume) = first(Verdict::Unreadable) {
            let (name, finding) = (&self.volumes[volume], FirstFinding(&surface.rows[volume]));
            self.output.error(Error::Unavailable, None, format_args!("volume {name} cannot be read: {finding}"));
        } else if volumes.clone().all(|volume| surface.rows[volume].verdict == Verdict::Clean as u8) {
            self.output.line(format_args!("+audit clean volumes={}", volumes.len()));
        } else {
            let text = "not everything was verified: the auditor was lost; verify the disk on the host";
            self.output.error(Error::NotAnswering, None, format_args!("{text}"));
        }
    }
}
