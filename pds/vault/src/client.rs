//! One client of the vault: what it may do, its rings, and its requests that wait for the disk. Batches are
//! answered in the order in which they came, and so is everything else; but nothing else waits for a batch,
//! or a client could send nothing while its batches wait for a flush.

use heapless::Deque;
use totebox_domain::Kernel;
use totebox_domain::device::BlockDevice;
use totebox_link::Endpoint;
use totebox_manifest::{Role, conversation};
use totebox_protocol::vault::{Answered, Area, Op, Reply, Request, Status, VolumeState};
use totebox_shm::PeerError;
use zerocopy::IntoBytes;

use super::disk::{Buffer, Disk};
use super::volume::Volume;

/// The vault's end of the link to a client.
pub type Link = Endpoint<Reply, Request>;

/// Requests of one client that wait for the disk, at most: as many as the largest ring has slots.
pub const PENDING_MAX: usize = conversation::slots_max(Role::Vault);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// An archive: everything but sealing on its own volume, which it knows as number 0.
    Archive { own: usize },
    /// The auditor: it reads everything and appends to the audit volume.
    Auditor { audit: usize },
    /// The orchestrator: it seals archives' volumes.
    Orchestrator { audit: usize },
}

impl Rights {
    /// The rights of a role (`index` among archives) in a deployment with so many volumes; `None` for a role
    /// that has no business with the vault.
    pub fn of(role: Role, index: usize, volumes: usize) -> Option<Rights> {
        let audit = volumes.checked_sub(1)?;
        match role {
            Role::Archive if index < audit => Some(Rights::Archive { own: index }),
            Role::Auditor => Some(Rights::Auditor { audit }),
            Role::Orchestrator => Some(Rights::Orchestrator { audit }),
            _ => None,
        }
    }

    /// The volume a request means, if this client may name it.
    pub fn target(self, number: u8, volumes: usize) -> Option<usize> {
        match self {
            Rights::Archive { own } => (number == 0).then_some(own),
            _ => Some(usize::from(number)).filter(|&number| number < volumes),
        }
    }

    /// The volume on which its nameless misdeeds are counted.
    pub fn home(self) -> usize {
        match self {
            Rights::Archive { own: home }
            | Rights::Auditor { audit: home }
            | Rights::Orchestrator { audit: home } => home,
        }
    }

    /// Whether it may do this to this volume.
    pub fn permit(self, op: Op, target: usize) -> bool {
        match (self, op) {
            (_, Op::Hello) => true,
            (Rights::Archive { own }, _) => op != Op::Seal && target == own,
            (Rights::Auditor { .. }, Op::Read) => true,
            (Rights::Auditor { audit }, _) => op != Op::Seal && target == audit,
            (Rights::Orchestrator { audit }, _) => op == Op::Seal && target != audit,
        }
    }

    /// Whether it can read the volume as it is. One that is not its own an archive never sees.
    pub fn can_read(self, volume: &Volume) -> bool {
        match self {
            Rights::Archive { .. } => volume.readable(),
            _ => volume.inspectable(),
        }
    }
}

/// The data of a request, still in the client's region. They are copied out once.
#[derive(Debug)]
pub struct Payload<'a> {
    link: Option<&'a Link>,
    len: usize,
}

impl Payload<'_> {
    pub const EMPTY: Payload<'static> = Payload { link: None, len: 0 };

    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies all of it to `out`, which is as long.
    pub fn copy_to(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.len, "data are copied as a whole");
        if let Some(link) = self.link {
            link.data(out);
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    Status(Status, Area),
    /// The volume's state, as it is when the reply leaves.
    Hello,
    /// Done when this batch is durable.
    Batch(u64),
    /// The disk is reading so many bytes.
    Reading(usize),
    /// They have been read.
    Read(Buffer, usize),
}

/// A request whose reply has not left.
#[derive(Debug)]
struct Pending {
    request: Request,
    /// The volume it means, if there is one.
    target: Option<usize>,
    outcome: Decision,
    /// The append positions after the request.
    positions: (u64, u64),
}

#[derive(Debug)]
pub struct Client {
    link: Link,
    rights: Rights,
    /// Commits and seals whose replies have not left, and the other requests of which that is so.
    batches: Deque<Pending, PENDING_MAX>,
    pending: Deque<Pending, PENDING_MAX>,
    /// Of the others, those answered so far: the serial number of the oldest pending one.
    answered: u64,
    /// Requests in the ring when it was last looked at.
    waiting: usize,
}

impl Client {
    /// A client at the other end of this link.
    pub fn new(link: Link, rights: Rights) -> Client {
        Client { link, rights, batches: Deque::new(), pending: Deque::new(), answered: 0, waiting: 0 }
    }

    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Data bytes a message carries at most.
    pub fn data_max(&self) -> usize {
        self.link.data_max()
    }

    pub fn closed(&self) -> bool {
        self.link.is_broken()
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }

    /// Copies out the header of the oldest request, if there is room to answer it one day.
    pub fn request(&mut self) -> Result<Option<Request>, PeerError> {
        if self.closed() {
            return Ok(None);
        }
        let unanswered = self.batches.len() + self.pending.len();
        self.waiting = self.link.waiting();
        let takes = self.waiting > 0 && unanswered < PENDING_MAX && self.link.room() > unanswered;
        let request = if takes { self.link.peek() } else { None };
        if self.closed() { Err(PeerError) } else { Ok(request) }
    }

    /// Whether requests wait behind the oldest one.
    pub fn has_more(&self) -> bool {
        self.waiting > 1
    }

    /// The data of the oldest request: `len` bytes, at most what a message carries.
    pub fn payload(&self, len: usize) -> Payload<'_> {
        Payload { link: Some(&self.link), len }
    }

    /// The serial number of the next request to be taken, if it is no batch.
    pub fn next_serial(&self) -> u64 {
        self.answered + self.pending.len() as u64
    }

    /// Takes the oldest request out of the ring; its reply follows from `outcome`.
    pub fn taken(&mut self, request: Request, target: Option<usize>, outcome: Decision, positions: (u64, u64)) {
        self.link.release();
        let pending = if request.is_batch() { &mut self.batches } else { &mut self.pending };
        pending.push_back(Pending { request, target, outcome, positions }).expect("`request` looked for room");
    }

    /// The disk has read for request `serial`. Gives the buffer back if nobody wants it any more.
    pub fn read_ended(&mut self, serial: u64, buffer: Buffer, ok: bool) -> Option<Buffer> {
        let index = serial.checked_sub(self.answered).filter(|_| !self.closed());
        let Some(pending) = index.and_then(|index| self.pending.iter_mut().nth(index as usize)) else {
            return Some(buffer);
        };
        if let Decision::Reading(len) = pending.outcome
            && ok
        {
            pending.outcome = Decision::Read(buffer, len);
            return None;
        }
        pending.outcome = Decision::Status(Status::Io, Area::Volume);
        Some(buffer)
    }

    /// Sends the replies that are ready; those to batches first, so that no reply tells of more batches than were
    /// answered before it. Returns whether there was one.
    pub fn reply<D: BlockDevice>(&mut self, disk: &mut Disk<D>, volumes: &[Volume]) -> Result<bool, PeerError> {
        let Client { link, rights, batches, pending, answered, .. } = self;
        let mut sent = false;
        let mut send = |reply: &Reply, data: &[u8]| {
            if !link.send(reply, data) {
                assert!(link.is_broken(), "`request` kept a slot for every reply");
                return Err(PeerError);
            }
            sent = true;
            Ok(())
        };
        while let Some(reply) = batches.front().and_then(|front| front.batch_reply(volumes)) {
            send(&reply, &[])?;
            batches.pop_front();
        }
        while let Some(front) = pending.front() {
            let volume = front.target.map(|target| &volumes[target]);
            let mut said = front.answered(volume);
            let info;
            let data: &[u8] = match (&front.outcome, volume) {
                (Decision::Reading(_), _) => break,
                (Decision::Hello, Some(volume)) if rights.can_read(volume) => {
                    info = volume.info(matches!(rights, Rights::Archive { .. }));
                    info.as_bytes()
                }
                (Decision::Hello, _) => {
                    said.status = Status::Unavailable;
                    &[]
                }
                (Decision::Read(buffer, len), _) => &disk.bytes(buffer)[..*len],
                (Decision::Status(..), _) => &[],
                (Decision::Batch(_), _) => unreachable!("batches wait by themselves"),
            };
            send(&front.request.reply(&said, data.len()), data)?;
            *answered += 1;
            if let Some(Pending { outcome: Decision::Read(buffer, _), .. }) = pending.pop_front() {
                disk.give_back(buffer);
            }
        }
        Ok(sent)
    }

    /// Closes the link for good: what is accepted is finished, but nobody is told.
    pub fn close<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        self.link.break_off();
        self.batches.clear();
        while let Some(pending) = self.pending.pop_front() {
            if let Decision::Read(buffer, _) = pending.outcome {
                disk.give_back(buffer);
            }
        }
    }
}

impl Pending {
    /// What is answered, as far as it is decided.
    fn answered(&self, volume: Option<&Volume>) -> Answered {
        let (status, area) = match self.outcome {
            Decision::Status(status, area) => (status, area),
            _ => (Status::Ok, Area::Volume),
        };
        // Of a volume there is not nothing is told.
        let state = volume.map_or(VolumeState::Recovering, Volume::state);
        let batches = volume.map_or(0, Volume::batches);
        let (ledger_next, assets_next) = self.positions;
        Answered { status, area, state, ledger_next, assets_next, batches }
    }

    /// The reply to a batch, if it is time for it: the batch is durable, or will never be.
    fn batch_reply(&self, volumes: &[Volume]) -> Option<Reply> {
        let volume = self.target.map(|target| &volumes[target]);
        let mut answered = self.answered(volume);
        match (&self.outcome, volume) {
            (Decision::Batch(batch), Some(volume)) if volume.batches() > *batch => {}
            (Decision::Batch(_), Some(volume)) if volume.state() == VolumeState::Failed => {
                answered.status = Status::Io;
            }
            (Decision::Status(..), _) => {}
            _ => return None,
        }
        Some(self.request.reply(&answered, 0))
    }
}
