//! A block of a run: its header, and the check that says that it is what the run had there. See
//! `docs/catalogue.md`, "Block".

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a block.
pub const BLOCK: usize = 4096;

/// Bytes of a block before its entries.
pub const HEADER: usize = size_of::<Header>();

/// Bytes that the check has.
pub const CHECK: usize = 16;

/// What a block begins with.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    check: [u8; CHECK],
    from: U64,
    to: U64,
    index: U32,
    /// 0 for a leaf; an index block is one above its children.
    pub level: u8,
    reserved: u8,
    /// Entries in it.
    pub count: U16,
    /// The byte after the last entry.
    pub end: U16,
    reserved_end: [u8; 2],
}

const _: () = assert!(HEADER == 44);

/// The records a run is about, to which its blocks are bound.
///
/// What a run has in its blocks follows from these records and from nothing else, so that two runs of one range are
/// the same bytes, and a block that an earlier try left behind can do no harm. The anchor tells the records of this
/// ledger from those of one that was rolled back and went on otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first sequence number.
    pub from: u64,
    /// The one after the last one.
    pub to: u64,
    /// The first bytes of the last one's anchor.
    pub anchor: [u8; CHECK],
}

/// Appends the parts of one entry behind byte `end` of a block. False, and nothing changes, if there is no room for all.
pub fn append(bytes: &mut [u8], end: &mut usize, parts: [&[u8]; 3]) -> bool {
    if *end + parts.iter().map(|part| part.len()).sum::<usize>() > BLOCK {
        return false;
    }
    for part in parts {
        bytes[*end..][..part.len()].copy_from_slice(part);
        *end += part.len();
    }
    true
}

/// The key of the blocks' check.
#[derive(Clone)]
pub struct Key(pub [u8; 32]);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A key for one use, of one volume, from the archive's.
    pub fn derive(key: &[u8; 32], what: &str, volume: &[u8; 16]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(what.as_bytes());
        hasher.update(volume);
        Key(*hasher.finalize().as_bytes())
    }

    /// The keyed hash of some bytes.
    pub fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, bytes).as_bytes()
    }

    /// The check of a block that has the run's anchor in its place. So the whole block is hashed, and four chunks of
    /// BLAKE3 take a third of the time of three and a piece.
    fn check(&self, block: &[u8]) -> [u8; CHECK] {
        self.hash(block)[..CHECK].try_into().expect("a hash is longer")
    }
}

/// Writes a block's header and check; its entries are there, and zeros after them.
pub fn seal(block: &mut [u8], key: &Key, range: Range, index: u32, level: u8, count: u16, end: usize) {
    let header = Header {
        check: range.anchor,
        from: range.from.into(),
        to: range.to.into(),
        index: index.into(),
        level,
        reserved: 0,
        count: count.into(),
        end: (end as u16).into(),
        reserved_end: [0; 2],
    };
    block[..HEADER].copy_from_slice(header.as_bytes());
    let check = key.check(block);
    block[..CHECK].copy_from_slice(&check);
}

/// The block's header, if it is whole and the one that the run has at this index. Leaves the anchor in
/// the place of the check.
pub fn open(block: &mut [u8], key: &Key, range: Range, index: u32) -> Option<Header> {
    let (header, _) = Header::read_from_prefix(block).ok()?;
    let bound = header.from.get() == range.from && header.to.get() == range.to && header.index.get() == index;
    let end = usize::from(header.end.get());
    if !bound || !(HEADER..=BLOCK).contains(&end) || header.count.get() == 0 {
        return None;
    }
    block[..CHECK].copy_from_slice(&range.anchor);
    (header.check == key.check(block)).then_some(header)
}

/// The header of a block that was opened before.
pub fn header(block: &[u8]) -> Header {
    Header::read_from_prefix(block).expect("a block is longer than its header").0
}
