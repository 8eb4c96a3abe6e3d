//! A person is cut off in the middle of something, and types on: no line of it is a command, and what became of it is
//! told.

use alloc::format;
use alloc::string::{String, ToString};

use ledger_fmt::verify::FindingKind;
use totebox_protocol::audit::Verdict;
use totebox_protocol::flag::FlagKind;
use totebox_protocol::intake::Op;
use totebox_protocol::operator::{Completion, Refusal};
use totebox_protocol::page::ArchiveState;

use crate::testing::Harness;

pub const NAMES: [&str; 2] = ["one", "two"];

pub const SKIPPING: &str = "*what is typed now is skipped, up to a line with a single . or to Ctrl-C\r\n";

/// The line goes to a client, which speaks with the console, and comes back.
pub fn takeover(harness: &mut Harness, back: &[u8]) -> String {
    harness.bytes(b"\x0e\x03");
    harness.bytes(b"\x03\nmachine 7\n");
    let output = harness.output();
    assert!(output.contains("+machine totebox/1 7 #"), "{output:?}");
    assert!(harness.ask("status").last().unwrap().starts_with("+status "));
    harness.bytes(back);
    let output = harness.output();
    output.rsplit_once('\x0f').expect("the console answers that the line is back").1.to_string()
}

/// The same by a program that shares the bare line with a person.
pub fn handshake(harness: &mut Harness) -> String {
    harness.bytes(b"\x03\nmachine 7\n");
    harness.bytes(b"\x03\nmachine 8\n");
    let output = harness.output();
    assert!(output.contains("+machine totebox/1 8 #"), "{output:?}");
    assert!(harness.ask("status").last().unwrap().starts_with("+status "));
    harness.bytes(b"\x03");
    harness.output()
}

/// Commands were carried out: an order came to the orchestrator, or an archive was asked for something.
pub fn commanded(harness: &Harness) -> bool {
    let asked = |op: &Op| matches!(op, Op::Get | Op::List);
    !harness.peer.orders.is_empty() || harness.archives.iter().any(|archive| archive.seen.iter().any(asked))
}

#[test]
fn text_that_a_client_cut_off_is_not_taken_for_commands() {
    for by_handshake in [false, true] {
        let mut harness = Harness::up(&NAMES);
        harness.type_line("put one \"x\"");
        harness.type_line("a line of text");
        let shown = match by_handshake {
            true => handshake(&mut harness),
            false => takeover(&mut harness, b"\x0f"),
        };
        assert_eq!(
            shown.trim_start_matches("\r\n"),
            format!(
                "*another had the line; this became of submission 1:\r\n\
                 *-cancelled:1 given up; nothing was committed\r\n{SKIPPING}"
            )
        );
        for line in ["archive one final", "", "ls one", "put two y", "machine", "person"] {
            harness.type_line(line);
        }
        assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
        assert!(!commanded(&harness));
        assert!(harness.archives.iter().all(|archive| archive.documents.is_empty()));
        assert!(harness.type_line("ls one").contains("+ls records=1"));
    }
}

#[test]
fn a_takeover_is_seen_however_its_bytes_arrive() {
    for bytes in [&b"\x0e\x03\x03\nmachine 1\n\x0f"[..], b"\x03\nmachine 1\n\x03"] {
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut harness = Harness::up(&NAMES);
                harness.type_line("put one \"x\"");
                harness.bytes(b"half a ");
                harness.bytes(&bytes[..first]);
                harness.bytes(&bytes[first..second]);
                harness.bytes(&bytes[second..]);
                let shown = harness.output();
                assert!(shown.ends_with(SKIPPING), "{first}, {second}: {shown:?}");
                harness.type_line("line");
                harness.type_line("archive one final");
                assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
                assert!(!commanded(&harness), "{first}, {second}");
            }
        }
    }
}

