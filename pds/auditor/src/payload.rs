//! Writing the payloads of the audit record's own kinds, as `docs/audit-record.md` has them.

use heapless::Vec;
use ledger_fmt::cbor::{self, MapWriter};
use ledger_fmt::payload::PAYLOAD_MAX;
use ledger_fmt::record::Kind;
use ledger_fmt::verify::{Finding, Point};
use totebox_domain::Fault;
use totebox_manifest::Header;
use totebox_protocol::audit::{AuditEvent, AuditResult, Entry, FoundRange};
use totebox_protocol::flag::{About, Arguments};

use super::verification::Verdicts;

/// A payload.
pub type Payload = Vec<u8, PAYLOAD_MAX>;

/// Levels of a tree whose edge fits a payload. A ledger with more records is always verified in full.
pub const LEVELS_MAX: usize = 32;

/// Bytes of an audit result's payload at most.
pub const RESULT_MAX: usize = PAYLOAD_MAX;

/// Bytes of every other payload at most.
pub const ENTRY_MAX: usize = 512;

/// The payload that `fill` fills; `None` if it is longer than one may be.
fn payload(fill: impl FnOnce(&mut MapWriter<'_, '_>)) -> Option<Payload> {
    let mut payload = Payload::new();
    payload.resize_default(PAYLOAD_MAX).expect("its capacity");
    let len = cbor::write(&mut payload, fill)?;
    payload.truncate(len);
    Some(payload)
}

/// The appliance started.
pub fn boot(header: &Header) -> Payload {
    let boot = payload(|map| {
        map.uint("archives", header.archives.into());
        map.bytes("deployment", &header.deployment);
    });
    boot.expect("far shorter than a payload may be")
}

/// The result of a verification of the volume called `name`, with the findings beyond the first ones, and how far the
/// volume is verified with it. Findings are told as finely as there is room for; where even a range of each kind in
/// each area is too much, the last ones are left out. How many findings there are is said anyway.
pub fn result(verdicts: &Verdicts, name: &str) -> Payload {
    let mut more = verdicts.more.clone();
    loop {
        if let Some(payload) = result_with(verdicts, more.as_slice(), name) {
            return payload;
        }
        if !more.coarsen() {
            assert!(more.leave_out(), "without them the longest result fits");
        }
    }
}

fn result_with(verdicts: &Verdicts, more: &[FoundRange], name: &str) -> Option<Payload> {
    let Verdicts { result, head, root, from, progress, .. } = verdicts;
    let AuditResult { scope, verdict, records, bytes, duration_ms, findings, first, .. } = result;
    let seen = &progress.seen;
    let tree = seen.tree.as_ref().filter(|tree| tree.size() < 1 << LEVELS_MAX && *seen != Point::START);
    payload(|map| {
        map.uint("to", *records);
        map.uint("from", *from);
        map.bytes("head", head);
        if !more.is_empty() {
            map.maps("more", more, range);
        }
        map.bytes("root", root);
        if let Some(tree) = tree {
            map.map("seen", |map| {
                let edge = tree.subtrees().map(|root| &root[..]);
                map.pieces("edge", tree.subtrees().count() * size_of_val(root), edge);
                point(seen, map);
            });
        }
        map.text("audit", scope.name());
        map.uint("bytes", *bytes);
        if let Some(first) = first {
            map.map("first", |map| found(first, map));
        }
        if progress.sample.head.records > 0 {
            map.map("sample", |map| point(&progress.sample, map));
        }
        map.text("archive", name);
        map.text("verdict", verdict.name());
        if first.is_some() {
            map.uint("findings", (*findings).into());
        }
        map.uint("duration_ms", *duration_ms);
    })
}

fn found(finding: &Finding, map: &mut MapWriter<'_, '_>) {
    map.text("area", finding.area.name());
    map.text("kind", finding.kind.name());
    map.uint("block", finding.block);
    if let Some(record) = finding.record {
        map.uint("record", record);
    }
}

