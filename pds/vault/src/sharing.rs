//! How far `ledger/` and `assets/` may come at present in the space they share.
//!
//! Content that was given up stays on the disk, and it may look like batches. `ledger/` grows towards it, and no walk
//! from batch to batch may ever take it for one. So the block behind the last batch is never one that content was
//! written to: before a batch would leave it so, the room is *cleared*, that is overwritten with zeros and flushed.
//!
//! What has to be cleared outlives the vault: both hints say how far content may have been written
//! ([`Hint::assets_written`]). Either may be the one that a start finds, so `assets/` is continued only as far as both
//! say. They are *raised* a good piece at a time.
//!
//! [`Hint::assets_written`]: ledger_fmt::batch_header::Hint::assets_written

use ledger_fmt::batch_header::BATCH_BLOCKS_MAX;
use ledger_fmt::layout::{Area, BLOCK_SIZE};
use totebox_domain::device::BlockDevice;
use totebox_protocol::vault::VolumeState;

use super::border::Border;
use super::disk::{Disk, TRANSFER_BLOCKS, Ticket, Waiter};
use super::volume::{UNFLUSHED_BLOCKS_MAX, Volume};

/// The hints are raised by so many blocks at most, 32 MiB: seldom enough to cost nothing.
const RAISED_BLOCKS_MAX: u64 = 4 * UNFLUSHED_BLOCKS_MAX;

/// They are raised by this part of what is free at most, so that `ledger/` need not be cleared while there is room.
const RAISED_PART: u64 = 4;

/// So many blocks of `ledger/` are cleared at a time, and up to a chunk more.
const CLEARED_BLOCKS: u64 = 256;

impl Volume {
    /// The block before which content may be written now.
    fn assets_limit(&self) -> u64 {
        let said = self.hint.said.iter().flatten().copied();
        let limit = said.min().unwrap_or(u64::MAX).min(self.hint.assets_written);
        match self.border {
            Border::Clearing { end, .. } | Border::Cleared { end, .. } => limit.min(self.layout.assets_end(end)),
            Border::AtRest | Border::Raising { .. } => limit,
        }
    }

    /// The block of `ledger/` from which on there may have been content.
    pub(super) fn ledger_limit(&self) -> u64 {
        self.layout.ledger_end(self.hint.assets_written)
    }

    /// Whether content may be written up to this block of `assets/` now. If not, or if it soon will not, the hints are
    /// raised.
    pub(super) fn reach(&mut self, end: u64) -> bool {
        // Not so far that the very next batch would need room to be cleared.
        let most = self.layout.assets_end(self.next.ledger_next + BATCH_BLOCKS_MAX as u64).max(end);
        let ahead = ((most - end) / RAISED_PART).min(RAISED_BLOCKS_MAX);
        let limit = self.assets_limit();
        let waits = end > limit;
        match &mut self.border {
            Border::Raising { urgent } => *urgent |= waits,
            Border::AtRest if waits || limit < (end + ahead / 2).min(most) => {
                let target = (end + ahead).next_multiple_of(self.layout.chunk).min(most);
                self.hint.assets_written = self.hint.assets_written.max(target);
                self.border = Border::Raising { urgent: waits };
            }
            _ => {}
        }
        !waits
    }

    /// Has the hints raised before anything is appended, when there is nothing else to do.
    pub fn prepare(&mut self, idle: bool) {
        let end = self.upload.next + 1;
        if idle && self.state == VolumeState::Ready && end <= self.layout.assets_end(self.next.ledger_next + 1) {
            self.reach(end);
        }
    }

    /// Has room cleared behind the batches.
    pub(super) fn clear(&mut self) {
        if !matches!(self.border, Border::AtRest) {
            return;
        }
        let next = self.ledger_limit().max(self.next.ledger_next);
        let whole_chunks = self.layout.ledger_end(self.layout.assets_end(next + CLEARED_BLOCKS));
        let end = self.layout.ledger_end(self.upload.next).min(whole_chunks);
        if next < end {
            self.border = Border::Clearing { next, end };
        }
    }

    /// Goes on with what is being done.
    pub fn advance_border<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        if let Border::Clearing { next, end } = self.border {
            self.write_zeros(disk, next, end);
        }
        match self.border {
            Border::Cleared { end, ticket } if ticket <= self.durable => {
                self.hint.assets_written = self.layout.assets_end(end);
                self.border = Border::AtRest;
            }
            Border::Raising { .. } if !self.hint_is_awaited() => self.border = Border::AtRest,
            _ => {}
        }
    }

    fn write_zeros<D: BlockDevice>(&mut self, disk: &mut Disk<D>, mut next: u64, end: u64) {
        while next < end {
            let blocks = (end - next).min(TRANSFER_BLOCKS as u64) as usize;
            let span = self.span(Area::Ledger, next, blocks);
            // What was given up may still be on its way to the disk, and a client may be looking at it.
            if self.is_gathering(span) || disk.conflicts(span, true) {
                break;
            }
            let Some(buffer) = disk.take() else { break };
            disk.bytes(&buffer)[..blocks * BLOCK_SIZE].fill(0);
            self.submitted = disk.write(buffer, self.number, Waiter::Write, span);
            next += blocks as u64;
        }
        let ticket = self.submitted;
        self.border = if next < end { Border::Clearing { next, end } } else { Border::Cleared { end, ticket } };
    }

    /// Whether a hint is to be written though it names nothing new.
    pub(super) fn hint_is_awaited(&self) -> bool {
        let written = self.hint.assets_written;
        matches!(self.border, Border::Raising { .. })
            && self.hint.said.iter().flatten().any(|&said| said < written)
    }

    /// What must be durable before it can go on.
    pub(super) fn border_awaits(&self) -> Option<Ticket> {
        match self.border {
            Border::Cleared { ticket, .. } => Some(ticket),
            Border::Raising { urgent: true } => Some(self.hint.ticket),
            Border::AtRest | Border::Clearing { .. } | Border::Raising { urgent: false } => None,
        }
    }
}
