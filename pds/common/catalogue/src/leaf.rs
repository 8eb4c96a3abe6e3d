//! A leaf: entries in order, each name without the bytes it shares with the name before. See `docs/catalogue.md`,
//! "Leaf".

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::block::{self, BLOCK, HEADER, Key, Range};
use crate::code::{Bytes, Malformed, Short, VALUES_MAX};
use crate::entry::{Entry, NAME_MAX};

/// A leaf that is being filled.
#[derive(Debug)]
pub struct Writer {
    bytes: Box<[u8]>,
    end: usize,
    count: u16,
    time: u64,
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Writer { bytes: vec![0; BLOCK].into_boxed_slice(), end: HEADER, count: 0, time: 0 }
    }

    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an entry whose name begins with `shared` bytes of the name before; the first one of a leaf is written in
    /// full. False, and nothing changes, if there is no room.
    pub fn push(&mut self, shared: usize, name: &[u8], entry: &Entry, from: u64) -> bool {
        let shared = if self.count == 0 { 0 } else { shared };
        let (mut lengths, mut values) = (Short::<6>::new(), Short::<VALUES_MAX>::new());
        lengths.number(shared as u64);
        lengths.number((name.len() - shared) as u64);
        values.values(entry, from, self.time);
        let parts = [lengths.bytes(), &name[shared..], values.bytes()];
        if !block::append(&mut self.bytes, &mut self.end, parts) {
            return false;
        }
        self.count += 1;
        self.time = entry.time_ms;
        true
    }

    /// Appends the finished block to `out`, and is empty again.
    pub fn finish(&mut self, key: &Key, range: Range, index: u32, out: &mut Vec<u8>) {
        block::seal(&mut self.bytes, key, range, index, 0, self.count, self.end);
        out.extend_from_slice(&self.bytes);
        self.bytes[HEADER..self.end].fill(0);
        (self.end, self.count, self.time) = (HEADER, 0, 0);
    }
}

/// How far a leaf was read, and the entry it was read up to.
#[derive(Clone, Debug, Default)]
pub struct Position {
    at: usize,
    left: u16,
    first: bool,
    /// The name of the entry.
    pub name: Vec<u8>,
    /// The entry.
    pub entry: Entry,
}

impl Position {
    /// Before the first entry of a leaf.
    pub fn start(&mut self, leaf: &[u8]) {
        self.at = HEADER;
        self.left = block::header(leaf).count.get();
        self.first = true;
        self.name.clear();
        self.entry = Entry::default();
    }

    /// Goes to the next entry; false if there is none in this leaf. Entries that are not in order are malformed.
    pub fn next(&mut self, leaf: &[u8], range: Range) -> Result<bool, Malformed> {
        if self.left == 0 {
            return Ok(false);
        }
        let end = usize::from(block::header(leaf).end.get());
        let mut bytes = Bytes::new(leaf.get(..end).ok_or(Malformed)?, self.at);
        let (shared, len) = (bytes.length()?, bytes.length()?);
        let suffix = bytes.take(len)?;
        if shared > self.name.len() || !(1..=NAME_MAX).contains(&(shared + len)) {
            return Err(Malformed);
        }
        let entry = bytes.values(range.from, range.to, self.entry.time_ms)?;
        let rises = match (suffix.first(), self.name.get(shared)) {
            (Some(byte), Some(before)) => byte > before,
            (Some(_), None) => true,
            (None, _) => shared == self.name.len() && entry.sequence < self.entry.sequence,
        };
        if !rises && !self.first {
            return Err(Malformed);
        }
        self.name.truncate(shared);
        self.name.extend_from_slice(suffix);
        (self.at, self.entry, self.first) = (bytes.at, entry, false);
        self.left -= 1;
        Ok(true)
    }
}
