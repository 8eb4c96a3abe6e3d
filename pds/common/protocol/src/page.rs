//! The published pages: fixed-layout values with one writer each.

use ledger_fmt::Hash;
use ledger_fmt::verify::Finding;
use totebox_manifest::conversation::{PAGE, STATUS_SIZE};
use totebox_manifest::{ARCHIVES_MAX, VOLUMES_MAX};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::audit::{AuditResult, EventRow, PlaceRow, RangeRows, Verdict};
use super::flag::{FLAGS_MAX, FlagRow};
pub use super::lifecycle::{ArchiveState, Cause};
use super::vault::VolumeState;
use super::{UNKNOWN, wire_enum};

/// The time, by the clock: for records and for uptimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Time {
    /// Milliseconds since 1970-01-01 UTC, as the wall clock has it. May jump.
    pub wall_ms: U64,
    /// Milliseconds since the machine started. Never goes back.
    pub uptime_ms: U64,
    /// Ticks so far.
    pub ticks: U64,
}

wire_enum! {
    /// What an archive's own scrub came to.
    #[derive(Default)]
    Check: u8 {
        /// There was none yet.
        #[default]
        None = 0,
        /// Everything it has committed is what it was.
        Clean = 1,
        /// Something is not.
        Mismatch = 2,
        /// Something could not be read.
        Unreadable = 3,
    }
}

impl Check {
    /// Whether the pass found something.
    pub const fn found(self) -> bool {
        matches!(self, Check::Mismatch | Check::Unreadable)
    }

    /// The name `status` shows.
    pub const fn name(self) -> &'static str {
        match self {
            Check::None => "none",
            Check::Clean => "clean",
            Check::Mismatch => "mismatch",
            Check::Unreadable => "unreadable",
        }
    }
}

/// The lifecycle command, by the orchestrator for one archive. Before the first one an archive is what its
/// own ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Lifecycle {
    /// Which command this is; a new one has a new number.
    pub sequence: U64,
    /// The [`ArchiveState`] wanted: `Active`, `Suspended` or `Archived`.
    pub target: u8,
    /// [`Cause`].
    pub cause: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// An archive's health, by itself. A claim, not a fact: the auditor compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Health {
    /// Counts up whenever the archive is scheduled by a lifecycle page or finishes work.
    pub heartbeat: U64,
    /// [`ArchiveState`].
    pub state: u8,
    /// [`VolumeState`](super::vault::VolumeState) as the vault last said.
    pub volume_state: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// The last [`Lifecycle::sequence`] obeyed.
    pub obeyed: U64,
    /// Records committed.
    pub records: U64,
    /// Documents among them.
    pub documents: U64,
    /// Content bytes committed.
    pub bytes: U64,
    /// Batches committed.
    pub batches: U64,
    /// Blocks used and total: `assets/`, then `ledger/`.
    pub assets_used: U64,
    /// See above.
    pub assets_total: U64,
    /// See above.
    pub ledger_used: U64,
    /// See above.
    pub ledger_total: U64,
    /// The hash of the last record.
    pub head: Hash,
    /// The RFC 6962 root over all records.
    pub root: Hash,
    /// The [`ArchiveState`] its own ledger's last lifecycle record leads to; `Active` if it has none.
    pub recorded: u8,
    /// [`Check`] of its last scrub.
    pub check: u8,
    /// The [`Area`](super::vault::Area) of the first thing that pass found.
    pub check_area: u8,
    /// Zero.
    pub reserved_check: [u8; 5],
    /// The block of the first thing found, in its area.
    pub check_block: U64,
    /// The record it concerns; all ones if none.
    pub check_record: U64,
    /// Records that pass looked at.
    pub checked_records: U64,
    /// When it ended, in milliseconds since 1970-01-01 UTC; 0 if there was none.
    pub checked_ms: U64,
    /// Passes completed since start.
    pub checks: U64,
}

/// What the vault says of one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct VolumeRow {
    /// [`VolumeState`](super::vault::VolumeState).
    pub state: u8,
    /// 1 if the client whose volume this is broke the protocol and was cut off.
    pub closed: u8,
    /// How often the vault has written a newer hint over each of the two that it had found damaged, since its start.
    pub hints_damaged: [U16; 2],
    /// Zero.
    pub reserved: [u8; 2],
    /// Requests refused since start: those that break a rule, and a client's cutting-off.
    pub refused: U64,
    /// Batches committed.
    pub batches: U64,
    /// Blocks of `assets/` committed.
    pub assets_next: U64,
    /// Blocks of `ledger/` committed.
    pub ledger_next: U64,
}

/// The vault's page: the disk and every volume, as numbered in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct VaultPage {
    /// Device flushes since start.
    pub flushes: U64,
    /// Commits acknowledged since start.
    pub commits: U64,
    /// Blocks on the disk; 0 if there is none.
    pub capacity: U64,
    /// 1 if the disk can flush. Without it nothing is called durable.
    pub durable: u8,
    /// 1 if the disk refuses writes.
    pub read_only: u8,
    /// 1 once every volume has been looked at.
    pub recovered: u8,
    /// Zero.
    pub reserved: [u8; 5],
    /// Counts up whenever the orchestrator asks for a sign of life.
    pub heartbeat: U64,
    /// Operations the disk was given and has not completed.
    pub in_flight: U64,
    /// Operations the disk has completed since start.
    pub completed: U64,
    /// One row a volume.
    pub volumes: [VolumeRow; VOLUMES_MAX],
}

