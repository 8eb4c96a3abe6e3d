//! The page the operator sees, put together from what is known of every volume.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use totebox_domain::SetupError;
use totebox_ledger_writer::ledger_room;
use totebox_link::page_writer;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::audit::{EventRow, NO_RECORD};
use totebox_protocol::flag::{FlagRow, Flags};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{ArchiveState, StatusPage, StatusRow, Time, VaultPage, VolumeRow, degraded};
use totebox_protocol::vault::VolumeState;
use totebox_shm::{Mapped, PageWriter};
use zerocopy::FromZeros;

use super::Recording;
use super::audits::{Audited, Audits};
use super::history::History;
use super::records::Records;
use super::registry::Archive;
use super::transitions::Lifecycle;

/// What the status page is made of.
pub struct Known<'a> {
    /// Every archive.
    pub archives: &'a [Archive],
    /// Their lifecycles.
    pub lifecycles: &'a [Lifecycle],
    /// Every volume's verifications.
    pub audits: &'a Audits,
    /// The state of the audit record.
    pub recording: Recording,
    /// The flags.
    pub flags: &'a Flags,
    /// What waits to be recorded.
    pub records: &'a Records,
    /// What the operator asked of the audit record.
    pub history: &'a History,
    /// The operator's last question for the findings of a volume: its tag, and the volume.
    pub findings_asked: Option<(u32, usize)>,
    /// The vault's page as last believed.
    pub vault: &'a VaultPage,
    /// The time.
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

/// The published status page.
pub struct StatusPageWriter {
    page: PageWriter<StatusPage>,
    status_page: Box<StatusPage>,
    layouts: Vec<Layout>,
}

impl StatusPageWriter {
    /// The page for the console, nothing published yet.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<StatusPageWriter, SetupError> {
        let layouts = manifest.volumes().iter().map(|volume| volume.layout()).collect::<Option<_>>();
        Ok(StatusPageWriter {
            page: page_writer(manifest, mapped, Role::Console, 0)?,
            status_page: StatusPage::new_box_zeroed().map_err(|_| SetupError::Volumes)?,
            layouts: layouts.ok_or(SetupError::Volumes)?,
        })
    }

    /// Publishes what is known now. Returns whether anything but the time is new.
    pub fn publish(&mut self, known: &Known) -> bool {
        let mut changed = self.publish_rows(known) | self.publish_flags(known.flags);
        changed |= self.publish_history(known.history);
        changed |= self.publish_findings(known);
        let status_page = &mut self.status_page;
        let in_service = known.archives.iter().zip(&known.vault.volumes).any(|(_, volume)| is_in_service(volume));
        changed |= replace(&mut status_page.in_service, u8::from(in_service));
        let durable = known.vault.durable == 1 && in_service && known.degraded & degraded::UNWRITABLE == 0;
        changed |= replace(&mut status_page.durable, u8::from(durable));
        changed |= replace(&mut status_page.read_only, flag(known.vault.read_only));
        changed |= replace(&mut status_page.settled, u8::from(known.settled));
        changed |= replace(&mut status_page.restored, u8::from(known.restored));
        changed |= replace(&mut status_page.unrecorded, known.unrecorded().into());
        if !known.waits_for_flags_about(None) {
            changed |= replace(&mut status_page.degraded, known.degraded);
        }
        let time_changed = replace(&mut status_page.uptime_ms, known.time.uptime_ms)
            | replace(&mut status_page.wall_ms, known.time.wall_ms);
        if changed || time_changed {
            self.page.publish(&self.status_page);
        }
        changed
    }

    fn publish_rows(&mut self, known: &Known) -> bool {
        let mut changed = false;
        for (volume, (layout, of_vault)) in self.layouts.iter().zip(&known.vault.volumes).enumerate() {
            if known.waits_for_flags_about(Some(volume as u8)) {
                continue;
            }
            let mut row = StatusRow::new_zeroed();
            volume_fields(&mut row, of_vault);
            match (known.archives.get(volume), known.lifecycles.get(volume)) {
                (Some(archive), Some(lifecycle)) => {
                    archive_fields(&mut row, archive, layout, of_vault);
                    lifecycle_fields(&mut row, lifecycle);
                }
                _ => audit_volume_fields(&mut row, known.recording, layout, of_vault),
            }
            if !may_take(&row) {
                (row.free, row.left) = (0.into(), 0.into());
            }
            audit_fields(&mut row, known.audits.volume(volume));
            row.flags = known.flags.open(|flag| flag.volume == Some(volume as u8)).into();
            let old = &mut self.status_page.rows[volume];
            row.since_ms = if row.state == old.state { old.since_ms } else { known.time.uptime_ms };
            changed |= replace(old, row);
        }
        changed
    }

    fn publish_flags(&mut self, flags: &Flags) -> bool {
        let mut rows = flags.rows().iter().map(FlagRow::of);
        let mut changed = false;
        for old in &mut self.status_page.flags {
            changed |= replace(old, rows.next().unwrap_or(FlagRow::new_zeroed()));
        }
        let open = flags.open(|_| true).saturating_add(flags.hidden());
        changed
            | replace(&mut self.status_page.flags_open, open.into())
            | replace(&mut self.status_page.flags_hidden, flags.hidden().into())
    }

    fn publish_history(&mut self, history: &History) -> bool {
        let (tag, end, rows) = history.last();
        if self.status_page.history_tag.get() == tag {
            return false;
        }
        for (number, event) in self.status_page.history.iter_mut().enumerate() {
            *event = rows.get(number).copied().unwrap_or(EventRow::new_zeroed());
        }
        (self.status_page.history_tag, self.status_page.history_len) = (tag.into(), (rows.len() as u32).into());
        self.status_page.history_end = end.into();
        true
    }

    /// Answers a question for the findings of a volume, once the flags for the first of them are shown.
    fn publish_findings(&mut self, known: &Known) -> bool {
        let is_new = |&(tag, _): &(u32, usize)| self.status_page.findings_tag.get() != tag;
        let Some((tag, volume)) = known.findings_asked.filter(is_new) else { return false };
        if known.waits_for_flags_about(Some(volume as u8)) {
            return false;
        }
        let audited = known.audits.volume(volume);
        self.status_page.findings = audited.last.map_or(0.into(), |(result, _)| result.findings.into());
        (self.status_page.findings_tag, self.status_page.more) = (tag.into(), audited.more);
        true
    }
}

