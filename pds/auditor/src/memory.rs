//! What the audit record says, read back from it at start: how far each volume is verified, what each
//! archive is to be, and the flags. It comes from a disk: a payload that cannot be read tells nothing.

use alloc::vec::Vec;

use ledger_fmt::layout::Area;
use ledger_fmt::record::{Head, Kind, Record};
use ledger_fmt::stamp::Frontier;
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{FindingKind, Point};
use totebox_domain::FaultKind;
use totebox_manifest::{NO_CHANNEL, VOLUMES_MAX, Volume, name_str};
use totebox_protocol::audit::{
    Entry, Event, FoundRange, NO_RANGES, NO_RECORD, Op, RangeRows, Remembered, Report, Verdict,
    are_beyond_the_first,
};
use totebox_protocol::flag::{Acknowledged, FlagKind, FlagRow, NO_VOLUME};
use totebox_protocol::flags::Flags;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::Cause;
use zerocopy::FromZeros;

use super::json::{self, Object};
use super::payload::{Progress, what_number};

/// What is known of one volume.
#[derive(Clone, Debug)]
pub struct OfVolume {
    /// How far it is verified.
    pub progress: Progress,
    /// Incremental verifications since the last full one.
    pub since_full: u32,
    standing: Standing,
    /// What it was before that.
    before: Standing,
    /// The last result and its time.
    last: Option<(Report, u64)>,
    /// The findings of that beyond the first ones.
    more: RangeRows,
}

/// What is known of all.
pub struct Memory {
    names: Vec<[u8; ledger_fmt::layout::NAME_LEN_MAX]>,
    volumes: Vec<OfVolume>,
    flags: Flags,
    /// The time of the last record read.
    last_ms: u64,
    /// Messages for the orchestrator that have left: first one a volume, then one a flag.
    told: usize,
}

/// What the orchestrator is told of the time before.
#[expect(clippy::large_enum_variant, reason = "one at a time; a box would take an allocation a message")]
pub enum Recollection {
    /// Of a volume: the report, with what it says of the last verification.
    Volume(Report, Remembered),
    /// A flag.
    Flag(Report, FlagRow),
}

const _: () = assert!(VOLUMES_MAX < NO_VOLUME as usize && NO_VOLUME == NO_CHANNEL);

impl Memory {
    /// Nothing is known of these volumes yet.
    pub fn new(volumes: &[Volume]) -> Memory {
        let nothing = OfVolume {
            progress: Progress::NONE,
            since_full: 0,
            standing: Standing::Active,
            before: Standing::Active,
            last: None,
            more: NO_RANGES,
        };
        Memory {
            names: volumes.iter().map(|volume| volume.superblock.name).collect(),
            volumes: volumes.iter().map(|_| nothing.clone()).collect(),
            flags: Flags::new(volumes.len().saturating_sub(1) as u8),
            last_ms: 0,
            told: 0,
        }
    }

    /// What is known of a volume.
    pub fn volume(&mut self, volume: usize) -> &mut OfVolume {
        &mut self.volumes[volume]
    }

    /// A volume's name.
    pub fn name(&self, volume: u8) -> Option<&str> {
        self.names.get(usize::from(volume)).map(name_str)
    }

    /// The time of the last record read at start, in milliseconds since 1970-01-01 UTC.
    pub fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// The highest id a flag has.
    pub fn last_flag(&self) -> u32 {
        self.flags.last_id()
    }

    /// Unacknowledged flags the orchestrator is not told of, because there are too many.
    pub fn flags_hidden(&self) -> u32 {
        self.flags.hidden()
    }

    /// A verification has ended.
    pub fn verified(&mut self, volume: usize, op: Op, progress: Progress) {
        let known = &mut self.volumes[volume];
        known.progress = progress;
        known.since_full = if op == Op::VerifyFull { 0 } else { known.since_full.saturating_add(1) };
    }

