//! Verifications: the schedule, what the operator commands, and what came of them.
//!
//! All volumes are audited once a period, so that the auditor can enter the results of a round together. A
//! volume that is still waiting or under way when its next audit is due is left out of that round. At most
//! [`UNDER_WAY_MAX`] verifications are with the auditor at a time, those an operator waits for first.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use totebox_manifest::Manifest;
use totebox_protocol::audit::{Asked, AuditResult, LastResult, NO_RANGES, RangeRows, Scope, UNASKED, Verdict};
use totebox_protocol::page::Audited;
use totebox_shm::PeerError;

use super::link::AuditorLink;

/// Verifications with the auditor at most: as many as reports wait there for the end of a round. Each can lead
/// to as many flags as a report names places.
pub const UNDER_WAY_MAX: usize = 8;

/// Milliseconds after the states were restored when the first audits are due: a start makes no difference to
/// what is on the disk, but an appliance that is often switched off has to be audited, too.
const FIRST_MS: u64 = 10_000;

/// Milliseconds between two verifications that settle what an archive's own pass found, where there is no
/// period: what an archive says must not fill the audit record.
const SETTLING_PAUSE_MS: u64 = 900_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The operator's command, or [`UNASKED`].
    pub tag: u32,
    pub scope: Scope,
    /// It is to settle what an archive's own scrub found.
    pub settles: bool,
}

#[derive(Clone, Debug)]
pub struct VolumeAudits {
    wanted: Option<Job>,
    under_way: Option<Job>,
    /// The last result, and when it came, in milliseconds since 1970-01-01 UTC; or an earlier one, if what that found
    /// [stands](AuditResult::leaves).
    pub last: Option<Audited>,
    /// Its findings beyond those that became flags.
    pub more: RangeRows,
    /// The operator's last command that was answered, or [`UNASKED`].
    pub answered: u32,
    since_full: u32,
    /// When what the archive's own pass found may be settled, in milliseconds since the machine started.
    settle_from_ms: u64,
    /// When the next audit is due, in milliseconds since the machine started.
    pub due_ms: Option<u64>,
}

impl VolumeAudits {
    /// Nothing is known of it.
    const fn new() -> VolumeAudits {
        VolumeAudits {
            wanted: None,
            under_way: None,
            last: None,
            more: NO_RANGES,
            answered: UNASKED,
            since_full: 0,
            settle_from_ms: 0,
            due_ms: None,
        }
    }

    /// Whether a verification is wanted or under way.
    pub fn is_busy(&self) -> bool {
        self.wanted.is_some() || self.under_way.is_some()
    }

    fn end(&mut self, tag: u32, result: AuditResult, more: RangeRows, now_ms: u64) {
        if tag != UNASKED {
            self.answered = tag;
        }
        if !self.last.is_some_and(|before| result.leaves(&before.result, tag != UNASKED)) {
            (self.last, self.more) = (Some(Audited { result, ended_ms: now_ms }), more);
        }
    }
}

pub struct Audits {
    volumes: Vec<VolumeAudits>,
    period_ms: Option<u64>,
    full_every: u32,
    /// Results of this start that the audit record does not tell of.
    unrecorded: u32,
}

impl Audits {
    pub fn new(manifest: &Manifest) -> Audits {
        let header = manifest.header();
        let period_ms = u64::from(header.audit_period_s.get()) * 1000;
        Audits {
            volumes: vec![VolumeAudits::new(); manifest.volumes().len()],
            period_ms: (period_ms > 0).then_some(period_ms),
            full_every: header.audit_full_every.get().max(1),
            unrecorded: 0,
        }
    }

    pub fn volume(&self, volume: usize) -> &VolumeAudits {
        &self.volumes[volume]
    }

    /// Results of this start that the audit record does not tell of, and never will.
    pub fn unrecorded(&self) -> u32 {
        self.unrecorded
    }

    /// The last verification of a volume, as the audit record tells it.
    pub fn restore(&mut self, volume: u8, last: LastResult) {
        let volume = &mut self.volumes[usize::from(volume)];
        volume.since_full = last.since_full;
        volume.last = Some(Audited { result: last.result, ended_ms: last.ended_ms });
        volume.more = last.more;
    }

    /// Everything was restored: the schedule begins.
    pub fn begin(&mut self, uptime_ms: u64) {
        if let Some(period_ms) = self.period_ms {
            let due_ms = uptime_ms.saturating_add(period_ms.min(FIRST_MS));
            self.volumes.iter_mut().for_each(|volume| volume.due_ms = Some(due_ms));
        }
    }

