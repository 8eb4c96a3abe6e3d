//! What the auditor reports: results, what the audit record says, what was entered; and the way into messages and back.

use heapless::Vec;
use ledger_fmt::Hash;
use ledger_fmt::verify::Finding;
use zerocopy::{FromZeros, IntoBytes};

use super::wire::{
    Ending, FINDINGS_MAX, HistoryEnd, NO_RANGES, NO_RECORD, Op, Opened, PlaceRow, RangeRows, Remembered, Report,
    Verified, are_beyond_the_first, read, record,
};
use super::{AuditResult, EventRow, ResultRow, Scope, UNASKED, Verdict};
use crate::flag::{Acknowledged, Flag, FlagRow};
use crate::lifecycle::Standing;
use crate::row::Crosses;

impl AuditResult {
    fn fill(&self, report: &mut Report) {
        let ResultRow { verdict, first, findings, records, bytes, duration_ms, audit_record, .. } = self.encode();
        let PlaceRow { kind: finding, area, block, record, .. } = first;
        let place = Report { finding, area, block, record, ..*report };
        *report = Report { verdict, findings, records, bytes, duration_ms, audit_record, ..place };
    }

    /// The result in a report on such a verification; `None` if it is none.
    fn read(report: &Report, scope: Scope) -> Option<AuditResult> {
        let &Report { verdict, findings, records, bytes, duration_ms, audit_record, .. } = report;
        let &Report { finding: kind, area, block, record, .. } = report;
        let first = PlaceRow { kind, area, block, record, ..PlaceRow::default() };
        let scope = scope.row();
        ResultRow { scope, verdict, first, findings, records, bytes, duration_ms, audit_record }.decode()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The first findings, as many as there are and fit. Each becomes a flag.
    pub first: Vec<Finding, FINDINGS_MAX>,
    pub more: RangeRows,
}

impl Found {
    pub const NOTHING: Found = Found { first: Vec::new(), more: NO_RANGES };
}

/// What the audit record says of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePast {
    /// Where the last lifecycle transition led to; `Active` if there was none.
    pub standing: Standing,
    /// The state before that transition: what the archive's own ledger may still tell, if the power was cut.
    pub before: Standing,
    pub last: Option<LastResult>,
}

/// The last verification of a volume, as the audit record tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastResult {
    pub result: AuditResult,
    /// The time of its record, in milliseconds since 1970-01-01 UTC.
    pub ended_ms: u64,
    pub since_full: u32,
    pub more: RangeRows,
}

/// What came of an entry that the orchestrator wanted in the audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is there, with this sequence number, and durable.
    Recorded(u64),
    NotRecorded,
    /// It has no meaning, or the auditor does not serve such a request.
    NotServed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time; a box would take an allocation a message")]
pub enum Reported {
    /// What the audit record says of a volume. One for each volume, before [`Reported::Opened`].
    Volume(u8, VolumePast),
    /// A flag of the audit record. Before [`Reported::Opened`].
    Flag(Flag),
    /// The audit record was read, and the start entered; or that is not possible. Comes unasked, once.
    Opened {
        records: u64,
        last_flag: u32,
        /// Unacknowledged flags that were not told of, because there are too many.
        flags_hidden: u32,
        /// The time of the last record before this start, in milliseconds since 1970-01-01 UTC.
        last_ms: u64,
        /// The sequence number of this start's record, if it was entered.
        audit_record: Option<u64>,
        /// It was not entered, and what an operator does would be.
        kept_out: bool,
    },
    Verified {
        volume: u8,
        tag: u32,
        result: AuditResult,
        /// The result was not entered, and what an operator does would be.
        kept_out: bool,
        found: Found,
        head: Hash,
        /// The RFC 6962 root over all records.
        root: Hash,
    },
    /// A record is entered, or could not be.
    Entered {
        tag: u32,
        outcome: Entered,
    },
    /// A record of the audit record, for the operator; nobody on the way looks into it.
    Event {
        tag: u32,
        event: EventRow,
    },
    Complete {
        tag: u32,
        records: u64,
        sent: u32,
    },
    /// A request that the auditor does not serve, as it came: its [`Op`], its volume and its tag. Of a request for a
    /// verification or an entry its sender reads that it was not carried out.
    NotServed(u8, u8, u32),
}

