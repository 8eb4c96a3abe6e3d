//! The block device and its transfer buffers: which are free, what is in flight, what has completed.

use alloc::vec::Vec;

use ledger_fmt::layout::BLOCK_SIZE;
use totebox_domain::device::{BlockDevice, IoError, Operation, TRANSFER_SIZE};

/// Blocks one transfer moves at most.
pub const TRANSFER_BLOCKS: usize = TRANSFER_SIZE / BLOCK_SIZE;

/// The buffer that names flushes. It is kept for them, so that a flush never waits for a buffer.
const FLUSH: usize = 0;

/// A transfer buffer. There is one value of each, so whoever has it may fill it.
#[derive(Debug)]
pub struct Buffer(usize);

/// The place of a write in the order in which writes were submitted; 0 is before the first.
pub type Ticket = u64;

/// Blocks on the disk, counted from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub block: u64,
    pub blocks: usize,
}

impl Span {
    pub fn bytes(self) -> usize {
        self.blocks * BLOCK_SIZE
    }

    pub fn overlaps(self, other: Span) -> bool {
        self.block < other.block + other.blocks as u64 && other.block < self.block + self.blocks as u64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    Recovery,
    /// A client's read: its `serial`th request.
    Read {
        client: usize,
        /// The request's number among all of that client.
        serial: u64,
        background: bool,
    },
    Write,
    /// A look at a hint before it is overwritten.
    Hint,
}

#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    pub purpose: Waiter,
    pub volume: usize,
    pub span: Span,
    /// The ticket of a write, `None` for a read.
    pub write: Option<Ticket>,
}

/// What the device has done.
#[derive(Debug)]
pub enum Event {
    Transfer(Buffer, Transfer, Result<(), IoError>),
    Flush(Result<(), IoError>),
}

/// The device, and what is known of its buffers.
#[derive(Debug)]
pub struct Disk<D> {
    device: D,
    free: Vec<Buffer>,
    in_flight: Vec<Option<Transfer>>,
    /// Operations the device did not take: they count as failed.
    rejected: Vec<usize>,
    last_ticket: Ticket,
    flushing: bool,
    completed: u64,
}

impl<D: BlockDevice> Disk<D> {
    /// The disk behind `device`; `None` if it has too few buffers: one names flushes, the rest move data.
    pub fn new(device: D) -> Option<Self> {
        let buffers = device.buffers();
        if device.capacity() > 0 && buffers < 2 {
            return None;
        }
        let free = (1..buffers).rev().map(Buffer).collect();
        let in_flight = (0..buffers).map(|_| None).collect();
        Some(Disk {
            device,
            free,
            in_flight,
            rejected: Vec::with_capacity(buffers),
            last_ticket: 0,
            flushing: false,
            completed: 0,
        })
    }

    /// The device, for what it says of itself.
    pub fn device(&self) -> &D {
        &self.device
    }

    pub fn writable(&self) -> bool {
        !self.device.read_only()
    }

    /// Tells the device its interrupt was seen.
    pub fn acknowledge(&mut self) {
        self.device.acknowledge();
    }

    pub fn take(&mut self) -> Option<Buffer> {
        self.free.pop()
    }

    pub fn give_back(&mut self, buffer: Buffer) {
        self.free.push(buffer);
    }

    pub fn bytes(&mut self, buffer: &Buffer) -> &mut [u8] {
        self.device.buffer(buffer.0)
    }

    pub fn read(&mut self, buffer: Buffer, volume: usize, purpose: Waiter, span: Span) {
        self.submit(buffer, Transfer { purpose, volume, span, write: None });
    }

    pub fn write(&mut self, buffer: Buffer, volume: usize, purpose: Waiter, span: Span) -> Ticket {
        let ticket = self.mark();
        self.submit(buffer, Transfer { purpose, volume, span, write: Some(ticket) });
        ticket
    }

    fn submit(&mut self, buffer: Buffer, transfer: Transfer) {
        let Span { block, blocks } = transfer.span;
        let operation = match transfer.write {
            Some(_) => Operation::Write { block, blocks },
            None => Operation::Read { block, blocks },
        };
        assert!(!self.conflicts(transfer.span, transfer.write.is_some()), "overlapping operations");
        self.in_flight[buffer.0] = Some(transfer);
        if self.device.submit(buffer.0, operation).is_err() {
            self.rejected.push(buffer.0);
        }
    }

    /// Starts a flush: it covers every write that has completed by now. One at a time.
    pub fn flush(&mut self) {
        self.flushing = true;
        if self.device.submit(FLUSH, Operation::Flush).is_err() {
            self.rejected.push(FLUSH);
        }
    }

    /// The next thing the device has done.
    pub fn completed(&mut self) -> Option<Event> {
        let rejected = self.rejected.pop().map(|index| (index, Err(IoError)));
        let (index, result) = rejected.or_else(|| self.device.completed())?;
        self.completed += 1;
        if index == FLUSH {
            self.flushing = false;
            return Some(Event::Flush(result));
        }
        let transfer = self.in_flight[index].take().expect("a buffer completes once");
        Some(Event::Transfer(Buffer(index), transfer, result))
    }

    /// Whether an operation in flight touches these blocks so that their order would matter.
    pub fn conflicts(&self, span: Span, write: bool) -> bool {
        self.in_flight
            .iter()
            .flatten()
            .any(|transfer| (write || transfer.write.is_some()) && transfer.span.overlaps(span))
    }

    /// How many writes of a volume are in flight.
    pub fn writes_in_flight(&self, volume: usize) -> usize {
        let in_flight = self.in_flight.iter().flatten();
        in_flight.filter(|transfer| transfer.volume == volume && transfer.write.is_some()).count()
    }

    pub fn idle(&self) -> bool {
        self.in_flight.iter().all(Option::is_none)
    }

    /// Whether nothing is in flight but reads that are in no hurry.
    pub fn idle_enough(&self) -> bool {
        let hurry = |transfer: &Transfer| !matches!(transfer.purpose, Waiter::Read { background: true, .. });
        !self.in_flight.iter().flatten().any(hurry)
    }

    /// Operations the device was given and has not completed, flushes among them.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.iter().flatten().count() as u64 + u64::from(self.flushing)
    }

    /// Operations it has completed since start.
    pub fn completed_operations(&self) -> u64 {
        self.completed
    }

    /// A ticket of its own, behind all writes so far.
    pub fn mark(&mut self) -> Ticket {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// The ticket given out last.
    pub fn last_ticket(&self) -> Ticket {
        self.last_ticket
    }

    /// Every write with a ticket up to this one has completed.
    pub fn completed_to(&self) -> Ticket {
        self.oldest_write(|_| true)
    }

    /// Every write to `volume` with a ticket up to this one has completed.
    pub fn volume_completed_to(&self, volume: usize) -> Ticket {
        self.oldest_write(|transfer| transfer.volume == volume)
    }

    fn oldest_write(&self, counts: impl Fn(&Transfer) -> bool) -> Ticket {
        let pending = self.in_flight.iter().flatten().filter(|transfer| counts(transfer));
        pending.filter_map(|transfer| transfer.write).min().map_or(self.last_ticket, |oldest| oldest - 1)
    }
}
