//! The result of a verification as a payload: what was verified, what was found, and how far the volume is verified with
//! it; written, and read back. A payload comes from a disk: what is impossible in it tells nothing.

use ledger_fmt::batch_header::Frontier;
use ledger_fmt::cbor::{Map, MapWriter, Value};
use ledger_fmt::payload::PAYLOAD_MAX;
use ledger_fmt::record::Head;
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{Finding, FindingKind, Point};
use totebox_protocol::audit::{
    AuditResult, FoundRange, NO_RANGES, RangeRows, Scope, Verdict, are_beyond_the_first,
};

use super::payload::{Payload, area, number, payload, text};
use super::progress::Progress;
use super::verification::Verdicts;

/// Levels of a tree whose edge fits a payload. A ledger with more records is always verified in full.
pub const LEVELS_MAX: usize = 32;

/// Bytes of an audit result's payload at most.
pub const RESULT_MAX: usize = PAYLOAD_MAX;

/// The result of a verification of the volume called `name`, with the findings beyond the first ones, and how far the
/// volume is verified with it. Findings are told as finely as there is room for; where even a range of each kind in
/// each area is too much, the last ones are left out. How many findings there are is said anyway.
pub fn write(verdicts: &Verdicts, name: &str) -> Payload {
    let mut more = verdicts.more.clone();
    loop {
        if let Some(payload) = write_with(verdicts, more.as_slice(), name) {
            return payload;
        }
        if !more.coarsen() {
            assert!(more.leave_out(), "without them the longest result fits");
        }
    }
}

fn write_with(verdicts: &Verdicts, more: &[FoundRange], name: &str) -> Option<Payload> {
    let Verdicts { result, head, root, from, progress, .. } = verdicts;
    let AuditResult { scope, verdict, records, bytes, duration_ms, findings, first, .. } = result;
    let seen = &progress.seen;
    let tree = seen.tree.as_ref().filter(|tree| tree.size() < 1 << LEVELS_MAX && *seen != Point::START);
    payload(|map| {
        map.uint("to", *records);
        map.uint("from", *from);
        map.bytes("head", head);
        if !more.is_empty() {
            map.maps("more", more, write_range);
        }
        map.bytes("root", root);
        if let Some(tree) = tree {
            map.map("seen", |map| {
                let edge = tree.subtrees().map(|root| &root[..]);
                map.pieces("edge", tree.subtrees().count() * size_of_val(root), edge);
                write_point(seen, map);
            });
        }
        map.text("audit", scope.name());
        map.uint("bytes", *bytes);
        if let Some(first) = first {
            map.map("first", |map| write_found(first, map));
        }
        if progress.sample.head.records > 0 {
            map.map("sample", |map| write_point(&progress.sample, map));
        }
        map.text("archive", name);
        map.text("verdict", verdict.name());
        if first.is_some() {
            map.uint("findings", (*findings).into());
        }
        map.uint("duration_ms", *duration_ms);
    })
}

fn write_found(finding: &Finding, map: &mut MapWriter<'_, '_>) {
    map.text("area", finding.area.name());
    map.text("kind", finding.kind.name());
    map.uint("block", finding.block);
    if let Some(record) = finding.record {
        map.uint("record", record);
    }
}

