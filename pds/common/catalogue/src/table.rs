//! Entries in memory, in order, until they become a run: an arena of constant size, and the order of what is in it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::entry::{Entry, TAG_MAX, Tag, Target, compare};

/// Bytes of an entry in the arena before its name.
const FIXED: usize = 2 + 4 * 8 + 1 + 2 + 1 + TAG_MAX;

/// A table.
#[derive(Debug)]
pub struct Table {
    arena: Vec<u8>,
    /// Where the entries begin in the arena, in the order of their keys. An insertion moves the shorter side.
    order: VecDeque<u32>,
}

impl Table {
    /// A table that never takes more than so many bytes.
    pub fn new(bytes: usize) -> Self {
        let order = bytes / 64;
        Table { arena: Vec::with_capacity(bytes - order * 4), order: VecDeque::with_capacity(order) }
    }

    /// Entries in it.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Bytes of its entries.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.order.clear();
    }

    /// Puts in an entry; false if there is no room.
    pub fn insert(&mut self, name: &[u8], entry: &Entry) -> bool {
        let has_room = self.arena.capacity() - self.arena.len() >= FIXED + name.len();
        if !has_room || self.order.len() == self.order.capacity() {
            return false;
        }
        let at = self.rank(name, entry.sequence);
        self.order.insert(at, self.arena.len() as u32);
        let digest = entry.tag.digest();
        let mut tag = [0; TAG_MAX];
        tag[..digest.len()].copy_from_slice(digest);
        self.arena.extend_from_slice(&(name.len() as u16).to_le_bytes());
        for number in [entry.sequence, entry.place, entry.size, entry.time_ms] {
            self.arena.extend_from_slice(&number.to_le_bytes());
        }
        self.arena.push(digest.len() as u8);
        self.arena.extend_from_slice(&entry.tag.parts.to_le_bytes());
        self.arena.push(entry.delete_marker.into());
        self.arena.extend_from_slice(&tag);
        self.arena.extend_from_slice(name);
        true
    }

    /// How many entries stand before this key.
    fn rank(&self, name: &[u8], sequence: u64) -> usize {
        self.order.partition_point(|&at| {
            let (other, other_sequence) = self.key(at);
            compare(other, other_sequence, name, sequence).is_lt()
        })
    }

    fn key(&self, at: u32) -> (&[u8], u64) {
        let bytes = &self.arena[at as usize..];
        let len = u16::from_le_bytes([bytes[0], bytes[1]]);
        (&bytes[FIXED..][..len.into()], number(&bytes[2..]))
    }

    /// The first entry that is not before the target, as a rank for [`Table::at`].
    pub fn first_from(&self, target: &Target) -> usize {
        self.rank(&target.name, target.version)
    }

    /// The entry that so many stand before.
    pub fn at(&self, rank: usize) -> Option<(&[u8], Entry)> {
        let &at = self.order.get(rank)?;
        let (name, sequence) = self.key(at);
        let bytes = &self.arena[at as usize..];
        let tag = Tag::new(&bytes[38..][..bytes[34].into()], u16::from_le_bytes([bytes[35], bytes[36]]));
        let entry = Entry {
            sequence,
            place: number(&bytes[10..]),
            size: number(&bytes[18..]),
            time_ms: number(&bytes[26..]),
            tag: tag.expect("written from a tag"),
            delete_marker: bytes[37] != 0,
        };
        Some((name, entry))
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}
