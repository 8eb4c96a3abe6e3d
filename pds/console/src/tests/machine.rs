//! A program at the other end.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::hash;
use totebox_console_protocol::data::{CONTENT_MAX, Content, LINE_MAX, WINDOW, decode};
use totebox_console_protocol::text::Hex;
use totebox_protocol::intake::{Answer, Failure};

use crate::testing::{Bench, Document, reply};

const NAMES: [&str; 2] = ["contracts", "finance"];

fn data(offset: u64, bytes: &[u8]) -> String {
    format!("{}", Content { offset, bytes })
}

/// Sends a whole document; returns every line that led to.
fn put(bench: &mut Bench, archive: &str, name: &str, content: &[u8]) -> Vec<String> {
    let hash = hash::content(content);
    let mut lines = bench.ask(&format!("put {archive} {name} {} {}", content.len(), Hex(&hash)));
    assert!(lines[0].starts_with("+ready "), "{lines:?}");
    if content.is_empty() {
        lines.extend(bench.ask("@0"));
    }
    for (index, part) in content.chunks(CONTENT_MAX).enumerate() {
        lines.extend(bench.ask(&data((index * CONTENT_MAX) as u64, part)));
    }
    lines
}

/// The content in the data lines of a `get`.
fn content(lines: &[String], mut offset: u64) -> Vec<u8> {
    let mut content = vec![];
    let mut part = [0; CONTENT_MAX];
    for line in lines.iter().filter(|line| line.starts_with('@')) {
        let (at, len) = decode(line.as_bytes(), &mut part).unwrap();
        assert_eq!(at, offset);
        offset += len as u64;
        content.extend(&part[..len]);
    }
    content
}

#[test]
fn documents_of_any_size_come_back_byte_for_byte() {
    let mut bench = Bench::up_machine(&NAMES);
    for (index, len) in [0, 1, 2999, 3000, 3001, 4096, 100_000].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..len).map(|i: usize| ((i * i) >> 3) as u8).collect();
        let lines = put(&mut bench, "finance", "x", &bytes);
        let receipt = lines.last().unwrap();
        // Every request has a tag of its own, a `get` too.
        let (tag, hash) = (2 * index + 1, Hex(&hash::content(&bytes)).to_string());
        let expected = format!("+receipt {tag} seq={} size={len} hash={hash} ", index + 1);
        assert!(receipt.starts_with(&expected), "{receipt}");
        let lines = bench.ask(&format!("get finance {}", index + 1));
        assert!(lines[0].starts_with(&format!("=document seq={} size={len} ", index + 1)), "{}", lines[0]);
        assert_eq!(content(&lines, 0), bytes);
        assert_eq!(*lines.last().unwrap(), format!("+end size={len} hash={hash}"));
    }
    let lines = bench.ask("get finance 7 99990");
    assert_eq!(content(&lines, 99_990).len(), 10);
}

#[test]
fn receipts_come_when_they_come() {
    let mut bench = Bench::up_machine(&NAMES);
    bench.archives[0].holds_receipts = true;
    assert_eq!(put(&mut bench, "contracts", "a", b"one"), ["+ready 1 8", "?3"]);
    assert_eq!(put(&mut bench, "contracts", "b", b"two"), ["+ready 2 8", "?3"]);
    assert_eq!(bench.ask("receipt 1"), ["+pending 1"]);
    let lines = put(&mut bench, "finance", "c", b"three");
    assert!(lines[2].starts_with("+receipt 3 seq=1 "), "{lines:?}");
    bench.revive(0);
    let lines = bench.lines();
    assert!(lines[0].starts_with("+receipt 1 seq=1 ") && lines[1].starts_with("+receipt 2 seq=2 "), "{lines:?}");
    assert_eq!(bench.ask("receipt 2"), [lines[1].clone()]);
    let lines = bench.ask("receipt 4");
    assert!(lines[0].starts_with("-not-found "), "{lines:?}");
}

#[test]
fn too_many_submissions_at_a_time_are_refused() {
    let mut bench = Bench::up_machine(&NAMES);
    bench.archives[0].holds_receipts = true;
    for _ in 0..32 {
        put(&mut bench, "contracts", "a", b"x");
    }
    let lines = bench.ask("put contracts b 1");
    assert!(lines[0].starts_with("-busy "), "{lines:?}");
    bench.revive(0);
    assert_eq!(bench.lines().len(), 32);
    assert_eq!(put(&mut bench, "contracts", "b", b"x").len(), 3);
}