fn range(range: &FoundRange, map: &mut MapWriter<'_, '_>) {
    let records = range.records();
    map.text("area", range.area_name());
    map.text("kind", range.kind_name());
    map.uint("block", range.block.get());
    if let Some((record, _)) = records {
        map.uint("record", record);
    }
    map.uint("findings", range.findings.get().into());
    if range.last_block != range.block {
        map.uint("last_block", range.last_block.get());
    }
    if let Some((record, last_record)) = records
        && last_record != record
    {
        map.uint("last_record", last_record);
    }
}

fn point(point: &Point, map: &mut MapWriter<'_, '_>) {
    let (frontier, head) = (&point.frontier, &point.head);
    map.bytes("head", &head.hash);
    map.uint("assets", frontier.assets_next);
    map.bytes("header", &frontier.last_header);
    map.uint("ledger", frontier.ledger_next);
    map.bool("sealed", frontier.sealed);
    map.uint("batches", frontier.batches);
    map.uint("records", head.records);
}

/// What the orchestrator wants recorded; `name` is that of the volume concerned, if one is. `None` if the
/// entry is none it can have recorded.
pub fn entry(entry: &Entry, name: Option<&str>) -> Option<(Kind, Payload)> {
    // Where it happened, and how long ago: the last keys of every entry.
    let end = |map: &mut MapWriter<'_, '_>| {
        if let Some(name) = name {
            map.text("archive", name);
        }
        if entry.late_ms != 0 {
            map.uint("late_ms", entry.late_ms);
        }
    };
    let payload = match &entry.event {
        AuditEvent::Flag { id, about } => payload(|map| {
            let Arguments { instruction, .. } = flag(*id, about, map);
            end(map);
            if instruction != 0 {
                map.uint("instruction", instruction);
            }
        }),
        AuditEvent::Acknowledgement { flag, kind, reason } => payload(|map| {
            map.uint("flag", (*flag).into());
            map.text("kind", kind.name());
            map.text("reason", reason);
            end(map);
        }),
        AuditEvent::Transition { from, to, cause } if name.is_some() => payload(|map| {
            map.text("to", to.name());
            map.text("from", from.name());
            map.text("cause", cause.name());
            end(map);
        }),
        AuditEvent::Fault(Fault { kind, address, instruction, status }) if name.is_some() => payload(|map| {
            map.text("fault", kind.name());
            map.uint("status", *status);
            map.uint("address", *address);
            end(map);
            map.uint("instruction", *instruction);
        }),
        _ => None,
    };
    Some((entry.event.kind(), payload?))
}

