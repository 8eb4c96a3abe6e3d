//! What a volume does with a request its client may make: the write-once rules, and gathering accepted
//! bytes in transfer buffers.

use ledger_fmt::batch_header::{BATCH_PAYLOAD_MAX, Batch, BatchHeader, BatchKind, STAMP_SIZE};
use ledger_fmt::hash::{Checksummer, checksum};
use ledger_fmt::layout::{Area, BLOCK_SIZE};
use totebox_domain::device::BlockDevice;
use totebox_protocol::vault::{Status, VolumeState};
use zerocopy::IntoBytes;

use super::client::Payload;
use super::disk::{Buffer, Disk, Span, TRANSFER_BLOCKS, Waiter};
use super::volume::{AcceptedBatch, Tail, UNFLUSHED_BLOCKS_MAX, Upload, Volume};

/// Writes of one volume in flight, at most: enough to keep a disk busy, too few to keep the buffers from others.
const WRITES_IN_FLIGHT_MAX: usize = 16;

/// Blocks of `ledger/` kept for the seal, so that a full volume can be sealed.
const SEAL_BLOCKS: u64 = BatchHeader::blocks_for(0) as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not now: it stays in its ring until the disk has gone on.
    Later,
    /// Not at all. The area is [`Area::Volume`] where the status speaks of none.
    Status(Status, Area),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal::Status(status, Area::Volume)
    }
}

/// Blocks of whole-block data; a refusal if there are none or the last is partial.
fn whole_blocks(len: usize) -> Result<usize, Refusal> {
    if len > 0 && len.is_multiple_of(BLOCK_SIZE) { Ok(len / BLOCK_SIZE) } else { Err(Status::BadRequest.into()) }
}

/// What is appended must begin exactly at the frontier.
fn at_frontier(block: u64, frontier: u64, area: Area) -> Result<(), Refusal> {
    match block.cmp(&frontier) {
        core::cmp::Ordering::Less => Err(Refusal::Status(Status::BelowFrontier, area)),
        core::cmp::Ordering::Equal => Ok(()),
        core::cmp::Ordering::Greater => Err(Refusal::Status(Status::OutOfRange, area)),
    }
}

impl Volume {
    fn check_writable(&self) -> Result<(), Refusal> {
        match self.state {
            VolumeState::Ready if self.next.sealed => Err(Status::Sealed.into()),
            VolumeState::Ready => Ok(()),
            VolumeState::Sealed => Err(Status::Sealed.into()),
            VolumeState::ReadOnly => Err(Status::ReadOnly.into()),
            _ => Err(Status::Unavailable.into()),
        }
    }

    /// Blocks of an area, if they lie inside and in one piece.
    fn checked_span(&self, area: Area, block: u64, blocks: usize) -> Result<Span, Refusal> {
        match self.layout.place(area, block, blocks as u64) {
            Some(_) => Ok(self.span(area, block, blocks)),
            None => Err(Refusal::Status(Status::OutOfRange, area)),
        }
    }

    /// A buffer for bytes to be written, if this volume does not have more than its part.
    fn take_buffer<D: BlockDevice>(&self, disk: &mut Disk<D>) -> Result<Buffer, Refusal> {
        if disk.writes_in_flight(self.number) >= WRITES_IN_FLIGHT_MAX {
            return Err(Refusal::Later);
        }
        disk.take().ok_or(Refusal::Later)
    }

    /// Starts a read of `len` bytes for `purpose`.
    pub fn read<D: BlockDevice>(
        &mut self,
        disk: &mut Disk<D>,
        purpose: Waiter,
        area: Area,
        block: u64,
        len: usize,
    ) -> Result<(), Refusal> {
        let span = self.checked_span(area, block, whole_blocks(len)?)?;
        if self.is_gathering(span) || disk.conflicts(span, false) {
            return Err(Refusal::Later);
        }
        let buffer = disk.take().ok_or(Refusal::Later)?;
        disk.read(buffer, self.number, purpose, span);
        Ok(())
    }

