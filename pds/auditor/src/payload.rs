//! Writing the payloads of the audit record's own kinds: compact JSON text, as `docs/audit-record.md` has them.

use core::fmt::{self, Write};

use heapless::String;
use ledger_fmt::Hash;
use ledger_fmt::layout::Area;
use ledger_fmt::record::{Kind, PAYLOAD_MAX};
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{FindingKind, Point};
use totebox_domain::FaultKind;
use totebox_manifest::Header;
use totebox_protocol::audit::{Entry, FoundRange, NO_RECORD, Op, Report, Verdict, Verified};
use totebox_protocol::flag::FlagKind;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::Cause;

use super::ranges::Ranges;

/// A payload.
pub type Text = String<PAYLOAD_MAX>;

/// Levels of a tree whose edge fits a payload. A ledger with more records is always verified in full.
pub const LEVELS_MAX: usize = 32;

/// Bytes of an audit result's payload at most: its fixed text, the hashes in hex, names, and numbers of 20 digits.
pub const RESULT_MAX: usize = PAYLOAD_MAX;

/// Bytes of every other payload at most.
pub const ENTRY_MAX: usize = 512;

/// How far a volume has been verified: what an audit result tells the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Up to where everything was whole when it was last verified.
    pub seen: Point,
    /// Where the next sample of what had come by then begins.
    pub sample: Point,
}

impl Progress {
    /// That of a volume never verified.
    pub const NONE: Progress = Progress { seen: Point::START, sample: Point { tree: None, ..Point::START } };
}

/// Bytes as lower-case hex digits.
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

/// The name of a verification's kind.
pub fn audit_name(op: Option<Op>) -> &'static str {
    if op == Some(Op::VerifyIncremental) { "incremental" } else { "full" }
}

