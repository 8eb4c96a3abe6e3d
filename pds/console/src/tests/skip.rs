//! A text that nobody takes any more is skipped up to its end: no line of it is a command.

use alloc::format;
use alloc::vec::Vec;

use totebox_console_protocol::data::checksum;
use totebox_protocol::page::ArchiveState;
use totebox_testing::Random;

use super::takeover::{NAMES, SKIPPING, commanded, handshake, takeover};
use crate::testing::{Document, Harness};

#[test]
fn text_behind_a_put_that_is_refused_at_once_is_skipped() {
    let too_long = format!("put one {}", "x".repeat(5000));
    let puts = [
        "put one note",
        "put nowhere note",
        "put one Q3 report",
        "put one \"no end",
        "put one",
        "Put one note",
        "\"put\" nowhere note",
        "put one lease 2026",
        "put one lease 2026 final",
        "put nowhere lease 2026",
        " put one note #00000000",
        &too_long,
    ];
    for put in puts {
        let mut harness = Harness::up(&NAMES);
        harness.status_page.rows[0].state = ArchiveState::Suspended as u8;
        harness.publish();
        harness.output();
        // In one go, as a script or the clipboard has it.
        harness.bytes(format!("{put}\rarchive two final\r.\rls two\r").as_bytes());
        let shown = harness.output();
        assert!(shown.contains(SKIPPING) && harness.peer.orders.is_empty(), "{shown:.500}");
        assert!(shown.ends_with("+ls records=1\r\ntotebox> "), "{shown:.500}");
    }
    // As the archive itself says.
    for put in ["put one note", "put one lease 2026"] {
        let mut harness = Harness::up(&NAMES);
        harness.archives[0].refuses_puts = true;
        harness.bytes(format!("{put}\rarchive two final\r.\rls two\r").as_bytes());
        let shown = harness.output();
        assert!(shown.contains("-sealed:1 ") && shown.contains(SKIPPING) && shown.contains("+ls "), "{shown}");
        assert!(harness.peer.orders.is_empty());
    }
    // A program says that it is one, and goes on.
    let mut harness = Harness::up_machine(&NAMES);
    harness.archives[0].refuses_puts = true;
    for put in ["put one note 3", "put nowhere note 3"] {
        assert!(!harness.ask(put).iter().any(|line| line.starts_with('*')));
        assert_eq!(harness.ask("ls two").last().unwrap(), "+ls records=1");
    }
}

#[test]
fn a_put_with_a_size_can_be_left_by_a_person_who_meant_none() {
    let mut harness = Harness::up(&NAMES);
    let shown = harness.type_line("put one lease 2026");
    assert!(
        shown.contains("+ready 1 8 now 2026 bytes in data lines, ")
            && shown.contains("put the name in \"quotes\""),
        "{shown}"
    );
    assert_eq!(
        harness.type_line("archive two final"),
        "archive two final\r\n?0 bad-line this is no data line; a line with a single . gives the submission up\r\n",
        "what is typed is shown"
    );
    assert_eq!(harness.type_line("."), ".\r\n-cancelled:1 given up; nothing was committed\r\ntotebox> ");
    assert!(harness.peer.orders.is_empty() && harness.archives[0].documents.is_empty());
    // More than was declared: what follows is not known to be over.
    harness.type_line("put one lease 2");
    let shown = harness.type_line(&format!("@0 YWJj #{:08x}", checksum(b"@0 YWJj")));
    assert!(shown.contains("-wrong-size:2 ") && shown.ends_with(SKIPPING), "{shown}");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
}

#[test]
fn what_became_of_a_text_is_told_however_many_documents_a_client_has_put_since() {
    for by_handshake in [false, true] {
        let mut harness = Harness::up(&NAMES);
        harness.archives[0].holds_receipts = true;
        harness.type_line("put one \"x\"");
        harness.type_line("text");
        harness.type_line(".");
        harness.bytes(if by_handshake { b"\x03\nmachine 7\n" } else { b"\x0e\x03\x03\nmachine 7\n" });
        harness.revive(0);
        harness.output();
        for number in 0..300 {
            harness.send(&format!("put two d{number} 0"));
            let lines = harness.ask("@0");
            assert!(lines.iter().any(|line| line.starts_with("+receipt ")), "{lines:?}");
        }
        harness.bytes(if by_handshake { b"\x03" } else { b"\x0f" });
        let shown = harness.output();
        assert!(shown.contains("this became of submission 1:\r\n*+receipt 1 seq=1 size=5 "), "{shown:?}");
    }
}

