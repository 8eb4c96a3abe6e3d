//! A bounded single-producer, single-consumer ring, in two regions so that each has one writer.
//!
//! ```text
//! region I write:   [ my tail | my head for your ring | .. 64 ] [ my slots ... ]
//! region you write: [ your tail | your head for my ring | .. 64 ] [ your slots ... ]
//! ```
//!
//! Indices count messages for ever and are reduced modulo the ring on use. Each side keeps its own copy
//! of its own index and treats the other's as hostile: out of range, or going back, is a [`PeerError`].

use totebox_manifest::Link;
use totebox_manifest::conversation::{QUEUE_HEADER, QueueForm};

use crate::shared::{Mapped, Shared};

const TAIL: usize = 0;
const HEAD: usize = 8;

/// The peer published an index that cannot be: it is broken or hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerError;

#[derive(Debug)]
pub struct Producer {
    mine: Shared,
    theirs: Shared,
    form: QueueForm,
    tail: u64,
    head_seen: u64,
}

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
    if mine.size() < needed || theirs.size() < needed || !form.slot_size.is_multiple_of(8) || form.slots == 0 {
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
        assert!(self.tail - self.head_seen < self.form.slots as u64, "sent without a free slot");
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
        assert!(self.head < self.tail_seen, "released without a message");
        self.head += 1;
        self.mine.store(HEAD, self.head);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{mapped, queue_link, region};
    use totebox_manifest::Region;

    const FORM: QueueForm = QueueForm { slot_size: 24, slots: 3 };

    /// One side of a queue, and the words its peer writes.
    fn side() -> (Producer, Consumer, Shared) {
        let (mine, theirs) = (region(FORM.region_size()), region(FORM.region_size()));
        let (producer, consumer) = queue_pair(mapped(), &queue_link(mine, theirs), FORM).unwrap();
        (producer, consumer, Shared::new(mapped(), theirs).unwrap())
    }

    /// Two sides that talk to each other.
    fn pair() -> ((Producer, Consumer), (Producer, Consumer)) {
        let (a, b) = (region(FORM.region_size()), region(FORM.region_size()));
        (
            queue_pair(mapped(), &queue_link(a, b), FORM).unwrap(),
            queue_pair(mapped(), &queue_link(b, a), FORM).unwrap(),
        )
    }

    #[test]
    fn messages_come_in_order_through_many_rounds_of_the_ring() {
        let ((mut to, _), (_, mut from)) = pair();
        let (mut sent, mut received) = (0u64, 0u64);
        while received < 50 {
            // Batches of one to three, so that a batch starts at every slot.
            for _ in 0..1 + sent % 3 {
                if to.send(&sent.to_le_bytes(), &[sent as u8; 5]).unwrap() {
                    sent += 1;
                }
            }
            assert_eq!(from.available(), Ok((sent - received) as usize));
            while received < sent {
                let (mut header, mut data) = ([0; 8], [0; 5]);
                from.read(0, &mut header);
                from.read(8, &mut data);
                from.release();
                assert_eq!((header, data), (received.to_le_bytes(), [received as u8; 5]));
                received += 1;
            }
        }
    }

    #[test]
    fn a_full_ring_takes_nothing_and_an_empty_one_has_nothing() {
        let ((mut to, _), (_, mut from)) = pair();
        assert_eq!((to.free(), from.available()), (Ok(3), Ok(0)));
        for i in 0..3 {
            assert_eq!(to.free(), Ok(3 - i));
            assert_eq!(to.send(&[0; 8], &[]), Ok(true));
        }
        assert_eq!((to.send(&[9; 8], &[]), from.available()), (Ok(false), Ok(3)));
        from.release();
        assert_eq!((to.free(), from.available()), (Ok(1), Ok(2)));
    }

    #[test]
    fn a_message_is_not_seen_before_it_is_published() {
        let ((mut to, _), (_, mut from)) = pair();
        assert_eq!(to.free(), Ok(3));
        to.write(0, &[1; 24]);
        assert_eq!(from.available(), Ok(0));
        to.publish();
        assert_eq!(from.available(), Ok(1));
    }

    #[test]
    fn a_head_that_cannot_be_is_an_error() {
        for head in [3, u64::MAX, 1 << 63] {
            let (mut to, _, peer) = side();
            assert_eq!(to.send(&[0; 8], &[]), Ok(true));
            assert_eq!(to.send(&[0; 8], &[]), Ok(true));
            peer.store(HEAD, head);
            assert_eq!(to.free(), Err(PeerError), "ahead of the tail: {head}");
            assert_eq!(to.send(&[0; 8], &[]), Err(PeerError));
        }
        let (mut to, _, peer) = side();
        for head in 1..=4 {
            assert_eq!(to.send(&[0; 8], &[]), Ok(true));
            peer.store(HEAD, head);
            assert_eq!(to.free(), Ok(3));
        }
        peer.store(HEAD, 3);
        assert_eq!(to.free(), Err(PeerError), "going back");
    }

    #[test]
    fn a_tail_that_cannot_be_is_an_error() {
        for tail in [4, u64::MAX, 1 << 63] {
            let (_, mut from, peer) = side();
            peer.store(TAIL, tail);
            assert_eq!(from.available(), Err(PeerError), "more than the ring holds: {tail}");
        }
        let (_, mut from, peer) = side();
        peer.store(TAIL, 2);
        assert_eq!(from.available(), Ok(2));
        peer.store(TAIL, 1);
        assert_eq!(from.available(), Err(PeerError), "going back");
        peer.store(TAIL, 3);
        from.release();
        from.release();
        assert_eq!(from.available(), Ok(1));
        peer.store(TAIL, 1);
        assert_eq!(from.available(), Err(PeerError), "behind the head");
    }

    #[test]
    #[should_panic(expected = "sent without a free slot")]
    fn sending_into_a_full_ring_is_our_own_mistake() {
        let (mut to, ..) = side();
        for _ in 0..4 {
            to.publish();
        }
    }

    #[test]
    #[should_panic(expected = "released without a message")]
    fn releasing_what_is_not_there_is_our_own_mistake() {
        side().1.release();
    }

    #[test]
    #[should_panic(expected = "larger than its slot")]
    fn a_message_larger_than_its_slot_is_our_own_mistake() {
        side().0.write(8, &[0; 17]);
    }

    #[test]
    fn regions_too_small_for_the_ring_are_refused() {
        let (good, page) = (region(FORM.region_size()), region(1));
        let small = Region { vaddr: page.vaddr, size: (QUEUE_HEADER as u64 + 3 * 24 - 8).into() };
        let huge = QueueForm { slot_size: 4096, ..FORM };
        assert!(queue_pair(mapped(), &queue_link(good, good), FORM).is_some());
        assert!(queue_pair(mapped(), &queue_link(good, Region::default()), FORM).is_none(), "missing");
        assert!(queue_pair(mapped(), &queue_link(good, good), huge).is_none());
        assert!(queue_pair(mapped(), &queue_link(small, good), huge).is_none());
        assert!(queue_pair(mapped(), &queue_link(good, good), QueueForm { slots: 0, ..FORM }).is_none());
        assert!(queue_pair(mapped(), &queue_link(good, good), QueueForm { slot_size: 12, ..FORM }).is_none());
    }

    #[test]
    fn a_ring_between_threads_loses_and_changes_nothing() {
        let ((mut to, _), (_, mut from)) = pair();
        let count = if cfg!(miri) { 100 } else { 20_000u64 };
        let sender = std::thread::spawn(move || {
            let mut sent = 0u64;
            while sent < count {
                if to.send(&sent.to_le_bytes(), &[sent as u8; 16]).unwrap() {
                    sent += 1;
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let mut received = 0u64;
        while received < count {
            if from.available().unwrap() == 0 {
                std::thread::yield_now();
                continue;
            }
            let mut message = [0; 24];
            from.read(0, &mut message);
            from.release();
            assert_eq!(message[..8], received.to_le_bytes());
            assert!(message[8..].iter().all(|&b| b == received as u8));
            received += 1;
        }
        sender.join().unwrap();
    }
}
