//! The lifecycle: every transition on its way, and what can come in between.

use totebox_protocol::lifecycle::Standing;

use super::transitions::OBEY_MS;
use super::*;

const OBEY_S: u64 = OBEY_MS / 1000;

/// An orchestrator whose archive 1 has this standing.
fn with_standing(standing: Standing) -> Bench {
    let mut past = Past::default();
    past.standings[1] = (Standing::Active, standing);
    let mut bench = Bench::new();
    if standing == Standing::Archived {
        bench.set_volume(1, VolumeState::Sealed);
    }
    let mut bench = bench.settle(&past);
    bench.kernel.stopped.clear();
    bench
}

/// How the last command of archive 1 ended.
fn ended(bench: &Bench) -> (u32, Option<Completion>) {
    let row = bench.row(1);
    (row.command_tag.get(), Completion::from_wire(row.completion))
}

fn seal(bench: &mut Bench, status: Status) {
    let seals = bench.seals();
    assert_eq!(seals.iter().map(|seal| seal.volume).collect::<Vec<_>>(), [1]);
    bench.answer_seal(&seals[0], status);
}

#[test]
fn suspend_is_recorded_then_told_then_the_thread_is_stopped() {
    let mut bench = with_standing(Standing::Active);
    let tag = bench.command(Op::Suspend, 1).unwrap();
    assert_eq!(bench.target(1), Some(Standing::Active), "nothing happens before it is recorded");
    assert_eq!((bench.row(1).moving, bench.row(1).target), (1, ArchiveState::Active as u8));
    let (request, entry) = bench.entries()[0];
    assert_eq!((entry.kind, entry.volume), (Kind::Lifecycle as u8, 1));
    let expected = (ArchiveState::Active as u8, ArchiveState::Suspended as u8, Cause::Operator as u8);
    assert_eq!((entry.from, entry.to, entry.cause), expected);
    bench.record(&request);
    let told = bench.told(1).unwrap();
    assert_eq!(
        (told.sequence.get(), told.target, told.cause),
        (2, ArchiveState::Suspended as u8, Cause::Operator as u8)
    );
    assert!(bench.kernel.notified.contains(&bench.archives[1]));
    assert_eq!((bench.kernel.stopped.len(), ended(&bench).0), (0, 0), "it comes to rest first");
    bench.obey(1);
    assert_eq!(bench.kernel.stopped, [child(1)]);
    assert_eq!(bench.state(1), Some(ArchiveState::Suspended));
    assert_eq!((bench.row(1).moving, bench.row(1).target), (0, ArchiveState::Suspended as u8));
    assert_eq!(ended(&bench), (tag, Some(Completion::Done)));
    assert_eq!(bench.flags(), []);
    bench.seconds(30);
    assert_eq!(bench.flags(), [], "a suspended one is asked for no sign of life");
}

#[test]
fn resume_lets_the_thread_go_on() {
    let mut bench = with_standing(Standing::Suspended);
    let tag = bench.command(Op::Resume, 1).unwrap();
    assert!(bench.kernel.resumed.is_empty());
    bench.record_all();
    assert_eq!((&*bench.kernel.resumed, bench.target(1)), (&[child(1)][..], Some(Standing::Active)));
    bench.obey(1);
    assert_eq!((bench.state(1), ended(&bench)), (Some(ArchiveState::Active), (tag, Some(Completion::Done))));
    bench.command(Op::Suspend, 1).unwrap();
    bench.record_all();
    bench.obey(1);
    assert_eq!((&*bench.kernel.stopped, bench.state(1)), (&[child(1)][..], Some(ArchiveState::Suspended)));
}

