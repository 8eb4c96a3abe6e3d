//! The page the operator sees, put together from what is known of every volume.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use totebox_domain::SetupError;
use totebox_ledger_writer::{content_room, documents_left, ledger_room};
use totebox_link::page_writer;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::audit::UNASKED;
use totebox_protocol::flag::Flags;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{
    ApplianceStatus, ArchiveState, Claim, StatusPage, Time, VaultReport, VolumeReport, VolumeStatus, degraded,
};
use totebox_protocol::vault::VolumeState;
use totebox_shm::{Mapped, PageWriter};
use zerocopy::FromZeros;

use super::Recording;
use super::audits::Audits;
use super::history::History;
use super::records::Records;
use super::registry::Archive;
use super::traces::Traces;
use super::transitions::Lifecycle;

pub struct Known<'a> {
    pub archives: &'a [Archive],
    pub lifecycles: &'a [Lifecycle],
    pub audits: &'a Audits,
    pub recording: Recording,
    pub flags: &'a Flags,
    pub records: &'a Records,
    /// What the operator asked of the audit record.
    pub history: &'a History,
    /// The operator's last question for the findings of a volume: its tag, and the volume.
    pub findings_asked: Option<(u32, usize)>,
    /// The traces, and the last one that was read.
    pub traces: &'a Traces,
    pub vault: &'a VaultReport,
    pub time: &'a Time,
    /// Whether every archive has come up or failed to, or had its time.
    pub settled: bool,
    /// Whether the archives' states were read back from the audit record, or cannot be.
    pub restored: bool,
    /// Bits of [`degraded`](totebox_protocol::page::degraded).
    pub degraded: u8,
}

impl Known<'_> {
    /// Whether nothing new of a volume is shown yet, because flags about it are to be recorded first and can be.
    fn waits_for_flags_about(&self, volume: Option<u8>) -> bool {
        self.degraded & degraded::UNRECORDABLE == 0 && self.records.has_flags_about(volume)
    }

    /// Events of this start that the audit record does not tell of.
    fn unrecorded(&self) -> u32 {
        self.records.unrecorded().saturating_add(self.audits.unrecorded())
    }
}

pub struct StatusPageWriter {
    writer: PageWriter<StatusPage>,
    page: Box<StatusPage>,
    status: ApplianceStatus,
    layouts: Vec<Layout>,
}

impl StatusPageWriter {
    /// The page for the console, nothing published yet.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<StatusPageWriter, SetupError> {
        let layouts = manifest.volumes().iter().map(|volume| volume.layout()).collect::<Option<Vec<_>>>();
        let layouts = layouts.ok_or(SetupError::Volumes)?;
        Ok(StatusPageWriter {
            writer: page_writer(manifest, mapped, Role::Console, 0)?,
            page: StatusPage::new_box_zeroed().map_err(|_| SetupError::Volumes)?,
            status: ApplianceStatus::nothing(layouts.len()),
            layouts,
        })
    }

    /// Publishes what is known now. Returns whether anything but the time is new.
    pub fn publish(&mut self, known: &Known) -> bool {
        let mut changed = self.show_volumes(known) | self.show_flags(known.flags);
        changed |= self.show_history(known.history);
        changed |= self.show_findings(known);
        changed |= self.show_trace(known.traces);
        let status = &mut self.status;
        let in_service = known.vault.volumes[..known.archives.len()].iter().any(is_in_service);
        changed |= replace(&mut status.in_service, in_service);
        let answers = known.degraded & degraded::UNWRITABLE == 0;
        let durable = known.vault.durable.filter(|_| in_service && answers);
        changed |= replace(&mut status.durable, durable);
        changed |= replace(&mut status.read_only, known.vault.read_only);
        changed |= replace(&mut status.settled, known.settled);
        changed |= replace(&mut status.restored, known.restored);
        changed |= replace(&mut status.unrecorded, known.unrecorded());
        if !known.waits_for_flags_about(None) {
            changed |= replace(&mut status.degraded, known.degraded);
        }
        let time_changed = replace(&mut status.uptime_ms, known.time.uptime_ms.get())
            | replace(&mut status.wall_ms, known.time.wall_ms.get());
        if changed || time_changed {
            status.encode(&mut self.page);
            self.writer.publish(&self.page);
        }
        changed
    }

    fn show_volumes(&mut self, known: &Known) -> bool {
        let mut changed = false;
        for (volume, (layout, of_vault)) in self.layouts.iter().zip(&known.vault.volumes).enumerate() {
            if known.waits_for_flags_about(Some(volume as u8)) {
                continue;
            }
            let audits = known.audits.volume(volume);
            let mut status = VolumeStatus {
                volume_state: of_vault.state,
                refused: of_vault.refused,
                verifying: audits.is_busy(),
                audited: audits.last,
                verify_tag: Some(audits.answered).filter(|&tag| tag != UNASKED),
                audit_due_ms: audits.due_ms,
                flags: known.flags.open(|flag| flag.volume == Some(volume as u8)),
                ..VolumeStatus::default()
            };
            match (known.archives.get(volume), known.lifecycles.get(volume)) {
                (Some(archive), Some(lifecycle)) => {
                    show_archive(&mut status, archive, layout, of_vault);
                    show_lifecycle(&mut status, lifecycle);
                }
                _ => show_audit_volume(&mut status, known.recording, layout, of_vault),
            }
            if !may_take(&status) {
                (status.free, status.left) = (0, 0);
            }
            let old = &mut self.status.volumes[volume];
            let same = status.state == old.state;
            status.since_ms = if same { old.since_ms } else { known.time.uptime_ms.get() };
            changed |= replace(old, status);
        }
        changed
    }

    fn show_flags(&mut self, flags: &Flags) -> bool {
        let changed = self.status.flags != flags.rows();
        if changed {
            self.status.flags.clear();
            self.status.flags.extend(flags.rows());
        }
        let open = flags.open(|_| true).saturating_add(flags.hidden());
        changed
            | replace(&mut self.status.flags_open, open)
            | replace(&mut self.status.flags_hidden, flags.hidden())
    }

    fn show_history(&mut self, history: &History) -> bool {
        let (tag, end, events) = history.last();
        if !replace(&mut self.status.history, tag) {
            return false;
        }
        self.status.events.clear();
        self.status.events.extend(events);
        self.status.history_end = Some(end).filter(|&end| end > 0);
        true
    }

    fn show_trace(&mut self, traces: &Traces) -> bool {
        let (tag, notes) = traces.last();
        if !replace(&mut self.status.trace, tag) {
            return false;
        }
        self.status.notes.clear();
        self.status.notes.extend(notes);
        true
    }

    /// Answers a question for the findings of a volume, once the flags for the first of them are shown.
    fn show_findings(&mut self, known: &Known) -> bool {
        let is_new = |&(tag, _): &(u32, usize)| self.status.findings != tag;
        let Some((tag, volume)) = known.findings_asked.filter(is_new) else { return false };
        if known.waits_for_flags_about(Some(volume as u8)) {
            return false;
        }
        let audits = known.audits.volume(volume);
        self.status.found = audits.last.map_or(0, |audited| audited.result.findings);
        (self.status.findings, self.status.more) = (tag, audits.more);
        true
    }
}

