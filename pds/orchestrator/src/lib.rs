//! The orchestrator: the registry of archives, the audit schedule, flags, the lifecycle, the operator's
//! commands, and the status page the operator sees.
//!
//! It is the parent of the archives: their faults arrive here, and it can stop and resume them. It keeps
//! nothing on disk: what has to survive a restart it has the auditor enter into the audit record, and reads
//! it back from there. All it knows comes from pages and reports of other domains, each checked before use,
//! and from the kernel; what it makes of them it publishes as the
//! [`StatusPage`](totebox_protocol::page::StatusPage).
//!
//! | module | what |
//! |---|---|
//! | [`registry`] | one archive: what it was told, what it claims, whether its thread runs |
//! | [`link`] | the queues to and from the auditor |
//! | [`audits`] | the schedule, what is asked of the auditor, and its verdicts |
//! | [`cross_check`] | where an archive's own scrub and the audits disagree |
//! | [`flagging`] | what is flagged, and when |
//! | [`records`] | what is to be entered into the audit record |
//! | [`transitions`] | archives on their way from one state to another |
//! | [`console`] | the queues to and from the console |
//! | [`commands`], [`history`], [`traces`] | what the operator commands and asks |
//! | [`status_page`] | the page the operator sees |
//!
//! **First recorded, then shown.** A flag is put on the status page when the auditor has entered it into the audit
//! record, or cannot; and as long as flags about a volume wait for that, the status page shows nothing new of it,
//! nor of degraded domains as long as flags about no volume wait. But while auditor, vault or disk do not answer,
//! nothing can be recorded, and everything is shown at once, flags as not recorded.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod audits;
mod commands;
mod console;
mod cross_check;
mod flagging;
mod history;
mod link;
mod records;
mod registry;
mod status_page;
#[cfg(test)]
mod tests;
mod traces;
mod transitions;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use totebox_domain::watch::{BEAT_MS, ClockWatch, Watch};
use totebox_domain::{Channel, ChannelSet, Child, Domain, Fault, Kernel, SetupError};
use totebox_link::{page_channel, page_reader};
use totebox_manifest::{Manifest, OnMismatch, Role};
use totebox_protocol::audit::{Reported, Verdict, VolumePast};
use totebox_protocol::flag::{About, Acknowledged, Flag, Flags, Loss};
use totebox_protocol::page::{ArchiveState, Cause, Time, VaultPage, VaultReport, degraded};
use totebox_protocol::trace::Event;
use totebox_shm::{Mapped, PageReader, PeerError};
use totebox_vault_client::VaultClient;
use zerocopy::FromZeros;

use audits::Audits;
use console::ConsoleLink;
use cross_check::CrossCheck;
use flagging::{Noted, flag};
use history::History;
use link::{AuditorLink, Due};
use records::{Ended, Records, Subject};
use registry::Archive;
use status_page::{Known, StatusPageWriter};
use traces::{Now, Traces};
use transitions::Lifecycle;

/// Milliseconds after the machine's start when the status page settles though some archive is still starting:
/// more than a healthy recovery takes, less than an operator waits.
const SETTLED_AFTER_MS: u64 = 30_000;

/// The auditor's own ledger, as its reports tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// It said nothing yet.
    Unknown,
    Records(u64),
    /// It takes none; this many were in it when last known.
    Broken(u64),
}

impl Recording {
    fn takes_records(self) -> bool {
        matches!(self, Recording::Records(_))
    }

    /// A record was entered with this sequence number, or could not be.
    fn learn(&mut self, sequence: Option<u64>) {
        let known = match *self {
            Recording::Unknown => 0,
            Recording::Records(known) | Recording::Broken(known) => known,
        };
        *self = match sequence {
            None => Recording::Broken(known),
            Some(sequence) => Recording::Records(known.max(sequence.saturating_add(1))),
        };
    }
}

/// Who tells at a start what each archive is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    Record,
    /// The archive's own ledger where it has come up, else the audit record: this could be read, but takes no
    /// records, so what happened last may not be in it.
    LedgerFirst,
    /// The archive's own ledger: the audit record could not be read.
    Ledger,
}

