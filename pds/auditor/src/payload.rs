//! Writing the payloads of the audit record's own kinds: compact JSON text, as `docs/audit-record.md` has them.

use core::fmt::{self, Write};

use heapless::String;
use ledger_fmt::Hash;
use ledger_fmt::record::{Kind, PAYLOAD_MAX};
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{Finding, Point};
use totebox_manifest::Header;
use totebox_protocol::audit::{AuditEvent, AuditResult, Entry, FoundRange};
use totebox_protocol::flag::About;

use super::ranges::Ranges;
use super::verification::Verdicts;

pub type Text = String<PAYLOAD_MAX>;

/// Levels of a tree whose edge fits a payload. A ledger with more records is always verified in full.
pub const LEVELS_MAX: usize = 32;

/// Bytes of an audit result's payload at most: its fixed text, the hashes in hex, names, and numbers of 20 digits.
pub const RESULT_MAX: usize = PAYLOAD_MAX;

/// Bytes of every other payload at most.
pub const ENTRY_MAX: usize = 512;

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The edge of a tree as text: the subtrees' roots, from the smallest up.
struct Subtrees<'a>(&'a Edge);

impl fmt::Display for Subtrees<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.subtrees().try_for_each(|root: &Hash| write!(f, "{}", Hex(root)))
    }
}

/// Operator's words as the inside of a JSON string. They have no control characters.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '"' | '\\' => write!(f, "\\{c}"),
            c => f.write_char(c),
        })
    }
}

fn text(write: impl FnOnce(&mut Text) -> fmt::Result) -> Text {
    let mut text = Text::new();
    write(&mut text).expect("the format's longest payload holds the longest there is");
    text
}

