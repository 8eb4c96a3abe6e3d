//! Between the console and an archive: submissions in, documents and receipts out. The console sends
//! requests one after another without waiting; the archive serves them in order, but several complete
//! submissions may wait for one commit, so receipts can come after later requests were taken up.
//!
//! Every submission ends in exactly one `Receipt` or `Failed`, which may come at any time after its
//! `PutBegin`, before its data have ended too; what still arrives of a submission that has ended is dropped
//! without an answer. Every `Get` ends in exactly one `End` or `Failed`, and
//! every `List` in one `Listed` or `Failed`.

use core::num::NonZeroU64;

use ledger_fmt::Hash;
use ledger_fmt::record::Kind;
use totebox_manifest::conversation::{INTAKE_DATA, MESSAGE_HEADER};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::row::{Crosses, messages};

messages! {
    /// What the console asks of an archive. Its data follow the header of the message.
    Asked by Op: u16 in Request.op {
        /// Take a submission; the data are its name in UTF-8.
        PutBegin {
            size: Option<u64> => value,
            hash: Option<Hash> => flags hash,
        } = 1,
        /// Take these bytes of the submission that is open.
        PutData {
            offset: u64 => value,
        } = 2,
        /// That was all of it.
        PutEnd = 3,
        /// Give the open submission up: nothing of it is committed. Ends it with [`Refusal::Cancelled`]; no answer if it
        /// has ended or all of it was sent.
        PutCancel = 4,
        Get {
            /// The record's sequence number.
            sequence: u64 => value,
            offset: u64 => extra,
        } = 5,
        List {
            from: u64 => value,
            /// So many of them at most.
            count: u64 => extra,
        } = 6,
        /// Stop the document or listing being sent. Ends it with [`Refusal::Cancelled`]; no answer if it has ended.
        Cancel = 7,
        /// Sign a checkpoint over everything committed, if the last record is none. What is asked later waits for that.
        Sign = 8,
    }
}

impl Asked {
    /// The header of the request, before so many bytes of data.
    pub fn encode(&self, tag: u32, len: usize) -> Request {
        let mut request = Request { tag: tag.into(), len: (len as u32).into(), ..Request::new_zeroed() };
        self.fill(&mut request);
        request
    }
}

impl Request {
    /// What is asked, and how many bytes of data follow; `None` if no console sends that.
    pub fn decode(&self) -> Option<(Asked, usize)> {
        let len = usize::try_from(self.len.get()).ok().filter(|&len| len <= INTAKE_DATA)?;
        Some((Asked::read(self)?, len))
    }
}

/// A record that carries content, or could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub sequence: u64,
    /// Bytes of its content.
    pub size: u64,
    pub hash: Hash,
    /// Its time in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
}

impl Crosses for Stored {
    type Row = (U64, U64, Hash, U64);
    fn row(&self) -> Self::Row {
        (self.sequence.row(), self.size.row(), self.hash, self.time_ms.row())
    }
    fn of(&(sequence, size, hash, time_ms): &Self::Row) -> Option<Stored> {
        Some(Stored { sequence: sequence.get(), size: size.get(), hash, time_ms: time_ms.get() })
    }
}

messages! {
    /// What an archive answers. Its data follow the header of the message.
    Answered by Answer: u8 in Reply.answer {
        /// The submission may be sent (to [`Asked::PutBegin`]).
        Ready = 1,
        /// The submission is committed and durable; the data are the record's hash.
        Receipt(stored: Stored => value extra hash time_ms) = 2,
        Failed(refusal: Refusal => code value) = 3,
        /// A document follows; the data are its name.
        Document(stored: Stored => value extra hash time_ms) = 4,
        /// Bytes of a document's content.
        Data {
            /// Where they stand.
            offset: u64 => value,
        } = 5,
        /// The document is complete, and the bytes read have its hash.
        End {
            size: u64 => value,
            hash: Hash => hash,
        } = 6,
        /// One record of a listing; the data are its name.
        Entry(stored: Stored => value extra hash time_ms, kind: Kind => code) = 7,
        /// Records that belong into a listing here and are damaged.
        Gap {
            first: u64 => value,
            /// How many they are; `None` if nobody knows, because the ledger's end is damaged.
            count: Option<NonZeroU64> => extra,
        } = 8,
        Signed {
            /// The sequence number of the checkpoint.
            sequence: u64 => value,
            /// Records below it, which it is over.
            records: u64 => extra,
            /// The hash of the checkpoint's record.
            hash: Hash => hash,
        } = 9,
        Listed {
            records: u64 => value,
        } = 10,
    }
}

