//! The archive's own integrity pass: in the background, while nothing else is to be done, it reads what it has
//! committed and compares it with what it knows. Apart from the auditor's verification in code and in memory,
//! so that the two can disagree.
//!
//! A pass reads run after run up to where the ledger ended when it began: stamp and digest, each record's
//! check, sequence and previous hash, each content's hash; at the end the head and the tree must be those the
//! archive has in memory. The first thing wrong ends it. It goes on with each sign of life the orchestrator
//! asks for, so far as [`READS_PER_BEAT`] allows: a document never waits for more than one read.

use alloc::boxed::Box;
use alloc::vec;

use ledger_fmt::hash::Hasher;
use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout};
use ledger_fmt::record::Header;
use ledger_fmt::stamp::{Frontier, RUN_BLOCKS_MAX, STAMP_SIZE};
use totebox_manifest::conversation::VAULT_DATA;

use super::{Purpose, VOLUME};
use crate::ledger_writer::{LedgerWriter, NoRun, Run, State, Totals};
use crate::proto::audit::NO_RECORD;
use crate::proto::page::{Check, Health};
use crate::proto::vault::Status;
use crate::vault_client::{Received, VaultClient};

/// Reads of 32 KiB between two signs of life: with one a second, 256 KiB/s.
pub const READS_PER_BEAT: u32 = 8;

/// Time between two passes where the deployment has no audit period.
const PERIOD_MS_DEFAULT: u64 = 3_600_000;

/// Time between two passes.
pub fn period_ms(header: &totebox_manifest::Header) -> u64 {
    match header.audit_period_s.get() {
        0 => PERIOD_MS_DEFAULT,
        period_s => u64::from(period_s) * 1000,
    }
}

/// How the last pass ended.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    check: Check,
    area: Area,
    block: u64,
    record: Option<u64>,
    records: u64,
}

impl Outcome {
    const fn wrong(check: Check, area: Area, block: u64, record: Option<u64>) -> Outcome {
        Outcome { check, area, block, record, records: 0 }
    }
}

/// The pass that is under way.
#[derive(Debug)]
struct Pass {
    frontier: Frontier,
    totals: Totals,
    /// What the ledger added up to, and where it ended, when the pass began.
    expected: Totals,
    end: u64,
    /// The ledger blocks held: the first one, their bytes, and where in them the next run begins.
    base: u64,
    len: usize,
    run_at: usize,
    /// Where the next record of the run looked at stands, and where its records end.
    at: usize,
    records_end: usize,
    /// The frontier behind that run.
    after: Frontier,
    content: Option<Content>,
}

/// Content that is being read.
#[derive(Debug)]
struct Content {
    record: u64,
    block: u64,
    len: u64,
    done: u64,
    expected: ledger_fmt::Hash,
    hasher: Hasher,
}

/// The archive's own checks.
pub struct SelfCheck {
    pass: Option<Pass>,
    /// The run whose records are looked at.
    run: Box<[u8]>,
    /// Content blocks as they come.
    blocks: Box<[u8]>,
    under_way: bool,
    reads_left: u32,
    period_ms: u64,
    /// When the last pass ended: uptime and wall clock.
    ended_at: Option<(u64, u64)>,
    passes: u64,
    last: Option<Outcome>,
}

impl SelfCheck {
    /// None made yet; one is due every `period_ms`.
    pub fn new(period_ms: u64) -> SelfCheck {
        SelfCheck {
            pass: None,
            run: vec![0; RUN_BLOCKS_MAX * BLOCK_SIZE].into_boxed_slice(),
            blocks: vec![0; VAULT_DATA].into_boxed_slice(),
            under_way: false,
            reads_left: 0,
            period_ms,
            ended_at: None,
            passes: 0,
            last: None,
        }
    }

    /// A sign of life is due: the pass may go on, or a new one begin.
    pub fn beat(&mut self, ledger: &LedgerWriter<Purpose>, uptime_ms: u64) {
        self.reads_left = READS_PER_BEAT;
        let whole = matches!(ledger.state(), State::Ready | State::Closed(_)) && ledger.totals().head.records > 0;
        let due = self.ended_at.is_none_or(|(ended_ms, _)| uptime_ms >= ended_ms.saturating_add(self.period_ms));
        if self.pass.is_none() && whole && due {
            self.pass = Some(Pass {
                frontier: Frontier::EMPTY,
                totals: Totals::EMPTY,
                expected: *ledger.totals(),
                end: ledger.ledger_next(),
                base: 0,
                len: 0,
                run_at: 0,
                at: 0,
                records_end: 0,
                after: Frontier::EMPTY,
                content: None,
            });
        }
    }

    /// Goes on, while the archive has nothing better to do.
    pub fn advance(&mut self, ledger: &LedgerWriter<Purpose>, vault: &mut VaultClient<Purpose>, now: (u64, u64)) {
        while !self.under_way {
            let Some(pass) = &mut self.pass else { return };
            match pass.next(&self.run, ledger) {
                Next::Again => {}
                Next::End(outcome) => self.end(outcome, now),
                Next::Read(area, block, blocks) => {
                    if self.reads_left == 0 || !vault.read(Purpose::Check, VOLUME, area, block, blocks) {
                        return;
                    }
                    self.reads_left -= 1;
                    self.under_way = true;
                }
            }
        }
    }

    fn end(&mut self, outcome: Outcome, now: (u64, u64)) {
        self.pass = None;
        self.passes += 1;
        self.ended_at = Some(now);
        self.last = Some(outcome);
    }

