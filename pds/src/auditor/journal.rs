//! The audit record: the auditor's own ledger on the audit volume, and the reports that wait for it.
//!
//! A report leaves only when the record that states it is durable, or certainly never will be: then it says
//! [`NO_RECORD`]. So a volume that is full, sealed or not there never holds up a report. The payloads are in
//! `docs/audit-record.md`.

use heapless::Deque;
use ledger_fmt::record::{Draft, Kind};
use totebox_manifest::{Header, Volume};
use zerocopy::FromZeros;

use super::verification::Claim;
use super::{Purpose, payload};
use crate::ledger_writer::{LedgerWriter, StageError, State};
use crate::proto::audit::{NO_RECORD, Op, Report, Verdict, Verified};
use crate::vault_client::{Received, VaultClient};

/// Reports that wait at most: more than become durable with one flush where verifications end one by one.
const WAITING_MAX: usize = 8;

/// A report and the record that states it, if one was staged.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    report: Report,
    verified: Verified,
    sequence: Option<u64>,
}

/// The writer of the audit record.
pub struct Journal {
    header: Header,
    number: u8,
    writer: LedgerWriter<Purpose>,
    /// Whether the ledger was read, and the boot record entered where that is possible.
    open: bool,
    waiting: Deque<Waiting, WAITING_MAX>,
}

impl Journal {
    /// The audit record on this volume.
    pub fn new(header: &Header, volume: &Volume, number: u8) -> Journal {
        Journal {
            header: *header,
            number,
            writer: LedgerWriter::new(header, volume, number, Purpose::Journal),
            open: false,
            waiting: Deque::new(),
        }
    }

    /// The head of the audit record itself, once it was read.
    pub fn claim(&self) -> Option<Claim> {
        let totals = self.writer.totals();
        let root = || totals.tree.root();
        self.open.then(|| Claim { records: totals.head.records, head: totals.head.hash, root: root() })
    }

    /// Takes the vault's reply to one of the writer's requests.
    pub fn receive(&mut self, vault: &mut VaultClient<Purpose>, reply: &Received<Purpose>) {
        // What an event would tell is seen from the writer's state and head.
        let _ = self.writer.receive(vault, reply);
    }

    /// The vault broke its protocol.
    pub fn vault_broke(&mut self) {
        self.writer.vault_broke();
    }

    /// Goes on reading the ledger at start, enters the boot record, and commits what is staged.
    pub fn advance(&mut self, vault: &mut VaultClient<Purpose>, wall_ms: u64) {
        self.writer.advance(vault);
        if !self.open && self.writer.state() != State::Starting {
            self.open = true;
            self.enter_boot(wall_ms);
        }
        self.writer.commit(vault);
    }

    fn enter_boot(&mut self, wall_ms: u64) {
        if self.writer.totals().head.records == 0 {
            // Where the genesis does not fit, the boot record will not either.
            let _ = self.writer.stage_genesis(wall_ms);
        }
        let mut report = Report::new_zeroed();
        report.op = Op::Record as u8;
        report.volume = self.number;
        report.record = NO_RECORD.into();
        let sequence = self.stage(Kind::Boot, &payload::boot(&self.header), wall_ms);
        self.wait(Waiting { report, verified: Verified::new_zeroed(), sequence });
    }

    /// Whether no more reports can wait, until the orchestrator has taken some.
    pub fn is_full(&self) -> bool {
        self.waiting.is_full()
    }

    /// Whether a result can be entered now, or certainly never. If not, it can when the vault has answered
    /// or the orchestrator has taken reports.
    pub fn can_enter(&self) -> bool {
        let room = self.writer.room_for(Kind::AuditResult, payload::RESULT_MAX);
        self.open && !self.is_full() && room != Err(StageError::RunFull)
    }

    /// Enters a verification's result and lets its report wait for that. `name` is the volume's.
    pub fn enter_result(&mut self, report: Report, verified: Verified, name: &str, wall_ms: u64) {
        let sequence = self.stage(Kind::AuditResult, &payload::result(&report, &verified, name), wall_ms);
        self.wait(Waiting { report, verified, sequence });
    }

    /// Lets a report on nothing that was verified wait for its turn. Nothing is recorded.
    pub fn pass(&mut self, report: Report) {
        self.wait(Waiting { report, verified: Verified::new_zeroed(), sequence: None });
    }

    fn stage(&mut self, kind: Kind, payload: &payload::Text, time_ms: u64) -> Option<u64> {
        let draft = Draft { kind, time_ms, payload: payload.as_bytes(), content: None };
        self.writer.stage(&draft).ok().map(|staged| staged.sequence)
    }

    fn wait(&mut self, waiting: Waiting) {
        assert!(self.waiting.push_back(waiting).is_ok(), "is_full() said there was room");
    }

    /// The next report that can leave.
    pub fn settled(&self) -> Option<(Report, Verified)> {
        let Waiting { mut report, verified, sequence } = *self.waiting.front()?;
        let durable = self.writer.totals().head.records;
        let recorded = match sequence {
            Some(sequence) if sequence < durable => Some(sequence),
            Some(_) if self.writer.state() == State::Ready => return None,
            _ => None,
        };
        report.audit_record = recorded.unwrap_or(NO_RECORD).into();
        if report.op == Op::Record as u8 && report.verdict == 0 {
            let verdict = if recorded.is_some() { Verdict::Recorded } else { Verdict::NotRecorded };
            (report.verdict, report.records) = (verdict as u8, durable.into());
        }
        Some((report, verified))
    }

    /// The report has left.
    pub fn left(&mut self) {
        self.waiting.pop_front();
    }
}