/// The result of a verification of the volume called `name`, which is `[a-z0-9-]` and needs no escapes, from
/// record `from` on, with the findings beyond the first ones, and how far the volume is verified with it.
pub fn result(
    report: &Report,
    verified: &Verified,
    more: &Ranges,
    from: u64,
    progress: &Progress,
    name: &str,
) -> Text {
    text(|out| {
        let verdict = Verdict::from_wire(report.verdict).map_or("?", Verdict::name);
        write!(
            out,
            r#"{{"archive":"{name}","audit":"{}","from":{from},"to":{},"head":"{}","root":"{}","bytes":{},"duration_ms":{},"verdict":"{verdict}""#,
            audit_name(Op::from_wire(report.op)),
            report.records,
            Hex(&verified.head),
            Hex(&verified.root),
            report.bytes,
            report.duration_ms,
        )?;
        if let (Some(kind), Some(area)) = (FindingKind::from_u8(report.finding), Area::from_u8(report.area)) {
            let (kind, area) = (kind.name(), area.name());
            write!(
                out,
                r#","findings":{},"finding":"{kind}","area":"{area}","block":{}"#,
                report.findings, report.block
            )?;
            if report.record != NO_RECORD {
                write!(out, r#","record":{}"#, report.record)?;
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

/// Adds the findings beyond the first ones, as finely as there is room for beside the `}` that ends a payload. Where even
/// a range of each kind in each area is too much, the last ones are left out; how many findings there are is said
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
        let kind = FindingKind::from_u8(range.kind).map_or("?", FindingKind::name);
        let area = Area::from_u8(range.area).map_or("?", Area::name);
        out.write_str(if number == 0 { r#","more":["# } else { "," })?;
        write!(
            out,
            r#"{{"findings":{},"finding":"{kind}","area":"{area}","block":{}"#,
            range.findings, range.block
        )?;
        if range.last_block != range.block {
            write!(out, r#","last_block":{}"#, range.last_block)?;
        }
        if range.record != NO_RECORD {
            write!(out, r#","record":{}"#, range.record)?;
        }
        if range.last_record != range.record {
            write!(out, r#","last_record":{}"#, range.last_record)?;
        }
        out.write_char('}')?;
    }
    out.write_char(']')
}

fn point(out: &mut Text, point: &Point) -> fmt::Result {
    let (frontier, head) = (&point.frontier, &point.head);
    write!(
        out,
        r#""records":{},"head":"{}","runs":{},"ledger":{},"assets":{},"stamp":"{}","sealed":{}"#,
        head.records,
        Hex(&head.hash),
        frontier.runs,
        frontier.ledger_next,
        frontier.assets_next,
        Hex(&frontier.last_stamp),
        u8::from(frontier.sealed),
    )
}

/// What the orchestrator wants recorded; `name` is that of the volume concerned, if one is. `None` if the
/// entry has no meaning.
pub fn entry(entry: &Entry, name: Option<&str>) -> Option<(Kind, Text)> {
    let kind = Kind::from_u16(entry.kind.into())?;
    let mut out = Text::new();
    match kind {
        Kind::Flag => flag(&mut out, entry, name)?,
        Kind::Acknowledgement => {
            let reason = entry.reason.get(..entry.reason_len.into())?;
            let reason = core::str::from_utf8(reason).ok().filter(|reason| !reason.contains(char::is_control))?;
            let kind = FlagKind::from_wire(entry.what)?.name();
            write!(out, r#"{{"flag":{},"kind":"{kind}","#, entry.flag).ok()?;
            archive(&mut out, name)?;
            write!(out, r#""reason":"{}""#, Escaped(reason)).ok()?;
        }
        Kind::Lifecycle => {
            let (from, to) = (Standing::from_wire(entry.from)?.name(), Standing::from_wire(entry.what)?.name());
            let (name, cause) = (name?, Cause::from_wire(entry.cause)?.name());
            write!(out, r#"{{"archive":"{name}","from":"{from}","to":"{to}","cause":"{cause}""#).ok()?;
        }
        Kind::Fault => {
            let (name, fault) = (name?, FaultKind::from_wire(entry.what)?.name());
            write!(out, r#"{{"archive":"{name}","fault":"{fault}","address":{}"#, entry.detail).ok()?;
        }
        _ => return None,
    }
    if entry.duration_ms != 0 {
        write!(out, r#","late_ms":{}"#, entry.duration_ms).ok()?;
    }
    out.write_char('}').ok()?;
    Some((kind, out))
}

fn archive(out: &mut Text, name: Option<&str>) -> Option<()> {
    match name {
        Some(name) => write!(out, r#""archive":"{name}","#).ok(),
        None => Some(()),
    }
}

fn flag(out: &mut Text, entry: &Entry, name: Option<&str>) -> Option<()> {
    let kind = FlagKind::from_wire(entry.what)?;
    write!(out, r#"{{"flag":{},"#, entry.flag).ok()?;
    archive(out, name)?;
    write!(out, r#""kind":"{}""#, kind.name()).ok()?;
    if let Some(what) = kind.what_name(entry.from, entry.detail.get()) {
        write!(out, r#","what":"{what}""#).ok()?;
    }
    if kind.is_about_a_place() {
        let area = Area::from_u8(entry.area)?.name();
        write!(out, r#","area":"{area}","block":{}"#, entry.block).ok()?;
        if entry.record != NO_RECORD {
            write!(out, r#","record":{}"#, entry.record).ok()?;
        }
    }
    if entry.detail != 0 {
        write!(out, r#","detail":{}"#, entry.detail).ok()?;
    }
    Some(())
}

/// The number behind a name of [`FlagKind::what_name`].
pub fn what_number(kind: FlagKind, name: &str) -> Option<u8> {
    (0..=u8::MAX).find(|&n| kind.what_name(n, n.into()) == Some(name))
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String as Owned, ToString};

    use super::*;
    use ledger_fmt::record::Head;
    use ledger_fmt::stamp::Frontier;
    use zerocopy::FromZeros;

    fn report() -> (Report, Verified) {
        let mut report = Report::new_zeroed();
        (report.op, report.verdict) = (Op::VerifyFull as u8, Verdict::Clean as u8);
        (report.records, report.bytes, report.duration_ms) = (17.into(), 40_960.into(), 7.into());
        report.record = NO_RECORD.into();
        (report, Verified { head: [0xab; 32], root: [0x01; 32], ..Verified::new_zeroed() })
    }

    #[test]
    fn results_are_one_line_of_json() {
        let (mut report, verified) = report();
        let (head, root) = ("ab".repeat(32), "01".repeat(32));
        let start = |audit: &str, from: u64| {
            format!(
                r#"{{"archive":"finance","audit":"{audit}","from":{from},"to":17,"head":"{head}","root":"{root}","bytes":40960,"duration_ms":7,"#
            )
        };
        let none = Progress::NONE;
        assert_eq!(
            result(&report, &verified, &Ranges::new(), 0, &none, "finance").as_str(),
            format!(r#"{}"verdict":"clean"}}"#, start("full", 0))
        );
        report.op = Op::VerifyIncremental as u8;
        report.verdict = Verdict::Mismatch as u8;
        (report.finding, report.findings) = (FindingKind::Asset as u8, 2.into());
        (report.area, report.block) = (Area::Assets as u8, 33.into());
        let place = r#""findings":2,"finding":"asset","area":"assets","block":33"#;
        assert_eq!(
            result(&report, &verified, &Ranges::new(), 5, &none, "finance").as_str(),
            format!(r#"{}"verdict":"mismatch",{place}}}"#, start("incremental", 5))
        );
        report.record = 3.into();
        let mut tree = Edge::EMPTY;
        tree.push(&[7; 32]);
        let root = Hex(&tree.root()).to_string();
        let frontier = Frontier { runs: 1, ledger_next: 2, assets_next: 3, last_stamp: [0x0c; 32], sealed: false };
        let seen = Point { frontier, head: Head { records: 1, hash: [0x0d; 32] }, tree: Some(tree) };
        let progress = Progress { seen, sample: Point { tree: None, ..seen } };
        let (stamp, head) = ("0c".repeat(32), "0d".repeat(32));
        let at =
            format!(r#""records":1,"head":"{head}","runs":1,"ledger":2,"assets":3,"stamp":"{stamp}","sealed":0"#);
        assert_eq!(
            result(&report, &verified, &Ranges::new(), 5, &progress, "finance").as_str(),
            format!(
                r#"{}"verdict":"mismatch",{place},"record":3,"seen":{{{at},"edge":"{root}"}},"sample":{{{at}}}}}"#,
                start("incremental", 5)
            )
        );
    }

    #[test]
    fn the_longest_result_fits() {
        let (mut report, mut verified) = report();
        report.op = Op::VerifyIncremental as u8;
        report.verdict = Verdict::NotVerified as u8;
        report.finding = FindingKind::HeadDisagreement as u8;
        report.area = Area::Input as u8;
        let most = u64::MAX - 1;
        (report.findings, report.block, report.record) = (u32::MAX.into(), most.into(), most.into());
        (report.records, report.bytes, report.duration_ms) = (most.into(), most.into(), most.into());
        (verified.head, verified.root) = ([0xff; 32], [0xff; 32]);
        let frontier =
            Frontier { runs: most, ledger_next: most, assets_next: most, last_stamp: [0xff; 32], sealed: true };
        let tree = Edge::of((1 << LEVELS_MAX) - 1, [[0xff; 32]; LEVELS_MAX]);
        let seen = Point { frontier, head: Head { records: most, hash: [0xff; 32] }, tree };
        let progress = Progress { seen, sample: Point { tree: None, ..seen } };
        let text = result(&report, &verified, &Ranges::new(), most, &progress, &"x".repeat(32));
        assert!(text.contains(r#""edge":"ff"#) && text.ends_with(r#""sealed":1}}"#), "{text}");
        let tree = Edge::of(1 << LEVELS_MAX, [[0xff; 32]]);
        let progress = Progress { seen: Point { tree, ..seen }, ..progress };
        let text = result(&report, &verified, &Ranges::new(), most, &progress, &"x".repeat(32));
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
        let (mut report, verified) = report();
        (report.finding, report.findings, report.verdict) =
            (FindingKind::Asset as u8, 12.into(), Verdict::Mismatch as u8);
        let mut more = ranges(3, 1);
        let stamp =
            ledger_fmt::verify::Finding { kind: FindingKind::Stamp, area: Area::Ledger, block: 7, record: None };
        more.add(&stamp);
        let text = result(&report, &verified, &more, 0, &Progress::NONE, "finance");
        let end = concat!(
            r#","more":[{"findings":1,"finding":"stamp","area":"ledger","block":7},"#,
            r#"{"findings":3,"finding":"head-disagreement","area":"app-console-input","block":0,"last_block":2,"record":0,"#,
            r#""last_record":2}]}"#
        );
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn as_many_ranges_are_recorded_as_there_is_room_for_and_no_finding_is_lost() {
        let (mut report, verified) = report();
        (report.finding, report.findings) = (FindingKind::Asset as u8, u32::MAX.into());
        let text = result(&report, &verified, &ranges(40, u64::MAX / 40), 0, &Progress::NONE, "finance");
        let object = super::super::json::Object::new(&text).expect("an object");
        let counts: alloc::vec::Vec<_> =
            object.list("more").map(|range| range.number("findings").unwrap()).collect();
        assert!((20..40).contains(&counts.len()) && counts.iter().sum::<u64>() == 40, "{text}");
        assert!(text.len() > PAYLOAD_MAX * 9 / 10, "{} bytes", text.len());

        // Where hardly anything fits beside how far the volume is verified, that stays.
        let most = u64::MAX - 1;
        let frontier =
            Frontier { runs: most, ledger_next: most, assets_next: most, last_stamp: [0xff; 32], sealed: true };
        let tree = Edge::of((1 << LEVELS_MAX) - 1, [[0xff; 32]; LEVELS_MAX]);
        let seen = Point { frontier, head: Head { records: most, hash: [0xff; 32] }, tree };
        let progress = Progress { seen, sample: Point { tree: None, ..seen } };
        let mut of_all_kinds = Ranges::new();
        for kind in (0..=u8::MAX).filter_map(FindingKind::from_u8) {
            for area in Area::ALL {
                of_all_kinds.add(&ledger_fmt::verify::Finding { kind, area, block: most, record: Some(most - 1) });
            }
        }
        let text = result(&report, &verified, &of_all_kinds, most, &progress, &"x".repeat(32));
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

    #[test]
    fn entries_are_one_line_of_json() {
        let mut flag = Entry::new_zeroed();
        (flag.kind, flag.what, flag.flag) = (Kind::Flag as u8, FlagKind::Asset as u8, 7.into());
        (flag.area, flag.block, flag.record) = (Area::Assets as u8, 33.into(), 3.into());
        let finance = Some("finance");
        let text = r#"{"flag":7,"archive":"finance","kind":"asset","area":"assets","block":33,"record":3}"#;
        assert_eq!(written(&flag, finance).as_deref(), Some(text));
        flag.what = FlagKind::Fault as u8;
        (flag.from, flag.detail, flag.record) = (FaultKind::Memory as u8, 4096.into(), NO_RECORD.into());
        let text = r#"{"flag":7,"archive":"finance","kind":"fault","what":"memory","detail":4096}"#;
        assert_eq!(written(&flag, finance).as_deref(), Some(text));
        (flag.what, flag.from, flag.detail) =
            (FlagKind::Degraded as u8, totebox_manifest::Role::Clock as u8, 0.into());
        assert_eq!(written(&flag, None).as_deref(), Some(r#"{"flag":7,"kind":"degraded","what":"clock"}"#));

        let mut entry = Entry::new_zeroed();
        (entry.kind, entry.what, entry.flag) = (Kind::Acknowledgement as u8, FlagKind::Asset as u8, 7.into());
        let reason = "\"known\": see C:\\disk, é";
        entry.reason[..reason.len()].copy_from_slice(reason.as_bytes());
        entry.reason_len = reason.len() as u8;
        let text = r#"{"flag":7,"kind":"asset","archive":"finance","reason":"\"known\": see C:\\disk, é"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let mut entry = Entry::new_zeroed();
        (entry.kind, entry.from, entry.what) = (Kind::Lifecycle as u8, 1, 2);
        entry.cause = Cause::Mismatch as u8;
        let text = r#"{"archive":"finance","from":"active","to":"suspended","cause":"mismatch"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
        entry.duration_ms = 60_000.into();
        let text = r#"{"archive":"finance","from":"active","to":"suspended","cause":"mismatch","late_ms":60000}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let mut entry = Entry::new_zeroed();
        (entry.kind, entry.what, entry.detail) = (Kind::Fault as u8, FaultKind::Exception as u8, 9.into());
        let text = r#"{"archive":"finance","fault":"exception","address":9}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
    }

    #[test]
    fn entries_without_a_meaning_are_not_written() {
        let mut entry = Entry::new_zeroed();
        for kind in 0..=u8::MAX {
            entry.kind = kind;
            assert_eq!(written(&entry, Some("finance")), None, "kind {kind}");
        }
        (entry.kind, entry.what, entry.reason_len) = (Kind::Acknowledgement as u8, FlagKind::Asset as u8, 121);
        assert_eq!(written(&entry, None), None, "longer than there is room");
        entry.reason_len = 2;
        for reason in [[0xff, 0xff], *b"\n\n"] {
            entry.reason[..2].copy_from_slice(&reason);
            assert_eq!(written(&entry, None), None, "{reason:?}");
        }
    }

    #[test]
    fn the_longest_entry_fits() {
        let mut entry = Entry::new_zeroed();
        (entry.kind, entry.what, entry.flag) =
            (Kind::Acknowledgement as u8, FlagKind::HeadDisagreement as u8, u32::MAX.into());
        entry.reason.fill(b'"');
        entry.duration_ms = u64::MAX.into();
        entry.reason_len = entry.reason.len() as u8;
        assert!(written(&entry, Some(&"x".repeat(32))).unwrap().len() <= ENTRY_MAX);
        (entry.kind, entry.block, entry.record) = (Kind::Flag as u8, u64::MAX.into(), 1.into());
        (entry.detail, entry.area) = (u64::MAX.into(), 0);
        assert!(written(&entry, Some(&"x".repeat(32))).unwrap().len() <= ENTRY_MAX);
    }
}
