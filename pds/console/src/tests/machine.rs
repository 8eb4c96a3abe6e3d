//! A program at the other end.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::hash;
use totebox_console_protocol::data::{CONTENT_MAX, Content, LINE_MAX, WINDOW, decode};
use totebox_console_protocol::text::Hex;
use totebox_protocol::intake::{Answer, Failure};

use crate::testing::{Document, Harness, reply};

const NAMES: [&str; 2] = ["contracts", "finance"];

fn data(offset: u64, bytes: &[u8]) -> String {
    format!("{}", Content { offset, bytes })
}

/// Sends a whole document; returns every line that led to.
fn put(harness: &mut Harness, archive: &str, name: &str, content: &[u8]) -> Vec<String> {
    let hash = hash::content_blake3(content);
    let mut lines = harness.ask(&format!("put {archive} {name} {} {}", content.len(), Hex(&hash)));
    assert!(lines[0].starts_with("+ready "), "{lines:?}");
    if content.is_empty() {
        lines.extend(harness.ask("@0"));
    }
    for (index, part) in content.chunks(CONTENT_MAX).enumerate() {
        lines.extend(harness.ask(&data((index * CONTENT_MAX) as u64, part)));
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
fn help_is_rows_too() {
    let mut harness = Harness::up_machine(&NAMES);
    for command in crate::commands::COMMANDS {
        let lines = harness.ask(&format!("help {}", command.name));
        let (end, rows) = lines.split_last().unwrap();
        assert!(end == "+help" && rows.len() == 1 + command.details.len(), "{lines:?}");
        assert!(rows.iter().all(|row| row.starts_with("=help text=\"") && row != "=help text=\"\""), "{rows:?}");
    }
    assert_eq!(harness.ask("help").len(), crate::commands::COMMANDS.len() + 1);
}

#[test]
fn documents_of_any_size_come_back_byte_for_byte() {
    let mut harness = Harness::up_machine(&NAMES);
    for (index, len) in [0, 1, 2999, 3000, 3001, 4096, 100_000].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..len).map(|i: usize| ((i * i) >> 3) as u8).collect();
        let lines = put(&mut harness, "finance", "x", &bytes);
        let receipt = lines.last().unwrap();
        // Every request has a tag of its own, a `get` too.
        let (tag, hash) = (2 * index + 1, Hex(&hash::content_blake3(&bytes)).to_string());
        let expected = format!("+receipt {tag} seq={} size={len} hash={hash} ", index + 1);
        assert!(receipt.starts_with(&expected), "{receipt}");
        let lines = harness.ask(&format!("get finance {}", index + 1));
        assert!(lines[0].starts_with(&format!("=document seq={} size={len} ", index + 1)), "{}", lines[0]);
        assert_eq!(content(&lines, 0), bytes);
        assert_eq!(*lines.last().unwrap(), format!("+end size={len} hash={hash}"));
    }
    let lines = harness.ask("get finance 7 99990");
    assert_eq!(content(&lines, 99_990).len(), 10);
}

#[test]
fn receipts_come_when_they_come() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.archives[0].holds_receipts = true;
    assert_eq!(put(&mut harness, "contracts", "a", b"one"), ["+ready 1 8", "?3"]);
    assert_eq!(put(&mut harness, "contracts", "b", b"two"), ["+ready 2 8", "?3"]);
    assert_eq!(harness.ask("receipt 1"), ["+pending 1"]);
    let lines = put(&mut harness, "finance", "c", b"three");
    assert!(lines[2].starts_with("+receipt 3 seq=1 "), "{lines:?}");
    harness.revive(0);
    let lines = harness.lines();
    assert!(lines[0].starts_with("+receipt 1 seq=1 ") && lines[1].starts_with("+receipt 2 seq=2 "), "{lines:?}");
    assert_eq!(harness.ask("receipt 2"), [lines[1].clone()]);
    let lines = harness.ask("receipt 4");
    assert!(lines[0].starts_with("-not-found "), "{lines:?}");
}

#[test]
fn too_many_submissions_at_a_time_are_refused() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.archives[0].holds_receipts = true;
    for _ in 0..32 {
        put(&mut harness, "contracts", "a", b"x");
    }
    let lines = harness.ask("put contracts b 1");
    assert!(lines[0].starts_with("-busy "), "{lines:?}");
    harness.revive(0);
    assert_eq!(harness.lines().len(), 32);
    assert_eq!(put(&mut harness, "contracts", "b", b"x").len(), 3);
}

