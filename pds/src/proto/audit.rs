//! Between the orchestrator and the auditor: what to verify, and what was found.

use ledger_fmt::Hash;
use totebox_manifest::conversation::{AUDIT_DATA, MESSAGE_HEADER};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire_enum;

wire_enum! {
    /// What the orchestrator asks.
    Op: u8 {
        /// Verify all of a volume, from its first block to its frontier.
        VerifyFull = 1,
        /// Verify what is new since the last verified head, and a sample of the rest.
        VerifyIncremental = 2,
        /// Enter a record into the audit ledger; its kind in `kind`, its payload the data.
        Record = 3,
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
    /// [`Kind`](ledger_fmt::record::Kind) of a record to enter.
    pub kind: u8,
    /// Zero.
    pub reserved: u8,
    /// Chosen by the orchestrator, returned in the report.
    pub tag: U32,
    /// Data bytes, at most [`AUDIT_DATA`].
    pub len: U32,
    /// Zero.
    pub reserved_tail: [u8; 52],
}

/// The auditor's report on one request. The body is [`Verified`]. One report comes unasked, with tag 0 and
/// [`Op::Record`]: the auditor has opened its own ledger and entered the boot record, or cannot.
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
    /// Zero.
    pub reserved: [u8; 3],
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
}

/// No record, in [`Report::record`] and [`Report::audit_record`].
pub const NO_RECORD: u64 = u64::MAX;

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Report>() == MESSAGE_HEADER);
const _: () = assert!(size_of::<Verified>() <= AUDIT_DATA);