#[test]
fn archived_is_sealed_by_the_vault_and_final() {
    for standing in [Standing::Active, Standing::Suspended] {
        let mut bench = with_standing(standing);
        let tag = bench.command(Op::Archive, 1).unwrap();
        bench.record_all();
        assert!(bench.seals().is_empty(), "its last record comes first");
        bench.obey(1);
        assert!(bench.kernel.notified.contains(&bench.vault_channel));
        assert_eq!((bench.row(1).moving, ended(&bench).0), (1, 0));
        seal(&mut bench, Status::Ok);
        assert_eq!((bench.state(1), ended(&bench)), (Some(ArchiveState::Archived), (tag, Some(Completion::Done))));
        assert_eq!(bench.flags(), []);
        for op in [Op::Suspend, Op::Resume] {
            assert_eq!(bench.command(op, 1), Err(Outcome::ImpossibleTransition));
        }
        assert_eq!(bench.command(Op::Archive, 1), Err(Outcome::AlreadyThere));
        bench.seconds(5);
        assert!(bench.seals().is_empty());
        bench.say(1, |health| health.state = ArchiveState::Active as u8);
        assert_eq!(bench.state(1), Some(ArchiveState::Archived), "whatever it says");
        for op in [Op::Suspend, Op::Resume] {
            assert_eq!(bench.command(op, 1), Err(Outcome::ImpossibleTransition));
        }
    }
}

#[test]
fn each_transition_that_cannot_be_is_refused_and_changes_nothing() {
    let (op, standing) =
        ([Op::Suspend, Op::Resume, Op::Archive], [Standing::Suspended, Standing::Active, Standing::Archived]);
    for (op, there) in op.into_iter().zip(standing) {
        let mut bench = with_standing(there);
        assert_eq!(bench.command(op, 1), Err(Outcome::AlreadyThere), "{op:?}");
        let mut bench = with_standing(Standing::Archived);
        if there != Standing::Archived {
            assert_eq!(bench.command(op, 1), Err(Outcome::ImpossibleTransition), "{op:?}");
        }
        let mut bench = Bench::settled();
        for volume in [AUDIT, AUDIT + 1, 255] {
            assert_eq!(bench.command(op, volume), Err(Outcome::UnknownArchive), "{op:?} {volume}");
        }
        let mut bench = Bench::new();
        bench.start();
        assert_eq!(bench.command(op, 1), Err(Outcome::NotReady), "{op:?}");
        bench.restore(&Past::default());
        assert_eq!(bench.command(op, 1), Err(Outcome::NotReady), "{op:?}: it has not come up");
    }
    for op in [Op::Suspend, Op::Archive] {
        for state in
            [ArchiveState::Unavailable, ArchiveState::Failed, ArchiveState::Archived, ArchiveState::Starting]
        {
            let mut bench = Bench::settled();
            bench.say(1, |health| health.state = state as u8);
            assert_eq!(bench.command(op, 1), Err(Outcome::ImpossibleTransition), "{op:?} {state:?}");
        }
        let mut bench = Bench::settled();
        bench.fault(1);
        bench.record_all();
        assert_eq!(bench.command(op, 1), Err(Outcome::ImpossibleTransition), "{op:?} of a faulted one");
        assert_eq!(
            bench.command(Op::Resume, 1),
            Err(Outcome::ImpossibleTransition),
            "it is not what it was to be"
        );
        let mut bench = Bench::settled();
        bench.command(Op::Suspend, 1).unwrap();
        assert_eq!(bench.command(op, 1), Err(Outcome::AlreadyRunning), "{op:?}");
        bench.record_all();
        assert_eq!(bench.command(op, 1), Err(Outcome::AlreadyRunning), "{op:?}");
        assert_eq!(bench.target(1), Some(Standing::Suspended));
        bench.command(op, 0).expect("its sibling can be");
    }
}

#[test]
fn an_archive_that_does_not_come_to_rest_is_stopped_and_flagged() {
    for (op, to) in [(Op::Suspend, Standing::Suspended), (Op::Archive, Standing::Archived)] {
        let mut bench = with_standing(Standing::Active);
        let tag = bench.command(op, 1).unwrap();
        bench.record_all();
        bench.seconds(OBEY_S - 1);
        assert!(bench.kernel.stopped.is_empty());
        bench.seconds(1);
        assert_eq!(bench.kernel.stopped, [child(1)]);
        assert_eq!(ended(&bench).0, 0, "the flag is recorded first");
        assert_eq!(kinds(&bench.record_all()), "stop-timeout");
        if to == Standing::Archived {
            seal(&mut bench, Status::Ok);
        }
        assert_eq!(ended(&bench), (tag, Some(Completion::Stopped)));
        assert_eq!((bench.row(1).target, bench.row(1).moving), (to.state() as u8, 0));
        assert_eq!(bench.state(1), Some(to.state()));
        assert_eq!(bench.flagged(), [(FlagKind::StopTimeout, 1)]);
    }
}