/// The appliance started.
pub fn boot(header: &Header) -> Text {
    let deployment = Hex(&header.deployment);
    text(|out| write!(out, r#"{{"deployment":"{deployment}","archives":{}}}"#, header.archives))
}

/// The result of a verification of the volume called `name`, which is `[a-z0-9-]` and needs no escapes, with the
/// findings beyond the first ones, and how far the volume is verified with it.
pub fn result(verdicts: &Verdicts, name: &str) -> Text {
    let Verdicts { result, more, head, root, from, progress, .. } = verdicts;
    let AuditResult { scope, verdict, records, bytes, duration_ms, findings, .. } = result;
    text(|out| {
        write!(
            out,
            r#"{{"archive":"{name}","audit":"{}","from":{from},"to":{records},"head":"{}","root":"{}","bytes":{bytes},"duration_ms":{duration_ms},"verdict":"{}""#,
            scope.name(),
            Hex(head),
            Hex(root),
            verdict.name(),
        )?;
        if let Some(Finding { kind, area, block, record }) = result.first {
            let (kind, area) = (kind.name(), area.name());
            write!(out, r#","findings":{findings},"finding":"{kind}","area":"{area}","block":{block}"#)?;
            if let Some(record) = record {
                write!(out, r#","record":{record}"#)?;
            }
        }
        if let Some(tree) = &progress.seen.tree
            && tree.size() < 1 << LEVELS_MAX
            && progress.seen != Point::START
        {
            write!(out, r#","seen":{{"#)?;
            point(out, &progress.seen)?;
            write!(out, r#","edge":"{}"}}"#, Subtrees(tree))?;
        }
        if progress.sample.head.records > 0 {
            write!(out, r#","sample":{{"#)?;
            point(out, &progress.sample)?;
            out.write_char('}')?;
        }
        beyond(out, more.clone());
        out.write_char('}')
    })
}

/// Adds the findings beyond the first ones, as finely as there is room for beside the `}` that ends a payload. Where
/// even a range of each kind in each area is too much, the last ones are left out; how many findings there are is said
/// anyway.
fn beyond(out: &mut Text, mut ranges: Ranges) {
    let start = out.len();
    while !ranges.as_slice().is_empty() {
        if list(out, ranges.as_slice()).is_ok() && out.len() < out.capacity() {
            return;
        }
        out.truncate(start);
        if !ranges.coarsen() {
            ranges.leave_out();
        }
    }
}

fn list(out: &mut Text, ranges: &[FoundRange]) -> fmt::Result {
    for (number, range) in ranges.iter().enumerate() {
        let (kind, area) = (range.kind_name(), range.area_name());
        out.write_str(if number == 0 { r#","more":["# } else { "," })?;
        write!(
            out,
            r#"{{"findings":{},"finding":"{kind}","area":"{area}","block":{}"#,
            range.findings, range.block
        )?;
        if range.last_block != range.block {
            write!(out, r#","last_block":{}"#, range.last_block)?;
        }
        if let Some((record, last_record)) = range.records() {
            write!(out, r#","record":{record}"#)?;
            if last_record != record {
                write!(out, r#","last_record":{last_record}"#)?;
            }
        }
        out.write_char('}')?;
    }
    out.write_char(']')
}

fn point(out: &mut Text, point: &Point) -> fmt::Result {
    let (frontier, head) = (&point.frontier, &point.head);
    write!(
        out,
        r#""records":{},"head":"{}","batches":{},"ledger":{},"assets":{},"header":"{}","sealed":{}"#,
        head.records,
        Hex(&head.hash),
        frontier.batches,
        frontier.ledger_next,
        frontier.assets_next,
        Hex(&frontier.last_header),
        u8::from(frontier.sealed),
    )
}

/// What the orchestrator wants recorded; `name` is that of the volume concerned, if one is. `None` if the
/// entry is none it can have recorded.
pub fn entry(entry: &Entry, name: Option<&str>) -> Option<(Kind, Text)> {
    let mut out = Text::new();
    match &entry.event {
        AuditEvent::Flag { id, about } => flag(&mut out, *id, about, name)?,
        AuditEvent::Acknowledgement { flag, kind, reason } => {
            write!(out, r#"{{"flag":{flag},"kind":"{}","#, kind.name()).ok()?;
            archive(&mut out, name)?;
            write!(out, r#""reason":"{}""#, Escaped(reason)).ok()?;
        }
        AuditEvent::Transition { from, to, cause } => {
            let (name, from, to, cause) = (name?, from.name(), to.name(), cause.name());
            write!(out, r#"{{"archive":"{name}","from":"{from}","to":"{to}","cause":"{cause}""#).ok()?;
        }
        AuditEvent::Fault { kind, address } => {
            let (name, kind) = (name?, kind.name());
            write!(out, r#"{{"archive":"{name}","fault":"{kind}","address":{address}"#).ok()?;
        }
        AuditEvent::Genesis | AuditEvent::Boot | AuditEvent::Result(_) => return None,
    }
    if entry.late_ms != 0 {
        write!(out, r#","late_ms":{}"#, entry.late_ms).ok()?;
    }
    out.write_char('}').ok()?;
    Some((entry.event.kind(), out))
}

fn archive(out: &mut Text, name: Option<&str>) -> Option<()> {
    match name {
        Some(name) => write!(out, r#""archive":"{name}","#).ok(),
        None => Some(()),
    }
}

fn flag(out: &mut Text, id: u32, about: &About, name: Option<&str>) -> Option<()> {
    write!(out, r#"{{"flag":{id},"#).ok()?;
    archive(out, name)?;
    write!(out, r#""kind":"{}""#, about.kind().name()).ok()?;
    if let Some(what) = about.what_name() {
        write!(out, r#","what":"{what}""#).ok()?;
    }
    if let Some(place) = about.place() {
        write!(out, r#","area":"{}","block":{}"#, place.area.name(), place.block).ok()?;
        if let Some(record) = place.record {
            write!(out, r#","record":{record}"#).ok()?;
        }
    }
    if about.detail() != 0 {
        write!(out, r#","detail":{}"#, about.detail()).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String as Owned, ToString};

    use super::*;
    use crate::progress::Progress;
    use crate::verification::Job;
    use ledger_fmt::batch_header::Frontier;
    use ledger_fmt::layout::Area;
    use ledger_fmt::record::Head;
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

    #[test]
    fn results_are_one_line_of_json() {
        let mut verdicts = verdicts();
        let (head, root) = ("ab".repeat(32), "01".repeat(32));
        let start = |audit: &str, from: u64| {
            format!(
                r#"{{"archive":"finance","audit":"{audit}","from":{from},"to":17,"head":"{head}","root":"{root}","bytes":40960,"duration_ms":7,"#
            )
        };
        assert_eq!(result(&verdicts, "finance").as_str(), format!(r#"{}"verdict":"clean"}}"#, start("full", 0)));
        let finding = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 33, record: None };
        (verdicts.result.scope, verdicts.result.verdict) = (Scope::Incremental, Verdict::Mismatch);
        (verdicts.result.first, verdicts.result.findings, verdicts.from) = (Some(finding), 2, 5);
        let place = r#""findings":2,"finding":"asset","area":"assets","block":33"#;
        assert_eq!(
            result(&verdicts, "finance").as_str(),
            format!(r#"{}"verdict":"mismatch",{place}}}"#, start("incremental", 5))
        );
        verdicts.result.first = Some(Finding { record: Some(3), ..finding });
        let mut tree = Edge::EMPTY;
        tree.push(&[7; 32]);
        let root = Hex(&tree.root()).to_string();
        let frontier =
            Frontier { batches: 1, ledger_next: 2, assets_next: 3, last_header: [0x0c; 32], sealed: false };
        let seen = Point { frontier, head: Head { records: 1, hash: [0x0d; 32] }, tree: Some(tree) };
        verdicts.progress = Progress { seen, sample: Point { tree: None, ..seen } };
        let (header, head) = ("0c".repeat(32), "0d".repeat(32));
        let at = format!(
            r#""records":1,"head":"{head}","batches":1,"ledger":2,"assets":3,"header":"{header}","sealed":0"#
        );
        assert_eq!(
            result(&verdicts, "finance").as_str(),
            format!(
                r#"{}"verdict":"mismatch",{place},"record":3,"seen":{{{at},"edge":"{root}"}},"sample":{{{at}}}}}"#,
                start("incremental", 5)
            )
        );
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
        let text = result(&verdicts, &"x".repeat(32));
        assert!(text.contains(r#""edge":"ff"#) && text.ends_with(r#""sealed":1}}"#), "{text}");
        let tree = Edge::of(1 << LEVELS_MAX, [[0xff; 32]]);
        verdicts.progress.seen = Point { tree, ..seen };
        let text = result(&verdicts, &"x".repeat(32));
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
        let text = result(&verdicts, "finance");
        let end = concat!(
            r#","more":[{"findings":1,"finding":"batch","area":"ledger","block":7},"#,
            r#"{"findings":3,"finding":"head-disagreement","area":"app-console-input","block":0,"last_block":2,"record":0,"#,
            r#""last_record":2}]}"#
        );
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn as_many_ranges_are_recorded_as_there_is_room_for_and_no_finding_is_lost() {
        let mut verdicts = verdicts();
        let first = Finding { kind: FindingKind::Asset, area: Area::Input, block: 0, record: Some(0) };
        (verdicts.result.first, verdicts.result.findings) = (Some(first), u32::MAX);
        verdicts.more = ranges(40, u64::MAX / 40);
        let text = result(&verdicts, "finance");
        let object = super::super::json::Object::new(&text).expect("an object");
        let counts: alloc::vec::Vec<_> =
            object.list("more").map(|range| range.number("findings").unwrap()).collect();
        assert!((20..40).contains(&counts.len()) && counts.iter().sum::<u64>() == 40, "{text}");
        assert!(text.len() > PAYLOAD_MAX * 9 / 10, "{} bytes", text.len());

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
        let text = result(&verdicts, &"x".repeat(32));
        let object = super::super::json::Object::new(&text).expect("an object");
        assert!(object.object("seen").is_some() && object.object("sample").is_some(), "{text}");
        assert!((1..40).contains(&object.list("more").count()), "{text}");
    }

    #[test]
    fn a_boot_record_names_the_deployment() {
        let mut header = Header::new_zeroed();
        (header.deployment, header.archives) = ([0x0f; 16], 3);
        let deployment = "0f".repeat(16);
        assert_eq!(boot(&header).as_str(), format!(r#"{{"deployment":"{deployment}","archives":3}}"#));
    }

    /// An entry's text.
    fn written(entry: &Entry, name: Option<&str>) -> Option<Owned> {
        super::entry(entry, name).map(|(_, text)| text.as_str().into())
    }

    fn flag(volume: Option<u8>, about: About) -> Entry {
        Entry::new(volume, AuditEvent::Flag { id: 7, about })
    }

    #[test]
    fn entries_are_one_line_of_json() {
        let finding = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 33, record: Some(3) };
        let finance = Some("finance");
        let text = r#"{"flag":7,"archive":"finance","kind":"asset","area":"assets","block":33,"record":3}"#;
        assert_eq!(written(&flag(Some(1), About::Finding(finding)), finance).as_deref(), Some(text));
        let text = r#"{"flag":7,"archive":"finance","kind":"fault","what":"memory","detail":4096}"#;
        assert_eq!(written(&flag(Some(1), About::Fault(FaultKind::Memory, 4096)), finance).as_deref(), Some(text));
        let degraded = flag(None, About::Degraded(Role::Clock, Loss::Fails));
        assert_eq!(written(&degraded, None).as_deref(), Some(r#"{"flag":7,"kind":"degraded","what":"clock"}"#));

        let reason = Reason::try_from("\"known\": see C:\\disk, é").unwrap();
        let kind = FlagKind::Finding(FindingKind::Asset);
        let entry = Entry::new(Some(1), AuditEvent::Acknowledgement { flag: 7, kind, reason });
        let text = r#"{"flag":7,"kind":"asset","archive":"finance","reason":"\"known\": see C:\\disk, é"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let (from, to, cause) = (Standing::Active, Standing::Suspended, Cause::Mismatch);
        let mut entry = Entry::new(Some(1), AuditEvent::Transition { from, to, cause });
        let text = r#"{"archive":"finance","from":"active","to":"suspended","cause":"mismatch"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
        entry.late_ms = 60_000;
        let text = r#"{"archive":"finance","from":"active","to":"suspended","cause":"mismatch","late_ms":60000}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let entry = Entry::new(Some(1), AuditEvent::Fault { kind: FaultKind::Exception, address: 9 });
        let text = r#"{"archive":"finance","fault":"exception","address":9}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
    }

    #[test]
    fn entries_without_a_meaning_are_not_written() {
        let fault = AuditEvent::Fault { kind: FaultKind::Exception, address: 9 };
        assert_eq!(written(&Entry::new(None, fault), None), None, "of no archive");
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
        let flags = [About::CrossCheck(place), About::Fault(FaultKind::Exception, u64::MAX)];
        let flags = flags.map(|about| AuditEvent::Flag { id: u32::MAX, about });
        for event in flags.into_iter().chain([acknowledgement]) {
            let entry = Entry { late_ms: u64::MAX, ..Entry::new(Some(1), event) };
            assert!(written(&entry, Some(&"x".repeat(32))).unwrap().len() <= ENTRY_MAX);
        }
    }
}