    /// Takes blocks from the vault. `now` is uptime and wall clock in milliseconds.
    pub fn receive(&mut self, vault: &VaultClient<Purpose>, reply: &Received<Purpose>, now: (u64, u64)) {
        self.under_way = false;
        let Some(pass) = &mut self.pass else { return };
        if reply.status != Status::Ok {
            let unreadable = pass.unreadable();
            return self.end(unreadable, now);
        }
        let buffer = if pass.content.is_some() { &mut self.blocks } else { &mut self.run };
        vault.data(&mut buffer[..reply.len]);
        match &mut pass.content {
            Some(content) => content.take(&buffer[..reply.len]),
            None => (pass.base, pass.len, pass.run_at) = (pass.frontier.ledger_next, reply.len, 0),
        }
    }

    /// What there is to say of the last pass.
    pub fn publish(&self, health: &mut Health) {
        health.checks = self.passes.into();
        health.check_record = NO_RECORD.into();
        if let (Some(outcome), Some((_, wall_ms))) = (self.last, self.ended_at) {
            health.check = outcome.check as u8;
            health.check_area = outcome.area as u8;
            health.check_block = outcome.block.into();
            health.check_record = outcome.record.unwrap_or(NO_RECORD).into();
            health.checked_records = outcome.records.into();
            health.checked_ms = wall_ms.into();
        }
    }
}

/// What a pass does next.
enum Next {
    Again,
    Read(Area, u64, usize),
    End(Outcome),
}

impl Pass {
    fn next(&mut self, run: &[u8], ledger: &LedgerWriter<Purpose>) -> Next {
        if let Some(content) = &self.content {
            return self.next_of_content(content.len - content.done);
        }
        if self.at < self.records_end {
            return self.next_record(run);
        }
        self.frontier = self.after;
        if self.run_at < self.len {
            return self.begin_run(run, ledger);
        }
        let at = self.frontier.ledger_next;
        if at < self.end {
            let blocks = (self.end - at).min(RUN_BLOCKS_MAX as u64);
            return Next::Read(Area::Ledger, at, blocks as usize);
        }
        let same = at == self.end
            && self.totals.head == self.expected.head
            && self.totals.tree.root() == self.expected.tree.root();
        let end = Outcome::wrong(Check::Mismatch, Area::Ledger, self.end.saturating_sub(1), None);
        Next::End(if same { Outcome { check: Check::Clean, ..end } } else { end }.with(&self.totals))
    }

    fn begin_run(&mut self, bytes: &[u8], ledger: &LedgerWriter<Purpose>) -> Next {
        let (volume, layout): (_, &Layout) = (ledger.volume_id(), ledger.layout());
        match Run::after(&self.frontier, volume, layout, &bytes[self.run_at..self.len]) {
            Ok(run) if run.whole => {
                self.after = run.stamp.frontier_after();
                self.at = self.run_at + STAMP_SIZE;
                self.records_end = self.at + run.records.len();
                self.run_at += run.len;
                Next::Again
            }
            // It goes on behind the blocks held.
            Err(NoRun::Cut) if self.run_at > 0 => {
                self.len = 0;
                Next::Again
            }
            _ => self.wrong(Area::Ledger, self.frontier.ledger_next, None),
        }
    }

    fn next_record(&mut self, run: &[u8]) -> Next {
        let block = self.base + (self.at / BLOCK_SIZE) as u64;
        let sequence = self.totals.head.records;
        let Some((record, len)) = self.totals.add_next(&run[self.at..self.records_end]) else {
            return self.wrong(Area::Ledger, block, Some(sequence));
        };
        self.at += len;
        let header: &Header = &record.header;
        let (len, first) = (header.content_len.get(), header.content_block.get());
        if !header.declares_content() {
            return Next::Again;
        }
        let end = first.checked_add(len.div_ceil(BLOCK_SIZE as u64));
        if end.is_none_or(|end| end > self.after.assets_next && len > 0) {
            return self.wrong(Area::Ledger, block, Some(sequence));
        }
        let (expected, hasher) = (header.content_hash, Hasher::content());
        self.content = Some(Content { record: sequence, block: first, len, done: 0, expected, hasher });
        Next::Again
    }

    fn next_of_content(&mut self, left: u64) -> Next {
        let content = self.content.as_ref().expect("there is some");
        let block = content.block + content.done / BLOCK_SIZE as u64;
        if left > 0 {
            let blocks = left.div_ceil(BLOCK_SIZE as u64).min((VAULT_DATA / BLOCK_SIZE) as u64);
            return Next::Read(Area::Assets, block, blocks as usize);
        }
        if content.hasher.finish() != content.expected {
            return self.wrong(Area::Assets, content.block, Some(content.record));
        }
        self.content = None;
        Next::Again
    }

    fn wrong(&self, area: Area, block: u64, record: Option<u64>) -> Next {
        Next::End(Outcome::wrong(Check::Mismatch, area, block, record).with(&self.totals))
    }

    /// The read under way has failed.
    fn unreadable(&self) -> Outcome {
        let (area, block, record) = match &self.content {
            Some(content) => {
                (Area::Assets, content.block + content.done / BLOCK_SIZE as u64, Some(content.record))
            }
            None => (Area::Ledger, self.frontier.ledger_next, None),
        };
        Outcome::wrong(Check::Unreadable, area, block, record).with(&self.totals)
    }
}

impl Content {
    fn take(&mut self, bytes: &[u8]) {
        let len = (self.len - self.done).min(bytes.len() as u64) as usize;
        self.hasher.update(&bytes[..len]);
        self.done += len as u64;
    }
}

impl Outcome {
    fn with(self, totals: &Totals) -> Outcome {
        Outcome { records: totals.head.records, ..self }
    }
}