/// One archive (or the audit volume, last) on the operator's status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct StatusRow {
    /// [`ArchiveState`].
    pub state: u8,
    /// [`VolumeState`](super::vault::VolumeState).
    pub volume_state: u8,
    /// The [`Verdict`](super::audit::Verdict) of the last verification; 0 if there was none.
    pub verdict: u8,
    /// Its first finding's [`FindingKind`](ledger_fmt::verify::FindingKind), or 0.
    pub finding: u8,
    /// Its first finding's [`Area`](super::vault::Area).
    pub finding_area: u8,
    /// 1 while a verification is under way.
    pub verifying: u8,
    /// [`FaultKind`](totebox_domain::FaultKind) if the archive faulted, or 0.
    pub fault: u8,
    /// The [`ArchiveState`] its lifecycle says it is to be: `Active`, `Suspended` or `Archived`.
    pub target: u8,
    /// Its first finding's block.
    pub finding_block: U64,
    /// Its first finding's record; all ones if none.
    pub finding_record: U64,
    /// Findings of the last verification.
    pub findings: U32,
    /// The tag of the operator's last command that a verification has answered; 0 if none. It stays there when
    /// a scheduled verification has followed.
    pub verify_tag: U32,
    /// Records verified.
    pub verified_records: U64,
    /// Bytes read by the last verification.
    pub verified_bytes: U64,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub verified_ms: U64,
    /// How long it took.
    pub verify_duration_ms: U64,
    /// Records.
    pub records: U64,
    /// Documents.
    pub documents: U64,
    /// Content bytes.
    pub bytes: U64,
    /// The largest document there is room for, in bytes: 0 if `ledger/` takes no more records, or the archive nothing
    /// any more. Of the audit volume: bytes free in `ledger/`, where all it holds goes.
    pub free: U64,
    /// Documents of at most one block for which there is certainly room, whenever they come; of the audit volume:
    /// records.
    pub left: U64,
    /// Requests the vault refused.
    pub refused: U64,
    /// The address a fault concerned.
    pub fault_address: U64,
    /// The verification [`Op`](super::audit::Op) of the last verification, in full or incremental.
    pub verify_op: u8,
    /// 1 while a lifecycle transition is under way.
    pub moving: u8,
    /// The [`Completion`](super::operator::Completion) of the last lifecycle command.
    pub completion: u8,
    /// [`Check`] of the archive's own last scrub.
    pub check: u8,
    /// The tag of the last lifecycle command that ended; 0 if none.
    pub command_tag: U32,
    /// The archive's word on its last scrub, as in [`Health`].
    pub checked_ms: U64,
    /// See above.
    pub checked_records: U64,
    /// When it came into the state it is in, in milliseconds since the machine started.
    pub since_ms: U64,
    /// When its next scheduled audit is due, in milliseconds since the machine started; all ones if none is.
    pub audit_due_ms: U64,
    /// Flags about this volume that are not acknowledged.
    pub flags: U32,
    /// 1 if the audit record does not tell of the last verification.
    pub unrecorded: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

impl StatusRow {
    /// Sets what there is to say of the last verification, which ended at this time, in milliseconds since 1970-01-01
    /// UTC.
    pub fn set_result(&mut self, result: &AuditResult, ended_ms: u64) {
        (self.verify_op, self.verdict) = (result.scope.op() as u8, result.verdict as u8);
        if let Some(first) = result.first {
            let place = PlaceRow::of(&first);
            (self.finding, self.finding_area) = (place.kind, place.area);
            (self.finding_block, self.finding_record) = (place.block, place.record);
        }
        self.findings = result.findings.into();
        (self.verified_records, self.verified_bytes) = (result.records.into(), result.bytes.into());
        (self.verified_ms, self.verify_duration_ms) = (ended_ms.into(), result.duration_ms.into());
        let verified = result.verdict != Verdict::NotVerified;
        self.unrecorded = u8::from(verified && result.audit_record.is_none());
    }

    /// The name of the state it is in.
    pub fn state_name(&self) -> &'static str {
        ArchiveState::from_wire(self.state).map_or(UNKNOWN, ArchiveState::name)
    }

    /// The name of the state it is to be in.
    pub fn target_name(&self) -> &'static str {
        ArchiveState::from_wire(self.target).map_or(UNKNOWN, ArchiveState::name)
    }

    /// The name of the state its volume is in.
    pub fn volume_state_name(&self) -> &'static str {
        VolumeState::from_wire(self.volume_state).map_or(UNKNOWN, VolumeState::name)
    }

    /// The name of what the archive's own last scrub came to.
    pub fn check_name(&self) -> &'static str {
        Check::from_wire(self.check).map_or(UNKNOWN, Check::name)
    }

    /// The first finding of the last verification.
    pub fn finding(&self) -> Option<Finding> {
        let &StatusRow { finding: kind, finding_area: area, finding_block: block, finding_record: record, .. } =
            self;
        PlaceRow { kind, area, block, record, ..PlaceRow::default() }.decode()
    }
}