#[test]
fn ctrl_c_says_that_the_person_has_seen_it() {
    for by_handshake in [false, true] {
        let mut harness = Harness::up(&NAMES);
        harness.type_line("put one \"x\"");
        match by_handshake {
            true => handshake(&mut harness),
            false => takeover(&mut harness, b"\x0f"),
        };
        assert_eq!(harness.type_line("status"), "status\r\n");
        harness.bytes(b"\x03");
        assert_eq!(harness.output(), "-cancelled the rest of the text is not awaited\r\ntotebox> ");
        assert!(harness.type_line("status").contains("+status "));
        // Ctrl-C that came while the client had the line, with what was typed behind it.
        harness.type_line("put one \"x\"");
        if !by_handshake {
            let shown = takeover(&mut harness, b"\x0f\x03status\r");
            assert!(shown.contains("*-cancelled:2 ") && shown.contains("+status "), "{shown}");
        }
    }
}

#[test]
fn a_second_takeover_changes_nothing() {
    for handshakes in [0b00, 0b01, 0b10, 0b11] {
        let mut harness = Harness::up(&NAMES);
        harness.type_line("put one \"x\"");
        for turn in 0..2 {
            let shown = match handshakes >> turn & 1 {
                1 => handshake(&mut harness),
                _ => takeover(&mut harness, b"\x0f"),
            };
            assert!(shown.ends_with(SKIPPING), "{shown:?}");
            harness.type_line("archive one final");
        }
        assert!(!commanded(&harness));
        assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
        assert!(harness.type_line("status").contains("+status "));
    }
}

#[test]
fn the_rest_of_a_line_is_no_line() {
    for by_handshake in [false, true] {
        let over = |harness: &mut Harness| match by_handshake {
            true => handshake(harness),
            false => takeover(harness, b"\x0f"),
        };
        // Of a command.
        let mut harness = Harness::up(&NAMES);
        harness.bytes(b"help ");
        assert!(over(&mut harness).ends_with(SKIPPING));
        assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
        assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
        // Of a text: 3. is no single point.
        harness.type_line("put one \"x\"");
        harness.bytes(b"3");
        over(&mut harness);
        assert_eq!(harness.type_line("."), ".\r\n");
        assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
        assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
        assert!(!commanded(&harness));
    }
}

#[test]
fn keys_that_were_lost_meanwhile_may_have_been_anything() {
    let mut harness = Harness::up(&NAMES);
    // Nothing was under way, and then `put` may have been typed blindly.
    assert_eq!(takeover(&mut harness, b"\x19"), format!("{SKIPPING}"));
    assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
    takeover(&mut harness, b"\x18");
    assert_eq!(harness.type_line("."), ".\r\n", "it may be the end of a longer line");
    assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
    assert!(!commanded(&harness));
    // Nothing was typed: the prompt is there at once.
    assert_eq!(takeover(&mut harness, b"\x0f"), "totebox> ");
    assert!(harness.type_line("status").contains("+status "));
}

#[test]
fn what_was_sent_ahead_and_not_taken_up_counts_as_begun() {
    let mut harness = Harness::up(&NAMES);
    harness.archives[0].hung = true;
    harness.type_line("ls one");
    harness.bytes(b"put two x\rarchive one ");
    takeover(&mut harness, b"\x0f");
    harness.revive(0);
    harness.output();
    assert_eq!(harness.type_line("final"), "final\r\n");
    assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
    assert!(harness.peer.orders.is_empty());
}

#[test]
fn a_takeover_and_its_end_may_come_in_one_piece() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put one x");
    harness.bytes(b"text\r\x0e\x03\x03\nmachine 5\nput two y 3 #\n\x0f");
    let shown = harness.output();
    assert!(shown.rsplit_once('\x0f').unwrap().1.ends_with(SKIPPING), "{shown:?}");
    assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
    assert!(!commanded(&harness) && harness.archives[0].documents.is_empty());
}

#[test]
fn a_handshake_and_its_end_may_come_in_one_piece() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put one x");
    harness.bytes(b"text\r\x03\nmachine 5\n\x03");
    assert!(harness.output().ends_with(SKIPPING));
    assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
    // Another program, and a break on the line.
    harness.bytes(b"\x03\nmachine 6\n");
    assert!(harness.output().contains("+machine totebox/1 6 #"));
    harness.line.borrow_mut().hung_up = true;
    harness.bytes(b"");
    assert!(harness.output().ends_with(SKIPPING));
    assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
    assert!(!commanded(&harness));
}