#[test]
fn damaged_lines_are_asked_for_again() {
    let mut harness = Harness::up_machine(&NAMES);
    assert_eq!(harness.ask("put finance x 9"), ["+ready 1 8"]);
    assert_eq!(harness.ask(&data(0, b"abc")), ["?3"]);
    harness.bytes(b"@3 ZGVm #00000000\n");
    assert_eq!(harness.lines(), ["?3 bad-crc"]);
    assert!(harness.ask(&data(6, b"ghi")).is_empty(), "what was on its way is not answered");
    assert_eq!(harness.ask(&data(3, b"def")), ["?6"]);
    assert_eq!(harness.ask(&data(3, b"def")), ["?6"], "what was taken is acknowledged again");
    assert_eq!(harness.ask(&data(8, b"i")), ["?6 bad-offset"]);
    assert!(harness.ask(&data(8, b"i")).is_empty());
    assert_eq!(harness.ask("@x"), ["?6 bad-line"]);
    assert_eq!(harness.ask("status"), ["?6 bad-line"]);
    harness.bytes(&[b'x'; LINE_MAX + 1]);
    harness.bytes(b"\r\n\r\n");
    assert_eq!(harness.lines(), ["?6 bad-crc"]);
    harness.bytes(b"@6 Z2hp\n");
    assert_eq!(harness.lines(), ["?6 bad-crc"]);
    let lines = harness.ask(&data(6, b"ghi"));
    assert_eq!(lines[0], "?9");
    assert!(lines[1].starts_with("+receipt 1 seq=1 size=9 "), "{lines:?}");
    assert_eq!(
        harness.archives[1].documents,
        [Document { name: "x".to_string(), content: b"abcdefghi".to_vec() }]
    );
}

#[test]
fn damaged_commands_do_nothing() {
    let mut harness = Harness::up_machine(&NAMES);
    for line in ["put finance x 3 #12345678\n", "status\n"] {
        harness.bytes(line.as_bytes());
        let lines = harness.lines();
        assert!(lines.len() == 1 && lines[0].starts_with("-bad-crc "), "{lines:?}");
    }
    let lines = harness.ask("put finance \"\\xff\" 3");
    assert!(lines[0].starts_with("-bad-argument a name must be UTF-8"), "{lines:?}");
    harness.bytes(&[b'x'; LINE_MAX + 1]);
    harness.bytes(b"\n");
    let lines = harness.lines();
    assert!(lines[0].starts_with("-line-too-long "), "{lines:?}");
    let lines = harness.ask("put finance x");
    assert!(lines[0].starts_with("-bad-argument usage: put ARCHIVE NAME SIZE"), "{lines:?}");
    assert!(harness.archives[1].seen.is_empty());
}

#[test]
fn a_refusal_names_the_submission_and_drops_its_lines() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.archives[0].refuses_at = Some(3);
    harness.ask("put contracts x 9");
    let lines = harness.ask(&data(0, b"abc"));
    assert_eq!(lines[0], "?3");
    assert!(lines[1].starts_with("-full:1 archive contracts has room for 77 bytes"), "{lines:?}");
    assert!(harness.ask(&data(3, b"def")).is_empty());
    harness.bytes(b"@6 damaged\n");
    assert!(harness.lines().is_empty());
    let lines = harness.ask("receipt 1");
    assert!(lines[0].starts_with("-full:1 "), "{lines:?}");

    let lines = harness.ask(&format!("put finance x 3 {}", Hex(&[1; 32])));
    assert_eq!(lines, ["+ready 2 8"]);
    let lines = harness.ask(&data(0, b"abc"));
    assert!(lines[1].starts_with("-wrong-hash:2 "), "{lines:?}");
    assert!(harness.archives[1].documents.is_empty());
}

#[test]
fn a_submission_can_be_given_up_and_cannot_be_overfilled() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.ask("put finance x 9");
    harness.ask(&data(0, b"abc"));
    assert_eq!(harness.ask("."), ["-cancelled:1 given up; nothing was committed"]);
    harness.ask("put finance x 2");
    let lines = harness.ask(&data(0, b"abc"));
    assert_eq!(lines, ["-wrong-size:2 more bytes arrived than were declared; nothing was committed"]);
    assert!(harness.archives[1].documents.is_empty());
    assert_eq!(put(&mut harness, "finance", "y", b"ok").len(), 3);
}

