//! Whether an archive's own integrity pass and the audits agree.
//!
//! - A pass that found something, where the last audit did not, is followed by a full audit; if that finds
//!   nothing, they disagree.
//! - A pass begun after an audit found something, in what a pass reads, has to find it, too; if the archive
//!   says it is clean, they disagree.

use ledger_fmt::verify::FindingKind;

use super::registry::OwnCheck;
use crate::proto::audit::{Place, Verdict};
use crate::proto::page::Check;

/// What an archive and the auditor think of its volume.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opinion {
    /// Passes that were looked at.
    passes: u64,
    /// The last verdict was that something is wrong.
    audit_found: bool,
    /// What the last audit found, of what a pass should find, and the passes that had ended when it was told.
    doubted: Option<(Place, u64)>,
    /// A pass found what no audit has.
    unsettled: bool,
}

impl Opinion {
    /// Looks at the archive's last pass. Returns what the audit found and the archive did not.
    pub fn of_archive(&mut self, check: &OwnCheck) -> Option<Place> {
        if check.passes == self.passes {
            return None;
        }
        self.passes = check.passes;
        self.unsettled = check.result.found() && !self.audit_found;
        if check.result != Check::Clean {
            return None;
        }
        // The first pass to end after the audit may have begun before it.
        let (place, _) = self.doubted.filter(|(_, passes)| check.passes >= passes.saturating_add(2))?;
        self.doubted = None;
        Some(place)
    }

    /// Whether a full audit is to settle what a pass found.
    pub fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// That audit is under way.
    pub fn being_settled(&mut self) {
        self.unsettled = false;
    }

    /// Takes an audit's verdict and what it found first; `settles` if it was to settle what a pass had found.
    /// Returns what the archive found and the audit did not.
    pub fn of_audit(&mut self, verdict: Verdict, first: &Place, settles: bool, check: &OwnCheck) -> Option<Place> {
        self.audit_found = verdict != Verdict::Clean;
        if self.audit_found {
            let in_reach = FindingKind::from_u8(first.kind).is_some_and(is_what_a_pass_reads);
            self.doubted = in_reach.then_some((*first, check.passes));
            return None;
        }
        self.doubted = None;
        (settles && check.result.found()).then_some(check.place)
    }
}

fn is_what_a_pass_reads(kind: FindingKind) -> bool {
    use FindingKind::*;
    matches!(kind, Stamp | Record | Chain | Tree | Asset)
}
