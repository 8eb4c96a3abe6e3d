//! Ledger records: a fixed header of 80 bytes and a bounded payload ([`crate::payload`]), chained by hash.
//!
//! Records stand back to back after a batch's header, each padded with zeros to a multiple of 8 bytes.
//! The hash of a record ([`Domain::Record`] over the header before its check field, then the payload) is the
//! `previous` of the next one and the leaf input of the Merkle tree. The check field holds the hash's first
//! half, so that a damaged record is known by itself and does not put its neighbours in doubt.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::batch_header::STAMP_SIZE;
use crate::cbor::Map;
use crate::hash::Domain;
use crate::layout::{BLOCK_SIZE, FORMAT_VERSION};
pub use crate::payload::Kind;
use crate::payload::{self, Document, PAYLOAD_MAX};
use crate::{Hash, ZERO_HASH};

/// Bytes of a record header.
pub const HEADER_SIZE: usize = 80;

/// Bytes of the check at the end of a header: enough to tell a damaged record from a whole one.
pub const CHECK_SIZE: usize = 16;

const _: () = assert!(PAYLOAD_MAX == BLOCK_SIZE - STAMP_SIZE - HEADER_SIZE);

/// The fixed header of a record, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`Header::MAGIC`].
    pub magic: [u8; 4],
    /// [`FORMAT_VERSION`].
    pub version: U16,
    /// [`Kind`].
    pub kind: U16,
    /// Payload bytes after the header, at most [`PAYLOAD_MAX`].
    pub payload_len: U32,
    /// Zero.
    pub reserved: U32,
    /// Sequence number, from 0, without gaps.
    pub sequence: U64,
    /// Wall-clock time in milliseconds since 1970-01-01 UTC; order is kept by `sequence`, not by this.
    pub time_ms: U64,
    /// The hash of the previous record; zero for sequence 0.
    pub previous: Hash,
    /// The first [`CHECK_SIZE`] bytes of the record's hash.
    pub check: [u8; CHECK_SIZE],
}

const _: () = assert!(size_of::<Header>() == HEADER_SIZE);

/// Why bytes are not the next record of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// No record magic.
    NotARecord,
    Version,
    /// A kind this version does not know.
    Kind,
    /// A length that does not fit its batch or the format.
    Length,
    /// A reserved field or padding that is not zero.
    Malformed,
    /// The check does not match: the record is damaged.
    Damaged,
    Sequence,
    /// Its `previous` is not the hash of the record before.
    Chain,
}

/// A record in a buffer: its header, its payload and its hash.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub header: Header,
    pub kind: Kind,
    pub payload: &'a [u8],
    pub hash: Hash,
}

/// Where a chain stands: what the next record must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Records so far; the sequence number of the next one.
    pub records: u64,
    /// The hash of the last record; zero before the first.
    pub hash: Hash,
}

impl Head {
    pub const EMPTY: Head = Head { records: 0, hash: ZERO_HASH };
}

/// What a writer says of a record; the chain supplies the rest.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub kind: Kind,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// At most [`PAYLOAD_MAX`] bytes, in the form of its kind.
    pub payload: &'a [u8],
}

impl Header {
    /// `"TBXR"`.
    pub const MAGIC: [u8; 4] = *b"TBXR";

    /// The hash of the record this header and `payload` make.
    fn hash(&self, payload: &[u8]) -> Hash {
        let mut hasher = Domain::Record.hasher();
        hasher.update(&self.as_bytes()[..HEADER_SIZE - CHECK_SIZE]);
        hasher.update(payload);
        hasher.finish()
    }
}

/// Records begin at multiples of so many bytes.
pub const RECORD_ALIGN: usize = 8;

/// Bytes of a record at most, padding included.
pub const RECORD_MAX: usize = padded_len(PAYLOAD_MAX);

/// Bytes a record with `payload_len` payload bytes takes in a batch, padding included.
pub const fn padded_len(payload_len: usize) -> usize {
    (HEADER_SIZE + payload_len).next_multiple_of(RECORD_ALIGN)
}

