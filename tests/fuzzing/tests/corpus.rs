//! Every fuzz target over its seeds, over the committed corpus (`fuzz/corpus/`), and over a fixed number of
//! mutations of both: always the same, so that this test always says the same.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use libtest_mimic::{Arguments, Trial};
use totebox_fuzzing::{TARGETS, Target};

/// Bytes of an input at most, as in `make fuzz`.
const INPUT_MAX: usize = 64 * 1024;

/// Bytes all mutations of a target have together, so that none takes more than some seconds.
const MUTATED_BYTES: usize = 4 << 20;

fn main() {
    let trial = |target: Target| {
        Trial::test(target.name, move || {
            run(target);
            Ok(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), TARGETS.map(trial).into()).exit();
}

fn run(target: Target) {
    let mut inputs = (target.seeds)();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target.name);
    let mut files: Vec<PathBuf> = match fs::read_dir(&corpus) {
        Ok(entries) => entries.map(|entry| entry.expect("a readable folder").path()).collect(),
        Err(error) => panic!("{}: {error}", corpus.display()),
    };
    files.sort();
    inputs.extend(files.iter().map(|path| fs::read(path).expect("a readable file")));
    for input in &inputs {
        check(target, input);
    }
    let mut random = Rng::with_seed(1);
    let (mut bytes, mut mutations) = (0, 0);
    while bytes < MUTATED_BYTES && mutations < target.mutations {
        let mut input = random.choice(&inputs).cloned().unwrap_or_default();
        for _ in 0..random.usize(1..5) {
            let other = random.choice(&inputs).cloned().unwrap_or_default();
            mutate(&mut input, &other, &mut random);
        }
        input.truncate(INPUT_MAX);
        check(target, &input);
        (bytes, mutations) = (bytes + input.len(), mutations + 1);
    }
}

/// Changes an input in one of the ways that find most.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    let at = random.usize(..=input.len());
    let len = random.usize(..=16).min(input.len() - at);
    match random.u8(..7) {
        0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
        1 if at < input.len() => input[at] = random.u8(..),
        2 if at < input.len() => input[at] = *random.choice(&[0, 1, 0x7f, 0x80, 0xff]).expect("some"),
        3 => _ = input.drain(at..at + len),
        4 => {
            let again = input[at..at + len].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let from = random.usize(..=other.len());
            let part = &other[from..(from + random.usize(..=64)).min(other.len())];
            input.splice(at..at + len, part.iter().copied());
        }
        _ => {
            let new: Vec<u8> = (0..random.usize(..=16)).map(|_| random.u8(..)).collect();
            input.splice(at..at, new);
        }
    }
}

/// Runs the target; an input that fails is kept where it can be tried again.
fn check(target: Target, input: &[u8]) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| target.check(input))) else { return };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-failed", target.name));
    fs::write(&path, input).expect("the target folder can be written");
    eprintln!("{} fails on {}: once it is mended, the input belongs in fuzz/corpus/", target.name, path.display());
    resume_unwind(panic);
}
