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
use totebox_manifest::conversation;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::vault::{Area, Op, Reply, Request, Status, VolumeInfo, VolumeState};
use totebox_shm::{Mapped, PeerError};
use zerocopy::{FromZeros, IntoBytes};

/// Requests under way at most, over all roles: the most slots a ring to the vault has.
const IN_FLIGHT_MAX: usize = conversation::slots_max(Role::Vault);

/// A request under way. `P` is what its sender wants to know when the reply comes.
#[derive(Clone, Copy, Debug)]
struct InFlight<P> {
    purpose: P,
    op: Op,
    volume: u8,
    tag: u32,
    /// Data bytes of a successful reply.
    len: usize,
}

/// A reply, checked against its request. Its data, if any, are copied out with [`VaultClient::data`].
#[derive(Clone, Copy, Debug)]
pub struct Received<P> {
    /// What the sender of the request gave with it.
    pub purpose: P,
    /// The request's.
    pub op: Op,
    /// The request's.
    pub volume: u8,
    /// How it went.
    pub status: Status,
    /// The volume's state.
    pub state: VolumeState,
    /// Data bytes; 0 unless `status` is `Ok`.
    pub len: usize,
    /// The ledger's append frontier after this request.
    pub ledger_next: u64,
    /// The append position of `assets/` after this request.
    pub assets_next: u64,
    /// Batches committed.
    pub batches: u64,
}

/// A request to be sent; what it does not need is zero.
struct Outgoing<'a> {
    op: Op,
    area: Area,
    volume: u8,
    block: u64,
    data: &'a [u8],
    /// Bytes wanted back.
    wanted: usize,
    background: bool,
}

impl Outgoing<'_> {
    /// A request of this kind that needs nothing else.
    fn new(op: Op, area: Area, volume: u8) -> Outgoing<'static> {
        Outgoing { op, area, volume, block: 0, data: &[], wanted: 0, background: false }
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
    /// The client this PD's manifest describes.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let link = Endpoint::open(manifest, mapped, Role::Vault, 0)?;
        Ok(VaultClient { link, batches: Deque::new(), others: Deque::new(), next_tag: 0, holding: false })
    }

    /// The channel to the vault.
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

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.batches.len() + self.others.len()
    }

    /// Asks for a volume's state. This and the other requests return false, and send nothing, if there is
    /// no slot free.
    pub fn hello(&mut self, purpose: P, volume: u8) -> bool {
        let wanted = size_of::<VolumeInfo>();
        self.send(purpose, Outgoing { wanted, ..Outgoing::new(Op::Hello, Area::Volume, volume) })
    }

    /// Asks for blocks of an area.
    pub fn read(&mut self, purpose: P, volume: u8, area: Area, block: u64, blocks: usize) -> bool {
        let wanted = blocks * BLOCK_SIZE;
        self.send(purpose, Outgoing { block, wanted, ..Outgoing::new(Op::Read, area, volume) })
    }

    /// Asks for blocks of an area, which are in no hurry: see [`Request::background`].
    pub fn read_in_background(&mut self, purpose: P, volume: u8, area: Area, block: u64, blocks: usize) -> bool {
        let wanted = blocks * BLOCK_SIZE;
        self.send(purpose, Outgoing { block, wanted, background: true, ..Outgoing::new(Op::Read, area, volume) })
    }

    /// Writes whole blocks of `app-console-input/`.
    pub fn write_input(&mut self, purpose: P, volume: u8, block: u64, data: &[u8]) -> bool {
        self.send(purpose, Outgoing { block, data, ..Outgoing::new(Op::WriteInput, Area::Input, volume) })
    }

    /// Appends to `assets/`, at its append position.
    pub fn append(&mut self, purpose: P, volume: u8, block: u64, data: &[u8]) -> bool {
        self.send(purpose, Outgoing { block, data, ..Outgoing::new(Op::Append, Area::Assets, volume) })
    }

    /// Gives up the asset blocks appended since the last commit.
    pub fn abandon(&mut self, purpose: P, volume: u8) -> bool {
        self.send(purpose, Outgoing::new(Op::Abandon, Area::Assets, volume))
    }

    /// Commits a batch of records at the ledger's frontier, and the asset blocks appended so far.
    pub fn commit(&mut self, purpose: P, volume: u8, block: u64, records: &[u8]) -> bool {
        self.send(purpose, Outgoing { block, data: records, ..Outgoing::new(Op::Commit, Area::Ledger, volume) })
    }

    /// Seals a volume (the orchestrator alone may).
    pub fn seal(&mut self, purpose: P, volume: u8) -> bool {
        self.send(purpose, Outgoing::new(Op::Seal, Area::Ledger, volume))
    }

    fn send(&mut self, purpose: P, outgoing: Outgoing<'_>) -> bool {
        if self.slots_left() == 0 {
            return false;
        }
        let Outgoing { op, area, volume, block, data, wanted, background } = outgoing;
        let tag = self.next_tag;
        let len = if op == Op::Read { wanted } else { data.len() };
        let request = Request {
            op: (op as u16).into(),
            area: area as u8,
            volume,
            tag: tag.into(),
            block: block.into(),
            len: (len as u32).into(),
            background: u8::from(background),
            reserved: [0; 43],
        };
        if !self.link.send(&request, data) {
            return false;
        }
        self.next_tag = tag.wrapping_add(1);
        let pushed = self.under_way(op).push_back(InFlight { purpose, op, volume, tag, len: wanted });
        assert!(pushed.is_ok(), "no more are under way than the ring has slots");
        true
    }

    /// The requests that are answered in one order with those of this kind.
    fn under_way(&mut self, op: Op) -> &mut Deque<InFlight<P>, IN_FLIGHT_MAX> {
        if op.is_batch() { &mut self.batches } else { &mut self.others }
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
        let op = Op::from_wire(reply.op.get()).ok_or(PeerError)?;
        let request = self.under_way(op).pop_front().ok_or(PeerError)?;
        let status = Status::from_wire(reply.status.get()).ok_or(PeerError)?;
        let state = VolumeState::from_wire(reply.state).ok_or(PeerError)?;
        let len = reply.len.get() as usize;
        let len_due = if status == Status::Ok { request.len } else { 0 };
        if reply.tag.get() != request.tag || op != request.op || reply.volume != request.volume || len != len_due {
            return Err(PeerError);
        }
        Ok(Some(Received {
            purpose: request.purpose,
            op: request.op,
            volume: request.volume,
            status,
            state,
            len,
            ledger_next: reply.ledger_next.get(),
            assets_next: reply.assets_next.get(),
            batches: reply.batches.get(),
        }))
    }

    /// Copies the first `out.len()` bytes of the last received reply's data, at most its `len`. Once only:
    /// the vault may change them meanwhile.
    pub fn data(&self, out: &mut [u8]) {
        assert!(self.holding, "there is no reply to read from");
        self.link.data(out);
    }

    /// The answer to a `Hello`, from the last received reply.
    pub fn volume_info(&self) -> VolumeInfo {
        let mut info = VolumeInfo::new_zeroed();
        self.data(info.as_mut_bytes());
        info
    }

    /// Notifies the vault, if it is owed that. Call at the end of every handler.
    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}
