//! Between the console and an archive: submissions in, documents and receipts out. The console sends
//! requests one after another without waiting; the archive serves them in order, but several complete
//! submissions may wait for one commit, so receipts can come after later requests were taken up.
//!
//! Every submission ends in exactly one `Receipt` or `Failed`, which may come at any time after its
//! `PutBegin`, before its data have ended too; what still arrives of a submission that has ended is dropped
//! without an answer. Every `Get` and `List` ends in exactly one `End` or `Failed`.

use ledger_fmt::Hash;
use totebox_manifest::conversation::MESSAGE_HEADER;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire_enum;

/// The size of a submission whose length is not known when it begins.
pub const SIZE_UNKNOWN: u64 = u64::MAX;

wire_enum! {
    /// What the console sends.
    Op: u16 {
        /// A submission begins; the data are its name in UTF-8, `value` its size or [`SIZE_UNKNOWN`], and
        /// `hash` its declared BLAKE3 if `flags` has [`HASH_DECLARED`].
        PutBegin = 1,
        /// Bytes of the submission that is open; `value` is their offset.
        PutData = 2,
        /// All bytes were sent.
        PutEnd = 3,
        /// The open submission is given up; nothing of it is committed. Ends it with `Failed`, `Cancelled`;
        /// no answer if it has ended or all of it was sent.
        PutCancel = 4,
        /// Send the document with sequence number `value`, from byte `extra` of its content.
        Get = 5,
        /// List records from sequence number `value`, at most `extra` of them.
        List = 6,
        /// Stop the document or listing being sent. Ends it with `Failed`, `Cancelled`; no answer if it has
        /// ended.
        Cancel = 7,
        /// Sign a checkpoint over everything committed, if the last record is none. Ends in `Signed` or `Failed`;
        /// what is asked later waits for that.
        Sign = 8,
    }
}

/// In [`Request::flags`]: the submission declares its hash.
pub const HASH_DECLARED: u16 = 1;

wire_enum! {
    /// What the archive answers.
    Answer: u8 {
        /// The submission may be sent (answer to `PutBegin`).
        Ready = 1,
        /// The submission is committed and durable: `value` its sequence number, `extra` its size, `hash`
        /// its content hash, `time_ms` the record's time; the data are the record's hash.
        Receipt = 2,
        /// The request failed: `code` says how, `value` a detail (see [`Failure`]).
        Failed = 3,
        /// A document follows: fields as in `Receipt`; the data are its name.
        Document = 4,
        /// Content bytes at offset `value`.
        Data = 5,
        /// The document or listing is complete. Of a document: `value` is its size, `hash` its content hash,
        /// which the bytes read have. Of a listing: `value` is the number of records in the ledger.
        End = 6,
        /// One record of a listing: fields as in `Receipt`, `code` its kind; the data are its name.
        Entry = 7,
        /// Records that belong into a listing here and are damaged: `value` is the first one's sequence number, `extra`
        /// how many they are; 0 if nobody knows, because the ledger's end is damaged.
        Gap = 8,
        /// Everything before record `value`, `extra` records, is below the signed checkpoint in that record, which
        /// is durable; `hash` is the record's.
        Signed = 9,
    }
}

wire_enum! {
    /// Why a request failed. The console prints the name.
    Failure: u8 {
        /// A message that makes no sense here.
        BadRequest = 1,
        /// The name is empty, too long, not UTF-8, or holds control characters.
        BadName = 2,
        /// More or fewer bytes than declared; `value` is how many came.
        WrongSize = 3,
        /// The content does not have the declared hash.
        WrongHash = 4,
        /// No room; `value` is how many bytes there is room for.
        Full = 5,
        /// There is no such record; `value` is the number of records.
        NotFound = 6,
        /// The record carries no document.
        NotADocument = 7,
        /// What is on disk is not what was committed: of a `Get`, the record or its content; of a `List`, some
        /// record that should have been listed (those that are whole were; `value` is the number of records, if that
        /// is known); of a submission, the ledger, so that it cannot be continued.
        Damaged = 8,
        /// The archive is sealed.
        Sealed = 9,
        /// The disk failed.
        Io = 10,
        /// The volume is not usable; `value` is its [`VolumeState`](super::vault::VolumeState).
        Unavailable = 11,
        /// The archive is suspended, or not yet recovered.
        NotActive = 12,
        /// Given up on request.
        Cancelled = 13,
    }
}

/// The header of a request; its data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// [`Op`].
    pub op: U16,
    /// [`HASH_DECLARED`] or 0.
    pub flags: U16,
    /// Chosen by the console, returned in every answer to this request (a submission: the same for all).
    pub tag: U32,
    /// Data bytes.
    pub len: U32,
    /// Zero.
    pub reserved: U32,
    /// See [`Op`].
    pub value: U64,
    /// See [`Op`].
    pub extra: U64,
    /// See [`Op`].
    pub hash: Hash,
}

/// The header of an answer; its data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reply {
    /// [`Answer`].
    pub answer: u8,
    /// See [`Answer`].
    pub code: u8,
    /// Data bytes.
    pub len: U16,
    /// The request's.
    pub tag: U32,
    /// See [`Answer`].
    pub value: U64,
    /// See [`Answer`].
    pub extra: U64,
    /// The record's time in milliseconds since 1970-01-01 UTC.
    pub time_ms: U64,
    /// See [`Answer`].
    pub hash: Hash,
}

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Reply>() == MESSAGE_HEADER);
