//! One verification after another: the frontier, the blocks, the verdict.
//!
//! What a verification compares with was taken *before* it asked the vault for the frontier: whatever its
//! writer had claimed by then is durable, so it must be in the ledger that is read afterwards, and commits
//! that happen meanwhile cannot raise a false alarm.

use alloc::boxed::Box;

use ledger_fmt::Hash;
use ledger_fmt::layout::{Area, Layout};
use ledger_fmt::record::Record;
use ledger_fmt::stamp::Frontier;
use ledger_fmt::verify::{Finding, FindingKind, Mode, Summary, Verifier, Visitor};
use totebox_manifest::Volume;
use zerocopy::FromZeros;

use super::Purpose;
use super::reader::{Blocks, Reader};
use crate::proto::audit::{NO_RECORD, Op, Report, Verdict, Verified};
use crate::proto::vault::Status;
use crate::vault_client::{Received, VaultClient};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// The volume's number.
    pub volume: u8,
    /// The orchestrator's tag.
    pub tag: u32,
}

/// The head a ledger's writer claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Records.
    pub records: u64,
    /// The hash of the last one.
    pub head: Hash,
    /// The RFC 6962 root over all of them.
    pub root: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is nothing to do.
    Idle,
    /// The frontier is to be asked for.
    Ask,
    /// The question is under way.
    Asked,
    /// Blocks are being read and verified.
    Read,
    /// The verdict is there.
    Finished,
}

/// The verification that is under way, if one is.
pub struct Verification {
    step: Step,
    job: Job,
    started_ms: u64,
    expected: Volume,
    verifier: Box<Verifier>,
    reader: Reader,
    findings: Findings,
}

/// What the verifier says while it goes.
struct Findings {
    first: Option<Finding>,
    count: u64,
    unreadable: u64,
    claim: Option<Claim>,
    /// Where the record that the claim calls the last one stands, and whether it has the claimed hash.
    claimed_record: Option<(u64, bool)>,
}

impl Findings {
    fn new(claim: Option<Claim>) -> Findings {
        Findings { first: None, count: 0, unreadable: 0, claim, claimed_record: None }
    }

    fn disagreement(&self, summary: &Summary) -> Option<Finding> {
        let claim = self.claim.filter(|claim| claim.records > 0)?;
        let (block, hash_agrees) = self.claimed_record.unwrap_or((summary.frontier.ledger_next, false));
        let root_agrees = claim.records != summary.records || claim.root == summary.tree.root();
        let record = Some(claim.records - 1);
        let finding = Finding { kind: FindingKind::HeadDisagreement, area: Area::Ledger, block, record };
        (!hash_agrees || !root_agrees).then_some(finding)
    }
}

impl Visitor for Findings {
    fn finding(&mut self, finding: &Finding) {
        self.first.get_or_insert(*finding);
        self.count += 1;
        self.unreadable += u64::from(finding.kind == FindingKind::Unreadable);
    }

    fn record(&mut self, record: &Record<'_>, block: u64, _offset: usize) {
        if let Some(claim) = self.claim.filter(|claim| claim.records == record.header.sequence.get() + 1) {
            self.claimed_record = Some((block, record.hash == claim.head));
        }
    }
}

impl Verification {
    /// With its buffers; it will verify volumes like `any`.
    pub fn new(any: &Volume, layout: Layout) -> Verification {
        Verification {
            step: Step::Idle,
            job: Job { volume: 0, tag: 0 },
            started_ms: 0,
            expected: *any,
            verifier: Box::new(Verifier::new(&any.superblock, None, Mode::Full)),
            reader: Reader::new(layout),
            findings: Findings::new(None),
        }
    }

    /// Whether a verification may begin.
    pub fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// Begins to verify a volume.
    pub fn begin(&mut self, job: Job, expected: &Volume, claim: Option<Claim>, uptime_ms: u64) {
        assert!(self.is_idle(), "one verification at a time");
        (self.step, self.job, self.started_ms) = (Step::Ask, job, uptime_ms);
        self.expected = *expected;
        self.findings = Findings::new(claim);
        self.start_on(None);
    }

