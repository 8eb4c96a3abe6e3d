//! What is flagged: findings of audits, conditions of volumes, and what happens to archives and domains.

use ledger_fmt::layout::{Area, HINT_BLOCKS};
use totebox_ledger_writer::audit_room;
use totebox_manifest::{OnMismatch, Role};
use totebox_protocol::audit::{NO_RECORD, Place, Report, Verdict, Verified};
use totebox_protocol::flag::{FlagKind, FlagRow, Loss, NO_VOLUME, OVERWRITTEN};
use totebox_protocol::flags::is_open;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::vault::VolumeState;
use zerocopy::FromZeros;

use super::Orchestrator;
use super::audits::Job;

/// Milliseconds the wall clock may go back without a flag: it is read and set in whole seconds.
const CLOCK_BACK_MS: u64 = 2_000;

/// What has been flagged of a volume since this start, so that only news is flagged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted {
    refused: u64,
    closed: bool,
    hints_damaged: [u16; 2],
}

/// A flag about nothing in particular.
pub fn flag(kind: FlagKind, volume: Option<usize>) -> FlagRow {
    let mut row = FlagRow::new_zeroed();
    row.kind = kind as u8;
    row.volume = volume.map_or(NO_VOLUME, |volume| volume as u8);
    (row.record, row.audit_record) = (NO_RECORD.into(), NO_RECORD.into());
    row
}

/// A flag about a place in a volume.
fn flag_at(kind: FlagKind, volume: usize, place: &Place) -> FlagRow {
    let Place { area, block, record, .. } = *place;
    FlagRow { area, block, record, ..flag(kind, Some(volume)) }
}

impl Orchestrator {
    /// Raises a flag, if there is news in it. It is shown when it is recorded, or cannot be.
    pub(super) fn raise(&mut self, mut row: FlagRow) {
        row.raised_ms = self.time.wall_ms;
        if self.flags.covers(&row) || self.records.has_flag(&row) {
            return;
        }
        if !self.records.flag(row) {
            self.flags.hide();
        }
    }

    /// The audit record takes no records: the one flag that is shown without having been entered there.
    pub(super) fn raise_unrecorded(&mut self) {
        let mut row = flag(FlagKind::AuditVolume, Some(self.archives.len()));
        row.raised_ms = self.time.wall_ms;
        if !self.flags.covers(&row) {
            row.id = self.flags.take_id().into();
            self.flags.insert(row);
            self.records.keep_flag(row, self.time.uptime_ms.get());
        }
    }

    /// The audit record takes records again, and everything that was kept for it is in it: the operator is told
    /// how much was not.
    pub(super) fn tell_left_out(&mut self) {
        if let Some(events) = self.records.take_left_out() {
            let mut row = flag(FlagKind::AuditVolume, Some(self.archives.len()));
            row.detail = u64::from(events).into();
            self.raise(row);
        }
    }

    /// Flags what an audit found, and has the archive suspended if that is what the deployment wants, unless
    /// the operator has acknowledged all of it.
    pub(super) fn flag_findings(&mut self, report: &Report, verified: &Verified, job: &Job) {
        let volume = usize::from(report.volume);
        let Some(verdict) = Verdict::from_wire(report.verdict).filter(|&v| v != Verdict::NotVerified) else {
            return;
        };
        let mut unacknowledged = false;
        for place in verified.findings.iter().filter(|place| place.kind != 0 && report.findings.get() > 0) {
            let row = flag_at(FlagKind::from_wire(place.kind).unwrap_or(FlagKind::Unreadable), volume, place);
            let known = self.flags.about(&row);
            unacknowledged |= known.is_none_or(is_open);
            self.raise(row);
        }
        if volume == self.archives.len() {
            return;
        }
        if verdict == Verdict::Mismatch && unacknowledged && self.on_mismatch[volume] == OnMismatch::Suspend {
            self.lifecycles[volume].must_suspend = true;
        }
        let stands = self.audits.volume(volume).last.is_some_and(|(last, _)| last != *report);
        if stands && verdict == Verdict::Clean {
            // It has not looked where something is wrong.
            return;
        }
        let check = self.archives[volume].claim().check;
        let opinion = &mut self.opinions[volume];
        if let Some(place) = opinion.of_audit(verdict, &verified.findings[0], job.settles, &check) {
            self.raise(flag_at(FlagKind::SelfCheck, volume, &place));
        }
    }

