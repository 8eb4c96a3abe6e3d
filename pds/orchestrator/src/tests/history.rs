//! Records of the audit record on their way to the operator.

use totebox_protocol::audit::EventRow;
use totebox_protocol::operator::LATEST;
use totebox_protocol::page::HISTORY_MAX;

use super::*;

fn asked(harness: &mut Harness) -> audit::Request {
    let asked = harness.asked(&[audit::Op::History]);
    assert_eq!(asked.len(), 1);
    asked[0].0
}

fn report(request: &audit::Request, verdict: Ending) -> Report {
    let mut report = clean(request);
    report.verdict = verdict as u8;
    report
}

/// The report that a history of 40 records is complete.
fn complete(harness: &mut Harness, request: &audit::Request) {
    let end = audit::HistoryEnd { records: 40.into(), ..audit::HistoryEnd::new_zeroed() };
    harness.report(&report(request, Ending::Complete), end.as_bytes());
}

fn event(sequence: u64) -> EventRow {
    EventRow { sequence: sequence.into(), ..EventRow::new_zeroed() }
}

#[test]
fn the_records_are_shown_when_all_have_come() {
    let mut harness = Harness::settled();
    let tag = harness.history(7).unwrap();
    let request = asked(&mut harness);
    assert_eq!((request.number.get(), request.count.get(), request.tag.get()), (7, HISTORY_MAX as u32, tag));
    for sequence in 7..10 {
        harness.report_event(&report(&request, Ending::Event), &event(sequence));
    }
    assert_eq!(harness.status_page().history_tag.get(), 0);
    complete(&mut harness, &request);
    let status_page = harness.status_page();
    assert_eq!(
        (status_page.history_tag.get(), status_page.history_len.get(), status_page.history_end.get()),
        (tag, 3, 40)
    );
    let sequences: Vec<_> = status_page.history[..3].iter().map(|event| event.sequence.get()).collect();
    assert_eq!(sequences, [7, 8, 9]);
    assert_eq!(harness.kernel.notified.last(), Some(&harness.console));

    let tag = harness.history(LATEST).unwrap();
    let request = asked(&mut harness);
    assert_eq!(request.number.get(), NO_RECORD);
    complete(&mut harness, &request);
    let status_page = harness.status_page();
    assert_eq!((status_page.history_tag.get(), status_page.history_len.get()), (tag, 0));
    assert!(
        status_page.history.iter().all(|row| *row == EventRow::new_zeroed()),
        "nothing of the one before is left"
    );
}

#[test]
fn one_at_a_time() {
    let mut harness = Harness::settled();
    let tag = harness.history(0).unwrap();
    assert_eq!(harness.history(0), Err(Refusal::AlreadyRunning));
    let request = asked(&mut harness);
    complete(&mut harness, &request);
    assert_eq!(harness.status_page().history_tag.get(), tag);
    harness.history(0).unwrap();
}

#[test]
fn a_history_ends_though_the_auditor_is_lost() {
    let mut harness = Harness::settled();
    let tag = harness.history(0).unwrap();
    let request = asked(&mut harness);
    harness.report_event(&report(&request, Ending::Event), &event(0));
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    let status_page = harness.status_page();
    assert_eq!(
        (status_page.history_tag.get(), status_page.history_len.get(), status_page.history_end.get()),
        (tag, 1, 0)
    );
    assert_eq!(harness.history(0), Err(Refusal::AuditorUnavailable));
}

#[test]
fn events_nobody_asked_for_or_too_many_of_them_cut_the_auditor_off() {
    let mut harness = Harness::settled();
    harness.report_event(
        &report(&audit::Request { tag: 1.into(), op: 4, ..FromZeros::new_zeroed() }, Ending::Event),
        &event(0),
    );
    assert_eq!(harness.status_page().degraded, degraded::AUDITOR);
    let mut harness = Harness::settled();
    harness.report(
        &report(&audit::Request { tag: 1.into(), op: 4, ..FromZeros::new_zeroed() }, Ending::Complete),
        &[],
    );
    assert_eq!(harness.status_page().degraded, degraded::AUDITOR);

    let mut harness = Harness::settled();
    let tag = harness.history(0).unwrap();
    let request = asked(&mut harness);
    for sequence in 0..=HISTORY_MAX as u64 {
        assert_eq!(harness.status_page().degraded, 0);
        harness.report_event(&report(&request, Ending::Event), &event(sequence));
    }
    let status_page = harness.status_page();
    assert_eq!((status_page.degraded, status_page.history_tag.get()), (degraded::AUDITOR, tag));
    assert_eq!(status_page.history_len.get(), HISTORY_MAX as u32);
}
