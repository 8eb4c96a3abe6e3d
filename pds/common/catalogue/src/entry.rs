//! What the catalogue knows of one version of one name, and the order it is kept in: names bytewise, and of one
//! name the newest version first.

use core::cmp::Ordering;

/// Bytes of a name at most; it has at least one.
pub const NAME_MAX: usize = 1024;

/// Bytes of an entity tag at most.
pub const TAG_MAX: usize = 16;

/// The largest version there is: as a bound, it stands before every version of a name.
pub const NEWEST: u64 = u64::MAX;

/// An entity tag: a digest, and the number of parts if it was made of an upload in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    bytes: [u8; TAG_MAX],
    len: u8,
    /// Parts of the upload; 0 for one without parts.
    pub parts: u16,
}

impl Tag {
    /// A tag of at most [`TAG_MAX`] bytes; `None` if there are more.
    pub fn new(digest: &[u8], parts: u16) -> Option<Self> {
        let mut bytes = [0; TAG_MAX];
        bytes.get_mut(..digest.len())?.copy_from_slice(digest);
        Some(Tag { bytes, len: digest.len() as u8, parts })
    }

    /// The digest.
    pub fn digest(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// One version of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its record's number in the ledger, which is its version.
    pub sequence: u64,
    /// Where that record is: the caller's affair, and believed only as far as the record found there bears it out.
    pub place: u64,
    /// Bytes of content.
    pub size: u64,
    /// The record's time, in milliseconds since 1970.
    pub time_ms: u64,
    /// The entity tag.
    pub tag: Tag,
    /// True if the version says that the name is deleted.
    pub delete_marker: bool,
}

/// The order of entries: by name, and of one name the larger sequence number first.
pub fn compare(name: &[u8], sequence: u64, other: &[u8], other_sequence: u64) -> Ordering {
    name.cmp(other).then(other_sequence.cmp(&sequence))
}

/// Bytes that two names begin with in common.
pub fn common(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let mut at = 0;
    while at + 8 <= len {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let differing = word(a) ^ word(b);
        if differing != 0 {
            return at + differing.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < len && a[at] == b[at] {
        at += 1;
    }
    at
}

/// The first place in the order that a search wants: the entries of `name` up to `version`, and all that come later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The name; empty for the very first.
    pub name: alloc::vec::Vec<u8>,
    /// The newest version of the name that is wanted.
    pub version: u64,
}

impl Target {
    /// Makes it the place of this version of the name.
    pub fn set(&mut self, name: &[u8], version: u64) {
        self.name.clear();
        self.name.extend_from_slice(name);
        self.version = version;
    }

    /// Makes it the place directly after this version of the name.
    pub fn set_after(&mut self, name: &[u8], version: u64) {
        match version.checked_sub(1) {
            Some(version) => self.set(name, version),
            None => self.set_after_name(name),
        }
    }

    /// Makes it the place directly after all versions of the name.
    pub fn set_after_name(&mut self, name: &[u8]) {
        self.set(name, NEWEST);
        self.name.push(0);
    }

    /// Makes it the place after every name that begins so; false if no name can come after those.
    pub fn set_after_prefix(&mut self, prefix: &[u8]) -> bool {
        let Some(last) = prefix.iter().rposition(|&byte| byte < 0xFF) else { return false };
        self.set(&prefix[..=last], NEWEST);
        self.name[last] += 1;
        true
    }

    /// True if an entry is at this place or comes after it.
    pub fn reached(&self, name: &[u8], sequence: u64) -> bool {
        compare(name, sequence, &self.name, self.version).is_ge()
    }
}
