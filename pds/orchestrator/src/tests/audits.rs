//! Verifications: the schedule, the operator's command, and the verdicts.

use totebox_protocol::operator::ALL_VOLUMES;
use totebox_testing::TestManifest;

use super::*;

const PERIOD_S: u32 = 900;
const FULL: u8 = audit::Op::VerifyFull as u8;
const INCREMENTAL: u8 = audit::Op::VerifyIncremental as u8;

fn scheduled(full_every: u32) -> impl FnOnce(&mut TestManifest) {
    move |description| (description.audit_period_s, description.audit_full_every) = (PERIOD_S, full_every)
}

/// Kind and volume of what the auditor is asked for; it finds nothing.
fn audit_round(harness: &mut Harness) -> Vec<(u8, u8)> {
    let jobs = harness.jobs();
    for job in &jobs {
        harness.report(&clean(job), &[]);
    }
    jobs.iter().map(|job| (job.op, job.volume)).collect()
}

fn all(op: u8) -> Vec<(u8, u8)> {
    (0..=AUDIT as u8).map(|volume| (op, volume)).collect()
}

#[test]
fn every_volume_is_audited_soon_after_the_start_and_then_once_a_period() {
    let mut harness = Harness::deployed(scheduled(1));
    assert_eq!(harness.row(0).audit_due_ms.get(), 10_000);
    harness.tick(9_999);
    assert_eq!(audit_round(&mut harness), []);
    let period_ms = u64::from(PERIOD_S) * 1000;
    for round in 0..3 {
        harness.tick(10_000 + round * period_ms);
        assert_eq!(audit_round(&mut harness), all(FULL), "round {round}");
        assert_eq!(harness.row(AUDIT).audit_due_ms.get(), 10_000 + (round + 1) * period_ms);
        assert_eq!((harness.row(2).verdict, harness.row(2).verify_tag.get()), (Ending::Clean as u8, 0));
        harness.tick(10_000 + round * period_ms + period_ms - 1);
        assert_eq!(audit_round(&mut harness), []);
    }
    harness.tick(10_000 + 7 * period_ms + 1);
    assert_eq!(audit_round(&mut harness), all(FULL));
    harness.tick(10_000 + 8 * period_ms - 1);
    assert_eq!(audit_round(&mut harness), [], "rounds that were missed are not made up for");
}

#[test]
fn every_so_many_audits_is_a_full_one_restarts_or_not() {
    let mut harness = Harness::deployed(scheduled(3));
    let mut ops = Vec::new();
    for round in 0..7 {
        harness.tick(10_000 + round * u64::from(PERIOD_S) * 1000);
        ops.push(audit_round(&mut harness)[0].0);
    }
    assert_eq!(ops, [INCREMENTAL, INCREMENTAL, FULL, INCREMENTAL, INCREMENTAL, FULL, INCREMENTAL]);

    let mut past = Past::default();
    let (report, remembered) = &mut past.verified[1];
    report.verdict = Ending::Clean as u8;
    (remembered.verified, remembered.since_full) = (INCREMENTAL, 2.into());
    let mut harness = Harness::with(ARCHIVES, scheduled(3)).settle(&past);
    harness.tick(10_000);
    assert_eq!(audit_round(&mut harness), [(INCREMENTAL, 0), (FULL, 1), (INCREMENTAL, 2), (INCREMENTAL, 3)]);
}

#[test]
fn an_incremental_audit_that_had_to_be_done_in_full_counts_as_one() {
    let mut harness = Harness::deployed(scheduled(3));
    for round in 0..3 {
        harness.tick(10_000 + round * u64::from(PERIOD_S) * 1000);
        for job in harness.jobs() {
            assert_eq!(job.op, INCREMENTAL, "round {round}");
            let op = if round == 1 { FULL } else { INCREMENTAL };
            harness.report(&Report { op, ..clean(&job) }, &[]);
            assert_eq!(harness.row(job.volume.into()).verify_op, op);
        }
    }
}

#[test]
fn without_a_period_volumes_are_verified_on_command_alone() {
    let mut harness = Harness::settled();
    assert_eq!(harness.row(0).audit_due_ms.get(), u64::MAX);
    harness.tick(1_000_000_000);
    assert_eq!(audit_round(&mut harness), []);
    harness.command(Op::Verify, 1).unwrap();
    assert_eq!(audit_round(&mut harness), [(FULL, 1)]);
}

