//! The findings of a volume beyond those that became flags.

use totebox_protocol::audit::{NO_RANGES, RangeRows, Verified};

use super::*;

/// Has a volume verified; the auditor finds ten things more than it names one by one.
fn find_more(harness: &mut Harness, volume: usize) -> (Report, Verified) {
    harness.command(Op::Verify, volume).unwrap();
    let job = harness.jobs()[0];
    let (mut report, mut verified) = mismatch(&job, &ASSETS);
    (report.findings, verified.more) = (18.into(), ranges(&[4, 6]));
    harness.report(&report, verified.as_bytes());
    (report, verified)
}

/// What the status page says in answer to a question for the findings of a volume.
fn ask(harness: &mut Harness, volume: usize) -> (u32, RangeRows) {
    let tag = harness.command(Op::Findings, volume).unwrap();
    let status_page = harness.status_page();
    assert_eq!(status_page.findings_tag.get(), tag, "it is there when the answer comes");
    (status_page.findings.get(), status_page.more)
}

#[test]
fn they_are_shown_when_they_are_asked_for() {
    let mut harness = Harness::settled();
    assert_eq!(ask(&mut harness, 1), (0, NO_RANGES), "nothing was verified yet");
    find_more(&mut harness, 1);
    harness.record_all();
    assert_eq!(harness.status_page().more, NO_RANGES, "nobody asked");
    assert_eq!(ask(&mut harness, 1), (18, ranges(&[4, 6])));
    assert_eq!(ask(&mut harness, 0), (0, NO_RANGES));
    find_more(&mut harness, AUDIT);
    harness.record_all();
    assert_eq!(ask(&mut harness, AUDIT), (18, ranges(&[4, 6])));
    harness.find(1, &ASSETS);
    harness.record_all();
    assert_eq!(ask(&mut harness, 1), (2, NO_RANGES), "those of the last verification");
    assert_eq!(harness.command(Op::Findings, AUDIT + 1), Err(Refusal::UnknownArchive));
}

#[test]
fn the_flags_are_recorded_before_the_others_are_shown() {
    let mut harness = Harness::settled();
    find_more(&mut harness, 1);
    let tag = harness.command(Op::Findings, 1).unwrap();
    assert_eq!((harness.status_page().findings_tag.get(), harness.status_page().more), (0, NO_RANGES));
    harness.record_all();
    let status_page = harness.status_page();
    assert_eq!(
        (status_page.findings_tag.get(), status_page.findings.get(), status_page.more),
        (tag, 18, ranges(&[4, 6]))
    );
}

#[test]
fn they_are_known_after_a_start_and_without_the_auditor() {
    let mut past = Past::default();
    let (report, remembered) = &mut past.verified[1];
    (report.verdict, report.findings) = (Ending::Mismatch as u8, 40.into());
    (remembered.verified, remembered.more) = (audit::Op::VerifyFull as u8, ranges(&[32]));
    let mut harness = Harness::new();
    harness.start();
    assert_eq!(harness.command(Op::Findings, 1), Err(Refusal::NotReady));
    let mut harness = Harness::new().settle(&past);
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    assert_eq!(harness.status_page().degraded, degraded::AUDITOR);
    assert_eq!(ask(&mut harness, 1), (40, ranges(&[32])));
}

#[test]
fn an_auditor_whose_ranges_cannot_be_is_not_read_any_more() {
    let spoilers: [(&str, Spoil<RangeRows>); 8] = [
        ("an unknown kind", |rows| rows[1].kind = 99),
        ("an unknown area", |rows| rows[1].area = 9),
        ("of no findings", |rows| rows[1].findings = 0.into()),
        ("more findings than there are", |rows| rows[1].findings = 7.into()),
        ("an end before the beginning", |rows| rows[1].last_block = 4.into()),
        ("records that end before they begin", |rows| {
            (rows[1].record, rows[1].last_record) = (2.into(), 1.into())
        }),
        ("a last record without a first", |rows| rows[1].last_record = 3.into()),
        ("a first record without a last", |rows| rows[1].record = 3.into()),
    ];
    for (why, spoil) in spoilers {
        let mut harness = Harness::settled();
        harness.command(Op::Verify, 1).unwrap();
        let job = harness.jobs()[0];
        let (mut report, mut verified) = mismatch(&job, &ASSETS);
        (report.findings, verified.more) = (18.into(), ranges(&[4, 6]));
        spoil(&mut verified.more);
        harness.report(&report, verified.as_bytes());
        assert_eq!(harness.status_page().degraded, degraded::AUDITOR, "{why}");
        assert_eq!(ask(&mut harness, 1), (0, NO_RANGES), "{why}");

        let mut harness = Harness::new();
        harness.start();
        let (mut report, mut remembered) = (Report::new_zeroed(), audit::Remembered::new_zeroed());
        (report.op, report.findings) = (audit::Op::RestoreVolume as u8, 18.into());
        (remembered.state, remembered.before) = (ArchiveState::Active as u8, ArchiveState::Active as u8);
        remembered.more = ranges(&[4, 6]);
        harness.report(&report, remembered.as_bytes());
        assert_eq!(harness.status_page().degraded, 0);
        spoil(&mut remembered.more);
        harness.report(&report, remembered.as_bytes());
        assert_eq!(harness.status_page().degraded, degraded::AUDITOR, "{why}, at the start");
    }
    let mut harness = Harness::settled();
    harness.command(Op::Verify, 1).unwrap();
    let (report, mut verified) = (clean(&harness.jobs()[0]), Verified::new_zeroed());
    verified.more = ranges(&[1]);
    harness.report(&report, verified.as_bytes());
    assert_eq!(
        (harness.status_page().degraded, ask(&mut harness, 1)),
        (0, (0, NO_RANGES)),
        "clean: there are none"
    );
}
