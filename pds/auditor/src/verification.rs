//! One verification after another: the frontier, the blocks, the verdict.
//!
//! What a verification compares with was taken *before* it asked the vault for the frontier: whatever its
//! writer had claimed by then is durable, so it must be in the ledger that is read afterwards, and commits
//! that happen meanwhile cannot raise a false alarm.

use alloc::boxed::Box;
use core::cmp::Ordering;

use ledger_fmt::Hash;
use ledger_fmt::batch_header::Frontier;
use ledger_fmt::layout::{Area, Layout};
use ledger_fmt::record::{Head, Record};
use ledger_fmt::verify::{Finding, FindingKind, Mode, Point, Summary, Verifier, Visitor};
use totebox_manifest::Volume;
use totebox_protocol::audit::{AuditResult, FINDINGS_MAX, Scope, Verdict};
use totebox_vault_client::{Received, VaultClient};

use super::Purpose;
use super::progress::Progress;
use super::ranges::Ranges;
use super::reader::{Blocks, Reader};

/// Bytes an incremental verification reads of what was verified before, at least and in whole batches: small
/// volumes are read whole each time, and a large one is gone through in some hundred periods.
pub const SAMPLE_BYTES: u64 = 4 << 20;

#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub volume: u8,
    pub tag: u32,
    pub scope: Scope,
}

#[derive(Clone, Debug)]
pub struct Verdicts {
    pub job: Job,
    /// The result; it is still to be entered into the audit record.
    pub result: AuditResult,
    /// The first findings.
    pub first: heapless::Vec<Finding, FINDINGS_MAX>,
    pub more: Ranges,
    pub head: Hash,
    /// The RFC 6962 root over all records.
    pub root: Hash,
    /// The first record that was looked at anew.
    pub from: u64,
    /// How far the volume is verified now.
    pub progress: Progress,
}

/// The head a ledger's writer claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedHead {
    pub records: u64,
    pub head: Hash,
    /// The RFC 6962 root over all of them.
    pub root: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VerificationStep {
    Idle,
    Ask,
    Asked,
    /// Blocks are being read and verified: everything, or what is new.
    Read,
    /// A sample of what was verified before is.
    Sample,
    Finished,
}

/// What the walk over everything, or over what is new, came to.
#[derive(Clone, Copy, Debug)]
struct Walked {
    summary: Summary,
    /// Where it ended, if that is where the volume is verified now.
    seen: Option<Point>,
}

/// The verification that is under way, if one is.
pub struct Verification {
    step: VerificationStep,
    job: Job,
    /// What is done: in full if there is no point behind which everything is new.
    scope: Scope,
    in_service: bool,
    before: Progress,
    walked: Option<Walked>,
    sample: Option<Point>,
    /// Bytes read in samples that have ended, and where the first of them began.
    sampled: u64,
    sampled_from: Point,
    started_ms: u64,
    expected: Volume,
    verifier: Box<Verifier>,
    reader: Reader,
    findings: Findings,
}

/// What the verifier says while it goes.
struct Findings {
    first: heapless::Vec<Finding, FINDINGS_MAX>,
    more: Ranges,
    count: u64,
    unreadable: u64,
    rollback: bool,
    claim: Option<ClaimedHead>,
    /// Where the record that the claim calls the last one stands, and whether it has the claimed hash.
    claimed_record: Option<(u64, bool)>,
}

impl Findings {
    fn new(claim: Option<ClaimedHead>) -> Findings {
        let (first, more) = (heapless::Vec::new(), Ranges::new());
        Findings { first, more, count: 0, unreadable: 0, rollback: false, claim, claimed_record: None }
    }

    /// The disagreement of the claim with a ledger whose records from `seen` on were looked at.
    fn disagreement(&self, summary: &Summary, seen: &Head) -> Option<Finding> {
        let claim = self.claim.filter(|claim| claim.records > 0)?;
        let (block, hash_agrees) = match claim.records.cmp(&seen.records) {
            // It lags, and its record was looked at before.
            Ordering::Less => return None,
            Ordering::Equal if seen.records > 0 => (summary.frontier.ledger_next, claim.head == seen.hash),
            _ => self.claimed_record.unwrap_or((summary.frontier.ledger_next, false)),
        };
        let root_agrees = claim.records != summary.records || claim.root == summary.tree.root();
        let record = Some(claim.records - 1);
        let finding = Finding { kind: FindingKind::HeadDisagreement, area: Area::Ledger, block, record };
        (!hash_agrees || !root_agrees).then_some(finding)
    }
}

