//! A hostile, broken or silent auditor.

use totebox_manifest::conversation::QUEUE_HEADER;
use totebox_protocol::audit::{Remembered, Verified};

use super::super::link::{CUT_OFF_MS, SILENT_BEATS, START_BEATS};
use super::*;

type SpoilPast = fn(&mut Report, &mut Remembered);
type SpoilVerdict = fn(&mut Report, &mut Verified);

/// Asserts that the auditor is cut off, that this is flagged, and that what was under way has ended.
fn assert_auditor_lost(harness: &mut Harness, tag: u32, why: &str) {
    assert_eq!(harness.status_page().degraded, degraded::AUDITOR, "{why}");
    let audit = (FlagKind::AuditVolume, AUDIT as u8);
    assert_eq!(harness.flagged(), [audit, (FlagKind::Degraded, NO_VOLUME)], "{why}");
    assert_eq!(harness.flags()[1].what, Role::Auditor as u8, "{why}");
    let row = harness.row(1);
    assert_eq!((row.verifying, row.verdict), (0, Ending::NotVerified as u8), "{why}");
    assert_eq!(row.verify_tag.get(), tag, "{why}");
    // When it ended is known: a time of zero would be shown as one in 1970.
    assert!((1..=harness.time.wall_ms.get()).contains(&row.verified_ms.get()), "{why}: {}", row.verified_ms);
    assert!(harness.status_page().rows[..=AUDIT].iter().all(|row| row.audit_due_ms == u64::MAX), "{why}");
    assert_eq!(harness.command(Op::Verify, 0), Err(Refusal::AuditorUnavailable), "{why}");
    assert_eq!(harness.history(0), Err(Refusal::AuditorUnavailable), "{why}");
    assert_eq!(harness.state(0), Some(ArchiveState::Active), "{why}");
    assert_eq!(harness.state(AUDIT), Some(ArchiveState::Failed), "{why}");
}

#[test]
fn an_auditor_that_reports_what_cannot_be_is_not_read_any_more() {
    let spoilers: [(&str, SpoilVerdict); 24] = [
        ("no verdict", |report, _| report.verdict = 0),
        ("an unknown verdict", |report, _| report.verdict = 200),
        ("a verdict on a record", |report, _| report.verdict = Ending::Recorded as u8),
        ("a verdict on a history", |report, _| report.verdict = Ending::Complete as u8),
        ("no operation", |report, _| report.op = 0),
        ("an unknown operation", |report, _| report.op = 9),
        ("another kind of verification", |report, _| report.op = audit::Op::VerifyIncremental as u8),
        ("a record nobody asked for", |report, _| {
            (report.op, report.verdict) = (audit::Op::Record as u8, Ending::Recorded as u8);
        }),
        ("a history nobody asked for", |report, _| report.op = audit::Op::History as u8),
        ("a ping", |report, _| report.op = audit::Op::Ping as u8),
        ("a volume's past, after the start", |report, _| {
            (report.op, report.tag) = (audit::Op::RestoreVolume as u8, 0.into());
        }),
        ("a start, after the start", |report, _| {
            (report.op, report.tag) = (audit::Op::Record as u8, 0.into());
            report.verdict = Ending::Recorded as u8;
        }),
        ("a volume that is not under way", |report, _| report.volume = 2),
        ("a volume there is not", |report, _| report.volume = 250),
        ("another tag", |report, _| report.tag = 4711.into()),
        ("no tag", |report, _| report.tag = 0.into()),
        ("clean with a finding", |report, _| report.finding = 1),
        ("clean with findings", |report, _| report.findings = 1.into()),
        ("a mismatch without a finding", |report, _| report.verdict = Ending::Mismatch as u8),
        ("an unknown finding", |report, verified| {
            (*report, *verified) = found(report);
            (report.finding, verified.findings[0].kind) = (99, 99);
        }),
        ("an unknown area", |report, verified| {
            (*report, *verified) = found(report);
            (report.area, verified.findings[0].area) = (9, 9);
        }),
        ("an unknown place further on", |report, verified| {
            (*report, *verified) = found(report);
            (verified.findings[7].kind, verified.findings[7].area) = (1, 9);
        }),
        ("another first finding", |report, verified| {
            (*report, *verified) = found(report);
            report.block = 34.into();
        }),
        ("a mismatch with no findings", |report, verified| {
            (*report, *verified) = found(report);
            report.findings = 0.into();
        }),
    ];
    for (why, spoil) in spoilers {
        let mut harness = Harness::settled();
        let tag = harness.command(Op::Verify, 1).unwrap();
        let (mut report, mut verified) = (clean(&harness.jobs()[0]), Verified::new_zeroed());
        let good = report;
        spoil(&mut report, &mut verified);
        harness.report(&report, verified.as_bytes());
        assert_auditor_lost(&mut harness, tag, why);
        harness.report(&good, &[]);
        assert_eq!(harness.row(1).verdict, Ending::NotVerified as u8, "{why}");
    }
}