/// The payload of the record that seems to begin these bytes. Nothing of it is checked but that it can be there: for
/// who only wants a hint of what a record says.
pub fn payload_at(bytes: &[u8]) -> Option<&[u8]> {
    let (header, rest) = Header::ref_from_prefix(bytes).ok()?;
    let len = header.payload_len.get() as usize;
    rest.get(..len).filter(|_| header.magic == Header::MAGIC && len <= PAYLOAD_MAX)
}

impl Draft<'_> {
    /// Writes the record that continues `head` into `out` and returns the bytes written (padding
    /// included) and the new head. `None` if the payload is too long or `out` too short.
    pub fn encode(&self, head: &Head, out: &mut [u8]) -> Option<(usize, Head)> {
        let len = padded_len(self.payload.len());
        if self.payload.len() > PAYLOAD_MAX || out.len() < len {
            return None;
        }
        let mut header = Header {
            magic: Header::MAGIC,
            version: FORMAT_VERSION.into(),
            kind: (self.kind as u16).into(),
            payload_len: (self.payload.len() as u32).into(),
            reserved: 0.into(),
            sequence: head.records.into(),
            time_ms: self.time_ms.into(),
            previous: head.hash,
            check: [0; CHECK_SIZE],
        };
        let hash = header.hash(self.payload);
        header.check.copy_from_slice(&hash[..CHECK_SIZE]);
        let end = HEADER_SIZE + self.payload.len();
        out[..HEADER_SIZE].copy_from_slice(header.as_bytes());
        out[HEADER_SIZE..end].copy_from_slice(self.payload);
        out[end..len].fill(0);
        Some((len, Head { records: head.records + 1, hash }))
    }
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes` (the rest of a batch's payload) and checks that it is whole.
    /// Returns it and the bytes it takes. Whether it continues a chain: [`Record::continues`].
    pub fn decode(bytes: &'a [u8]) -> Result<(Record<'a>, usize), RecordError> {
        let (header, rest) = Header::read_from_prefix(bytes).map_err(|_| RecordError::Length)?;
        if header.magic != Header::MAGIC {
            return Err(RecordError::NotARecord);
        }
        if header.version.get() != FORMAT_VERSION {
            return Err(RecordError::Version);
        }
        let payload_len = header.payload_len.get() as usize;
        if payload_len > PAYLOAD_MAX || padded_len(payload_len) > bytes.len() {
            return Err(RecordError::Length);
        }
        let kind = Kind::from_u16(header.kind.get()).ok_or(RecordError::Kind)?;
        let end = HEADER_SIZE + payload_len;
        let padded = padded_len(payload_len);
        if header.reserved.get() != 0 || bytes[end..padded].iter().any(|&b| b != 0) {
            return Err(RecordError::Malformed);
        }
        let payload = &rest[..payload_len];
        let hash = header.hash(payload);
        if header.check != hash[..CHECK_SIZE] {
            return Err(RecordError::Damaged);
        }
        Ok((Record { header, kind, payload, hash }, padded))
    }

    /// Checks that this record continues `head`, and returns the head after it.
    pub fn continues(&self, head: &Head) -> Result<Head, RecordError> {
        if self.header.sequence.get() != head.records {
            return Err(RecordError::Sequence);
        }
        if self.header.previous != head.hash {
            return Err(RecordError::Chain);
        }
        Ok(Head { records: head.records.saturating_add(1), hash: self.hash })
    }

    /// What it says of a document, if it is one and its payload is in the form of one.
    pub fn document(&self) -> Option<Document<'a>> {
        Document::read(self.payload).filter(|_| self.kind == Kind::Document)
    }

    /// Whether its payload is in the form of its kind.
    pub fn has_form(&self) -> bool {
        Map::read(self.payload).is_some_and(|map| payload::fits(map, self.kind.keys()))
    }
}