#[test]
fn damaged_lines_are_asked_for_again() {
    let mut bench = Bench::up_machine(&NAMES);
    assert_eq!(bench.ask("put finance x 9"), ["+ready 1 8"]);
    assert_eq!(bench.ask(&data(0, b"abc")), ["?3"]);
    bench.bytes(b"@3 ZGVm #00000000\n");
    assert_eq!(bench.lines(), ["?3 bad-crc"]);
    assert!(bench.ask(&data(6, b"ghi")).is_empty(), "what was on its way is not answered");
    assert_eq!(bench.ask(&data(3, b"def")), ["?6"]);
    assert_eq!(bench.ask(&data(3, b"def")), ["?6"], "what was taken is acknowledged again");
    assert_eq!(bench.ask(&data(8, b"i")), ["?6 bad-offset"]);
    assert!(bench.ask(&data(8, b"i")).is_empty());
    assert_eq!(bench.ask("@x"), ["?6 bad-line"]);
    assert_eq!(bench.ask("status"), ["?6 bad-line"]);
    bench.bytes(&[b'x'; LINE_MAX + 1]);
    bench.bytes(b"\r\n\r\n");
    assert_eq!(bench.lines(), ["?6 bad-crc"]);
    bench.bytes(b"@6 Z2hp\n");
    assert_eq!(bench.lines(), ["?6 bad-crc"]);
    let lines = bench.ask(&data(6, b"ghi"));
    assert_eq!(lines[0], "?9");
    assert!(lines[1].starts_with("+receipt 1 seq=1 size=9 "), "{lines:?}");
    assert_eq!(bench.archives[1].documents, [Document { name: "x".to_string(), content: b"abcdefghi".to_vec() }]);
}

#[test]
fn damaged_commands_do_nothing() {
    let mut bench = Bench::up_machine(&NAMES);
    for line in ["put finance x 3 #12345678\n", "status\n"] {
        bench.bytes(line.as_bytes());
        let lines = bench.lines();
        assert!(lines.len() == 1 && lines[0].starts_with("-bad-crc "), "{lines:?}");
    }
    let lines = bench.ask("put finance \"\\xff\" 3");
    assert!(lines[0].starts_with("-bad-argument a name must be UTF-8"), "{lines:?}");
    bench.bytes(&[b'x'; LINE_MAX + 1]);
    bench.bytes(b"\n");
    let lines = bench.lines();
    assert!(lines[0].starts_with("-line-too-long "), "{lines:?}");
    let lines = bench.ask("put finance x");
    assert!(lines[0].starts_with("-bad-argument usage: put ARCHIVE NAME SIZE"), "{lines:?}");
    assert!(bench.archives[1].seen.is_empty());
}

#[test]
fn a_refusal_names_the_submission_and_drops_its_lines() {
    let mut bench = Bench::up_machine(&NAMES);
    bench.archives[0].refuses_at = Some(3);
    bench.ask("put contracts x 9");
    let lines = bench.ask(&data(0, b"abc"));
    assert_eq!(lines[0], "?3");
    assert!(lines[1].starts_with("-full:1 archive contracts has room for 77 bytes"), "{lines:?}");
    assert!(bench.ask(&data(3, b"def")).is_empty());
    bench.bytes(b"@6 damaged\n");
    assert!(bench.lines().is_empty());
    let lines = bench.ask("receipt 1");
    assert!(lines[0].starts_with("-full:1 "), "{lines:?}");

    let lines = bench.ask(&format!("put finance x 3 {}", Hex(&[1; 32])));
    assert_eq!(lines, ["+ready 2 8"]);
    let lines = bench.ask(&data(0, b"abc"));
    assert!(lines[1].starts_with("-wrong-hash:2 "), "{lines:?}");
    assert!(bench.archives[1].documents.is_empty());
}

#[test]
fn a_submission_can_be_given_up_and_cannot_be_overfilled() {
    let mut bench = Bench::up_machine(&NAMES);
    bench.ask("put finance x 9");
    bench.ask(&data(0, b"abc"));
    assert_eq!(bench.ask("."), ["-cancelled:1 given up; nothing was committed"]);
    bench.ask("put finance x 2");
    let lines = bench.ask(&data(0, b"abc"));
    assert_eq!(lines, ["-wrong-size:2 more bytes came than were declared; nothing was committed"]);
    assert!(bench.archives[1].documents.is_empty());
    assert_eq!(put(&mut bench, "finance", "y", b"ok").len(), 3);
}

#[test]
fn a_whole_window_waits_for_a_slow_archive() {
    let mut bench = Bench::up_machine(&NAMES);
    let content: Vec<u8> = (0..40 * CONTENT_MAX).map(|i| i as u8).collect();
    bench.ask(&format!("put finance x {}", content.len()));
    bench.archives[1].hung = true;
    let lines: Vec<String> =
        content.chunks(CONTENT_MAX).enumerate().map(|(i, part)| data((i * CONTENT_MAX) as u64, part)).collect();
    let (mut sent, mut answered) = (0, 0);
    while answered < lines.len() {
        while sent < lines.len() && sent - answered < WINDOW {
            bench.send(&lines[sent]);
            sent += 1;
        }
        let answers = bench.lines();
        if answers.is_empty() {
            bench.revive(1);
            bench.archives[1].hung = true;
        }
        answered += answers.iter().filter(|line| line.starts_with('?')).count();
    }
    bench.revive(1);
    assert_eq!(bench.archives[1].documents[0].content, content);
}

