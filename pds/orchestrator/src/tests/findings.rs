//! The findings of a volume beyond those that became flags.

use totebox_protocol::audit::{NO_RANGES, RangeRows, Verified};

use super::*;

/// Has a volume verified; the auditor finds ten things more than it names one by one.
fn find_more(bench: &mut Bench, volume: usize) -> (Report, Verified) {
    bench.command(Op::Verify, volume).unwrap();
    let job = bench.jobs()[0];
    let (mut report, mut verified) = mismatch(&job, &ASSETS);
    (report.findings, verified.more) = (18.into(), ranges(&[4, 6]));
    bench.report(&report, verified.as_bytes());
    (report, verified)
}

/// What the surface says in answer to a question for the findings of a volume.
fn ask(bench: &mut Bench, volume: usize) -> (u32, RangeRows) {
    let tag = bench.command(Op::Findings, volume).unwrap();
    let surface = bench.surface();
    assert_eq!(surface.findings_tag.get(), tag, "it is there when the answer comes");
    (surface.findings.get(), surface.more)
}

#[test]
fn they_are_shown_when_they_are_asked_for() {
    let mut bench = Bench::settled();
    assert_eq!(ask(&mut bench, 1), (0, NO_RANGES), "nothing was verified yet");
    find_more(&mut bench, 1);
    bench.record_all();
    assert_eq!(bench.surface().more, NO_RANGES, "nobody asked");
    assert_eq!(ask(&mut bench, 1), (18, ranges(&[4, 6])));
    assert_eq!(ask(&mut bench, 0), (0, NO_RANGES));
    find_more(&mut bench, AUDIT);
    bench.record_all();
    assert_eq!(ask(&mut bench, AUDIT), (18, ranges(&[4, 6])));
    bench.find(1, &ASSETS);
    bench.record_all();
    assert_eq!(ask(&mut bench, 1), (2, NO_RANGES), "those of the last verification");
    assert_eq!(bench.command(Op::Findings, AUDIT + 1), Err(Outcome::UnknownArchive));
}

#[test]
fn the_flags_are_recorded_before_the_others_are_shown() {
    let mut bench = Bench::settled();
    find_more(&mut bench, 1);
    let tag = bench.command(Op::Findings, 1).unwrap();
    assert_eq!((bench.surface().findings_tag.get(), bench.surface().more), (0, NO_RANGES));
    bench.record_all();
    let surface = bench.surface();
    assert_eq!((surface.findings_tag.get(), surface.findings.get(), surface.more), (tag, 18, ranges(&[4, 6])));
}

#[test]
fn they_are_known_after_a_start_and_without_the_auditor() {
    let mut past = Past::default();
    let (report, remembered) = &mut past.verified[1];
    (report.verdict, report.findings) = (Verdict::Mismatch as u8, 40.into());
    (remembered.verified, remembered.more) = (audit::Op::VerifyFull as u8, ranges(&[32]));
    let mut bench = Bench::new();
    bench.start();
    assert_eq!(bench.command(Op::Findings, 1), Err(Outcome::NotReady));
    let mut bench = Bench::new().settle(&past);
    bench.auditor_region.store(0, u64::MAX);
    bench.notify(bench.auditor);
    assert_eq!(bench.surface().degraded, degraded::AUDITOR);
    assert_eq!(ask(&mut bench, 1), (40, ranges(&[32])));
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
        let mut bench = Bench::settled();
        bench.command(Op::Verify, 1).unwrap();
        let job = bench.jobs()[0];
        let (mut report, mut verified) = mismatch(&job, &ASSETS);
        (report.findings, verified.more) = (18.into(), ranges(&[4, 6]));
        spoil(&mut verified.more);
        bench.report(&report, verified.as_bytes());
        assert_eq!(bench.surface().degraded, degraded::AUDITOR, "{why}");
        assert_eq!(ask(&mut bench, 1), (0, NO_RANGES), "{why}");

        let mut bench = Bench::new();
        bench.start();
        let (mut report, mut remembered) = (Report::new_zeroed(), audit::Remembered::new_zeroed());
        (report.op, report.findings) = (audit::Op::RestoreVolume as u8, 18.into());
        (remembered.state, remembered.before) = (ArchiveState::Active as u8, ArchiveState::Active as u8);
        remembered.more = ranges(&[4, 6]);
        bench.report(&report, remembered.as_bytes());
        assert_eq!(bench.surface().degraded, 0);
        spoil(&mut remembered.more);
        bench.report(&report, remembered.as_bytes());
        assert_eq!(bench.surface().degraded, degraded::AUDITOR, "{why}, at the start");
    }
    let mut bench = Bench::settled();
    bench.command(Op::Verify, 1).unwrap();
    let (report, mut verified) = (clean(&bench.jobs()[0]), Verified::new_zeroed());
    verified.more = ranges(&[1]);
    bench.report(&report, verified.as_bytes());
    assert_eq!((bench.surface().degraded, ask(&mut bench, 1)), (0, (0, NO_RANGES)), "clean: there are none");
}
