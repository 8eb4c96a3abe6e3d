//! What is flagged: findings of audits, conditions of volumes, and what happens to archives and domains.

use ledger_fmt::layout::{Area, HINT_BLOCKS};
use totebox_ledger_writer::audit_room;
use totebox_manifest::{OnMismatch, Role};
use totebox_protocol::audit::{AuditResult, Found, Verdict};
use totebox_protocol::flag::{About, Flag, Loss, Place};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::VolumeReport;
use totebox_protocol::vault::VolumeState;

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

pub fn flag(volume: usize, about: About) -> Flag {
    Flag::new(Some(volume as u8), about)
}

impl Orchestrator {
    /// Raises a flag, if there is news in it. It is shown when it is recorded, or cannot be.
    pub(super) fn raise(&mut self, flag: Flag) {
        let flag = Flag { raised_ms: self.time.wall_ms.get(), ..flag };
        if self.flags.covers(&flag) || self.records.has_flag(&flag) {
            return;
        }
        if !self.records.flag(flag) {
            self.flags.hide();
        }
    }

    /// The audit record takes no records: the one flag that is shown without having been entered there.
    pub(super) fn raise_unrecorded(&mut self) {
        let raised_ms = self.time.wall_ms.get();
        let flag = Flag { raised_ms, ..flag(self.archives.len(), About::AuditVolume { left_out: 0 }) };
        if !self.flags.covers(&flag) {
            let flag = Flag { id: self.flags.take_id(), ..flag };
            self.flags.insert(flag);
            self.records.keep_flag(flag, self.time.uptime_ms.get());
        }
    }

    /// The audit record takes records again and has all that was kept for it: reports how much was not.
    pub(super) fn tell_left_out(&mut self) {
        if let Some(events) = self.records.take_left_out() {
            self.raise(flag(self.archives.len(), About::AuditVolume { left_out: events.into() }));
        }
    }

    /// Flags what an audit found, and has the archive suspended if that is what the deployment wants, unless
    /// the operator has acknowledged all of it.
    pub(super) fn flag_findings(&mut self, volume: usize, result: &AuditResult, found: &Found, job: &Job) {
        let verdict = result.verdict;
        if verdict == Verdict::NotVerified {
            return;
        }
        let mut unacknowledged = false;
        for finding in &found.first {
            let flag = flag(volume, About::Finding(*finding));
            unacknowledged |= self.flags.about(&flag).is_none_or(Flag::is_open);
            self.raise(flag);
        }
        if volume == self.archives.len() {
            return;
        }
        if verdict == Verdict::Mismatch && unacknowledged && self.on_mismatch[volume] == OnMismatch::Suspend {
            self.lifecycles[volume].must_suspend = true;
        }
        let stands = self.audits.volume(volume).last.is_some_and(|last| last.result != *result);
        if stands && verdict == Verdict::Clean {
            // It has not looked where something is wrong.
            return;
        }
        let check = self.archives[volume].claim().check;
        let cross_check = &mut self.cross_checks[volume];
        if let Some(place) = cross_check.of_audit(verdict, result.first, job.settles, &check) {
            self.raise(flag(volume, About::CrossCheck(place)));
        }
    }

    pub(super) fn weigh_own_check(&mut self, volume: usize) {
        let check = self.archives[volume].claim().check;
        let record = check.place.and_then(|place| place.record);
        let is_about_it = |flag: &Flag| {
            flag.volume == Some(volume as u8) && flag.about.place().and_then(|place| place.record) == record
        };
        let known = record.is_none() || self.flags.rows().iter().any(is_about_it);
        if let Some(place) = self.cross_checks[volume].of_archive(&check, known) {
            self.raise(flag(volume, About::CrossCheck(place)));
        }
        let now_ms = self.time.uptime_ms.get();
        if self.cross_checks[volume].is_unsettled() && !self.link.is_broken() && self.audits.settle(volume, now_ms)
        {
            self.cross_checks[volume].being_settled();
        }
    }

    /// Flags what the vault's page says of the volumes.
    pub(super) fn flag_volumes(&mut self) {
        for volume in 0..=self.archives.len() {
            let VolumeReport { state, closed, hints_damaged, refused, .. } = self.vault_report.volumes[volume];
            if !state.readable() && state != VolumeState::Recovering {
                self.raise(flag(volume, About::MissingVolume(state)));
            }
            let noted = core::mem::replace(&mut self.noted[volume], Noted { refused, closed, hints_damaged });
            if refused > noted.refused {
                self.raise(flag(volume, About::Refused(refused)));
            }
            if closed && !noted.closed {
                self.raise(flag(volume, About::Protocol));
            }
            for (slot, block) in HINT_BLOCKS.into_iter().enumerate() {
                if hints_damaged[slot] > noted.hints_damaged[slot] {
                    self.flag_overwritten_hint(volume, block);
                }
            }
        }
        let audit = self.archives.len();
        let used = self.vault_report.volumes[audit].ledger_next;
        if audit_room::is_nearly_full(self.audit_ledger_blocks, used) {
            self.raise(flag(audit, About::AuditNearlyFull));
        }
    }

    /// Flags a hint that the vault found damaged when it wrote a newer one over it. No audit can find that any more,
    /// but the disk was changed all the same: it leads to what a mismatch leads to.
    fn flag_overwritten_hint(&mut self, volume: usize, block: u64) {
        let place = Place { area: Area::Volume, block, record: None };
        self.raise(flag(volume, About::HintOverwritten(place)));
        if volume < self.archives.len() && self.on_mismatch[volume] == OnMismatch::Suspend {
            self.lifecycles[volume].must_suspend = true;
        }
    }

    /// Flags a wall clock that was set back from one time to the other.
    pub(super) fn flag_clock(&mut self, before_ms: u64, now_ms: u64) {
        let back_ms = before_ms.saturating_sub(now_ms);
        if back_ms > CLOCK_BACK_MS {
            self.raise(Flag::new(None, About::ClockBack(back_ms)));
        }
    }

    /// Flags a domain beside the archives that does not work.
    pub(super) fn flag_degraded(&mut self, role: Role, loss: Loss) {
        self.raise(Flag::new(None, About::Degraded(role, loss)));
    }

    /// Flags an archive whose ledger tells of another standing than the audit record.
    pub(super) fn flag_lifecycle(&mut self, archive: usize, recorded: Standing) {
        self.raise(flag(archive, About::Lifecycle(recorded)));
    }
}
