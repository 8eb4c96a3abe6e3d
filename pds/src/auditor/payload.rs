//! The payloads of the audit record's own kinds: compact JSON text, as `docs/audit-record.md` has them.

use core::fmt::{self, Write};

use heapless::String;
use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_manifest::Header;

use crate::proto::audit::{NO_RECORD, Report, Verdict, Verified};

/// Bytes of a payload at most: its fixed text, two hashes in hex, a name, and numbers of 20 digits.
pub const RESULT_MAX: usize = 512;

/// A payload.
pub type Text = String<RESULT_MAX>;

/// Bytes as lower-case hex digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn text(write: impl FnOnce(&mut Text) -> fmt::Result) -> Text {
    let mut text = Text::new();
    write(&mut text).expect("RESULT_MAX is the longest payload there is");
    text
}

/// The appliance started.
pub fn boot(header: &Header) -> Text {
    let deployment = Hex(&header.deployment);
    text(|out| write!(out, r#"{{"deployment":"{deployment}","archives":{}}}"#, header.archives))
}

/// The result of a verification of the volume called `name`, which is `[a-z0-9-]` and needs no escapes.
pub fn result(report: &Report, verified: &Verified, name: &str) -> Text {
    text(|out| {
        let verdict = Verdict::from_wire(report.verdict).map_or("?", Verdict::name);
        write!(
            out,
            r#"{{"archive":"{name}","from":0,"to":{},"head":"{}","root":"{}","bytes":{},"duration_ms":{},"verdict":"{verdict}""#,
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
        out.write_char('}')
    })
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn results_are_one_line_of_json() {
        let mut report = Report::new_zeroed();
        report.verdict = Verdict::Clean as u8;
        (report.records, report.bytes, report.duration_ms) = (17.into(), 40_960.into(), 7.into());
        report.record = NO_RECORD.into();
        let verified = Verified { head: [0xab; 32], root: [0x01; 32], ..Verified::new_zeroed() };
        let (head, root) = ("ab".repeat(32), "01".repeat(32));
        let start =
            format!(r#"{{"archive":"finance","from":0,"to":17,"head":"{head}","root":"{root}","bytes":40960,"#);
        assert_eq!(
            result(&report, &verified, "finance").as_str(),
            format!(r#"{start}"duration_ms":7,"verdict":"clean"}}"#)
        );

        report.verdict = Verdict::Mismatch as u8;
        (report.finding, report.findings) = (FindingKind::Asset as u8, 2.into());
        (report.area, report.block) = (Area::Assets as u8, 33.into());
        let place = r#""findings":2,"finding":"asset","area":"assets","block":33"#;
        assert_eq!(
            result(&report, &verified, "finance").as_str(),
            format!(r#"{start}"duration_ms":7,"verdict":"mismatch",{place}}}"#)
        );
        report.record = 3.into();
        assert_eq!(
            result(&report, &verified, "finance").as_str(),
            format!(r#"{start}"duration_ms":7,"verdict":"mismatch",{place},"record":3}}"#)
        );
    }

    #[test]
    fn the_longest_result_fits() {
        let mut report = Report::new_zeroed();
        report.verdict = Verdict::NotVerified as u8;
        report.finding = FindingKind::HeadDisagreement as u8;
        report.area = Area::Input as u8;
        let most = u64::MAX - 1;
        (report.findings, report.block, report.record) = (u32::MAX.into(), most.into(), most.into());
        (report.records, report.bytes, report.duration_ms) = (most.into(), most.into(), most.into());
        let verified = Verified { head: [0xff; 32], root: [0xff; 32], ..Verified::new_zeroed() };
        let name = "x".repeat(32);
        assert!(result(&report, &verified, &name).ends_with(r#""record":18446744073709551614}"#));
    }

    #[test]
    fn a_boot_record_names_the_deployment() {
        let mut header = Header::new_zeroed();
        (header.deployment, header.archives) = ([0x0f; 16], 3);
        let deployment = "0f".repeat(16);
        assert_eq!(boot(&header).as_str(), format!(r#"{{"deployment":"{deployment}","archives":3}}"#));
    }
}