#[test]
fn a_whole_window_waits_for_a_slow_archive() {
    let mut harness = Harness::up_machine(&NAMES);
    let content: Vec<u8> = (0..40 * CONTENT_MAX).map(|i| i as u8).collect();
    harness.ask(&format!("put finance x {}", content.len()));
    harness.archives[1].hung = true;
    let lines: Vec<String> =
        content.chunks(CONTENT_MAX).enumerate().map(|(i, part)| data((i * CONTENT_MAX) as u64, part)).collect();
    let (mut sent, mut answered) = (0, 0);
    while answered < lines.len() {
        while sent < lines.len() && sent - answered < WINDOW {
            harness.send(&lines[sent]);
            sent += 1;
        }
        let answers = harness.lines();
        if answers.is_empty() {
            harness.revive(1);
            harness.archives[1].hung = true;
        }
        answered += answers.iter().filter(|line| line.starts_with('?')).count();
    }
    harness.revive(1);
    assert_eq!(harness.archives[1].documents[0].content, content);
}

#[test]
fn a_slow_line_loses_nothing() {
    let mut harness = Harness::up_machine(&NAMES);
    let bytes: Vec<u8> = (0..300_000usize).map(|i| ((i * 31) >> 2) as u8).collect();
    harness.archives[0].documents.push(Document { name: "x".to_string(), content: bytes.clone() });
    harness.line.borrow_mut().room = 0;
    harness.send("get contracts 1");
    let mut output = String::new();
    while !output.contains("+end") {
        harness.let_out(997);
        let more = harness.output();
        assert!(!more.is_empty(), "the console stopped at {} bytes", output.len());
        output.push_str(&more);
    }
    harness.let_out(1000);
    output.push_str(&harness.output());
    harness.line.borrow_mut().from_console = output.into_bytes();
    assert_eq!(content(&harness.lines(), 0), bytes);
}

#[test]
fn a_peer_can_take_over_what_another_left_half_done() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.archives[0].holds_receipts = true;
    put(&mut harness, "contracts", "a", b"one");
    harness.ask("put finance b 6");
    harness.send(&data(0, b"abc"));
    harness.bytes(b"@3 half a line");
    harness.bytes(b"\x03\nmachine\n");
    let output = harness.output();
    let (before, ours) = output.split_once("+machine totebox/1 0 #").unwrap();
    assert!(before.contains("-cancelled:2 given up"), "{before}");
    assert!(ours.ends_with("\r\n"));
    assert!(harness.archives[1].documents.is_empty());
    harness.revive(0);
    let lines = harness.lines();
    assert!(lines[0].starts_with("*+receipt 1 seq=1 "), "{lines:?}");
}

#[test]
fn status_and_listings_are_rows() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.status_page.rows[1].records = 3.into();
    harness.publish();
    let lines = harness.ask("status");
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

    put(&mut harness, "finance", "\"a \\\"b\\\"\"", b"xyz");
    let lines = harness.ask("ls finance 1 5");
    let hash = Hex(&hash::content_blake3(b"xyz")).to_string();
    assert_eq!(
        lines,
        [
            format!("=record seq=1 kind=document time=1709251200000 size=3 hash={hash} name=\"a \\\"b\\\"\""),
            "+ls records=2".to_string()
        ]
    );
    let lines = harness.ask("get finance 9");
    assert!(lines[0].starts_with("-not-found archive finance has 2 records"), "{lines:?}");
    let lines = harness.ask("get finance 0");
    assert!(lines[0].starts_with("-not-a-document "), "{lines:?}");
}

#[test]
fn a_listing_names_what_is_damaged_and_goes_on() {
    let mut harness = Harness::up_machine(&NAMES);
    let gap = |harness: &mut Harness, sequence: u64, count: u64| {
        let mut gap = reply(Answer::Gap, 1);
        (gap.value, gap.extra) = (sequence.into(), count.into());
        harness.archives[1].answer(gap, &[]);
    };
    harness.archives[1].hung = true;
    harness.send("ls finance");
    gap(&mut harness, 3, 1);
    gap(&mut harness, 5, 3);
    gap(&mut harness, 9, 0);
    let mut end = reply(Answer::Failed, 1);
    end.code = Failure::Damaged as u8;
    harness.archives[1].answer(end, &[]);
    harness.notify_from(1);
    let lines = harness.lines();
    assert_eq!(lines[..3], ["=damaged seq=3 last=3", "=damaged seq=5 last=7", "=damaged seq=9"]);
    assert!(
        lines[3].starts_with("-damaged some records of archive finance are damaged, what is whole is listed;")
    );
}
