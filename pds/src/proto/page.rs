//! The published pages: fixed-layout values with one writer each.

use ledger_fmt::Hash;
use totebox_manifest::conversation::{PAGE, SURFACE_SIZE};
use totebox_manifest::{ARCHIVES_MAX, VOLUMES_MAX};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire_enum;

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
    /// What an archive is to be, and what it says it is.
    ArchiveState: u8 {
        /// Not yet recovered.
        Starting = 0,
        /// In service.
        Active = 1,
        /// Quiesced: readable on disk, takes nothing.
        Suspended = 2,
        /// Final.
        Archived = 3,
        /// Its volume is not usable.
        Unavailable = 4,
        /// It cannot continue its ledger: what it recovered contradicts itself, or a write failed.
        Failed = 5,
        /// Stopped by a fault (said by the orchestrator alone).
        Faulted = 6,
    }
}

impl ArchiveState {
    /// The state's name, as `status` shows it.
    pub const fn name(self) -> &'static str {
        match self {
            ArchiveState::Starting => "starting",
            ArchiveState::Active => "active",
            ArchiveState::Suspended => "suspended",
            ArchiveState::Archived => "archived",
            ArchiveState::Unavailable => "unavailable",
            ArchiveState::Failed => "failed",
            ArchiveState::Faulted => "faulted",
        }
    }
}

/// The lifecycle command, by the orchestrator for one archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Lifecycle {
    /// Which command this is; a new one has a new number.
    pub sequence: U64,
    /// The [`ArchiveState`] wanted.
    pub target: u8,
    /// Zero.
    pub reserved: [u8; 7],
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
    /// Runs committed.
    pub runs: U64,
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
}

/// What the vault says of one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct VolumeRow {
    /// [`VolumeState`](super::vault::VolumeState).
    pub state: u8,
    /// 1 if the client whose volume this is broke the protocol and was cut off.
    pub closed: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// Requests refused since start: those that break a rule, and a client's cutting-off.
    pub refused: U64,
    /// Runs committed.
    pub runs: U64,
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
    /// One row a volume.
    pub volumes: [VolumeRow; VOLUMES_MAX],
}

/// One archive (or the audit volume, last) on the operator's surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SurfaceRow {
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
    /// [`FaultKind`](crate::FaultKind) if the archive faulted, or 0.
    pub fault: u8,
    /// Zero.
    pub reserved: u8,
    /// Its first finding's block.
    pub finding_block: U64,
    /// Its first finding's record; all ones if none.
    pub finding_record: U64,
    /// Findings of the last verification.
    pub findings: U32,
    /// The tag of the operator's command the last verification answered; 0 if none.
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
    /// Bytes free in `assets/`; of the audit volume: in `ledger/`, where all it holds goes.
    pub free: U64,
    /// Requests the vault refused.
    pub refused: U64,
    /// The address a fault concerned.
    pub fault_address: U64,
}

/// What the operator sees, by the orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Surface {
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
    /// Zero.
    pub reserved: [u8; 5],
    /// One row a volume, as numbered in the manifest; the audit volume's is the last in use.
    pub rows: [SurfaceRow; VOLUMES_MAX],
}

// Each page fits its region behind the sequence word.
const _: () = assert!(size_of::<Surface>() + 8 <= SURFACE_SIZE);
const _: () = assert!(size_of::<VaultPage>() + 8 <= SURFACE_SIZE);
const _: () = assert!(size_of::<Health>() + 8 <= PAGE && size_of::<Time>() + 8 <= PAGE);
const _: () = assert!(VOLUMES_MAX == ARCHIVES_MAX + 1);
