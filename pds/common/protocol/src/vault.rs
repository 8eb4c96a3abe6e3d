//! Requests to the vault and its replies. A client's requests are served in the order they were sent. The
//! replies to its batches (see [`Op::is_batch`]) come in that order, and so do all others, which do not wait for
//! them. Several requests may be under way; a row of [`Op::Commit`]s that wait together shares one device
//! flush. A request that concerns a volume which is still being recovered waits
//! until that is done.

use totebox_manifest::conversation::MESSAGE_HEADER;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire_enum;
pub use ledger_fmt::layout::Area;

wire_enum! {
    /// What is asked.
    Op: u16 {
        /// The state of a volume; the reply's data is a [`VolumeInfo`]. An archive may ask of its own, the auditor
        /// and the orchestrator of every volume. `Unavailable` if the client cannot read the volume as it is. A
        /// volume that is on the disk but damaged or foreign the auditor and the orchestrator can; its own archive can
        /// if the superblock is right, and is then told how far batches were seen behind the damage.
        Hello = 1,
        /// `len` bytes from block `block` of `area`, whole blocks; the reply carries them.
        Read = 2,
        /// Write `len` bytes, whole blocks, at `block` of `app-console-input/`. Durable with the next commit.
        WriteInput = 3,
        /// Append `len` bytes to `assets/`, at `block`, which must be the append frontier; a last partial
        /// block is padded with zeros. Not committed before a commit, which is also what reports a failed write.
        Append = 4,
        /// Give up the asset blocks appended since the last commit.
        Abandon = 5,
        /// Commit one run: the data are its record bytes, `block` is the ledger's append frontier; all asset
        /// blocks appended so far are committed with it. The reply comes after the device flush. A commit that
        /// would not leave room for the seal is `Full`.
        Commit = 6,
        /// Seal the volume: nothing can be appended any more, and what was appended and not committed is given
        /// up. The orchestrator alone may ask, of an archive's volume. The reply comes after the device flush.
        Seal = 7,
    }
}

impl Op {
    /// Whether it asks for a run: it is answered when that is durable.
    pub const fn is_batch(self) -> bool {
        matches!(self, Op::Commit | Op::Seal)
    }
}

wire_enum! {
    /// How a request went. Everything but `Ok` changes nothing; what breaks a rule is counted, see
    /// [`Status::breaks_a_rule`].
    Status: u16 {
        /// Done.
        Ok = 0,
        /// A field has no meaning, or the data are not whole blocks.
        BadRequest = 1,
        /// The client may not do this to this volume.
        Forbidden = 2,
        /// Below the append frontier: committed bytes are never written again.
        BelowFrontier = 3,
        /// Beyond the append frontier, or outside the directory.
        OutOfRange = 4,
        /// The directory has no room; see [`Reply::area`].
        Full = 5,
        /// The volume is sealed.
        Sealed = 6,
        /// The disk refuses writes.
        ReadOnly = 7,
        /// The volume is not usable; [`Reply::state`] says why.
        Unavailable = 8,
        /// The disk reported an error. After a failed write or flush the volume takes no more writes.
        Io = 9,
    }
}

impl Status {
    /// Whether the request was one that no client in order makes, so that it is counted as refused.
    pub const fn breaks_a_rule(self) -> bool {
        use Status::*;
        matches!(self, BadRequest | Forbidden | BelowFrontier | OutOfRange | Sealed)
    }
}

wire_enum! {
    /// The state of a volume as the vault found it.
    VolumeState: u8 {
        /// Being recovered after start.
        Recovering = 0,
        /// In service.
        Ready = 1,
        /// Sealed: readable, never appended again.
        Sealed = 2,
        /// There is no disk.
        NoDisk = 3,
        /// The disk ends before the volume does.
        DiskTooSmall = 4,
        /// Block 0 holds no Totebox superblock.
        Foreign = 5,
        /// The superblock does not match its check, or committed batches that a hint vouches for are gone. The
        /// auditor can read it.
        Damaged = 6,
        /// The superblock is of another deployment.
        OtherDeployment = 7,
        /// The superblock is of another volume or layout than this deployment's.
        OtherVolume = 8,
        /// The superblock is of another format version.
        OtherVersion = 9,
        /// The disk failed while the volume was in use or being recovered: no more writes until the next start.
        /// Reads go on if it had been recovered.
        Failed = 10,
        /// The disk refuses writes: readable.
        ReadOnly = 11,
    }
}

impl VolumeState {
    /// The state's name in every message.
    pub const fn name(self) -> &'static str {
        match self {
            VolumeState::Recovering => "recovering",
            VolumeState::Ready => "ready",
            VolumeState::Sealed => "sealed",
            VolumeState::NoDisk => "no-disk",
            VolumeState::DiskTooSmall => "disk-too-small",
            VolumeState::Foreign => "foreign",
            VolumeState::Damaged => "damaged",
            VolumeState::OtherDeployment => "other-deployment",
            VolumeState::OtherVolume => "other-volume",
            VolumeState::OtherVersion => "other-version",
            VolumeState::Failed => "failed",
            VolumeState::ReadOnly => "read-only",
        }
    }

    /// Whether the volume can be read.
    pub const fn readable(self) -> bool {
        matches!(self, VolumeState::Ready | VolumeState::Sealed | VolumeState::ReadOnly)
    }
}

/// The header of a request; its data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// [`Op`].
    pub op: U16,
    /// [`Area`] of a read.
    pub area: u8,
    /// The volume's number in the client's own manifest: 0 for an archive.
    pub volume: u8,
    /// Chosen by the client, returned in the reply.
    pub tag: U32,
    /// See [`Op`].
    pub block: U64,
    /// Data bytes (of a read: bytes wanted).
    pub len: U32,
    /// 1 for a read that is in no hurry: it is served when the disk has nothing else to do, one of them at a time over
    /// all clients, or as soon as another request of the same client waits behind it. 0 for any other request.
    pub background: u8,
    /// Zero.
    pub reserved: [u8; 43],
}

/// The header of a reply; its data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reply {
    /// The request's.
    pub op: U16,
    /// [`Status`].
    pub status: U16,
    /// The request's.
    pub tag: U32,
    /// Data bytes.
    pub len: U32,
    /// The request's.
    pub volume: u8,
    /// [`VolumeState`].
    pub state: u8,
    /// [`Area`] the status speaks of, where it speaks of one.
    pub area: u8,
    /// Zero.
    pub reserved: u8,
    /// The ledger's append frontier after this request, in blocks from the start of `ledger/`.
    pub ledger_next: U64,
    /// The append position of `assets/` after this request, committed or not.
    pub assets_next: U64,
    /// Batches committed when the reply was sent: several may become durable together.
    pub batches: U64,
    /// Zero.
    pub reserved_tail: [u8; 24],
}

/// What [`Op::Hello`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct VolumeInfo {
    /// Blocks of `ledger/` committed.
    pub ledger_next: U64,
    /// Blocks of `assets/` committed.
    pub assets_next: U64,
    /// Batches committed.
    pub batches: U64,
    /// The hash of the last batch header.
    pub last_header: [u8; 32],
    /// Where the last batch header stands, in blocks from the start of `ledger/`; 0 if there is none.
    pub last_header_block: U64,
    /// 1 if the disk can flush, so that an acknowledged commit is durable.
    pub durable: u8,
    /// [`VolumeState`].
    pub state: u8,
    /// 1 if the last batch sealed the volume, whatever its state.
    pub sealed: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Reply>() == MESSAGE_HEADER);