fn write_range(range: &FoundRange, map: &mut MapWriter<'_, '_>) {
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

fn write_point(point: &Point, map: &mut MapWriter<'_, '_>) {
    let (frontier, head) = (&point.frontier, &point.head);
    map.bytes("head", &head.hash);
    map.uint("assets", frontier.assets_next);
    map.bytes("header", &frontier.last_header);
    map.uint("ledger", frontier.ledger_next);
    map.bool("sealed", frontier.sealed);
    map.uint("batches", frontier.batches);
    map.uint("records", head.records);
}

pub fn read(map: Map<'_>) -> Option<AuditResult> {
    let or_0 = |key| number(map, key).unwrap_or(0);
    Some(AuditResult {
        scope: if text(map, "audit") == Some(Scope::Incremental.name()) {
            Scope::Incremental
        } else {
            Scope::Full
        },
        verdict: Verdict::from_name(text(map, "verdict")?)?,
        first: map.get("first").and_then(Value::map).and_then(read_finding),
        findings: u32::try_from(or_0("findings")).unwrap_or(u32::MAX),
        records: or_0("to"),
        bytes: or_0("bytes"),
        duration_ms: or_0("duration_ms"),
        audit_record: None,
    })
}

/// How far a result says its volume is verified.
pub fn progress(payload: &[u8]) -> Option<Progress> {
    let result = Map::read(payload)?;
    let mut progress = Progress::NONE;
    if let Some(seen) = result.get("seen") {
        let seen = seen.map()?;
        progress.seen = read_point(seen)?;
        let (edge, rest) = seen.get("edge")?.bytes()?.as_chunks();
        let tree = Edge::of(progress.seen.head.records, edge.iter().copied());
        progress.seen.tree = Some(tree.filter(|_| rest.is_empty())?);
    }
    if let Some(sample) = result.get("sample") {
        progress.sample = read_point(sample.map()?)?;
    }
    Some(progress)
}

/// The findings of a result with so many in all that are beyond the first ones; none if what it says is impossible.
pub fn more(payload: &[u8], findings: u32) -> RangeRows {
    let mut rows = NO_RANGES;
    let list = Map::read(payload).and_then(|map| map.get("more")?.list());
    let ranges = list.iter().flat_map(|list| list.iter()).filter_map(|value| read_range(value.map()?));
    rows.iter_mut().zip(ranges).for_each(|(row, range)| *row = range);
    if are_beyond_the_first(&rows, findings) { rows } else { NO_RANGES }
}

fn read_finding(map: Map<'_>) -> Option<Finding> {
    let (kind, area) = (FindingKind::from_name(text(map, "kind")?)?, area(map)?);
    Some(Finding { kind, area, block: number(map, "block")?, record: number(map, "record") })
}

fn read_range(map: Map<'_>) -> Option<FoundRange> {
    let findings = u32::try_from(number(map, "findings")?).ok()?;
    let mut range = FoundRange { findings: findings.into(), ..FoundRange::of(&read_finding(map)?) };
    if let Some(last_block) = number(map, "last_block") {
        range.last_block = last_block.into();
    }
    if let Some(last_record) = number(map, "last_record") {
        range.last_record = last_record.into();
    }
    Some(range)
}

fn read_point(map: Map<'_>) -> Option<Point> {
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

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use ledger_fmt::cbor;
    use ledger_fmt::layout::Area;
    use ledger_fmt::record::Kind;
    use ledger_fmt::testing::shown;
    use totebox_protocol::audit::in_use;

    use super::*;
    use crate::payload::tests::has_form;
    use crate::ranges::Ranges;
    use crate::verification::Job;

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
        let payload = write(verdicts, "finance");
        assert!(has_form(Kind::AuditResult, &payload));
        shown(&payload)
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
        let text = shown(&write(&verdicts, &"x".repeat(32)));
        assert!(text.contains(r#""edge":"ff"#) && text.contains(r#""sample":{"#), "{text}");
        let tree = Edge::of(1 << LEVELS_MAX, [[0xff; 32]]);
        verdicts.progress.seen = Point { tree, ..seen };
        let text = shown(&write(&verdicts, &"x".repeat(32)));
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
        let told = counts(&write(&verdicts, "finance"));
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
        let payload = write(&verdicts, &"x".repeat(32));
        let map = Map::read(&payload).unwrap();
        assert!(map.get("seen").is_some() && map.get("sample").is_some(), "{}", shown(&payload));
        assert!((1..40).contains(&counts(&payload).len()), "{}", shown(&payload));
    }

    /// How many findings each range has.
    fn counts(payload: &[u8]) -> alloc::vec::Vec<u64> {
        let more = Map::read(payload).unwrap().get("more").unwrap().list().unwrap();
        more.iter().map(|range| range.map().unwrap().get("findings").unwrap().uint().unwrap()).collect()
    }

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

    fn beyond(list: &[Told]) -> alloc::vec::Vec<u8> {
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
        let of = |list: &[Told], findings| in_use(&more(&beyond(list), findings)).len();
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
