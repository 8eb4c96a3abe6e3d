//! Runs a test under many seeds, says how to replay the one that failed, and what all of them went through.

use std::fmt;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The environment variable that replays one seed.
pub const SEED: &str = "TOTEBOX_SIM_SEED";

/// The environment variable that says how many seeds to run.
pub const SEEDS: &str = "TOTEBOX_SIM_SEEDS";

/// Runs `test` under `count` seeds (or as many as [`SEEDS`] says), or under the one [`SEED`] gives. The seed
/// of a failure is printed with the command that replays it. Returns how many seeds there were.
pub fn for_each_seed(test_name: &str, count: u64, mut test: impl FnMut(u64)) -> u64 {
    if let Some(seed) = number(SEED) {
        test(seed);
        return 1;
    }
    let seeds = number(SEEDS).unwrap_or(count);
    for seed in 0..seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("seed {seed} fails; replay: {SEED}={seed} cargo test -p totebox-tests {test_name}");
            resume_unwind(panic);
        }
    }
    seeds
}

/// What a test is doing: told if it panics meanwhile.
#[derive(Debug)]
pub struct Doing(pub String);

impl Drop for Doing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this happened with {}", self.0);
        }
    }
}

/// What a test went through under all its seeds: the line it prints, and `make nightly` shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Seeds.
    pub seeds: u64,
    /// Power cuts and kills.
    pub cuts: u64,
    /// Records that were acknowledged, and looked for after the last cut of their seed.
    pub acknowledged: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { seeds, cuts, acknowledged } = self;
        write!(f, "{seeds} seeds, {cuts} power cuts, {acknowledged} acknowledged records, none lost")
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}