    pub fn tick(&mut self, uptime_ms: u64) {
        let Some(period_ms) = self.period_ms else { return };
        for volume in &mut self.volumes {
            let Some(due_ms) = volume.due_ms.filter(|due_ms| *due_ms <= uptime_ms) else { continue };
            // Rounds that were missed are not made up for.
            let rounds = (uptime_ms - due_ms) / period_ms + 1;
            volume.due_ms = Some(due_ms.saturating_add(period_ms.saturating_mul(rounds)));
            if !volume.is_busy() {
                let full = volume.since_full.saturating_add(1) >= self.full_every;
                let scope = if full { Scope::Full } else { Scope::Incremental };
                volume.wanted = Some(Job { tag: UNASKED, scope, settles: false });
            }
        }
    }

    /// The operator wants these volumes verified in full: all of them or, if one of them is busy, none.
    pub fn command(&mut self, volumes: Range<usize>, tag: u32) -> bool {
        if self.volumes[volumes.clone()].iter().any(VolumeAudits::is_busy) {
            return false;
        }
        for number in volumes {
            let job = Job { tag, scope: Scope::Full, settles: false };
            self.volumes[number].wanted = Some(job);
        }
        true
    }

    /// An archive's own pass found something: a verification in full, begun after that, is to settle it. False
    /// if the volume is busy, or something was settled there less than a period ago.
    pub fn settle(&mut self, volume: usize, uptime_ms: u64) -> bool {
        let audited = &mut self.volumes[volume];
        let may = !audited.is_busy() && uptime_ms >= audited.settle_from_ms;
        if may {
            audited.wanted = Some(Job { tag: UNASKED, scope: Scope::Full, settles: true });
            audited.settle_from_ms = uptime_ms.saturating_add(self.period_ms.unwrap_or(SETTLING_PAUSE_MS));
        }
        may
    }

    /// Asks the auditor for what is wanted, as far as there is room.
    pub fn send(&mut self, link: &mut AuditorLink) {
        let under_way = self.volumes.iter().filter(|volume| volume.under_way.is_some()).count();
        for _ in under_way..UNDER_WAY_MAX {
            let wanted = |volume: &VolumeAudits| volume.wanted.map(|job| job.tag == UNASKED);
            let next = self.volumes.iter().enumerate().filter_map(|(number, v)| Some((wanted(v)?, number))).min();
            let Some((_, number)) = next.filter(|_| link.room() > 0) else { return };
            let volume = &mut self.volumes[number];
            let job = volume.wanted.take().expect("it is wanted");
            link.ask(&Asked::Verify { volume: number as u8, tag: job.tag, scope: job.scope });
            volume.under_way = Some(job);
        }
    }

    /// Takes the result of a verification that was asked for with `tag`, which came at the wall clock's time `now_ms`.
    /// Returns what was asked for.
    pub fn verified(
        &mut self,
        volume: usize,
        tag: u32,
        result: &AuditResult,
        more: RangeRows,
        now_ms: u64,
    ) -> Result<Job, PeerError> {
        let volume = self.volumes.get_mut(volume).ok_or(PeerError)?;
        // What cannot go on from anywhere is verified in full instead.
        let does_it = |scope: Scope| result.scope == scope || result.scope == Scope::Full;
        let is_answer = |job: &Job| job.tag == tag && does_it(job.scope);
        let job = volume.under_way.filter(is_answer).ok_or(PeerError)?;
        volume.under_way = None;
        volume.end(tag, *result, more, now_ms);
        if result.verdict != Verdict::NotVerified {
            let full = result.scope == Scope::Full;
            volume.since_full = if full { 0 } else { volume.since_full.saturating_add(1) };
            if result.audit_record.is_none() {
                self.unrecorded = self.unrecorded.saturating_add(1);
            }
        }
        Ok(job)
    }

    /// The auditor is lost at the wall clock's time `now_ms`: what was wanted ends without a verdict, and nothing is
    /// scheduled any more.
    pub fn lose(&mut self, now_ms: u64) {
        for volume in &mut self.volumes {
            volume.due_ms = None;
            if let Some(job) = volume.under_way.take().or(volume.wanted.take()) {
                volume.end(job.tag, AuditResult::not_verified(job.scope), NO_RANGES, now_ms);
            }
        }
    }
}