#[test]
fn an_archive_that_does_not_resume_is_flagged_as_hung() {
    let mut bench = with_standing(Standing::Suspended);
    let tag = bench.command(Op::Resume, 1).unwrap();
    bench.record_all();
    bench.seconds(OBEY_S);
    assert_eq!(kinds(&bench.record_all()), "hung");
    assert_eq!(ended(&bench), (tag, Some(Completion::Stopped)));
    assert!(bench.kernel.stopped.is_empty());
}

#[test]
fn an_archive_that_only_says_that_it_obeys_is_found_out() {
    for (op, from) in [(Op::Suspend, Standing::Active), (Op::Resume, Standing::Suspended)] {
        let mut bench = with_standing(from);
        let tag = bench.command(op, 1).unwrap();
        bench.record_all();
        let told = bench.told(1).unwrap();
        bench.say(1, |health| (health.obeyed, health.state) = (told.sequence, told.target));
        let entries = bench.record_all();
        assert_eq!((&*kinds(&entries), entries[0].detail.get()), ("lifecycle", u64::from(from.state() as u8)));
        assert_eq!(ended(&bench), (tag, Some(Completion::Unrecorded)));
    }
}

#[test]
fn what_cannot_be_recorded_is_done_all_the_same_and_said_to_be_unrecorded() {
    for lost in [false, true] {
        let mut bench = with_standing(Standing::Active);
        let tag = bench.command(Op::Archive, 1).unwrap();
        let (request, _) = bench.entries()[0];
        if lost {
            bench.auditor_region.store(0, u64::MAX);
            bench.notify(bench.auditor);
        } else {
            bench.fail_record(&request);
        }
        assert_eq!((bench.target(1), ended(&bench).0), (Some(Standing::Archived), 0));
        bench.obey(1);
        seal(&mut bench, Status::Ok);
        assert_eq!(ended(&bench), (tag, Some(Completion::Unrecorded)));
        assert_eq!(bench.flagged()[0], (FlagKind::AuditVolume, AUDIT as u8));
    }
}

#[test]
fn an_archive_whose_full_ledger_cannot_tell_of_it_is_suspended_without_a_flag() {
    for (blocks_left, completion) in [(4, Completion::Done), (5, Completion::Unrecorded)] {
        let mut bench = with_standing(Standing::Active);
        bench.vault.volumes[1].ledger_next = (bench.archive_ledger_blocks() - blocks_left).into();
        bench.publish_vault();
        for op in [Op::Suspend, Op::Resume] {
            let tag = bench.command(op, 1).unwrap();
            bench.record_all();
            let told = bench.told(1).unwrap();
            // It does what it was told, and its ledger still says `active`, or what it said before.
            bench.say(1, |health| (health.state, health.obeyed) = (told.target, told.sequence));
            let flagged = if (op, completion) == (Op::Suspend, Completion::Unrecorded) { "lifecycle" } else { "" };
            assert_eq!(kinds(&bench.record_all()), flagged, "{blocks_left} blocks left");
            let expected = if op == Op::Suspend { completion } else { Completion::Done };
            assert_eq!(ended(&bench), (tag, Some(expected)), "{op:?}, {blocks_left} blocks left");
        }
    }
}

#[test]
fn a_fault_on_the_way_ends_the_transition() {
    // Before it is recorded, and after it was told.
    for told in [false, true] {
        for op in [Op::Suspend, Op::Archive] {
            let mut bench = with_standing(Standing::Active);
            let tag = bench.command(op, 1).unwrap();
            if told {
                bench.record_all();
            }
            bench.fault(1);
            bench.record_all();
            if op == Op::Archive {
                seal(&mut bench, Status::Ok);
            }
            assert_eq!(ended(&bench), (tag, Some(Completion::Stopped)), "{op:?} {told}");
            assert_eq!((bench.state(1), bench.row(1).moving), (Some(ArchiveState::Faulted), 0));
            assert_eq!(bench.flagged(), [(FlagKind::Fault, 1)]);
        }
    }
    let mut bench = with_standing(Standing::Suspended);
    let tag = bench.command(Op::Resume, 1).unwrap();
    bench.say(1, |health| health.state = 99);
    bench.record_all();
    assert_eq!(ended(&bench), (tag, Some(Completion::Stopped)));
    assert!(bench.kernel.resumed.is_empty(), "what was stopped for good is not resumed");
    assert_eq!(bench.state(1), Some(ArchiveState::Failed));
}

