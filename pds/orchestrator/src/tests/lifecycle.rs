//! The lifecycle: every transition on its way, and what can come in between.

use totebox_protocol::lifecycle::Standing;

use super::transitions::OBEY_MS;
use super::*;

const OBEY_S: u64 = OBEY_MS / 1000;

/// An orchestrator whose archive 1 has this standing.
fn with_standing(standing: Standing) -> Harness {
    let mut past = Past::default();
    past.standings[1] = (Standing::Active, standing);
    let mut harness = Harness::new();
    if standing == Standing::Archived {
        harness.set_volume(1, VolumeState::Sealed);
    }
    let mut harness = harness.settle(&past);
    harness.kernel.stopped.clear();
    harness
}

/// How the last command of archive 1 ended.
fn ended(harness: &Harness) -> (u32, Option<Completion>) {
    let row = harness.row(1);
    (row.command_tag.get(), Completion::from_wire(row.completion))
}

fn seal(harness: &mut Harness, status: Status) {
    let seals = harness.seals();
    assert_eq!(seals.iter().map(|seal| seal.volume).collect::<Vec<_>>(), [1]);
    harness.answer_seal(&seals[0], status);
}

#[test]
fn suspend_is_recorded_then_told_then_the_thread_is_stopped() {
    let mut harness = with_standing(Standing::Active);
    let tag = harness.command(Op::Suspend, 1).unwrap();
    assert_eq!(harness.target(1), Some(Standing::Active), "nothing happens before it is recorded");
    assert_eq!((harness.row(1).moving, harness.row(1).target), (1, ArchiveState::Active as u8));
    let (request, entry) = harness.entries()[0];
    assert_eq!((entry.kind, entry.volume), (Kind::Lifecycle as u8, 1));
    let expected = (ArchiveState::Active as u8, ArchiveState::Suspended as u8, Cause::Operator as u8);
    assert_eq!((entry.from, entry.to, entry.cause), expected);
    harness.record(&request);
    let told = harness.told(1).unwrap();
    assert_eq!(
        (told.sequence.get(), told.target, told.cause),
        (2, ArchiveState::Suspended as u8, Cause::Operator as u8)
    );
    assert!(harness.kernel.notified.contains(&harness.archives[1]));
    assert_eq!((harness.kernel.stopped.len(), ended(&harness).0), (0, 0), "it comes to rest first");
    harness.obey(1);
    assert_eq!(harness.kernel.stopped, [child(1)]);
    assert_eq!(harness.state(1), Some(ArchiveState::Suspended));
    assert_eq!((harness.row(1).moving, harness.row(1).target), (0, ArchiveState::Suspended as u8));
    assert_eq!(ended(&harness), (tag, Some(Completion::Done)));
    assert_eq!(harness.flags(), []);
    harness.seconds(30);
    assert_eq!(harness.flags(), [], "a suspended one is asked for no sign of life");
}

#[test]
fn resume_lets_the_thread_go_on() {
    let mut harness = with_standing(Standing::Suspended);
    let tag = harness.command(Op::Resume, 1).unwrap();
    assert!(harness.kernel.resumed.is_empty());
    harness.record_all();
    assert_eq!((&*harness.kernel.resumed, harness.target(1)), (&[child(1)][..], Some(Standing::Active)));
    harness.obey(1);
    assert_eq!((harness.state(1), ended(&harness)), (Some(ArchiveState::Active), (tag, Some(Completion::Done))));
    harness.command(Op::Suspend, 1).unwrap();
    harness.record_all();
    harness.obey(1);
    assert_eq!((&*harness.kernel.stopped, harness.state(1)), (&[child(1)][..], Some(ArchiveState::Suspended)));
}