/// Domains that can be degraded: bits of [`StatusPage::degraded`].
pub mod degraded {
    /// The auditor does not answer, or breaks its protocol: nothing is verified or recorded.
    pub const AUDITOR: u8 = 1;
    /// The vault breaks its protocol: nothing can be sealed.
    pub const VAULT: u8 = 2;
    /// The clock stands still: nothing is scheduled, and a hung archive is not noticed. The console says it, too.
    pub const CLOCK: u8 = 4;
    /// The console does not answer, or breaks its protocol. Nobody sees it on the status page before it is back.
    pub const CONSOLE: u8 = 8;
    /// The vault does not answer: nothing is committed or read.
    pub const VAULT_SILENT: u8 = 16;
    /// The vault answers, but the disk completes nothing it was given.
    pub const DISK: u8 = 32;
    /// The orchestrator does not answer, or breaks its protocol; said by the console alone.
    pub const ORCHESTRATOR: u8 = 64;

    /// Each bit with its name and what that loss means.
    pub const ALL: [(u8, &str, &str); 7] = [
        (AUDITOR, "auditor", "the auditor is not working: nothing is verified or recorded"),
        (VAULT, "vault-broken", "the vault breaks its protocol: nothing can be archived"),
        (VAULT_SILENT, "vault", "the vault does not answer: nothing is committed or read"),
        (DISK, "disk", "the disk does not answer: what waits for it is neither committed nor read"),
        (CLOCK, "clock", "the clock stands still: nothing is scheduled, and a hung archive is not noticed"),
        (CONSOLE, "console", "the console does not answer: nobody can be told anything"),
        (
            ORCHESTRATOR,
            "orchestrator",
            "the orchestrator does not answer: what is shown is old, no order is carried out, documents go on",
        ),
    ];

    /// While one of these is set, nothing can be entered into the audit record.
    pub const UNWRITABLE: u8 = VAULT_SILENT | DISK;

    /// While one of these is set, nothing is recorded.
    pub const UNRECORDABLE: u8 = AUDITOR | UNWRITABLE;

    /// While one of these is set, what is not durable may be so for that.
    pub const UNREACHABLE: u8 = VAULT | UNWRITABLE;
}

/// Records of the audit record the status page shows at a time.
pub const HISTORY_MAX: usize = 24;

/// What the operator sees, by the orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct StatusPage {
    /// Milliseconds since the machine started.
    pub uptime_ms: U64,
    /// Milliseconds since 1970-01-01 UTC.
    pub wall_ms: U64,
    /// 1 if an acknowledged record is durable on this disk.
    pub durable: u8,
    /// 1 once every archive has come up or failed to.
    pub settled: u8,
    /// 1 if the disk refuses writes.
    pub read_only: u8,
    /// 1 once the archives' states were read back from the audit record, or cannot be.
    pub restored: u8,
    /// Bits of [`degraded`].
    pub degraded: u8,
    /// 1 if some archive's volume is in service: if none is, nothing can be put, and nothing is called durable.
    pub in_service: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Events of this start that the audit record does not tell of: it took no records, or none of that kind.
    pub unrecorded: U32,
    /// Flags that are not acknowledged, shown or not.
    pub flags_open: U32,
    /// Flags there is no row for.
    pub flags_hidden: U32,
    /// The tag of the last [`History`](super::operator::Op::History) that ended; 0 if none.
    pub history_tag: U32,
    /// Rows of `history` in use.
    pub history_len: U32,
    /// The tag of the last [`Findings`](super::operator::Op::Findings) that ended; 0 if none.
    pub findings_tag: U32,
    /// Records in the audit record, when that history was read.
    pub history_end: U64,
    /// One row a volume, as numbered in the manifest; the audit volume's is the last in use.
    pub rows: [StatusRow; VOLUMES_MAX],
    /// Flags: those in use first; of these the unacknowledged first, the most serious first, then the oldest.
    pub flags: [FlagRow; FLAGS_MAX],
    /// The records the operator asked for, in their order.
    pub history: [EventRow; HISTORY_MAX],
    /// Findings in all of the last verification of the volume the operator asked for.
    pub findings: U32,
    /// Those of them beyond what became flags.
    pub more: RangeRows,
}

// Each page fits its region behind the sequence word.
const _: () = assert!(size_of::<StatusPage>() + 8 <= STATUS_SIZE);
const _: () = assert!(size_of::<VaultPage>() + 8 <= PAGE);
const _: () = assert!(size_of::<Health>() + 8 <= PAGE && size_of::<Time>() + 8 <= PAGE);
const _: () = assert!(VOLUMES_MAX == ARCHIVES_MAX + 1);