/// The orchestrator's logic.
pub struct Orchestrator {
    archives: Vec<Archive>,
    lifecycles: Vec<Lifecycle>,
    cross_checks: Vec<CrossCheck>,
    on_mismatch: Vec<OnMismatch>,
    audits: Audits,
    flags: Flags,
    records: Records,
    history: History,
    link: AuditorLink,
    recording: Recording,
    /// Whether the archives' states were read back from the audit record, or cannot be.
    restored: bool,
    /// How far the audit record tells what each archive is to be.
    told_by: ToldBy,
    auditor_lost: bool,
    vault: VaultClient<usize>,
    vault_reader: PageReader<VaultPage>,
    vault_report: Box<VaultReport>,
    vault_watch: Watch,
    /// Something is due while the disk has anything to do.
    disk_watch: Watch,
    noted: Vec<Noted>,
    audit_ledger_blocks: u64,
    clock: Channel,
    time_page: PageReader<Time>,
    time: Time,
    clock_watch: ClockWatch,
    /// What the CPU's counter showed when this event came. Signs of life are judged by it.
    now_ms: u64,
    /// When the next signs of life are to be asked for, by the same counter.
    beat_due_ms: u64,
    /// Bits of [`degraded`].
    degraded: u8,
    /// Whether every archive has come up or failed to, or had its time.
    settled: bool,
    /// The tag of the operator's last command.
    tag: u32,
    /// The operator's last question for the findings of a volume: its tag, and the volume.
    findings_asked: Option<(u32, usize)>,
    traces: Traces,
    console: ConsoleLink,
    status_page: StatusPageWriter,
}

impl Orchestrator {
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Self, SetupError> {
        if manifest.role() != Role::Orchestrator {
            return Err(SetupError::Role(manifest.role()));
        }
        let archives = manifest.header().archives;
        let volumes = manifest.volumes();
        if volumes.len() != usize::from(archives) + 1 {
            return Err(SetupError::Volumes);
        }
        let audit_layout = volumes.last().and_then(|audit| audit.layout()).ok_or(SetupError::Volumes)?;
        let vault_reader = page_reader(manifest, mapped, Role::Vault, 0)?;
        let time_page = page_reader(manifest, mapped, Role::Clock, 0)?;
        let status_page = StatusPageWriter::new(manifest, mapped)?;
        let archives =
            (0..archives).map(|index| Archive::new(manifest, mapped, index)).collect::<Result<Vec<_>, _>>()?;
        let policy = |volume: &totebox_manifest::Volume| match volume.on_mismatch {
            n if n == OnMismatch::Suspend as u8 => OnMismatch::Suspend,
            _ => OnMismatch::Flag,
        };
        Ok(Orchestrator {
            lifecycles: vec![Lifecycle::default(); archives.len()],
            cross_checks: vec![CrossCheck::default(); archives.len()],
            on_mismatch: volumes.iter().map(policy).collect(),
            audits: Audits::new(manifest),
            flags: Flags::new(archives.len() as u8),
            records: Records::new(),
            history: History::new(),
            link: AuditorLink::new(manifest, mapped)?,
            recording: Recording::Unknown,
            restored: false,
            told_by: ToldBy::Record,
            auditor_lost: false,
            vault: VaultClient::new(manifest, mapped)?,
            vault_reader,
            vault_report: Box::new(VaultReport::nothing(volumes.len())),
            vault_watch: Watch::default(),
            disk_watch: Watch::default(),
            noted: vec![Noted::default(); volumes.len()],
            audit_ledger_blocks: audit_layout.space.blocks,
            clock: page_channel(manifest, Role::Clock, 0)?,
            time_page,
            time: Time::new_zeroed(),
            clock_watch: ClockWatch::default(),
            now_ms: 0,
            beat_due_ms: 0,
            degraded: 0,
            settled: false,
            tag: 0,
            findings_asked: None,
            traces: Traces::new(manifest, mapped)?,
            console: ConsoleLink::new(manifest, mapped)?,
            status_page,
            archives,
        })
    }

    fn read_time(&mut self) {
        let mut time = Time::new_zeroed();
        // The time since the start never goes back; a page where it does is as good as none.
        let sensible = self.time_page.read(&mut time) && time.uptime_ms.get() >= self.time.uptime_ms.get();
        if sensible {
            self.clock_watch.ticked(time.ticks.get(), self.now_ms);
            self.flag_clock(self.time.wall_ms.get(), time.wall_ms.get());
            self.time = time;
        } else {
            self.clock_watch.nothing(self.now_ms);
        }
    }

