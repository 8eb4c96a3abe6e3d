//! What domains noted, on its way to the operator.

use totebox_domain::Domain;
use totebox_manifest::conversation::{TRACE_ROW, TRACE_ROWS};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::Traced;
use totebox_protocol::trace::{Event, EventRow, NoteRow};
use totebox_shm::testing::mapped;
use totebox_shm::{Shared, TraceWriter};

use super::harness::WALL_MS;
use super::*;

/// Number, wall clock and event of each note.
fn notes(rows: &[NoteRow]) -> Vec<(u64, u64, Option<Event>)> {
    rows.iter().map(|note| (note.sequence.get(), note.event.time_ms.get(), note.event.decode())).collect()
}

/// The trace of archive 1, which notes something at these times by the CPU's counter.
fn noted(harness: &Harness, times_ms: &[u64]) -> TraceWriter<EventRow> {
    let mut trace = TraceWriter::new(mapped(), harness.traces[1]).unwrap();
    for (&time_ms, records) in times_ms.iter().zip(1..) {
        trace.note(&EventRow::of(time_ms, Event::Committed { records }));
    }
    trace
}

#[test]
fn an_archives_events_are_shown_with_the_time_of_the_wall_clock() {
    let mut harness = Harness::settled();
    assert_eq!(harness.trace(Traced::Archive(1)), []);
    harness.tick(10_000);
    let mut trace = noted(&harness, &[4_000, 9_500, 77_000]);
    let of = |records| Some(Event::Committed { records });
    let expected = [(0, WALL_MS + 4_000, of(1)), (1, WALL_MS + 9_500, of(2)), (2, WALL_MS + 10_000, of(3))];
    assert_eq!(notes(&harness.trace(Traced::Archive(1))), expected, "what is in the future is now");
    assert_eq!(harness.trace(Traced::Archive(0)), [], "a sibling's is another");
    for _ in 0..TRACE_ROWS {
        trace.note(&EventRow::of(10_000, Event::Flushed));
    }
    let rows = harness.trace(Traced::Archive(1));
    assert_eq!((rows.len(), rows[0].sequence.get()), (TRACE_ROWS, 3), "the last ones");
}

/// The thread is stopped for good, and nobody else writes there: what is shown hours later is what was there then.
#[test]
fn after_a_fault_the_trace_is_what_it_was() {
    let mut harness = Harness::settled();
    harness.tick(10_000);
    noted(&harness, &[4_000, 9_500]);
    harness.fault(1);
    let at_the_fault = notes(&harness.trace(Traced::Archive(1)));
    harness.record_all();
    harness.seconds(20);
    assert_eq!(harness.kernel.stopped, [child(1)]);
    assert!(harness.kernel.resumed.is_empty());
    assert_eq!(notes(&harness.trace(Traced::Archive(1))), at_the_fault);
}

#[test]
fn its_own_trace_tells_of_orders_and_faults() {
    let mut harness = Harness::settled();
    harness.tick(10_000);
    harness.fault(2);
    harness.command(Op::Suspend, 1).unwrap();
    let own = harness.trace(Traced::Service(Role::Orchestrator));
    let events: Vec<_> = own.iter().map(|note| note.event.decode().unwrap()).collect();
    assert_eq!(
        events,
        [Event::Started, Event::Faulted { archive: 2 }, Event::Order(Op::Suspend), Event::Order(Op::Trace)],
        "pings are no news"
    );
}

#[test]
fn every_domain_has_a_trace_and_nobody_else() {
    let mut harness = Harness::settled();
    for role in totebox_manifest::SERVICES {
        harness.trace(Traced::Service(role));
    }
    for archive in [ARCHIVES, usize::from(u8::MAX)] {
        let request = Order::Trace(Traced::Archive(archive)).encode(0, 0);
        assert_eq!(harness.call(request, &[]), Err(Refusal::UnknownArchive));
    }
}

#[test]
fn a_trace_is_there_before_the_audit_record_was_read_and_without_the_auditor() {
    let mut harness = Harness::new();
    harness.start();
    noted(&harness, &[0]);
    assert_eq!(harness.trace(Traced::Archive(1)).len(), 1);
    let mut harness = Harness::settled();
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    noted(&harness, &[0]);
    assert_eq!(harness.trace(Traced::Archive(1)).len(), 1);
}

/// Whatever an archive writes there, each row is shown once at most, in order, and nothing else changes.
#[test]
fn a_hostile_trace_is_passed_on_as_far_as_it_is_one() {
    let mut harness = Harness::settled();
    harness.tick(10_000);
    let words = Shared::new(mapped(), harness.traces[1]).unwrap();
    for stamp in [0, 1, u64::MAX, u64::MAX - 1, 1 << 40] {
        for slot in 0..TRACE_ROWS {
            words.store(slot * TRACE_ROW, u64::wrapping_sub(stamp, slot as u64));
            (8..TRACE_ROW).step_by(8).for_each(|at| words.store(slot * TRACE_ROW + at, u64::MAX));
        }
        let rows = harness.trace(Traced::Archive(1));
        assert!(rows.len() <= TRACE_ROWS);
        assert!(rows.windows(2).all(|pair| pair[0].sequence.get() < pair[1].sequence.get()));
        assert!(notes(&rows).iter().all(|&(_, time_ms, event)| (time_ms, event) == (WALL_MS + 10_000, None)));
    }
    assert_eq!(harness.state(1), Some(ArchiveState::Active));
    assert!(harness.flags().is_empty());
}

/// Without the time nobody knows when it was.
#[test]
fn before_the_clock_has_told_the_time_there_is_none() {
    let mut harness = Harness::new();
    (harness.time.wall_ms, harness.kernel.counter_ms) = (0.into(), 5_000);
    harness.publish_time();
    noted(&harness, &[1_000]);
    harness.orchestrator.start(&mut harness.kernel);
    assert_eq!(notes(&harness.trace(Traced::Archive(1)))[0].1, 0);
}

/// It says what the archive is told, and nothing of it reaches another one.
#[test]
fn traces_have_no_channel() {
    let mut harness = Harness::settled();
    harness.kernel.notified.clear();
    harness.trace(Traced::Archive(1));
    assert_eq!(harness.kernel.notified, [harness.console], "nobody but who asked is woken");
    assert_eq!(harness.target(1), Some(Standing::Active));
}
