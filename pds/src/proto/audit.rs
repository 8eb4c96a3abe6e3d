//! Between the orchestrator and the auditor: what to verify, and what was found.

use ledger_fmt::Hash;
use totebox_manifest::conversation::{AUDIT_DATA, MESSAGE_HEADER};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::operator::REASON_MAX;
use super::wire_enum;

wire_enum! {
    /// What the orchestrator asks.
    Op: u8 {
        /// Verify all of a volume, from its first block to its frontier.
        VerifyFull = 1,
        /// Verify what is new since the last verified head, and a sample of the rest.
        VerifyIncremental = 2,
        /// Enter a record into the audit ledger: what the body, an [`Entry`], says. A flag, an acknowledgement, a
        /// lifecycle transition or a fault.
        Record = 3,
        /// Read records of the audit ledger, from sequence number `number` on ([`NO_RECORD`]: the last ones), at
        /// most `count`. A report with [`Verdict::Event`] and an [`Event`] for each, then one with
        /// [`Verdict::Complete`].
        History = 4,
        /// Of reports alone, and unasked: what the audit ledger says of a volume; the body is [`Remembered`].
        /// One for each volume of which it says something, before the report on the boot record.
        RestoreVolume = 5,
        /// Of reports alone, and unasked: a flag of the audit ledger; the body is a
        /// [`FlagRow`](super::flag::FlagRow). Before the report on the boot record.
        RestoreFlag = 6,
        /// Nothing, and there is no report: that it is taken from the ring tells that the auditor is there.
        Ping = 7,
    }
}

wire_enum! {
    /// How a verification ended.
    Verdict: u8 {
        /// Every committed byte is what it was when it was committed.
        Clean = 1,
        /// A finding; the report says the first.
        Mismatch = 2,
        /// The volume could not be read.
        Unreadable = 3,
        /// The record asked for is in the audit ledger and durable.
        Recorded = 4,
        /// The record asked for could not be entered.
        NotRecorded = 5,
        /// Nothing was verified: the auditor does not serve such a request, or was lost meanwhile.
        NotVerified = 6,
        /// A record of the audit ledger: in the body.
        Event = 7,
        /// All that was asked for has been reported.
        Complete = 8,
    }
}

impl Verdict {
    /// The verdict's name, as `verify` and the audit record give it.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Mismatch => "mismatch",
            Verdict::Unreadable => "unreadable",
            Verdict::Recorded => "recorded",
            Verdict::NotRecorded => "not-recorded",
            Verdict::NotVerified => "not-verified",
            Verdict::Event => "event",
            Verdict::Complete => "complete",
        }
    }
}

/// A request of the orchestrator; data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// [`Op`].
    pub op: u8,
    /// The volume's number in the manifest.
    pub volume: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Chosen by the orchestrator, returned in the report.
    pub tag: U32,
    /// Data bytes, at most [`AUDIT_DATA`].
    pub len: U32,
    /// See [`Op::History`].
    pub count: U32,
    /// See [`Op::History`].
    pub number: U64,
    /// Zero.
    pub reserved_tail: [u8; 40],
}

/// The auditor's report on one request. The body is [`Verified`] where nothing else is said. What comes
/// unasked has tag 0; the last of it is a report on [`Op::Record`]: the auditor has opened its own ledger and
/// entered the boot record, or cannot. There `findings` is the highest id a flag has, `bytes` how many
/// unacknowledged flags it could not tell of, and `duration_ms` the time of the last record before this start,
/// in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Report {
    /// The request's [`Op`].
    pub op: u8,
    /// The request's.
    pub volume: u8,
    /// [`Verdict`].
    pub verdict: u8,
    /// The [`FindingKind`](ledger_fmt::verify::FindingKind) of the first finding, or 0.
    pub finding: u8,
    /// The request's.
    pub tag: U32,
    /// Findings in all.
    pub findings: U32,
    /// The [`Area`](super::vault::Area) of the first finding.
    pub area: u8,
    /// 1 if this is not entered because what room is left is kept for what an operator does: see
    /// [`audit_room`](crate::audit_room). The audit record goes on taking that.
    pub kept_out: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// The block of the first finding, in its area.
    pub block: U64,
    /// The record the first finding concerns; all ones if none.
    pub record: U64,
    /// Records verified; of the report that comes unasked: records in the audit ledger.
    pub records: U64,
    /// Bytes read.
    pub bytes: U64,
    /// Milliseconds it took.
    pub duration_ms: U64,
    /// Sequence number of the audit record that states this, all ones if there is none.
    pub audit_record: U64,
}