fn found(report: &Report) -> (Report, Verified) {
    let mut request = audit::Request::new_zeroed();
    (request.op, request.volume, request.tag) = (report.op, report.volume, report.tag);
    mismatch(&request, &[(FindingKind::Asset, 33)])
}

#[test]
fn a_report_comes_once() {
    let mut harness = Harness::settled();
    let tag = harness.command(Op::Verify, 1).unwrap();
    let job = harness.jobs()[0];
    harness.report(&clean(&job), &[]);
    harness.report(&clean(&job), &[]);
    assert_eq!((harness.status_page().degraded, harness.row(1).verify_tag.get()), (degraded::AUDITOR, tag));
    assert_eq!(harness.row(1).verdict, Ending::Clean as u8);
}

#[test]
fn reports_on_entries_that_cannot_be_cut_the_auditor_off_and_the_flag_is_shown() {
    let spoilers: [(&str, Spoil<Report>); 5] = [
        ("another tag", |report| report.tag = 4711.into()),
        ("recorded nowhere", |report| report.audit_record = NO_RECORD.into()),
        ("not recorded, but somewhere", |report| report.verdict = Ending::NotRecorded as u8),
        ("a verdict on a verification", |report| report.verdict = Ending::Clean as u8),
        ("not served, but recorded", |report| report.verdict = Ending::NotVerified as u8),
    ];
    for (why, spoil) in spoilers {
        let mut harness = Harness::settled();
        harness.set_volume(1, VolumeState::Damaged);
        let (request, _) = harness.entries()[0];
        let mut report = harness.recorded(&request);
        spoil(&mut report);
        harness.report(&report, &[]);
        assert_eq!(harness.status_page().degraded, degraded::AUDITOR, "{why}");
        let row = harness.flags().into_iter().find(|row| row.kind == FlagKind::MissingVolume.number()).expect(why);
        assert_eq!((row.id.get(), row.audit_record.get(), harness.row(1).flags.get()), (1, NO_RECORD, 1), "{why}");
    }
}

#[test]
fn an_entry_the_auditor_does_not_serve_is_not_recorded() {
    let mut harness = Harness::settled();
    harness.set_volume(1, VolumeState::Damaged);
    let (request, _) = harness.entries()[0];
    let mut report = clean(&request);
    (report.verdict, report.audit_record) = (Ending::NotVerified as u8, NO_RECORD.into());
    harness.report(&report, &[]);
    assert_eq!(harness.flagged(), [(FlagKind::AuditVolume, AUDIT as u8), (FlagKind::MissingVolume, 1)]);
    assert_eq!(harness.status_page().degraded, 0);
}

#[test]
fn a_past_that_cannot_be_cuts_the_auditor_off() {
    let flags: [(&str, Spoil<FlagRow>); 7] = [
        ("no id", |row| row.id = 0.into()),
        ("no kind", |row| row.kind = 0),
        ("an unknown kind", |row| row.kind = 11),
        ("a volume there is not", |row| row.volume = AUDIT as u8 + 1),
        ("an unknown area", |row| row.area = 4),
        ("a state it cannot have", |row| row.acknowledged = Acknowledged::Recording as u8),
        ("the answer to a command", |row| row.tag = 1.into()),
    ];
    for (why, spoil) in flags {
        let mut harness = Harness::new();
        harness.start();
        let mut row = flag_row(FlagKind::Hung, 1);
        row.id = 1.into();
        harness.report_flag(&row);
        assert_eq!(harness.status_page().degraded, 0);
        spoil(&mut row);
        harness.report_flag(&row);
        assert_eq!(
            (harness.status_page().degraded, harness.status_page().restored),
            (degraded::AUDITOR, 1),
            "{why}"
        );
    }
    let volumes: [(&str, SpoilPast); 4] = [
        ("a volume there is not", |report, _| report.volume = AUDIT as u8 + 1),
        ("an unknown state", |_, remembered| remembered.state = 77),
        ("a state no transition leads to", |_, remembered| remembered.state = ArchiveState::Failed as u8),
        ("an unknown state before", |_, remembered| remembered.before = 0),
    ];
    for (why, spoil) in volumes {
        let mut harness = Harness::new();
        harness.start();
        let (mut report, mut remembered) = (Report::new_zeroed(), Remembered::new_zeroed());
        report.op = audit::Op::RestoreVolume as u8;
        (remembered.state, remembered.before) = (ArchiveState::Active as u8, ArchiveState::Active as u8);
        harness.report(&report, remembered.as_bytes());
        assert_eq!(harness.status_page().degraded, 0);
        spoil(&mut report, &mut remembered);
        harness.report(&report, remembered.as_bytes());
        assert_eq!(harness.status_page().degraded, degraded::AUDITOR, "{why}");
    }
}

