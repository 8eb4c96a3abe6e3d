//! Flags, acknowledgements and the lifecycle, as the operator has them.

use alloc::format;

use ledger_fmt::verify::FindingKind;
use totebox_domain::FaultKind;
use totebox_manifest::Role;
use totebox_protocol::audit::NO_RECORD;
use totebox_protocol::flag::{Acknowledged, FlagKind, NO_VOLUME};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::{Completion, Order, REASON_MAX, Reason, Refusal};
use totebox_protocol::page::ArchiveState;
use totebox_protocol::vault::{Area, VolumeState};

use crate::testing::Harness;

pub const NAMES: [&str; 2] = ["contracts", "finance"];

/// One flag of every form there is.
fn raise_all_forms(harness: &mut Harness) {
    let row = harness.raise(1, FlagKind::Finding(FindingKind::Asset), 1);
    (row.area, row.block, row.record) = (Area::Assets as u8, 33.into(), 3.into());
    let row = harness.raise(2, FlagKind::Fault, 0);
    (row.what, row.detail) = (FaultKind::Memory as u8, 4096.into());
    (row.instruction, row.status) = (0x20_0004.into(), 0x9200_0006_u64.into());
    harness.raise(3, FlagKind::Degraded, NO_VOLUME).what = Role::Clock as u8;
    harness.raise(4, FlagKind::MissingVolume, 0).detail = (VolumeState::NoDisk as u64).into();
    harness.raise(5, FlagKind::Refused, 1).detail = 17.into();
    harness.raise(6, FlagKind::ClockBack, NO_VOLUME).detail = 5000.into();
    harness.raise(7, FlagKind::AuditVolume, 2).audit_record = NO_RECORD.into();
    harness.raise(8, FlagKind::Hung, 1);
}

#[test]
fn a_new_flag_is_announced_once_at_the_prompt() {
    let mut harness = Harness::up(&NAMES);
    harness.bytes(b"stat");
    harness.output();
    raise_all_forms(&mut harness);
    harness.publish();
    assert_eq!(
        harness.output(),
        "\r\n\
         *flag 1 finance asset at assets block 33, record 3\r\n\
         *flag 2 contracts fault: it touched memory at 0x1000 it has no right to (instruction 0x200004, status 0x92000006)\r\n\
         *flag 3 degraded: the clock is not working\r\n\
         *flag 4 contracts missing-volume: there is no disk; attach the deployment's disk and start again\r\n\
         *flag 5 finance refused: the vault refused 17 requests\r\n\
         *flag 6 clock-back: the clock was set back by 5.0 s\r\n\
         *flag 7 audit audit-volume: the audit record takes no records: what happens is not recorded (not recorded)\r\n\
         *flag 8 finance hung: it gives no sign of life\r\n\
         totebox> stat"
    );
    harness.status_page.uptime_ms = 5.into();
    harness.publish();
    assert_eq!(harness.output(), "", "each is news once");
    harness.raise(9, FlagKind::Protocol, 0);
    harness.publish();
    assert!(harness.output().starts_with("\r\n*flag 9 contracts protocol: "));
}

#[test]
fn flags_that_are_open_at_the_start_are_told_with_the_welcome() {
    let mut harness = Harness::starting(&NAMES);
    harness.output();
    harness.raise(3, FlagKind::Hung, 0);
    harness.raise(9, FlagKind::Lifecycle, 1);
    harness.acknowledge(9, 1, true);
    (harness.status_page.settled, harness.status_page.durable, harness.status_page.restored) = (1, 1, 1);
    harness.publish();
    let shown = harness.output();
    assert!(shown.contains("*flag 3 contracts hung: "), "{shown}");
    assert!(!shown.contains("*flag 9"), "it is acknowledged: {shown}");
}