    /// The wall clock's time of the last record before this start, to compare with the clock's first word.
    fn continue_from(&mut self, last_ms: u64) {
        match self.time.wall_ms.get() {
            0 => self.time.wall_ms = last_ms.into(),
            now_ms => self.flag_clock(last_ms, now_ms),
        }
    }

    /// Something has happened, perhaps after a long time in which nothing did, or in which this domain did not run:
    /// looks first at what has come meanwhile, before anybody is called silent.
    fn wake(&mut self, kernel: &mut dyn Kernel) {
        self.now_ms = kernel.counter_ms();
        self.traces.wake(self.now_ms);
        if self.clock_watch.overdue_ms(self.now_ms) > 2 * BEAT_MS {
            // Nothing has woken the console either.
            self.console.excuse();
        }
        self.read_time();
        self.read_vault();
    }

    /// Asks everybody for a sign of life, if it is time: with a tick, or with whatever happens if there are none.
    /// That an archive is asked also lets it go on with its own scrub.
    fn beat(&mut self, kernel: &mut dyn Kernel, ticked: bool) {
        let stands = self.clock_watch.overdue_ms(self.now_ms) > 2 * BEAT_MS;
        if self.now_ms < self.beat_due_ms || !(ticked || stands) {
            return;
        }
        self.beat_due_ms = self.now_ms.saturating_add(BEAT_MS);
        for archive in 0..self.archives.len() {
            if self.archives[archive].beat(kernel) {
                self.raise(flag(archive, About::Hung));
            }
        }
        self.link.beat(self.due_of_the_auditor(), self.now_ms);
        self.records.beat();
        self.vault_watch.expect(self.now_ms);
        kernel.notify(self.vault.channel());
    }

    /// What the auditor is to report next; nothing as long as it cannot.
    fn due_of_the_auditor(&self) -> Option<Due> {
        if self.degraded & degraded::UNWRITABLE != 0 {
            return None;
        }
        if !self.restored {
            return Some(Due::Restoration);
        }
        let entry = self.records.oldest_sent().map(Due::Entry);
        entry.or_else(|| self.history.under_way().map(Due::History))
    }

    fn look(&mut self, kernel: &mut dyn Kernel, archive: usize) {
        if !self.archives[archive].look(kernel) {
            self.raise(flag(archive, About::Protocol));
        }
        self.weigh_own_check(archive);
    }

    /// Takes in what the vault's page says, if that makes sense.
    fn read_vault(&mut self) {
        let mut page = VaultPage::new_zeroed();
        let report = if self.vault_reader.read(&mut page) { page.decode(self.noted.len()) } else { None };
        let Some(report) = report.filter(|report| *report != *self.vault_report) else { return };
        let before = core::mem::replace(&mut *self.vault_report, report);
        let report = &self.vault_report;
        if report.heartbeat != before.heartbeat {
            self.vault_watch.lives();
        }
        if report.in_flight == 0 || report.completed != before.completed {
            self.disk_watch.lives();
        }
        if report.in_flight > 0 {
            self.disk_watch.expect(self.now_ms);
        }
        if report.volumes != before.volumes {
            self.flag_volumes();
        }
    }

    fn hear(&mut self, kernel: &mut dyn Kernel) {
        let heard = (0..self.link.waiting()).try_for_each(|_| {
            let heard = self.link.hear()?;
            self.take(kernel, heard)
        });
        self.link.look(self.now_ms, self.degraded & degraded::UNWRITABLE != 0);
        let silent = self.link.is_lost(self.now_ms);
        if heard.is_err() || silent {
            self.link.cut_off();
        }
        if self.link.is_broken() && !core::mem::replace(&mut self.auditor_lost, true) {
            self.lose_auditor(kernel, if silent { Loss::Silent } else { Loss::Fails });
        }
    }

