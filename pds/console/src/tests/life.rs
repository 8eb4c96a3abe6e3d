//! Who lives, as the console sees it: the orchestrator by its answers, the clock by its ticks.

use alloc::string::{String, ToString};

use totebox_protocol::page::degraded;

use crate::testing::Harness;

const NAMES: [&str; 2] = ["finance", "contracts"];

/// The value of a key in the last line.
fn value(lines: &[String], key: &str) -> String {
    let end = lines.last().expect("an answer");
    let value = end.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key} in {end}")).to_string()
}

#[test]
fn the_orchestrator_is_asked_once_a_second_and_answers() {
    let mut harness = Harness::up(&NAMES);
    let before = harness.peer.pings;
    harness.seconds(30);
    assert_eq!(harness.peer.pings - before, 30);
    assert_eq!(harness.output(), "", "which is no news");
}

#[test]
fn an_orchestrator_that_answers_nothing_is_told_shown_and_forgiven() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.seconds(2);
    harness.peer.hung = true;
    harness.seconds(15);
    assert_eq!(harness.lines(), [""; 0], "not yet");
    harness.seconds(2);
    let told = harness.lines();
    assert!(told[0].starts_with("*the orchestrator does not answer: "), "{told:?}");
    harness.seconds(133);
    let status = harness.ask("status");
    assert_eq!(value(&status, "degraded"), "orchestrator");
    assert!((145_000..=152_000).contains(&value(&status, "age_ms").parse::<u64>().unwrap()), "{status:?}");
    let flags = harness.ask("flags");
    assert!(
        flags[0].starts_with("-not-answering the orchestrator does not answer: there were no flags as of "),
        "{flags:?}"
    );
    let order = harness.ask("suspend finance");
    assert!(order[0].starts_with("-not-answering the orchestrator has not answered for "), "{order:?}");
    assert!(order[0].ends_with("; nothing was changed"), "{order:?}");

    harness.revive_orchestrator();
    assert_eq!(harness.lines(), ["*the orchestrator is working again"]);
    assert!(harness.peer.orders.is_empty(), "what was refused did not reach it");
    let status = harness.ask("status");
    assert_eq!((value(&status, "degraded"), value(&status, "age_ms")), ("none".into(), "0".into()));
}

#[test]
fn documents_go_on_without_the_orchestrator_and_while_an_order_waits_for_it() {
    let mut harness = Harness::up(&NAMES);
    harness.peer.hung = true;
    assert_eq!(harness.type_line("audit"), "audit\r\n", "it waits");
    harness.bytes(b"\x03");
    let output = harness.output();
    assert!(output.contains("-cancelled no longer waiting; it may still be carried out, see status"), "{output}");
    for _ in 0..40 {
        harness.seconds(1);
        harness.type_line("put finance note");
        harness.type_line("a line");
        let receipt = harness.type_line(".");
        assert!(receipt.contains("+receipt "), "{receipt}");
    }
    // Its queue is bounded, and full at some time: then it is said at once.
    let mut harness = Harness::up(&NAMES);
    harness.peer.hung = true;
    let full = (0..40).find(|_| {
        let shown = harness.type_line("audit");
        harness.bytes(b"\x03");
        harness.output();
        shown.contains("\r\n-not-answering ")
    });
    assert_eq!(full, Some(16));
}

#[test]
fn an_order_that_is_not_answered_ends_and_so_does_the_wait_for_what_it_leads_to() {
    let mut harness = Harness::up(&NAMES);
    harness.peer.hung = true;
    harness.type_line("suspend finance");
    harness.seconds(15);
    let output = harness.output();
    assert!(output.contains("-not-answering the orchestrator has not answered for "), "{output}");
    assert!(output.contains("; the order may still be carried out, see status\r\n"), "{output}");

    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Ok(9));
    harness.type_line("audit");
    harness.peer.hung = true;
    harness.seconds(17);
    let output = harness.output();
    assert!(output.contains("-not-answering the orchestrator has not answered for "), "{output}");
    assert!(output.ends_with("totebox> "), "{output}");
}

#[test]
fn a_status_asked_just_after_the_orchestrator_was_lost_waits_for_it_no_longer_than_the_limit() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.peer.hung = true;
    assert_eq!(harness.ask("status"), [""; 0], "the page may be old");
    harness.seconds(15);
    let lines = harness.lines();
    assert_eq!(value(&lines, "degraded"), "orchestrator", "{lines:?}");
}

#[test]
fn a_clock_that_stands_still_is_shown_though_nobody_is_woken_by_it() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.seconds(2);
    harness.ticks = false;
    harness.seconds(150);
    let status = harness.ask("status");
    assert_eq!(value(&status, "degraded"), "clock", "{status:?}");
    assert_eq!(value(&status, "age_ms"), "0", "the orchestrator brought it up to date");
    harness.ticks = true;
    harness.seconds(1);
    assert_eq!(harness.lines().last().unwrap(), "*the clock is working again");
}