/// Sets `old` to `new`; whether that is a change.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let changed = *old != new;
    *old = new;
    changed
}

/// A flag of a page: anything but 1 is no.
fn flag(value: u8) -> u8 {
    u8::from(value == 1)
}

/// Whether a volume is in service, as far as it could be looked at.
fn is_in_service(of_vault: &VolumeRow) -> bool {
    VolumeState::from_wire(of_vault.state)
        .is_some_and(|state| state.readable() || state == VolumeState::Recovering)
}

/// Whether anything can be put into it, now or when it has come up or is resumed.
fn may_take(row: &StatusRow) -> bool {
    use ArchiveState::{Active, Starting, Suspended};
    let state = ArchiveState::from_wire(row.state);
    let volume = VolumeState::from_wire(row.volume_state);
    matches!(state, Some(Active | Starting | Suspended))
        && matches!(volume, Some(VolumeState::Ready | VolumeState::Recovering))
}

fn volume_fields(row: &mut StatusRow, of_vault: &VolumeRow) {
    row.volume_state = of_vault.state;
    row.refused = of_vault.refused;
}

fn archive_fields(row: &mut StatusRow, archive: &Archive, layout: &Layout, of_vault: &VolumeRow) {
    let claim = archive.claim();
    row.state = archive.state() as u8;
    row.check = claim.check.result as u8;
    row.checked_ms = claim.check.ended_ms.into();
    row.checked_records = claim.check.records.into();
    row.records = claim.records.into();
    row.documents = claim.documents.into();
    row.bytes = claim.bytes.into();
    let ledger_room = ledger_room(layout, of_vault.ledger_next.get());
    let assets_room = layout.assets.blocks.saturating_sub(of_vault.assets_next.get());
    row.left = ledger_room.min(assets_room).into();
    row.free = if ledger_room > 0 { assets_room * BLOCK_SIZE as u64 } else { 0 }.into();
    if let Some(fault) = archive.fault() {
        row.fault = fault.kind as u8;
        row.fault_address = fault.address.into();
    }
}

fn lifecycle_fields(row: &mut StatusRow, lifecycle: &Lifecycle) {
    row.target = lifecycle.standing.state() as u8;
    row.moving = u8::from(lifecycle.moving.is_some());
    let closed = lifecycle.standing == Standing::Archived && row.volume_state == VolumeState::Sealed as u8;
    if closed && [ArchiveState::Active as u8, ArchiveState::Suspended as u8].contains(&row.state) {
        // Whatever it says, and whether or not it had to be stopped: its volume is sealed.
        row.state = ArchiveState::Archived as u8;
    }
    if let Some((tag, completion)) = lifecycle.ended {
        (row.command_tag, row.completion) = (tag.into(), completion as u8);
    }
}

fn audit_volume_fields(row: &mut StatusRow, recording: Recording, layout: &Layout, of_vault: &VolumeRow) {
    let readable = VolumeState::from_wire(of_vault.state).is_some_and(VolumeState::readable);
    let (state, records) = match recording {
        Recording::Unknown => (ArchiveState::Starting, 0),
        Recording::Records(records) => (ArchiveState::Active, records),
        Recording::Broken(records) if readable => (ArchiveState::Failed, records),
        Recording::Broken(records) => (ArchiveState::Unavailable, records),
    };
    row.state = state as u8;
    row.records = records.into();
    let room = ledger_room(layout, of_vault.ledger_next.get());
    row.left = room.into();
    row.free = (room * BLOCK_SIZE as u64).into();
}

fn audit_fields(row: &mut StatusRow, audited: &Audited) {
    row.verifying = u8::from(audited.is_busy());
    row.audit_due_ms = audited.due_ms.unwrap_or(u64::MAX).into();
    row.finding_record = NO_RECORD.into();
    row.verify_tag = audited.answered.into();
    if let Some((result, ended_ms)) = audited.last {
        row.set_result(&result, ended_ms);
    }
}
