//! What the orchestrator's peers say: what the audit record tells of the time before, health pages, reports.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::layout::Area;
use ledger_fmt::record::Kind;
use ledger_fmt::verify::FindingKind;
use totebox_domain::Child;
use totebox_protocol::audit::{
    self, Ending, EntryRow, NO_RANGES, NO_RECORD, PlaceRow, RangeRows, Remembered, Report, Verified,
};
use totebox_protocol::flag::{FlagKind, FlagRow};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{ArchiveState, Health};
use zerocopy::FromZeros;

use super::harness::ARCHIVES;

/// What the audit record says of the time before.
pub struct Past {
    /// The standing before the last transition, and the one it led to, of each archive.
    pub standings: Vec<(Standing, Standing)>,
    /// What is told of each volume beside that: its last verification.
    pub verified: Vec<(Report, Remembered)>,
    pub flags: Vec<FlagRow>,
    /// The report that comes last, and its body.
    pub opened: (Report, audit::Opened),
}

impl Default for Past {
    /// Nothing but the genesis and boot records.
    fn default() -> Past {
        let mut opened = Report::new_zeroed();
        (opened.op, opened.verdict) = (audit::Op::Record as u8, Ending::Recorded as u8);
        (opened.record, opened.audit_record) = (NO_RECORD.into(), 1.into());
        let body = audit::Opened { records: 2.into(), ..audit::Opened::new_zeroed() };
        let nothing = (Report::new_zeroed(), Remembered::new_zeroed());
        Past {
            standings: vec![(Standing::Active, Standing::Active); ARCHIVES],
            verified: vec![nothing; ARCHIVES + 1],
            flags: Vec::new(),
            opened: (opened, body),
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
        let (report, body) = &mut past.opened;
        (report.verdict, report.audit_record) = (Ending::NotRecorded as u8, NO_RECORD.into());
        body.records = 0.into();
        past
    }
}

/// A flag about nothing in particular, as it crosses between domains.
pub fn flag_row(kind: FlagKind, volume: usize) -> FlagRow {
    let mut row = FlagRow::new_zeroed();
    (row.kind, row.volume) = (kind.number(), volume as u8);
    (row.record, row.audit_record) = (NO_RECORD.into(), NO_RECORD.into());
    row
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
    report.verdict = Ending::Clean as u8;
    report.record = NO_RECORD.into();
    (report.records, report.bytes, report.duration_ms) = (5.into(), 40_960.into(), 7.into());
    report.audit_record = 1.into();
    report
}

/// A report on a verification that found this: kinds and blocks of `assets/`.
pub fn mismatch(request: &audit::Request, found: &[(FindingKind, u64)]) -> (Report, Verified) {
    let (mut report, mut verified) = (clean(request), Verified::new_zeroed());
    for (place, (kind, block)) in verified.findings.iter_mut().zip(found) {
        *place = PlaceRow { kind: *kind as u8, area: Area::Assets as u8, ..PlaceRow::new_zeroed() };
        (place.block, place.record) = ((*block).into(), 3.into());
    }
    let first = verified.findings[0];
    report.verdict = Ending::Mismatch as u8;
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
pub fn kinds(entries: &[EntryRow]) -> String {
    let name = |entry: &EntryRow| match Kind::from_u16(entry.kind.into()) {
        Some(Kind::Flag) => FlagKind::from_wire(entry.flag_kind).unwrap().name(),
        Some(Kind::Lifecycle) => Standing::from_wire(entry.to).unwrap().name(),
        Some(Kind::Acknowledgement) => "acknowledgement",
        Some(Kind::Fault) => "a fault",
        kind => panic!("an entry of kind {kind:?}"),
    };
    entries.iter().map(name).collect::<Vec<_>>().join(", ")
}