#[test]
fn at_most_eight_are_under_way_those_an_operator_waits_for_first() {
    let mut harness = Harness::with(12, scheduled(1)).settle(&Past::default());
    harness.tick(10_000);
    let first = harness.jobs();
    assert_eq!(first.iter().map(|job| job.volume).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(harness.row(12).verifying, 1, "wanted");
    harness.report(&clean(&first[5]), &[]);
    let next = harness.jobs();
    assert_eq!(next.iter().map(|job| job.volume).collect::<Vec<_>>(), [8], "one for one");
    let tag = harness.command(Op::Verify, 5).unwrap();
    assert!(harness.jobs().is_empty());
    harness.report(&clean(&first[0]), &[]);
    let next = harness.jobs();
    assert_eq!((next[0].volume, next[0].tag.get(), next.len()), (5, tag, 1));
}

#[test]
fn a_volume_that_is_busy_is_left_out_of_a_round() {
    let mut harness = Harness::deployed(scheduled(1));
    harness.tick(10_000);
    let jobs = harness.jobs();
    for job in &jobs[1..] {
        harness.report(&clean(job), &[]);
    }
    harness.tick(10_000 + u64::from(PERIOD_S) * 1000);
    assert_eq!(audit_round(&mut harness), [(FULL, 1), (FULL, 2), (FULL, 3)]);
    harness.report(&clean(&jobs[0]), &[]);
    assert_eq!(audit_round(&mut harness), []);
    harness.tick(10_000 + 2 * u64::from(PERIOD_S) * 1000);
    assert_eq!(audit_round(&mut harness), all(FULL));
}

#[test]
fn a_verify_command_goes_to_the_auditor_and_its_verdict_to_the_status_page() {
    let mut harness = Harness::settled();
    let tag = harness.command(Op::Verify, 1).unwrap();
    assert!(harness.kernel.notified.contains(&harness.auditor));
    let row = harness.row(1);
    assert_eq!((row.verifying, row.verify_tag.get(), row.verdict), (1, 0, 0));
    let jobs = harness.jobs();
    assert_eq!((jobs.len(), jobs[0].op, jobs[0].volume), (1, FULL, 1));
    harness.tick(2000);
    let mut report = clean(&jobs[0]);
    report.audit_record = 17.into();
    harness.report(&report, &[]);
    let row = harness.row(1);
    assert_eq!((row.verifying, row.verify_tag.get(), row.verify_op), (0, tag, FULL));
    assert_eq!((row.verdict, row.finding, row.findings.get()), (Ending::Clean as u8, 0, 0));
    assert_eq!((row.verified_records.get(), row.verified_bytes.get()), (5, 40_960));
    assert_eq!((row.verified_ms.get(), row.verify_duration_ms.get()), (harness::WALL_MS + 2000, 7));
    assert_eq!(harness.kernel.notified.last(), Some(&harness.console));
    assert_eq!((harness.state(AUDIT), harness.row(AUDIT).records.get()), (Some(ArchiveState::Active), 18));
}

#[test]
fn all_volumes_are_verified_by_one_command() {
    let mut harness = Harness::settled();
    let tag = harness.command(Op::Verify, ALL_VOLUMES.into()).unwrap();
    let jobs = harness.jobs();
    assert_eq!(jobs.iter().map(|job| (job.op, job.volume)).collect::<Vec<_>>(), all(FULL));
    for job in &jobs[..3] {
        harness.report(&clean(job), &[]);
    }
    assert_eq!((harness.row(AUDIT).verifying, harness.row(0).verifying), (1, 0));
    harness.report(&clean(&jobs[3]), &[]);
    let status_page = harness.status_page();
    assert!(status_page.rows[..=AUDIT].iter().all(|row| row.verify_tag.get() == tag && row.verifying == 0));
}

#[test]
fn one_at_a_time_of_each_volume() {
    let mut harness = Harness::settled();
    harness.command(Op::Verify, 0).unwrap();
    assert_eq!(harness.command(Op::Verify, 0), Err(Refusal::AlreadyRunning));
    assert_eq!(harness.command(Op::Verify, ALL_VOLUMES.into()), Err(Refusal::AlreadyRunning));
    harness.command(Op::Verify, 1).expect("another volume may be verified meanwhile");
    assert_eq!(harness.jobs().len(), 2);
    assert_eq!(harness.row(2).verifying, 0);

    let mut harness = Harness::deployed(scheduled(1));
    harness.tick(10_000);
    assert_eq!(harness.command(Op::Verify, 2), Err(Refusal::AlreadyRunning), "the scheduled one");
}

#[test]
fn a_scheduled_audit_does_not_take_the_answer_to_a_command_away() {
    let mut harness = Harness::deployed(scheduled(1));
    let tag = harness.command(Op::Verify, 1).unwrap();
    let job = harness.jobs()[0];
    harness.report(&clean(&job), &[]);
    harness.tick(10_000);
    assert_eq!((harness.row(1).verify_tag.get(), harness.row(1).verifying), (tag, 1));
    audit_round(&mut harness);
    assert_eq!((harness.row(1).verify_tag.get(), harness.row(1).verifying), (tag, 0));
}

#[test]
fn a_result_that_could_not_be_recorded_is_shown_and_flagged() {
    let mut harness = Harness::settled();
    let tag = harness.command(Op::Verify, 1).unwrap();
    let mut report = clean(&harness.jobs()[0]);
    report.audit_record = NO_RECORD.into();
    harness.report(&report, &[]);
    assert_eq!((harness.row(1).verify_tag.get(), harness.row(1).verdict), (tag, Ending::Clean as u8));
    assert_eq!(harness.flagged(), [(FlagKind::AuditVolume, AUDIT as u8)]);
    assert_eq!(harness.flags()[0].audit_record.get(), NO_RECORD);
    assert_eq!(harness.state(AUDIT), Some(ArchiveState::Failed));
    harness.command(Op::Verify, 1).unwrap();
    let job = harness.jobs()[0];
    harness.report(&clean(&job), &[]);
    assert_eq!(harness.state(AUDIT), Some(ArchiveState::Active), "it takes records again");
    assert_eq!(harness.flags().len(), 1, "and the flag stays");
}

#[test]
fn a_verification_the_auditor_does_not_serve_is_answered() {
    let mut harness = Harness::settled();
    let tag = harness.command(Op::Verify, 1).unwrap();
    let mut report = clean(&harness.jobs()[0]);
    (report.verdict, report.audit_record) = (Ending::NotVerified as u8, NO_RECORD.into());
    harness.report(&report, &[]);
    let row = harness.row(1);
    assert_eq!((row.verify_tag.get(), row.verdict), (tag, Ending::NotVerified as u8));
    assert_eq!(harness.flags(), []);
}

#[test]
fn what_was_found_is_shown_until_a_full_audit_finds_nothing() {
    let mut harness = Harness::deployed(scheduled(9));
    let mut now_ms = 10_000;
    let mut round = |harness: &mut Harness, verdict: Ending| {
        harness.tick(now_ms);
        now_ms += u64::from(PERIOD_S) * 1000;
        let jobs = harness.jobs();
        for job in &jobs {
            let report = match (job.volume, verdict) {
                (1, Ending::Unreadable) => {
                    let (mut report, verified) = mismatch(job, &[(FindingKind::Unreadable, 9)]);
                    report.verdict = verdict as u8;
                    harness.report(&report, verified.as_bytes());
                    continue;
                }
                (1, verdict) => Report { verdict: verdict as u8, ..clean(job) },
                _ => clean(job),
            };
            harness.report(&report, &[]);
        }
        harness.record_all();
        jobs[0].op
    };
    assert_eq!(round(&mut harness, Ending::Clean), INCREMENTAL);
    harness.find(1, &[(FindingKind::Asset, 33), (FindingKind::Asset, 40)]);
    harness.record_all();
    let found = harness.row(1);
    assert_eq!((found.verdict, found.findings.get()), (Ending::Mismatch as u8, 2));
    for verdict in [Ending::Clean, Ending::NotVerified, Ending::Unreadable] {
        assert_eq!(round(&mut harness, verdict), INCREMENTAL);
        let row = harness.row(1);
        assert_eq!(
            (row.verdict, row.findings, row.finding_block.get(), row.verify_op, row.verified_ms),
            (Ending::Mismatch as u8, found.findings, 33, FULL, found.verified_ms),
            "{verdict:?}"
        );
        assert_eq!(harness.row(2).verdict, Ending::Clean as u8);
    }
    harness.command(Op::Verify, 1).unwrap();
    let job = harness.jobs()[0];
    harness.report(&clean(&job), &[]);
    assert_eq!((harness.row(1).verdict, harness.row(1).findings.get()), (Ending::Clean as u8, 0));
}

#[test]
fn results_that_the_audit_record_does_not_tell_of_are_marked_and_counted() {
    let mut harness = Harness::settled();
    for kept_out in [1, 0] {
        for count in 1..=3 {
            harness.command(Op::Verify, 1).unwrap();
            let mut report = clean(&harness.jobs()[0]);
            (report.audit_record, report.kept_out) = (NO_RECORD.into(), kept_out);
            harness.report(&report, &[]);
            let flags = u32::from(kept_out == 0);
            let before = if kept_out == 1 { 0 } else { 3 };
            assert_eq!(
                (harness.row(1).audit_record.get(), harness.status_page().unrecorded.get()),
                (NO_RECORD, before + count + flags)
            );
        }
    }
    harness.command(Op::Verify, 1).unwrap();
    let report = clean(&harness.jobs()[0]);
    harness.report(&report, &[]);
    assert_eq!(harness.row(1).audit_record, report.audit_record);
}
