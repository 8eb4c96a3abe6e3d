//! One volume: its frontier, the batches on their way to the disk, its hints, its failure.
//!
//! Positions move through three stages. *Accepted*: a request was checked and its bytes are in a transfer
//! buffer (see `accept`). *Submitted*: the buffer was handed to the device and has a [`Ticket`].
//! *Durable*: a flush that began after the write had completed has completed ([`Volume::flush_ended`]).
//! Only what is durable is acknowledged and counts as committed.

use heapless::Deque;
use ledger_fmt::batch_header::{Frontier, Hint};
use ledger_fmt::hash::Checksummer;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Layout, Superblock};
use totebox_domain::device::BlockDevice;
use totebox_manifest::Volume as Entry;
use totebox_protocol::page::VolumeReport;
use totebox_protocol::vault::{Committed, VolumeInfo, VolumeState};
use zerocopy::IntoBytes;

use super::border::Border;
use super::disk::{Buffer, Disk, Span, Ticket, Waiter};
use super::recovery::RUNS_IN_FLIGHT_MAX;
use super::start::Start;

/// A hint is due after so many batches even if the vault is never idle, so that a walk is short.
const HINT_RUNS: u64 = 64;

/// A hint is due after so many asset blocks (16 MiB) even if the vault is never idle.
const HINT_ASSET_BLOCKS: u64 = 4096;

/// Asset blocks of a batch neither flushed nor committed, at most: 8 MiB, which recovery reads of one.
pub const UNFLUSHED_BLOCKS_MAX: u64 = 2048;

#[derive(Debug)]
pub struct Volume {
    pub(super) number: usize,
    pub(super) first_block: u64,
    pub(super) superblock: Superblock,
    pub(super) layout: Layout,
    pub(super) state: VolumeState,
    pub(super) start: Start,
    /// Its superblock is what it must be, and where its batches end that were seen behind damage: see
    /// [`Found`](super::recovery::Found).
    pub(super) identified: bool,
    pub(super) seen: (u64, u64),
    pub(super) committed: Frontier,
    pub(super) committed_header: u64,
    /// The frontier behind all accepted batches.
    pub(super) next: Frontier,
    pub(super) batches: Deque<AcceptedBatch, RUNS_IN_FLIGHT_MAX>,
    pub(super) upload: Upload,
    /// Accepted batches that are not submitted yet.
    pub(super) ledger_tail: Option<Tail>,
    pub(super) hint: HintState,
    pub(super) border: Border,
    pub(super) submitted: Ticket,
    /// The last write the flush under way covers.
    covered: Ticket,
    /// The last write that is durable, with all before it.
    pub(super) durable: Ticket,
    refused: u64,
}

/// A batch between acceptance and acknowledgement.
#[derive(Debug)]
pub struct AcceptedBatch {
    /// The frontier behind it.
    pub after: Frontier,
    pub header_block: u64,
    /// The write that ends it; `None` while it is in the tail.
    pub ticket: Option<Ticket>,
}

/// Asset blocks on their way into the next batch.
#[derive(Debug)]
pub struct Upload {
    pub next: u64,
    /// Blocks of this batch below this one are durable, or will be: see `flushing`.
    pub durable: u64,
    /// Of the blocks from `durable`, but for the tail's last ones: see [`Tail::taken`].
    pub checksum: Checksummer,
    /// The blocks below `durable` are durable once this ticket is.
    pub flushing: Option<Ticket>,
    /// Accepted blocks that are not submitted yet. Earlier batches' blocks may be among them.
    pub tail: Option<Tail>,
}

impl Upload {
    /// An upload of nothing yet.
    pub fn after(frontier: &Frontier) -> Upload {
        let next = frontier.assets_next;
        Upload { next, durable: next, checksum: Checksummer::default(), flushing: None, tail: None }
    }

    /// Takes the tail's last blocks into the checksum: as late as possible, because many blocks at once are
    /// faster.
    pub(super) fn take_tail<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        if let Some(tail) = &mut self.tail {
            let fresh = tail.taken * BLOCK_SIZE..tail.blocks * BLOCK_SIZE;
            self.checksum.update(&disk.bytes(&tail.buffer)[fresh]);
            tail.taken = tail.blocks;
        }
    }
}

/// Accepted blocks that gather in a buffer, to reach the disk in one transfer.
#[derive(Debug)]
pub struct Tail {
    /// Where they are.
    pub buffer: Buffer,
    /// The first, counted in its area.
    pub first: u64,
    pub blocks: usize,
    /// Of asset blocks: how many are in their batch's checksum.
    pub taken: usize,
}