/// The keys of a flag up to those of every entry; what is behind them is in the arguments returned.
fn flag(id: u32, about: &About, map: &mut MapWriter<'_, '_>) -> Arguments {
    let arguments = about.arguments();
    let place = about.place();
    if let Some(place) = place {
        map.text("area", place.area.name());
    }
    map.uint("flag", id.into());
    map.text("kind", about.kind().name());
    if let Some(what) = about.what_name() {
        map.text("what", what);
    }
    if let Some(place) = place {
        map.uint("block", place.block);
    }
    if arguments.detail != 0 {
        map.uint("detail", arguments.detail);
    }
    if let Some(record) = place.and_then(|place| place.record) {
        map.uint("record", record);
    }
    if arguments.status != 0 {
        map.uint("status", arguments.status);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::progress::Progress;
    use crate::ranges::Ranges;
    use crate::verification::Job;
    use ledger_fmt::batch_header::Frontier;
    use ledger_fmt::cbor::Map;
    use ledger_fmt::layout::Area;
    use ledger_fmt::record::{Draft, Head, RECORD_MAX, Record};
    use ledger_fmt::testing::shown;
    use ledger_fmt::tree::Edge;
    use ledger_fmt::verify::FindingKind;
    use totebox_domain::FaultKind;
    use totebox_manifest::Role;
    use totebox_protocol::audit::{Scope, Verdict};
    use totebox_protocol::flag::{FlagKind, Loss, Place};
    use totebox_protocol::lifecycle::{Cause, Standing};
    use totebox_protocol::operator::Reason;
    use zerocopy::FromZeros;

    fn verdicts() -> Verdicts {
        let result = AuditResult {
            scope: Scope::Full,
            verdict: Verdict::Clean,
            first: None,
            findings: 0,
            records: 17,
            bytes: 40_960,
            duration_ms: 7,
            audit_record: None,
        };
        let job = Job { volume: 0, tag: 0, scope: Scope::Full };
        let (first, more, progress) = (heapless::Vec::new(), Ranges::new(), Progress::NONE);
        Verdicts { job, result, first, more, head: [0xab; 32], root: [0x01; 32], from: 0, progress }
    }

    /// A result's payload as text.
    fn told(verdicts: &Verdicts) -> String {
        let payload = result(verdicts, "finance");
        assert!(has_form(Kind::AuditResult, &payload));
        shown(&payload)
    }

    fn has_form(kind: Kind, payload: &[u8]) -> bool {
        let mut bytes = [0; RECORD_MAX];
        let (len, _) = Draft { kind, time_ms: 0, payload }.encode(&Head::EMPTY, &mut bytes).unwrap();
        Record::decode(&bytes[..len]).unwrap().0.has_form()
    }

    #[test]
    fn results_say_what_was_verified_and_found() {
        let mut verdicts = verdicts();
        let (head, root) = ("ab".repeat(32), "01".repeat(32));
        let ends = format!(r#""root":"{root}""#);
        let expected = |from: u64, more: &str, audit: &str, first: &str, end: &str| {
            format!(
                r#"{{"to":17,"from":{from},"head":"{head}",{ends}{more},"audit":"{audit}","bytes":40960{first},"archive":"finance",{end},"duration_ms":7}}"#
            )
        };
        assert_eq!(told(&verdicts), expected(0, "", "full", "", r#""verdict":"clean""#));
        let finding = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 33, record: None };
        (verdicts.result.scope, verdicts.result.verdict) = (Scope::Incremental, Verdict::Mismatch);
        (verdicts.result.first, verdicts.result.findings, verdicts.from) = (Some(finding), 2, 5);
        let (first, end) =
            (r#","first":{"area":"assets","kind":"asset","block":33}"#, r#""verdict":"mismatch","findings":2"#);
        assert_eq!(told(&verdicts), expected(5, "", "incremental", first, end));
        verdicts.result.first = Some(Finding { record: Some(3), ..finding });
        let mut tree = Edge::EMPTY;
        tree.push(&[7; 32]);
        let edge: String = tree.root().iter().map(|byte| format!("{byte:02x}")).collect();
        let frontier =
            Frontier { batches: 1, ledger_next: 2, assets_next: 3, last_header: [0x0c; 32], sealed: false };
        let seen = Point { frontier, head: Head { records: 1, hash: [0x0d; 32] }, tree: Some(tree) };
        verdicts.progress = Progress { seen, sample: Point { tree: None, ..seen } };
        let (header, of) = ("0c".repeat(32), "0d".repeat(32));
        let at = format!(
            r#""head":"{of}","assets":3,"header":"{header}","ledger":2,"sealed":false,"batches":1,"records":1"#
        );
        let seen = format!(r#","seen":{{"edge":"{edge}",{at}}}"#);
        let first =
            format!(r#","first":{{"area":"assets","kind":"asset","block":33,"record":3}},"sample":{{{at}}}"#);
        assert_eq!(told(&verdicts), expected(5, &seen, "incremental", &first, end));
    }

    #[test]
    fn the_longest_result_fits() {
        let mut verdicts = verdicts();
        let most = u64::MAX - 1;
        let (kind, area) = (FindingKind::HeadDisagreement, Area::Input);
        verdicts.result = AuditResult {
            scope: Scope::Incremental,
            verdict: Verdict::NotVerified,
            first: Some(Finding { kind, area, block: most, record: Some(most) }),
            findings: u32::MAX,
            records: most,
            bytes: most,
            duration_ms: most,
            audit_record: None,
        };
        (verdicts.head, verdicts.root, verdicts.from) = ([0xff; 32], [0xff; 32], most);
        let frontier = Frontier {
            batches: most,
            ledger_next: most,
            assets_next: most,
            last_header: [0xff; 32],
            sealed: true,
        };
        let tree = Edge::of((1 << LEVELS_MAX) - 1, [[0xff; 32]; LEVELS_MAX]);
        let seen = Point { frontier, head: Head { records: most, hash: [0xff; 32] }, tree };
        verdicts.progress = Progress { seen, sample: Point { tree: None, ..seen } };
        let text = shown(&result(&verdicts, &"x".repeat(32)));
        assert!(text.contains(r#""edge":"ff"#) && text.contains(r#""sample":{"#), "{text}");
        let tree = Edge::of(1 << LEVELS_MAX, [[0xff; 32]]);
        verdicts.progress.seen = Point { tree, ..seen };
        let text = shown(&result(&verdicts, &"x".repeat(32)));
        assert!(!text.contains("seen"), "a larger ledger is verified in full");
    }

    /// Ranges of so many findings, that far apart.
    fn ranges(count: u64, apart: u64) -> Ranges {
        let mut ranges = Ranges::new();
        for number in 0..count {
            let (kind, area, block) = (FindingKind::HeadDisagreement, Area::Input, number * apart);
            ranges.add(&ledger_fmt::verify::Finding { kind, area, block, record: Some(number) });
        }
        ranges
    }

    #[test]
    fn findings_beyond_the_first_ones_are_ranges() {
        let mut verdicts = verdicts();
        let first = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 0, record: None };
        (verdicts.result.first, verdicts.result.findings) = (Some(first), 12);
        verdicts.result.verdict = Verdict::Mismatch;
        let mut more = ranges(3, 1);
        let header = ledger_fmt::verify::Finding {
            kind: FindingKind::BatchHeader,
            area: Area::Ledger,
            block: 7,
            record: None,
        };
        more.add(&header);
        verdicts.more = more;
        let list = concat!(
            r#""more":[{"area":"ledger","kind":"batch","block":7,"findings":1},"#,
            r#"{"area":"app-console-input","kind":"head-disagreement","block":0,"record":0,"findings":3,"#,
            r#""last_block":2,"last_record":2}]"#
        );
        let text = told(&verdicts);
        assert!(text.contains(list), "{text}");
    }

    #[test]
    fn as_many_ranges_are_recorded_as_there_is_room_for_and_no_finding_is_lost() {
        let mut verdicts = verdicts();
        let first = Finding { kind: FindingKind::Asset, area: Area::Input, block: 0, record: Some(0) };
        (verdicts.result.first, verdicts.result.findings) = (Some(first), u32::MAX);
        verdicts.more = ranges(40, u64::MAX / 40);
        let told = counts(&result(&verdicts, "finance"));
        assert_eq!((told.len(), told.iter().sum::<u64>()), (verdicts.more.as_slice().len(), 40));

        // Where hardly anything fits beside how far the volume is verified, that stays.
        let most = u64::MAX - 1;
        let frontier = Frontier {
            batches: most,
            ledger_next: most,
            assets_next: most,
            last_header: [0xff; 32],
            sealed: true,
        };
        let tree = Edge::of((1 << LEVELS_MAX) - 1, [[0xff; 32]; LEVELS_MAX]);
        let seen = Point { frontier, head: Head { records: most, hash: [0xff; 32] }, tree };
        verdicts.progress = Progress { seen, sample: Point { tree: None, ..seen } };
        verdicts.from = most;
        let mut of_all_kinds = Ranges::new();
        for &kind in FindingKind::ALL {
            for area in Area::ALL {
                of_all_kinds.add(&ledger_fmt::verify::Finding { kind, area, block: most, record: Some(most - 1) });
            }
        }
        verdicts.more = of_all_kinds;
        let payload = result(&verdicts, &"x".repeat(32));
        let map = Map::read(&payload).unwrap();
        assert!(map.get("seen").is_some() && map.get("sample").is_some(), "{}", shown(&payload));
        assert!((1..40).contains(&counts(&payload).len()), "{}", shown(&payload));
    }

    /// How many findings each range has.
    fn counts(payload: &[u8]) -> alloc::vec::Vec<u64> {
        let more = Map::read(payload).unwrap().get("more").unwrap().list().unwrap();
        more.iter().map(|range| range.map().unwrap().get("findings").unwrap().uint().unwrap()).collect()
    }

    #[test]
    fn a_boot_record_names_the_deployment() {
        let mut header = Header::new_zeroed();
        (header.deployment, header.archives) = ([0x0f; 16], 3);
        let deployment = "0f".repeat(16);
        assert_eq!(shown(&boot(&header)), format!(r#"{{"archives":3,"deployment":"{deployment}"}}"#));
        assert!(has_form(Kind::Boot, &boot(&header)));
    }

    /// An entry's payload as text.
    fn written(entry: &Entry, name: Option<&str>) -> Option<String> {
        let (kind, payload) = super::entry(entry, name)?;
        assert!(has_form(kind, &payload) && payload.len() <= ENTRY_MAX);
        Some(shown(&payload))
    }

    fn fault(kind: FaultKind, address: u64) -> Fault {
        Fault { kind, address, instruction: 8, status: 7 }
    }

    fn flag(volume: Option<u8>, about: About) -> Entry {
        Entry::new(volume, AuditEvent::Flag { id: 7, about })
    }

    #[test]
    fn entries_say_what_happened() {
        let finding = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 33, record: Some(3) };
        let finance = Some("finance");
        let text = r#"{"area":"assets","flag":7,"kind":"asset","block":33,"record":3,"archive":"finance"}"#;
        assert_eq!(written(&flag(Some(1), About::Finding(finding)), finance).as_deref(), Some(text));
        let text = concat!(
            r#"{"flag":7,"kind":"fault","what":"memory","detail":4096,"status":7,"archive":"finance","#,
            r#""instruction":8}"#
        );
        let about = About::Fault(fault(FaultKind::Memory, 4096));
        assert_eq!(written(&flag(Some(1), about), finance).as_deref(), Some(text));
        let degraded = flag(None, About::Degraded(Role::Clock, Loss::Fails));
        assert_eq!(written(&degraded, None).as_deref(), Some(r#"{"flag":7,"kind":"degraded","what":"clock"}"#));

        let reason = Reason::try_from("\"known\": see C:\\disk, é").unwrap();
        let kind = FlagKind::Finding(FindingKind::Asset);
        let entry = Entry::new(Some(1), AuditEvent::Acknowledgement { flag: 7, kind, reason });
        let text = r#"{"flag":7,"kind":"asset","reason":"\"known\": see C:\\disk, é","archive":"finance"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let (from, to, cause) = (Standing::Active, Standing::Suspended, Cause::Mismatch);
        let mut entry = Entry::new(Some(1), AuditEvent::Transition { from, to, cause });
        let text = r#"{"to":"suspended","from":"active","cause":"mismatch","archive":"finance"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
        entry.late_ms = 60_000;
        let text = r#"{"to":"suspended","from":"active","cause":"mismatch","archive":"finance","late_ms":60000}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let entry = Entry::new(Some(1), AuditEvent::Fault(fault(FaultKind::Exception, 9)));
        let text = r#"{"fault":"exception","status":7,"address":9,"archive":"finance","instruction":8}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
    }

    #[test]
    fn entries_without_a_meaning_are_not_written() {
        let event = AuditEvent::Fault(fault(FaultKind::Exception, 9));
        assert_eq!(written(&Entry::new(None, event), None), None, "of no archive");
        for event in [AuditEvent::Genesis, AuditEvent::Boot, AuditEvent::Result(verdicts().result)] {
            assert_eq!(written(&Entry::new(Some(1), event.clone()), Some("finance")), None, "{event:?}");
        }
    }

    #[test]
    fn the_longest_entry_fits() {
        let reason = Reason::try_from("\"".repeat(Reason::new().capacity()).as_str()).unwrap();
        let kind = FlagKind::Finding(FindingKind::HeadDisagreement);
        let acknowledgement = AuditEvent::Acknowledgement { flag: u32::MAX, kind, reason };
        let place = Place { area: Area::Input, block: u64::MAX, record: Some(u64::MAX - 1) };
        let fault = Fault { instruction: u64::MAX, status: u64::MAX, ..fault(FaultKind::Exception, u64::MAX) };
        let flags = [About::CrossCheck(place), About::Fault(fault)];
        let flags = flags.map(|about| AuditEvent::Flag { id: u32::MAX, about });
        for event in flags.into_iter().chain([acknowledgement, AuditEvent::Fault(fault)]) {
            let entry = Entry { late_ms: u64::MAX, ..Entry::new(Some(1), event) };
            assert!(written(&entry, Some(&"x".repeat(32))).is_some());
        }
    }
}
