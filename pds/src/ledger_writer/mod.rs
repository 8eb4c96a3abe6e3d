//! A ledger under one writer: finds its head at start, stages records into a run, commits it through the
//! vault, and believes in a record only when the vault has acknowledged its commit. Used by every archive
//! for its own ledger and by the auditor for the audit record.
//!
//! Life of a writer: [`LedgerWriter::advance`] asks the vault for the frontier, reads the runs up to it and
//! checks that they form one chain; then the writer is [`State::Ready`]. [`LedgerWriter::stage`] puts
//! records into the run that is next, [`LedgerWriter::commit`] sends it; several may be under way.
//! [`LedgerWriter::receive`] takes the vault's replies, and only there do head, tree and totals advance.
//! Runs read from the disk are hostile input: a ledger that does not hold together is not continued.

mod walk;

use alloc::boxed::Box;
use alloc::vec;

use heapless::Deque;
use ledger_fmt::Hash;
use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use ledger_fmt::record::{Draft, Genesis, Kind, padded_len};
use ledger_fmt::stamp::{RUN_BLOCKS_MAX, RUN_PAYLOAD_MAX, Stamp};
use totebox_manifest::Volume;
use zerocopy::IntoBytes;

use crate::proto::vault::{Area, Op, Status, VolumeInfo, VolumeState};
use crate::vault_client::{Received, VaultClient};

pub use walk::{Broken, Totals, Walk};

/// Commits under way at most. One is being flushed, the next waits for that flush to end; the others only
/// help where runs are full.
pub const COMMITS_MAX: usize = 4;

/// Ledger blocks that documents leave free, so that a full archive can still be closed: its last lifecycle
/// record, its checkpoint and the vault's seal take a block each, and one is to spare.
pub const RESERVED_BLOCKS: u64 = 4;

/// Where a ledger's writer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Head and tree are not known yet.
    Starting,
    /// Records can be appended.
    Ready,
    /// The ledger is whole, but its volume takes no more: it is sealed, or the disk refuses writes.
    Closed(VolumeState),
    /// It cannot be continued.
    Failed(Trouble),
}

/// Why a ledger cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The volume is not usable.
    Unavailable(VolumeState),
    /// The ledger is not whole.
    Damaged(Broken),
    /// A read, a write or a flush failed, or the vault refused what it should not have refused.
    Io(Status),
    /// The vault does not keep to its protocol.
    VaultBroken,
}

/// What a reply of the vault meant for the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The ledger was read; [`LedgerWriter::state`] says with what result.
    Started,
    /// The records from sequence number `first` on, `records` of them, are durable.
    Committed {
        /// The first one's sequence number.
        first: u64,
        /// How many.
        records: u32,
    },
    /// A commit failed: nothing that was staged or under way is known to be durable, and nothing more
    /// can be appended.
    Failed(Trouble),
}

/// A record was put into the run that is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Its sequence number.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Why a record was not staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageError {
    /// The run has no room for it: commit first.
    RunFull,
    /// `ledger/` has no room for it.
    Full,
    /// The ledger is not [`State::Ready`].
    NotReady,
    /// The payload is longer than the format allows.
    TooLong,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The frontier is to be asked for.
    Ask,
    /// The question is under way.
    Asked,
    /// The vault is still recovering the volume; it will notify.
    Wait,
    /// Runs are being read up to the frontier; `under_way` if the vault has been asked for the next ones.
    Walk { info: VolumeInfo, under_way: bool },
    /// The ledger was read, or never will be.
    Done,
}

/// A run under way to the disk.
#[derive(Clone, Copy, Debug)]
struct Commit {
    first: u64,
    records: u32,
    /// What the ledger adds up to with it.
    totals: Totals,
    /// The ledger's frontier and its runs with it.
    ledger_next: u64,
    runs: u64,
}

/// The writer of one ledger. `P` marks its requests among others on the same queue.
#[derive(Debug)]
pub struct LedgerWriter<P> {
    purpose: P,
    number: u8,
    id: [u8; 16],
    genesis: Genesis,
    layout: Layout,
    state: State,
    step: Step,
    /// The runs committed.
    committed: Walk,
    /// What the ledger adds up to with everything under way and staged, and its frontier with everything
    /// under way.
    planned: Totals,
    planned_next: u64,
    planned_runs: u64,
    /// The record bytes of the run that is next; while the ledger is being read, the blocks read.
    buffer: Box<[u8]>,
    staged_len: usize,
    staged_records: u32,
    commits: Deque<Commit, COMMITS_MAX>,
}

