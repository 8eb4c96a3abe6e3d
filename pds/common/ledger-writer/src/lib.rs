//! A ledger under one writer: finds its head at start, stages records into a batch, commits it through the
//! vault, and believes in a record only when the vault has acknowledged its commit. Used by every archive
//! for its own ledger and by the auditor for the audit record.
//!
//! Life of a writer: [`LedgerWriter::advance`] asks the vault for the frontier, reads the batches up to it and
//! checks that they form one chain; then the writer is [`State::Ready`]. [`LedgerWriter::stage`] puts
//! records into the batch that is next, [`LedgerWriter::commit`] sends it; several may be under way.
//! [`LedgerWriter::receive`] takes the vault's replies, and only there do head, tree and totals advance.
//! [`LedgerWriter::save`] leaves a snapshot for the next start. Batches read from the disk are hostile input:
//! a ledger that does not hold together is not continued.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod audit_room;
mod batch;
mod snapshot;
mod sparse_index;
mod start;
mod walk;

use alloc::boxed::Box;
use alloc::vec;

use heapless::Deque;
use ledger_fmt::Hash;
use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, BATCH_PAYLOAD_MAX, BatchHeader, Frontier};
use ledger_fmt::checkpoint::{self, SIGNED_MAX};
use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout, Superblock};
use ledger_fmt::note::Signer;
use ledger_fmt::payload::{
    CHECKPOINT_REST_MAX, DOCUMENT_NAME_MAX, DOCUMENT_REST_MAX, GENESIS_MAX, Genesis, Stated, TreeHead,
};
use ledger_fmt::record::{Draft, Kind, Record, padded_len};
use totebox_manifest::{Volume, name_str};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::vault::{Op, Status, VolumeState};
use totebox_vault_client::{Received, VaultClient};
use zerocopy::{FromZeros, IntoBytes};

use snapshot::{COPIES, Snapshot};
use start::{Start, StartStep};

pub use batch::{Batch, NoBatch};
pub use snapshot::SNAPSHOTS_END;
pub use sparse_index::IndexEntry;
pub use walk::{Broken, Observer, Totals, Walk};

/// Commits under way at most: one being flushed, one waiting for it; more only help where batches are full.
pub const COMMITS_MAX: usize = 4;

/// Ledger blocks that other records leave free for [`Kind::Lifecycle`] and [`Kind::Checkpoint`], so that a
/// full archive can still be closed: its last lifecycle record, its checkpoint and the vault's seal take a
/// block each, and one is to spare.
pub const RESERVED_BLOCKS: u64 = 4;

/// Blocks of `ledger/` that records may take when the two directories of a volume have come so far.
pub const fn ledger_room(layout: &Layout, ledger_next: u64, assets_next: u64) -> u64 {
    layout.ledger_end(assets_next).saturating_sub(ledger_next).saturating_sub(RESERVED_BLOCKS)
}

/// Blocks of the longest content that can be put then, with a block of `ledger/` for its record.
pub const fn content_room(layout: &Layout, ledger_next: u64, assets_next: u64) -> u64 {
    let ledger = ledger_next.saturating_add(1 + RESERVED_BLOCKS);
    layout.assets_end(ledger).saturating_sub(assets_next)
}

/// How many documents of a block each can be put then, one at a time: each takes a block of `ledger/` too.
pub const fn documents_left(layout: &Layout, ledger_next: u64, assets_next: u64) -> u64 {
    let (mut fit, mut too_many) = (0, layout.space.blocks + 1);
    while fit + 1 < too_many {
        let count = fit + (too_many - fit) / 2;
        if count <= ledger_room(layout, ledger_next, assets_next.saturating_add(count)) {
            fit = count;
        } else {
            too_many = count;
        }
    }
    fit
}

// Whatever its name, a document put by itself takes one block of `ledger/`.
const _: () = assert!(BatchHeader::blocks_for(padded_len(DOCUMENT_NAME_MAX + DOCUMENT_REST_MAX)) == 1);

/// Bytes of a checkpoint's payload at most.
pub const CHECKPOINT_MAX: usize = CHECKPOINT_REST_MAX + SIGNED_MAX;

/// When nothing else is to be done, a snapshot is worth writing after so many ledger blocks.
pub const SAVE_IDLE_BLOCKS: u64 = 16;

/// Ledger blocks after which a snapshot is worth writing without a pause: 4 MiB are read in tens of milliseconds.
pub const SAVE_BUSY_BLOCKS: u64 = 1024;

/// Where a ledger's writer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Head and tree are not known yet.
    Starting,
    /// Records can be appended.
    Ready,
    /// The ledger is whole, but its volume takes no more: it is sealed, or the disk refuses writes.
    Closed(VolumeState),
    Failed(Trouble),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Unavailable(VolumeState),
    Damaged(Broken),
    /// A read, a write or a flush failed, or the vault refused what it should not have refused.
    Refused(Status),
    /// The vault does not keep to its protocol.
    VaultBroken,
}

