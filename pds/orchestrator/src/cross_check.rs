//! Whether an archive's own scrub and the audits agree.
//!
//! - A pass that found something, where the last audit did not, is followed by a full audit; if that finds
//!   nothing, they disagree. So is one that found something in a record of which no flag tells, once for each.
//! - A pass begun after an audit found something, in what a pass reads, has to find it, too; if the archive
//!   says it is clean, they disagree.

use ledger_fmt::verify::{Finding, FindingKind};
use totebox_protocol::audit::Verdict;
use totebox_protocol::flag::Place;
use totebox_protocol::page::{Check, OwnCheck};

/// What an archive and the auditor think of its volume.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossCheck {
    /// What was looked at: the passes that had ended, what the archive had found, and where.
    seen: (u64, Check, Option<Place>),
    /// Where a pass has found something that an audit was to settle.
    settled: Option<Place>,
    /// The last verdict was that something is wrong.
    audit_found: bool,
    /// What the last audit found, of what a pass should find, and the passes that had ended when it was told.
    doubted: Option<(Place, u64)>,
    /// A pass found what no audit has.
    unsettled: bool,
}

impl CrossCheck {
    /// Looks at the archive's last pass, or what it has found since; `known` if a flag may tell of it. Returns what the
    /// audit found and the archive did not.
    pub fn of_archive(&mut self, check: &OwnCheck, known: bool) -> Option<Place> {
        let seen = (check.passes, check.result, check.place);
        if core::mem::replace(&mut self.seen, seen) == seen {
            return None;
        }
        let told = self.audit_found && (known || self.settled == check.place);
        self.unsettled = check.result.found() && !told;
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
        self.settled = self.seen.2;
    }

    /// Takes an audit's verdict and what it found first; `settles` if it was to settle what a pass had found.
    /// Returns what the archive found and the audit did not.
    pub fn of_audit(
        &mut self,
        verdict: Verdict,
        first: Option<Finding>,
        settles: bool,
        check: &OwnCheck,
    ) -> Option<Place> {
        self.audit_found = verdict != Verdict::Clean;
        if self.audit_found {
            let in_reach = first.filter(|first| is_what_a_pass_reads(first.kind));
            self.doubted = in_reach.map(|first| (Place::of(&first), check.passes));
            return None;
        }
        self.doubted = None;
        check.place.filter(|_| settles)
    }
}

fn is_what_a_pass_reads(kind: FindingKind) -> bool {
    use FindingKind::*;
    matches!(kind, BatchHeader | Record | Chain | Tree | Asset)
}
