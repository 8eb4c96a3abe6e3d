//! The messages between orchestrator and auditor as they cross: see [`Asked`](super::Asked) and
//! [`Reported`](super::Reported) for what they say.

use ledger_fmt::Hash;
use ledger_fmt::layout::Area;
use ledger_fmt::verify::{Finding, FindingKind};
use totebox_manifest::conversation::{AUDIT_DATA, MESSAGE_HEADER};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::row::{Crosses, NONE};
use crate::{UNKNOWN, wire_enum};

wire_enum! {
    Op: u8 {
        /// Verify all of a volume, from its first block to its frontier.
        VerifyFull = 1,
        /// Verify what is new since the last verified head, and a sample of the rest.
        VerifyIncremental = 2,
        /// Enter a record into the audit ledger: what the body, an [`EntryRow`](super::EntryRow), says. A flag, an
        /// acknowledgement, a lifecycle transition or a fault.
        Record = 3,
        /// Read records of the audit ledger, from sequence number `number` on ([`NO_RECORD`]: the last ones), at
        /// most `count`. A report with [`Ending::Event`] and an [`EventRow`](super::EventRow) for each, then one with
        /// [`Ending::Complete`] and a [`HistoryEnd`].
        History = 4,
        /// Of reports alone, and unasked: what the audit ledger says of a volume; the body is [`Remembered`].
        /// One for each volume of which it says something, before the report on the boot record.
        RestoreVolume = 5,
        /// Of reports alone, and unasked: a flag of the audit ledger; the body is a
        /// [`FlagRow`](crate::flag::FlagRow). Before the report on the boot record.
        RestoreFlag = 6,
        /// Nothing, and there is no report: that it is taken from the ring tells that the auditor is there.
        Ping = 7,
    }
}

wire_enum! {
    Ending: u8 {
        /// Of a verification: [`Verdict::Clean`](super::Verdict::Clean).
        Clean = 1,
        /// Of a verification: [`Verdict::Mismatch`](super::Verdict::Mismatch).
        Mismatch = 2,
        /// Of a verification: [`Verdict::Unreadable`](super::Verdict::Unreadable).
        Unreadable = 3,
        /// The record asked for is in the audit ledger and durable.
        Recorded = 4,
        /// The record asked for could not be entered.
        NotRecorded = 5,
        /// Nothing was done: the auditor does not serve such a request, or was lost meanwhile.
        NotVerified = 6,
        /// A record of the audit ledger: in the body.
        Event = 7,
        /// All that was asked for has been reported.
        Complete = 8,
    }
}

/// A request of the orchestrator; data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    pub op: u8,
    pub volume: u8,
    pub reserved: [u8; 2],
    /// Chosen by the orchestrator, returned in the report.
    pub tag: U32,
    /// Data bytes, at most [`AUDIT_DATA`].
    pub len: U32,
    /// See [`Op::History`].
    pub count: U32,
    /// See [`Op::History`].
    pub number: U64,
    pub reserved_tail: [u8; 40],
}

/// The auditor's report on one request. The body is [`Verified`] where nothing else is said. What comes
/// unasked has tag 0; the last of it is a report on [`Op::Record`] with [`Opened`]: the auditor has opened its own
/// ledger and entered the boot record, or cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Report {
    pub op: u8,
    pub volume: u8,
    pub verdict: u8,
    /// The [`FindingKind`] of the first finding, or 0.
    pub finding: u8,
    pub tag: U32,
    pub findings: U32,
    pub area: u8,
    /// 1 if this is not entered because what room is left is kept for what an operator does: see
    /// `audit_room` of the ledger writer. The audit record goes on taking that.
    pub kept_out: u8,
    pub reserved: [u8; 2],
    /// The block of the first finding, in its area.
    pub block: U64,
    /// The record the first finding concerns; all ones if none.
    pub record: U64,
    pub records: U64,
    pub bytes: U64,
    pub duration_ms: U64,
    /// Sequence number of the audit record that states this, all ones if there is none.
    pub audit_record: U64,
}

/// The body of a report, at [`MESSAGE_HEADER`]: what the auditor computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Verified {
    pub head: Hash,
    pub root: Hash,
    pub findings: [PlaceRow; FINDINGS_MAX],
    pub more: RangeRows,
}

/// Findings a report names one by one, at most.
pub const FINDINGS_MAX: usize = 8;

/// Ranges into which the findings beyond those are folded, at most: a range for each kind of finding in each area. Of
/// more ranges than that, two have kind and area in common and can be made one.
pub const RANGES_MAX: usize = FindingKind::ALL.len() * Area::ALL.len();

/// A finding as it crosses between domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PlaceRow {
    /// [`FindingKind`]; 0 if this row is not in use.
    pub kind: u8,
    /// The [`Area`] the block is counted in.
    pub area: u8,
    pub reserved: [u8; 6],
    /// The first block concerned, in its area.
    pub block: U64,
    /// The record concerned; all ones if none.
    pub record: U64,
}

impl PlaceRow {
    pub fn of(finding: &Finding) -> PlaceRow {
        let Finding { kind, area, block, record } = *finding;
        let record = record.unwrap_or(NO_RECORD).into();
        PlaceRow { kind: kind.number(), area: area as u8, reserved: [0; 6], block: block.into(), record }
    }

