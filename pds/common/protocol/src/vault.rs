//! Requests to the vault and its replies. A client's requests are served in the order they were sent. The
//! replies to its batches (see [`Op::is_batch`]) come in that order, and so do all others, which do not wait for
//! them. Several requests may be under way; a row of [`Op::Commit`]s that wait together shares one device
//! flush. A request that concerns a volume which is still being recovered waits
//! until that is done.

use ledger_fmt::batch_header::Frontier;
use totebox_manifest::conversation::MESSAGE_HEADER;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::row::{Crosses, messages};
use crate::wire_enum;
pub use ledger_fmt::layout::Area;

messages! {
    /// What a client asks of a volume. The data of a request follow its header; they and what is read are whole blocks.
    Asked by Op: u16 in Request.op {
        /// The volume's state; the reply's data is a [`VolumeInfo`]. An archive may ask of its own, the auditor
        /// and the orchestrator of every volume. `Unavailable` if the client cannot read the volume as it is. A
        /// volume that is on the disk but damaged or foreign the auditor and the orchestrator can; its own archive can
        /// if the superblock is right, and is then told how far batches were seen behind the damage.
        Hello = 1,
        Read {
            area: Area => area,
            block: u64 => block,
            /// How many bytes.
            len: usize => len,
            /// It is in no hurry: it is served when the disk has nothing else to do, one of them at a time over all
            /// clients, or as soon as another request of the same client waits after it.
            background: bool => background,
        } = 2,
        /// Write the data to `app-console-input/`, from this block on. Durable with the next commit.
        WriteInput(block: u64 => block, len: usize => len) = 3,
        /// Append the data, so many bytes, to `assets/`, at this block, which must be the append frontier; a last partial
        /// block is padded with zeros. Not committed before a commit, which is also what reports a failed write.
        Append(block: u64 => block, len: usize => len) = 4,
        /// Give up the asset blocks appended since the last commit.
        Abandon = 5,
        /// Commit the data, so many bytes of records, as a batch at this block of `ledger/`, its append frontier; all
        /// asset blocks appended so far are committed with it. The reply comes after the device flush. A commit that
        /// would not leave room for the seal is `Full`.
        Commit(block: u64 => block, len: usize => len) = 6,
        /// Seal the volume: nothing can be appended any more, and what was appended and not committed is given
        /// up. The orchestrator alone may ask, of an archive's volume. The reply comes after the device flush.
        Seal = 7,
    }
}

impl Asked {
    /// Bytes of data that a successful reply carries.
    const fn reply_len(&self) -> usize {
        match *self {
            Asked::Hello => size_of::<VolumeInfo>(),
            Asked::Read { len, .. } => len,
            _ => 0,
        }
    }

    /// The header of the request, about the volume with this number.
    pub fn encode(&self, volume: u8, tag: u32) -> Request {
        let mut request = Request { volume, tag: tag.into(), ..Request::new_zeroed() };
        self.fill(&mut request);
        request
    }
}

impl Request {
    /// What is asked, by a client whose messages carry so many bytes of data at most; `None` if it means nothing.
    pub fn decode(&self, data_max: usize) -> Option<Asked> {
        Asked::read(self).filter(|_| self.len.get() as usize <= data_max)
    }

    /// Whether it asks for a batch: it is answered when that is durable.
    pub fn is_batch(&self) -> bool {
        Op::from_wire(self.op.get()).is_some_and(Op::is_batch)
    }

    /// The reply to it, with so many bytes of data.
    pub fn reply(&self, answered: &Answered, len: usize) -> Reply {
        let &Answered { status, area, state, ledger_next, assets_next, batches } = answered;
        Reply {
            op: self.op,
            status: (status as u16).into(),
            tag: self.tag,
            len: (len as u32).into(),
            volume: self.volume,
            state: state as u8,
            area: area as u8,
            ledger_next: ledger_next.into(),
            assets_next: assets_next.into(),
            batches: batches.into(),
            ..Reply::new_zeroed()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: Status,
    /// The area the status speaks of; [`Area::Volume`] where it speaks of none.
    pub area: Area,
    pub state: VolumeState,
    /// The ledger's append frontier after this request, in blocks from the start of `ledger/`.
    pub ledger_next: u64,
    /// The append position of `assets/` after this request, committed or not.
    pub assets_next: u64,
    /// Batches committed when the reply was sent: several may become durable together.
    pub batches: u64,
}

impl Reply {
    /// Whether it is a reply to a batch: see [`Request::is_batch`].
    pub fn is_to_batch(&self) -> bool {
        Op::from_wire(self.op.get()).is_some_and(Op::is_batch)
    }

    /// What is answered to this request, about the volume with this number and with this tag, and how many bytes of data
    /// follow; `None` if it is no answer to it.
    pub fn decode(&self, asked: &Asked, volume: u8, tag: u32) -> Option<(Answered, usize)> {
        let answered = Answered {
            status: Status::from_wire(self.status.get())?,
            area: Area::from_u8(self.area)?,
            state: VolumeState::from_wire(self.state)?,
            ledger_next: self.ledger_next.get(),
            assets_next: self.assets_next.get(),
            batches: self.batches.get(),
        };
        let len = if answered.status == Status::Ok { asked.reply_len() } else { 0 };
        let is_answer = (self.op.get(), self.volume, self.tag.get()) == (asked.number() as u16, volume, tag);
        (is_answer && self.len.get() as usize == len).then_some((answered, len))
    }
}

/// Where a volume is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub frontier: Frontier,
    /// Where the last batch header stands, in blocks from the start of `ledger/`; 0 if there is none.
    pub last_header_block: u64,
}

impl Committed {
    pub const NOTHING: Committed = Committed { frontier: Frontier::EMPTY, last_header_block: 0 };

