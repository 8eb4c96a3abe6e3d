//! The operator's orders: requests of the console to the orchestrator, and its answers, by queue. An answer comes
//! at once; what takes time shows in the [status page](super::page::Status page) later, where a completed order is
//! named by what its answer called it. When an answer comes, the status page is up to date.
//!
//! | order | named when it is complete in |
//! |---|---|
//! | [`Op::Verify`] | [`StatusRow::verify_tag`](super::page::SurfaceRow::verify_tag) of each volume |
//! | [`Op::Suspend`], [`Op::Resume`], [`Op::Archive`] | [`StatusRow::command_tag`](super::page::SurfaceRow::command_tag), with the [`Completion`] beside it |
//! | [`Op::Acknowledge`] | [`FlagRow::tag`](super::flag::FlagRow::tag): acknowledged; recorded, or not |
//! | [`Op::History`] | [`StatusPage::history_tag`](super::page::Status page::history_tag) |
//! | [`Op::Findings`] | [`StatusPage::findings_tag`](super::page::Status page::findings_tag) |
//! | [`Op::Ping`] | its answer |

use totebox_manifest::conversation::{MESSAGE_HEADER, ORDER_DATA};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire_enum;

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
        /// Show records of the audit record on the status page, from sequence number [`Request::number`] on
        /// ([`LATEST`]: the last ones).
        History = 6,
        /// Say that you are there. The console asks once a second, which tells each of the other's life.
        Ping = 7,
        /// Show on the status page what the last verification of a volume found beyond what became flags.
        Findings = 8,
    }
}

impl Op {
    /// Whether it only asks: nothing is changed by it, and nothing can be left half done.
    pub const fn is_a_question(self) -> bool {
        matches!(self, Op::History | Op::Ping | Op::Findings)
    }
}

/// Every volume, in [`Request::volume`].
pub const ALL_VOLUMES: u8 = 0xff;

/// The last records, in [`Request::number`] of [`Op::History`].
pub const LATEST: u64 = u64::MAX;

wire_enum! {
    /// What the orchestrator answers. Everything but `Accepted` changes nothing.
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

/// The header of an order; the reason follows it, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// [`Op`].
    pub op: u8,
    /// The volume's number in the manifest, or [`ALL_VOLUMES`]; 0 where no volume is meant.
    pub volume: u8,
    /// Bytes of the reason.
    pub len: U16,
    /// Chosen by the console, returned in the answer.
    pub tag: U32,
    /// See [`Op`]; else 0.
    pub number: U64,
    /// Zero.
    pub reserved: [u8; 48],
}

/// The answer. They come in the order of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reply {
    /// The request's.
    pub op: u8,
    /// [`Outcome`].
    pub outcome: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// The request's.
    pub tag: U32,
    /// What the status page will call this order; 0 if it was not taken up, or is [`Op::Ping`].
    pub name: U32,
    /// Zero.
    pub reserved_tail: [u8; 52],
}

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Reply>() == MESSAGE_HEADER);
// The longest reason, and one byte more to see that it is too long.
const _: () = assert!(REASON_MAX < ORDER_DATA);