#[test]
fn text_that_was_refused_before_is_skipped_behind_the_takeover_too() {
    for by_handshake in [false, true] {
        let mut harness = Harness::up(&NAMES);
        harness.archives[0].refuses_at = Some(5);
        harness.type_line("put one note");
        assert!(harness.type_line("12345").ends_with(SKIPPING));
        match by_handshake {
            true => handshake(&mut harness),
            false => takeover(&mut harness, b"\x0f"),
        };
        assert_eq!(harness.type_line("archive one final"), "archive one final\r\n");
        assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
        assert!(!commanded(&harness));
    }
}

#[test]
fn a_person_who_waited_for_a_receipt_is_told() {
    for by_handshake in [false, true] {
        let mut harness = Harness::up(&NAMES);
        harness.archives[0].holds_receipts = true;
        harness.type_line("put one x");
        harness.type_line("text");
        harness.type_line(".");
        let shown = match by_handshake {
            true => handshake(&mut harness),
            false => takeover(&mut harness, b"\x0f"),
        };
        assert!(shown.ends_with("submission 1:\r\n*+pending 1\r\ntotebox> "), "{shown:?}");
        harness.revive(0);
        assert!(harness.output().contains("*+receipt 1 seq=1 "));

        // It comes while the client has the line.
        harness.archives[0].holds_receipts = true;
        harness.type_line("put one x");
        harness.type_line(".");
        if !by_handshake {
            harness.bytes(b"\x0e\x03\x03\nmachine\n");
            harness.revive(0);
            harness.output();
            harness.bytes(b"\x0f");
            let shown = harness.output();
            assert!(shown.contains("submission 2:\r\n*+receipt 2 seq=2 size=0 "), "{shown:?}");
            assert!(shown.ends_with("\r\ntotebox> "), "{shown:?}");
        }
    }
}

#[test]
fn a_client_is_not_bothered_with_what_the_terminal_owes() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put one x");
    harness.bytes(b"\x0e");
    // Whoever has the line now begins with Ctrl-C.
    assert!(harness.output().ends_with("-cancelled:1 given up; nothing was committed\r\n"));
    harness.bytes(b"archive one final\r.\r");
    harness.bytes(b"\x03");
    assert!(harness.output().ends_with("totebox> "));
    assert!(harness.type_line("ls two").contains("+ls records=1"), "a person at the socket has a prompt");
    // A client's own text, from which the next client cuts it off, is no concern of the terminal's.
    harness.type_line("put two y");
    harness.bytes(b"\x0f");
    let shown = harness.output();
    assert!(shown.contains("submission 1:\r\n") && shown.ends_with(SKIPPING), "{shown:?}");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
    harness.bytes(b"\x0e\x03");
    harness.type_line("put two y");
    harness.bytes(b"\x0f");
    let shown = harness.output();
    assert!(shown.ends_with("\x0ftotebox> "), "{shown:?}");
    assert!(harness.peer.orders.is_empty());
}

#[test]
fn flags_that_a_client_was_told_of_are_told_to_the_terminal_too() {
    for (count, told) in
        [(1, "*meanwhile a flag was raised; flags shows it"), (2, "*meanwhile 2 flags were raised;")]
    {
        let mut harness = Harness::up(&NAMES);
        harness.bytes(b"\x0e\x03\x03\nmachine 7\n");
        for flag in 0..count {
            harness.raise(7 + flag, FlagKind::Finding(FindingKind::Asset), 1);
        }
        harness.publish();
        assert!(harness.output().contains("*flag 7 two "));
        harness.bytes(b"\x0f");
        let shown = harness.output();
        assert!(shown.split_once('\x0f').unwrap().1.starts_with(told), "{shown:?}");
        assert!(shown.ends_with("totebox> "), "{shown:?}");
        assert_eq!(takeover(&mut harness, b"\x0f"), "totebox> ", "once");
    }
}