#[test]
fn an_archive_whose_volume_cannot_be_sealed_is_stopped() {
    let refuse: fn(&mut Bench) = |bench| seal(bench, Status::Io);
    let break_the_protocol: fn(&mut Bench) = |bench| {
        let mut request = bench.seals()[0];
        request.tag = 4711.into();
        bench.answer_seal(&request, Status::Io);
    };
    let break_the_ring: fn(&mut Bench) = |bench| {
        bench.vault_region.store(0, u64::MAX);
        bench.notify(bench.vault_channel);
    };
    let say_nothing: fn(&mut Bench) = |bench| bench.seconds(16);
    for (fail, flagged) in [
        (refuse, "lifecycle"),
        (break_the_protocol, "lifecycle, degraded"),
        (break_the_ring, "lifecycle, degraded"),
        (say_nothing, "lifecycle"),
    ] {
        let mut bench = with_standing(Standing::Active);
        let tag = bench.command(Op::Archive, 1).unwrap();
        bench.record_all();
        bench.obey(1);
        fail(&mut bench);
        assert_eq!(ended(&bench).0, 0);
        assert_eq!(kinds(&bench.record_all()), flagged);
        assert_eq!(ended(&bench), (tag, Some(Completion::Failed)));
        assert_eq!((&*bench.kernel.stopped, bench.row(1).moving), (&[child(1)][..], 0));
        let vault = if flagged.ends_with("degraded") { degraded::VAULT } else { 0 };
        assert_eq!(bench.surface().degraded, vault);
        assert_eq!(bench.command(Op::Resume, 1), Err(Outcome::ImpossibleTransition));
        assert_eq!(bench.state(0), Some(ArchiveState::Active));
    }
}

#[test]
fn what_is_not_sealed_is_not_shown_as_archived() {
    let mut bench = with_standing(Standing::Active);
    bench.command(Op::Archive, 1).unwrap();
    bench.record_all();
    bench.seconds(OBEY_S);
    bench.record_all();
    seal(&mut bench, Status::Io);
    bench.record_all();
    let row = bench.row(1);
    assert_eq!((row.target, row.moving), (ArchiveState::Archived as u8, 0));
    assert_eq!(bench.state(1), Some(ArchiveState::Suspended), "its thread is stopped, and that is all");
}

#[test]
fn without_a_vault_to_seal_it_archiving_fails() {
    let mut bench = with_standing(Standing::Active);
    bench.vault_region.store(0, u64::MAX);
    bench.notify(bench.vault_channel);
    assert_eq!(kinds(&bench.record_all()), "degraded");
    bench.command(Op::Archive, 1).unwrap();
    bench.record_all();
    bench.obey(1);
    assert_eq!(kinds(&bench.record_all()), "lifecycle");
    assert_eq!(ended(&bench).1, Some(Completion::Failed));
    let degraded = bench.flags().into_iter().filter(|row| row.kind == FlagKind::Degraded.number());
    assert_eq!(degraded.map(|row| row.what).collect::<Vec<_>>(), [Role::Vault as u8], "flagged once");
}

#[test]
fn an_answer_that_comes_too_late_changes_nothing() {
    let mut bench = with_standing(Standing::Active);
    bench.command(Op::Archive, 1).unwrap();
    bench.record_all();
    bench.obey(1);
    let request = bench.seals()[0];
    bench.seconds(16);
    bench.record_all();
    bench.answer_seal(&request, Status::Ok);
    assert!(bench.entries().is_empty());
    assert_eq!((ended(&bench).1, bench.flags().len()), (Some(Completion::Failed), 1));
}

