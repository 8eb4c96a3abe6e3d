//! Between the orchestrator and the auditor: what to verify and to record, and what was found and recorded.
//!
//! | module | what |
//! |---|---|
//! | here | a verification: how much of a volume, and its result |
//! | [`asked`] | what the orchestrator asks |
//! | [`reported`] | what the auditor reports |
//! | [`entry`] | the records of the audit record |
//! | [`wire`] | the messages as they cross |

use ledger_fmt::verify::Finding;

use crate::row::{Crosses, row};
use crate::wire_enum;

mod asked;
pub mod entry;
mod reported;
pub mod wire;

pub use asked::Asked;
pub use entry::{AuditEvent, Entry, EntryRow, EventRow};
pub use reported::{Entered, Found, LastResult, Reported, VolumePast};
pub use wire::*;

pub const UNASKED: u32 = 0;

/// How much of a volume is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it, from its first block to its frontier.
    Full,
    /// What is new since the last verified head, and a sample of the rest.
    Incremental,
}

impl Scope {
    /// The scope's name, as the audit record and the console give it.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Full => "full",
            Scope::Incremental => "incremental",
        }
    }

    pub const fn op(self) -> Op {
        match self {
            Scope::Full => Op::VerifyFull,
            Scope::Incremental => Op::VerifyIncremental,
        }
    }

    /// The scope that is asked for, if one is.
    const fn asked(op: Op) -> Option<Scope> {
        match op {
            Op::VerifyFull => Some(Scope::Full),
            Op::VerifyIncremental => Some(Scope::Incremental),
            _ => None,
        }
    }
}

wire_enum! {
    Verdict: u8 {
        /// Every committed byte is what it was when it was committed.
        Clean = 1, "clean";
        /// A finding; the report says the first.
        Mismatch = 2, "mismatch";
        Unreadable = 3, "unreadable";
        /// Nothing was verified: the auditor does not serve such a request, or was lost meanwhile.
        NotVerified = 6, "not-verified";
    }
}

// One says of a verification what the other says of anything.
const _: () = assert!(Verdict::NotVerified as u8 == Ending::NotVerified as u8);

row! {
    AuditResult as ResultRow {
        scope: Scope,
        verdict: Verdict,
        first: Option<Finding>,
        findings: u32,
        records: u64,
        bytes: u64,
        duration_ms: u64,
        /// Sequence number of the audit record that states this, if there is one.
        audit_record: Option<u64>,
    }
}

impl AuditResult {
    /// One that ended without anything having been verified.
    pub const fn not_verified(scope: Scope) -> AuditResult {
        let (verdict, first, audit_record) = (Verdict::NotVerified, None, None);
        AuditResult { scope, verdict, first, findings: 0, records: 0, bytes: 0, duration_ms: 0, audit_record }
    }

    /// Whether something was verified, and the audit record does not tell of it.
    pub fn is_unrecorded(&self) -> bool {
        self.verdict != Verdict::NotVerified && self.audit_record.is_none()
    }

    /// Whether what an earlier verification of the volume found stands beside this result: one that has not looked at
    /// everything cannot say that it is there no more. That a command (`asked`) was not carried out is the answer to
    /// it.
    pub fn leaves(&self, before: &AuditResult, asked: bool) -> bool {
        let weight = |result: &AuditResult| match result.verdict {
            Verdict::Mismatch => 2,
            Verdict::Unreadable => 1,
            _ => 0,
        };
        let is_no_answer = !asked && self.verdict == Verdict::NotVerified;
        (self.scope == Scope::Incremental || is_no_answer) && weight(self) < weight(before)
    }
}

impl Crosses for Scope {
    type Row = u8;
    fn row(&self) -> u8 {
        self.op() as u8
    }
    fn of(&op: &u8) -> Option<Scope> {
        Scope::asked(Op::from_wire(op)?)
    }
}

#[cfg(test)]
mod tests;