    /// Looks at an archive's own integrity pass.
    pub(super) fn weigh_own_check(&mut self, volume: usize) {
        let check = self.archives[volume].claim().check;
        let flagged = |row: &FlagRow| usize::from(row.volume) == volume && row.record == check.place.record;
        let known = check.place.record == NO_RECORD || self.flags.rows().iter().any(flagged);
        if let Some(place) = self.opinions[volume].of_archive(&check, known) {
            self.raise(flag_at(FlagKind::SelfCheck, volume, &place));
        }
        let now_ms = self.time.uptime_ms.get();
        if self.opinions[volume].is_unsettled() && !self.link.is_broken() && self.audits.settle(volume, now_ms) {
            self.opinions[volume].being_settled();
        }
    }

    /// Flags what the vault's page says of the volumes.
    pub(super) fn flag_volumes(&mut self) {
        for volume in 0..=self.archives.len() {
            let row = self.vault_page.volumes[volume];
            let state = VolumeState::from_wire(row.state).expect("checked when the page was taken over");
            if !state.readable() && state != VolumeState::Recovering {
                let mut missing = flag(FlagKind::MissingVolume, Some(volume));
                (missing.what, missing.detail) = (state as u8, u64::from(state as u8).into());
                self.raise(missing);
            }
            let (refused, closed) = (row.refused.get(), row.closed == 1);
            let hints_damaged = row.hints_damaged.map(|count| count.get());
            let noted = core::mem::replace(&mut self.noted[volume], Noted { refused, closed, hints_damaged });
            if refused > noted.refused {
                let mut more = flag(FlagKind::Refused, Some(volume));
                more.detail = refused.into();
                self.raise(more);
            }
            if closed && !noted.closed {
                self.raise(flag(FlagKind::Protocol, Some(volume)));
            }
            for (slot, block) in HINT_BLOCKS.into_iter().enumerate() {
                if hints_damaged[slot] > noted.hints_damaged[slot] {
                    self.flag_overwritten_hint(volume, block);
                }
            }
        }
        let audit = self.archives.len();
        let used = self.vault_page.volumes[audit].ledger_next.get();
        if audit_room::is_nearly_full(self.audit_ledger_blocks, used) {
            self.raise(flag(FlagKind::AuditNearlyFull, Some(audit)));
        }
    }

    /// Flags a hint that the vault found damaged when it wrote a newer one over it. No audit can find that any more, but
    /// the disk was changed all the same: it leads to what a mismatch leads to.
    fn flag_overwritten_hint(&mut self, volume: usize, block: u64) {
        let mut row = flag(FlagKind::Hint, Some(volume));
        (row.what, row.area, row.block) = (OVERWRITTEN, Area::Volume as u8, block.into());
        self.raise(row);
        if volume < self.archives.len() && self.on_mismatch[volume] == OnMismatch::Suspend {
            self.lifecycles[volume].must_suspend = true;
        }
    }

    /// Flags a wall clock that was set back from one time to the other.
    pub(super) fn flag_clock(&mut self, before_ms: u64, now_ms: u64) {
        let back_ms = before_ms.saturating_sub(now_ms);
        if back_ms > CLOCK_BACK_MS {
            let mut row = flag(FlagKind::ClockBack, None);
            row.detail = back_ms.into();
            self.raise(row);
        }
    }

    /// Flags a domain beside the archives that does not work.
    pub(super) fn flag_degraded(&mut self, role: Role, loss: Loss) {
        let mut row = flag(FlagKind::Degraded, None);
        (row.what, row.detail) = (role as u8, u64::from(loss as u8).into());
        self.raise(row);
    }

    /// Flags an archive whose ledger tells of another standing than the audit record.
    pub(super) fn flag_lifecycle(&mut self, archive: usize, recorded: Standing) {
        let mut row = flag(FlagKind::Lifecycle, Some(archive));
        row.detail = u64::from(recorded.state() as u8).into();
        self.raise(row);
    }
}

const _: () = assert!(Area::Input as u8 == 0, "flags about no place have area 0");