    /// Starts the verifier on the volume, with the frontier the vault claims for it. A volume without one is
    /// read as a disk that is not in service.
    fn start_on(&mut self, claimed: Option<Frontier>) {
        let layout = self.expected.layout().expect("a parsed manifest's volumes have a layout");
        *self.verifier = Verifier::new(&self.expected.superblock, claimed, Mode::Full);
        self.reader.begin(self.job.volume, layout, claimed.unwrap_or(Frontier::EMPTY));
    }

    /// Takes the vault's reply to a question for the frontier.
    pub fn receive_frontier(&mut self, vault: &VaultClient<Purpose>, reply: &Received<Purpose>) {
        if self.step != Step::Asked {
            return;
        }
        let in_service = reply.status == Status::Ok && reply.state.readable();
        let claimed = in_service.then(|| {
            let info = vault.volume_info();
            Frontier {
                runs: info.runs.get(),
                ledger_next: info.ledger_next.get(),
                assets_next: info.assets_next.get(),
                last_stamp: info.last_stamp,
                sealed: info.sealed == 1,
            }
        });
        self.start_on(claimed);
        self.step = Step::Read;
    }

    /// Takes the vault's reply to a read.
    pub fn receive_blocks(
        &mut self,
        vault: &VaultClient<Purpose>,
        ticket: super::reader::Ticket,
        reply: &Received<Purpose>,
    ) {
        self.reader.receive(vault, ticket, reply);
    }

    /// Goes on as far as the blocks that are here allow. No more of them come meanwhile, so this ends.
    pub fn advance(&mut self, vault: &mut VaultClient<Purpose>) {
        if vault.is_broken() && !matches!(self.step, Step::Idle | Step::Finished) {
            self.findings.finding(&Finding {
                kind: FindingKind::Unreadable,
                area: Area::Volume,
                block: 0,
                record: None,
            });
            self.step = Step::Finished;
        }
        if self.step == Step::Ask && vault.hello(Purpose::Frontier, self.job.volume) {
            self.step = Step::Asked;
        }
        while self.step == Step::Read {
            let Some(want) = self.verifier.want() else {
                self.step = Step::Finished;
                self.compare_claim();
                break;
            };
            match self.reader.get(vault, want) {
                Blocks::Ready(bytes) => self.verifier.feed(bytes, &mut self.findings),
                Blocks::Failed => self.verifier.unreadable(&mut self.findings),
                Blocks::UnderWay => break,
            }
        }
    }

    /// Only where the ledger is sound: what is missing in a damaged one says nothing of its writer.
    fn compare_claim(&mut self) {
        let disagreement = self.findings.disagreement(&self.verifier.summary());
        if let Some(finding) = disagreement.filter(|_| self.findings.count == 0) {
            self.findings.finding(&finding);
        }
    }

    /// The report, if the verdict is there; the audit record is still to be entered.
    pub fn report(&self, uptime_ms: u64) -> Option<(Report, Verified)> {
        if self.step != Step::Finished {
            return None;
        }
        let summary = self.verifier.summary();
        let findings = &self.findings;
        let verdict = match findings.count {
            0 => Verdict::Clean,
            n if n == findings.unreadable => Verdict::Unreadable,
            _ => Verdict::Mismatch,
        };
        let mut report = Report::new_zeroed();
        report.op = Op::VerifyFull as u8;
        report.volume = self.job.volume;
        report.verdict = verdict as u8;
        report.tag = self.job.tag.into();
        report.findings = u32::try_from(findings.count).unwrap_or(u32::MAX).into();
        report.record = NO_RECORD.into();
        if let Some(first) = findings.first {
            report.finding = first.kind as u8;
            report.area = first.area as u8;
            report.block = first.block.into();
            report.record = first.record.unwrap_or(NO_RECORD).into();
        }
        report.records = summary.records.into();
        report.bytes = summary.bytes_read.into();
        report.duration_ms = uptime_ms.saturating_sub(self.started_ms).into();
        report.audit_record = NO_RECORD.into();
        Some((report, Verified { head: summary.head, root: summary.tree.root(), ..Verified::new_zeroed() }))
    }

    /// The report was taken; the next verification may begin.
    pub fn end(&mut self) {
        assert_eq!(self.step, Step::Finished, "there was a report");
        self.step = Step::Idle;
    }
}
