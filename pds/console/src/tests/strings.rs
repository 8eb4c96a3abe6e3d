//! Hostile strings on the line: in names, in contents, and in what is typed.

use alloc::vec::Vec;
use alloc::{format, vec};

use totebox_console_protocol::control;
use totebox_console_protocol::words::{Quoted, split};
use totebox_shown::testing::{hostile_texts, unprintable};

use crate::testing::{Document, Harness};

/// The name a row ends in.
fn name_of(row: &str) -> Vec<u8> {
    let (_, quoted) = row.split_once(" name=").unwrap();
    let mut buffer = vec![0; quoted.len()];
    split(quoted.as_bytes(), &mut buffer).unwrap()[0].into()
}

#[test]
fn hostile_names_are_shown_harmless_and_come_back_whole() {
    for name in hostile_texts() {
        let mut harness = Harness::up_machine(&["contracts"]);
        let lines = harness.ask(&format!("put contracts {} 0", Quoted(name.as_bytes())));
        assert!(lines[0].starts_with("+ready "), "{lines:?}");
        let receipt = harness.ask("@0");
        assert!(receipt.iter().any(|line| line.starts_with("+receipt ")), "{receipt:?}");
        assert_eq!(harness.archives[0].documents[0].name, name);
        let (listing, document) = (harness.ask("ls contracts"), harness.ask("get contracts 1"));
        for line in listing.iter().chain(&document) {
            assert_eq!(unprintable(line), None, "{name:?}");
        }
        assert_eq!(name_of(&listing[1]), name.as_bytes());
        assert_eq!(name_of(&document[0]), name.as_bytes());
        harness.bytes(b"\x03");
        harness.output();
        for command in ["ls contracts", "get contracts 1"] {
            let shown = harness.type_line(command);
            assert_eq!(unprintable(&shown), None, "{command}: {name:?}");
        }
    }
}

#[test]
fn what_is_typed_is_not_obeyed_by_the_terminal() {
    let mut harness = Harness::up(&["contracts"]);
    for name in hostile_texts() {
        let typed = format!("get {name}");
        let shown = harness.type_line(&typed);
        assert_eq!(unprintable(&shown.replace("\x08 \x08", "").replace('\x07', "")), None, "{name:?}");
    }
    // Bytes that are no text at all, and a character that comes in pieces.
    harness.bytes(b"\x9b31m \xc3");
    assert_eq!(harness.output(), "?31m ");
    harness.bytes(b"\xbc\xe2\x80");
    harness.bytes(b"\xae\xff\xc3x");
    assert_eq!(harness.output(), "ü???x");
    harness.bytes(b"\r");
    harness.output();
    // What was typed is shown again behind news, as it was.
    harness.bytes("st\u{202e}ü".as_bytes());
    assert_eq!(harness.output(), "st?ü");
    harness.status_page.rows[0].flags = 1.into();
    harness.status_page.rows[0].state = totebox_protocol::page::ArchiveState::Failed as u8;
    harness.publish();
    assert_eq!(harness.output(), "\r\n*archive contracts is failed\r\ntotebox> st?ü");
    // Taking a character back takes its one column back.
    harness.bytes(b"\x7f\x7f\x7f\x7f\x7f");
    assert_eq!(harness.output(), "\x08 \x08".repeat(4));
}

#[test]
fn content_that_a_terminal_obeys_is_no_text() {
    let obeyed: [&[u8]; 15] = [
        b"\x1b]0;title\x07",
        "\u{9b}31m".as_bytes(),
        "invoice\u{202e}fdp.exe".as_bytes(),
        "a\u{2028}b".as_bytes(),
        "a\u{200b}b".as_bytes(),
        b"good\rbad",
        b"good\r",
        b"a\x08b",
        // Bytes between the console and whoever shares its line out.
        &[control::INTERRUPT],
        &[control::END],
        &[control::DONE],
        &[control::NOT_DONE],
        &[control::BACK],
        &[control::BACK_LINES_LOST],
        &[control::BACK_WITHIN_LINE],
    ];
    for content in obeyed {
        let mut harness = Harness::up(&["contracts"]);
        harness.archives[0].documents.push(Document { name: "x".into(), content: content.into() });
        let shown = harness.type_line("get contracts 1");
        assert!(shown.contains("\r\n@"), "{content:?}: {shown:?}");
        assert_eq!(unprintable(&shown), None, "{content:?}");
    }
    let mut harness = Harness::up(&["contracts"]);
    let long = format!("{}\r\nend\tü\u{a0}漢\r\n", "x".repeat(4095));
    for (index, text) in ["one\r\ntwo\n", &long].into_iter().enumerate() {
        harness.archives[0].documents.push(Document { name: "x".into(), content: text.into() });
        let shown = harness.type_line(&format!("get contracts {}", index + 1));
        assert!(shown.contains(&text.replace("\r\n", "\n").replace('\n', "\r\n")), "{shown:?}");
    }
}
