//! Flags, acknowledgements, the lifecycle and the audit record with the host tool.

use std::time::Duration;

use ledger_fmt::record::Kind;
use ledger_fmt::verify::FindingKind;
use totebox_console::testing::{Harness, RECORD_TIME_MS};
use totebox_operator::client::{Connection, Session, Timing};
use totebox_protocol::audit::{self, FoundRange, NO_RECORD, Verdict};
use totebox_protocol::flag::{Acknowledged, FlagKind, NO_VOLUME};
use totebox_protocol::operator::{Completion, Order, Reason, Refusal};
use totebox_protocol::page::{ArchiveState, HISTORY_MAX, degraded};
use totebox_protocol::trace::{Event, EventRow, NoteRow};
use totebox_protocol::vault::Area;
use zerocopy::FromZeros;

use crate::appliance::{Appliance, Noise};
use crate::commands::{json, stderr, stdout, totebox};
use crate::putting::scripted;
use crate::session;

/// What the orchestrator does when it was called once more: `act` is told how often it was, and what it changes
/// is published.
fn at_each_call(
    mut act: impl FnMut(&mut Harness, usize) + Send + 'static,
) -> impl FnMut(&mut Harness) + Send + 'static {
    let mut seen = 0;
    move |harness| {
        if harness.peer.orders.len() > seen {
            seen = harness.peer.orders.len();
            act(harness, seen);
            harness.publish();
        }
    }
}

