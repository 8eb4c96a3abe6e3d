//! Flags: what the orchestrator wants an operator to look at. A flag is sticky: it stays until the operator
//! acknowledges it with a reason.

use ledger_fmt::verify::FindingKind;
use totebox_domain::FaultKind;
use totebox_manifest::Role;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::vault::VolumeState;
use super::wire_enum;

/// Flags kept and shown at most: the most serious, unacknowledged ones first. How many more there are is
/// counted.
pub const FLAGS_MAX: usize = 64;

wire_enum! {
    /// What a flag is about. Kinds 1 to 10 are an audit's findings, with the numbers of
    /// [`FindingKind`](ledger_fmt::verify::FindingKind).
    FlagKind: u8 {
        /// The superblock is not the one this volume must have.
        Superblock = 1,
        /// A frontier hint is neither blank nor valid, or contradicts the stamps. With [`OVERWRITTEN`] as `what`, it
        /// was not an audit that found that but the vault, and it has written a newer one over it.
        Hint = 2,
        /// A stamp is damaged, stray, missing or contradicts itself.
        Stamp = 3,
        /// A record is damaged.
        Record = 4,
        /// A whole record does not continue the chain.
        Chain = 5,
        /// The tree over the records is not the one a checkpoint states.
        Tree = 6,
        /// Asset bytes are not what was committed.
        Asset = 7,
        /// The volume is older than what the audit record has seen of it.
        Rollback = 8,
        /// The archive claims another head than its ledger has.
        HeadDisagreement = 9,
        /// Blocks cannot be read.
        Unreadable = 10,
        /// The volume is not in service; `detail` is its [`VolumeState`](super::vault::VolumeState).
        MissingVolume = 32,
        /// The archive faulted and was stopped; `what` is its [`FaultKind`](totebox_domain::FaultKind), `detail` the
        /// address it concerned.
        Fault = 33,
        /// The archive gives no sign of life.
        Hung = 34,
        /// The archive did not come to rest in its time and was stopped.
        StopTimeout = 35,
        /// The archive broke a protocol: what it publishes cannot be, or the vault has cut it off.
        Protocol = 36,
        /// The vault refused requests that no archive in order makes; `detail` is how many so far.
        Refused = 37,
        /// The archive's own integrity pass and the audits disagree.
        SelfCheck = 38,
        /// The archive's own ledger tells of another lifecycle state than the audit record, or its volume could
        /// not be sealed; `detail` is the [`ArchiveState`](super::page::ArchiveState) its ledger tells of.
        Lifecycle = 39,
        /// The audit record takes no records: what happens is not recorded any more. With a `detail`: so many
        /// events had to be left out before it took some again.
        AuditVolume = 40,
        /// A domain beside the archives is not working; `what` is its [`Role`](totebox_manifest::Role), `detail`
        /// the [`Loss`].
        Degraded = 41,
        /// The wall clock was set back; `detail` is by how many milliseconds.
        ClockBack = 42,
        /// The audit record has little room left, and that is kept: see `audit_room` of the ledger writer.
        AuditNearlyFull = 43,
    }
}

wire_enum! {
    /// How a domain beside the archives is not working.
    Loss: u8 {
        /// It breaks its protocol, or does not do what it is there for.
        Fails = 0,
        /// It gives no sign of life.
        Silent = 1,
        /// It lives, but its device completes nothing.
        Device = 2,
    }
}