#[test]
fn archived_is_sealed_by_the_vault_and_final() {
    for standing in [Standing::Active, Standing::Suspended] {
        let mut harness = with_standing(standing);
        let tag = harness.command(Op::Archive, 1).unwrap();
        harness.record_all();
        assert!(harness.seals().is_empty(), "its last record comes first");
        harness.obey(1);
        assert!(harness.kernel.notified.contains(&harness.vault_channel));
        assert_eq!((harness.row(1).moving, ended(&harness).0), (1, 0));
        seal(&mut harness, Status::Ok);
        assert_eq!(
            (harness.state(1), ended(&harness)),
            (Some(ArchiveState::Archived), (tag, Some(Completion::Done)))
        );
        assert_eq!(harness.flags(), []);
        for op in [Op::Suspend, Op::Resume] {
            assert_eq!(harness.command(op, 1), Err(Refusal::ImpossibleTransition));
        }
        assert_eq!(harness.command(Op::Archive, 1), Err(Refusal::AlreadyThere));
        harness.seconds(5);
        assert!(harness.seals().is_empty());
        harness.say(1, |health| health.state = ArchiveState::Active as u8);
        assert_eq!(harness.state(1), Some(ArchiveState::Archived), "whatever it says");
        for op in [Op::Suspend, Op::Resume] {
            assert_eq!(harness.command(op, 1), Err(Refusal::ImpossibleTransition));
        }
    }
}

#[test]
fn each_transition_that_cannot_be_is_refused_and_changes_nothing() {
    let (op, standing) =
        ([Op::Suspend, Op::Resume, Op::Archive], [Standing::Suspended, Standing::Active, Standing::Archived]);
    for (op, there) in op.into_iter().zip(standing) {
        let mut harness = with_standing(there);
        assert_eq!(harness.command(op, 1), Err(Refusal::AlreadyThere), "{op:?}");
        let mut harness = with_standing(Standing::Archived);
        if there != Standing::Archived {
            assert_eq!(harness.command(op, 1), Err(Refusal::ImpossibleTransition), "{op:?}");
        }
        let mut harness = Harness::settled();
        for volume in [AUDIT, AUDIT + 1, 255] {
            assert_eq!(harness.command(op, volume), Err(Refusal::UnknownArchive), "{op:?} {volume}");
        }
        let mut harness = Harness::new();
        harness.start();
        assert_eq!(harness.command(op, 1), Err(Refusal::NotReady), "{op:?}");
        harness.restore(&Past::default());
        assert_eq!(harness.command(op, 1), Err(Refusal::NotReady), "{op:?}: it has not come up");
    }
    for op in [Op::Suspend, Op::Archive] {
        for state in
            [ArchiveState::Unavailable, ArchiveState::Failed, ArchiveState::Archived, ArchiveState::Starting]
        {
            let mut harness = Harness::settled();
            harness.say(1, |health| health.state = state as u8);
            assert_eq!(harness.command(op, 1), Err(Refusal::ImpossibleTransition), "{op:?} {state:?}");
        }
        let mut harness = Harness::settled();
        harness.fault(1);
        harness.record_all();
        assert_eq!(harness.command(op, 1), Err(Refusal::ImpossibleTransition), "{op:?} of a faulted one");
        assert_eq!(
            harness.command(Op::Resume, 1),
            Err(Refusal::ImpossibleTransition),
            "it is not what it was to be"
        );
        let mut harness = Harness::settled();
        harness.command(Op::Suspend, 1).unwrap();
        assert_eq!(harness.command(op, 1), Err(Refusal::AlreadyRunning), "{op:?}");
        harness.record_all();
        assert_eq!(harness.command(op, 1), Err(Refusal::AlreadyRunning), "{op:?}");
        assert_eq!(harness.target(1), Some(Standing::Suspended));
        harness.command(op, 0).expect("its sibling can be");
    }
}

#[test]
fn an_archive_that_does_not_come_to_rest_is_stopped_and_flagged() {
    for (op, to) in [(Op::Suspend, Standing::Suspended), (Op::Archive, Standing::Archived)] {
        let mut harness = with_standing(Standing::Active);
        let tag = harness.command(op, 1).unwrap();
        harness.record_all();
        harness.seconds(OBEY_S - 1);
        assert!(harness.kernel.stopped.is_empty());
        harness.seconds(1);
        assert_eq!(harness.kernel.stopped, [child(1)]);
        assert_eq!(ended(&harness).0, 0, "the flag is recorded first");
        assert_eq!(kinds(&harness.record_all()), "stop-timeout");
        if to == Standing::Archived {
            seal(&mut harness, Status::Ok);
        }
        assert_eq!(ended(&harness), (tag, Some(Completion::Stopped)));
        assert_eq!((harness.row(1).target, harness.row(1).moving), (to.state() as u8, 0));
        assert_eq!(harness.state(1), Some(to.state()));
        assert_eq!(harness.flagged(), [(FlagKind::StopTimeout, 1)]);
    }
}

