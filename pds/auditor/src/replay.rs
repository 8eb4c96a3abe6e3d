//! What the audit record says, read back from it at start: how far each volume is verified, what each
//! archive is to be, and the flags. It comes from a disk: a payload that cannot be read tells nothing.

use alloc::vec::Vec;

use ledger_fmt::batch_header::Frontier;
use ledger_fmt::layout::Area;
use ledger_fmt::record::{Head, Kind, Record};
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{Finding, FindingKind, Point};
use totebox_domain::FaultKind;
use totebox_manifest::{NO_CHANNEL, VOLUMES_MAX, Volume, name_str};
use totebox_protocol::audit::{
    AuditEvent, AuditResult, Entry, EntryRow, EventRow, FoundRange, LastResult, NO_RANGES, RangeRows, Reported,
    Scope, Verdict, VolumePast, are_beyond_the_first,
};
use totebox_protocol::flag::{About, Acknowledged, Flag, FlagKind, Flags, NO_VOLUME, Place};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::Cause;

use super::json::{self, Object};
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
            _ => Object::new(core::str::from_utf8(record.payload).ok()?)?,
        };
        let name = event.text("archive");
        let volume = self.names.iter().position(|known| Some(name_str(known)) == name);
        let late_ms = event.number("late_ms").unwrap_or(0);
        let volume = volume.map(|volume| volume as u8);
        Some(Entry { volume, late_ms, event: happened(record.kind, &event)? })
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
fn happened(kind: Kind, object: &Object<'_>) -> Option<AuditEvent> {
    let number = |key| object.number(key).unwrap_or(0);
    Some(match kind {
        Kind::Boot => AuditEvent::Boot,
        Kind::AuditResult => AuditEvent::Result(AuditResult {
            scope: if object.text("audit") == Some(Scope::Incremental.name()) {
                Scope::Incremental
            } else {
                Scope::Full
            },
            verdict: Verdict::from_name(object.text("verdict")?)?,
            first: object.text("finding").and_then(FindingKind::from_name).map(|kind| {
                let Place { area, block, record } = place(object);
                Finding { kind, area, block, record }
            }),
            findings: u32::try_from(number("findings")).unwrap_or(u32::MAX),
            records: number("to"),
            bytes: number("bytes"),
            duration_ms: number("duration_ms"),
            audit_record: None,
        }),
        Kind::Flag => {
            let kind = FlagKind::from_name(object.text("kind")?)?;
            let about = About::from_words(kind, object.text("what"), number("detail"), place(object))?;
            AuditEvent::Flag { id: u32::try_from(number("flag")).ok().filter(|&id| id != 0)?, about }
        }
        Kind::Acknowledgement => AuditEvent::Acknowledgement {
            flag: u32::try_from(number("flag")).ok()?,
            kind: FlagKind::from_name(object.text("kind")?)?,
            reason: json::unescape(object.text("reason")?)?,
        },
        Kind::Lifecycle => AuditEvent::Transition {
            from: Standing::from_name(object.text("from")?)?,
            to: Standing::from_name(object.text("to")?)?,
            cause: Cause::from_name(object.text("cause")?)?,
        },
        Kind::Fault => {
            AuditEvent::Fault { kind: FaultKind::from_name(object.text("fault")?)?, address: number("address") }
        }
        _ => return None,
    })
}

/// The place a payload names.
fn place(object: &Object<'_>) -> Place {
    let (block, record) = (object.number("block").unwrap_or(0), object.number("record"));
    Place { area: area(object).unwrap_or(Area::Volume), block, record }
}

