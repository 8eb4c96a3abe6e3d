//! What is flagged, that it is recorded before it is shown, and what becomes of it.

use ledger_fmt::layout::HINT_BLOCKS;
use totebox_protocol::audit::Verified;
use totebox_protocol::flag::{FLAGS_MAX, OVERWRITTEN};

use super::*;

fn acknowledge_all(harness: &mut Harness) {
    for row in harness.flags() {
        harness.acknowledge(row.id.get().into(), b"seen").unwrap();
    }
    harness.record_all();
}

#[test]
fn a_flag_is_recorded_before_anything_of_it_is_shown() {
    let mut harness = Harness::settled();
    let before = harness.row(1);
    harness.command(Op::Verify, 1).unwrap();
    let job = harness.jobs()[0];
    let (report, verified) = mismatch(&job, &ASSETS);
    harness.report(&report, verified.as_bytes());
    let entries = harness.entries();
    let shown = |harness: &Harness| (harness.row(1).verdict, harness.row(1).verifying, harness.row(1).flags.get());
    assert_eq!(shown(&harness), (before.verdict, 1, 0), "the row is as it was while its flags wait");
    assert_eq!((harness.flags(), harness.status_page().flags_open.get()), (vec![], 0));
    harness.say(1, |health| health.records = 6.into());
    harness.tick(1000);
    assert_eq!(harness.row(1).records.get(), 5);
    assert_eq!(harness.row(0).verifying, 0, "its siblings' rows go on");

    harness.record(&entries[0].0);
    assert_eq!(shown(&harness), (before.verdict, 1, 0), "one of them still waits");
    assert_eq!(harness.flags().len(), 1);
    harness.record(&entries[1].0);
    assert_eq!(shown(&harness), (Ending::Mismatch as u8, 0, 2));
    assert_eq!(harness.row(1).records.get(), 6);
    assert_eq!(harness.status_page().flags_open.get(), 2);
    assert_eq!(harness.flags().iter().map(|row| row.audit_record.get()).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn each_finding_is_a_flag_with_its_place() {
    let mut harness = Harness::settled();
    harness.tick(5000);
    harness.find(2, &ASSETS);
    let entries = harness.record_all();
    assert_eq!(kinds(&entries), "asset, asset");
    let entry = entries[0];
    assert_eq!((entry.volume, entry.area, entry.block.get(), entry.record.get()), (2, Area::Assets as u8, 33, 3));
    let row = harness.flags()[1];
    assert_eq!((row.id.get(), row.volume, row.area, row.block.get()), (2, 2, Area::Assets as u8, 40));
    assert_eq!((row.record.get(), row.raised_ms.get()), (3, harness::WALL_MS + 5000));
    assert_eq!(row.acknowledged, Acknowledged::No as u8);
    let shown = harness.row(2);
    assert_eq!(
        (shown.verdict, shown.finding, shown.findings.get()),
        (Ending::Mismatch as u8, FindingKind::Asset as u8, 2)
    );
    assert_eq!(
        (shown.finding_area, shown.finding_block.get(), shown.finding_record.get()),
        (Area::Assets as u8, 33, 3)
    );

    harness.command(Op::Verify, AUDIT).unwrap();
    let job = harness.jobs()[0];
    let (mut report, verified) = mismatch(&job, &[(FindingKind::Unreadable, 5)]);
    report.verdict = Ending::Unreadable as u8;
    harness.report(&report, verified.as_bytes());
    harness.record_all();
    assert_eq!(
        harness.flagged()[0],
        (FlagKind::Finding(FindingKind::Unreadable), AUDIT as u8),
        "what is about the audit volume comes first"
    );
}

#[test]
fn what_is_found_again_is_no_news() {
    let mut harness = Harness::settled();
    harness.find(1, &ASSETS[..1]);
    harness.record_all();
    harness.find(1, &ASSETS);
    assert_eq!(kinds(&harness.record_all()), "asset", "the one that is new");
    acknowledge_all(&mut harness);
    assert_eq!((harness.row(1).flags.get(), harness.status_page().flags_open.get()), (0, 0));
    harness.find(1, &ASSETS);
    assert!(harness.entries().is_empty(), "acknowledged, and still so");
    harness.find(0, &ASSETS[..1]);
    assert_eq!(kinds(&harness.record_all()), "asset", "another volume");
}

#[test]
fn what_happens_again_after_it_was_acknowledged_is_news() {
    let mut harness = Harness::settled();
    for refused in [3, 4] {
        harness.vault.volumes[1].refused = refused.into();
        harness.publish_vault();
    }
    let entries = harness.record_all();
    assert_eq!((&*kinds(&entries), entries[0].detail.get()), ("refused", 3));
    assert_eq!(harness.row(1).refused.get(), 4);
    acknowledge_all(&mut harness);
    harness.tick(1000);
    assert!(harness.entries().is_empty());
    harness.vault.volumes[1].refused = 5.into();
    harness.publish_vault();
    assert_eq!((&*kinds(&harness.record_all()), harness.flags().len()), ("refused", 2));
}

#[test]
fn a_damaged_hint_that_was_overwritten_is_news_each_time_and_a_mismatch() {
    let mut harness = Harness::deployed(suspends);
    for (count, open) in [(1, 1), (1, 0), (2, 1)] {
        harness.vault.volumes[1].hints_damaged[1] = count.into();
        harness.publish_vault();
        let entries = harness.record_all();
        let flags: Vec<_> = entries.iter().filter(|entry| entry.kind == Kind::Flag as u8).collect();
        assert_eq!(flags.len(), open, "{entries:?}");
        for flag in flags {
            assert_eq!(
                (flag.flag_kind, flag.flag_what),
                (FlagKind::Finding(FindingKind::Hint).number(), OVERWRITTEN)
            );
            assert_eq!((flag.volume, flag.area, flag.block.get()), (1, Area::Volume as u8, HINT_BLOCKS[1]));
        }
        if open == 1 && count == 1 {
            let suspension = entries.iter().find(|entry| entry.kind == Kind::Lifecycle as u8).unwrap();
            assert_eq!((suspension.volume, suspension.cause), (1, Cause::Mismatch as u8));
            acknowledge_all(&mut harness);
        }
    }
}

#[test]
fn an_acknowledgement_counts_when_it_is_recorded() {
    let mut harness = Harness::settled();
    harness.find(1, &ASSETS[..1]);
    harness.record_all();
    let tag = harness.acknowledge(1, "gesehen, Kopie geprüft".as_bytes()).unwrap();
    let row = harness.flags()[0];
    assert_eq!(
        (row.acknowledged, row.tag.get(), harness.row(1).flags.get()),
        (Acknowledged::Recording as u8, 0, 1)
    );
    assert_eq!(harness.acknowledge(1, b"again"), Err(Refusal::AlreadyAcknowledged));
    let (request, entry) = harness.entries()[0];
    assert_eq!((entry.kind, entry.flag.get(), entry.volume), (Kind::Acknowledgement as u8, 1, 1));
    assert_eq!(entry.flag_kind, FlagKind::Finding(FindingKind::Asset).number());
    assert_eq!(&entry.reason[..entry.reason_len.into()], "gesehen, Kopie geprüft".as_bytes());
    harness.fail_record(&request);
    let row = harness.flags().into_iter().find(|row| row.id == 1).unwrap();
    assert_eq!((row.acknowledged, row.tag.get()), (Acknowledged::Unrecorded as u8, tag), "it counts all the same");
    assert_eq!(harness.acknowledge(1, b"again"), Err(Refusal::AlreadyAcknowledged));

    let mut harness = Harness::settled();
    harness.find(1, &ASSETS[..1]);
    harness.record_all();
    let tag = harness.acknowledge(1, b"seen").unwrap();
    harness.record_all();
    let row = harness.flags()[0];
    assert_eq!((row.acknowledged, row.tag.get(), row.audit_record.get()), (Acknowledged::Yes as u8, tag, 2));
    assert_eq!((harness.row(1).flags.get(), harness.status_page().flags_open.get()), (0, 0));
    assert_eq!(harness.acknowledge(1, b"again"), Err(Refusal::AlreadyAcknowledged));
}

// ---- archives ----

#[test]
fn a_fault_stops_one_archive_and_its_pages_are_no_longer_believed() {
    let mut harness = Harness::settled();
    harness.fault(1);
    assert_eq!(harness.kernel.stopped, [child(1)]);
    assert_eq!(harness.state(1), Some(ArchiveState::Active), "not before it is recorded");
    let entries = harness.record_all();
    assert_eq!(kinds(&entries), "a fault, fault");
    let [fault, flag] = entries[..] else { panic!("two entries") };
    assert_eq!((fault.volume, fault.address.get()), (1, 0xdead_0000));
    assert_eq!((flag.volume, flag.detail.get()), (1, 0xdead_0000));
    harness.say(1, |health| health.records = 6.into());
    harness.orchestrator.fault(
        &mut harness.kernel,
        child(1),
        Fault { kind: FaultKind::Other, address: 1, instruction: 1, status: 1 },
    );
    harness.record_all();
    let row = harness.row(1);
    assert_eq!(ArchiveState::from_wire(row.state), Some(ArchiveState::Faulted));
    assert_eq!((row.fault, row.fault_address.get(), row.records.get()), (FaultKind::Memory as u8, 0xdead_0000, 5));
    assert_eq!((row.fault_instruction.get(), row.fault_status.get()), (0x1000, 0x92));
    for sibling in [0, 2] {
        assert_eq!((harness.state(sibling), harness.row(sibling).fault), (Some(ArchiveState::Active), 0));
    }
    harness.seconds(20);
    assert!(harness.kernel.resumed.is_empty());
    harness.fault(30);
    assert_eq!(harness.kernel.stopped, [child(1)], "not a child of ours");
}

#[test]
fn nonsense_on_a_health_page_stops_the_archive_for_good() {
    let impossible: [(&str, Spoil<Health>); 13] = [
        ("an unknown state", |health| health.state = 77),
        ("what the orchestrator alone says", |health| health.state = ArchiveState::Faulted as u8),
        ("an unknown standing", |health| health.recorded = ArchiveState::Failed as u8),
        ("an unknown result", |health| health.check = 9),
        ("an unknown area", |health| health.check_area = 9),
        ("more records than the ledger can hold", |health| health.records = u64::MAX.into()),
        ("more documents than records", |health| health.documents = 6.into()),
        ("more bytes than the assets can hold", |health| health.bytes = u64::MAX.into()),
        ("bytes of no document", |health| (health.documents, health.bytes) = (0.into(), 1.into())),
        ("more looked at than there is", |health| health.checked_records = 6.into()),
        ("a command obeyed that was never given", |health| health.obeyed = 2.into()),
        ("all commands obeyed", |health| health.obeyed = u64::MAX.into()),
        ("all ones", |health| health.as_mut_bytes().fill(0xff)),
    ];
    for (why, spoil) in impossible {
        let mut harness = Harness::settled();
        harness.say(1, spoil);
        assert_eq!(harness.kernel.stopped, [child(1)], "{why}");
        assert_eq!(kinds(&harness.record_all()), "protocol", "{why}");
        let row = harness.row(1);
        assert_eq!(ArchiveState::from_wire(row.state), Some(ArchiveState::Failed), "{why}");
        assert_eq!((row.records.get(), row.documents.get(), row.bytes.get()), (5, 4, 9000), "{why}");
        assert_eq!(harness.state(0), Some(ArchiveState::Active), "{why}");
        harness.say(1, |health| *health = healthy());
        assert_eq!(harness.state(1), Some(ArchiveState::Failed), "{why}");
        assert_eq!(harness.command(Op::Suspend, 1), Err(Refusal::ImpossibleTransition), "{why}");
    }
}

#[test]
fn an_archive_without_a_sign_of_life_is_flagged_once() {
    let mut harness = Harness::settled();
    let until = |harness: &mut Harness, seconds: u64| {
        for _ in 0..seconds {
            for alive in [0, 2] {
                harness.say(alive, |_| ());
            }
            harness.tick(harness.time.uptime_ms.get() + 1000);
        }
    };
    until(&mut harness, u64::from(registry::HUNG_BEATS) - 1);
    assert!(harness.kernel.notified.contains(&harness.archives[1]), "it is asked for one");
    assert!(harness.entries().is_empty());
    until(&mut harness, 1);
    assert_eq!(kinds(&harness.record_all()), "hung");
    assert_eq!((harness.flagged(), harness.state(1)), (vec![(FlagKind::Hung, 1)], Some(ArchiveState::Active)));
    until(&mut harness, 40);
    assert!(harness.entries().is_empty());
    acknowledge_all(&mut harness);
    harness.say(1, |_| ());
    until(&mut harness, 40);
    assert_eq!(kinds(&harness.record_all()), "hung", "it lived, and hangs again");
    assert!(harness.kernel.stopped.is_empty());
}

// ---- volumes and domains ----

#[test]
fn a_missing_volume_is_flagged_with_its_state() {
    let mut harness = Harness::settled();
    for state in [VolumeState::Recovering, VolumeState::Sealed, VolumeState::ReadOnly] {
        harness.set_volume(1, state);
        assert!(harness.entries().is_empty(), "{state:?}");
    }
    for state in [
        VolumeState::NoDisk,
        VolumeState::DiskTooSmall,
        VolumeState::Foreign,
        VolumeState::Damaged,
        VolumeState::OtherDeployment,
        VolumeState::OtherVolume,
        VolumeState::OtherVersion,
        VolumeState::Failed,
    ] {
        harness.set_volume(1, state);
        harness.tick(harness.time.uptime_ms.get() + 1);
        let entries = harness.record_all();
        assert_eq!(kinds(&entries), "missing-volume", "{state:?}");
        assert_eq!((entries[0].flag_what, entries[0].detail.get()), (state as u8, u64::from(state as u8)));
    }
    assert_eq!(harness.flags().len(), 8);
}

#[test]
fn an_archive_the_vault_has_cut_off_is_flagged_and_nonsense_of_the_vault_is_not_believed() {
    let mut harness = Harness::settled();
    (harness.vault.volumes[1].closed, harness.vault.volumes[1].refused) = (1, 1.into());
    harness.publish_vault();
    assert_eq!(kinds(&harness.record_all()), "refused, protocol");
    harness.vault.volumes[0].refused = 9.into();
    harness.vault.volumes[2].state = 99;
    harness.publish_vault();
    assert_eq!(
        (harness.row(0).refused.get(), harness.entries().len()),
        (0, 0),
        "nothing of such a page is taken over"
    );
}

#[test]
fn a_clock_set_back_is_flagged_and_order_kept() {
    let mut harness = Harness::settled();
    harness.tick(10_000);
    for (back_ms, flagged) in [(2_000, ""), (2_001, "clock-back")] {
        harness.time.ticks += 1;
        harness.time.wall_ms -= back_ms;
        harness.publish_time();
        let entries = harness.record_all();
        assert_eq!(kinds(&entries), flagged);
        assert!(entries.iter().all(|entry| (entry.volume, entry.detail.get()) == (NO_VOLUME, back_ms)));
    }
    assert_eq!(harness.status_page().wall_ms, harness.time.wall_ms);
}

/// So much time passes by the CPU's counter as never does between two ticks, and then something happens.
fn pass_time(harness: &mut Harness) {
    harness.kernel.counter_ms += SILENT_MS;
    harness.live();
    harness.say(0, |_| ());
}

#[test]
fn a_clock_that_stands_is_degraded_and_flagged_once_recorded() {
    let nothing: fn(&mut Harness) = |_| ();
    let unreadable: fn(&mut Harness) = |harness| harness.clock_region.store(0, 1);
    let back: fn(&mut Harness) = |harness| {
        harness.tick(5000);
        harness.tick(4999);
        assert_eq!(harness.status_page().uptime_ms.get(), 5000);
    };
    for break_clock in [nothing, unreadable, back] {
        let mut harness = Harness::settled();
        break_clock(&mut harness);
        pass_time(&mut harness);
        assert_eq!(harness.status_page().degraded, 0, "not before it is recorded");
        let entries = harness.record_all();
        assert_eq!((&*kinds(&entries), entries[0].flag_what), ("degraded", Role::Clock as u8));
        assert_eq!(harness.status_page().degraded, degraded::CLOCK);
    }
}

#[test]
fn a_clock_is_not_doubted_for_events_between_two_ticks() {
    let mut harness = Harness::settled();
    harness.kernel.counter_ms += SILENT_MS - 1;
    for number in 0..1_000 {
        harness.say(0, |health| health.bytes = number.into());
    }
    assert_eq!((harness.status_page().degraded, harness.entries().len()), (0, 0));
}

#[test]
fn a_clock_that_goes_on_is_no_longer_degraded() {
    let mut harness = Harness::settled();
    pass_time(&mut harness);
    harness.record_all();
    harness.tick(1000);
    assert_eq!((harness.status_page().degraded, harness.flags().len()), (0, 1));
}

#[test]
fn the_end_of_time_is_survived() {
    let mut harness = Harness::deployed(|description| description.audit_period_s = 900);
    for uptime_ms in [20_000, u64::MAX - 1, u64::MAX] {
        harness.time.ticks += 1;
        (harness.time.uptime_ms, harness.time.wall_ms) = (uptime_ms.into(), u64::MAX.into());
        harness.publish_time();
        for archive in 0..ARCHIVES {
            harness.say(archive, |_| ());
        }
        harness.command(Op::Suspend, 0).ok();
        harness.record_all();
    }
    assert_eq!(harness.status_page().uptime_ms.get(), u64::MAX);
}

// ---- too much, or nothing recorded ----

#[test]
fn a_record_that_takes_nothing_is_the_most_serious_flag_and_hides_nothing() {
    let mut harness = Harness::settled();
    harness.find(1, &[(FindingKind::BatchHeader, 1), (FindingKind::Record, 2)]);
    for (request, _) in harness.entries() {
        harness.fail_record(&request);
    }
    let audit = AUDIT as u8;
    assert_eq!(
        harness.flagged(),
        [
            (FlagKind::AuditVolume, audit),
            (FlagKind::Finding(FindingKind::BatchHeader), 1),
            (FlagKind::Finding(FindingKind::Record), 1)
        ]
    );
    assert!(harness.flags().iter().all(|row| row.audit_record == NO_RECORD));
    let mut ids: Vec<_> = harness.flags().iter().map(|row| row.id.get()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!((harness.row(1).verdict, harness.row(AUDIT).flags.get()), (Ending::Mismatch as u8, 1));
    assert_eq!(harness.state(AUDIT), Some(ArchiveState::Failed));
    harness.fault(0);
    let entries = harness.record_all();
    assert_eq!(kinds(&entries), "batch, record, audit-volume, a fault, fault", "it is tried all the same");
    assert_eq!(
        (harness.state(AUDIT), harness.state(0)),
        (Some(ArchiveState::Active), Some(ArchiveState::Faulted))
    );
    harness.command(Op::Suspend, 1).expect("it takes records again");
}

#[test]
fn more_flags_than_there_are_rows_are_counted() {
    let mut harness = Harness::settled();
    let mut block = 0;
    for _ in 0..FLAGS_MAX / 8 + 1 {
        let found: Vec<_> = (0..8).map(|i| (FindingKind::Asset, block + i)).collect();
        block += 8;
        harness.find(1, &found);
        harness.record_all();
    }
    let status_page = harness.status_page();
    assert_eq!((harness.flags().len(), status_page.flags_hidden.get()), (FLAGS_MAX, 8));
    assert_eq!(status_page.flags_open.get(), FLAGS_MAX as u32 + 8);
    harness.find(2, &[(FindingKind::Rollback, 0)]);
    harness.record_all();
    assert_eq!(harness.flagged()[0], (FlagKind::Finding(FindingKind::Rollback), 2), "the serious ones are shown");
}

#[test]
fn more_than_can_wait_is_counted_and_ends() {
    const ARCHIVES_MANY: usize = 58;
    let mut harness = Harness::with(ARCHIVES_MANY, |_| {}).settle(&Past::default());
    for archive in 0..ARCHIVES_MANY {
        harness.fault(archive);
        (harness.vault.volumes[archive].refused, harness.vault.volumes[archive].closed) = (1.into(), 1);
    }
    harness.publish_vault();
    assert_eq!(harness.flags(), []);
    let hidden = harness.status_page().flags_hidden.get();
    assert!(hidden > 0);
    let entries = harness.record_all();
    let flags = entries.iter().filter(|entry| entry.kind == Kind::Flag as u8).count();
    assert_eq!(flags as u32 + hidden, 3 * ARCHIVES_MANY as u32);
    assert_eq!(harness.status_page().flags_open.get(), 3 * ARCHIVES_MANY as u32);
    assert!(
        (0..ARCHIVES_MANY).all(|archive| harness.state(archive) == Some(ArchiveState::Faulted)),
        "no row waits"
    );
}

#[test]
fn findings_of_a_report_without_any_are_not_looked_at() {
    let mut harness = Harness::settled();
    harness.command(Op::Verify, 1).unwrap();
    let job = harness.jobs()[0];
    let mut body = Verified::new_zeroed();
    body.as_mut_bytes().fill(0xff);
    harness.report(&clean(&job), body.as_bytes());
    assert_eq!((harness.row(1).verdict, harness.flags()), (Ending::Clean as u8, vec![]));
}