impl<P: Copy> LedgerWriter<P> {
    /// The writer of the volume that has this number in the PD's own manifest.
    pub fn new(manifest_header: &totebox_manifest::Header, volume: &Volume, number: u8, purpose: P) -> Self {
        LedgerWriter {
            purpose,
            number,
            id: volume.superblock.volume,
            genesis: Genesis {
                deployment: manifest_header.deployment,
                volume: volume.superblock.volume,
                name: volume.superblock.name,
            },
            layout: volume.layout().expect("a parsed manifest's volumes have a layout"),
            state: State::Starting,
            step: Step::Ask,
            committed: Walk::START,
            planned: Totals::EMPTY,
            planned_next: 0,
            planned_runs: 0,
            buffer: vec![0; RUN_BLOCKS_MAX * BLOCK_SIZE].into_boxed_slice(),
            staged_len: 0,
            staged_records: 0,
            commits: Deque::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the committed records add up to. While the ledger is being read, those read so far.
    pub fn totals(&self) -> &Totals {
        &self.committed.totals
    }

    /// Where the volume's directories are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Runs committed.
    pub fn runs(&self) -> u64 {
        self.committed.frontier.runs
    }

    /// Blocks of `ledger/` committed.
    pub fn ledger_next(&self) -> u64 {
        self.committed.frontier.ledger_next
    }

    /// Blocks of `assets/` committed.
    pub fn assets_next(&self) -> u64 {
        self.committed.frontier.assets_next
    }

    /// Records staged but not sent.
    pub fn staged(&self) -> u32 {
        self.staged_records
    }

    /// Commits under way.
    pub fn commits(&self) -> usize {
        self.commits.len()
    }

    /// Sends what recovery needs next, if there is a slot. Call whenever there may be one.
    pub fn advance(&mut self, vault: &mut VaultClient<P>) {
        match self.step {
            Step::Ask if vault.hello(self.purpose, self.number) => self.step = Step::Asked,
            Step::Walk { info, under_way: false } => {
                let (block, blocks) = self.committed.wants(info.ledger_next.get());
                let under_way = vault.read(self.purpose, self.number, Area::Ledger, block, blocks);
                self.step = Step::Walk { info, under_way };
            }
            _ => {}
        }
    }

    /// The vault has notified, and there was no reply in it: if the volume was still being recovered, it is
    /// worth asking again.
    pub fn vault_stirred(&mut self) {
        if let Step::Wait = self.step {
            self.step = Step::Ask;
        }
    }

    /// The vault broke its protocol: nothing more will come from it. True if this is news.
    pub fn vault_broke(&mut self) -> bool {
        let news = !matches!(self.state, State::Failed(_));
        if news {
            self.fail(Trouble::VaultBroken);
        }
        news
    }

    fn fail(&mut self, trouble: Trouble) {
        self.state = State::Failed(trouble);
        self.step = Step::Done;
        self.commits.clear();
        (self.staged_len, self.staged_records) = (0, 0);
    }

    /// Takes a reply to one of this writer's requests.
    pub fn receive(&mut self, vault: &mut VaultClient<P>, reply: &Received<P>) -> Option<Event> {
        if let State::Failed(_) = self.state {
            return None;
        }
        let outcome = match reply.op {
            Op::Hello => self.take_frontier(vault, reply),
            Op::Read => self.take_runs(vault, reply),
            Op::Commit => self.take_commit(reply),
            _ => Ok(None),
        };
        outcome.unwrap_or_else(|trouble| {
            let starting = self.state == State::Starting;
            self.fail(trouble);
            Some(if starting { Event::Started } else { Event::Failed(trouble) })
        })
    }

    fn take_frontier(
        &mut self,
        vault: &mut VaultClient<P>,
        reply: &Received<P>,
    ) -> Result<Option<Event>, Trouble> {
        if reply.state == VolumeState::Recovering {
            self.step = Step::Wait;
            return Ok(None);
        }
        if !reply.state.readable() {
            return Err(Trouble::Unavailable(reply.state));
        }
        if reply.status != Status::Ok {
            return Err(Trouble::Io(reply.status));
        }
        let info = vault.volume_info();
        if info.ledger_next.get() > self.layout.ledger.blocks || info.assets_next.get() > self.layout.assets.blocks
        {
            return Err(Trouble::VaultBroken);
        }
        self.walked(info, reply.state)
    }

    fn take_runs(&mut self, vault: &mut VaultClient<P>, reply: &Received<P>) -> Result<Option<Event>, Trouble> {
        let Step::Walk { info, .. } = self.step else { return Ok(None) };
        if reply.status != Status::Ok {
            return Err(Trouble::Io(reply.status));
        }
        let bytes = &mut self.buffer[..reply.len];
        vault.data(bytes);
        self.committed.feed(&self.id, &self.layout, bytes, |_, _| {}).map_err(Trouble::Damaged)?;
        self.walked(info, reply.state)
    }

    /// Goes on reading, or compares what was read with what the vault says.
    fn walked(&mut self, info: VolumeInfo, state: VolumeState) -> Result<Option<Event>, Trouble> {
        let frontier = &self.committed.frontier;
        if frontier.ledger_next < info.ledger_next.get() {
            self.step = Step::Walk { info, under_way: false };
            return Ok(None);
        }
        let agreed = frontier.ledger_next == info.ledger_next.get()
            && frontier.assets_next == info.assets_next.get()
            && frontier.runs == info.runs.get()
            && frontier.last_stamp == info.last_stamp;
        if !agreed {
            return Err(Trouble::Damaged(Broken { block: info.last_stamp_block.get() }));
        }
        self.planned = self.committed.totals;
        self.planned_next = frontier.ledger_next;
        self.planned_runs = frontier.runs;
        self.step = Step::Done;
        self.state = if state == VolumeState::Ready { State::Ready } else { State::Closed(state) };
        Ok(Some(Event::Started))
    }

    fn take_commit(&mut self, reply: &Received<P>) -> Result<Option<Event>, Trouble> {
        if reply.status != Status::Ok {
            return Err(Trouble::Io(reply.status));
        }
        let commit = self.commits.pop_front().ok_or(Trouble::VaultBroken)?;
        if reply.ledger_next != commit.ledger_next || reply.runs != commit.runs {
            return Err(Trouble::VaultBroken);
        }
        self.committed.totals = commit.totals;
        self.committed.frontier.ledger_next = commit.ledger_next;
        self.committed.frontier.runs = commit.runs;
        self.committed.frontier.assets_next = reply.assets_next;
        Ok(Some(Event::Committed { first: commit.first, records: commit.records }))
    }

    /// Whether there is room for one more record with a payload of this length, besides what is staged:
    /// in the run (else it must be committed first), and in `ledger/`.
    pub fn room_for(&self, kind: Kind, payload_len: usize) -> Result<(), StageError> {
        let len = self.staged_len + padded_len(payload_len);
        let reserved = match kind {
            Kind::Lifecycle | Kind::Checkpoint => 0,
            _ => RESERVED_BLOCKS,
        };
        let free = self.layout.ledger.blocks.saturating_sub(self.planned_next + reserved);
        if self.state != State::Ready {
            Err(StageError::NotReady)
        } else if Stamp::blocks_for(len.min(RUN_PAYLOAD_MAX)) as u64 > free {
            Err(StageError::Full)
        } else if len > RUN_PAYLOAD_MAX {
            Err(StageError::RunFull)
        } else {
            Ok(())
        }
    }

    /// Puts a record into the run that is next.
    pub fn stage(&mut self, draft: &Draft<'_>) -> Result<Staged, StageError> {
        self.room_for(draft.kind, draft.payload.len())?;
        let out = &mut self.buffer[self.staged_len..];
        let sequence = self.planned.head.records;
        let (len, head) = draft.encode(&self.planned.head, out).ok_or(StageError::TooLong)?;
        self.planned.add(head, draft.content.map(|(_, len, _)| len));
        self.staged_len += len;
        self.staged_records += 1;
        Ok(Staged { sequence, hash: head.hash })
    }

    /// Stages the first record of an empty ledger: which ledger this is.
    pub fn stage_genesis(&mut self, time_ms: u64) -> Result<Staged, StageError> {
        let genesis = self.genesis;
        self.stage(&Draft { kind: Kind::Genesis, time_ms, payload: genesis.as_bytes(), content: None })
    }

    /// Sends the staged run. False, and nothing is sent, if nothing is staged, too many commits are under
    /// way, or there is no slot.
    pub fn commit(&mut self, vault: &mut VaultClient<P>) -> bool {
        if self.staged_records == 0 || self.commits.is_full() {
            return false;
        }
        let records = &self.buffer[..self.staged_len];
        if !vault.commit(self.purpose, self.number, self.planned_next, records) {
            return false;
        }
        self.planned_next += Stamp::blocks_for(self.staged_len) as u64;
        self.planned_runs += 1;
        let commit = Commit {
            first: self.planned.head.records - u64::from(self.staged_records),
            records: self.staged_records,
            totals: self.planned,
            ledger_next: self.planned_next,
            runs: self.planned_runs,
        };
        self.commits.push_back(commit).expect("not full");
        (self.staged_len, self.staged_records) = (0, 0);
        true
    }
}