    fn take(&mut self, kernel: &mut dyn Kernel, reported: Reported) -> Result<(), PeerError> {
        match reported {
            Reported::Volume(volume, past) if !self.restored => self.remember(volume, past),
            Reported::Flag(flag) if !self.restored => self.flags.insert(flag),
            Reported::Opened { records, last_flag, flags_hidden, last_ms, audit_record, kept_out }
                if !self.restored =>
            {
                self.recording = Recording::Records(records);
                self.flags.go_on_from(last_flag, flags_hidden);
                if !kept_out {
                    self.learn(audit_record);
                }
                self.continue_from(last_ms);
                self.told_by = match records {
                    // An audit record without a record in it was not read.
                    0 => ToldBy::Ledger,
                    _ if self.recording.takes_records() => ToldBy::Record,
                    _ => ToldBy::LedgerFirst,
                };
                self.restore();
            }
            Reported::Volume(..) | Reported::Flag(_) | Reported::Opened { .. } => return Err(PeerError),
            Reported::Verified { volume, tag, result, kept_out, found, .. } => {
                let (volume, now_ms) = (usize::from(volume), self.time.wall_ms.get());
                let job = self.audits.verified(volume, tag, &result, found.more, now_ms)?;
                self.flag_findings(volume, &result, &found, &job);
                if result.verdict != Verdict::NotVerified && !kept_out {
                    self.learn(result.audit_record);
                }
            }
            Reported::Entered { tag, outcome } => {
                let now_ms = self.time.uptime_ms.get();
                let ended = self.records.entered(tag, outcome, now_ms)?;
                self.recorded(kernel, &ended);
                while let Some(ended) = self.records.refused(&mut self.flags, now_ms) {
                    self.recorded(kernel, &ended);
                }
            }
            Reported::Event { tag, event } => self.history.event(tag, event)?,
            Reported::Complete { tag, records, .. } => self.history.complete(tag, records)?,
            // Only what this domain never asks for is not served.
            Reported::NotServed(..) => return Err(PeerError),
        }
        Ok(())
    }

    /// What the audit record says of a volume.
    fn remember(&mut self, volume: u8, past: VolumePast) {
        if let Some(lifecycle) = self.lifecycles.get_mut(usize::from(volume)) {
            (lifecycle.standing, lifecycle.before) = (past.standing, past.before);
        }
        if let Some(last) = past.last {
            self.audits.restore(volume, last);
        }
    }

    /// Whether the audit record takes records: something was entered with this sequence number, or could not be.
    fn learn(&mut self, sequence: Option<u64>) {
        self.recording.learn(sequence);
        if self.recording.takes_records() {
            self.records.takes_again();
            self.tell_left_out();
        } else {
            self.raise_unrecorded();
        }
    }

    /// Something was entered into the audit record, or cannot be: only now it is shown, or done. What was kept
    /// has been shown and done; now the record tells of it, too.
    fn recorded(&mut self, kernel: &mut dyn Kernel, ended: &Ended) {
        let sequence = ended.sequence;
        match ended.subject {
            Subject::Flag(flag) if ended.kept => {
                self.flags.change(flag.id, |flag| flag.audit_record = sequence);
            }
            Subject::Flag(flag) => self.flags.insert(Flag { audit_record: sequence, ..flag }),
            Subject::Acknowledgement(id, tag) => {
                let state = if sequence.is_some() { Acknowledged::Yes } else { Acknowledged::Unrecorded };
                self.flags.change(id, |flag| (flag.acknowledged, flag.tag) = (state, tag));
            }
            Subject::Transition(archive) if !ended.kept => {
                self.transition_recorded(kernel, archive, sequence.is_some());
            }
            Subject::Transition(_) | Subject::Fault => {}
        }
        self.learn(sequence);
    }

    /// The auditor was cut off: nothing is verified or recorded any more.
    fn lose_auditor(&mut self, kernel: &mut dyn Kernel, loss: Loss) {
        self.degraded |= degraded::AUDITOR;
        self.flag_degraded(Role::Auditor, loss);
        self.learn(None);
        if !self.restored {
            self.told_by = ToldBy::Ledger;
        }
        self.restore();
        self.audits.lose(self.time.wall_ms.get());
        self.history.lose();
        self.lose_records(kernel);
    }

    /// What waits to be recorded cannot be.
    fn lose_records(&mut self, kernel: &mut dyn Kernel) {
        while let Some(ended) = self.records.lost(&mut self.flags) {
            self.recorded(kernel, &ended);
        }
    }

