//! Runs a test under many seeds and says how to replay the one that failed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The environment variable that replays one seed.
pub const SEED: &str = "TOTEBOX_SIM_SEED";

/// The environment variable that says how many seeds to run.
pub const SEEDS: &str = "TOTEBOX_SIM_SEEDS";

/// Runs `test` under `count` seeds (or as many as [`SEEDS`] says), or under the one [`SEED`] gives. The seed
/// of a failure is printed with the command that replays it.
pub fn for_each_seed(test_name: &str, count: u64, mut test: impl FnMut(u64)) {
    if let Some(seed) = number(SEED) {
        return test(seed);
    }
    for seed in 0..number(SEEDS).unwrap_or(count) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("seed {seed} fails; replay: {SEED}={seed} cargo test -p totebox-tests {test_name}");
            resume_unwind(panic);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}
