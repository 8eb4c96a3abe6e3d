//! Traces, as the operator has them. What stands in one is a domain's word, which may have been taken over.

use alloc::format;
use alloc::vec::Vec;

use totebox_console_protocol::text::Time;
use totebox_manifest::Role;
use totebox_protocol::audit::{Scope, Verdict};
use totebox_protocol::intake;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::{Op, Order, Reason, Refusal, Traced};
use totebox_protocol::trace::{Event, EventRow, NOTES_MAX, NoteRow};
use totebox_protocol::vault::Status;
use totebox_shown::testing::unprintable;
use zerocopy::{FromZeros, IntoBytes};

use crate::limits::NOTE_LINE_MAX;
use crate::testing::{Harness, RECORD_TIME_MS};

const NAMES: [&str; 2] = ["contracts", "finance"];

/// An event of each kind.
const EVENTS: [(Event, &str); 18] = [
    (Event::Started, "started"),
    (Event::Order(Op::Suspend), "order: suspend"),
    (Event::Request { archive: 1, op: intake::Op::PutBegin }, "request to finance: put"),
    (Event::Committed { records: 1 }, "committed 1 record"),
    (Event::Committed { records: 3 }, "committed 3 records"),
    (Event::Flushed, "flushed the disk"),
    (Event::FlushFailed, "a flush of the disk failed"),
    (Event::AuditBegan { volume: 2, scope: Scope::Full }, "audit of audit began: full"),
    (Event::AuditEnded { volume: 0, verdict: Verdict::Clean }, "audit of contracts ended: clean"),
    (Event::AuditEnded { volume: 0, verdict: Verdict::NotVerified }, "audit of contracts was given up"),
    (
        Event::Refused { volume: 1, status: Status::BelowFrontier },
        "refused a request about finance: below-frontier",
    ),
    (Event::CutOff { volume: 1 }, "cut off the client of finance, which broke its protocol"),
    (
        Event::CutOff { volume: 77 },
        "cut off the client of a volume 77 that does not exist, which broke its protocol",
    ),
    (Event::Commanded(Standing::Suspended), "was told to be suspended"),
    (Event::Obeyed(Standing::Archived), "is archived, as it was told"),
    (Event::LedgerFailed, "its ledger cannot be continued"),
    (Event::VaultLost, "lost the vault"),
    (Event::Faulted { archive: 0 }, "contracts faulted"),
];

fn notes() -> Vec<NoteRow> {
    let note = |(sequence, (event, _)): (u64, (Event, &str))| NoteRow {
        sequence: sequence.into(),
        event: EventRow::of(RECORD_TIME_MS, event),
    };
    (7..).zip(EVENTS).map(note).collect()
}

#[test]
fn a_trace_is_shown_as_a_table_or_rows() {
    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Ok(3));
    assert_eq!(harness.type_line("trace finance"), "trace finance\r\n");
    assert_eq!(harness.last_order(), (Order::Trace(Traced::Archive(1)), Reason::new()));
    harness.bring_trace(3, &notes());
    harness.publish();
    let time = format!("{}", Time(RECORD_TIME_MS));
    let rows = (7..).zip(EVENTS).map(|(sequence, (_, text))| format!("{sequence:>3}  {time}  {text}\r\n"));
    let rows: alloc::string::String = rows.collect();
    let shown = harness.output();
    assert_eq!(
        shown,
        format!("seq  time                 what\r\n{rows}+trace domain=finance notes=18\r\ntotebox> ")
    );
    harness.type_line("machine");
    harness.answer_order(Ok(4));
    harness.send("trace vault");
    assert_eq!(harness.last_order(), (Order::Trace(Traced::Service(Role::Vault)), Reason::new()));
    harness.bring_trace(4, &notes()[..2]);
    harness.publish();
    let at = format!("time={RECORD_TIME_MS}");
    assert_eq!(
        harness.lines(),
        [
            format!("=note seq=7 {at} text=\"started\""),
            format!("=note seq=8 {at} text=\"order: suspend\""),
            "+trace domain=vault notes=2".into()
        ]
    );
    harness.answer_order(Ok(5));
    harness.send("trace clock");
    harness.bring_trace(5, &[]);
    harness.publish();
    assert_eq!(harness.lines(), ["+trace domain=clock notes=0"]);
    harness.answer_order(Err(Refusal::UnknownArchive));
    assert!(harness.ask("trace finance")[0].starts_with("-unknown-archive "));
}

/// Every byte of every row is anything: each is shown in a line that fits, and nothing a terminal would obey.
#[test]
fn whatever_stands_in_a_trace_is_shown_harmless_and_fits() {
    let mut harness = Harness::up_machine(&NAMES);
    let mut tag = 0;
    let mut show = |row: EventRow| {
        tag += 1;
        harness.answer_order(Ok(tag));
        harness.send("trace finance");
        let note = NoteRow { sequence: u64::MAX.into(), event: row };
        harness.bring_trace(tag, &[note; NOTES_MAX]);
        harness.publish();
        let lines = harness.lines();
        assert_eq!(lines.len(), NOTES_MAX + 1);
        assert!(lines[0].len() + " #01234567\r\n".len() <= NOTE_LINE_MAX, "{}", lines[0]);
        assert_eq!(unprintable(&lines[0]), None);
        lines[0].contains("an event that cannot be read, of kind ")
    };
    assert!(show(EventRow::new_zeroed()));
    for (event, _) in EVENTS {
        assert!(!show(EventRow::of(u64::MAX, event)));
        for (at, value) in [(8, 0xff), (9, 0xff), (10, 0x1b), (11, 0xff), (12, 0x0a)] {
            let mut row = EventRow::of(u64::MAX, event);
            row.as_mut_bytes()[at] = value;
            assert_eq!(show(row), row.decode().is_none());
        }
    }
}