    /// Takes in a record of the audit ledger, at start.
    pub fn take(&mut self, record: &Record<'_>) {
        let event = self.event(record);
        let entry = &event.entry;
        self.last_ms = event.time_ms.get();
        let volume = usize::from(entry.volume);
        match Kind::from_u16(entry.kind.into()) {
            Some(Kind::AuditResult) if volume < self.volumes.len() => {
                let op =
                    if entry.from == Op::VerifyIncremental as u8 { Op::VerifyIncremental } else { Op::VerifyFull };
                self.verified(volume, op, progress(record.payload).unwrap_or(Progress::NONE));
                let (report, last) = (result(&event), &mut self.volumes[volume].last);
                if !last.is_some_and(|(before, _)| report.leaves(&before)) {
                    *last = Some((report, event.time_ms.get()));
                    self.volumes[volume].more = more(record.payload, entry.findings.get());
                }
            }
            Some(Kind::Lifecycle) if volume < self.volumes.len() => {
                if let (Some(before), Some(standing)) =
                    (Standing::from_wire(entry.from), Standing::from_wire(entry.what))
                {
                    (self.volumes[volume].before, self.volumes[volume].standing) = (before, standing);
                }
            }
            Some(Kind::Flag) if entry.flag != 0 => self.flags.insert(flag(&event)),
            Some(Kind::Acknowledgement) => {
                // The flag itself may not have been recorded; its id is given all the same.
                self.flags.go_on_from(entry.flag.get(), 0);
                self.flags.change(entry.flag.get(), |row| row.acknowledged = Acknowledged::Yes as u8);
            }
            _ => {}
        }
    }

    /// A record as the orchestrator gets it.
    pub fn event(&self, record: &Record<'_>) -> Event {
        let mut entry = Entry::new_zeroed();
        (entry.volume, entry.record) = (NO_VOLUME, NO_RECORD.into());
        let text = core::str::from_utf8(record.payload).ok();
        let read = text.and_then(Object::new).and_then(|object| self.entry(record.kind, &object));
        let mut entry = read.unwrap_or(entry);
        entry.kind = record.kind as u8;
        Event { sequence: record.header.sequence, time_ms: record.header.time_ms, entry }
    }

    fn entry(&self, kind: Kind, object: &Object<'_>) -> Option<Entry> {
        let mut entry = Entry::new_zeroed();
        let number = |key| object.number(key).unwrap_or(0);
        let name = object.text("archive");
        let volume = self.names.iter().position(|known| Some(name_str(known)) == name);
        entry.volume = volume.map_or(NO_VOLUME, |volume| volume as u8);
        entry.flag = u32::try_from(number("flag")).ok()?.into();
        (entry.block, entry.detail) = (number("block").into(), number("detail").into());
        entry.record = object.number("record").unwrap_or(NO_RECORD).into();
        entry.area = area(object).unwrap_or(Area::Volume) as u8;
        match kind {
            Kind::AuditResult => {
                entry.what = verdict(object.text("verdict")?)? as u8;
                let incremental = object.text("audit") == Some("incremental");
                entry.from = if incremental { Op::VerifyIncremental } else { Op::VerifyFull } as u8;
                let finding = object.text("finding");
                entry.cause = finding.and_then(finding_kind).map_or(0, |kind| kind as u8);
                entry.findings = u32::try_from(number("findings")).unwrap_or(u32::MAX).into();
                (entry.records, entry.bytes) = (number("to").into(), number("bytes").into());
                entry.duration_ms = number("duration_ms").into();
            }
            Kind::Flag | Kind::Acknowledgement => {
                let kind = FlagKind::from_name(object.text("kind")?)?;
                entry.what = kind as u8;
                entry.from = object.text("what").and_then(|name| what_number(kind, name)).unwrap_or(0);
                if !kind.is_about_a_place() {
                    entry.area = 0;
                }
                if let Some(reason) = object.text("reason") {
                    entry.reason_len = json::unescape(reason, &mut entry.reason)? as u8;
                }
                entry.duration_ms = number("late_ms").into();
            }
            Kind::Lifecycle => {
                let standing = |key| Standing::from_name(object.text(key)?);
                (entry.from, entry.what) = (standing("from")?.state() as u8, standing("to")?.state() as u8);
                let cause = object.text("cause")?;
                let cause = (0..=u8::MAX).filter_map(Cause::from_wire).find(|known| known.name() == cause);
                entry.cause = cause? as u8;
                entry.duration_ms = number("late_ms").into();
            }
            Kind::Fault => {
                let fault = object.text("fault")?;
                let fault = (0..=u8::MAX).filter_map(FaultKind::from_wire).find(|known| known.name() == fault);
                (entry.what, entry.detail) = (fault? as u8, number("address").into());
                entry.duration_ms = number("late_ms").into();
            }
            _ => {}
        }
        Some(entry)
    }