    /// Whether some of these blocks are accepted and not submitted yet.
    pub(super) fn is_gathering(&self, span: Span) -> bool {
        let tails = [(Area::Assets, &self.upload.tail), (Area::Ledger, &self.ledger_tail)];
        tails.into_iter().any(|(area, tail)| {
            tail.as_ref().is_some_and(|tail| self.span(area, tail.first, tail.blocks).overlaps(span))
        })
    }

    /// Accepts a write to `app-console-input/`.
    pub fn write_input<D: BlockDevice>(
        &mut self,
        disk: &mut Disk<D>,
        block: u64,
        payload: &Payload<'_>,
    ) -> Result<(), Refusal> {
        self.check_writable()?;
        let span = self.checked_span(Area::Input, block, whole_blocks(payload.len())?)?;
        if disk.conflicts(span, true) {
            return Err(Refusal::Later);
        }
        let buffer = self.take_buffer(disk)?;
        payload.copy_to(&mut disk.bytes(&buffer)[..payload.len()]);
        self.write(disk, buffer, span);
        Ok(())
    }

    pub fn append<D: BlockDevice>(
        &mut self,
        disk: &mut Disk<D>,
        block: u64,
        payload: &Payload<'_>,
    ) -> Result<(), Refusal> {
        self.check_writable()?;
        if payload.len() == 0 {
            return Err(Status::BadRequest.into());
        }
        at_frontier(block, self.upload.next, Area::Assets)?;
        let blocks = payload.len().div_ceil(BLOCK_SIZE);
        let end = self.upload.next + blocks as u64;
        if end > self.layout.assets_end(self.next.ledger_next + SEAL_BLOCKS) {
            return Err(Refusal::Status(Status::Full, Area::Assets));
        }
        let span = self.checked_span(Area::Assets, block, blocks)?;
        if !self.reach(end) {
            return Err(Refusal::Later);
        }
        if end - self.upload.durable > UNFLUSHED_BLOCKS_MAX {
            self.flush_upload(disk)?;
        }
        if self.upload.tail.as_ref().is_some_and(|tail| !self.joins(tail, blocks)) {
            self.submit_assets(disk);
        }
        // Blocks given up a moment ago may still be on their way to the disk.
        if disk.conflicts(span, true) {
            return Err(Refusal::Later);
        }
        if self.upload.tail.is_none() {
            let buffer = self.take_buffer(disk)?;
            self.upload.tail = Some(Tail { buffer, first: self.upload.next, blocks: 0, taken: 0 });
        }
        let tail = self.upload.tail.as_mut().expect("just made");
        let bytes = &mut disk.bytes(&tail.buffer)[tail.blocks * BLOCK_SIZE..][..span.bytes()];
        let (data, padding) = bytes.split_at_mut(payload.len());
        payload.copy_to(data);
        padding.fill(0);
        tail.blocks += blocks;
        self.upload.next = end;
        Ok(())
    }

    /// Whether so many blocks more fit the transfer in which those of `assets/` gather.
    fn joins(&self, tail: &Tail, blocks: usize) -> bool {
        let all = tail.blocks + blocks;
        all <= TRANSFER_BLOCKS && self.layout.place(Area::Assets, tail.first, all as u64).is_some()
    }

    /// Gives up the asset blocks appended since the last commit.
    pub fn abandon<D: BlockDevice>(&mut self, disk: &mut Disk<D>) -> Result<(), Refusal> {
        self.check_writable()?;
        self.drop_upload(disk);
        Ok(())
    }

    /// Accepts a batch of these record bytes at `block` with all assets appended so far; returns its number.
    pub fn commit<D: BlockDevice>(
        &mut self,
        disk: &mut Disk<D>,
        block: u64,
        payload: &Payload<'_>,
    ) -> Result<u64, Refusal> {
        self.check_writable()?;
        if payload.len() == 0 || payload.len() > BATCH_PAYLOAD_MAX {
            return Err(Status::BadRequest.into());
        }
        at_frontier(block, self.next.ledger_next, Area::Ledger)?;
        self.accept_batch(disk, BatchKind::Commit, SEAL_BLOCKS, payload)
    }

    /// Accepts the batch that seals the volume, without what is not committed. Returns its number.
    pub fn seal<D: BlockDevice>(&mut self, disk: &mut Disk<D>) -> Result<u64, Refusal> {
        self.check_writable()?;
        self.drop_upload(disk);
        self.accept_batch(disk, BatchKind::Seal, 0, &Payload::EMPTY)
    }

