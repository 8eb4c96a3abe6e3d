//! What the audit record says, read back from it at start: how far each volume is verified, what each
//! archive is to be, and the flags. It comes from a disk: a payload that cannot be read tells nothing.

use alloc::vec::Vec;

use ledger_fmt::batch_header::Frontier;
use ledger_fmt::cbor::{Map, Value};
use ledger_fmt::layout::Area;
use ledger_fmt::record::{Head, Kind, Record};
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{Finding, FindingKind, Point};
use totebox_domain::{Fault, FaultKind};
use totebox_manifest::{NO_CHANNEL, VOLUMES_MAX, Volume, name_str};
use totebox_protocol::audit::{
    AuditEvent, AuditResult, Entry, EntryRow, EventRow, FoundRange, LastResult, NO_RANGES, RangeRows, Reported,
    Scope, Verdict, VolumePast, are_beyond_the_first,
};
use totebox_protocol::flag::{About, Acknowledged, Arguments, Flag, FlagKind, Flags, NO_VOLUME, Place};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::Cause;

use super::progress::Progress;

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
                self.verified(volume, result.scope, progress(record.payload).unwrap_or(Progress::NONE));
                let known = &mut self.volumes[volume];
                if !known.last.is_some_and(|(before, _)| result.leaves(&before, false)) {
                    let result = AuditResult { audit_record: Some(sequence), ..result };
                    known.last = Some((result, time_ms));
                    known.more = more(record.payload, result.findings);
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
        Some(Entry { volume, late_ms, event: happened(record.kind, event)? })
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

/// What happened, according to the payload of a record of this kind.
fn happened(kind: Kind, map: Map<'_>) -> Option<AuditEvent> {
    let or_0 = |key| number(map, key).unwrap_or(0);
    Some(match kind {
        Kind::Boot => AuditEvent::Boot,
        Kind::AuditResult => AuditEvent::Result(AuditResult {
            scope: if text(map, "audit") == Some(Scope::Incremental.name()) {
                Scope::Incremental
            } else {
                Scope::Full
            },
            verdict: Verdict::from_name(text(map, "verdict")?)?,
            first: map.get("first").and_then(Value::map).and_then(finding),
            findings: u32::try_from(or_0("findings")).unwrap_or(u32::MAX),
            records: or_0("to"),
            bytes: or_0("bytes"),
            duration_ms: or_0("duration_ms"),
            audit_record: None,
        }),
        Kind::Flag => {
            let kind = FlagKind::from_name(text(map, "kind")?)?;
            let place = Place {
                area: area(map).unwrap_or(Area::Volume),
                block: or_0("block"),
                record: number(map, "record"),
            };
            let (detail, instruction, status) = (or_0("detail"), or_0("instruction"), or_0("status"));
            let arguments = Arguments { detail, instruction, status, ..Arguments::default() };
            let about = About::from_words(kind, text(map, "what"), arguments, place)?;
            AuditEvent::Flag { id: u32::try_from(or_0("flag")).ok().filter(|&id| id != 0)?, about }
        }
        Kind::Acknowledgement => AuditEvent::Acknowledgement {
            flag: u32::try_from(or_0("flag")).ok()?,
            kind: FlagKind::from_name(text(map, "kind")?)?,
            reason: text(map, "reason")?.try_into().ok()?,
        },
        Kind::Lifecycle => AuditEvent::Transition {
            from: Standing::from_name(text(map, "from")?)?,
            to: Standing::from_name(text(map, "to")?)?,
            cause: Cause::from_name(text(map, "cause")?)?,
        },
        Kind::Fault => AuditEvent::Fault(Fault {
            kind: FaultKind::from_name(text(map, "fault")?)?,
            address: or_0("address"),
            instruction: or_0("instruction"),
            status: or_0("status"),
        }),
        _ => return None,
    })
}

/// How far a result says its volume is verified.
fn progress(payload: &[u8]) -> Option<Progress> {
    let result = Map::read(payload)?;
    let mut progress = Progress::NONE;
    if let Some(seen) = result.get("seen") {
        let seen = seen.map()?;
        progress.seen = point(seen)?;
        let (edge, rest) = seen.get("edge")?.bytes()?.as_chunks();
        let tree = Edge::of(progress.seen.head.records, edge.iter().copied());
        progress.seen.tree = Some(tree.filter(|_| rest.is_empty())?);
    }
    if let Some(sample) = result.get("sample") {
        progress.sample = point(sample.map()?)?;
    }
    Some(progress)
}

/// The findings of a result with so many in all that are beyond the first ones; none if what it says is impossible.
fn more(payload: &[u8], findings: u32) -> RangeRows {
    let mut rows = NO_RANGES;
    let list = Map::read(payload).and_then(|map| map.get("more")?.list());
    let ranges = list.iter().flat_map(|list| list.iter()).filter_map(|value| range(value.map()?));
    rows.iter_mut().zip(ranges).for_each(|(row, range)| *row = range);
    if are_beyond_the_first(&rows, findings) { rows } else { NO_RANGES }
}

fn finding(map: Map<'_>) -> Option<Finding> {
    let (kind, area) = (FindingKind::from_name(text(map, "kind")?)?, area(map)?);
    Some(Finding { kind, area, block: number(map, "block")?, record: number(map, "record") })
}

fn range(map: Map<'_>) -> Option<FoundRange> {
    let findings = u32::try_from(number(map, "findings")?).ok()?;
    let mut range = FoundRange { findings: findings.into(), ..FoundRange::of(&finding(map)?) };
    if let Some(last_block) = number(map, "last_block") {
        range.last_block = last_block.into();
    }
    if let Some(last_record) = number(map, "last_record") {
        range.last_record = last_record.into();
    }
    Some(range)
}

fn area(map: Map<'_>) -> Option<Area> {
    let name = text(map, "area")?;
    Area::ALL.into_iter().find(|area| area.name() == name)
}

fn point(map: Map<'_>) -> Option<Point> {
    let hash = |key| map.get(key)?.bytes()?.try_into().ok();
    let frontier = Frontier {
        batches: number(map, "batches")?,
        ledger_next: number(map, "ledger")?,
        assets_next: number(map, "assets")?,
        last_header: hash("header")?,
        sealed: map.get("sealed") == Some(Value::Bool(true)),
    };
    let head = Head { records: number(map, "records")?, hash: hash("head")? };
    Some(Point { frontier, head, tree: None })
}

fn number(map: Map<'_>, key: &str) -> Option<u64> {
    map.get(key)?.uint()
}

fn text<'a>(map: Map<'a>, key: &str) -> Option<&'a str> {
    map.get(key)?.text()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use ledger_fmt::cbor::{self, MapWriter};
    use totebox_protocol::audit::in_use;

    use super::*;

    /// A range of findings and what is altered in it.
    #[derive(Clone)]
    struct Told {
        area: &'static str,
        kind: &'static str,
        block: Option<u64>,
        findings: u64,
        last_block: u64,
        last_record: Option<u64>,
    }

    const TOLD: Told =
        Told { area: "assets", kind: "asset", block: Some(4), findings: 3, last_block: 6, last_record: None };

    fn payload(list: &[Told]) -> Vec<u8> {
        let mut out = alloc::vec![0; 1 << 16];
        let range = |told: &Told, map: &mut MapWriter<'_, '_>| {
            map.text("area", told.area);
            map.text("kind", told.kind);
            match told.block {
                Some(block) => map.uint("block", block),
                None => map.text("block", "x"),
            }
            map.uint("findings", told.findings);
            map.uint("last_block", told.last_block);
            if let Some(last_record) = told.last_record {
                map.uint("last_record", last_record);
            }
        };
        let len = cbor::write(&mut out, |map| map.maps("more", list, range)).unwrap();
        out.truncate(len);
        out
    }

    #[test]
    fn what_a_result_says_beyond_the_first_findings_is_believed_as_far_as_it_can_be() {
        let of = |list: &[Told], findings| in_use(&more(&payload(list), findings)).len();
        assert_eq!(of(&[], 40), 0);
        assert_eq!(of(&[TOLD, TOLD], 14), 2);
        for (list, findings) in [
            (&[TOLD, TOLD][..], 13),
            (&[Told { kind: "dragon", ..TOLD }], 40),
            (&[Told { area: "attic", ..TOLD }], 40),
            (&[Told { last_block: 3, ..TOLD }], 40),
            (&[Told { findings: 0, ..TOLD }], 40),
            (&[Told { findings: 9_999_999_999, ..TOLD }], 40),
            (&[Told { last_record: Some(3), ..TOLD }], 40),
            (&[Told { block: None, ..TOLD }], 40),
        ] {
            assert_eq!(of(list, findings), 0);
        }
        let one = Told { findings: 1, last_block: 4, ..TOLD };
        assert_eq!(of(&alloc::vec![one; 1000], 2000), NO_RANGES.len(), "no more than there is room for");
        assert_eq!(more(&[0xff, 0xfe], 40), NO_RANGES);
    }
}
