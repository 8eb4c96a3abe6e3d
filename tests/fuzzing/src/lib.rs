//! What hostile bytes do to everything that reads them. A target takes any bytes, hands them to the code that must
//! bear them, and panics where an invariant is broken. `fuzz/` drives the targets with libFuzzer, `tests/corpus.rs`
//! for some seconds without it.
//!
//! | module | what reads the bytes | what must hold, beside no panic and bounded memory |
//! |---|---|---|
//! | [`structures`] | superblocks, hints, batch headers, records | what is accepted is written again as the same bytes |
//! | [`notes`] | keys, signed notes, checkpoints, proofs | likewise |
//! | [`volume`] | the verifier, of a changed volume | a change of committed bytes is found; reads stay inside |
//! | [`vault`] | the vault, of hostile clients over a simulated disk | nothing committed is ever written again |
//! | [`queues`] | queues and pages, of a hostile peer | indices in range; only their own words are written |
//! | [`console`] | the console, of whoever is at the line | the next operator is served, the documents are as they were |
//! | [`answers`] | the host tool, of the appliance's lines | what is quoted is read back |
//! | [`deployment`] | `totebox.toml` | every problem has a place; what is accepted keeps every rule of isolation |
//! | [`description`] | `system.xml` | every error has a place; what is accepted is judged and drawn |
//! | [`capdl`] | capDL JSON, and the specification in an image | hardening leaves minimal rights, and reads back |

#![forbid(unsafe_code)]

pub mod answers;
pub mod capdl;
pub mod console;
pub mod deployment;
pub mod description;
pub mod notes;
pub mod queues;
mod repository;
pub mod structures;
pub mod vault;
pub mod volume;

use allocation_counter::measure;
use fastrand::Rng;

/// Something that reads hostile bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also of its program and its corpus in `fuzz/`.
    pub name: &'static str,
    /// Hands it the bytes; panics if an invariant is broken.
    pub run: fn(&[u8]),
    /// Bytes of memory it may take at once, whatever the input.
    pub memory: usize,
    /// Bytes of memory it may take at once for each byte of input.
    pub memory_per_byte: usize,
    /// Mutated inputs of its short run: some seconds.
    pub mutations: usize,
    /// Inputs to begin with, made from what the appliance and its tests really read.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 11] = [
    structures::TARGET,
    notes::TARGET,
    volume::TARGET,
    vault::TARGET,
    queues::TARGET,
    console::TARGET,
    answers::TARGET,
    deployment::TARGET,
    description::TARGET,
    capdl::JSON,
    capdl::IMAGE,
];

impl Target {
    /// Hands it an input, and holds it to its memory.
    pub fn check(&self, input: &[u8]) {
        let used = measure(|| (self.run)(input)).bytes_max;
        let most = self.memory + self.memory_per_byte * input.len();
        assert!(used <= most as u64, "{}: {used} bytes of memory for {} of input", self.name, input.len());
    }
}

/// Seeds for a target whose input is a list of steps: whatever bytes say is one.
fn noise() -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(0);
    let mut noise = |len| (0..len).map(|_| random.u8(..)).collect();
    vec![Vec::new(), noise(100), noise(500), noise(2000)]
}

/// Asserts that a place a reader names, counted from 1 in lines and characters, is one in this text.
fn assert_place(text: &str, line: usize, column: usize, message: &str) {
    // A text that ends in a newline has an empty line behind it.
    let characters =
        line.checked_sub(1).and_then(|before| text.split('\n').nth(before)).map(|line| line.chars().count());
    let inside = characters.is_some_and(|characters| (1..=characters + 1).contains(&column));
    assert!(inside, "{line}:{column} is no place in it: {message}");
    assert!(!message.is_empty(), "{line}:{column}: nothing is said");
}
