//! The console's line protocol, from whoever is at the serial line: a person, a program, or noise.

use std::fmt::Write;

use totebox_console::testing::{Document, Harness};
use totebox_console_protocol::control;
use totebox_console_protocol::data::{checksum, verified};
use totebox_operator::client::lines::Line;
use totebox_protocol::intake::Op;
use totebox_protocol::operator::Refusal;
use totebox_shown::Quoted;
use totebox_shown::testing::{hostile_texts, unprintable};

use crate::{Target, repository};

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

/// What others do to a line at which a person types on, piece by piece.
const TAKEOVERS: [&[&[u8]]; 5] = [
    &[b"\x0e\x03", b"\x03\nmachine 1\n", b"\x0f"],
    &[b"\x0e\x18"],
    &[b"\x0e\x03", b"ls nowhere\n", b"\x19"],
    &[b"\x03\nmachine 2\n", b"\x03\nmachine 3\n", b"\x03"],
    &[b"\x0f"],
];

/// Whether a byte becomes text. Keys that edit a line, give it up or are ignored would make other lines.
fn is_text(byte: &u8) -> bool {
    !byte.is_ascii_control() || matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Orders the input can have left with the orchestrator, and one: more than their queue has slots.
const ORDERS_MAX: usize = 32;

/// The end of a line that is to get its checksum.
const UNSUMMED: &[u8] = b" #\n";

fn run(input: &[u8]) {
    anybody(input);
    typist(input);
}

/// A person types the input as a text, through whatever happens to the line: no line of it is carried out.
fn typist(input: &[u8]) {
    let mut harness = Harness::up(&["contracts", "finance"]);
    harness.bytes(b"put contracts \"a text\"\r");
    let mut turn = 0;
    for line in input.split_inclusive(|&byte| byte == b'\n' || byte == b'\r' || byte >= REVIVE) {
        let typed: Vec<u8> = line.iter().copied().filter(is_text).collect();
        // The text has no line that ends it.
        if typed.trim_ascii_end() == b"." {
            harness.bytes(b"+");
        }
        harness.bytes(&typed);
        match line.last() {
            Some(&HANG_UP) => harness.line.borrow_mut().hung_up = true,
            Some(&BLOCK) => {
                TAKEOVERS[turn % TAKEOVERS.len()].iter().for_each(|piece| harness.bytes(piece));
                turn += 1;
            }
            Some(&HANG) => harness.archives[0].hung = true,
            Some(&REVIVE) => harness.revive(0),
            _ => {}
        }
    }
    harness.revive(0);
    assert!(harness.peer.orders.is_empty(), "a line of a text was an order");
    let asked = |op: &Op| matches!(op, Op::Get | Op::List);
    assert!(
        !harness.archives.iter().any(|archive| archive.seen.iter().any(asked)),
        "a line of a text was a command"
    );
    assert!(harness.archives.iter().all(|archive| archive.documents.is_empty()));
}

/// Whoever is at the line, and whatever it sends.
fn anybody(input: &[u8]) {
    let mut harness = Harness::up(&["contracts", "finance"]);
    let kept = Document { name: "kept".into(), content: (0..=255).collect() };
    harness.archives[1].documents.push(kept.clone());
    for part in input.split_inclusive(|&byte| byte == b'\n' || byte >= REVIVE) {
        let (text, event) = match part.split_last() {
            Some((&event, text)) if event >= REVIVE => (text, Some(event)),
            _ => (part, None),
        };
        harness.bytes(&summed(text));
        match event {
            Some(HANG_UP) => harness.line.borrow_mut().hung_up = true,
            Some(BLOCK) => harness.line.borrow_mut().room = 16,
            Some(UNBLOCK) => harness.let_out(usize::MAX),
            Some(HANG) => harness.archives[0].hung = true,
            Some(REVIVE) => harness.revive(0),
            _ => {}
        }
    }
    harness.let_out(usize::MAX);
    harness.revive(0);
    // The orchestrator has done with what it was asked, and is asked once more below.
    for _ in 0..ORDERS_MAX {
        harness.answer_order(Err(Refusal::NotReady));
    }
    // The next operator.
    harness.bytes(b"\x03\nmachine\n");
    let output = harness.output();
    assert!(!output.contains("broke its protocol"), "the archives keep to theirs");
    // Beside the bell, what takes a character back, a text's tabs, and answers to whoever shares the line out.
    let answers = [control::BACK, control::DONE, control::NOT_DONE].map(char::from);
    let shown = output.replace("\x08 \x08", "").replace(['\x07', '\t'], "").replace(answers, "");
    assert_eq!(unprintable(&shown), None);
    for command in
        ["get finance 1", "ls contracts", "ls finance", "status", "flags", "history", "trace vault", "help"]
    {
        for line in harness.ask(command) {
            assert!(Line::parse(&line).is_some(), "{command}: the host tool does not understand {line:?}");
        }
    }
    let lines = harness.ask("get finance 1");
    assert!(lines.last().is_some_and(|line| line.starts_with("+end size=256 ")), "{lines:?}");
    assert_eq!(harness.archives[1].documents[0], kept);
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
        b"archive one final\xfels finance\n.\n3\xfe.\nget finance 1\nput finance x\n\xfe.\xfe\xff\nstatus\n"
            .to_vec(),
        b"put finance x\nline\n\x0e\x03\x03\nmachine 1\n\x0farchive finance final\n.\n\x04".to_vec(),
        session(&["machine", "get finance 1 100 #", "status #", "flags #", "history 0 5 #", "person #"]),
        session(&[
            "audit",
            "trace finance",
            "ack 1 seen",
            "suspend finance",
            "resume finance",
            "archive finance final",
            "help put",
        ]),
    ];
    // Whatever a name has, in a command that puts it and in one that quotes it.
    let named = |name: &String| format!("put finance {} 0 #\n@0 #\nls {name} #\n", Quoted(name.as_bytes()));
    let names: String = hostile_texts().iter().map(named).collect();
    seeds.push(format!("machine\n{names}").into());
    seeds.push(names.replace(" #\n", "\n").into());
    // What an operator types in the guide.
    let guide = repository::text("docs/operator.md");
    let typed = guide.lines().filter_map(|line| line.trim_start().strip_prefix("totebox> "));
    seeds.push(typed.flat_map(|line| line.bytes().chain(*b"\n")).collect());
    seeds
}