/// Sets `old` to `new`; whether that is a change.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let changed = *old != new;
    *old = new;
    changed
}

/// Whether a volume is in service, as far as it could be looked at.
fn is_in_service(of_vault: &VolumeReport) -> bool {
    of_vault.state.readable() || of_vault.state == VolumeState::Recovering
}

/// Whether anything can be put into it, now or when it has come up or is resumed.
fn may_take(status: &VolumeStatus) -> bool {
    use ArchiveState::{Active, Starting, Suspended};
    matches!(status.state, Active | Starting | Suspended)
        && matches!(status.volume_state, VolumeState::Ready | VolumeState::Recovering)
}

fn show_archive(status: &mut VolumeStatus, archive: &Archive, layout: &Layout, of_vault: &VolumeReport) {
    let Claim { records, documents, bytes, check, .. } = archive.claim();
    status.state = archive.state();
    (status.check, status.checked_ms, status.checked_records) = (check.result, check.ended_ms, check.records);
    (status.records, status.documents, status.bytes) = (records, documents, bytes);
    let &VolumeReport { ledger_next, assets_next, .. } = of_vault;
    status.left = documents_left(layout, ledger_next, assets_next);
    status.free = content_room(layout, ledger_next, assets_next) * BLOCK_SIZE as u64;
    status.fault = archive.fault();
}

fn show_lifecycle(status: &mut VolumeStatus, lifecycle: &Lifecycle) {
    (status.target, status.moving) = (lifecycle.standing, lifecycle.moving.is_some());
    let closed = lifecycle.standing == Standing::Archived && status.volume_state == VolumeState::Sealed;
    if closed && matches!(status.state, ArchiveState::Active | ArchiveState::Suspended) {
        // Whatever it says, and whether or not it had to be stopped: its volume is sealed.
        status.state = ArchiveState::Archived;
    }
    status.command = lifecycle.ended;
}

fn show_audit_volume(status: &mut VolumeStatus, recording: Recording, layout: &Layout, of_vault: &VolumeReport) {
    (status.state, status.records) = match recording {
        Recording::Unknown => (ArchiveState::Starting, 0),
        Recording::Records(records) => (ArchiveState::Active, records),
        Recording::Broken(records) if of_vault.state.readable() => (ArchiveState::Failed, records),
        Recording::Broken(records) => (ArchiveState::Unavailable, records),
    };
    status.left = ledger_room(layout, of_vault.ledger_next, 0);
    status.free = status.left * BLOCK_SIZE as u64;
}
