//! What the orchestrator's page and the audit record say, as the operator is shown it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ledger_fmt::record::Kind;
use ledger_fmt::verify::FindingKind;
use totebox_domain::FaultKind;
use totebox_protocol::audit::{EventRow, FoundRange, NO_RECORD, Op as Audit, RANGES_MAX, Verdict};
use totebox_protocol::flag::{FLAGS_MAX, FlagKind, NO_VOLUME};
use totebox_protocol::operator::{Order, Reason, Refusal};
use totebox_protocol::page::{ArchiveState, Cause, HISTORY_MAX, degraded};
use totebox_protocol::vault::Area;
use zerocopy::FromZeros;

use super::orders::NAMES;
use crate::limits::RANGE_LINE_MAX;
use crate::testing::{Harness, RECORD_TIME_MS};

fn event(sequence: u64, kind: Kind) -> EventRow {
    let mut event = EventRow::new_zeroed();
    (event.sequence, event.time_ms) = (sequence.into(), RECORD_TIME_MS.into());
    (event.entry.kind, event.entry.volume, event.entry.record) = (kind as u8, NO_VOLUME, NO_RECORD.into());
    event
}

/// One record of every kind.
fn events() -> Vec<EventRow> {
    let mut audit = event(2, Kind::AuditResult);
    let entry = &mut audit.entry;
    (entry.volume, entry.verdict, entry.verified) = (1, Verdict::Mismatch as u8, Audit::VerifyFull as u8);
    (entry.finding, entry.area, entry.block, entry.record) = (7, Area::Assets as u8, 33.into(), 3.into());
    (entry.findings, entry.records, entry.bytes, entry.duration_ms) =
        (2.into(), 17.into(), 40960.into(), 70.into());
    let mut flag = event(3, Kind::Flag);
    let entry = &mut flag.entry;
    (entry.volume, entry.flag_kind, entry.flag) = (1, FlagKind::Finding(FindingKind::Asset).number(), 7.into());
    (entry.area, entry.block, entry.record) = (Area::Assets as u8, 33.into(), 3.into());
    let mut acknowledgement = event(4, Kind::Acknowledgement);
    let entry = &mut acknowledgement.entry;
    (entry.volume, entry.flag_kind, entry.flag) = (1, FlagKind::Finding(FindingKind::Asset).number(), 7.into());
    entry.reason[..8].copy_from_slice(b"\"copied\"");
    entry.reason_len = 8;
    let mut lifecycle = event(5, Kind::Lifecycle);
    let entry = &mut lifecycle.entry;
    (entry.volume, entry.from, entry.to) = (1, ArchiveState::Active as u8, ArchiveState::Suspended as u8);
    entry.cause = Cause::Mismatch as u8;
    let mut fault = event(6, Kind::Fault);
    let entry = &mut fault.entry;
    (entry.volume, entry.fault, entry.instruction) = (0, FaultKind::Exception as u8, 16.into());
    [event(0, Kind::Genesis), event(1, Kind::Boot), audit, flag, acknowledgement, lifecycle, fault].into()
}