impl Answered {
    /// The header of the answer to the request with this tag, before so many bytes of data.
    pub fn encode(&self, tag: u32, len: usize) -> Reply {
        const { assert!(INTAKE_DATA <= u16::MAX as usize) };
        let mut reply = Reply { tag: tag.into(), len: (len as u16).into(), ..Reply::new_zeroed() };
        self.fill(&mut reply);
        reply
    }
}

impl Reply {
    /// What is answered; or, in words, why no archive answers that.
    pub fn decode(&self) -> Result<Answered, &'static str> {
        let answer = Answer::from_wire(self.answer).ok_or("an unknown answer")?;
        if answer == Answer::Gap && self.value.get().checked_add(self.extra.get()).is_none() {
            return Err("more records than there can be");
        }
        Answered::read(self).ok_or(match answer {
            Answer::Entry => "a record of an unknown kind",
            _ => "an unknown reason for a failure",
        })
    }
}

messages! {
    /// Why a request failed.
    Refusal by Failure: u8 in Reply.code {
        BadRequest = 1,
        /// The name is empty, too long, not UTF-8, or holds control characters.
        BadName = 2,
        /// More or fewer bytes than declared: so many came.
        WrongSize(came: u64 => value) = 3,
        /// The content does not have the declared hash.
        WrongHash = 4,
        /// There is room for so many bytes.
        Full(room: u64 => value) = 5,
        /// There is no such record: there are so many.
        NotFound(records: u64 => value) = 6,
        NotADocument = 7,
        /// What is on disk is not what was committed: of [`Asked::Get`], the record or its content; of a submission, the
        /// ledger, so that it cannot be continued; of [`Asked::List`], some record that should have been listed. Those
        /// that are whole were.
        Damaged = 8,
        Sealed = 9,
        Io = 10,
        /// The volume is not usable.
        Unavailable = 11,
        /// The archive is suspended, or not yet recovered.
        NotActive = 12,
        Cancelled = 13,
    }
}

impl Crosses for Refusal {
    type Row = (u8, U64);
    fn row(&self) -> Self::Row {
        let mut reply = Reply::new_zeroed();
        self.fill(&mut reply);
        (reply.code, reply.value)
    }
    fn of(&(code, value): &Self::Row) -> Option<Refusal> {
        Refusal::read(&Reply { code, value, ..Reply::new_zeroed() })
    }
}

impl Op {
    /// The command that leads to it; of what is a part of one another name.
    pub const fn name(self) -> &'static str {
        match self {
            Op::PutBegin => "put",
            Op::PutData => "put-data",
            Op::PutEnd => "put-end",
            Op::PutCancel => "put-cancel",
            Op::Get => "get",
            Op::List => "ls",
            Op::Cancel => "cancel",
            Op::Sign => "sign",
        }
    }
}

/// The size of a submission whose length is not known when it begins.
pub const SIZE_UNKNOWN: u64 = u64::MAX;

/// The header of a request; its data follow at [`MESSAGE_HEADER`]. What is in which field, [`Asked`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    pub op: U16,
    /// 1 if `hash` is declared.
    pub flags: U16,
    /// Chosen by the console, returned in every answer to this request (a submission: the same for all).
    pub tag: U32,
    /// Data bytes.
    pub len: U32,
    pub reserved: U32,
    pub value: U64,
    pub extra: U64,
    pub hash: Hash,
}