#[test]
fn text_behind_an_archive_that_stops_is_skipped() {
    for hung in [false, true] {
        let mut harness = Harness::up(&NAMES);
        harness.archives[0].hung = hung;
        harness.bytes(b"put one note\rtext\r");
        harness.status_page.rows[0].state = ArchiveState::Faulted as u8;
        harness.publish();
        harness.bytes(b"archive two final\r.\rls two\r");
        let shown = harness.output();
        assert!(shown.contains(SKIPPING) && shown.ends_with("+ls records=1\r\ntotebox> "), "{shown}");
        assert!(harness.peer.orders.is_empty());
    }
}

#[test]
fn text_behind_a_line_that_is_too_long_is_skipped() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put one note");
    harness.bytes(&[b'x'; 5000]);
    harness.bytes(b"\rarchive two final\r");
    assert!(harness.output().contains(SKIPPING));
    harness.bytes(&[b'.'; 5000]);
    harness.bytes(b"\rarchive two final\r");
    assert_eq!(
        harness.type_line("."),
        [&".".repeat(4095), &"\x07".repeat(905)[..], "\r\narchive two final\r\n.\r\ntotebox> "].concat()
    );
    assert!(harness.peer.orders.is_empty());
}

#[test]
fn a_break_on_the_line_does_not_make_text_a_command() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put one note");
    harness.bytes(b"text\rhalf a line");
    harness.line.borrow_mut().hung_up = true;
    harness.bytes(b"");
    assert!(harness.output().ends_with(SKIPPING));
    harness.bytes(b"archive two final\rarchive one final\r");
    assert!(harness.peer.orders.is_empty());
    // A new peer begins with Ctrl-C.
    harness.bytes(b"\x03");
    harness.output();
    assert!(harness.type_line("ls two").contains("+ls records=1"));
}

#[test]
fn what_was_typed_before_the_first_prompt_is_no_command() {
    // The appliance has started anew while a person typed a text.
    for (early, late) in [("of text\rarchive two final\r", ""), ("arch", "ive two final\r")] {
        let mut harness = Harness::starting(&NAMES);
        harness.bytes(early.as_bytes());
        for row in &mut harness.status_page.rows[..3] {
            (row.state, row.volume_state) = (ArchiveState::Active as u8, 1);
        }
        (harness.status_page.settled, harness.status_page.restored, harness.status_page.durable) = (1, 1, 1);
        harness.publish();
        harness.bytes(late.as_bytes());
        let shown = harness.output();
        assert!(shown.contains(SKIPPING) && !shown.contains("totebox> "), "{shown:?}");
        assert_eq!(harness.type_line("archive two final"), "archive two final\r\n");
        assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
        assert!(harness.peer.orders.is_empty());
    }
}

/// Text, signals and trouble in any order: whatever is shown, no line of a text is carried out.
#[test]
fn no_line_of_a_text_is_ever_a_command() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut harness = Harness::up(&NAMES);
        harness.answer_order(Ok(9));
        harness.bytes(b"put one \"x\"\r");
        let mut hung = false;
        for _ in 0..30 {
            let line =
                ["archive one final\r", "ls two\r", "get two 0\n", "audit\r", "arch", "ive two final\r", "3"]
                    [random.below(7) as usize];
            harness.bytes(line.as_bytes());
            match random.below(8) {
                0 => {
                    takeover(&mut harness, [&b"\x0f"[..], b"\x18", b"\x19"][random.below(3) as usize]);
                }
                1 => {
                    handshake(&mut harness);
                }
                2 => harness.bytes(b"\x0e\x03ls\r\x0f"),
                3 if random.below(4) == 0 => {
                    harness.status_page.rows[0].state = ArchiveState::Faulted as u8;
                    harness.publish();
                }
                4 => harness.line.borrow_mut().hung_up = true,
                5 if !hung => (harness.archives[0].hung, hung) = (true, true),
                6 if hung => {
                    harness.revive(0);
                    hung = false;
                }
                _ => {}
            }
        }
        harness.revive(0);
        assert!(!commanded(&harness), "seed {seed}");
        let documents: Vec<&Document> = harness.archives.iter().flat_map(|archive| &archive.documents).collect();
        assert_eq!(documents, [] as [&Document; 0], "seed {seed}");
    }
}
