//! The archive's own integrity pass and the audits: where they disagree.

use super::*;

/// An archive ends one of its own passes.
fn pass(bench: &mut Bench, archive: usize, result: Check) {
    bench.say(archive, |health| {
        health.checks += 1;
        health.check = result as u8;
        (health.checked_records, health.checked_ms) = (5.into(), 77.into());
        (health.check_area, health.check_block, health.check_record) = (Area::Ledger as u8, 8.into(), 2.into());
    });
}

#[test]
fn what_a_pass_found_is_settled_by_a_full_audit() {
    let mut bench = Bench::settled();
    pass(&mut bench, 1, Check::Clean);
    assert!(bench.jobs().is_empty());
    pass(&mut bench, 1, Check::Mismatch);
    assert_eq!((bench.row(1).check, bench.row(1).checked_records.get()), (Check::Mismatch as u8, 5));
    let jobs = bench.jobs();
    assert_eq!((jobs.len(), jobs[0].op, jobs[0].volume), (1, audit::Op::VerifyFull as u8, 1));
    let (report, verified) = mismatch(&jobs[0], &ASSETS[..1]);
    bench.report(&report, verified.as_bytes());
    assert_eq!(kinds(&bench.record_all()), "asset", "they agree");
    pass(&mut bench, 1, Check::Mismatch);
    assert!(bench.jobs().is_empty(), "the audits have found it already");
}

#[test]
fn a_pass_that_found_what_the_audit_does_not_is_a_disagreement() {
    for result in [Check::Mismatch, Check::Unreadable] {
        let mut bench = Bench::settled();
        pass(&mut bench, 1, result);
        let job = bench.jobs()[0];
        bench.report(&clean(&job), &[]);
        let entries = bench.record_all();
        assert_eq!(kinds(&entries), "self-check");
        assert_eq!((entries[0].area, entries[0].block.get(), entries[0].record.get()), (Area::Ledger as u8, 8, 2));
        assert_eq!(bench.flagged(), [(FlagKind::SelfCheck, 1)]);
    }
}

#[test]
fn a_pass_that_misses_what_the_audit_found_is_a_disagreement() {
    let mut bench = Bench::settled();
    pass(&mut bench, 1, Check::Clean);
    bench.find(1, &ASSETS[..1]);
    bench.record_all();
    pass(&mut bench, 1, Check::Clean);
    assert!(bench.entries().is_empty(), "that pass may have begun before");
    pass(&mut bench, 1, Check::Clean);
    let entries = bench.record_all();
    assert_eq!((&*kinds(&entries), entries[0].block.get()), ("self-check", 33));

    let mut bench = Bench::settled();
    bench.find(1, &[(FindingKind::Hint, 1)]);
    bench.record_all();
    for _ in 0..3 {
        pass(&mut bench, 1, Check::Clean);
    }
    assert!(bench.entries().is_empty(), "no archive can see that");
}

#[test]
fn an_archive_cannot_have_itself_audited_without_end() {
    let mut bench = Bench::deployed(|description| description.audit_period_s = 900);
    pass(&mut bench, 1, Check::Mismatch);
    let mut audits = 0;
    for round in 0..50 {
        bench.tick(100 * round);
        for job in bench.jobs() {
            audits += 1;
            bench.report(&clean(&job), &[]);
        }
        bench.record_all();
        bench.say(1, |health| (health.checks, health.check_block) = (health.checks + 1, round.into()));
    }
    assert_eq!((audits, bench.flags().len()), (1, 1));
    bench.tick(900_000);
    assert!(bench.jobs().iter().any(|job| job.volume == 1), "a period later it is looked at again");
}

#[test]
fn without_an_auditor_nothing_is_to_be_settled() {
    let mut bench = Bench::settled();
    bench.auditor_region.store(0, u64::MAX);
    bench.notify(bench.auditor);
    pass(&mut bench, 1, Check::Mismatch);
    bench.tick(1000);
    assert_eq!(bench.row(1).verifying, 0);
}

#[test]
fn what_an_archive_meets_beside_a_pass_is_settled_once_for_each_record_no_flag_tells_of() {
    let mut bench = Bench::settled();
    bench.tick(1000);
    let meets = |bench: &mut Bench, record: u64| {
        bench.tick(bench.time.uptime_ms.get() + 1_000_000);
        bench.say(1, |health| {
            (health.check, health.check_area) = (Check::Mismatch as u8, Area::Assets as u8);
            (health.check_block, health.check_record) = (record.into(), record.into());
        });
        bench.jobs()
    };
    let jobs = meets(&mut bench, 4);
    assert_eq!((jobs.len(), jobs[0].op), (1, audit::Op::VerifyFull as u8), "no pass has ended");
    let (report, verified) = mismatch(&jobs[0], &ASSETS[..1]);
    bench.report(&report, verified.as_bytes());
    bench.record_all();
    assert_eq!(meets(&mut bench, 4).len(), 0, "it was looked for");
    assert_eq!(meets(&mut bench, 3).len(), 0, "a flag tells of record 3");
    assert_eq!(meets(&mut bench, 2).len(), 1);
}
