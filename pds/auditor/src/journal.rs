//! The audit record: the auditor's own ledger on the audit volume, and the reports that wait for it.
//!
//! A report leaves only when the record that states it is durable, or certainly never will be: then it says so. So a
//! volume that is full, sealed or not there never holds up a report. The payloads are in
//! `docs/audit-record.md`.
//!
//! What nobody waits for, the clean results of scheduled audits, is committed together at the end of a round:
//! each commit takes at least a block of the audit volume. When the volume is nearly full results and starts are
//! *kept out*, so that there is room for flags and for what an operator does ([`audit_room`]).

use heapless::Deque;
use ledger_fmt::layout::Layout;
use ledger_fmt::payload::TreeHead;
use ledger_fmt::record::{Draft, Kind};
use totebox_ledger_writer::{Event, LedgerWriter, RESERVED_BLOCKS, StageError, State, Trouble, audit_room};
use totebox_manifest::{Header, Volume};
use totebox_protocol::audit::{Entered, Found, Reported, UNASKED, Verdict};
use totebox_protocol::trace;
use totebox_vault_client::{Received, VaultClient};

use super::payload::Payload;
use super::replay::Replay;
use super::verification::{ClaimedHead, Verdicts};
use super::{Purpose, entry, payload, result};

/// Reports that wait at most: more than become durable with one flush where verifications end one by one.
const WAITING_MAX: usize = 8;

/// A report and the record that states it, if one was staged.
#[derive(Clone, Debug)]
struct Waiting {
    report: Reported,
    sequence: Option<u64>,
}

pub struct Journal {
    header: Header,
    writer: LedgerWriter<Purpose>,
    /// Whether the ledger was read, and the boot record entered where that is possible.
    open: bool,
    waiting: Deque<Waiting, WAITING_MAX>,
    /// Somebody waits for what is staged.
    urgent: bool,
}

impl Journal {
    pub fn new(header: &Header, volume: &Volume, number: u8) -> Journal {
        Journal {
            header: *header,
            writer: LedgerWriter::new(volume, number, Purpose::Journal).read_from_the_first_batch(),
            open: false,
            waiting: Deque::new(),
            urgent: false,
        }
    }

    /// The head of the audit record itself, once it was read.
    pub fn claim(&self) -> Option<ClaimedHead> {
        let totals = self.writer.totals();
        let root = || totals.tree.root();
        self.open.then(|| ClaimedHead { records: totals.head.records, head: totals.head.hash, root: root() })
    }

    /// Records in it that are durable, and the blocks of `ledger/` they take.
    pub fn extent(&self) -> (u64, u64) {
        (self.writer.totals().head.records, self.writer.ledger_next())
    }

    /// The tree over all of it, if all of it is durable and more can come.
    pub fn at_rest(&self) -> Option<TreeHead> {
        let still = self.open && self.writer.state() == State::Ready && self.writer.staged() == 0;
        (still && self.writer.commits() == 0).then(|| TreeHead::of(&self.writer.totals().tree))
    }

    /// Its batches that are durable.
    pub fn batches(&self) -> u64 {
        self.writer.batches()
    }

    /// A block of `ledger/` at which a batch begins, at or before the record `sequence` and not far from it.
    pub fn block_before(&self, sequence: u64) -> u64 {
        self.writer.indexed_before(sequence).block.get()
    }