#[test]
fn an_archive_that_does_not_resume_is_flagged_as_hung() {
    let mut harness = with_standing(Standing::Suspended);
    let tag = harness.command(Op::Resume, 1).unwrap();
    harness.record_all();
    harness.seconds(OBEY_S);
    assert_eq!(kinds(&harness.record_all()), "hung");
    assert_eq!(ended(&harness), (tag, Some(Completion::Stopped)));
    assert!(harness.kernel.stopped.is_empty());
}

#[test]
fn an_archive_that_only_says_that_it_obeys_is_found_out() {
    for (op, from) in [(Op::Suspend, Standing::Active), (Op::Resume, Standing::Suspended)] {
        let mut harness = with_standing(from);
        let tag = harness.command(op, 1).unwrap();
        harness.record_all();
        let told = harness.told(1).unwrap();
        harness.say(1, |health| (health.obeyed, health.state) = (told.sequence, told.target));
        let entries = harness.record_all();
        assert_eq!((&*kinds(&entries), entries[0].detail.get()), ("lifecycle", u64::from(from.state() as u8)));
        assert_eq!(ended(&harness), (tag, Some(Completion::Unrecorded)));
    }
}

#[test]
fn what_cannot_be_recorded_is_done_all_the_same_and_said_to_be_unrecorded() {
    for lost in [false, true] {
        let mut harness = with_standing(Standing::Active);
        let tag = harness.command(Op::Archive, 1).unwrap();
        let (request, _) = harness.entries()[0];
        if lost {
            harness.auditor_region.store(0, u64::MAX);
            harness.notify(harness.auditor);
        } else {
            harness.fail_record(&request);
        }
        assert_eq!((harness.target(1), ended(&harness).0), (Some(Standing::Archived), 0));
        harness.obey(1);
        seal(&mut harness, Status::Ok);
        assert_eq!(ended(&harness), (tag, Some(Completion::Unrecorded)));
        assert_eq!(harness.flagged()[0], (FlagKind::AuditVolume, AUDIT as u8));
    }
}

#[test]
fn an_archive_whose_full_ledger_cannot_tell_of_it_is_suspended_without_a_flag() {
    for (blocks_left, completion) in [(4, Completion::Done), (5, Completion::Unrecorded)] {
        let mut harness = with_standing(Standing::Active);
        harness.vault.volumes[1].ledger_next = (harness.archive_ledger_blocks() - blocks_left).into();
        harness.publish_vault();
        for op in [Op::Suspend, Op::Resume] {
            let tag = harness.command(op, 1).unwrap();
            harness.record_all();
            let told = harness.told(1).unwrap();
            // It does what it was told, and its ledger still says `active`, or what it said before.
            harness.say(1, |health| (health.state, health.obeyed) = (told.target, told.sequence));
            let flagged = if (op, completion) == (Op::Suspend, Completion::Unrecorded) { "lifecycle" } else { "" };
            assert_eq!(kinds(&harness.record_all()), flagged, "{blocks_left} blocks left");
            let expected = if op == Op::Suspend { completion } else { Completion::Done };
            assert_eq!(ended(&harness), (tag, Some(expected)), "{op:?}, {blocks_left} blocks left");
        }
    }
}

#[test]
fn a_fault_on_the_way_ends_the_transition() {
    // Before it is recorded, and after it was told.
    for told in [false, true] {
        for op in [Op::Suspend, Op::Archive] {
            let mut harness = with_standing(Standing::Active);
            let tag = harness.command(op, 1).unwrap();
            if told {
                harness.record_all();
            }
            harness.fault(1);
            harness.record_all();
            if op == Op::Archive {
                seal(&mut harness, Status::Ok);
            }
            assert_eq!(ended(&harness), (tag, Some(Completion::Stopped)), "{op:?} {told}");
            assert_eq!((harness.state(1), harness.row(1).moving), (Some(ArchiveState::Faulted), 0));
            assert_eq!(harness.flagged(), [(FlagKind::Fault, 1)]);
        }
    }
    let mut harness = with_standing(Standing::Suspended);
    let tag = harness.command(Op::Resume, 1).unwrap();
    harness.say(1, |health| health.state = 99);
    harness.record_all();
    assert_eq!(ended(&harness), (tag, Some(Completion::Stopped)));
    assert!(harness.kernel.resumed.is_empty(), "what was stopped for good is not resumed");
    assert_eq!(harness.state(1), Some(ArchiveState::Failed));
}