impl FlagKind {
    /// The kind's name in every message.
    pub const fn name(self) -> &'static str {
        match self {
            FlagKind::Superblock => "superblock",
            FlagKind::Hint => "hint",
            FlagKind::Stamp => "stamp",
            FlagKind::Record => "record",
            FlagKind::Chain => "chain",
            FlagKind::Tree => "tree",
            FlagKind::Asset => "asset",
            FlagKind::Rollback => "rollback",
            FlagKind::HeadDisagreement => "head-disagreement",
            FlagKind::Unreadable => "unreadable",
            FlagKind::MissingVolume => "missing-volume",
            FlagKind::Fault => "fault",
            FlagKind::Hung => "hung",
            FlagKind::StopTimeout => "stop-timeout",
            FlagKind::Protocol => "protocol",
            FlagKind::Refused => "refused",
            FlagKind::SelfCheck => "self-check",
            FlagKind::Lifecycle => "lifecycle",
            FlagKind::AuditVolume => "audit-volume",
            FlagKind::Degraded => "degraded",
            FlagKind::ClockBack => "clock-back",
            FlagKind::AuditNearlyFull => "audit-nearly-full",
        }
    }

    /// Whether it tells of a condition that is found again as long as it lasts, rather than of something that
    /// happened: an acknowledged condition is not raised anew.
    pub const fn is_condition(self) -> bool {
        use FlagKind::*;
        match self {
            Superblock | Hint | Stamp | Record | Chain | Tree | Asset | Rollback | HeadDisagreement => true,
            Unreadable | MissingVolume | SelfCheck | Lifecycle | AuditVolume | AuditNearlyFull => true,
            Fault | Hung | StopTimeout | Protocol | Refused | Degraded | ClockBack => false,
        }
    }

    /// Whether [`FlagRow::detail`] tells a state: with another one it is another flag.
    pub const fn detail_is_a_state(self) -> bool {
        matches!(self, FlagKind::MissingVolume | FlagKind::Lifecycle | FlagKind::AuditVolume | FlagKind::Degraded)
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<FlagKind> {
        (0..=u8::MAX).filter_map(FlagKind::from_wire).find(|kind| kind.name() == name)
    }

    /// Whether flags of this kind name an area and a block.
    pub fn is_about_a_place(self) -> bool {
        FindingKind::from_u8(self as u8).is_some() || self == FlagKind::SelfCheck
    }

    /// The name of what a flag of this kind says beside it in `what` or `detail`, where that has one.
    pub fn what_name(self, what: u8, detail: u64) -> Option<&'static str> {
        match self {
            FlagKind::Hint => (what == OVERWRITTEN).then_some("overwritten"),
            FlagKind::Fault => FaultKind::from_wire(what).map(FaultKind::name),
            FlagKind::Degraded => role_name(what),
            FlagKind::MissingVolume => {
                u8::try_from(detail).ok().and_then(VolumeState::from_wire).map(VolumeState::name)
            }
            _ => None,
        }
    }

    /// How serious it is; the highest comes first.
    pub const fn severity(self) -> u8 {
        match self {
            FlagKind::AuditVolume => 5,
            FlagKind::Rollback | FlagKind::Superblock | FlagKind::Stamp | FlagKind::Chain | FlagKind::Tree => 4,
            FlagKind::Record | FlagKind::Asset | FlagKind::HeadDisagreement | FlagKind::MissingVolume => 3,
            FlagKind::AuditNearlyFull => 3,
            FlagKind::Unreadable | FlagKind::SelfCheck | FlagKind::Lifecycle | FlagKind::Fault => 2,
            FlagKind::Hung | FlagKind::StopTimeout | FlagKind::Protocol | FlagKind::Refused => 2,
            FlagKind::Hint | FlagKind::Degraded | FlagKind::ClockBack => 1,
        }
    }
}

/// The name of a domain beside the archives.
fn role_name(role: u8) -> Option<&'static str> {
    Some(match Role::from_u8(role)? {
        Role::Archive => return None,
        Role::Orchestrator => "orchestrator",
        Role::Auditor => "auditor",
        Role::Vault => "vault",
        Role::Console => "console",
        Role::Clock => "clock",
    })
}

wire_enum! {
    /// Where a flag's acknowledgement stands.
    Acknowledged: u8 {
        /// The operator has not acknowledged it.
        No = 0,
        /// The operator has; it is being recorded.
        Recording = 1,
        /// Acknowledged and recorded.
        Yes = 2,
        /// Acknowledged; the audit record does not say so, and if it does not before the next start, the flag is
        /// open again.
        Unrecorded = 3,
    }
}

/// In [`FlagRow::what`] of a [`FlagKind::Hint`]: the vault found it damaged, and overwrote it.
pub const OVERWRITTEN: u8 = 1;

/// No volume, in [`FlagRow::volume`].
pub const NO_VOLUME: u8 = 0xff;

/// A flag, on the surface and from the audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FlagRow {
    /// Its number, from 1, by which it is acknowledged; 0 if this row is not in use.
    pub id: U32,
    /// [`FlagKind`].
    pub kind: u8,
    /// The volume's number in the manifest; [`NO_VOLUME`] if it is about none.
    pub volume: u8,
    /// The [`Area`](super::vault::Area) the block is counted in.
    pub area: u8,
    /// See [`FlagKind`]; else 0.
    pub what: u8,
    /// The block concerned, in its area.
    pub block: U64,
    /// The record concerned; all ones if none.
    pub record: U64,
    /// See [`FlagKind`]; else 0.
    pub detail: U64,
    /// When it was raised, in milliseconds since 1970-01-01 UTC.
    pub raised_ms: U64,
    /// Sequence number of the flag in the audit record; all ones if it could not be recorded.
    pub audit_record: U64,
    /// The tag of the last [`Acknowledge`](super::operator::Op::Acknowledge) that ended; 0 if none.
    pub tag: U32,
    /// [`Acknowledged`].
    pub acknowledged: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

impl FlagRow {
    /// Whether it tells of a condition that lasts: see [`FlagKind::is_condition`]. What the vault has overwritten does
    /// not.
    pub fn is_condition(&self) -> bool {
        let overwritten = self.kind == FlagKind::Hint as u8 && self.what == OVERWRITTEN;
        FlagKind::from_wire(self.kind).is_some_and(FlagKind::is_condition) && !overwritten
    }
}
