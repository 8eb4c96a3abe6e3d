//! What the orchestrator's peers say: what the audit record tells of the time before, health pages, reports.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::layout::Area;
use ledger_fmt::record::Kind;
use ledger_fmt::verify::FindingKind;
use totebox_domain::Child;
use totebox_protocol::audit::{
    self, Entry, NO_RANGES, NO_RECORD, Place, RangeRows, Remembered, Report, Verdict, Verified,
};
use totebox_protocol::flag::{FlagKind, FlagRow};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{ArchiveState, Health};
use zerocopy::FromZeros;

use super::bench::ARCHIVES;

/// What the audit record says of the time before.
pub struct Past {
    /// The standing before the last transition, and the one it led to, of each archive.
    pub standings: Vec<(Standing, Standing)>,
    /// What is told of each volume beside that: its last verification.
    pub verified: Vec<(Report, Remembered)>,
    pub flags: Vec<FlagRow>,
    /// The report that comes last.
    pub opened: Report,
}

impl Default for Past {
    /// Nothing but the genesis and boot records.
    fn default() -> Past {
        let mut opened = Report::new_zeroed();
        (opened.op, opened.verdict) = (audit::Op::Record as u8, Verdict::Recorded as u8);
        opened.record = NO_RECORD.into();
        (opened.records, opened.audit_record) = (2.into(), 1.into());
        let nothing = (Report::new_zeroed(), Remembered::new_zeroed());
        Past {
            standings: vec![(Standing::Active, Standing::Active); ARCHIVES],
            verified: vec![nothing; ARCHIVES + 1],
            flags: Vec::new(),
            opened,
        }
    }
}

impl Past {
    /// Archives that were brought to this standing.
    pub fn of(standing: Standing) -> Past {
        Past { standings: vec![(Standing::Active, standing); ARCHIVES], ..Past::default() }
    }

    /// The audit record could not be read.
    pub fn unreadable() -> Past {
        let mut past = Past::default();
        past.opened.verdict = Verdict::NotRecorded as u8;
        (past.opened.records, past.opened.audit_record) = (0.into(), NO_RECORD.into());
        past
    }
}

/// An archive's thread.
pub fn child(archive: usize) -> Child {
    Child(10 + archive as u8)
}

/// The health page of an archive in service, before it was told anything.
pub fn healthy() -> Health {
    let mut health = Health::new_zeroed();
    (health.state, health.recorded) = (ArchiveState::Active as u8, ArchiveState::Active as u8);
    (health.records, health.documents, health.bytes) = (5.into(), 4.into(), 9000.into());
    health.check_record = NO_RECORD.into();
    health
}

/// A clean report on a request, not recorded.
pub fn clean(request: &audit::Request) -> Report {
    let mut report = Report::new_zeroed();
    (report.op, report.volume, report.tag) = (request.op, request.volume, request.tag);
    report.verdict = Verdict::Clean as u8;
    report.record = NO_RECORD.into();
    (report.records, report.bytes, report.duration_ms) = (5.into(), 40_960.into(), 7.into());
    report.audit_record = 1.into();
    report
}

/// A report on a verification that found this: kinds and blocks of `assets/`.
pub fn mismatch(request: &audit::Request, found: &[(FindingKind, u64)]) -> (Report, Verified) {
    let (mut report, mut verified) = (clean(request), Verified::new_zeroed());
    for (place, (kind, block)) in verified.findings.iter_mut().zip(found) {
        *place = Place { kind: *kind as u8, area: Area::Assets as u8, ..Place::new_zeroed() };
        (place.block, place.record) = ((*block).into(), 3.into());
    }
    let first = verified.findings[0];
    report.verdict = Verdict::Mismatch as u8;
    (report.finding, report.area, report.block, report.record) =
        (first.kind, first.area, first.block, first.record);
    report.findings = (found.len() as u32).into();
    (report, verified)
}

/// Ranges of so many findings each, and the last of them reaches from block 5 to block 9.
pub fn ranges(counts: &[u32]) -> RangeRows {
    let mut rows = NO_RANGES;
    for (row, findings) in rows.iter_mut().zip(counts) {
        (row.kind, row.area, row.findings) = (FindingKind::Asset as u8, Area::Assets as u8, (*findings).into());
        (row.block, row.last_block) = (5.into(), 9.into());
        (row.record, row.last_record) = (NO_RECORD.into(), NO_RECORD.into());
    }
    rows
}

/// The kinds of records in the order they were entered.
pub fn kinds(entries: &[Entry]) -> String {
    let name = |entry: &Entry| match Kind::from_u16(entry.kind.into()) {
        Some(Kind::Flag) => FlagKind::from_wire(entry.what).unwrap().name(),
        Some(Kind::Lifecycle) => Standing::from_wire(entry.what).unwrap().name(),
        Some(Kind::Acknowledgement) => "acknowledgement",
        Some(Kind::Fault) => "a fault",
        kind => panic!("an entry of kind {kind:?}"),
    };
    entries.iter().map(name).collect::<Vec<_>>().join(", ")
}