/// What a reply of the vault meant for the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The ledger was read; [`LedgerWriter::state`] says with what result.
    Started,
    /// The records from sequence number `first` on, `records` of them, are durable.
    Committed { first: u64, records: u32 },
    /// A commit failed: what was staged or under way may not be durable, and nothing more can be appended.
    Failed(Trouble),
}

/// A record was put into the batch that is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    pub sequence: u64,
    pub hash: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageError {
    /// The batch has no room for it: commit first.
    BatchFull,
    /// The volume has no room for it.
    Full,
    /// The ledger is not [`State::Ready`].
    NotReady,
    /// The payload is longer than the format allows.
    TooLong,
}

/// A batch under way to the disk.
#[derive(Clone, Copy, Debug)]
struct Commit {
    first: u64,
    records: u32,
    block: u64,
    /// What the ledger adds up to with it, and its frontier and batches then.
    totals: Totals,
    ledger_next: u64,
    batches: u64,
}

/// The writer of one ledger. `P` marks its requests among others on the same queue.
#[derive(Debug)]
pub struct LedgerWriter<P> {
    purpose: P,
    number: u8,
    superblock: Superblock,
    layout: Layout,
    state: State,
    start: Start,
    /// The batches committed. While the ledger is being read: those read so far.
    committed: Walk,
    /// What the ledger adds up to with everything under way and staged; its frontier and batches with
    /// everything under way.
    planned: Totals,
    planned_next: u64,
    planned_batches: u64,
    /// Blocks of `assets/` that are taken or will be: see [`LedgerWriter::content_ends`].
    planned_assets: u64,
    /// The record bytes of the batch that is next; while the ledger is being read, the blocks read.
    buffer: Box<[u8]>,
    staged_len: usize,
    staged_records: u32,
    commits: Deque<Commit, COMMITS_MAX>,
    /// Holds the index entries, always current; the rest is filled in when it is written.
    snapshot: Box<Snapshot>,
    /// The copy to be overwritten next, and the ledger blocks the other one holds for.
    next_copy: usize,
    saved_next: u64,
}