impl Reported {
    /// Hands over the report as a message, its header and its body.
    pub fn encode<R>(&self, send: impl FnOnce(&Report, &[u8]) -> R) -> R {
        let mut report = Report::new_zeroed();
        (report.record, report.audit_record) = (NO_RECORD.into(), NO_RECORD.into());
        let mut asked = |op: Op, ending: Ending, tag: u32| {
            (report.op, report.verdict, report.tag) = (op as u8, ending as u8, tag.into());
        };
        match self {
            Reported::Volume(volume, past) => {
                (report.op, report.volume) = (Op::RestoreVolume as u8, *volume);
                let mut body = Remembered::new_zeroed();
                (body.state, body.before) = (past.standing.state() as u8, past.before.state() as u8);
                if let Some(last) = &past.last {
                    last.result.fill(&mut report);
                    (body.verified, body.verified_ms) = (last.result.scope.op() as u8, last.ended_ms.into());
                    (body.since_full, body.more) = (last.since_full.into(), last.more);
                }
                send(&report, body.as_bytes())
            }
            Reported::Flag(flag) => {
                asked(Op::RestoreFlag, Ending::Event, UNASKED);
                send(&report, FlagRow::of(flag).as_bytes())
            }
            Reported::Opened { records, last_flag, flags_hidden, last_ms, audit_record, kept_out } => {
                let ending = if audit_record.is_some() { Ending::Recorded } else { Ending::NotRecorded };
                asked(Op::Record, ending, UNASKED);
                report.kept_out = u8::from(*kept_out);
                report.audit_record = audit_record.unwrap_or(NO_RECORD).into();
                let (records, last_ms) = ((*records).into(), (*last_ms).into());
                let (last_flag, flags_hidden) = ((*last_flag).into(), (*flags_hidden).into());
                send(&report, Opened { records, last_ms, last_flag, flags_hidden }.as_bytes())
            }
            Reported::Verified { volume, tag, result, kept_out, found, head, root } => {
                result.fill(&mut report);
                (report.op, report.volume, report.tag) = (result.scope.op() as u8, *volume, (*tag).into());
                report.kept_out = u8::from(*kept_out);
                let mut body = Verified::new_zeroed();
                (body.head, body.root, body.more) = (*head, *root, found.more);
                for (row, finding) in body.findings.iter_mut().zip(&found.first) {
                    *row = PlaceRow::of(finding);
                }
                send(&report, body.as_bytes())
            }
            Reported::Entered { tag, outcome } => {
                let (ending, sequence) = match outcome {
                    Entered::Recorded(sequence) => (Ending::Recorded, *sequence),
                    Entered::NotRecorded => (Ending::NotRecorded, NO_RECORD),
                    Entered::NotServed => (Ending::NotVerified, NO_RECORD),
                };
                asked(Op::Record, ending, *tag);
                report.audit_record = sequence.into();
                send(&report, &[])
            }
            Reported::Event { tag, event } => {
                asked(Op::History, Ending::Event, *tag);
                send(&report, event.as_bytes())
            }
            Reported::Complete { tag, records, sent } => {
                asked(Op::History, Ending::Complete, *tag);
                send(&report, HistoryEnd { records: (*records).into(), sent: (*sent).into() }.as_bytes())
            }
            Reported::NotServed(op, volume, tag) => {
                (report.op, report.volume, report.tag) = (*op, *volume, (*tag).into());
                report.verdict = Ending::NotVerified as u8;
                send(&report, &[])
            }
        }
    }