    /// As the answer to [`Asked::Hello`] carries it.
    pub fn encode(&self) -> VolumeInfo {
        let Frontier { batches, ledger_next, assets_next, last_header, sealed } = self.frontier;
        VolumeInfo {
            ledger_next: ledger_next.into(),
            assets_next: assets_next.into(),
            batches: batches.into(),
            last_header,
            last_header_block: self.last_header_block.into(),
            sealed: u8::from(sealed),
            reserved: [0; 7],
        }
    }
}

impl VolumeInfo {
    pub fn decode(&self) -> Committed {
        let frontier = Frontier {
            batches: self.batches.get(),
            ledger_next: self.ledger_next.get(),
            assets_next: self.assets_next.get(),
            last_header: self.last_header,
            sealed: self.sealed == 1,
        };
        Committed { frontier, last_header_block: self.last_header_block.get() }
    }
}

impl Op {
    /// Whether it asks for a batch: it is answered when that is durable.
    pub const fn is_batch(self) -> bool {
        matches!(self, Op::Commit | Op::Seal)
    }
}

wire_enum! {
    /// How a request went. All but `Ok` change nothing; some are counted: [`Status::breaks_a_rule`].
    Status: u16 {
        Ok = 0, "ok";
        /// A field has no meaning, or the data are not whole blocks.
        BadRequest = 1, "bad-request";
        /// The client may not do this to this volume.
        Forbidden = 2, "forbidden";
        /// Below the append frontier: committed bytes are never written again.
        BelowFrontier = 3, "below-frontier";
        /// Beyond the append frontier, or outside the directory.
        OutOfRange = 4, "out-of-range";
        /// The directory has no room; see [`Reply::area`].
        Full = 5, "full";
        Sealed = 6, "sealed";
        ReadOnly = 7, "read-only";
        /// The volume is not usable; [`Reply::state`] says why.
        Unavailable = 8, "unavailable";
        /// The disk reported an error. After a failed write or flush the volume takes no more writes.
        Io = 9, "io";
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
    #[derive(Default)]
    VolumeState: u8 {
        #[default]
        Recovering = 0, "recovering";
        /// In service.
        Ready = 1, "ready";
        /// Sealed: readable, never appended again.
        Sealed = 2, "sealed";
        NoDisk = 3, "no-disk";
        /// The disk ends before the volume does.
        DiskTooSmall = 4, "disk-too-small";
        /// Block 0 holds no Totebox superblock.
        Foreign = 5, "foreign";
        /// The superblock does not match its check, or committed batches that a hint vouches for are gone. The
        /// auditor can read it.
        Damaged = 6, "damaged";
        OtherDeployment = 7, "other-deployment";
        /// The superblock is of another volume or layout than this deployment's.
        OtherVolume = 8, "other-volume";
        OtherVersion = 9, "other-version";
        /// The disk failed while the volume was in use or being recovered: no more writes until the next start.
        /// Reads go on if it had been recovered.
        Failed = 10, "failed";
        /// The disk refuses writes: readable.
        ReadOnly = 11, "read-only";
    }
}

impl VolumeState {
    pub const fn readable(self) -> bool {
        matches!(self, VolumeState::Ready | VolumeState::Sealed | VolumeState::ReadOnly)
    }
}

/// The header of a request, whose fields [`Asked`] names; its data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    pub op: U16,
    /// [`Area`] of a read.
    pub area: u8,
    /// The volume's number in the client's own manifest: 0 for an archive.
    pub volume: u8,
    /// Chosen by the client, returned in the reply.
    pub tag: U32,
    pub block: U64,
    /// Data bytes (of a read: bytes wanted).
    pub len: U32,
    pub background: u8,
    pub reserved: [u8; 43],
}

/// The header of a reply: the request's fields, and an [`Answered`]; its data follow at [`MESSAGE_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reply {
    pub op: U16,
    pub status: U16,
    pub tag: U32,
    pub len: U32,
    pub volume: u8,
    pub state: u8,
    /// [`Area`] the status speaks of, where it speaks of one.
    pub area: u8,
    pub reserved: u8,
    pub ledger_next: U64,
    pub assets_next: U64,
    pub batches: U64,
    pub reserved_tail: [u8; 24],
}