#[test]
fn the_audit_record_is_shown_as_a_table_or_rows() {
    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Ok(3));
    assert_eq!(harness.type_line("history"), "history\r\n");
    assert_eq!(harness.last_order(), (Order::History(None), Reason::new()));
    harness.bring_history(3, &events(), 7);
    harness.publish();
    assert_eq!(
        harness.output(),
        "seq  time                 kind             archive    what\r\n  \
         0  2024-03-01 00:00:00  genesis                     the record begins\r\n  \
         1  2024-03-01 00:00:00  boot                        the appliance started\r\n  \
         2  2024-03-01 00:00:00  audit-result     finance    full mismatch, 17 records, 40.0 KiB read in 0.0 s; asset \
         at assets block 33, record 3, and 1 more findings\r\n  \
         3  2024-03-01 00:00:00  flag             finance    flag 7: asset at assets block 33, record 3\r\n  \
         4  2024-03-01 00:00:00  acknowledgement  finance    flag 7, asset: \"\\\"copied\\\"\"\r\n  \
         5  2024-03-01 00:00:00  lifecycle        finance    from active to suspended, on a mismatch\r\n  \
         6  2024-03-01 00:00:00  fault            contracts  it panicked or ran something illegal (instruction 0x10, status 0x0)\r\n\
         +history records=7\r\ntotebox> "
    );
    harness.type_line("machine");
    harness.answer_order(Ok(4));
    harness.send("history 2");
    assert_eq!(harness.last_order(), (Order::History(Some(2)), Reason::new()));
    harness.bring_history(4, &events()[2..], 7);
    harness.publish();
    let at = format!("time={RECORD_TIME_MS}");
    let lines = harness.lines();
    let expected = [
        format!(
            "=event seq=2 {at} kind=audit-result archive=finance audit=full verdict=mismatch records=17 bytes=40960 \
             duration_ms=70 findings=2 finding=asset area=assets block=33 record=3 text=\"full mismatch, "
        ),
        format!(
            "=event seq=3 {at} kind=flag archive=finance flag=7 flag_kind=asset area=assets block=33 record=3 text=\"flag \
             7: "
        ),
        format!(
            "=event seq=4 {at} kind=acknowledgement archive=finance flag=7 flag_kind=asset reason=\"\\\"copied\\\"\" \
             text=\"flag 7, asset: \\\"\\\\\\\"copied"
        ),
        format!(
            "=event seq=5 {at} kind=lifecycle archive=finance from=active to=suspended cause=mismatch text=\"from "
        ),
        format!(
            "=event seq=6 {at} kind=fault archive=contracts fault=exception address=0 instruction=16 status=0 text=\"it "
        ),
    ];
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    assert_eq!(lines[5..], ["+history records=7"]);
    // Behind the end there is nothing; a record without a record cannot be.
    harness.answer_order(Ok(5));
    harness.send("history 9");
    harness.bring_history(5, &[], 7);
    harness.publish();
    assert_eq!(harness.lines(), ["+history records=7"]);
    harness.answer_order(Ok(6));
    harness.send("history");
    harness.bring_history(6, &[], 0);
    harness.publish();
    assert!(harness.lines()[0].starts_with("-unavailable "));
}

#[test]
fn a_domain_that_is_degraded_is_told_and_shown() {
    let mut harness = Harness::up(&NAMES);
    harness.status_page.degraded = degraded::AUDITOR | degraded::CLOCK;
    harness.publish();
    let shown = harness.output();
    assert_eq!(
        shown,
        "\r\n*the auditor is not working: nothing is verified or recorded\r\n\
         *the clock stands still: nothing is scheduled, and a hung archive is not noticed\r\ntotebox> "
    );
    let shown = harness.type_line("status");
    assert!(shown.contains("\r\n  the auditor is not working: nothing is verified or recorded\r\n"), "{shown}");
    harness.status_page.degraded = degraded::CLOCK;
    harness.publish();
    assert_eq!(harness.output(), "\r\n*the auditor is working again\r\ntotebox> ");
    harness.status_page.restored = 0;
    harness.type_line("machine");
    harness.publish();
    let status = harness.ask("status");
    assert!(status[3].contains(" restored=no degraded=clock flags=0 "), "{status:?}");
}

#[test]
fn whatever_the_status_page_holds_is_shown_and_fits() {
    for fill in [0xff, 0x01, 0x22, 0x5c] {
        let mut harness = Harness::up(&NAMES);
        for (index, row) in harness.status_page.flags.iter_mut().enumerate() {
            zerocopy::IntoBytes::as_mut_bytes(row).fill(fill);
            row.id = (index as u32 + 1).into();
        }
        for event in &mut harness.status_page.history {
            zerocopy::IntoBytes::as_mut_bytes(event).fill(fill);
            event.entry.kind = Kind::Acknowledgement as u8;
        }
        (harness.status_page.flags_open, harness.status_page.flags_hidden) = (u32::MAX.into(), u32::MAX.into());
        (harness.status_page.history_len, harness.status_page.history_end) = (u32::MAX.into(), u64::MAX.into());
        for range in &mut harness.status_page.more {
            zerocopy::IntoBytes::as_mut_bytes(range).fill(fill);
        }
        harness.status_page.findings = u32::MAX.into();
        (harness.status_page.history_tag, harness.status_page.findings_tag) = (3.into(), 3.into());
        harness.publish();
        harness.output();
        harness.type_line("flags");
        harness.answer_order(Ok(3));
        harness.type_line("history");
        harness.type_line("machine");
        harness.output();
        assert_eq!(harness.ask("flags").len(), FLAGS_MAX + 1);
        harness.answer_order(Ok(3));
        assert_eq!(harness.ask("history").len(), HISTORY_MAX + 1);
        harness.answer_order(Ok(3));
        let findings = harness.ask("flags finance");
        assert_eq!(findings.len(), RANGES_MAX + 1);
        assert!(findings.iter().all(|line| line.len() + 12 <= RANGE_LINE_MAX), "{}", findings[0]);
    }
}