#[derive(Debug)]
pub struct HintState {
    pub slot: usize,
    /// What the newest names; `None` without one.
    pub batches: Option<u64>,
    /// What the newest names.
    pub assets_next: u64,
    /// How far content may have been written, as the next one says: see [`Hint::assets_written`].
    pub assets_written: u64,
    /// The least that each of the two says of that, now and after a power cut; `None` if it is damaged.
    pub said: [Option<u64>; 2],
    /// The newest one's write. Only once it is durable may the other be overwritten, or a power cut takes both.
    pub ticket: Ticket,
    /// What the two blocks hold, as read at the start or written since; `None` if one was found damaged.
    pub held: [Option<Hint>; 2],
    /// The slot to be written next is being read, to see whether it still holds that.
    pub looking: bool,
    /// How often a damaged one was overwritten since the start.
    pub damaged: [u16; 2],
}

impl Volume {
    /// The volume of a manifest's entry, before its recovery.
    pub fn new(number: usize, entry: &Entry, layout: Layout) -> Volume {
        Volume {
            number,
            first_block: entry.first_block.get(),
            superblock: entry.superblock,
            layout,
            state: VolumeState::Recovering,
            start: Start::new(),
            identified: false,
            seen: (0, 0),
            committed: Frontier::EMPTY,
            committed_header: 0,
            next: Frontier::EMPTY,
            batches: Deque::new(),
            upload: Upload::after(&Frontier::EMPTY),
            ledger_tail: None,
            hint: HintState {
                slot: 0,
                batches: None,
                assets_next: 0,
                assets_written: 0,
                said: [None; 2],
                ticket: 0,
                held: [Some(Hint::BLANK); 2],
                looking: false,
                damaged: [0; 2],
            },
            border: Border::AtRest,
            submitted: 0,
            covered: 0,
            durable: 0,
            refused: 0,
        }
    }

    pub fn state(&self) -> VolumeState {
        self.state
    }

    pub fn batches(&self) -> u64 {
        self.committed.batches
    }

    /// The append positions of `ledger/` and `assets/` behind everything accepted.
    pub fn positions(&self) -> (u64, u64) {
        (self.next.ledger_next, self.upload.next)
    }

    /// Whether its archive can read it: its own and looked through. In a damaged one it finds what is whole.
    pub fn readable(&self) -> bool {
        matches!(self.start, Start::Served) || (self.identified && matches!(self.start, Start::GivenUp))
    }

    /// Whether its blocks are on the disk, for a reader that wants to see damage too.
    pub fn inspectable(&self) -> bool {
        !matches!(self.state, VolumeState::NoDisk | VolumeState::DiskTooSmall)
    }

    pub fn count_refused(&mut self) {
        self.refused += 1;
    }

    /// What `Hello` tells, the volume's own archive or somebody else. In a damaged volume the archive is told of what
    /// was seen behind the damage, too; the frontier it is not.
    pub fn info(&self, own: bool) -> VolumeInfo {
        let (ledger, assets) = if own && !self.state.readable() { self.seen } else { (0, 0) };
        let mut frontier = self.committed;
        frontier.ledger_next = frontier.ledger_next.max(ledger);
        frontier.assets_next = frontier.assets_next.max(assets);
        Committed { frontier, last_header_block: self.committed_header }.encode()
    }

    /// What the vault's page says of it.
    pub fn report(&self) -> VolumeReport {
        VolumeReport {
            state: self.state,
            closed: false,
            hints_damaged: self.hint.damaged,
            refused: self.refused,
            assets_next: self.committed.assets_next,
            ledger_next: self.committed.ledger_next,
        }
    }

    /// Blocks of an area that are in one piece, counted from the start of the disk.
    pub(super) fn span(&self, area: Area, block: u64, blocks: usize) -> Span {
        let place =
            self.layout.place(area, block, blocks as u64).expect("a transfer in one piece of its directory");
        Span { block: self.first_block + place.start, blocks }
    }

    /// Submits a write of the vault's own or of accepted bytes.
    pub(super) fn write<D: BlockDevice>(&mut self, disk: &mut Disk<D>, buffer: Buffer, span: Span) -> Ticket {
        self.submitted = disk.write(buffer, self.number, Waiter::Write, span);
        self.submitted
    }

    // ---- durability ----

    pub fn wants_flush(&self) -> bool {
        let batch = self.batches.front().is_some_and(|batch| batch.ticket.is_some());
        let awaited = [self.start.awaits(), self.border_awaits()].into_iter().flatten();
        batch || self.upload.flushing.is_some() || awaited.into_iter().any(|ticket| ticket > self.durable)
    }

    /// A flush begins that covers this volume's writes up to `covered`.
    pub fn flush_begins(&mut self, covered: Ticket) {
        self.covered = covered;
    }

    /// The flush has made durable what it covers.
    pub fn flush_ended(&mut self) {
        self.durable = self.covered;
        if self.upload.flushing.is_some_and(|ticket| ticket <= self.durable) {
            self.upload.flushing = None;
        }
        while let Some(batch) = self.batches.front()
            && batch.ticket.is_some_and(|ticket| ticket <= self.durable)
        {
            self.committed = batch.after;
            self.committed_header = batch.header_block;
            self.batches.pop_front();
        }
        if self.hint.ticket <= self.durable {
            self.hint.said = self.hint.held.map(|hint| hint.map(|hint| hint.assets_written.get()));
        }
        if self.committed.sealed && self.state == VolumeState::Ready {
            self.state = VolumeState::Sealed;
        }
    }