#[test]
fn with_orchestrator_and_clock_lost_the_next_sign_of_the_operator_shows_it() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.seconds(2);
    (harness.ticks, harness.peer.hung) = (false, true);
    harness.seconds(150);
    harness.send("status");
    harness.seconds(15);
    harness.bytes(b"\n");
    let lines = harness.lines();
    assert_eq!(value(&lines, "degraded"), "clock,orchestrator", "{lines:?}");
}

#[test]
fn every_loss_has_a_name_of_its_own() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.status_page.degraded = degraded::VAULT | degraded::VAULT_SILENT | degraded::DISK | degraded::AUDITOR;
    harness.status_page.durable = 0;
    harness.publish();
    let told = harness.lines();
    assert!(told.contains(&"*the vault does not answer: nothing is committed or read".to_string()), "{told:?}");
    assert_eq!(value(&harness.ask("status"), "degraded"), "auditor,vault-broken,vault,disk");
    // What only the console can know is not believed of the page.
    harness.status_page.degraded = degraded::ORCHESTRATOR;
    harness.publish();
    harness.lines();
    assert_eq!(value(&harness.ask("status"), "degraded"), "none");
}

#[test]
fn an_orchestrator_whose_answers_cannot_be_is_cut_off() {
    use totebox_protocol::operator::{Op, Reply};
    use zerocopy::{FromZeros, IntoBytes};
    let spoils: [fn(&mut Reply); 4] =
        [|reply| reply.tag = 77.into(), |reply| reply.op = Op::Verify as u8, |reply| reply.outcome = 99, |_| ()];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut harness = Harness::up_machine(&NAMES);
        harness.peer.hung = true;
        harness.send("status");
        let mut reply = Reply::new_zeroed();
        (reply.op, reply.tag) = (Op::Ping as u8, 1.into());
        spoil(&mut reply);
        // The last case: one answer more than was asked for.
        for _ in 0..=u8::from(number == 3) {
            assert!(harness.peer.replies.send(reply.as_bytes(), &[]).unwrap());
        }
        harness.notify_from_orchestrator();
        let lines = harness.lines();
        assert!(lines.iter().any(|line| line.starts_with("*the orchestrator does not answer")), "{lines:?}");
        let put = harness.ask("put finance x 0");
        assert!(put[0].starts_with("+ready "), "documents go on: {put:?}");
    }
}

/// Seconds after which an archive that is waited for must have answered.
const ANSWER_S: u64 = 46;

#[test]
fn a_submission_its_archive_does_not_answer_ends_in_time_and_its_receipt_may_still_come() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.archives[0].holds_receipts = true;
    harness.ask("put finance a 1");
    harness.ask("@0 eA==");
    harness.seconds(20);
    assert_eq!(harness.lines(), [""; 0], "a slow disk");
    harness.seconds(ANSWER_S - 20);
    let told = harness.lines();
    assert!(told[0].starts_with("-not-answering:1 archive finance has not answered in its time; "), "{told:?}");
    assert!(harness.ask("receipt 1")[0].starts_with("-not-answering:1 "), "its fate is not known");
    // The others are not kept waiting, nor is this one for ever.
    assert!(harness.ask("put contracts b 1")[0].starts_with("+ready 2 "));
    harness.ask("@0 eA==");
    harness.revive(0);
    let told = harness.lines();
    assert!(told.iter().any(|line| line.starts_with("*+receipt 1 seq=1 ")), "{told:?}");
    assert!(harness.ask("receipt 1")[0].starts_with("+receipt 1 seq=1 "));
}

#[test]
fn whatever_an_archive_keeps_waiting_ends_in_time_and_is_taken_back() {
    for command in ["put finance a 3", "get finance 1", "ls finance"] {
        let mut harness = Harness::up_machine(&NAMES);
        harness.archives[0].hung = true;
        assert_eq!(harness.ask(command), [""; 0]);
        harness.seconds(ANSWER_S);
        let told = harness.lines();
        assert!(told[0].starts_with("-not-answering"), "{command}: {told:?}");
        assert!(told[0].contains("archive finance has not answered in its time"), "{command}: {told:?}");
        harness.revive(0);
        assert_eq!(harness.lines(), [""; 0], "what nobody waits for any more is dropped");
        let put = harness.ask("put finance b 1");
        assert!(put[0].starts_with("+ready "), "{command}: {put:?}");
        harness.ask("@0 eA==");
        assert_eq!(harness.archives[0].documents.len(), 1, "{command}: only the second is committed");
    }
}

#[test]
fn a_person_who_takes_time_to_type_is_not_given_up() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put finance note");
    harness.seconds(10 * ANSWER_S);
    harness.type_line("a line");
    harness.seconds(10 * ANSWER_S);
    let receipt = harness.type_line(".");
    assert!(receipt.contains("+receipt 1 "), "{receipt}");
}