#[test]
fn the_end_of_the_input_is_answered_once_everything_before_it_was() {
    let mut harness = Harness::up(&NAMES);
    harness.archives[0].holds_receipts = true;
    harness.bytes(b"put one note\rtext\r.\r\x04");
    assert!(!harness.output().contains(['\x06', '\x15']));
    harness.revive(0);
    let shown = harness.output();
    let (before, after) = shown.split_once('\x06').unwrap();
    assert!(before.contains("+receipt 1 seq=1 ") && after.is_empty(), "{shown:?}");
    // Something is refused, and a text is left open: it is not committed.
    harness.bytes(b"get one 9\r\n\x04");
    assert!(harness.output().contains('\x15'));
    for open in ["put one note\rtext\r", "put one note 9\r@0 YWJj #e7ac20de\r", "put nowhere note\rtext\r"] {
        harness.bytes(format!("{open}\r\x04").as_bytes());
        let shown = harness.output();
        assert!(shown.contains(SKIPPING) && shown.ends_with('\x15'), "{shown:?}");
        harness.bytes(b"archive two final\r");
        harness.bytes(b"\x03");
        harness.output();
    }
    assert_eq!(harness.archives[0].documents.len(), 1);
    assert!(harness.peer.orders.is_empty());
    // Within a line it is nothing.
    harness.bytes(b"stat\x04us\r");
    assert!(harness.output().contains("+status "));
    // A program's mode makes no difference.
    harness.bytes(b"\x04machine\r\x04");
    let shown = harness.output();
    let (before, after) = shown.split_once('\x15').expect("Ctrl-C left the last text open");
    assert!(before.is_empty() && after.ends_with('\x06'), "{shown:?}");
}

#[test]
fn a_person_whose_command_was_not_ended_is_told_that_it_was_not_carried_out() {
    const UNTAKEN: &str = "*another had the line; what was typed before and not taken up was not carried out\r\n";
    for by_handshake in [false, true] {
        let over = |harness: &mut Harness| match by_handshake {
            true => handshake(harness),
            false => takeover(harness, b"\x0f"),
        };
        let mut harness = Harness::up(&NAMES);
        harness.bytes(b"archive one ");
        let shown = over(&mut harness);
        assert_eq!(shown.trim_start_matches("\r\n"), format!("{UNTAKEN}{SKIPPING}"));
        harness.bytes(b"\x03");
        harness.output();
        // Whole lines, whose turn had not come.
        harness.archives[0].hung = true;
        harness.type_line("ls one");
        harness.bytes(b"archive one final\r");
        let shown = over(&mut harness);
        assert!(shown.contains("this became of ls one:\r\n*-cancelled its answer was cut off"), "{shown:?}");
        assert!(shown.ends_with(&format!("{UNTAKEN}{SKIPPING}")), "{shown:?}");
        assert!(harness.peer.orders.is_empty());
        // Nothing was typed, and the rest of a text is no command.
        let mut harness = Harness::up(&NAMES);
        assert!(!over(&mut harness).contains("not carried out"));
        harness.type_line("put one \"x\"");
        harness.bytes(b"half a line");
        assert!(!over(&mut harness).contains("not carried out"));
    }
}

/// What a person is told who was cut off from an order; `answered` and `meanwhile` happen while the other has the line.
fn told_of_an_order(
    command: &str,
    answered: Option<Result<u32, Refusal>>,
    meanwhile: impl Fn(&mut Harness),
) -> String {
    let mut harness = Harness::up(&NAMES);
    harness.raise(7, FlagKind::Finding(FindingKind::Asset), 1);
    harness.publish();
    harness.output();
    harness.type_line(command);
    harness.bytes(b"\x0e\x03\x03\nmachine 7\n");
    if let Some(outcome) = answered {
        harness.answer_order(outcome);
        harness.revive_orchestrator();
    }
    meanwhile(&mut harness);
    harness.publish();
    harness.output();
    harness.bytes(b"\x0f");
    let shown = harness.output();
    let (_, told) = shown.rsplit_once('\x0f').expect("the console answers that the line is back");
    told.strip_suffix("totebox> ").expect("nothing is skipped").to_string()
}