impl<P: Copy> LedgerWriter<P> {
    /// The writer of `volume`, which has this number in the PD's own manifest.
    pub fn new(volume: &Volume, number: u8, purpose: P) -> Self {
        let superblock = &volume.superblock;
        let mut snapshot = Snapshot::new_box_zeroed().expect("the heap holds what the domain is made of");
        snapshot.sparse_index.clear();
        LedgerWriter {
            purpose,
            number,
            superblock: *superblock,
            layout: volume.layout().expect("a parsed manifest's volumes have a layout"),
            state: State::Starting,
            start: Start::new(),
            committed: Walk::START,
            planned: Totals::EMPTY,
            planned_next: 0,
            planned_batches: 0,
            planned_assets: 0,
            buffer: vec![0; BATCH_BLOCKS_MAX * BLOCK_SIZE].into_boxed_slice(),
            staged_len: 0,
            staged_records: 0,
            commits: Deque::new(),
            snapshot,
            next_copy: 0,
            saved_next: 0,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the committed records add up to; while the ledger is read, or if it is not whole, those read so far.
    pub fn totals(&self) -> &Totals {
        &self.committed.totals
    }

    /// Whether the last record, of those staged too, is a checkpoint.
    pub fn is_signed(&self) -> bool {
        self.planned.signed
    }

    pub fn volume_id(&self) -> &[u8; 16] {
        &self.superblock.volume
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn batches(&self) -> u64 {
        self.committed.frontier.batches
    }

    /// Blocks of `ledger/` committed, as far as they were read.
    pub fn ledger_next(&self) -> u64 {
        self.committed.frontier.ledger_next
    }

    /// Blocks of `ledger/` committed by the vault's word: beyond [`LedgerWriter::ledger_next`] if it is not whole.
    pub fn ledger_end(&self) -> u64 {
        self.ledger_next().max(self.start.vault.frontier.ledger_next)
    }

    /// Whether its blocks can be read: the vault has said how far it goes, whatever else it said.
    pub fn is_readable(&self) -> bool {
        self.start.told
    }

    /// Blocks of `assets/` committed, as the vault says.
    pub fn assets_end(&self) -> u64 {
        self.committed.frontier.assets_next.max(self.start.vault.frontier.assets_next)
    }

    pub fn staged(&self) -> u32 {
        self.staged_records
    }

    /// Commits under way.
    pub fn commits(&self) -> usize {
        self.commits.len()
    }

    /// The last batch known to begin at or before the record `sequence`: where to start looking for it.
    pub fn indexed_before(&self, sequence: u64) -> IndexEntry {
        self.snapshot.sparse_index.before(sequence)
    }

    /// The vault broke its protocol: nothing more will come from it. Says so once.
    pub fn vault_broke(&mut self) -> Option<Event> {
        self.give_up(Trouble::VaultBroken)
    }

    /// The ledger cannot be continued for a reason its owner has seen. Says so once.
    pub fn give_up(&mut self, trouble: Trouble) -> Option<Event> {
        match self.state {
            State::Failed(_) => None,
            _ => Some(self.fail(trouble)),
        }
    }

    fn fail(&mut self, trouble: Trouble) -> Event {
        let starting = self.state == State::Starting;
        self.state = State::Failed(trouble);
        self.start.step = StartStep::Done;
        self.commits.clear();
        (self.staged_len, self.staged_records) = (0, 0);
        if starting { Event::Started } else { Event::Failed(trouble) }
    }

    /// Reads the whole ledger at start, whatever snapshot there is, so that an observer sees every record.
    pub fn read_from_the_first_batch(mut self) -> Self {
        self.start.ignore_snapshots();
        self
    }

    /// Takes a reply to one of this writer's requests.
    pub fn receive(&mut self, vault: &mut VaultClient<P>, reply: &Received<P>) -> Option<Event> {
        self.receive_observed(vault, reply, &mut |_| {})
    }

    /// Takes a reply to one of this writer's requests, and shows the records read at start to `seen`.
    pub fn receive_observed(
        &mut self,
        vault: &mut VaultClient<P>,
        reply: &Received<P>,
        seen: &mut dyn FnMut(&Record<'_>),
    ) -> Option<Event> {
        if let State::Failed(_) = self.state {
            return None;
        }
        let outcome = match reply.op {
            Op::Hello => self.take_frontier(vault, reply),
            Op::Read => self.take_blocks(vault, reply, seen),
            Op::Commit => self.take_commit(reply),
            // A snapshot that was not written only costs time.
            _ => Ok(None),
        };
        outcome.unwrap_or_else(|trouble| Some(self.fail(trouble)))
    }

    fn take_commit(&mut self, reply: &Received<P>) -> Result<Option<Event>, Trouble> {
        if !reply.is_ok() {
            return Err(Trouble::Refused(reply.answered.status));
        }
        let commit = self.commits.pop_front().ok_or(Trouble::VaultBroken)?;
        // Several commits may have become durable together.
        let batches = commit.batches..=self.planned_batches;
        if reply.answered.ledger_next != commit.ledger_next
            || !batches.contains(&reply.answered.batches)
            || reply.answered.assets_next > self.layout.blocks_of(Area::Assets)
        {
            return Err(Trouble::VaultBroken);
        }
        self.committed.totals = commit.totals;
        self.committed.frontier.ledger_next = commit.ledger_next;
        self.committed.frontier.assets_next = reply.answered.assets_next;
        self.committed.frontier.batches = commit.batches;
        self.snapshot.sparse_index.note(commit.first, commit.block);
        Ok(Some(Event::Committed { first: commit.first, records: commit.records }))
    }

    /// Whether there is room for one more record with a payload of this length, besides what is staged:
    /// in the batch (else it must be committed first), and in `ledger/`.
    pub fn room_for(&self, kind: Kind, payload_len: usize) -> Result<(), StageError> {
        let reserved = match kind {
            Kind::Genesis | Kind::Lifecycle | Kind::Checkpoint => 0,
            _ => RESERVED_BLOCKS,
        };
        self.room_beside(reserved, payload_len)
    }

    /// As [`LedgerWriter::room_for`], where so many blocks of `ledger/` are to stay free.
    pub fn room_beside(&self, reserved: u64, payload_len: usize) -> Result<(), StageError> {
        let end = self.layout.ledger_end(self.planned_assets.max(self.assets_end()));
        if self.state != State::Ready {
            Err(StageError::NotReady)
        } else if self.next_with(payload_len) + reserved > end {
            Err(StageError::Full)
        } else if self.staged_len + padded_len(payload_len) > BATCH_PAYLOAD_MAX {
            Err(StageError::BatchFull)
        } else {
            Ok(())
        }
    }

    /// Where `ledger/` ends with all that is under way and staged, and one more record with a payload of this length.
    fn next_with(&self, payload_len: usize) -> u64 {
        let len = self.staged_len + padded_len(payload_len);
        // A record that opens a new batch takes the blocks of both.
        let blocks = match len <= BATCH_PAYLOAD_MAX {
            true => BatchHeader::blocks_for(len),
            false => BatchHeader::blocks_for(self.staged_len) + BatchHeader::blocks_for(padded_len(payload_len)),
        };
        self.planned_next + blocks as u64
    }

    /// Content takes the blocks of `assets/` before this one, committed or not: records must leave them free.
    pub fn content_ends(&mut self, block: u64) {
        self.planned_assets = block;
    }

    /// The block of `assets/` before which content must end if its record, with a payload of this length, is to fit.
    pub fn content_limit(&self, payload_len: usize) -> u64 {
        self.layout.assets_end(self.next_with(payload_len) + RESERVED_BLOCKS)
    }

    /// Puts a record into the batch that is next.
    pub fn stage(&mut self, draft: &Draft<'_>) -> Result<Staged, StageError> {
        self.room_for(draft.kind, draft.payload.len())?;
        let out = &mut self.buffer[self.staged_len..];
        let sequence = self.planned.head.records;
        let (len, head) = draft.encode(&self.planned.head, out).ok_or(StageError::TooLong)?;
        self.planned.add(head, draft.kind, draft.payload);
        self.staged_len += len;
        self.staged_records += 1;
        Ok(Staged { sequence, hash: head.hash })
    }

    /// Stages the first record of an empty ledger: which ledger this is.
    pub fn stage_genesis(&mut self, time_ms: u64) -> Result<Staged, StageError> {
        let Superblock { deployment, volume, name, .. } = self.superblock;
        let genesis = Genesis { deployment, volume, name: name_str(&name) };
        let mut payload = [0; GENESIS_MAX];
        let len = genesis.write(&mut payload).expect("GENESIS_MAX is the longest there is");
        self.stage(&Draft { kind: Kind::Genesis, time_ms, payload: &payload[..len] })
    }

    /// Stages a signed checkpoint: the tree over all records before it. They must be durable, so that no cut
    /// can make this key sign two trees of one size.
    pub fn stage_checkpoint(&mut self, signer: &Signer, time_ms: u64) -> Result<Staged, StageError> {
        assert!(self.staged_records == 0 && self.commits.is_empty(), "what is signed is durable");
        let tree = TreeHead::of(&self.planned.tree);
        let note = checkpoint::sign(signer, &tree);
        let mut payload = [0; CHECKPOINT_MAX];
        let stated = Stated { tree, note: Some(&note) };
        let len = stated.write(&mut payload).expect("CHECKPOINT_MAX is the longest there is");
        self.stage(&Draft { kind: Kind::Checkpoint, time_ms, payload: &payload[..len] })
    }

    /// Sends the staged batch. False if nothing is staged, too many commits are under way, or no slot is free.
    pub fn commit(&mut self, vault: &mut VaultClient<P>) -> bool {
        if self.staged_records == 0 || self.commits.is_full() {
            return false;
        }
        let block = self.planned_next;
        if !vault.commit(self.purpose, self.number, block, &self.buffer[..self.staged_len]) {
            return false;
        }
        self.planned_next += BatchHeader::blocks_for(self.staged_len) as u64;
        self.planned_batches += 1;
        let commit = Commit {
            first: self.planned.head.records - u64::from(self.staged_records),
            records: self.staged_records,
            block,
            totals: self.planned,
            ledger_next: self.planned_next,
            batches: self.planned_batches,
        };
        self.commits.push_back(commit).expect("not full");
        (self.staged_len, self.staged_records) = (0, 0);
        true
    }

    /// Whether writes other than of records are in order: a closed archive's volume may be sealed any moment.
    fn is_open(&self) -> bool {
        self.state == State::Ready && self.planned.standing != Standing::Archived
    }

    /// Has a snapshot written if the ledger has grown by `blocks_min` blocks since the last one. Nothing
    /// waits for it. It takes a question and a write, each of which the vault serves without a flush.
    pub fn save(&mut self, vault: &mut VaultClient<P>, blocks_min: u64) {
        let grown = self.ledger_next() - self.saved_next;
        let due = self.is_open() && grown >= blocks_min.max(1) && !self.start.under_way;
        if due {
            // Only the vault knows the batch header of the last batch, by which a snapshot is told from a stale one.
            self.start.under_way = vault.hello(self.purpose, self.number);
        }
    }

    /// Writes the snapshot of the ledger as `self.start.vault` says it stands.
    fn write_snapshot(&mut self, vault: &mut VaultClient<P>) {
        let vault_says = self.start.vault;
        let Frontier { batches, ledger_next, .. } = vault_says.frontier;
        if !self.is_open() || (batches, ledger_next) != (self.batches(), self.ledger_next()) {
            return;
        }
        self.snapshot.fill(&self.superblock.volume, &vault_says, &self.committed.totals);
        let block = COPIES[self.next_copy];
        if vault.write_input(self.purpose, self.number, block, self.snapshot.as_bytes()) {
            self.next_copy = 1 - self.next_copy;
            self.saved_next = self.ledger_next();
        }
    }
}