#[test]
fn an_archive_whose_volume_cannot_be_sealed_is_stopped() {
    let refuse: fn(&mut Harness) = |harness| seal(harness, Status::Io);
    let break_the_protocol: fn(&mut Harness) = |harness| {
        let mut request = harness.seals()[0];
        request.tag = 4711.into();
        harness.answer_seal(&request, Status::Io);
    };
    let break_the_ring: fn(&mut Harness) = |harness| {
        harness.vault_region.store(0, u64::MAX);
        harness.notify(harness.vault_channel);
    };
    let say_nothing: fn(&mut Harness) = |harness| harness.seconds(16);
    for (fail, flagged) in [
        (refuse, "lifecycle"),
        (break_the_protocol, "lifecycle, degraded"),
        (break_the_ring, "lifecycle, degraded"),
        (say_nothing, "lifecycle"),
    ] {
        let mut harness = with_standing(Standing::Active);
        let tag = harness.command(Op::Archive, 1).unwrap();
        harness.record_all();
        harness.obey(1);
        fail(&mut harness);
        assert_eq!(ended(&harness).0, 0);
        assert_eq!(kinds(&harness.record_all()), flagged);
        assert_eq!(ended(&harness), (tag, Some(Completion::Failed)));
        assert_eq!((&*harness.kernel.stopped, harness.row(1).moving), (&[child(1)][..], 0));
        let vault = if flagged.ends_with("degraded") { degraded::VAULT } else { 0 };
        assert_eq!(harness.status_page().degraded, vault);
        assert_eq!(harness.command(Op::Resume, 1), Err(Refusal::ImpossibleTransition));
        assert_eq!(harness.state(0), Some(ArchiveState::Active));
    }
}

#[test]
fn what_is_not_sealed_is_not_shown_as_archived() {
    let mut harness = with_standing(Standing::Active);
    harness.command(Op::Archive, 1).unwrap();
    harness.record_all();
    harness.seconds(OBEY_S);
    harness.record_all();
    seal(&mut harness, Status::Io);
    harness.record_all();
    let row = harness.row(1);
    assert_eq!((row.target, row.moving), (ArchiveState::Archived as u8, 0));
    assert_eq!(harness.state(1), Some(ArchiveState::Suspended), "its thread is stopped, and that is all");
}

#[test]
fn without_a_vault_to_seal_it_archiving_fails() {
    let mut harness = with_standing(Standing::Active);
    harness.vault_region.store(0, u64::MAX);
    harness.notify(harness.vault_channel);
    assert_eq!(kinds(&harness.record_all()), "degraded");
    harness.command(Op::Archive, 1).unwrap();
    harness.record_all();
    harness.obey(1);
    assert_eq!(kinds(&harness.record_all()), "lifecycle");
    assert_eq!(ended(&harness).1, Some(Completion::Failed));
    let degraded = harness.flags().into_iter().filter(|row| row.kind == FlagKind::Degraded.number());
    assert_eq!(degraded.map(|row| row.what).collect::<Vec<_>>(), [Role::Vault as u8], "flagged once");
}

#[test]
fn an_answer_that_comes_too_late_changes_nothing() {
    let mut harness = with_standing(Standing::Active);
    harness.command(Op::Archive, 1).unwrap();
    harness.record_all();
    harness.obey(1);
    let request = harness.seals()[0];
    harness.seconds(16);
    harness.record_all();
    harness.answer_seal(&request, Status::Ok);
    assert!(harness.entries().is_empty());
    assert_eq!((ended(&harness).1, harness.flags().len()), (Some(Completion::Failed), 1));
}