#[test]
fn nonsense_about_the_last_verification_is_left_out() {
    let spoilers: [SpoilPast; 3] = [
        |_, remembered| remembered.verified = audit::Op::Record as u8,
        |report, _| report.verdict = Ending::Recorded as u8,
        |report, _| report.verdict = 99,
    ];
    for spoil in spoilers {
        let mut past = Past::default();
        let (report, remembered) = &mut past.verified[1];
        (report.verdict, remembered.verified) = (Ending::Clean as u8, audit::Op::VerifyFull as u8);
        spoil(report, remembered);
        let harness = Harness::new().settle(&past);
        assert_eq!((harness.row(1).verdict, harness.row(1).verified_ms.get()), (0, 0));
    }
}

#[test]
fn impossible_numbers_at_the_start_are_survived() {
    let mut past = Past::default();
    let (report, body) = &mut past.opened;
    report.as_mut_bytes()[8..].fill(0xff);
    body.as_mut_bytes().fill(0xff);
    report.audit_record = (u64::MAX - 1).into();
    report.tag = 0.into();
    let mut harness = Harness::new().settle(&past);
    harness.records = 100;
    harness.fault(1);
    harness.set_volume(0, VolumeState::Damaged);
    harness.tick(1000);
    harness.record_all();
    assert_eq!(harness.state(1), Some(ArchiveState::Faulted));
    assert_eq!(harness.status_page().flags_open.get(), u32::MAX);
}

#[test]
fn an_auditor_with_impossible_indices_is_not_read_any_more() {
    const TAIL: usize = 0;
    const HEAD: usize = 8;
    const { assert!(HEAD < QUEUE_HEADER) };
    for (offset, value) in [(TAIL, 0), (TAIL, 1000), (TAIL, u64::MAX), (HEAD, 2), (HEAD, u64::MAX)] {
        let mut harness = Harness::settled();
        let tag = harness.command(Op::Verify, 1).unwrap();
        harness.auditor_region.store(offset, value);
        harness.notify(harness.auditor);
        harness.tick(1000);
        assert_auditor_lost(&mut harness, tag, "impossible index");
    }
}

#[test]
fn an_auditor_that_takes_nothing_is_shown_as_quickly_as_others_and_cut_off_later() {
    let mut harness = Harness::settled();
    harness.seconds(1);
    harness.auditor_lives = false;
    let tag = harness.command(Op::Verify, 1).unwrap();
    harness.seconds(SILENT_MS / 1000 - 1);
    assert_eq!((harness.status_page().degraded, harness.flagged()), (0, vec![]));
    harness.seconds(1);
    let status_page = harness.status_page();
    assert_eq!((status_page.degraded, status_page.unrecorded.get()), (degraded::AUDITOR, 1));
    let flag = harness.flags()[0];
    assert_eq!((flag.kind, flag.what), (FlagKind::Degraded.number(), Role::Auditor as u8));
    assert_eq!((flag.detail.get(), flag.audit_record.get()), (Loss::Silent as u64, NO_RECORD));
    assert_eq!(harness.command(Op::Verify, 2), Err(Refusal::AuditorUnavailable));
    assert_eq!(harness.row(1).verifying, 1, "it may come back");
    harness.seconds((CUT_OFF_MS - SILENT_MS) / 1000);
    assert_auditor_lost(&mut harness, tag, "it takes nothing");
}

#[test]
fn an_idle_auditor_is_watched_and_one_that_goes_on_is_well_again() {
    let mut harness = Harness::settled();
    harness.auditor_lives = false;
    harness.seconds(SILENT_MS / 1000 + 1);
    assert_eq!(harness.status_page().degraded, degraded::AUDITOR, "it was asked for nothing but a sign of life");
    harness.set_volume(2, VolumeState::Failed);
    assert!(harness.flagged().contains(&(FlagKind::MissingVolume, 2)), "what happens meanwhile is shown");
    harness.auditor_lives = true;
    harness.seconds(1);
    assert_eq!(harness.status_page().degraded, 0);
    assert_eq!(kinds(&harness.record_all()), "degraded, missing-volume");
    assert!(harness.flags().iter().all(|row| row.audit_record.get() != NO_RECORD));
    assert_eq!(harness.status_page().unrecorded.get(), 0);
    harness.command(Op::Verify, 1).unwrap();
}