/// The body of a report, at [`MESSAGE_HEADER`]: what the auditor computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Verified {
    /// The hash of the last record.
    pub head: Hash,
    /// The RFC 6962 root over all records.
    pub root: Hash,
    /// The first findings, as many as there are and fit.
    pub findings: [Place; FINDINGS_MAX],
}

/// Findings a report carries at most.
pub const FINDINGS_MAX: usize = 8;

/// A finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Place {
    /// [`FindingKind`](ledger_fmt::verify::FindingKind); 0 if this row is not in use.
    pub kind: u8,
    /// The [`Area`](super::vault::Area) the block is counted in.
    pub area: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// The first block concerned, in its area.
    pub block: U64,
    /// The record concerned; all ones if none.
    pub record: U64,
}

/// What the audit ledger says of one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Remembered {
    /// The [`ArchiveState`](super::page::ArchiveState) the last lifecycle transition led to; `Active` if there
    /// was none.
    pub state: u8,
    /// The kind of the last verification, an [`Op`]; 0 if there was none. The report's fields tell its result.
    pub verified: u8,
    /// The state before that transition: what the archive's own ledger may still tell, if the power was cut.
    pub before: u8,
    /// Zero.
    pub reserved: u8,
    /// Incremental verifications since the last full one.
    pub since_full: U32,
    /// The time of the last verification's record, in milliseconds since 1970-01-01 UTC.
    pub verified_ms: U64,
}

/// A record of the audit ledger, or one to be entered. What its kind does not need is zero, and all ones in
/// `record` where no record is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Entry {
    /// [`Kind`](ledger_fmt::record::Kind) of the record.
    pub kind: u8,
    /// The volume's number in the manifest; [`NO_VOLUME`](super::flag::NO_VOLUME) if it is about none (or about
    /// one this deployment no longer has).
    pub volume: u8,
    /// Audit result: [`Verdict`]. Flag, acknowledgement: [`FlagKind`](super::flag::FlagKind). Lifecycle: the
    /// [`ArchiveState`](super::page::ArchiveState) after it. Fault: [`FaultKind`](crate::FaultKind).
    pub what: u8,
    /// Audit result: the kind of verification, an [`Op`]. Lifecycle: the state before. Flag:
    /// [`FlagRow::what`](super::flag::FlagRow::what).
    pub from: u8,
    /// Flag: [`FlagRow::area`](super::flag::FlagRow::area). Audit result: the area of the first finding.
    pub area: u8,
    /// Lifecycle: [`Cause`](super::page::Cause). Audit result: the kind of the first finding, or 0.
    pub cause: u8,
    /// Bytes of `reason`.
    pub reason_len: u8,
    /// Zero.
    pub reserved: u8,
    /// Flag, acknowledgement: the flag's id.
    pub flag: U32,
    /// Audit result: findings.
    pub findings: U32,
    /// Flag, audit result: the block (of the first finding), in its area.
    pub block: U64,
    /// Flag, audit result: the record concerned.
    pub record: U64,
    /// Flag: [`FlagRow::detail`](super::flag::FlagRow::detail). Fault: the address it concerned.
    pub detail: U64,
    /// Audit result: records of the ledger.
    pub records: U64,
    /// Audit result: bytes read.
    pub bytes: U64,
    /// Audit result: how long it took. Else: how long before it was entered it happened, if that was not possible
    /// at once.
    pub duration_ms: U64,
    /// Acknowledgement: why, in UTF-8.
    pub reason: [u8; REASON_MAX],
}

/// A record of the audit ledger with its place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Event {
    /// Its sequence number.
    pub sequence: U64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: U64,
    /// What it says. Of a record whose payload this version cannot read, the kind alone.
    pub entry: Entry,
}

/// No record, in [`Report::record`] and [`Report::audit_record`].
pub const NO_RECORD: u64 = u64::MAX;

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Report>() == MESSAGE_HEADER);
const _: () = assert!(size_of::<Verified>() <= AUDIT_DATA && size_of::<Event>() <= AUDIT_DATA);