#[test]
fn flags_are_a_table_or_rows() {
    let mut harness = Harness::up(&NAMES);
    assert_eq!(harness.type_line("flags"), "flags\r\n+flags 0 open\r\ntotebox> ");
    raise_all_forms(&mut harness);
    harness.acknowledge(8, 1, true);
    harness.status_page.flags_hidden = 2.into();
    harness.publish();
    harness.output();
    let shown = harness.type_line("flags");
    assert!(
        shown.starts_with(
            "flags\r\n\
             flag  raised               acknowledged  archive    what\r\n   \
             1  2024-03-01 00:00:00  no            finance    asset at assets block 33, record 3\r\n"
        ),
        "{shown}"
    );
    assert!(shown.ends_with("+flags 7 open, 2 of them not shown\r\ntotebox> "), "{shown}");

    harness.type_line("machine");
    let lines = harness.ask("flags");
    assert_eq!(
        lines[..3],
        [
            "=flag id=1 archive=finance kind=asset area=assets block=33 record=3 severity=3 raised_ms=1709251200000 \
             audit_record=11 acknowledged=no text=\"asset at assets block 33, record 3\"",
            "=flag id=2 archive=contracts kind=fault what=memory detail=4096 instruction=2097156 status=2449473542 severity=2 raised_ms=1709251200000 \
             audit_record=12 acknowledged=no text=\"fault: it touched memory at 0x1000 it has no right to (instruction 0x200004, status 0x92000006)\"",
            "=flag id=3 kind=degraded what=clock severity=1 raised_ms=1709251200000 audit_record=13 acknowledged=no \
             text=\"degraded: the clock is not working\"",
        ]
    );
    assert!(!lines[6].contains(" audit_record="), "it could not be recorded: {}", lines[6]);
    assert!(lines[7].contains(" acknowledged=yes "), "{}", lines[7]);
    assert_eq!(lines[8], "+flags open=7 hidden=2");
    let status = harness.ask("status");
    assert!(status[1].ends_with(" flags=3"), "{status:?}");
    assert!(status[3].ends_with(" degraded=none flags=7 hidden=2 unrecorded=0"), "{status:?}");
}

#[test]
fn an_acknowledgement_is_done_when_it_is_recorded() {
    let mut harness = Harness::up(&NAMES);
    harness.raise(7, FlagKind::Hung, 1);
    harness.publish();
    harness.output();
    harness.answer_order(Ok(40));
    assert_eq!(harness.type_line("ack 7 it was  \"a long\" day"), "ack 7 it was  \"a long\" day\r\n", "it waits");
    assert_eq!(harness.last_order(), (Order::Acknowledge(7), Reason::try_from("it was a long day").unwrap()));
    harness.publish();
    assert_eq!(harness.output(), "");
    harness.acknowledge(7, 40, true);
    harness.publish();
    assert_eq!(harness.output(), "+ack flag 7 is acknowledged\r\ntotebox> ");

    harness.raise(8, FlagKind::Hung, 0);
    harness.publish();
    harness.type_line("machine");
    harness.answer_order(Ok(41));
    assert_eq!(harness.ask("ack 8 because"), [""; 0]);
    harness.acknowledge(8, 41, false);
    harness.publish();
    let expected = "-not-recorded flag 8 stays open: the audit record did not take the reason";
    assert_eq!(harness.lines(), [expected]);
    harness.answer_order(Ok(42));
    harness.send("ack 8 because");
    harness.acknowledge(8, 42, true);
    harness.publish();
    assert_eq!(harness.lines(), ["+ack flag=8"]);
}

#[test]
fn an_acknowledgement_that_is_not_recorded_counts_and_says_so() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.raise(7, FlagKind::Hung, 1);
    harness.publish();
    harness.lines();
    harness.answer_order(Ok(40));
    assert_eq!(harness.ask("ack 7 seen"), [""; 0]);
    harness.end_acknowledgement(7, 40, Acknowledged::Unrecorded);
    harness.status_page.unrecorded = 1.into();
    harness.publish();
    let lines = harness.lines();
    assert!(
        lines[0].starts_with("-unrecorded flag 7 is acknowledged, but the audit record takes no "),
        "{lines:?}"
    );
    let flags = harness.ask("flags");
    assert!(flags[0].contains(" acknowledged=unrecorded "), "{flags:?}");
    assert_eq!(flags[1], "+flags open=0 hidden=0");
    assert!(harness.ask("status").last().unwrap().ends_with(" unrecorded=1"));
    harness.send("person");
    harness.output();
    let shown = harness.type_line("status");
    assert!(shown.contains(", 1 event not recorded, "), "{shown}");
}