    /// The finding in the row; `None` if it is not in use, or is none.
    pub fn decode(&self) -> Option<Finding> {
        let (kind, area) = (FindingKind::from_u8(self.kind)?, Area::from_u8(self.area)?);
        Some(Finding { kind, area, block: self.block.get(), record: record(self.record) })
    }
}

impl Crosses for Option<Finding> {
    type Row = PlaceRow;

    fn row(&self) -> PlaceRow {
        let nothing = PlaceRow { record: NO_RECORD.into(), ..PlaceRow::default() };
        self.as_ref().map_or(nothing, PlaceRow::of)
    }

    fn of(row: &PlaceRow) -> Option<Self> {
        if row.kind == 0 { Some(None) } else { row.decode().map(Some) }
    }
}

/// Findings of one kind in one area: the first and the last block concerned, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FoundRange {
    /// [`FindingKind`]; 0 if this row is not in use: then none after it is.
    pub kind: u8,
    /// The [`Area`] the blocks are counted in.
    pub area: u8,
    pub reserved: [u8; 2],
    pub findings: U32,
    /// The first block concerned, in its area.
    pub block: U64,
    pub last_block: U64,
    /// The first record concerned; all ones if none is known.
    pub record: U64,
    /// The last one; all ones if none is known.
    pub last_record: U64,
}

impl FoundRange {
    pub fn of(finding: &Finding) -> FoundRange {
        let PlaceRow { kind, area, block, record, .. } = PlaceRow::of(finding);
        let (findings, reserved) = (1.into(), [0; 2]);
        FoundRange { kind, area, reserved, findings, block, last_block: block, record, last_record: record }
    }

    pub fn kind_name(&self) -> &'static str {
        FindingKind::from_u8(self.kind).map_or(UNKNOWN, FindingKind::name)
    }

    pub fn area_name(&self) -> &'static str {
        Area::from_u8(self.area).map_or(UNKNOWN, Area::name)
    }

    /// The first and the last record concerned, if any is known.
    pub fn records(&self) -> Option<(u64, u64)> {
        record(self.record).zip(record(self.last_record))
    }

    pub const NONE: FoundRange = zerocopy::transmute!([0u8; size_of::<FoundRange>()]);

    /// Whether it is one: of a kind, in an area, from a first to a last.
    pub fn is_sound(&self) -> bool {
        FindingKind::from_u8(self.kind).is_some()
            && Area::from_u8(self.area).is_some()
            && self.findings.get() > 0
            && self.block.get() <= self.last_block.get()
            && self.record.get() <= self.last_record.get()
            && (self.record.get() == NO_RECORD) == (self.last_record.get() == NO_RECORD)
    }
}

/// Ranges, and behind them rows that are not in use.
pub type RangeRows = [FoundRange; RANGES_MAX];

pub const NO_RANGES: RangeRows = [FoundRange::NONE; RANGES_MAX];

pub fn in_use(rows: &[FoundRange]) -> &[FoundRange] {
    &rows[..rows.iter().position(|range| range.kind == 0).unwrap_or(rows.len())]
}

pub fn findings_in(ranges: &[FoundRange]) -> u64 {
    ranges.iter().map(|range| u64::from(range.findings.get())).sum()
}

/// Whether these rows are ranges, with no more findings in them than a verification with so many in all has beyond
/// those it names one by one.
pub fn are_beyond_the_first(rows: &[FoundRange], findings: u32) -> bool {
    let ranges = in_use(rows);
    let beyond = findings.saturating_sub(FINDINGS_MAX as u32);
    // A count as large as it can be may stand for more.
    let counted = findings == u32::MAX || findings_in(ranges) <= beyond.into();
    counted && ranges.iter().all(FoundRange::is_sound)
}

/// What the audit ledger came to, when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Opened {
    pub records: U64,
    pub last_ms: U64,
    pub last_flag: U32,
    pub flags_hidden: U32,
}

/// Behind the last event of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HistoryEnd {
    pub records: U64,
    pub sent: U32,
}

/// What the audit ledger says of one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Remembered {
    /// The [`ArchiveState`](crate::lifecycle::ArchiveState) the last lifecycle transition led to; `Active` if there
    /// was none.
    pub state: u8,
    /// The kind of the last verification, an [`Op`]; 0 if there was none. The report's fields tell its result.
    pub verified: u8,
    pub before: u8,
    pub reserved: u8,
    pub since_full: U32,
    pub verified_ms: U64,
    pub more: RangeRows,
}

/// No record, in [`Report::record`] and [`Report::audit_record`].
pub const NO_RECORD: u64 = NONE;

/// The record in such a field, if there is one.
pub(super) fn record(field: U64) -> Option<u64> {
    Some(field.get()).filter(|&record| record != NO_RECORD)
}

/// The start of a message's body, which `body` copies out.
pub(super) fn read<T: FromZeros + IntoBytes + FromBytes>(body: impl FnOnce(&mut [u8])) -> T {
    let mut value = T::new_zeroed();
    body(value.as_mut_bytes());
    value
}

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Report>() == MESSAGE_HEADER);
const _: () = assert!(size_of::<Verified>() <= AUDIT_DATA);
const _: () = assert!(size_of::<Remembered>() <= AUDIT_DATA);