impl Visitor for Findings {
    fn finding(&mut self, finding: &Finding) {
        if self.first.push(*finding).is_err() {
            self.more.add(finding);
        }
        self.count += 1;
        self.unreadable += u64::from(finding.kind == FindingKind::Unreadable);
        self.rollback |= finding.kind == FindingKind::Rollback;
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
            step: VerificationStep::Idle,
            job: Job { volume: 0, tag: 0, scope: Scope::Full },
            scope: Scope::Full,
            in_service: false,
            before: Progress::NONE,
            walked: None,
            sample: None,
            sampled: 0,
            sampled_from: Progress::NONE.sample,
            started_ms: 0,
            expected: *any,
            verifier: Box::new(Verifier::new(&any.superblock, None, Mode::Full)),
            reader: Reader::new(layout),
            findings: Findings::new(None),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.step == VerificationStep::Idle
    }

    /// Begins to verify a volume that is verified so far.
    pub fn begin(
        &mut self,
        job: Job,
        expected: &Volume,
        claim: Option<ClaimedHead>,
        before: &Progress,
        uptime_ms: u64,
    ) {
        assert!(self.is_idle(), "one verification at a time");
        (self.step, self.job, self.started_ms) = (VerificationStep::Ask, job, uptime_ms);
        (self.expected, self.before) = (*expected, *before);
        (self.walked, self.sample, self.sampled) = (None, None, 0);
        self.findings = Findings::new(claim);
        self.start_on(None);
    }

    fn layout(&self) -> Layout {
        self.expected.layout().expect("a parsed manifest's volumes have a layout")
    }

    /// Starts the verifier on the volume, with the frontier the vault claims for it. A volume without one is
    /// read as a disk that is not in service.
    fn start_on(&mut self, claimed: Option<Frontier>) {
        let (superblock, seen) = (&self.expected.superblock, &self.before.seen);
        let frontier = claimed.unwrap_or(Frontier::EMPTY);
        let known = seen.head.records > 0;
        let goes_on = known
            && seen.tree.is_some()
            && claimed.is_some_and(|claimed| {
                (claimed.ledger_next, claimed.assets_next)
                    >= (seen.frontier.ledger_next, seen.frontier.assets_next)
            });
        self.in_service = claimed.is_some();
        if self.job.scope == Scope::Incremental && goes_on {
            self.scope = Scope::Incremental;
            renew(&mut self.verifier, || Verifier::resume(superblock, frontier, Mode::Full, seen));
        } else {
            self.scope = Scope::Full;
            renew(&mut self.verifier, || Verifier::new(superblock, claimed, Mode::Full));
            if known {
                self.verifier.remember(seen);
            }
        }
        self.reader.begin(self.job.volume, self.layout(), frontier);
    }

    /// Takes the vault's reply to a question for the frontier.
    pub fn receive_frontier(&mut self, vault: &VaultClient<Purpose>, reply: &Received<Purpose>) {
        if self.step != VerificationStep::Asked {
            return;
        }
        let in_service = reply.is_ok() && reply.answered.state.readable();
        let claimed = in_service.then(|| vault.committed().frontier);
        self.start_on(claimed);
        self.step = VerificationStep::Read;
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
        if vault.is_broken() && !matches!(self.step, VerificationStep::Idle | VerificationStep::Finished) {
            self.findings.finding(&Finding {
                kind: FindingKind::Unreadable,
                area: Area::Volume,
                block: 0,
                record: None,
            });
            self.step = VerificationStep::Finished;
        }
        if self.step == VerificationStep::Ask && vault.hello(Purpose::Frontier, self.job.volume) {
            self.step = VerificationStep::Asked;
        }
        while matches!(self.step, VerificationStep::Read | VerificationStep::Sample) {
            let Some(want) = self.verifier.want() else {
                self.step = self.walked();
                continue;
            };
            match self.reader.get(vault, want) {
                Blocks::Ready(bytes) => self.verifier.feed(bytes, &mut self.findings),
                Blocks::Failed => self.verifier.unreadable(&mut self.findings),
                Blocks::UnderWay => break,
            }
        }
    }