/// A [`Committed`] as the answer to [`Asked::Hello`] carries it. What is true is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct VolumeInfo {
    pub ledger_next: U64,
    pub assets_next: U64,
    pub batches: U64,
    pub last_header: [u8; 32],
    pub last_header_block: U64,
    pub sealed: u8,
    pub reserved: [u8; 7],
}

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Reply>() == MESSAGE_HEADER);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const DATA_MAX: usize = 32768;

    fn asked() -> Vec<Asked> {
        let mut asked = Vec::from([Asked::Hello, Asked::Abandon, Asked::Seal]);
        for (block, len) in [(0, 0), (7, 4096), (u64::MAX, DATA_MAX)] {
            asked.extend([Asked::WriteInput(block, len), Asked::Append(block, len), Asked::Commit(block, len)]);
            for area in Area::ALL {
                asked.extend([false, true].map(|background| Asked::Read { area, block, len, background }));
            }
        }
        asked
    }

    fn answered() -> Vec<Answered> {
        let mut all = Vec::new();
        for status in (0..=u16::MAX).filter_map(Status::from_wire) {
            for state in (0..=u8::MAX).filter_map(VolumeState::from_wire) {
                let answer = |area| Answered { status, area, state, ledger_next: 1, assets_next: 2, batches: 3 };
                all.extend(Area::ALL.map(answer));
            }
        }
        all
    }

    #[test]
    fn every_request_and_every_reply_comes_out_as_it_went_in() {
        for asked in asked() {
            let request = asked.encode(3, 5);
            assert_eq!((request.volume, request.tag.get(), request.is_batch()), (3, 5, asked.number().is_batch()));
            let read = Request::read_from_bytes(request.as_bytes()).unwrap();
            assert_eq!(read.decode(DATA_MAX), Some(asked));
            for answered in answered() {
                let len = if answered.status == Status::Ok { asked.reply_len() } else { 0 };
                let reply = request.reply(&answered, len);
                assert_eq!(reply.is_to_batch(), request.is_batch());
                assert_eq!(reply.decode(&asked, 3, 5), Some((answered, len)));
                assert_eq!(reply.decode(&asked, 4, 5), None, "another volume");
                assert_eq!(reply.decode(&asked, 3, 6), None, "another request");
                assert_eq!(request.reply(&answered, len + 1).decode(&asked, 3, 5), None, "other data");
            }
        }
        let frontier = Frontier { batches: 3, ledger_next: 9, assets_next: 2, last_header: [7; 32], sealed: true };
        for committed in [Committed { frontier, last_header_block: 8 }, Committed::NOTHING] {
            assert_eq!(VolumeInfo::read_from_bytes(committed.encode().as_bytes()).unwrap().decode(), committed);
        }
    }

    /// Every value of every byte: what is taken for a request or a reply is one.
    #[test]
    fn what_is_no_request_and_no_reply_is_refused() {
        let values = |size: usize| (0..size).flat_map(|at| (0..=u8::MAX).map(move |value| (at, value)));
        for asked in asked() {
            for (at, value) in values(size_of::<Request>()) {
                let mut request = asked.encode(3, 5);
                request.as_mut_bytes()[at] = value;
                if let Some(read) = request.decode(DATA_MAX) {
                    assert_eq!(read.encode(3, 5).decode(DATA_MAX), Some(read));
                }
            }
            let good = answered()[0];
            for (at, value) in values(size_of::<Reply>()) {
                let request = asked.encode(3, 5);
                let mut reply = request.reply(&good, asked.reply_len());
                reply.as_mut_bytes()[at] = value;
                if let Some((read, len)) = reply.decode(&asked, 3, 5) {
                    assert_eq!(request.reply(&read, len).decode(&asked, 3, 5), Some((read, len)));
                }
            }
        }
        assert_eq!(Asked::Append(0, DATA_MAX + 1).encode(0, 0).decode(DATA_MAX), None, "longer than a message");
    }
}
