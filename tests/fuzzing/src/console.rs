//! The console's line protocol, from whoever is at the serial line: a person, a program, or noise.

use std::fmt::Write;

use totebox::client::lines::Line;
use totebox_pds::console::data::{checksum, verified};
use totebox_pds::console::testing::{Bench, Document};

use crate::Target;
use crate::repository;

/// The target. What is counted is what the archives keep and what the terminal has shown: a status is many times
/// as long as the word that asks for it.
pub const TARGET: Target =
    Target { name: "console", run, memory: 4 << 20, memory_per_byte: 4096, mutations: 300, seeds };

/// Bytes no UTF-8 text has stand for what else may happen on a line.
const HANG_UP: u8 = 0xff;
const BLOCK: u8 = 0xfe;
const UNBLOCK: u8 = 0xfd;
/// The first archive does nothing any more, or goes on.
const HANG: u8 = 0xfc;
const REVIVE: u8 = 0xfb;

/// The end of a line that is to get its checksum.
const UNSUMMED: &[u8] = b" #\n";

fn run(input: &[u8]) {
    let mut bench = Bench::up(&["contracts", "finance"]);
    let kept = Document { name: "kept".into(), content: (0..=255).collect() };
    bench.archives[1].documents.push(kept.clone());
    for part in input.split_inclusive(|&byte| byte == b'\n' || byte >= REVIVE) {
        let (text, event) = match part.split_last() {
            Some((&event, text)) if event >= REVIVE => (text, Some(event)),
            _ => (part, None),
        };
        bench.bytes(&summed(text));
        match event {
            Some(HANG_UP) => bench.line.borrow_mut().hung_up = true,
            Some(BLOCK) => bench.line.borrow_mut().room = 16,
            Some(UNBLOCK) => bench.let_out(usize::MAX),
            Some(HANG) => bench.archives[0].hung = true,
            Some(REVIVE) => bench.revive(0),
            _ => {}
        }
    }
    bench.let_out(usize::MAX);
    bench.revive(0);
    // The next operator.
    bench.bytes(b"\x03\nmachine\n");
    let output = bench.output();
    assert!(!output.contains("broke its protocol"), "the archives keep to theirs");
    for command in ["get finance 1", "ls contracts", "ls finance", "status", "flags", "history", "help"] {
        for line in bench.ask(command) {
            assert!(Line::parse(&line).is_some(), "{command}: the host tool does not understand {line:?}");
        }
    }
    let lines = bench.ask("get finance 1");
    assert!(lines.last().is_some_and(|line| line.starts_with("+end size=256 ")), "{lines:?}");
    assert_eq!(bench.archives[1].documents[0], kept);
}

/// The line with its checksum, if it asks for one.
fn summed(line: &[u8]) -> Vec<u8> {
    let Some(body) = line.strip_suffix(UNSUMMED) else { return line.to_vec() };
    let mut end = String::new();
    writeln!(end, " #{:08x}", checksum(body)).expect("writing to a string");
    let line = [body, end.as_bytes()].concat();
    debug_assert!(verified(line.trim_ascii_end()).is_ok());
    line
}

fn seeds() -> Vec<Vec<u8>> {
    let session = |lines: &[&str]| lines.iter().flat_map(|line| line.bytes().chain(*b"\n")).collect();
    let mut seeds: Vec<Vec<u8>> = vec![
        session(&["put finance \"a typed note\"", "first linX\x7fe", " second line", ".", "get finance 2"]),
        session(&["machine", "put finance x 3 #", "@0 YWJj #", "@3 #", ". #", "receipt 1 #", "ls finance 0 9 #"]),
        session(&["machine", "get finance 1 100 #", "status #", "flags #", "history 0 5 #", "person #"]),
        session(&[
            "audit",
            "ack 1 seen",
            "suspend finance",
            "resume finance",
            "archive finance final",
            "help put",
        ]),
    ];
    // What an operator types in the guide.
    let guide = repository::text("docs/operator.md");
    let typed = guide.lines().filter_map(|line| line.trim_start().strip_prefix("totebox> "));
    seeds.push(typed.flat_map(|line| line.bytes().chain(*b"\n")).collect());
    seeds
}