    /// The report in a message; `None` if it is none that an auditor of so many volumes sends. `body` copies out the
    /// start of the message's body; it is asked once.
    pub fn decode(report: &Report, body: impl FnOnce(&mut [u8]), volumes: usize) -> Option<Reported> {
        let ending = Ending::from_wire(report.verdict);
        let (tag, audit_record) = (report.tag.get(), record(report.audit_record));
        let (unasked, kept_out) = (tag == UNASKED, report.kept_out == 1);
        let op = Op::from_wire(report.op)?;
        Some(match op {
            Op::RestoreVolume if unasked && usize::from(report.volume) < volumes => {
                Reported::Volume(report.volume, past(report, &read(body))?)
            }
            Op::RestoreFlag if unasked => {
                let flag = read::<FlagRow>(body).decode()?;
                let sound = flag.acknowledged != Acknowledged::Recording
                    && flag.volume.is_none_or(|volume| usize::from(volume) < volumes)
                    && flag.tag == UNASKED;
                Reported::Flag(Some(flag).filter(|_| sound)?)
            }
            Op::Record if unasked && matches!(ending, Some(Ending::Recorded | Ending::NotRecorded)) => {
                let Opened { records, last_ms, last_flag, flags_hidden } = read(body);
                Reported::Opened {
                    records: records.get(),
                    last_flag: last_flag.get(),
                    flags_hidden: flags_hidden.get(),
                    last_ms: last_ms.get(),
                    audit_record,
                    kept_out,
                }
            }
            Op::Record if !unasked => {
                let outcome = match (ending?, audit_record) {
                    (Ending::Recorded, Some(sequence)) => Entered::Recorded(sequence),
                    (Ending::NotRecorded, None) => Entered::NotRecorded,
                    (Ending::NotVerified, None) => Entered::NotServed,
                    _ => return None,
                };
                Reported::Entered { tag, outcome }
            }
            Op::VerifyFull | Op::VerifyIncremental => {
                let (result, body) = (AuditResult::read(report, Scope::asked(op)?)?, read::<Verified>(body));
                let found = found(&result, &body)?;
                let Verified { head, root, .. } = body;
                Reported::Verified { volume: report.volume, tag, result, kept_out, found, head, root }
            }
            Op::History if ending? == Ending::Event => Reported::Event { tag, event: read(body) },
            Op::History => {
                let HistoryEnd { records, sent } = read(body);
                Reported::Complete { tag, records: records.get(), sent: sent.get() }
            }
            _ => return None,
        })
    }
}

/// What the audit record says of a volume. What it says of the last verification is left out where that is none.
fn past(report: &Report, body: &Remembered) -> Option<VolumePast> {
    if !are_beyond_the_first(&body.more, report.findings.get()) {
        return None;
    }
    let scope = Op::from_wire(body.verified).and_then(Scope::asked);
    let last = scope.and_then(|scope| AuditResult::read(report, scope)).map(|result| LastResult {
        result,
        ended_ms: body.verified_ms.get(),
        since_full: body.since_full.get(),
        more: body.more,
    });
    Some(VolumePast {
        standing: Standing::from_wire(body.state)?,
        before: Standing::from_wire(body.before)?,
        last,
    })
}

/// What a verification with such a result found; `None` if verdict and findings do not go together.
fn found(result: &AuditResult, body: &Verified) -> Option<Found> {
    let nothing = result.first.is_none() && result.findings == 0;
    match result.verdict {
        // Where nothing was found, nothing else is looked at.
        Verdict::Clean | Verdict::NotVerified => nothing.then_some(Found::NOTHING),
        _ => {
            let mut found = Found { first: Vec::new(), more: body.more };
            for row in body.findings.iter().filter(|row| row.kind != 0) {
                found.first.push(row.decode()?).expect("as many as there are rows");
            }
            let first = body.findings[0].decode()?;
            let sound = result.findings > 0 && are_beyond_the_first(&body.more, result.findings);
            let is_first =
                |other: &Finding| (other.kind, other.area, other.block) == (first.kind, first.area, first.block);
            (sound && result.first.as_ref().is_some_and(is_first)).then_some(found)
        }
    }
}
