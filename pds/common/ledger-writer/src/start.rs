//! How a writer finds its head: it asks the vault for the frontier, takes the newer usable snapshot, sees
//! whether the ledger bears it out, and reads the batches behind it. Whatever is wrong with a snapshot, the
//! ledger is then read from its first batch; what is wrong with the ledger itself is the end of it.

use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, Frontier};
use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::record::Record;
use totebox_protocol::vault::{Area, Committed, VolumeState};
use totebox_vault_client::{Received, VaultClient};
use zerocopy::{FromBytes, IntoBytes};

use super::snapshot::{COPIES, SNAPSHOT_BLOCKS, Snapshot};
use super::sparse_index::SparseIndex;
use super::{Broken, Event, LedgerWriter, Observer, State, Trouble, Walk};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartStep {
    Ask,
    Copy(usize),
    /// Read the last batch the snapshot holds for.
    Confirm,
    /// Read the next batches.
    Walk,
    /// The ledger was read, or never will be.
    Done,
}

/// What becomes of the batches that are read.
struct Reading<'a> {
    sparse_index: &'a mut SparseIndex,
    seen: &'a mut dyn FnMut(&Record<'_>),
}

impl Observer for Reading<'_> {
    fn batch(&mut self, first: u64, block: u64) {
        self.sparse_index.note(first, block);
    }

    fn record(&mut self, record: &Record<'_>) {
        (self.seen)(record);
    }
}

#[derive(Debug)]
pub(super) struct Start {
    pub(super) step: StartStep,
    /// Whether the request of this step (after the start: a snapshot's question) is under way.
    pub(super) under_way: bool,
    /// The frontier as the vault last said.
    pub(super) vault: Committed,
    /// Whether it has said so.
    pub(super) told: bool,
    state: VolumeState,
    /// Whether snapshots are looked for at all.
    snapshots: bool,
    /// Whether a usable snapshot was found, and whether what is being read is what follows it.
    snapshot: bool,
}

impl Start {
    pub(super) fn new() -> Start {
        Start {
            step: StartStep::Ask,
            under_way: false,
            vault: Committed::NOTHING,
            told: false,
            state: VolumeState::Recovering,
            snapshots: true,
            snapshot: false,
        }
    }

    pub(super) fn ignore_snapshots(&mut self) {
        self.snapshots = false;
    }
}

impl<P: Copy> LedgerWriter<P> {
    /// Sends what the start needs next, if there is a slot. Call whenever there may be one.
    pub fn advance(&mut self, vault: &mut VaultClient<P>) {
        if self.start.under_way {
            return;
        }
        let end = self.start.vault.frontier.ledger_next;
        let (area, block, blocks) = match self.start.step {
            StartStep::Done => return,
            StartStep::Ask => {
                self.start.under_way = vault.hello(self.purpose, self.number);
                return;
            }
            StartStep::Copy(copy) => (Area::Input, COPIES[copy], SNAPSHOT_BLOCKS),
            StartStep::Confirm => {
                let block = self.snapshot.last_header_block();
                (Area::Ledger, block, end.saturating_sub(block).min(BATCH_BLOCKS_MAX as u64) as usize)
            }
            StartStep::Walk => {
                let (block, blocks) = self.committed.wants(end);
                (Area::Ledger, block, blocks)
            }
        };
        self.start.under_way = vault.read(self.purpose, self.number, area, block, blocks);
    }

    pub(super) fn take_frontier(
        &mut self,
        vault: &mut VaultClient<P>,
        reply: &Received<P>,
    ) -> Result<Option<Event>, Trouble> {
        self.start.under_way = false;
        if self.start.step == StartStep::Done {
            if reply.is_ok() {
                self.start.vault = vault.committed();
                self.write_snapshot(vault);
            }
            return Ok(None);
        }
        if !reply.is_ok() {
            return Err(match reply.answered.state.readable() {
                true => Trouble::Refused(reply.answered.status),
                false => Trouble::Unavailable(reply.answered.state),
            });
        }
        let committed = vault.committed();
        if !committed.frontier.is_within(&self.layout) {
            return Err(Trouble::VaultBroken);
        }
        (self.start.vault, self.start.state, self.start.told) = (committed, reply.answered.state, true);
        if !reply.answered.state.readable() {
            return Err(Trouble::Unavailable(reply.answered.state));
        }
        if committed.frontier.ledger_next == 0 {
            return self.walked();
        }
        self.start.step = if self.start.snapshots { StartStep::Copy(0) } else { StartStep::Walk };
        Ok(None)
    }

