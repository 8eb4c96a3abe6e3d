//! Records of the audit record on their way to the operator.

use totebox_protocol::audit::EventRow;
use totebox_protocol::operator::LATEST;
use totebox_protocol::page::HISTORY_MAX;

use super::*;

fn asked(bench: &mut Bench) -> audit::Request {
    let asked = bench.asked(&[audit::Op::History]);
    assert_eq!(asked.len(), 1);
    asked[0].0
}

fn report(request: &audit::Request, verdict: Verdict) -> Report {
    let mut report = clean(request);
    report.verdict = verdict as u8;
    report
}

/// The report that a history of 40 records is complete.
fn complete(bench: &mut Bench, request: &audit::Request) {
    let end = audit::HistoryEnd { records: 40.into(), ..audit::HistoryEnd::new_zeroed() };
    bench.report(&report(request, Verdict::Complete), end.as_bytes());
}

fn event(sequence: u64) -> EventRow {
    EventRow { sequence: sequence.into(), ..EventRow::new_zeroed() }
}

#[test]
fn the_records_are_shown_when_all_have_come() {
    let mut bench = Bench::settled();
    let tag = bench.history(7).unwrap();
    let request = asked(&mut bench);
    assert_eq!((request.number.get(), request.count.get(), request.tag.get()), (7, HISTORY_MAX as u32, tag));
    for sequence in 7..10 {
        bench.report_event(&report(&request, Verdict::Event), &event(sequence));
    }
    assert_eq!(bench.surface().history_tag.get(), 0);
    complete(&mut bench, &request);
    let surface = bench.surface();
    assert_eq!((surface.history_tag.get(), surface.history_len.get(), surface.history_end.get()), (tag, 3, 40));
    let sequences: Vec<_> = surface.history[..3].iter().map(|event| event.sequence.get()).collect();
    assert_eq!(sequences, [7, 8, 9]);
    assert_eq!(bench.kernel.notified.last(), Some(&bench.console));

    let tag = bench.history(LATEST).unwrap();
    let request = asked(&mut bench);
    assert_eq!(request.number.get(), NO_RECORD);
    complete(&mut bench, &request);
    let surface = bench.surface();
    assert_eq!((surface.history_tag.get(), surface.history_len.get()), (tag, 0));
    assert!(surface.history.iter().all(|row| *row == EventRow::new_zeroed()), "nothing of the one before is left");
}

#[test]
fn one_at_a_time() {
    let mut bench = Bench::settled();
    let tag = bench.history(0).unwrap();
    assert_eq!(bench.history(0), Err(Outcome::AlreadyRunning));
    let request = asked(&mut bench);
    complete(&mut bench, &request);
    assert_eq!(bench.surface().history_tag.get(), tag);
    bench.history(0).unwrap();
}

#[test]
fn a_history_ends_though_the_auditor_is_lost() {
    let mut bench = Bench::settled();
    let tag = bench.history(0).unwrap();
    let request = asked(&mut bench);
    bench.report_event(&report(&request, Verdict::Event), &event(0));
    bench.auditor_region.store(0, u64::MAX);
    bench.notify(bench.auditor);
    let surface = bench.surface();
    assert_eq!((surface.history_tag.get(), surface.history_len.get(), surface.history_end.get()), (tag, 1, 0));
    assert_eq!(bench.history(0), Err(Outcome::AuditorUnavailable));
}

#[test]
fn events_nobody_asked_for_or_too_many_of_them_cut_the_auditor_off() {
    let mut bench = Bench::settled();
    bench.report_event(
        &report(&audit::Request { tag: 1.into(), op: 4, ..FromZeros::new_zeroed() }, Verdict::Event),
        &event(0),
    );
    assert_eq!(bench.surface().degraded, degraded::AUDITOR);
    let mut bench = Bench::settled();
    bench.report(
        &report(&audit::Request { tag: 1.into(), op: 4, ..FromZeros::new_zeroed() }, Verdict::Complete),
        &[],
    );
    assert_eq!(bench.surface().degraded, degraded::AUDITOR);

    let mut bench = Bench::settled();
    let tag = bench.history(0).unwrap();
    let request = asked(&mut bench);
    for sequence in 0..=HISTORY_MAX as u64 {
        assert_eq!(bench.surface().degraded, 0);
        bench.report_event(&report(&request, Verdict::Event), &event(sequence));
    }
    let surface = bench.surface();
    assert_eq!((surface.degraded, surface.history_tag.get()), (degraded::AUDITOR, tag));
    assert_eq!(surface.history_len.get(), HISTORY_MAX as u32);
}
