//! What the audit record says, read back from it at start: how far each volume is verified, what each
//! archive is to be, and the flags. It comes from a disk: a payload that cannot be read tells nothing.

use alloc::vec::Vec;

use ledger_fmt::cbor::Map;
use ledger_fmt::record::{Kind, Record};
use totebox_manifest::{NO_CHANNEL, VOLUMES_MAX, Volume, name_str};
use totebox_protocol::audit::{
    AuditEvent, AuditResult, Entry, EntryRow, EventRow, LastResult, NO_RANGES, RangeRows, Reported, Scope,
    VolumePast,
};
use totebox_protocol::flag::{Acknowledged, Flag, Flags, NO_VOLUME};
use totebox_protocol::lifecycle::Standing;

use super::payload::{number, text};
use super::progress::Progress;
use super::{entry, result};

#[derive(Clone, Debug)]
pub struct OfVolume {
    pub progress: Progress,
    /// Incremental verifications since the last full one.
    pub since_full: u32,
    standing: Standing,
    before: Standing,
    last: Option<(AuditResult, u64)>,
    /// The findings of that beyond the first ones.
    more: RangeRows,
}

pub struct Replay {
    names: Vec<[u8; ledger_fmt::layout::NAME_LEN_MAX]>,
    volumes: Vec<OfVolume>,
    flags: Flags,
    last_ms: u64,
    /// Messages for the orchestrator that have left: first one a volume, then one a flag.
    told: usize,
}

const _: () = assert!(VOLUMES_MAX < NO_VOLUME as usize && NO_VOLUME == NO_CHANNEL);

impl Replay {
    /// Nothing is known of these volumes yet.
    pub fn new(volumes: &[Volume]) -> Replay {
        let nothing = OfVolume {
            progress: Progress::NONE,
            since_full: 0,
            standing: Standing::Active,
            before: Standing::Active,
            last: None,
            more: NO_RANGES,
        };
        Replay {
            names: volumes.iter().map(|volume| volume.superblock.name).collect(),
            volumes: volumes.iter().map(|_| nothing.clone()).collect(),
            flags: Flags::new(volumes.len().saturating_sub(1) as u8),
            last_ms: 0,
            told: 0,
        }
    }

    pub fn volume(&mut self, volume: usize) -> &mut OfVolume {
        &mut self.volumes[volume]
    }

    pub fn name(&self, volume: u8) -> Option<&str> {
        self.names.get(usize::from(volume)).map(name_str)
    }

    /// The time of the last record read at start, in milliseconds since 1970-01-01 UTC.
    pub fn last_ms(&self) -> u64 {
        self.last_ms
    }

    pub fn last_flag(&self) -> u32 {
        self.flags.last_id()
    }

    /// Unacknowledged flags the orchestrator is not told of, because there are too many.
    pub fn flags_hidden(&self) -> u32 {
        self.flags.hidden()
    }

    /// A verification has ended.
    pub fn verified(&mut self, volume: usize, scope: Scope, progress: Progress) {
        let known = &mut self.volumes[volume];
        known.progress = progress;
        known.since_full = if scope == Scope::Full { 0 } else { known.since_full.saturating_add(1) };
    }

    /// Takes in a record of the audit ledger, at start.
    pub fn take(&mut self, record: &Record<'_>) {
        let (sequence, time_ms) = (record.header.sequence.get(), record.header.time_ms.get());
        self.last_ms = time_ms;
        let Some(Entry { volume, late_ms, event }) = self.entry(record) else { return };
        let of_volume = volume.map(usize::from).filter(|&volume| volume < self.volumes.len());
        match (event, of_volume) {
            (AuditEvent::Result(result), Some(volume)) => {
                self.verified(volume, result.scope, result::progress(record.payload).unwrap_or(Progress::NONE));
                let known = &mut self.volumes[volume];
                if !known.last.is_some_and(|(before, _)| result.leaves(&before, false)) {
                    let result = AuditResult { audit_record: Some(sequence), ..result };
                    known.last = Some((result, time_ms));
                    known.more = result::more(record.payload, result.findings);
                }
            }
            (AuditEvent::Transition { from, to, .. }, Some(volume)) => {
                (self.volumes[volume].before, self.volumes[volume].standing) = (from, to);
            }
            (AuditEvent::Flag { id, about }, _) => {
                let (raised_ms, audit_record) = (time_ms.saturating_sub(late_ms), Some(sequence));
                self.flags.insert(Flag { id, raised_ms, audit_record, ..Flag::new(volume, about) });
            }
            (AuditEvent::Acknowledgement { flag, .. }, _) => {
                // The flag itself may not have been recorded; its id is given all the same.
                self.flags.go_on_from(flag, 0);
                self.flags.change(flag, |flag| flag.acknowledged = Acknowledged::Yes);
            }
            _ => {}
        }
    }

    pub fn event(&self, record: &Record<'_>) -> EventRow {
        let entry = self.entry(record);
        let entry = entry.as_ref().map_or_else(|| EntryRow::of_kind(record.kind), EntryRow::of);
        EventRow { sequence: record.header.sequence, time_ms: record.header.time_ms, entry }
    }

    /// What a record says; `None` if that cannot be read.
    fn entry(&self, record: &Record<'_>) -> Option<Entry> {
        let event = match record.kind {
            // Whose ledger it is, is in the superblock, too.
            Kind::Genesis => return Some(Entry::new(None, AuditEvent::Genesis)),
            _ => Map::read(record.payload)?,
        };
        let name = text(event, "archive");
        let volume = self.names.iter().position(|known| Some(name_str(known)) == name);
        let late_ms = number(event, "late_ms").unwrap_or(0);
        let volume = volume.map(|volume| volume as u8);
        Some(Entry { volume, late_ms, event: entry::read(record.kind, event)? })
    }

    /// What the orchestrator is to be told next, and after that is [`Replay::has_told`].
    pub fn recollection(&self) -> Option<Reported> {
        if let Some(known) = self.volumes.get(self.told) {
            let OfVolume { since_full, standing, before, .. } = *known;
            let last = known.last.map(|(result, ended_ms)| {
                let more = known.more;
                LastResult { result, ended_ms, since_full, more }
            });
            return Some(Reported::Volume(self.told as u8, VolumePast { standing, before, last }));
        }
        self.flags.rows().get(self.told - self.volumes.len()).map(|flag| Reported::Flag(*flag))
    }

    /// The recollection has left.
    pub fn has_told(&mut self) {
        self.told += 1;
    }
}