#[test]
fn an_auditor_that_takes_what_it_is_asked_may_take_its_time_for_a_verification() {
    let mut harness = Harness::settled();
    harness.command(Op::Verify, 1).unwrap();
    let mut job = None;
    for _ in 0..3 * SILENT_BEATS {
        harness.seconds(1);
        job = job.or(harness.jobs().pop());
    }
    assert_eq!((harness.status_page().degraded, harness.row(1).verifying), (0, 1));
    assert!(harness.pings > 3 * SILENT_BEATS as usize - 2);
    harness.report(&clean(&job.unwrap()), &[]);
    assert_eq!(harness.row(1).verdict, Ending::Clean as u8);
}

#[test]
fn an_auditor_that_always_has_something_left_to_take_is_not_silent() {
    let mut harness = Harness::settled();
    for _ in 0..2 * SILENT_BEATS {
        harness.command(Op::Verify, 1).unwrap();
        harness.seconds(1);
        assert_eq!(harness.status_page().degraded, 0);
        let job = harness.jobs()[0];
        harness.report(&clean(&job), &[]);
    }
}

#[test]
fn an_auditor_that_owes_an_entry_is_cut_off_and_the_flag_is_shown() {
    let mut harness = Harness::settled();
    harness.fault(1);
    for _ in 0..=SILENT_BEATS {
        assert_eq!(harness.state(1), Some(ArchiveState::Active), "its row waits");
        harness.seconds(1);
        harness.entries();
    }
    assert_eq!(harness.status_page().degraded, degraded::AUDITOR);
    assert_eq!(harness.state(1), Some(ArchiveState::Faulted));
    assert!(harness.flagged().contains(&(FlagKind::Fault, 1)));
}

#[test]
fn an_auditor_that_owes_a_history_or_the_start_is_cut_off() {
    let mut harness = Harness::settled();
    let tag = harness.history(0).unwrap();
    for _ in 0..=SILENT_BEATS {
        harness.seconds(1);
        harness.asked(&[audit::Op::History]);
    }
    assert_eq!(
        (harness.status_page().degraded, harness.status_page().history_tag.get()),
        (degraded::AUDITOR, tag)
    );

    let mut harness = Harness::new();
    harness.start();
    for _ in 0..START_BEATS {
        harness.seconds(1);
        harness.jobs();
    }
    assert_eq!((harness.status_page().degraded, harness.status_page().restored), (0, 0));
    harness.seconds(1);
    assert_eq!((harness.status_page().degraded, harness.status_page().restored), (degraded::AUDITOR, 1));
}

#[test]
fn an_auditor_lost_before_the_start_leaves_no_schedule() {
    let mut harness = Harness::with(ARCHIVES, |description| description.audit_period_s = 900);
    harness.start();
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    harness.seconds(20);
    for row in &harness.status_page().rows[..=AUDIT] {
        assert_eq!((row.verifying, row.audit_due_ms.get()), (0, u64::MAX));
    }
}

#[test]
fn what_happens_without_an_auditor_is_shown_at_once() {
    let mut harness = Harness::settled();
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    harness.fault(1);
    assert_eq!(harness.state(1), Some(ArchiveState::Faulted));
    assert_eq!(harness.flagged()[1], (FlagKind::Fault, 1));
    harness.set_volume(2, VolumeState::Failed);
    assert_eq!(harness.flagged()[1], (FlagKind::MissingVolume, 2));
    let mut ids: Vec<_> = harness.flags().iter().map(|row| row.id.get()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each has an id of its own");
    harness.kernel.notified.clear();
    harness.seconds(3);
    assert!(!harness.kernel.notified.contains(&harness.auditor));
}

#[test]
fn all_the_auditor_has_left_is_taken_in_one_go() {
    let mut harness = Harness::settled();
    harness.set_volume(1, VolumeState::Damaged);
    harness.set_volume(2, VolumeState::Damaged);
    for (request, _) in harness.entries() {
        let report = harness.recorded(&request);
        harness.leave(&report, &[]);
    }
    harness.kernel.notified.clear();
    harness.notify(harness.auditor);
    assert_eq!(harness.flags().len(), 2);
    assert!(harness.kernel.notified.contains(&harness.auditor), "there is room again");
}