#[test]
fn a_volume_that_is_sealed_already_is_as_good() {
    let mut bench = with_standing(Standing::Active);
    let tag = bench.command(Op::Archive, 1).unwrap();
    bench.record_all();
    bench.obey(1);
    seal(&mut bench, Status::Sealed);
    assert_eq!(ended(&bench), (tag, Some(Completion::Done)));
}

#[test]
fn a_mismatch_suspends_where_the_deployment_says_so_after_its_flags() {
    let mut bench = Bench::deployed(suspends);
    bench.find(1, &[(FindingKind::Asset, 33), (FindingKind::Chain, 1)]);
    let entries = bench.record_all();
    assert_eq!(kinds(&entries), "asset, chain, suspended");
    assert_eq!(entries[2].cause, Cause::Mismatch as u8);
    assert_eq!(bench.told(1).unwrap().cause, Cause::Mismatch as u8);
    bench.obey(1);
    assert_eq!((bench.state(1), &*bench.kernel.stopped), (Some(ArchiveState::Suspended), &[child(1)][..]));
    assert_eq!(ended(&bench), (0, Some(Completion::None)), "no command of the operator's");
    bench.find(1, &[(FindingKind::Asset, 34)]);
    assert_eq!(kinds(&bench.record_all()), "asset", "it is suspended already");

    let mut bench = Bench::settled();
    bench.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!((&*kinds(&bench.record_all()), bench.state(1)), ("asset", Some(ArchiveState::Active)));
}

#[test]
fn what_is_acknowledged_or_only_unreadable_does_not_suspend() {
    let mut bench = Bench::deployed(suspends);
    bench.find(1, &[(FindingKind::Asset, 33)]);
    bench.record_all();
    bench.obey(1);
    bench.acknowledge(1, b"the copy is whole").unwrap();
    bench.command(Op::Resume, 1).unwrap();
    bench.record_all();
    bench.obey(1);
    bench.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!((&*kinds(&bench.record_all()), bench.state(1)), ("", Some(ArchiveState::Active)));
    bench.find(1, &[(FindingKind::Asset, 33), (FindingKind::Asset, 34)]);
    assert_eq!(kinds(&bench.record_all()), "asset, suspended", "one of them is not");

    let mut bench = Bench::deployed(suspends);
    bench.command(Op::Verify, 1).unwrap();
    let job = bench.jobs()[0];
    let (mut report, verified) = mismatch(&job, &[(FindingKind::Unreadable, 5)]);
    report.verdict = Verdict::Unreadable as u8;
    bench.report(&report, verified.as_bytes());
    assert_eq!(kinds(&bench.record_all()), "unreadable");
    bench.find(AUDIT, &[(FindingKind::Chain, 5)]);
    assert_eq!(kinds(&bench.record_all()), "chain", "the audit volume has no lifecycle");
}

#[test]
fn a_mismatch_found_on_the_way_somewhere_suspends_after_it() {
    let mut bench = Bench::deployed(suspends);
    bench.command(Op::Suspend, 1).unwrap();
    bench.record_all();
    bench.obey(1);
    bench.command(Op::Resume, 1).unwrap();
    bench.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!(kinds(&bench.record_all()), "active, asset");
    bench.obey(1);
    assert_eq!(kinds(&bench.record_all()), "suspended");
    bench.obey(1);
    assert_eq!(bench.state(1), Some(ArchiveState::Suspended));

    let mut bench = Bench::deployed(suspends);
    bench.fault(1);
    bench.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!(kinds(&bench.record_all()), "a fault, fault, asset", "what is stopped needs no suspension");
}

#[test]
fn a_mismatch_suspends_though_that_cannot_be_recorded() {
    let mut bench = Bench::deployed(suspends);
    bench.find(1, &[(FindingKind::Asset, 33)]);
    for (request, _) in bench.entries() {
        bench.fail_record(&request);
    }
    assert_eq!(bench.target(1), Some(Standing::Suspended));
    bench.obey(1);
    assert_eq!(bench.state(1), Some(ArchiveState::Suspended));
    assert_eq!(
        bench.flagged(),
        [(FlagKind::AuditVolume, AUDIT as u8), (FlagKind::Finding(FindingKind::Asset), 1)]
    );
}