/// The header of an answer; its data follow at [`MESSAGE_HEADER`]. What is in which field, [`Answered`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reply {
    pub answer: u8,
    pub code: u8,
    /// Data bytes.
    pub len: U16,
    pub tag: U32,
    pub value: U64,
    pub extra: U64,
    /// The record's time in milliseconds since 1970-01-01 UTC.
    pub time_ms: U64,
    pub hash: Hash,
}

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Reply>() == MESSAGE_HEADER);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const HASH: Hash = [7; 32];

    fn asked() -> Vec<Asked> {
        let mut asked = Vec::from([Asked::PutEnd, Asked::PutCancel, Asked::Cancel, Asked::Sign]);
        for number in [0, 1, u64::MAX - 1] {
            for hash in [None, Some(HASH)] {
                asked.extend([Some(number), None].map(|size| Asked::PutBegin { size, hash }));
            }
            asked.push(Asked::PutData { offset: number });
            asked.push(Asked::Get { sequence: number, offset: u64::MAX - number });
            asked.push(Asked::List { from: number, count: u64::MAX - number });
        }
        asked
    }

    fn answered() -> Vec<Answered> {
        let mut answered = Vec::from([Answered::Ready, Answered::Gap { first: 3, count: None }]);
        for number in [0, 1, u64::MAX / 2] {
            let stored = Stored { sequence: number, size: number + 1, hash: HASH, time_ms: 9 };
            answered.extend([Answered::Receipt(stored), Answered::Document(stored)]);
            answered.extend(Kind::ALL.iter().map(|&kind| Answered::Entry(stored, kind)));
            answered.push(Answered::Data { offset: number });
            answered.push(Answered::End { size: number, hash: HASH });
            answered.push(Answered::Gap { first: number, count: NonZeroU64::new(number + 1) });
            answered.push(Answered::Listed { records: number });
            answered.push(Answered::Signed { sequence: number + 1, records: number, hash: HASH });
            let refusals = (0..=u8::MAX).filter_map(|code| Refusal::of(&(code, number.into())));
            answered.extend(refusals.map(Answered::Failed));
        }
        answered
    }

    #[test]
    fn every_request_and_every_answer_comes_out_as_it_went_in() {
        for asked in asked() {
            let request = asked.encode(5, INTAKE_DATA);
            assert_eq!(request.tag.get(), 5);
            let read = Request::read_from_bytes(request.as_bytes()).unwrap();
            assert_eq!(read.decode(), Some((asked, INTAKE_DATA)));
        }
        for answered in answered() {
            let reply = answered.encode(5, INTAKE_DATA);
            assert_eq!((reply.tag.get(), usize::from(reply.len.get())), (5, INTAKE_DATA));
            assert_eq!(Reply::read_from_bytes(reply.as_bytes()).unwrap().decode(), Ok(answered));
        }
    }

    /// Every value of every byte of every message: what is taken for one is one.
    #[test]
    fn what_is_no_request_and_no_answer_is_refused() {
        let values = |size: usize| (0..size).flat_map(|at| (0..=u8::MAX).map(move |value| (at, value)));
        for asked in asked() {
            for (at, value) in values(size_of::<Request>()) {
                let mut request = asked.encode(5, 9);
                request.as_mut_bytes()[at] = value;
                if let Some((read, len)) = request.decode() {
                    assert_eq!(read.encode(5, len).decode(), Some((read, len)));
                }
            }
        }
        for answered in answered() {
            for (at, value) in values(size_of::<Reply>()) {
                let mut reply = answered.encode(5, 9);
                reply.as_mut_bytes()[at] = value;
                if let Ok(read) = reply.decode() {
                    assert_eq!(read.encode(5, 9).decode(), Ok(read));
                }
            }
        }
        let nonsense = |answer: Answer, code, value, extra| {
            let (value, extra): (u64, u64) = (value, extra);
            let (answer, value, extra) = (answer as u8, value.into(), extra.into());
            Reply { answer, code, value, extra, ..Reply::new_zeroed() }.decode().unwrap_err()
        };
        assert_eq!(Reply::new_zeroed().decode(), Err("an unknown answer"));
        assert_eq!(nonsense(Answer::Failed, 0, 0, 0), "an unknown reason for a failure");
        assert_eq!(nonsense(Answer::Entry, 99, 0, 0), "a record of an unknown kind");
        assert_eq!(nonsense(Answer::Gap, 0, 2, u64::MAX), "more records than there can be");
        assert_eq!(Asked::PutEnd.encode(5, INTAKE_DATA + 1).decode(), None, "longer than a message");
    }
}
