//! The operator's orchestration commands: protected calls from the console to the orchestrator. Short,
//! bounded, answered at once; what takes time shows in the [surface](super::page::Surface) later, where
//! a completed command is named by the tag its call returned.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire_enum;

wire_enum! {
    /// What the operator commands.
    Op: u8 {
        /// Have the auditor verify a volume ([`ALL_VOLUMES`]: every one), in full.
        Verify = 1,
    }
}

/// Every volume, in [`Request::volume`].
pub const ALL_VOLUMES: u8 = 0xff;

wire_enum! {
    /// The orchestrator's answer.
    Outcome: u8 {
        /// Taken up.
        Accepted = 0,
        /// A command that has no meaning.
        BadRequest = 1,
        /// No such volume.
        UnknownArchive = 2,
        /// The same is under way already.
        AlreadyRunning = 3,
        /// The auditor is not there to do it.
        AuditorUnavailable = 4,
    }
}

/// A command: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// [`Op`].
    pub op: u8,
    /// The volume's number in the manifest, or [`ALL_VOLUMES`].
    pub volume: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// The answer: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reply {
    /// [`Outcome`].
    pub outcome: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Names this command in the surface.
    pub tag: U32,
}