/// Of three findings at one place, and of seven at several.
fn ranges() -> [FoundRange; 2] {
    let one = FoundRange {
        kind: FindingKind::BatchHeader as u8,
        area: Area::Ledger as u8,
        findings: 3.into(),
        block: 7.into(),
        last_block: 7.into(),
        record: NO_RECORD.into(),
        last_record: NO_RECORD.into(),
        ..FoundRange::NONE
    };
    let (kind, area) = (FindingKind::Asset as u8, Area::Assets as u8);
    let (findings, last_block, record, last_record) = (7.into(), 40.into(), 3.into(), 12.into());
    [one, FoundRange { kind, area, findings, last_block, record, last_record, ..one }]
}

#[test]
fn what_was_found_beyond_the_flags_is_counted_and_listed() {
    let mut harness = Harness::up(&NAMES);
    (harness.status_page.rows[0].findings, harness.status_page.rows[1].findings) = (8.into(), 18.into());
    harness.status_page.rows[..2].iter_mut().for_each(|row| row.verdict = Verdict::Mismatch as u8);
    harness.publish();
    harness.output();
    assert_eq!(
        harness.type_line("flags"),
        "flags\r\n  finance has 10 more findings; where they are: flags finance\r\n+flags 0 open\r\ntotebox> "
    );
    harness.answer_order(Ok(3));
    assert_eq!(harness.type_line("flags finance"), "flags finance\r\n", "it waits");
    assert_eq!(harness.last_order(), (Order::Findings(1), Reason::new()));
    harness.bring_findings(3, 18, &ranges());
    harness.publish();
    assert_eq!(
        harness.output(),
        "findings  what   area    blocks   records\r\n       \
         3  batch  ledger  7        -\r\n       \
         7  asset  assets  7 to 40  3 to 12\r\n\
         +flags 18 findings in finance: the first 8 are flags, 10 are listed here\r\ntotebox> "
    );
    harness.type_line("machine");
    assert_eq!(harness.ask("flags"), ["=more archive=finance findings=10", "+flags open=0 hidden=0"]);
    harness.answer_order(Ok(4));
    harness.bring_findings(4, 18, &ranges());
    harness.publish();
    harness.output();
    assert_eq!(
        harness.ask("flags finance"),
        [
            "=range archive=finance findings=3 finding=batch area=ledger block=7 last_block=7",
            "=range archive=finance findings=7 finding=asset area=assets block=7 last_block=40 record=3 last_record=12",
            "+flags archive=finance findings=18 listed=10",
        ]
    );
    harness.send("person");
    harness.output();
    for (findings, more, end) in [
        (8, &[][..], "the last audit of audit found nothing beyond its flags"),
        (
            20,
            &ranges(),
            "20 findings in audit: the first 8 are flags, 10 are listed here; where the other 2 are is not known; \
             audit audit finds them",
        ),
    ] {
        harness.answer_order(Ok(100 + findings));
        harness.bring_findings(100 + findings, findings, more);
        harness.publish();
        let shown = harness.type_line("flags audit");
        assert!(shown.ends_with(&format!("+flags {end}\r\ntotebox> ")), "{shown}");
    }
}

#[test]
fn a_question_changes_nothing_and_says_so_by_not_saying_it() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.answer_order(Err(Refusal::NotReady));
    assert_eq!(
        harness.ask("flags finance"),
        ["-not-ready the audit record is still being read; try again in a moment"]
    );
    harness.answer_order(Err(Refusal::UnknownArchive));
    assert!(harness.ask("flags audit")[0].starts_with("-unknown-archive "));
    // It does not answer; then it is known that it does not; then it answers, and what was asked for does not come.
    harness.peer.hung = true;
    assert_eq!(harness.ask("flags finance"), [""; 0]);
    harness.seconds(20);
    let cannot = |lines: &[String]| {
        let line = lines.iter().find(|line| line.starts_with('-')).expect("an answer");
        assert!(line.starts_with("-not-answering the orchestrator has not answered for "), "{line}");
        assert!(line.ends_with("; it cannot be asked"), "{line}");
    };
    cannot(&harness.lines());
    for question in ["flags finance", "history"] {
        cannot(&harness.ask(question));
    }
    let mut harness = Harness::up_machine(&NAMES);
    harness.answer_order(Ok(5));
    assert_eq!(harness.ask("flags finance"), [""; 0]);
    harness.peer.hung = true;
    harness.seconds(20);
    cannot(&harness.lines());

    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Ok(5));
    harness.type_line("flags finance");
    harness.bytes(b"\x03");
    assert!(harness.output().starts_with("-cancelled no longer waiting; what comes is dropped"));
}
