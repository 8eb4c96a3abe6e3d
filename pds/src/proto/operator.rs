//! The operator's orchestration commands: protected calls from the console to the orchestrator. Short,
//! bounded, answered at once; what takes time shows in the [surface](super::page::Surface) later, where
//! a completed command is named by the tag its call returned.
//!
//! | command | named when it is complete in |
//! |---|---|
//! | [`Op::Verify`] | [`SurfaceRow::verify_tag`](super::page::SurfaceRow::verify_tag) of each volume |
//! | [`Op::Suspend`], [`Op::Resume`], [`Op::Archive`] | [`SurfaceRow::command_tag`](super::page::SurfaceRow::command_tag), with the [`Completion`] beside it |
//! | [`Op::Acknowledge`] | [`FlagRow::tag`](super::flag::FlagRow::tag): acknowledged; recorded, or not |
//! | [`Op::History`] | [`Surface::history_tag`](super::page::Surface::history_tag) |

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire_enum;
use crate::kernel::CALL_BYTES_MAX;

/// Bytes of an acknowledgement's reason at most: a line an operator types.
pub const REASON_MAX: usize = 120;

wire_enum! {
    /// What the operator commands.
    Op: u8 {
        /// Have the auditor verify a volume ([`ALL_VOLUMES`]: every one), in full.
        Verify = 1,
        /// Suspend an archive: it comes to rest and its thread is stopped.
        Suspend = 2,
        /// Let a suspended archive go on.
        Resume = 3,
        /// Close an archive for good: last record, checkpoint, and the vault seals its volume.
        Archive = 4,
        /// Acknowledge the flag with the id [`Request::number`]; the reason follows the request.
        Acknowledge = 5,
        /// Show records of the audit record on the surface, from sequence number [`Request::number`] on
        /// ([`LATEST`]: the last ones).
        History = 6,
    }
}

/// Every volume, in [`Request::volume`].
pub const ALL_VOLUMES: u8 = 0xff;

/// The last records, in [`Request::number`] of [`Op::History`].
pub const LATEST: u64 = u64::MAX;

wire_enum! {
    /// The orchestrator's answer. Everything but `Accepted` changes nothing.
    Outcome: u8 {
        /// Taken up.
        Accepted = 0,
        /// A command that has no meaning.
        BadRequest = 1,
        /// No such volume; of a lifecycle command also: the audit volume, which has no lifecycle.
        UnknownArchive = 2,
        /// The same is under way already: an audit of the volume, a transition of the archive, a history.
        AlreadyRunning = 3,
        /// The auditor is not there to do it.
        AuditorUnavailable = 4,
        /// The archive is in that state already.
        AlreadyThere = 5,
        /// The lifecycle has no such transition: out of `archived` there is none, and an archive can only be
        /// archived while it is in service or suspended.
        ImpossibleTransition = 6,
        /// No flag has that id.
        UnknownFlag = 7,
        /// The flag is acknowledged, or its acknowledgement is being recorded.
        AlreadyAcknowledged = 8,
        /// An acknowledgement has to say why.
        ReasonMissing = 9,
        /// The reason is longer than [`REASON_MAX`] bytes.
        ReasonTooLong = 10,
        /// The reason is not UTF-8 or has control characters.
        ReasonUnreadable = 11,
        /// Too much waits to be entered into the audit record already.
        NotRecorded = 12,
        /// The states of the archives have not been read back from the audit record yet.
        NotReady = 13,
    }
}

wire_enum! {
    /// How the last lifecycle command of an archive ended.
    Completion: u8 {
        /// There was none, or it is under way.
        None = 0,
        /// The archive did it, and both ledgers say so.
        Done = 1,
        /// The archive did not come to rest in its time and was stopped.
        Stopped = 2,
        /// It is done, but the audit record or the archive's own ledger does not say so; there is a flag.
        Unrecorded = 3,
        /// It could not be done; there is a flag. The state is the old one, but an archive whose volume could not
        /// be sealed is stopped, and the next start tries again.
        Failed = 4,
    }
}

/// A command: 16 bytes; behind it the reason, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// [`Op`].
    pub op: u8,
    /// The volume's number in the manifest, or [`ALL_VOLUMES`]; 0 where no volume is meant.
    pub volume: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// See [`Op`]; else 0.
    pub number: U64,
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

// The longest command, and one byte more to see that a reason is too long.
const _: () = assert!(size_of::<Request>() + REASON_MAX < CALL_BYTES_MAX);