#[test]
fn a_slow_line_loses_nothing() {
    let mut bench = Bench::up_machine(&NAMES);
    let bytes: Vec<u8> = (0..300_000usize).map(|i| ((i * 31) >> 2) as u8).collect();
    bench.archives[0].documents.push(Document { name: "x".to_string(), content: bytes.clone() });
    bench.line.borrow_mut().room = 0;
    bench.send("get contracts 1");
    let mut output = String::new();
    while !output.contains("+end") {
        bench.let_out(997);
        let more = bench.output();
        assert!(!more.is_empty(), "the console stopped at {} bytes", output.len());
        output.push_str(&more);
    }
    bench.let_out(1000);
    output.push_str(&bench.output());
    bench.line.borrow_mut().from_console = output.into_bytes();
    assert_eq!(content(&bench.lines(), 0), bytes);
}

#[test]
fn a_peer_can_take_over_what_another_left_half_done() {
    let mut bench = Bench::up_machine(&NAMES);
    bench.archives[0].holds_receipts = true;
    put(&mut bench, "contracts", "a", b"one");
    bench.ask("put finance b 6");
    bench.send(&data(0, b"abc"));
    bench.bytes(b"@3 half a line");
    bench.bytes(b"\x03\nmachine\n");
    let output = bench.output();
    let (before, ours) = output.split_once("+machine totebox/1 0 #").unwrap();
    assert!(before.contains("-cancelled:2 given up"), "{before}");
    assert!(ours.ends_with("\r\n"));
    assert!(bench.archives[1].documents.is_empty());
    bench.revive(0);
    let lines = bench.lines();
    assert!(lines[0].starts_with("*+receipt 1 seq=1 "), "{lines:?}");
}

#[test]
fn status_and_listings_are_rows() {
    let mut bench = Bench::up_machine(&NAMES);
    bench.surface.rows[1].records = 3.into();
    bench.publish();
    let lines = bench.ask("status");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(
        lines[1],
        "=archive name=finance kind=archive state=active target=active moving=no since_ms=0 volume=ready records=3 \
         documents=0 bytes=0 free=0 left=0 refused=0 check=none checked_ms=0 checked_records=0 verifying=no audit=none \
         verdict=none verified_ms=0 findings=0 flags=0"
    );
    assert!(lines[2].starts_with("=archive name=audit kind=audit "));
    assert_eq!(
        lines[3],
        "+status archives=2 uptime_ms=0 time=0 age_ms=0 durable=yes read_only=no in_service=yes settled=yes \
         restored=yes degraded=none flags=0 hidden=0 unrecorded=0"
    );

    put(&mut bench, "finance", "\"a \\\"b\\\"\"", b"xyz");
    let lines = bench.ask("ls finance 1 5");
    let hash = Hex(&hash::content(b"xyz")).to_string();
    assert_eq!(
        lines,
        [
            format!("=record seq=1 kind=document time=1709251200000 size=3 hash={hash} name=\"a \\\"b\\\"\""),
            "+ls records=2".to_string()
        ]
    );
    let lines = bench.ask("get finance 9");
    assert!(lines[0].starts_with("-not-found archive finance has 2 records"), "{lines:?}");
    let lines = bench.ask("get finance 0");
    assert!(lines[0].starts_with("-not-a-document "), "{lines:?}");
}

#[test]
fn a_listing_names_what_is_damaged_and_goes_on() {
    let mut bench = Bench::up_machine(&NAMES);
    let gap = |bench: &mut Bench, sequence: u64, count: u64| {
        let mut gap = reply(Answer::Gap, 1);
        (gap.value, gap.extra) = (sequence.into(), count.into());
        bench.archives[1].answer(gap, &[]);
    };
    bench.archives[1].hung = true;
    bench.send("ls finance");
    gap(&mut bench, 3, 1);
    gap(&mut bench, 5, 3);
    gap(&mut bench, 9, 0);
    let mut end = reply(Answer::Failed, 1);
    end.code = Failure::Damaged as u8;
    bench.archives[1].answer(end, &[]);
    bench.notify_from(1);
    let lines = bench.lines();
    assert_eq!(lines[..3], ["=damaged seq=3 last=3", "=damaged seq=5 last=7", "=damaged seq=9"]);
    assert!(
        lines[3].starts_with("-damaged some records of archive finance are damaged, what is whole is listed;")
    );
}
