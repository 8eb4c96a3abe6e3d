//! A bounded single-producer, single-consumer ring, in two regions so that each has one writer.
//!
//! ```text
//! region I write:   [ my tail | my head for your ring | .. 64 ] [ my slots ... ]
//! region you write: [ your tail | your head for my ring | .. 64 ] [ your slots ... ]
//! ```
//!
//! Indices count messages for ever and are reduced modulo the ring on use. Each side keeps its own copy
//! of its own index and treats the other's as hostile: out of range, or going back, is a [`PeerError`].

use totebox_manifest::conversation::{QUEUE_HEADER, QueueForm};

use crate::shared::{Mapped, Shared};
use totebox_manifest::Link;

const TAIL: usize = 0;
const HEAD: usize = 8;

/// The peer published an index that cannot be: it is broken or hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerError;

/// The end that sends.
#[derive(Debug)]
pub struct Producer {
    mine: Shared,
    theirs: Shared,
    form: QueueForm,
    tail: u64,
    head_seen: u64,
}

/// The end that receives.
#[derive(Debug)]
pub struct Consumer {
    mine: Shared,
    theirs: Shared,
    form: QueueForm,
    head: u64,
    tail_seen: u64,
}

/// Both ends of this PD's side of a queue link. `None` if a region is missing or too small for `form`.
pub fn queue_pair(mapped: Mapped, link: &Link, form: QueueForm) -> Option<(Producer, Consumer)> {
    let mine = Shared::new(mapped, link.mine)?;
    let theirs = Shared::new(mapped, link.theirs)?;
    let needed = form.region_size();
    if mine.size() < needed || theirs.size() < needed || !form.slot_size.is_multiple_of(8) {
        return None;
    }
    let producer = Producer { mine, theirs, form, tail: 0, head_seen: 0 };
    let consumer = Consumer { mine, theirs, form, head: 0, tail_seen: 0 };
    Some((producer, consumer))
}

fn slot_offset(form: QueueForm, index: u64) -> usize {
    QUEUE_HEADER + (index % form.slots as u64) as usize * form.slot_size
}

impl Producer {
    /// Slots free to be sent.
    pub fn free(&mut self) -> Result<usize, PeerError> {
        let head = self.theirs.load(HEAD);
        if head < self.head_seen || head > self.tail {
            return Err(PeerError);
        }
        self.head_seen = head;
        Ok(self.form.slots - (self.tail - head) as usize)
    }

    /// Writes into the next slot, at byte `offset` (a multiple of 8). Only after [`Producer::free`] said
    /// there is one; nothing is sent before [`Producer::publish`].
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.form.slot_size, "message larger than its slot");
        self.mine.write(slot_offset(self.form, self.tail) + offset, bytes);
    }

    /// Sends the slot just written.
    pub fn publish(&mut self) {
        self.tail += 1;
        self.mine.store(TAIL, self.tail);
    }

    /// Sends a message of two parts, or returns false if the ring is full.
    pub fn send(&mut self, header: &[u8], data: &[u8]) -> Result<bool, PeerError> {
        if self.free()? == 0 {
            return Ok(false);
        }
        self.write(0, header);
        self.write(header.len().next_multiple_of(8), data);
        self.publish();
        Ok(true)
    }
}

impl Consumer {
    /// Messages waiting.
    pub fn available(&mut self) -> Result<usize, PeerError> {
        let tail = self.theirs.load(TAIL);
        if tail < self.tail_seen || tail < self.head || tail - self.head > self.form.slots as u64 {
            return Err(PeerError);
        }
        self.tail_seen = tail;
        Ok((tail - self.head) as usize)
    }

    /// Copies bytes of the oldest message out, from byte `offset` (a multiple of 8). Only after
    /// [`Consumer::available`] said there is one. Copy each byte once: the peer may change it.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        assert!(offset + out.len() <= self.form.slot_size, "read past a slot");
        self.theirs.read(slot_offset(self.form, self.head) + offset, out);
    }

    /// Gives the oldest message's slot back.
    pub fn release(&mut self) {
        self.head += 1;
        self.mine.store(HEAD, self.head);
    }
}