#[test]
fn a_volume_that_is_sealed_already_is_as_good() {
    let mut harness = with_standing(Standing::Active);
    let tag = harness.command(Op::Archive, 1).unwrap();
    harness.record_all();
    harness.obey(1);
    seal(&mut harness, Status::Sealed);
    assert_eq!(ended(&harness), (tag, Some(Completion::Done)));
}

#[test]
fn a_mismatch_suspends_where_the_deployment_says_so_after_its_flags() {
    let mut harness = Harness::deployed(suspends);
    harness.find(1, &[(FindingKind::Asset, 33), (FindingKind::Chain, 1)]);
    let entries = harness.record_all();
    assert_eq!(kinds(&entries), "asset, chain, suspended");
    assert_eq!(entries[2].cause, Cause::Mismatch as u8);
    assert_eq!(harness.told(1).unwrap().cause, Cause::Mismatch as u8);
    harness.obey(1);
    assert_eq!((harness.state(1), &*harness.kernel.stopped), (Some(ArchiveState::Suspended), &[child(1)][..]));
    assert_eq!(ended(&harness), (0, None), "no command of the operator's");
    harness.find(1, &[(FindingKind::Asset, 34)]);
    assert_eq!(kinds(&harness.record_all()), "asset", "it is suspended already");

    let mut harness = Harness::settled();
    harness.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!((&*kinds(&harness.record_all()), harness.state(1)), ("asset", Some(ArchiveState::Active)));
}

#[test]
fn what_is_acknowledged_or_only_unreadable_does_not_suspend() {
    let mut harness = Harness::deployed(suspends);
    harness.find(1, &[(FindingKind::Asset, 33)]);
    harness.record_all();
    harness.obey(1);
    harness.acknowledge(1, b"the copy is whole").unwrap();
    harness.command(Op::Resume, 1).unwrap();
    harness.record_all();
    harness.obey(1);
    harness.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!((&*kinds(&harness.record_all()), harness.state(1)), ("", Some(ArchiveState::Active)));
    harness.find(1, &[(FindingKind::Asset, 33), (FindingKind::Asset, 34)]);
    assert_eq!(kinds(&harness.record_all()), "asset, suspended", "one of them is not");

    let mut harness = Harness::deployed(suspends);
    harness.command(Op::Verify, 1).unwrap();
    let job = harness.jobs()[0];
    let (mut report, verified) = mismatch(&job, &[(FindingKind::Unreadable, 5)]);
    report.verdict = Ending::Unreadable as u8;
    harness.report(&report, verified.as_bytes());
    assert_eq!(kinds(&harness.record_all()), "unreadable");
    harness.find(AUDIT, &[(FindingKind::Chain, 5)]);
    assert_eq!(kinds(&harness.record_all()), "chain", "the audit volume has no lifecycle");
}

#[test]
fn a_mismatch_found_on_the_way_somewhere_suspends_after_it() {
    let mut harness = Harness::deployed(suspends);
    harness.command(Op::Suspend, 1).unwrap();
    harness.record_all();
    harness.obey(1);
    harness.command(Op::Resume, 1).unwrap();
    harness.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!(kinds(&harness.record_all()), "active, asset");
    harness.obey(1);
    assert_eq!(kinds(&harness.record_all()), "suspended");
    harness.obey(1);
    assert_eq!(harness.state(1), Some(ArchiveState::Suspended));

    let mut harness = Harness::deployed(suspends);
    harness.fault(1);
    harness.find(1, &[(FindingKind::Asset, 33)]);
    assert_eq!(kinds(&harness.record_all()), "a fault, fault, asset", "what is stopped needs no suspension");
}

#[test]
fn a_mismatch_suspends_though_that_cannot_be_recorded() {
    let mut harness = Harness::deployed(suspends);
    harness.find(1, &[(FindingKind::Asset, 33)]);
    for (request, _) in harness.entries() {
        harness.fail_record(&request);
    }
    assert_eq!(harness.target(1), Some(Standing::Suspended));
    harness.obey(1);
    assert_eq!(harness.state(1), Some(ArchiveState::Suspended));
    assert_eq!(
        harness.flagged(),
        [(FlagKind::AuditVolume, AUDIT as u8), (FlagKind::Finding(FindingKind::Asset), 1)]
    );
}