#[test]
fn an_archive_signs_when_it_is_asked_to() {
    let mut harness = Harness::up(&NAMES);
    let expected = "+sign finance is signed up to here: record 1 is the checkpoint over its 1 record\r\n";
    assert!(harness.type_line("sign finance").contains(expected));
    harness.status_page.rows[1].state = ArchiveState::Suspended as u8;
    harness.publish();
    assert!(harness.type_line("sign finance").contains("\r\n-not-active archive finance is suspended"));
    harness.type_line("machine");
    let lines = harness.ask("sign contracts");
    assert!(lines[0].starts_with("+sign archive=contracts seq=1 records=1 record="), "{lines:?}");
}

#[test]
fn an_archive_is_on_its_way_only_to_another_state() {
    let mut harness = Harness::up(&NAMES);
    harness.status_page.rows[0].moving = 1;
    harness.publish();
    let shown = harness.type_line("status");
    assert!(!shown.contains("active->active"), "{shown}");
    harness.status_page.rows[0].target = ArchiveState::Suspended as u8;
    harness.publish();
    assert!(harness.type_line("status").contains("active->suspended"));
}

#[test]
fn nothing_is_said_of_durability_without_a_volume_in_service() {
    let mut harness = Harness::up(&NAMES);
    (harness.status_page.durable, harness.status_page.in_service) = (0, 0);
    harness.publish();
    let shown = harness.type_line("status");
    assert!(shown.contains(", NOTHING CAN BE PUT: no archive's volume is in service, "), "{shown}");
    harness.type_line("machine");
    assert!(!harness.ask("status").last().unwrap().contains("durable"));
}

#[test]
fn the_longest_reason_is_passed_on_and_a_longer_one_is_not() {
    let mut harness = Harness::up_machine(&NAMES);
    let words = "é ".repeat(REASON_MAX / 3);
    harness.answer_order(Err(Refusal::UnknownFlag));
    let lines = harness.ask(&format!("ack 1 {words}é"));
    assert!(lines[0].starts_with("-bad-reason a reason has at most 120 bytes"), "{lines:?}");
    assert!(harness.peer.orders.is_empty());
    let lines = harness.ask(&format!("ack 1 {}", words.trim_end()));
    assert_eq!(lines, ["-unknown-flag there is no flag 1; flags shows them"]);
    assert_eq!(harness.last_order().1.len(), REASON_MAX - 1);
}

#[test]
fn a_lifecycle_command_says_how_it_ended() {
    let ends = [
        (
            "suspend finance",
            Standing::Suspended,
            ArchiveState::Suspended,
            Completion::Done,
            "+suspend finance is suspended",
        ),
        ("resume finance", Standing::Active, ArchiveState::Active, Completion::Done, "+resume finance is active"),
        (
            "archive finance final",
            Standing::Archived,
            ArchiveState::Archived,
            Completion::Done,
            "+archive finance is archived",
        ),
        (
            "suspend finance",
            Standing::Suspended,
            ArchiveState::Suspended,
            Completion::Stopped,
            "-stopped finance is suspended: it did not come to rest in its time and was stopped; see flags",
        ),
        (
            "suspend finance",
            Standing::Suspended,
            ArchiveState::Suspended,
            Completion::Unrecorded,
            "-unrecorded finance is suspended: it is done, but not in the audit record or not in the archive's own \
             ledger; see flags",
        ),
        (
            "archive finance final",
            Standing::Archived,
            ArchiveState::Active,
            Completion::Failed,
            "-failed finance is active: it failed; see flags",
        ),
    ];
    for (command, to, state, completion, answer) in ends {
        let mut harness = Harness::up(&NAMES);
        harness.answer_order(Ok(5));
        let shown = harness.type_line(command);
        assert!(shown.ends_with("; Ctrl-C stops waiting\r\n"), "{shown}");
        assert_eq!(harness.last_order(), (Order::Change(1, to), Reason::new()));
        harness.status_page.rows[1].moving = 1;
        harness.publish();
        assert_eq!(harness.output(), "");
        harness.complete(1, 5, state, completion);
        harness.publish();
        assert_eq!(harness.output(), format!("{answer}\r\ntotebox> "));
    }
    let mut harness = Harness::up_machine(&NAMES);
    harness.answer_order(Ok(5));
    harness.send("suspend contracts");
    harness.complete(0, 5, ArchiveState::Suspended, Completion::Done);
    harness.publish();
    assert_eq!(harness.lines(), ["+suspend archive=contracts state=suspended"]);
}