    /// Notices domains that do not work.
    fn watch(&mut self) {
        let now_ms = self.now_ms;
        let before = self.degraded;
        let was = |bit| before & bit != 0;
        let vault_fails = self.vault.is_broken();
        let vault_silent =
            if vault_fails { was(degraded::VAULT_SILENT) } else { self.vault_watch.is_silent(now_ms) };
        // Of the disk only the vault tells: while that says nothing, nothing new is known.
        let disk_silent = if self.vault_watch.overdue_ms(now_ms) > 2 * BEAT_MS {
            if !was(degraded::DISK) {
                self.disk_watch.lives();
            }
            was(degraded::DISK)
        } else {
            self.disk_watch.is_silent(now_ms)
        };
        for (bit, role, loss, fails) in [
            (degraded::VAULT, Role::Vault, Loss::Fails, vault_fails),
            (degraded::VAULT_SILENT, Role::Vault, Loss::Silent, vault_silent),
            (degraded::DISK, Role::Vault, Loss::Device, disk_silent),
            (degraded::AUDITOR, Role::Auditor, Loss::Silent, self.link.is_silent(now_ms)),
            (degraded::CLOCK, Role::Clock, Loss::Fails, self.clock_watch.is_silent(now_ms)),
            (degraded::CONSOLE, Role::Console, Loss::Silent, self.console.is_lost(now_ms)),
        ] {
            if fails && self.degraded & bit == 0 {
                self.flag_degraded(role, loss);
            }
            self.degraded = if fails { self.degraded | bit } else { self.degraded & !bit };
        }
        match self.degraded & degraded::UNRECORDABLE {
            0 if before & degraded::UNRECORDABLE != 0 => self.records.takes_again(),
            // Which ids are given is not known before the record was read.
            _ if !self.restored => {}
            0 => {}
            _ => self.show_unrecorded(),
        }
    }

    /// Shows the flags that wait to be recorded, because for now they cannot be. They are entered later.
    fn show_unrecorded(&mut self) {
        while let Some(flag) = self.records.show_flag(&mut self.flags, self.time.uptime_ms.get()) {
            self.flags.insert(flag);
        }
    }

    fn work(&mut self, kernel: &mut dyn Kernel) {
        self.read_vault();
        self.take_orders();
        self.hear(kernel);
        self.take_seals(kernel);
        self.advance_transitions(kernel);
        self.watch();
        if self.link.is_broken() {
            self.lose_records(kernel);
        } else if self.restored {
            self.audits.send(&mut self.link);
            self.records.send(&mut self.link, &mut self.flags, self.time.uptime_ms.get());
        }
        self.link.notify(kernel);
        self.vault.notify(kernel);
        self.show(kernel);
    }

    /// Publishes what there is to see, and wakes the console if it is anything but the time.
    fn show(&mut self, kernel: &mut dyn Kernel) {
        let up = |archive: usize| match self.archives[archive].state() {
            ArchiveState::Starting => false,
            // As long as it is brought to what it is to be, no order for it is taken.
            ArchiveState::Active | ArchiveState::Suspended | ArchiveState::Archived => {
                self.lifecycles[archive].moving.is_none_or(|moving| moving.cause != Cause::Restart)
            }
            _ => true,
        };
        let all_up = self.restored && self.records.is_empty() && (0..self.archives.len()).all(up);
        self.settled |= all_up || self.time.uptime_ms.get() >= SETTLED_AFTER_MS;
        let known = Known {
            archives: &self.archives,
            lifecycles: &self.lifecycles,
            audits: &self.audits,
            recording: self.recording,
            flags: &self.flags,
            records: &self.records,
            history: &self.history,
            findings_asked: self.findings_asked,
            traces: &self.traces,
            vault: &self.vault_report,
            time: &self.time,
            settled: self.settled,
            restored: self.restored,
            degraded: self.degraded,
        };
        let changed = self.status_page.publish(&known);
        self.console.send_answers();
        self.console.notify(kernel, changed);
    }
}

impl Domain for Orchestrator {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.wake(kernel);
        self.traces.note(Event::Started);
        self.work(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        self.wake(kernel);
        let ticked = from.contains(self.clock);
        self.beat(kernel, ticked);
        if ticked {
            self.audits.tick(self.time.uptime_ms.get());
        }
        for archive in 0..self.archives.len() {
            if ticked || from.contains(self.archives[archive].channel()) {
                self.look(kernel, archive);
            }
        }
        self.work(kernel);
    }

    fn fault(&mut self, kernel: &mut dyn Kernel, child: Child, fault: Fault) {
        self.wake(kernel);
        if let Some(archive) = self.archives.iter().position(|archive| archive.child() == child) {
            self.archives[archive].faulted(kernel, fault);
            self.traces.note(Event::Faulted { archive: archive as u8 });
            self.records.fault(archive, fault);
            self.raise(flag(archive, About::Fault(fault)));
        }
        self.work(kernel);
    }
}