    pub(super) fn take_blocks(
        &mut self,
        vault: &mut VaultClient<P>,
        reply: &Received<P>,
        seen: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Option<Event>, Trouble> {
        self.start.under_way = false;
        let readable = reply.is_ok();
        if readable {
            vault.data(&mut self.buffer[..reply.len]);
        }
        let bytes = &self.buffer[..reply.len];
        match self.start.step {
            StartStep::Copy(copy) => {
                self.take_copy(copy, readable);
                Ok(None)
            }
            StartStep::Confirm => {
                let confirmed = self.snapshot.confirmed_by(&self.superblock.volume, &self.layout, bytes);
                match confirmed.filter(|_| readable) {
                    Some(walk) => self.committed = walk,
                    None => self.forget_snapshot(),
                }
                self.walked()
            }
            StartStep::Walk if readable => {
                let mut reading = Reading { sparse_index: &mut self.snapshot.sparse_index, seen };
                match self.committed.feed(&self.superblock.volume, &self.layout, bytes, &mut reading) {
                    Ok(()) => self.walked(),
                    Err(broken) => self.not_whole(broken),
                }
            }
            StartStep::Walk => Err(Trouble::Refused(reply.answered.status)),
            StartStep::Ask | StartStep::Done => Ok(None),
        }
    }

    fn take_copy(&mut self, copy: usize, readable: bool) {
        let bytes = &self.buffer[..SNAPSHOT_BLOCKS * BLOCK_SIZE];
        let found = Snapshot::ref_from_bytes(bytes).expect("its size and no alignment");
        let newer = !self.start.snapshot || found.batches() > self.snapshot.batches();
        if readable && newer && found.usable(&self.superblock.volume, &self.start.vault.frontier) {
            self.snapshot.as_mut_bytes().copy_from_slice(bytes);
            self.start.snapshot = true;
            self.next_copy = 1 - copy;
        }
        self.start.step = match (copy + 1 < COPIES.len(), self.start.snapshot) {
            (true, _) => StartStep::Copy(copy + 1),
            (false, true) => StartStep::Confirm,
            (false, false) => StartStep::Walk,
        };
    }

    fn forget_snapshot(&mut self) {
        self.start.snapshot = false;
        self.committed = Walk::START;
        self.snapshot.sparse_index.clear();
    }

    /// The ledger does not hold together; but perhaps that is the snapshot's fault.
    fn not_whole(&mut self, broken: Broken) -> Result<Option<Event>, Trouble> {
        if !self.start.snapshot {
            return Err(Trouble::Damaged(broken));
        }
        self.forget_snapshot();
        self.start.step = StartStep::Walk;
        Ok(None)
    }

    /// Goes on reading, or compares what was read with what the vault says.
    fn walked(&mut self) -> Result<Option<Event>, Trouble> {
        let (frontier, of_vault) = (self.committed.frontier, self.start.vault.frontier);
        if frontier.ledger_next < of_vault.ledger_next {
            self.start.step = StartStep::Walk;
            return Ok(None);
        }
        let agreed = frontier == Frontier { sealed: frontier.sealed, ..of_vault };
        if !agreed {
            return self.not_whole(Broken { block: self.start.vault.last_header_block });
        }
        if self.start.snapshot {
            self.saved_next = self.snapshot.ledger_next();
        }
        self.planned = self.committed.totals;
        self.planned_next = frontier.ledger_next;
        self.planned_batches = frontier.batches;
        self.start.step = StartStep::Done;
        self.state = match self.start.state {
            _ if of_vault.sealed => State::Closed(VolumeState::Sealed),
            VolumeState::Ready => State::Ready,
            closed => State::Closed(closed),
        };
        Ok(Some(Event::Started))
    }
}