    /// The audit volume's id, and where its directories are.
    pub fn place(&self) -> (&[u8; 16], &Layout) {
        (self.writer.volume_id(), self.writer.layout())
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Takes the vault's reply to one of the writer's requests. At start the records go into the replay. Returns what is
    /// to be noted of it: what else an event would tell is seen from the writer's state and head.
    pub fn receive(
        &mut self,
        vault: &mut VaultClient<Purpose>,
        reply: &Received<Purpose>,
        replay: &mut Replay,
    ) -> Option<trace::Event> {
        match self.writer.receive_observed(vault, reply, &mut |record| replay.take(record))? {
            Event::Started => None,
            Event::Committed { records, .. } => Some(trace::Event::Committed { records }),
            Event::Failed(Trouble::VaultBroken) => Some(trace::Event::VaultLost),
            Event::Failed(_) => Some(trace::Event::LedgerFailed),
        }
    }

    pub fn vault_broke(&mut self) {
        self.writer.vault_broke();
    }

    /// Goes on reading the ledger at start, enters the boot record, and commits what is staged, if somebody
    /// waits for it or the `round` of verifications is over.
    pub fn advance(&mut self, vault: &mut VaultClient<Purpose>, replay: &Replay, wall_ms: u64, round_over: bool) {
        self.writer.advance(vault);
        if !self.open && self.writer.state() != State::Starting {
            self.open = true;
            self.enter_boot(replay, wall_ms);
        }
        let no_room = self.room_for(Kind::AuditResult, result::RESULT_MAX) == Err(StageError::BatchFull);
        if (self.urgent || round_over || no_room || self.is_full()) && self.writer.commit(vault) {
            self.urgent = false;
        }
    }

    fn enter_boot(&mut self, replay: &Replay, wall_ms: u64) {
        if self.writer.totals().head.records == 0 {
            // Where the genesis does not fit, the boot record will not either.
            let _ = self.writer.stage_genesis(wall_ms);
        }
        self.urgent = true;
        let sequence = self.stage(Kind::Boot, &payload::boot(&self.header), wall_ms);
        let report = Reported::Opened {
            records: 0,
            last_flag: replay.last_flag(),
            flags_hidden: replay.flags_hidden(),
            last_ms: replay.last_ms(),
            audit_record: None,
            kept_out: self.keeps_out(sequence),
        };
        self.wait(Waiting { report, sequence });
    }

    /// Whether no more reports can wait, until the orchestrator has taken some.
    pub fn is_full(&self) -> bool {
        self.waiting.is_full()
    }

    /// Whether a result can be entered now, or certainly never. If not, it can when the vault has answered
    /// or the orchestrator has taken reports.
    pub fn can_enter(&self) -> bool {
        let room = self.room_for(Kind::AuditResult, result::RESULT_MAX);
        self.open && !self.is_full() && room != Err(StageError::BatchFull)
    }

    /// Enters a verification's result and lets its report wait for that. `name` is the volume's.
    pub fn enter_result(&mut self, verdicts: &Verdicts, name: &str, wall_ms: u64) {
        let Verdicts { job, result, first, more, head, root, .. } = verdicts;
        self.urgent |= result.verdict != Verdict::Clean || job.tag != UNASKED;
        let sequence = self.stage(Kind::AuditResult, &result::write(verdicts, name), wall_ms);
        let report = Reported::Verified {
            volume: job.volume,
            tag: job.tag,
            result: *result,
            kept_out: self.keeps_out(sequence),
            found: Found { first: first.clone(), more: more.rows() },
            head: *head,
            root: *root,
        };
        self.wait(Waiting { report, sequence });
    }

    /// Whether an entry can be made now, or certainly never.
    pub fn can_take(&self) -> bool {
        let room = self.room_for(Kind::Flag, entry::ENTRY_MAX);
        self.open && !self.is_full() && room != Err(StageError::BatchFull)
    }

    /// Enters what the orchestrator wants recorded, and lets the report on that wait for it.
    pub fn enter(&mut self, tag: u32, (kind, payload): (Kind, Payload), wall_ms: u64) {
        self.urgent = true;
        let sequence = self.stage(kind, &payload, wall_ms);
        self.wait(Waiting { report: Reported::Entered { tag, outcome: Entered::NotRecorded }, sequence });
    }

    /// Lets a report on nothing that was verified wait for its turn. Nothing is recorded.
    pub fn pass(&mut self, report: Reported) {
        self.wait(Waiting { report, sequence: None });
    }

    /// Whether there is room for one more record of this kind, beside what is kept for others.
    fn room_for(&self, kind: Kind, payload_len: usize) -> Result<(), StageError> {
        let reserved = match kind {
            Kind::Boot | Kind::AuditResult => audit_room::kept_blocks(self.writer.layout().space.blocks),
            _ => RESERVED_BLOCKS,
        };
        self.writer.room_beside(reserved, payload_len)
    }

    /// Whether what was not staged had no room only because others have: an entry can be made.
    fn keeps_out(&self, staged: Option<u64>) -> bool {
        staged.is_none()
            && self.room_for(Kind::Flag, entry::ENTRY_MAX) != Err(StageError::Full)
            && self.writer.state() == State::Ready
    }

    fn stage(&mut self, kind: Kind, payload: &Payload, time_ms: u64) -> Option<u64> {
        self.room_for(kind, payload.len()).ok()?;
        let draft = Draft { kind, time_ms, payload };
        self.writer.stage(&draft).ok().map(|staged| staged.sequence)
    }

    fn wait(&mut self, waiting: Waiting) {
        assert!(self.waiting.push_back(waiting).is_ok(), "is_full() said there was room");
    }

    pub fn settled(&self) -> Option<Reported> {
        let Waiting { report, sequence } = self.waiting.front()?;
        let durable = self.writer.totals().head.records;
        let recorded = match *sequence {
            Some(sequence) if sequence < durable => Some(sequence),
            Some(_) if self.writer.state() == State::Ready => return None,
            _ => None,
        };
        let mut report = report.clone();
        match &mut report {
            Reported::Opened { records, audit_record, .. } => (*records, *audit_record) = (durable, recorded),
            Reported::Verified { result, .. } => result.audit_record = recorded,
            Reported::Entered { outcome, .. } => {
                *outcome = recorded.map_or(*outcome, Entered::Recorded);
            }
            _ => {}
        }
        Some(report)
    }

    pub fn left(&mut self) {
        self.waiting.pop_front();
    }
}