#[test]
fn what_happens_to_others_meanwhile_is_told() {
    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Ok(5));
    harness.type_line("suspend finance");
    harness.status_page.rows[0].state = ArchiveState::Failed as u8;
    harness.status_page.rows[1].state = ArchiveState::Faulted as u8;
    harness.publish();
    let shown = harness.output();
    assert!(shown.contains("*archive contracts is failed\r\n*archive finance is faulted"), "{shown}");
    harness.bytes(b"\x03");
    let shown = harness.output();
    assert!(
        shown.starts_with("-cancelled no longer waiting; the change goes on; status shows how it ends"),
        "{shown}"
    );
    harness.complete(1, 5, ArchiveState::Suspended, Completion::Stopped);
    harness.publish();
    assert_eq!(harness.output(), "\r\n*archive finance is suspended\r\ntotebox> ");
}

#[test]
fn every_reason_not_to_do_it_has_a_name() {
    let cases = [
        ("suspend finance", Refusal::BadRequest, "bad-argument"),
        ("suspend finance", Refusal::UnknownArchive, "unknown-archive"),
        ("suspend finance", Refusal::AlreadyRunning, "busy"),
        ("audit", Refusal::AlreadyRunning, "busy"),
        ("history", Refusal::AlreadyRunning, "busy"),
        ("history", Refusal::AuditorUnavailable, "unavailable"),
        ("suspend finance", Refusal::AlreadyThere, "already-there"),
        ("resume finance", Refusal::ImpossibleTransition, "impossible-transition"),
        ("ack 7 x", Refusal::UnknownFlag, "unknown-flag"),
        ("ack 7 x", Refusal::AlreadyAcknowledged, "already-acknowledged"),
        ("ack 7", Refusal::ReasonMissing, "bad-reason"),
        ("ack 7 x", Refusal::ReasonTooLong, "bad-reason"),
        ("ack 7 x", Refusal::ReasonUnreadable, "bad-reason"),
        ("archive finance final", Refusal::NotRecorded, "not-recorded"),
        ("resume finance", Refusal::NotReady, "not-ready"),
    ];
    for (command, refusal, name) in cases {
        let mut harness = Harness::up(&NAMES);
        harness.answer_order(Err(refusal));
        let shown = harness.type_line(command);
        assert!(shown.starts_with(&format!("{command}\r\n-{name} ")), "{refusal:?}: {shown}");
        assert!(shown.ends_with("\r\ntotebox> "), "{refusal:?}: {shown}");
    }
    let mut harness = Harness::up(&NAMES);
    assert_eq!(harness.type_line("suspend finance"), "suspend finance\r\n", "it waits");
    harness.seconds(20);
    assert!(harness.output().contains("\r\n-not-answering "), "no answer is no consent");
    assert_eq!(
        harness.type_line("archive finance").lines().nth(1),
        Some(
            "-bad-argument nothing can be added to finance once it is archived; if you mean it: archive finance final"
        )
    );
    assert_eq!(harness.peer.orders.len(), 1, "it was not passed on");
}
