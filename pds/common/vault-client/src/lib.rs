//! A client's end of its queue to the vault: sends requests without waiting, and takes the replies. Those to
//! batches come in the order of the requests, and so do all others. A vault whose replies cannot be is *broken*:
//! nothing is read from it any more and nothing sent.
//!
//! No more requests are under way than the reply ring has slots, so the vault never waits for one.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use heapless::Deque;
use ledger_fmt::layout::BLOCK_SIZE;
use totebox_domain::{Channel, Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::{Manifest, Role, conversation};
use totebox_protocol::vault::{Answered, Area, Asked, Committed, Op, Reply, Request, Status, VolumeInfo};
use totebox_shm::{Mapped, PeerError};
use zerocopy::{FromZeros, IntoBytes};

/// Requests under way at most, over all roles: the most slots a ring to the vault has.
const IN_FLIGHT_MAX: usize = conversation::slots_max(Role::Vault);

/// A request under way. `P` is what its sender wants to know when the reply comes.
#[derive(Clone, Copy, Debug)]
struct InFlight<P> {
    purpose: P,
    asked: Asked,
    volume: u8,
    tag: u32,
}

/// A reply, checked against its request. Its data, if any, are copied out with [`VaultClient::data`].
#[derive(Clone, Copy, Debug)]
pub struct Received<P> {
    /// What the sender of the request gave with it.
    pub purpose: P,
    pub op: Op,
    pub answered: Answered,
    /// Data bytes; 0 unless the status is `Ok`.
    pub len: usize,
}

impl<P> Received<P> {
    pub fn is_ok(&self) -> bool {
        self.answered.status == Status::Ok
    }
}

/// The client's end.
#[derive(Debug)]
pub struct VaultClient<P> {
    link: Endpoint<Request, Reply>,
    /// Commits and seals, and the other requests.
    batches: Deque<InFlight<P>, IN_FLIGHT_MAX>,
    others: Deque<InFlight<P>, IN_FLIGHT_MAX>,
    next_tag: u32,
    /// Whether the slot of the last reply is still to be given back.
    holding: bool,
}

impl<P: Copy> VaultClient<P> {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let link = Endpoint::open(manifest, mapped, Role::Vault, 0)?;
        Ok(VaultClient { link, batches: Deque::new(), others: Deque::new(), next_tag: 0, holding: false })
    }

    pub fn channel(&self) -> Channel {
        self.link.channel()
    }

    /// Whether the vault does not keep to the protocol.
    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

    /// Requests that can be sent now; 0 if the vault is broken.
    pub fn free(&mut self) -> usize {
        self.link.room().min(self.slots_left())
    }

    /// Slots of the reply ring that no request under way will take.
    fn slots_left(&self) -> usize {
        self.link.slots() - self.in_flight() - usize::from(self.holding)
    }

    pub fn in_flight(&self) -> usize {
        self.batches.len() + self.others.len()
    }

    /// Asks for a volume's state. Like the other requests, returns false and sends nothing without a free slot.
    pub fn hello(&mut self, purpose: P, volume: u8) -> bool {
        self.send(purpose, volume, Asked::Hello, &[])
    }

    pub fn read(&mut self, purpose: P, volume: u8, area: Area, block: u64, blocks: usize) -> bool {
        let len = blocks * BLOCK_SIZE;
        self.send(purpose, volume, Asked::Read { area, block, len, background: false }, &[])
    }

    /// Asks for blocks of an area, which are in no hurry: see [`Asked::Read`].
    pub fn read_in_background(&mut self, purpose: P, volume: u8, area: Area, block: u64, blocks: usize) -> bool {
        let len = blocks * BLOCK_SIZE;
        self.send(purpose, volume, Asked::Read { area, block, len, background: true }, &[])
    }

    pub fn write_input(&mut self, purpose: P, volume: u8, block: u64, data: &[u8]) -> bool {
        self.send(purpose, volume, Asked::WriteInput(block, data.len()), data)
    }

    pub fn append(&mut self, purpose: P, volume: u8, block: u64, data: &[u8]) -> bool {
        self.send(purpose, volume, Asked::Append(block, data.len()), data)
    }

    /// Gives up the asset blocks appended since the last commit.
    pub fn abandon(&mut self, purpose: P, volume: u8) -> bool {
        self.send(purpose, volume, Asked::Abandon, &[])
    }

    /// Commits a batch of records at the ledger's frontier, and the asset blocks appended so far.
    pub fn commit(&mut self, purpose: P, volume: u8, block: u64, records: &[u8]) -> bool {
        self.send(purpose, volume, Asked::Commit(block, records.len()), records)
    }

    /// Seals a volume (the orchestrator alone may).
    pub fn seal(&mut self, purpose: P, volume: u8) -> bool {
        self.send(purpose, volume, Asked::Seal, &[])
    }

    fn send(&mut self, purpose: P, volume: u8, asked: Asked, data: &[u8]) -> bool {
        let tag = self.next_tag;
        if self.slots_left() == 0 || !self.link.send(&asked.encode(volume, tag), data) {
            return false;
        }
        self.next_tag = tag.wrapping_add(1);
        let under_way = if asked.number().is_batch() { &mut self.batches } else { &mut self.others };
        let pushed = under_way.push_back(InFlight { purpose, asked, volume, tag });
        assert!(pushed.is_ok(), "no more are under way than the ring has slots");
        true
    }

    /// The next reply, if there is one. Gives back the slot of the one before.
    pub fn receive(&mut self) -> Result<Option<Received<P>>, PeerError> {
        if self.link.is_broken() {
            return Err(PeerError);
        }
        if core::mem::take(&mut self.holding) {
            self.link.release_quietly();
        }
        let received = self.next_reply();
        if received.is_err() {
            self.link.break_off();
        }
        if self.link.is_broken() { Err(PeerError) } else { received }
    }

    fn next_reply(&mut self) -> Result<Option<Received<P>>, PeerError> {
        let Some(reply) = self.link.peek() else { return Ok(None) };
        self.holding = true;
        let under_way = if reply.is_to_batch() { &mut self.batches } else { &mut self.others };
        let InFlight { purpose, asked, volume, tag } = under_way.pop_front().ok_or(PeerError)?;
        let (answered, len) = reply.decode(&asked, volume, tag).ok_or(PeerError)?;
        Ok(Some(Received { purpose, op: asked.number(), answered, len }))
    }

    /// Copies the first `out.len()` bytes of the last received reply's data, at most its `len`. Once only:
    /// the vault may change them meanwhile.
    pub fn data(&self, out: &mut [u8]) {
        assert!(self.holding, "there is no reply to read from");
        self.link.data(out);
    }

    /// The answer to a `Hello`, from the last received reply.
    pub fn committed(&self) -> Committed {
        let mut info = VolumeInfo::new_zeroed();
        self.data(info.as_mut_bytes());
        info.decode()
    }

    /// Notifies the vault, if it is owed that. Call at the end of every handler.
    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}