#[test]
fn flags_are_shown_and_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        let row = harness.raise(7, FlagKind::Finding(FindingKind::Asset), 1);
        (row.area, row.block, row.record) = (Area::Assets as u8, 33.into(), 3.into());
        harness.raise(8, FlagKind::AuditVolume, NO_VOLUME).audit_record = NO_RECORD.into();
        harness.status_page.degraded = degraded::AUDITOR;
        harness.publish();
        for outcome in [Ok(1), Ok(2), Err(Refusal::AlreadyAcknowledged), Ok(3), Ok(4)] {
            harness.answer_order(outcome);
        }
    };
    let meanwhile = at_each_call(|harness, number| match number {
        1 => harness.acknowledge(7, 1, false),
        2 => harness.acknowledge(7, 2, true),
        4 => {
            harness.acknowledge(8, 3, true);
            harness.raise(9, FlagKind::Hung, 1);
        }
        5 => harness.end_acknowledgement(9, 4, Acknowledged::Unrecorded),
        _ => {}
    });
    let appliance = Appliance::listen(&at.join("console"), 10, prepare, meanwhile);

    let output = totebox(at, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = stdout(&output);
    assert!(shown.contains("\n  the auditor is not working: nothing is verified or recorded\n"), "{shown}");
    assert!(shown.contains(", 2 flags open, "), "{shown}");
    let output = totebox(at, &["status", "--json"]);
    let status = json("status", &output);
    assert_eq!((&status["degraded"][0], &status["flags"]), (&"auditor".into(), &2.into()));
    let output = totebox(at, &["flags"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        "flag  raised               acknowledged  archive  what\n   \
         7  2024-03-01 00:00:00  no            finance  asset at assets block 33, record 3\n   \
         8  2024-03-01 00:00:00  no                     audit-volume: the audit record takes no records: what happens \
         is not recorded\n\
         2 open\n"
    );
    let output = totebox(at, &["flags", "--json"]);
    let flags = json("flags", &output);
    assert_eq!((&flags["flags"][0]["block"], &flags["flags"][0]["audit_record"]), (&33.into(), &17.into()));
    assert_eq!(flags["flags"][1].get("audit_record"), None);

    let output = totebox(at, &["ack", "7", "restored", "from the copy"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("not-recorded: flag 7 stays open"), "{}", stderr(&output));
    let output = totebox(at, &["ack", "7", "restored", "from the copy", "--json"]);
    assert_eq!(json("ack", &output)["reason"], "restored from the copy");
    let output = totebox(at, &["ack", "7", "again"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("already-acknowledged: "), "{}", stderr(&output));
    let output = totebox(at, &["ack", "8", "a new disk"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "flag 8 is acknowledged\n"));
    // What the audit record does not take counts all the same, and is said not to be recorded.
    let output = totebox(at, &["ack", "9", "it lives", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let ack = json("ack", &output);
    assert_eq!((&ack["flag"], &ack["recorded"]), (&9.into(), &false.into()));
    assert!(ack["message"].as_str().unwrap().starts_with("flag 9 is acknowledged, but "), "{ack}");
    let output = totebox(at, &["flags"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    appliance.end();
}

#[test]
fn each_loss_of_a_vault_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (bits, name, says) in [
        (degraded::VAULT, "vault-broken", "the vault breaks its protocol: nothing can be archived"),
        (degraded::VAULT_SILENT, "vault", "the vault does not answer: nothing is committed or read"),
    ] {
        let prepare = move |harness: &mut Harness| {
            (harness.status_page.degraded, harness.status_page.durable) = (bits, 0);
            harness.publish();
        };
        let appliance = Appliance::listen(&at.join("console"), 2, prepare, |_| ());
        let shown = stdout(&totebox(at, &["status"]));
        assert!(
            shown.contains(&format!("\n  {says}\n")) && shown.contains("the disk cannot be reached"),
            "{shown}"
        );
        let output = totebox(at, &["status", "--json"]);
        let status = json("status", &output);
        assert_eq!((&status["degraded"], output.status.code()), (&[name].as_slice().into(), Some(1)));
        assert_eq!(status.get("durable"), None);
        appliance.end();
        std::fs::remove_file(at.join("console")).unwrap();
    }
}

#[test]
fn the_last_known_flags_are_shown_of_an_orchestrator_that_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        harness.raise(7, FlagKind::Hung, 1);
        harness.publish();
        harness.seconds(2);
        harness.peer.hung = true;
        harness.seconds(150);
    };
    let appliance = Appliance::listen(&at.join("console"), 2, prepare, |_| ());
    let output = totebox(at, &["flags"]);
    assert_eq!(output.status.code(), Some(1));
    let (shown, said) = (stdout(&output), stderr(&output));
    assert!(shown.ends_with("  no            finance  hung: it gives no sign of life\n"), "{shown}");
    assert!(said.contains("the orchestrator does not answer: these are the flags of 2 min 30 s ago"), "{said}");
    let output = totebox(at, &["flags", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let flags = json("flags", &output);
    assert_eq!((&flags["open"], &flags["flags"][0]["flag"]), (&1.into(), &7.into()));
    assert!(flags["message"].as_str().is_some_and(|text| text.contains("does not answer")), "{flags}");
    appliance.end();
}

#[test]
fn that_there_were_no_flags_is_said_of_an_orchestrator_that_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        harness.seconds(2);
        harness.peer.hung = true;
        harness.seconds(150);
    };
    let appliance = Appliance::listen(&at.join("console"), 1, prepare, |_| ());
    let output = totebox(at, &["flags"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    let said = stderr(&output);
    assert!(said.contains("the orchestrator does not answer: there were no flags as of 2 min 30 s ago"), "{said}");
    appliance.end();
}

#[test]
fn a_lifecycle_command_says_by_its_exit_code_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        harness.answer_order(Ok(5));
        harness.answer_order(Err(Refusal::AlreadyThere));
        harness.answer_order(Ok(6));
        harness.answer_order(Err(Refusal::ImpossibleTransition));
    };
    let meanwhile = at_each_call(|harness, number| match number {
        1 => harness.complete(1, 5, ArchiveState::Suspended, Completion::Done),
        3 => harness.complete(1, 6, ArchiveState::Archived, Completion::Unrecorded),
        _ => {}
    });
    let appliance = Appliance::listen(&at.join("console"), 5, prepare, meanwhile);
    let output = totebox(at, &["suspend", "finance", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let transition = json("suspend", &output);
    assert_eq!((&transition["archive"], &transition["completion"]), (&"finance".into(), &"done".into()));
    let output = totebox(at, &["suspend", "finance"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("already-there: finance is already suspended"), "{}", stderr(&output));
    let output = totebox(at, &["archive", "finance"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--final confirms"), "{}", stderr(&output));
    let output = totebox(at, &["archive", "finance", "--final"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), "archive finance: unrecorded\n"));
    let output = totebox(at, &["resume", "finance", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("impossible-transition: finance is archived"), "{}", stderr(&output));
    let output = totebox(at, &["suspend", "nowhere finance"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("unknown-archive: "), "{}", stderr(&output));
    appliance.end();
}

/// Records of the audit record, one flag among so many audits.
fn record(sequence: u64) -> audit::EventRow {
    let mut event = audit::EventRow::new_zeroed();
    let entry = &mut event.entry;
    (event.sequence, entry.volume, entry.record) = (sequence.into(), 0, NO_RECORD.into());
    match sequence {
        0 => (entry.kind, entry.volume) = (Kind::Genesis as u8, NO_VOLUME),
        9 | 59 => {
            (entry.kind, entry.flag_kind, entry.flag) = (Kind::Flag as u8, FlagKind::Hung.number(), 1.into())
        }
        _ => (entry.kind, entry.verdict, entry.verified) = (Kind::AuditResult as u8, Verdict::Clean as u8, 1),
    }
    event
}

#[test]
fn the_audit_record_is_read_page_by_page() {
    const RECORDS: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| (1..100).for_each(|tag| harness.answer_order(Ok(tag)));
    let mut seen = 0;
    let meanwhile = move |harness: &mut Harness| {
        if harness.peer.orders.len() == seen {
            return;
        }
        seen = harness.peer.orders.len();
        let Order::History(from) = harness.last_order().0 else { panic!("another order") };
        harness.peer.orders.push(Ok((Order::Ping, Reason::new())));
        let from = from.unwrap_or(RECORDS - HISTORY_MAX as u64);
        let events: Vec<audit::EventRow> = (from..RECORDS).take(HISTORY_MAX).map(record).collect();
        harness.bring_history(seen as u32, &events, RECORDS);
        harness.publish();
    };
    let appliance = Appliance::listen(&at.join("console"), 5, prepare, meanwhile);
    let output = totebox(at, &["history", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let history = json("history", &output);
    assert_eq!(history["events"].as_array().unwrap().len(), HISTORY_MAX);
    assert_eq!(history["events"][0]["sequence"], RECORDS - HISTORY_MAX as u64);
    let history = json("history", &totebox(at, &["history", "--from", "0", "--json"]));
    let sequences: Vec<u64> =
        history["events"].as_array().unwrap().iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (0..RECORDS).collect::<Vec<_>>());
    let output = totebox(at, &["history", "--kind", "flag"]);
    assert_eq!(
        stdout(&output),
        "seq  time          kind  archive    what\n  \
         9  time unknown  flag  contracts  flag 1: hung: it gives no sign of life\n \
         59  time unknown  flag  contracts  flag 1: hung: it gives no sign of life\n\
         2 of 60 records\n"
    );
    let history = json("history", &totebox(at, &["history", "--from", "77", "--json"]));
    assert_eq!((&history["records"], history["events"].as_array().unwrap().len()), (&RECORDS.into(), 0));
    let output = totebox(at, &["history", "--kind", "tax"]);
    assert_eq!(output.status.code(), Some(2));
    let output = totebox(at, &["history", "--from", "58"]);
    assert_eq!(stdout(&output).lines().count(), 4, "{}", stdout(&output));
    appliance.end();
}

#[test]
fn what_a_domain_noted_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        for outcome in [Ok(1), Ok(2), Ok(3), Err(Refusal::UnknownArchive)] {
            harness.answer_order(outcome);
        }
    };
    let noted = [Event::Started, Event::Committed { records: 3 }];
    let note = |(sequence, event): (u64, Event)| NoteRow {
        sequence: sequence.into(),
        event: EventRow::of(RECORD_TIME_MS, event),
    };
    let notes: Vec<NoteRow> = (0..).zip(noted).map(note).collect();
    let meanwhile = at_each_call(move |harness, number| {
        let notes: &[NoteRow] = if number < 3 { &notes } else { &[] };
        harness.bring_trace(number as u32, notes);
    });
    let appliance = Appliance::listen(&at.join("console"), 5, prepare, meanwhile);
    let output = totebox(at, &["trace", "finance"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "seq  time                 what\n  0  2024-03-01 00:00:00  started\n  1  2024-03-01 00:00:00  committed 3 records\n"
    );
    let trace = json("trace", &totebox(at, &["trace", "vault", "--json"]));
    assert_eq!((&trace["domain"], &trace["notes"][1]["sequence"]), (&"vault".into(), &1.into()));
    assert_eq!(stdout(&totebox(at, &["trace", "clock"])), "clock has noted nothing\n");
    let output = totebox(at, &["trace", "contracts"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = totebox(at, &["trace", "nowhere at all"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no archive \"nowhere at all\""), "{}", stderr(&output));
    appliance.end();
}

#[test]
fn noise_on_the_line_does_not_do_a_thing_twice() {
    use totebox_console_protocol::change::Change;
    use totebox_operator::client::lifecycle::change;
    let mut lost = 0;
    for seed in 0..40 {
        // The orchestrator takes one command, whoever asks how often.
        let prepare = |harness: &mut Harness| {
            harness.answer_order(Ok(5));
            (0..100).for_each(|_| harness.answer_order(Err(Refusal::AlreadyThere)));
        };
        let meanwhile =
            at_each_call(|harness, _| harness.complete(1, 5, ArchiveState::Suspended, Completion::Done));
        let (appliance, stream) = Appliance::start(Noise::seeded(seed, 200), prepare, meanwhile);
        let mut session = session(stream);
        let transition = change(&mut session, "finance", Change::Suspend).unwrap().unwrap();
        match transition.completion.as_str() {
            "done" => {}
            "unknown" => lost += 1,
            other => panic!("seed {seed}: {other}"),
        }
        drop(session);
        appliance.end();
    }
    assert!(lost > 0, "no answer was lost, so nothing was tried");
}

#[test]
fn what_was_found_beyond_the_flags_is_counted_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        let row = &mut harness.status_page.rows[1];
        (row.findings, row.verdict) = (40.into(), Verdict::Mismatch as u8);
        (1..=3).for_each(|name| harness.answer_order(Ok(name)));
        harness.publish();
    };
    let meanwhile = at_each_call(|harness, number| {
        let range = |findings: u32, block: u64, last_block: u64, record: u64| FoundRange {
            kind: FindingKind::Asset as u8,
            area: Area::Assets as u8,
            findings: findings.into(),
            block: block.into(),
            last_block: last_block.into(),
            record: record.into(),
            last_record: record.into(),
            ..FoundRange::NONE
        };
        let ranges = [range(1, 50, 50, 3), range(31, 60, 99, NO_RECORD)];
        let findings = if number == 3 { 0 } else { 40 };
        harness.bring_findings(number as u32, findings, if number == 3 { &[] } else { &ranges });
    });
    let appliance = Appliance::listen(&at.join("console"), 6, prepare, meanwhile);
    let output = totebox(at, &["flags"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "finance has 32 more findings; where they are: totebox flags --volume finance\n0 open\n")
    );
    let flags = json("flags", &totebox(at, &["flags", "--json"]));
    assert_eq!((&flags["more"][0]["archive"], &flags["more"][0]["findings"]), (&"finance".into(), &32.into()));
    let output = totebox(at, &["flags", "--volume", "finance"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "findings  what   area    blocks    records\n       \
         1  asset  assets  50        3\n      \
         31  asset  assets  60 to 99  -\n\
         40 findings in finance: the first 8 are flags, 32 are listed here\n"
    );
    let found = json("flags --volume", &totebox(at, &["flags", "--volume", "finance", "--json"]));
    assert_eq!((&found["findings"], &found["listed"]), (&40.into(), &32.into()));
    assert_eq!((&found["ranges"][1]["last_block"], found["ranges"][1].get("record")), (&99.into(), None));
    let output = totebox(at, &["flags", "--volume", "contracts"]);
    let shown = "the last audit of contracts found nothing beyond its flags\n";
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), shown));
    let output = totebox(at, &["flags", "--volume", "nowhere at all"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("unknown-archive: no archive \"nowhere at all\""), "{}", stderr(&output));
    appliance.end();
}

/// The appliance is busy with what it was asked first, and has no answer to that.
#[test]
fn an_order_that_is_under_way_all_the_while_has_no_answer() {
    use totebox_console_protocol::change::Change;
    use totebox_operator::client::lifecycle::change;
    let timing = Timing { quiet: Duration::from_millis(50), timeout: Duration::from_secs(1) };
    let script = || {
        let mut asked = false;
        scripted(move |_| {
            Some(
                core::mem::replace(&mut asked, true).then(|| "-busy it is under way".into()).into_iter().collect(),
            )
        })
    };
    let open = || Session::open(Connection::over(script()).unwrap(), timing, Box::new(|_| {})).unwrap();
    let mut session = open();
    let answer = session.ask_in_turn("audit", timing.quiet, timing.quiet);
    let error = answer.map(|answer| format!("{:?}", answer.end)).unwrap_err();
    assert!(error.to_string().contains("no answer to `audit` within 1 s"), "{error}");
    let error = change(&mut open(), "finance", Change::Suspend).unwrap_err();
    assert!(error.to_string().contains("no answer to `suspend \"finance\"` within 1 s"), "{error}");
}
