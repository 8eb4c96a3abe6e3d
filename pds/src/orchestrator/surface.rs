//! The page the operator sees, put together from what is known of every volume.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use totebox_manifest::{Manifest, Region};
use totebox_shm::{Mapped, PageWriter};
use zerocopy::FromZeros;

use super::audits::{Audited, Audits, Recording};
use super::registry::Archive;
use crate::proto::audit::NO_RECORD;
use crate::proto::page::{ArchiveState, Surface, SurfaceRow, Time, VaultPage, VolumeRow};
use crate::proto::vault::VolumeState;

/// What the surface is made of.
pub struct Known<'a> {
    /// Every archive.
    pub archives: &'a [Archive],
    /// Every volume's verifications.
    pub audits: &'a Audits,
    /// The vault's page as last believed.
    pub vault: &'a VaultPage,
    /// The time.
    pub time: &'a Time,
    /// Whether every archive has come up or failed to, or had its time.
    pub settled: bool,
}

/// The published surface.
pub struct SurfacePage {
    page: PageWriter<Surface>,
    surface: Box<Surface>,
    layouts: Vec<Layout>,
}

impl SurfacePage {
    /// The surface in `region`; `None` if the region is missing or too small.
    pub fn new(manifest: &Manifest, mapped: Mapped, region: Region) -> Option<SurfacePage> {
        Some(SurfacePage {
            page: PageWriter::new(mapped, region)?,
            surface: Surface::new_box_zeroed().ok()?,
            layouts: manifest.volumes().iter().map(|volume| volume.layout()).collect::<Option<_>>()?,
        })
    }

    /// Publishes what is known now. Returns whether anything but the time is new.
    pub fn publish(&mut self, known: &Known) -> bool {
        let Known { archives, audits, vault, time, settled } = *known;
        let mut changed = false;
        for (volume, (layout, of_vault)) in self.layouts.iter().zip(&vault.volumes).enumerate() {
            let mut row = SurfaceRow::new_zeroed();
            volume_fields(&mut row, of_vault);
            match archives.get(volume) {
                Some(archive) => archive_fields(&mut row, archive, layout, of_vault),
                None => audit_volume_fields(&mut row, audits.recording(), layout, of_vault),
            }
            audit_fields(&mut row, audits.volume(volume));
            changed |= replace(&mut self.surface.rows[volume], row);
        }
        changed |= replace(&mut self.surface.durable, flag(vault.durable));
        changed |= replace(&mut self.surface.read_only, flag(vault.read_only));
        changed |= replace(&mut self.surface.settled, u8::from(settled));
        let time_changed = replace(&mut self.surface.uptime_ms, time.uptime_ms)
            | replace(&mut self.surface.wall_ms, time.wall_ms);
        if changed || time_changed {
            self.page.publish(&self.surface);
        }
        changed
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

fn free_bytes(blocks: u64, used: u64) -> u64 {
    blocks.saturating_sub(used) * BLOCK_SIZE as u64
}

fn volume_fields(row: &mut SurfaceRow, of_vault: &VolumeRow) {
    row.volume_state = of_vault.state;
    row.refused = of_vault.refused;
}

fn archive_fields(row: &mut SurfaceRow, archive: &Archive, layout: &Layout, of_vault: &VolumeRow) {
    let claim = archive.claim();
    row.state = archive.state() as u8;
    row.records = claim.records.into();
    row.documents = claim.documents.into();
    row.bytes = claim.bytes.into();
    row.free = free_bytes(layout.assets.blocks, of_vault.assets_next.get()).into();
    if let Some(fault) = archive.fault() {
        row.fault = fault.kind as u8;
        row.fault_address = fault.address.into();
    }
}

fn audit_volume_fields(row: &mut SurfaceRow, recording: Recording, layout: &Layout, of_vault: &VolumeRow) {
    let readable = VolumeState::from_wire(of_vault.state).is_some_and(VolumeState::readable);
    let (state, records) = match recording {
        Recording::Unknown => (ArchiveState::Starting, 0),
        Recording::Records(records) => (ArchiveState::Active, records),
        Recording::Broken(records) if readable => (ArchiveState::Failed, records),
        Recording::Broken(records) => (ArchiveState::Unavailable, records),
    };
    row.state = state as u8;
    row.records = records.into();
    row.free = free_bytes(layout.ledger.blocks, of_vault.ledger_next.get()).into();
}

fn audit_fields(row: &mut SurfaceRow, audited: &Audited) {
    row.verifying = u8::from(audited.under_way.is_some());
    row.finding_record = NO_RECORD.into();
    if let Some((report, ended_ms)) = audited.last {
        row.verdict = report.verdict;
        row.finding = report.finding;
        row.finding_area = report.area;
        row.finding_block = report.block;
        row.finding_record = report.record;
        row.findings = report.findings;
        row.verify_tag = report.tag;
        row.verified_records = report.records;
        row.verified_bytes = report.bytes;
        row.verified_ms = ended_ms.into();
        row.verify_duration_ms = report.duration_ms;
    }
}