    /// What the orchestrator is to be told next, and after that is [`Memory::has_told`].
    pub fn recollection(&self) -> Option<Recollection> {
        let mut report = Report::new_zeroed();
        if let Some(known) = self.volumes.get(self.told) {
            let mut remembered = Remembered::new_zeroed();
            (remembered.state, remembered.before) = (known.standing.state() as u8, known.before.state() as u8);
            remembered.since_full = known.since_full.into();
            (report.record, report.audit_record) = (NO_RECORD.into(), NO_RECORD.into());
            if let Some((last, time_ms)) = known.last {
                (remembered.verified, remembered.verified_ms) = (last.op, time_ms.into());
                remembered.more = known.more;
                report = last;
            }
            (report.op, report.volume) = (Op::RestoreVolume as u8, self.told as u8);
            return Some(Recollection::Volume(report, remembered));
        }
        let row = self.flags.rows().get(self.told - self.volumes.len())?;
        (report.op, report.verdict) = (Op::RestoreFlag as u8, Verdict::Event as u8);
        (report.record, report.audit_record) = (NO_RECORD.into(), NO_RECORD.into());
        Some(Recollection::Flag(report, *row))
    }

    /// The recollection has left.
    pub fn has_told(&mut self) {
        self.told += 1;
    }
}

/// A result as its report had it.
fn result(event: &Event) -> Report {
    let (mut report, entry) = (Report::new_zeroed(), &event.entry);
    (report.op, report.volume, report.verdict) = (entry.from, entry.volume, entry.what);
    (report.finding, report.area, report.findings) = (entry.cause, entry.area, entry.findings);
    (report.block, report.record, report.records) = (entry.block, entry.record, entry.records);
    (report.bytes, report.duration_ms) = (entry.bytes, entry.duration_ms);
    report.audit_record = event.sequence;
    report
}

/// A flag that was raised.
fn flag(event: &Event) -> FlagRow {
    let (mut row, entry) = (FlagRow::new_zeroed(), &event.entry);
    (row.id, row.kind, row.volume, row.what) = (entry.flag, entry.what, entry.volume, entry.from);
    (row.area, row.block, row.record, row.detail) = (entry.area, entry.block, entry.record, entry.detail);
    row.raised_ms = event.time_ms.get().saturating_sub(entry.duration_ms.get()).into();
    row.audit_record = event.sequence;
    row
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
/// has none, and so has one that says what cannot be.
fn more(payload: &[u8], findings: u32) -> RangeRows {
    let mut rows = NO_RANGES;
    let object = core::str::from_utf8(payload).ok().and_then(Object::new);
    let ranges = object.iter().flat_map(|object| object.list("more")).filter_map(|object| range(&object));
    rows.iter_mut().zip(ranges).for_each(|(row, range)| *row = range);
    if are_beyond_the_first(&rows, findings) { rows } else { NO_RANGES }
}

fn range(object: &Object<'_>) -> Option<FoundRange> {
    let (block, record) = (object.number("block")?, object.number("record").unwrap_or(NO_RECORD));
    Some(FoundRange {
        kind: finding_kind(object.text("finding")?)? as u8,
        area: area(object)? as u8,
        reserved: [0; 2],
        findings: u32::try_from(object.number("findings")?).ok()?.into(),
        block: block.into(),
        last_block: object.number("last_block").unwrap_or(block).into(),
        record: record.into(),
        last_record: object.number("last_record").unwrap_or(record).into(),
    })
}

fn area(object: &Object<'_>) -> Option<Area> {
    let name = object.text("area")?;
    Area::ALL.into_iter().find(|area| area.name() == name)
}

fn point(object: &Object<'_>) -> Option<Point> {
    let frontier = Frontier {
        runs: object.number("runs")?,
        ledger_next: object.number("ledger")?,
        assets_next: object.number("assets")?,
        last_stamp: object.hash("stamp")?,
        sealed: object.number("sealed")? == 1,
    };
    let head = Head { records: object.number("records")?, hash: object.hash("head")? };
    Some(Point { frontier, head, tree: None })
}

fn verdict(name: &str) -> Option<Verdict> {
    (0..=u8::MAX).filter_map(Verdict::from_wire).find(|verdict| verdict.name() == name)
}

fn finding_kind(name: &str) -> Option<FindingKind> {
    (0..=u8::MAX).filter_map(FindingKind::from_u8).find(|kind| kind.name() == name)
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
