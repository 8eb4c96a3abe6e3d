//! The published pages: fixed-layout values with one writer each.

use totebox_manifest::conversation::PAGE;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use super::lifecycle::{ArchiveState, Cause};

pub mod claim;
pub mod command;
pub mod status;
pub mod vault;

pub use claim::{Check, Claim, Health, OwnCheck};
pub use command::{Command, CommandPage};
pub use status::{ApplianceStatus, Audited, HISTORY_MAX, StatusPage, StatusRow, VolumeStatus};
pub use vault::{VaultPage, VaultReport, VolumeReport, VolumeRow};

/// The time, by the clock: for records and for uptimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Time {
    /// Milliseconds since 1970-01-01 UTC, as the wall clock has it. May jump.
    pub wall_ms: U64,
    /// Milliseconds since the machine started. Never goes back.
    pub uptime_ms: U64,
    pub ticks: U64,
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
        (CONSOLE, "console", "the console does not answer: nothing can be shown to anybody"),
        (
            ORCHESTRATOR,
            "orchestrator",
            "the orchestrator does not answer: what is shown is old, no order is carried out, documents go on",
        ),
    ];

    /// Every bit there is.
    pub const EVERY: u8 = 127;

    /// While one of these is set, nothing can be entered into the audit record.
    pub const UNWRITABLE: u8 = VAULT_SILENT | DISK;

    /// While one of these is set, nothing is recorded.
    pub const UNRECORDABLE: u8 = AUDITOR | UNWRITABLE;
}

const _: () = assert!(size_of::<Time>() + 8 <= PAGE);