/// How far a result says its volume is verified.
fn progress(payload: &[u8]) -> Option<Progress> {
    let object = Object::new(core::str::from_utf8(payload).ok()?)?;
    let mut progress = Progress::NONE;
    if let Some(seen) = object.object("seen") {
        progress.seen = point(&seen)?;
        let edge = seen.text("edge")?.as_bytes().chunks(64);
        let edge = edge.map(|digits| json::hash(core::str::from_utf8(digits).ok()?));
        let mut sound = true;
        let roots = edge.map_while(|root| {
            sound &= root.is_some();
            root
        });
        let tree = Edge::of(progress.seen.head.records, roots);
        progress.seen.tree = Some(tree.filter(|_| sound)?);
    }
    if let Some(sample) = object.object("sample") {
        progress.sample = point(&sample)?;
    }
    Some(progress)
}

/// The findings of a result with so many in all that are beyond the first ones. An entry of before they were recorded
/// has none, and so has one that says something impossible.
fn more(payload: &[u8], findings: u32) -> RangeRows {
    let mut rows = NO_RANGES;
    let object = core::str::from_utf8(payload).ok().and_then(Object::new);
    let ranges = object.iter().flat_map(|object| object.list("more")).filter_map(|object| range(&object));
    rows.iter_mut().zip(ranges).for_each(|(row, range)| *row = range);
    if are_beyond_the_first(&rows, findings) { rows } else { NO_RANGES }
}

fn range(object: &Object<'_>) -> Option<FoundRange> {
    let (kind, area) = (FindingKind::from_name(object.text("finding")?)?, area(object)?);
    let (block, record) = (object.number("block")?, object.number("record"));
    let findings = u32::try_from(object.number("findings")?).ok()?;
    let mut range =
        FoundRange { findings: findings.into(), ..FoundRange::of(&Finding { kind, area, block, record }) };
    if let Some(last_block) = object.number("last_block") {
        range.last_block = last_block.into();
    }
    if let Some(last_record) = object.number("last_record") {
        range.last_record = last_record.into();
    }
    Some(range)
}

fn area(object: &Object<'_>) -> Option<Area> {
    let name = object.text("area")?;
    Area::ALL.into_iter().find(|area| area.name() == name)
}

fn point(object: &Object<'_>) -> Option<Point> {
    let frontier = Frontier {
        batches: object.number("batches")?,
        ledger_next: object.number("ledger")?,
        assets_next: object.number("assets")?,
        last_header: object.hash("header")?,
        sealed: object.number("sealed")? == 1,
    };
    let head = Head { records: object.number("records")?, hash: object.hash("head")? };
    Some(Point { frontier, head, tree: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use totebox_protocol::audit::in_use;

    #[test]
    fn what_a_result_says_beyond_the_first_findings_is_believed_as_far_as_it_can_be() {
        let of = |list: &str, findings| {
            let payload = alloc::format!(r#"{{"archive":"x","findings":{findings}{list}}}"#);
            in_use(&more(payload.as_bytes(), findings)).len()
        };
        let range = r#"{"findings":3,"finding":"asset","area":"assets","block":4,"last_block":6}"#;
        assert_eq!(of("", 40), 0, "an entry of before they were recorded");
        assert_eq!(of(&alloc::format!(r#","more":[{range},{range}]"#), 14), 2);
        for (list, findings) in [
            (alloc::format!(r#"{range},{range}"#), 13),
            (range.replace("asset\"", "dragon\""), 40),
            (range.replace("assets", "attic"), 40),
            (range.replace('6', "3"), 40),
            (range.replace(r#""findings":3"#, r#""findings":0"#), 40),
            (range.replace(r#""findings":3"#, r#""findings":9999999999"#), 40),
            (range.replace('}', r#","last_record":3}"#), 40),
            (range.replace('4', "x"), 40),
        ] {
            assert_eq!(of(&alloc::format!(r#","more":[{list}]"#), findings), 0, "{list}");
        }
        let many = alloc::vec![r#"{"findings":1,"finding":"asset","area":"assets","block":4}"#; 1000].join(",");
        assert_eq!(
            of(&alloc::format!(r#","more":[{many}]"#), 2000),
            NO_RANGES.len(),
            "no more than there is room for"
        );
        assert_eq!(more(&[0xff, 0xfe], 40), NO_RANGES);
    }
}
