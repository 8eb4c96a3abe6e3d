//! The archive's own scrub and the audits: where they disagree.

use super::*;

/// An archive ends one of its own passes.
fn pass(harness: &mut Harness, archive: usize, result: Check) {
    harness.say(archive, |health| {
        health.checks += 1;
        health.check = result as u8;
        (health.checked_records, health.checked_ms) = (5.into(), 77.into());
        (health.check_area, health.check_block, health.check_record) = (Area::Ledger as u8, 8.into(), 2.into());
    });
}

#[test]
fn what_a_pass_found_is_settled_by_a_full_audit() {
    let mut harness = Harness::settled();
    pass(&mut harness, 1, Check::Clean);
    assert!(harness.jobs().is_empty());
    pass(&mut harness, 1, Check::Mismatch);
    assert_eq!((harness.row(1).check, harness.row(1).checked_records.get()), (Check::Mismatch as u8, 5));
    let jobs = harness.jobs();
    assert_eq!((jobs.len(), jobs[0].op, jobs[0].volume), (1, audit::Op::VerifyFull as u8, 1));
    let (report, verified) = mismatch(&jobs[0], &ASSETS[..1]);
    harness.report(&report, verified.as_bytes());
    assert_eq!(kinds(&harness.record_all()), "asset", "they agree");
    pass(&mut harness, 1, Check::Mismatch);
    assert!(harness.jobs().is_empty(), "the audits have found it already");
}

#[test]
fn a_pass_that_found_what_the_audit_does_not_is_a_disagreement() {
    for result in [Check::Mismatch, Check::Unreadable] {
        let mut harness = Harness::settled();
        pass(&mut harness, 1, result);
        let job = harness.jobs()[0];
        harness.report(&clean(&job), &[]);
        let entries = harness.record_all();
        assert_eq!(kinds(&entries), "cross-check");
        assert_eq!((entries[0].area, entries[0].block.get(), entries[0].record.get()), (Area::Ledger as u8, 8, 2));
        assert_eq!(harness.flagged(), [(FlagKind::CrossCheck, 1)]);
    }
}

#[test]
fn a_pass_that_misses_what_the_audit_found_is_a_disagreement() {
    let mut harness = Harness::settled();
    pass(&mut harness, 1, Check::Clean);
    harness.find(1, &ASSETS[..1]);
    harness.record_all();
    pass(&mut harness, 1, Check::Clean);
    assert!(harness.entries().is_empty(), "that pass may have begun before");
    pass(&mut harness, 1, Check::Clean);
    let entries = harness.record_all();
    assert_eq!((&*kinds(&entries), entries[0].block.get()), ("cross-check", 33));

    let mut harness = Harness::settled();
    harness.find(1, &[(FindingKind::Hint, 1)]);
    harness.record_all();
    for _ in 0..3 {
        pass(&mut harness, 1, Check::Clean);
    }
    assert!(harness.entries().is_empty(), "no archive can see that");
}

#[test]
fn an_archive_cannot_have_itself_audited_without_end() {
    let mut harness = Harness::deployed(|description| description.audit_period_s = 900);
    pass(&mut harness, 1, Check::Mismatch);
    let mut audits = 0;
    for round in 0..50 {
        harness.tick(100 * round);
        for job in harness.jobs() {
            audits += 1;
            harness.report(&clean(&job), &[]);
        }
        harness.record_all();
        harness.say(1, |health| (health.checks, health.check_block) = (health.checks + 1, round.into()));
    }
    assert_eq!((audits, harness.flags().len()), (1, 1));
    harness.tick(900_000);
    assert!(harness.jobs().iter().any(|job| job.volume == 1), "a period later it is looked at again");
}

#[test]
fn without_an_auditor_nothing_is_to_be_settled() {
    let mut harness = Harness::settled();
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    pass(&mut harness, 1, Check::Mismatch);
    harness.tick(1000);
    assert_eq!(harness.row(1).verifying, 0);
}

#[test]
fn what_an_archive_meets_beside_a_pass_is_settled_once_for_each_record_no_flag_tells_of() {
    let mut harness = Harness::settled();
    harness.tick(1000);
    let meets = |harness: &mut Harness, record: u64| {
        harness.tick(harness.time.uptime_ms.get() + 1_000_000);
        harness.say(1, |health| {
            (health.check, health.check_area) = (Check::Mismatch as u8, Area::Assets as u8);
            (health.check_block, health.check_record) = (record.into(), record.into());
        });
        harness.jobs()
    };
    let jobs = meets(&mut harness, 4);
    assert_eq!((jobs.len(), jobs[0].op), (1, audit::Op::VerifyFull as u8), "no pass has ended");
    let (report, verified) = mismatch(&jobs[0], &ASSETS[..1]);
    harness.report(&report, verified.as_bytes());
    harness.record_all();
    assert_eq!(meets(&mut harness, 4).len(), 0, "it was looked for");
    assert_eq!(meets(&mut harness, 3).len(), 0, "a flag tells of record 3");
    assert_eq!(meets(&mut harness, 2).len(), 1);
}