    /// The verifier wants no more blocks.
    fn walked(&mut self) -> VerificationStep {
        if self.step == VerificationStep::Sample {
            return self.end_of_sample();
        }
        let (summary, end) = (self.verifier.summary(), self.verifier.point());
        self.compare_claim(&summary);
        let clean = self.findings.count == 0 && self.in_service && end.tree.is_some();
        self.walked = Some(Walked { summary, seen: clean.then_some(end) });
        if self.scope == Scope::Incremental && !self.findings.rollback {
            self.begin_sample()
        } else {
            VerificationStep::Finished
        }
    }

    fn begin_sample(&mut self) -> VerificationStep {
        let upto = self.before.seen.frontier;
        let mut from = self.before.sample;
        if from.frontier.ledger_next >= upto.ledger_next || from.frontier.batches >= upto.batches {
            from = Progress::NONE.sample;
        }
        self.sampled_from = from;
        self.sample_stretch(from, upto, SAMPLE_BYTES)
    }

    fn sample_stretch(&mut self, from: Point, upto: Frontier, bytes: u64) -> VerificationStep {
        renew(&mut self.verifier, || Verifier::sample(&self.expected.superblock, upto, &from, bytes));
        self.reader.begin(self.job.volume, self.layout(), upto);
        VerificationStep::Sample
    }

    /// A stretch of the sample has come to its end. At the end of what there is, the sample goes on at the
    /// start, up to where it began.
    fn end_of_sample(&mut self) -> VerificationStep {
        let (point, begun_at) = (self.verifier.point(), self.sampled_from.frontier);
        self.sample = Some(Point { tree: None, ..point });
        self.sampled += self.verifier.summary().bytes_read;
        let at_end = point.frontier.ledger_next >= self.before.seen.frontier.ledger_next;
        match SAMPLE_BYTES.checked_sub(self.sampled) {
            Some(left) if at_end && begun_at.ledger_next > 0 => {
                self.sample_stretch(Progress::NONE.sample, begun_at, left)
            }
            _ => VerificationStep::Finished,
        }
    }

    /// Only where the ledger is sound: what is missing in a damaged one says nothing of its writer.
    fn compare_claim(&mut self, summary: &Summary) {
        let seen = if self.scope == Scope::Incremental { self.before.seen.head } else { Head::EMPTY };
        let disagreement = self.findings.disagreement(summary, &seen);
        if let Some(finding) = disagreement.filter(|_| self.findings.count == 0) {
            self.findings.finding(&finding);
        }
    }

    /// What came of it, if the verdict is there.
    pub fn verdicts(&self, uptime_ms: u64) -> Option<Verdicts> {
        if self.step != VerificationStep::Finished {
            return None;
        }
        let last = self.verifier.summary();
        let summary = self.walked.map_or(last, |walked| walked.summary);
        let findings = &self.findings;
        let verdict = match findings.count {
            0 => Verdict::Clean,
            n if n == findings.unreadable => Verdict::Unreadable,
            _ => Verdict::Mismatch,
        };
        let result = AuditResult {
            scope: self.scope,
            verdict,
            first: findings.first.first().copied(),
            findings: u32::try_from(findings.count).unwrap_or(u32::MAX),
            records: summary.records,
            bytes: summary.bytes_read + self.sampled,
            duration_ms: uptime_ms.saturating_sub(self.started_ms),
            audit_record: None,
        };
        let progress = Progress {
            seen: self.walked.and_then(|walked| walked.seen).unwrap_or(self.before.seen),
            sample: self.sample.unwrap_or(self.before.sample),
        };
        let from = if self.scope == Scope::Incremental { self.before.seen.head.records } else { 0 };
        let (first, more) = (findings.first.clone(), findings.more.clone());
        let (head, root) = (summary.head, summary.tree.root());
        Some(Verdicts { job: self.job, result, first, more, head, root, from, progress })
    }

    /// The result was taken; the next verification may begin.
    pub fn end(&mut self) {
        assert_eq!(self.step, VerificationStep::Finished, "there was a report");
        self.step = VerificationStep::Idle;
    }
}

/// Puts a new verifier in the place of another. Out of line: one is 40 KiB, which must stand on the stack no longer than
/// that takes.
#[inline(never)]
fn renew(verifier: &mut Verifier, make: impl FnOnce() -> Verifier) {
    *verifier = make();
}
