//! Who runs when. Each domain has a budget of CPU time in every period, and the budgets of all domains
//! together are the whole CPU: whatever the others do, each one gets its budget, and no more.
//!
//! A domain's priority only says who goes first. The budgets above the archives bound what is taken from
//! them, so they need no trust in the domains that have them.

use totebox_manifest::{Cpu, PERIOD_US, Role, SERVICES};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The highest that is ready runs.
    pub priority: u8,
    /// Microseconds of CPU in each period.
    pub budget_us: u32,
    /// Microseconds.
    pub period_us: u32,
    pub reason: &'static str,
}

/// An archive's smallest budget: beside it a change of threads is cheap. Its share decides its period.
const ARCHIVE_BUDGET_US_MIN: u32 = 500;

/// Parts per million of the CPU that all archives share.
pub const ARCHIVES_SHARE_PPM: u32 = {
    let (mut left, mut i) = (1_000_000, 0);
    while i < SERVICES.len() {
        left -= SERVICES[i].info().cpu.percent * 10_000;
        i += 1;
    }
    left
};

/// The smallest share of an archive: one tenth of a percent, a budget every half second.
pub const ARCHIVE_SHARE_PPM_MIN: u32 = 1_000;

pub fn service(role: Role) -> Schedule {
    let Cpu { priority, percent, period_us, reason } = role.info().cpu;
    Schedule { priority, budget_us: period_us / 100 * percent, period_us, reason }
}

/// When an archive with this share of the CPU, in parts per million, runs.
pub fn archive(share_ppm: u32) -> Schedule {
    let share = u64::from(share_ppm.max(1));
    let period_us =
        (u64::from(ARCHIVE_BUDGET_US_MIN) * 1_000_000).div_ceil(share).next_multiple_of(PERIOD_US.into());
    let Cpu { priority, reason, .. } = Role::Archive.info().cpu;
    Schedule { priority, budget_us: (period_us * share / 1_000_000) as u32, period_us: period_us as u32, reason }
}

/// Shares out what the archives have: those without a share of their own get equal parts of what the
/// others leave. `None` if that is less than [`ARCHIVE_SHARE_PPM_MIN`] each, or if the shares given are
/// more than there is.
pub fn share_out(given: &[Option<u32>]) -> Option<Vec<u32>> {
    let taken = given.iter().flatten().try_fold(0u32, |sum, &share| sum.checked_add(share))?;
    let left = ARCHIVES_SHARE_PPM.checked_sub(taken)?;
    let without = given.iter().filter(|share| share.is_none()).count() as u32;
    let part = left.checked_div(without).unwrap_or(ARCHIVE_SHARE_PPM_MIN);
    (part >= ARCHIVE_SHARE_PPM_MIN).then(|| given.iter().map(|share| share.unwrap_or(part)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_budgets_together_are_no_more_than_the_cpu() {
        for archives in [1, 3, 40, 58] {
            let shares = share_out(&vec![None; archives]).unwrap();
            let schedules = SERVICES.map(service).into_iter().chain(shares.into_iter().map(archive));
            let ppm = |s: Schedule| u64::from(s.budget_us) * 1_000_000 / u64::from(s.period_us);
            let used: u64 = schedules.map(ppm).sum();
            assert!((990_000..=1_000_000).contains(&used), "{archives} archives: {used} ppm");
        }
    }

    #[test]
    fn an_archive_has_a_budget_worth_a_change_of_threads() {
        for share in [ARCHIVE_SHARE_PPM_MIN, 6_034, 116_666, ARCHIVES_SHARE_PPM] {
            let schedule = archive(share);
            assert!(schedule.budget_us >= ARCHIVE_BUDGET_US_MIN, "{schedule:?}");
            assert!(schedule.period_us <= 500_000, "{schedule:?}");
        }
    }

    #[test]
    fn shares_that_are_not_there_are_not_given() {
        assert_eq!(share_out(&[Some(50_000), None, None]), Some(vec![50_000, 150_000, 150_000]));
        assert_eq!(share_out(&[Some(ARCHIVES_SHARE_PPM)]), Some(vec![ARCHIVES_SHARE_PPM]));
        assert_eq!(share_out(&[Some(ARCHIVES_SHARE_PPM), None]), None);
        assert_eq!(share_out(&[Some(300_000), Some(300_000)]), None);
    }
}
