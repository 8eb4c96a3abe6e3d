//! Hostile strings on the line: in names, in contents, and in what is typed.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use totebox_console_protocol::control;
use totebox_console_protocol::words::{Quoted, split};
use totebox_shown::testing::{hostile_texts, unprintable};

use crate::testing::{Bench, Document};

/// The name a row ends in.
fn name_of(row: &str) -> Vec<u8> {
    let (_, quoted) = row.split_once(" name=").unwrap();
    let mut buffer = vec![0; quoted.len()];
    split(quoted.as_bytes(), &mut buffer).unwrap()[0].into()
}

#[test]
fn hostile_names_are_shown_harmless_and_come_back_whole() {
    for name in hostile_texts() {
        let mut bench = Bench::up_machine(&["contracts"]);
        let lines = bench.ask(&format!("put contracts {} 0", Quoted(name.as_bytes())));
        assert!(lines[0].starts_with("+ready "), "{lines:?}");
        let receipt = bench.ask("@0");
        assert!(receipt.iter().any(|line| line.starts_with("+receipt ")), "{receipt:?}");
        assert_eq!(bench.archives[0].documents[0].name, name);
        let (listing, document) = (bench.ask("ls contracts"), bench.ask("get contracts 1"));
        for line in listing.iter().chain(&document) {
            assert_eq!(unprintable(line), None, "{name:?}");
        }
        assert_eq!(name_of(&listing[1]), name.as_bytes());
        assert_eq!(name_of(&document[0]), name.as_bytes());
        bench.bytes(b"\x03");
        bench.output();
        for command in ["ls contracts", "get contracts 1"] {
            let shown = bench.type_line(command);
            assert_eq!(unprintable(&shown), None, "{command}: {name:?}");
        }
    }
}

#[test]
fn what_is_typed_is_not_obeyed_by_the_terminal() {
    let mut bench = Bench::up(&["contracts"]);
    for name in hostile_texts() {
        let typed = format!("get {name}");
        let shown = bench.type_line(&typed);
        assert_eq!(unprintable(&shown.replace("\x08 \x08", "").replace('\x07', "")), None, "{name:?}");
    }
    // Bytes that are no text at all, and a character that comes in pieces.
    bench.bytes(b"\x9b31m \xc3");
    assert_eq!(bench.output(), "?31m ");
    bench.bytes(b"\xbc\xe2\x80");
    bench.bytes(b"\xae\xff\xc3x");
    assert_eq!(bench.output(), "ü???x");
    bench.bytes(b"\r");
    bench.output();
    // What was typed is shown again behind news, as it was.
    bench.bytes("st\u{202e}ü".as_bytes());
    assert_eq!(bench.output(), "st?ü");
    bench.surface.rows[0].flags = 1.into();
    bench.surface.rows[0].state = totebox_protocol::page::ArchiveState::Failed as u8;
    bench.publish();
    assert_eq!(bench.output(), "\r\n*archive contracts is failed\r\ntotebox> st?ü");
    // Taking a character back takes its one column back.
    bench.bytes(b"\x7f\x7f\x7f\x7f\x7f");
    assert_eq!(bench.output(), "\x08 \x08".repeat(4));
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
        let mut bench = Bench::up(&["contracts"]);
        bench.archives[0].documents.push(Document { name: "x".into(), content: content.into() });
        let shown = bench.type_line("get contracts 1");
        assert!(shown.contains("\r\n@"), "{content:?}: {shown:?}");
        assert_eq!(unprintable(&shown), None, "{content:?}");
    }
    let mut bench = Bench::up(&["contracts"]);
    let long = format!("{}\r\nend\tü\u{a0}漢\r\n", "x".repeat(4095));
    for (index, text) in ["one\r\ntwo\n", &long].into_iter().enumerate() {
        bench.archives[0].documents.push(Document { name: "x".into(), content: text.into() });
        let shown = bench.type_line(&format!("get contracts {}", index + 1));
        assert!(shown.contains(&text.replace("\r\n", "\n").replace('\n', "\r\n")), "{shown:?}");
    }
}