#[test]
fn a_person_who_was_cut_off_from_an_order_is_told_what_became_of_it() {
    let accepted = Some(Ok(9));
    let complete = |state, completion| move |harness: &mut Harness| harness.complete(1, 9, state, completion);
    let head = |command| format!("*another had the line; this became of {command}:\r\n");
    let suspended = complete(ArchiveState::Suspended, Completion::Done);
    assert_eq!(
        told_of_an_order("suspend two", accepted, suspended),
        format!("{}*+suspend two is suspended\r\n", head("suspend two"))
    );
    let stopped = complete(ArchiveState::Suspended, Completion::Stopped);
    let shown = told_of_an_order("suspend two", accepted, stopped);
    assert!(shown.starts_with(&format!("{}*-stopped two is suspended: ", head("suspend two"))), "{shown}");
    // It goes on, it was not answered, it was refused.
    let shown = told_of_an_order("suspend two", accepted, |harness| {
        harness.status_page.rows[1].moving = 1;
    });
    assert!(
        shown.ends_with("*-cancelled no longer waiting; the change goes on; status shows how it ends\r\n"),
        "{shown}"
    );
    let shown = told_of_an_order("archive two final", None, |_| ());
    assert!(shown.contains("*-cancelled no longer waiting; it may still be carried out"), "{shown}");
    let shown = told_of_an_order("resume two", Some(Err(Refusal::AlreadyThere)), |_| ());
    assert_eq!(
        shown,
        format!("{}*-already-there two is already active; nothing was changed\r\n", head("resume two"))
    );
    // Whoever had the line gave another order for the archive.
    let shown = told_of_an_order("suspend two", accepted, |harness| {
        harness.complete(1, 10, ArchiveState::Active, Completion::Done);
    });
    assert!(shown.ends_with("; history shows what it led to\r\n"), "{shown}");

    let shown = told_of_an_order("ack 7 seen", accepted, |harness| harness.acknowledge(7, 9, true));
    assert_eq!(shown, format!("{}*+ack flag 7 is acknowledged\r\n", head("ack 7")));
    let shown = told_of_an_order("ack 7 seen", accepted, |harness| harness.acknowledge(7, 9, false));
    assert!(shown.contains("*-not-recorded flag 7 stays open"), "{shown}");

    let verify = |volumes: core::ops::Range<usize>| {
        move |harness: &mut Harness| {
            for row in &mut harness.status_page.rows[volumes.clone()] {
                (row.verify_tag, row.verdict) = (9.into(), Verdict::Clean as u8);
            }
        }
    };
    let shown = told_of_an_order("audit", accepted, verify(0..3));
    assert!(shown.starts_with(&head("audit")) && shown.ends_with("*+audit clean volumes=3\r\n"), "{shown}");
    let shown = told_of_an_order("audit two", accepted, verify(1..2));
    assert!(shown.starts_with(&head("audit two")) && shown.ends_with("*+audit clean volumes=1\r\n"), "{shown}");
    let shown = told_of_an_order("audit", accepted, verify(0..1));
    assert!(shown.contains("*-cancelled no longer waiting; the auditor goes on"), "{shown}");

    for answered in [None, accepted] {
        let shown = told_of_an_order("history", answered, |_| ());
        assert_eq!(shown, format!("{}*-cancelled its answer was cut off; ask again\r\n", head("history")));
    }
}

#[test]
fn what_became_of_an_order_is_told_behind_a_handshake_and_not_to_who_gave_it_up() {
    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Ok(9));
    harness.type_line("suspend two");
    harness.bytes(b"\x03\nmachine 7\n");
    harness.complete(1, 9, ArchiveState::Suspended, Completion::Done);
    harness.publish();
    harness.output();
    harness.bytes(b"\x03");
    let shown = harness.output();
    assert!(shown.contains("this became of suspend two:\r\n*+suspend two is suspended\r\n"), "{shown:?}");
    // Ctrl-C is the person's own.
    harness.type_line("archive two final");
    harness.bytes(b"\x03");
    let shown = harness.output();
    assert!(shown.contains("-cancelled ") && !shown.contains("another had the line"), "{shown:?}");
    assert!(!harness.type_line("status").contains("another had the line"));
}