    fn accept_batch<D: BlockDevice>(
        &mut self,
        disk: &mut Disk<D>,
        kind: BatchKind,
        kept_blocks: u64,
        payload: &Payload<'_>,
    ) -> Result<u64, Refusal> {
        let blocks = BatchHeader::blocks_for(payload.len());
        let end = self.next.ledger_next + blocks as u64;
        if end + kept_blocks > self.layout.ledger_end(self.upload.next) {
            return Err(Refusal::Status(Status::Full, Area::Ledger));
        }
        if end + kept_blocks > self.ledger_limit() {
            self.clear();
            return Err(Refusal::Later);
        }
        // The batch header says that blocks below `durable` are durable: it is not written before they are.
        if self.batches.is_full() || self.upload.flushing.is_some() {
            return Err(Refusal::Later);
        }
        if self.ledger_tail.as_ref().is_some_and(|tail| tail.blocks + blocks > TRANSFER_BLOCKS) {
            self.submit_ledger(disk);
        }
        if self.ledger_tail.is_none() {
            let buffer = self.take_buffer(disk)?;
            self.ledger_tail = Some(Tail { buffer, first: self.next.ledger_next, blocks: 0, taken: 0 });
        }
        self.upload.take_tail(disk);
        let tail = self.ledger_tail.as_mut().expect("just made");
        let bytes = &mut disk.bytes(&tail.buffer)[tail.blocks * BLOCK_SIZE..][..blocks * BLOCK_SIZE];
        let (header_bytes, rest) = bytes.split_at_mut(STAMP_SIZE);
        let (data, padding) = rest.split_at_mut(payload.len());
        payload.copy_to(data);
        padding.fill(0);
        let batch = Batch {
            kind,
            volume: self.superblock.volume,
            payload_len: payload.len() as u32,
            assets_to: self.upload.next,
            assets_durable: self.upload.durable,
            ledger_checksum: checksum(data),
            assets_checksum: self.upload.checksum.finish(),
        };
        let header = BatchHeader::new(&self.next, &batch);
        header_bytes.copy_from_slice(header.as_bytes());
        tail.blocks += blocks;
        let (number, header_block) = (self.next.batches, self.next.ledger_next);
        self.next = header.frontier_after();
        // The next batch's assets follow in the same transfer.
        self.upload = Upload { tail: self.upload.tail.take(), ..Upload::after(&self.next) };
        let accepted = AcceptedBatch { after: self.next, header_block, ticket: None };
        self.batches.push_back(accepted).expect("not full, see above");
        Ok(number)
    }

    /// Submits what has gathered.
    pub fn submit_tails<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        self.submit_ledger(disk);
    }

    fn submit_assets<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        self.upload.take_tail(disk);
        let Some(Tail { buffer, first, blocks, .. }) = self.upload.tail.take() else { return };
        assert!(first >= self.committed.assets_next, "committed assets are never written again");
        let span = self.span(Area::Assets, first, blocks);
        self.write(disk, buffer, span);
    }

    fn submit_ledger<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        // Assets first, so that the ticket of the batch headers stands for them too.
        self.submit_assets(disk);
        let Some(Tail { buffer, first, blocks, .. }) = self.ledger_tail.take() else { return };
        assert!(first >= self.committed.ledger_next, "committed batches are never written again");
        let span = self.span(Area::Ledger, first, blocks);
        let ticket = self.write(disk, buffer, span);
        for batch in self.batches.iter_mut().filter(|batch| batch.ticket.is_none()) {
            batch.ticket = Some(ticket);
        }
    }

    /// Has the blocks of a long upload flushed, so that the batch's checksum can begin anew behind them.
    fn flush_upload<D: BlockDevice>(&mut self, disk: &mut Disk<D>) -> Result<(), Refusal> {
        if self.upload.flushing.is_some() {
            return Err(Refusal::Later);
        }
        self.submit_assets(disk);
        self.upload.durable = self.upload.next;
        self.upload.checksum = Checksummer::default();
        self.upload.flushing = Some(self.submitted);
        Ok(())
    }
}