    // ---- hints ----

    /// Begins to write a hint if one is due: when there is nothing else to do, or the last one is far behind. First
    /// the block it overwrites is read: whether that was damaged could not be seen any more afterwards.
    pub fn refresh_hint<D: BlockDevice>(&mut self, disk: &mut Disk<D>, idle: bool) {
        let behind = self.committed.batches - self.hint.batches.unwrap_or(0);
        let far = behind >= HINT_RUNS || self.committed.assets_next - self.hint.assets_next >= HINT_ASSET_BLOCKS;
        let news = behind > 0 && (idle || far);
        let due = (news || self.hint_is_awaited()) && self.hint.ticket <= self.durable;
        let span = self.hint_span();
        if self.in_service()
            && due
            && !self.hint.looking
            && !disk.conflicts(span, true)
            && let Some(buffer) = disk.take()
        {
            self.hint.looking = true;
            disk.read(buffer, self.number, Waiter::Hint, span);
        }
    }

    fn in_service(&self) -> bool {
        matches!(self.state, VolumeState::Ready | VolumeState::Sealed)
    }

    /// The block of the hint to be written next.
    fn hint_span(&self) -> Span {
        self.span(Area::Volume, HINT_BLOCKS[self.hint.slot], 1)
    }

    /// The block that is to be overwritten was read: takes note if it is not what it was, and writes the hint. Returns
    /// whether a damaged one was overwritten.
    pub fn hint_read<D: BlockDevice>(&mut self, disk: &mut Disk<D>, buffer: Buffer, ok: bool) -> bool {
        self.hint.looking = false;
        let slot = self.hint.slot;
        let found = Hint::held(&disk.bytes(&buffer)[..BLOCK_SIZE], &self.superblock.volume, &self.layout);
        let found = found.filter(|_| ok);
        self.hint.held[slot].take_if(|held| Some(*held) != found);
        // A client may be looking at the block; then it is tried again.
        if !self.in_service() || disk.conflicts(self.hint_span(), true) {
            disk.give_back(buffer);
            return false;
        }
        let damaged = self.hint.held[slot].is_none();
        self.write_hint_with(disk, buffer);
        damaged
    }

    /// Submits the hint that names the committed frontier; `None` if no buffer is free. It names only what is
    /// durable, so it needs no flush of its own.
    pub(super) fn write_hint<D: BlockDevice>(&mut self, disk: &mut Disk<D>) -> Option<Ticket> {
        let buffer = disk.take()?;
        Some(self.write_hint_with(disk, buffer))
    }

    fn write_hint_with<D: BlockDevice>(&mut self, disk: &mut Disk<D>, buffer: Buffer) -> Ticket {
        let written = self.hint.assets_written;
        let hint = Hint::new(self.superblock.volume, &self.committed, self.committed_header, written);
        let block = &mut disk.bytes(&buffer)[..BLOCK_SIZE];
        block.fill(0);
        block[..size_of::<Hint>()].copy_from_slice(hint.as_bytes());
        let span = self.hint_span();
        let ticket = self.write(disk, buffer, span);
        let slot = self.hint.slot;
        if self.hint.held[slot].replace(hint).is_none() {
            self.hint.damaged[slot] = self.hint.damaged[slot].saturating_add(1);
        }
        // Until it is durable, the one before it in this slot may be what a start finds.
        self.hint.said[slot] = Some(self.hint.said[slot].unwrap_or(written).min(written));
        self.hint.slot = 1 - self.hint.slot;
        self.hint.batches = Some(self.committed.batches);
        self.hint.assets_next = self.committed.assets_next;
        self.hint.ticket = ticket;
        ticket
    }

    // ---- failure ----

    /// After an I/O error nothing is known of the disk: no writes until the next start. Returns whether that is news.
    pub fn fail<D: BlockDevice>(&mut self, disk: &mut Disk<D>) -> bool {
        if !matches!(self.state, VolumeState::Recovering | VolumeState::Ready | VolumeState::Sealed) {
            return false;
        }
        self.give_up(VolumeState::Failed);
        self.next = self.committed;
        self.drop_upload(disk);
        if let Some(tail) = self.ledger_tail.take() {
            disk.give_back(tail.buffer);
        }
        self.border = Border::AtRest;
        self.batches.clear();
        true
    }

    /// Gives up what was appended behind the last accepted batch.
    pub(super) fn drop_upload<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        let dropped = core::mem::replace(&mut self.upload, Upload::after(&self.next));
        let Some(mut tail) = dropped.tail else { return };
        tail.blocks = tail.blocks.min(self.next.assets_next.saturating_sub(tail.first) as usize);
        tail.taken = tail.blocks;
        if tail.blocks > 0 {
            self.upload.tail = Some(tail);
        } else {
            disk.give_back(tail.buffer);
        }
    }
}
