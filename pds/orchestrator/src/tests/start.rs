//! A start: what the audit record says of the time before, and what each archive is told.

use totebox_ledger_writer::RESERVED_BLOCKS;
use totebox_manifest::LinkKind;
use totebox_protocol::lifecycle::Standing;
use totebox_testing::TestManifest;

use super::transitions::OBEY_MS;
use super::*;

fn open_flag(id: u32, kind: FlagKind, volume: usize) -> FlagRow {
    let mut row = flag_row(kind, volume);
    (row.id, row.audit_record) = (id.into(), 3.into());
    row
}

#[test]
fn nothing_is_told_and_nothing_settles_before_the_audit_record_was_read() {
    let mut harness = Harness::new();
    harness.start();
    for archive in 0..ARCHIVES {
        assert_eq!(harness.state(archive), Some(ArchiveState::Starting));
        harness.say(archive, |health| health.state = ArchiveState::Active as u8);
    }
    let status_page = harness.status_page();
    assert_eq!((status_page.restored, status_page.settled), (0, 0));
    assert_eq!(harness.state(AUDIT), Some(ArchiveState::Starting));
    assert!((0..ARCHIVES).all(|archive| harness.told(archive).is_none()));

    harness.kernel.notified.clear();
    harness.restore(&Past::default());
    for archive in 0..ARCHIVES {
        let told = harness.told(archive).unwrap();
        let expected = (1, ArchiveState::Active as u8, Cause::Restart as u8);
        assert_eq!((told.sequence.get(), told.target, told.cause), expected);
        assert!(harness.kernel.notified.contains(&harness.archives[archive]));
        assert_eq!((harness.row(archive).moving, harness.status_page().settled), (1, 0), "it takes no orders yet");
        harness.obey(archive);
        assert_eq!(harness.row(archive).moving, 0);
    }
    let status_page = harness.status_page();
    assert_eq!((status_page.restored, status_page.settled), (1, 1));
    assert_eq!((harness.state(AUDIT), harness.row(AUDIT).records.get()), (Some(ArchiveState::Active), 2));
    assert_eq!(harness.flags(), []);
    assert!(harness.entries().is_empty(), "a start as it should be enters nothing");
}

#[test]
fn each_archive_becomes_again_what_the_record_says_it_was() {
    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::default();
    past.standings[1] = (Standing::Active, Standing::Suspended);
    past.standings[2] = (Standing::Suspended, Standing::Archived);
    harness.restore(&past);
    harness.set_volume(2, VolumeState::Sealed);
    for (archive, (_, standing)) in past.standings.iter().enumerate() {
        assert_eq!(harness.told(archive), None, "it has to come up first");
        harness.say(archive, |health| {
            (health.state, health.recorded) = (standing.state() as u8, standing.state() as u8)
        });
        assert_eq!(harness.target(archive), Some(*standing));
        harness.obey(archive);
        assert_eq!(harness.state(archive), Some(standing.state()));
        assert_eq!((harness.row(archive).target, harness.row(archive).moving), (standing.state() as u8, 0));
        assert_eq!(harness.row(archive).command_tag.get(), 0);
    }
    assert_eq!(harness.kernel.stopped, [child(1)]);
    assert!(harness.seals().is_empty(), "a sealed volume is not sealed again: the vault would count that");
    assert_eq!(harness.flags(), []);
}

#[test]
fn a_transition_the_power_cut_is_gone_on_with() {
    for (before, standing) in [
        (Standing::Active, Standing::Suspended),
        (Standing::Suspended, Standing::Active),
        (Standing::Active, Standing::Archived),
    ] {
        let mut harness = Harness::new();
        harness.start();
        let mut past = Past::default();
        past.standings[0] = (before, standing);
        harness.restore(&past);
        harness.say(0, |health| (health.state, health.recorded) = (before.state() as u8, before.state() as u8));
        assert_eq!(harness.target(0), Some(standing));
        harness.obey(0);
        for seal in harness.seals() {
            harness.answer_seal(&seal, Status::Ok);
        }
        assert_eq!((harness.state(0), harness.row(0).moving), (Some(standing.state()), 0));
        let sealed = harness.vault.volumes[0].state == VolumeState::Sealed as u8;
        assert_eq!(sealed, standing == Standing::Archived);
        assert_eq!(harness.flags(), [], "the archive's ledger was one step behind");
    }
}

#[test]
fn an_archive_whose_ledger_tells_of_another_state_is_flagged() {
    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::default();
    past.standings[0] = (Standing::Active, Standing::Suspended);
    harness.restore(&past);
    let archived = ArchiveState::Archived as u8;
    harness.say(0, |health| (health.state, health.recorded) = (archived, archived));
    assert_eq!(harness.target(0), Some(Standing::Suspended));
    assert_eq!(kinds(&harness.record_all()), "lifecycle");
    let flags = harness.flags();
    assert_eq!((flags[0].volume, flags[0].detail.get()), (0, archived.into()));
}

#[test]
fn where_the_record_cannot_be_read_each_archives_own_ledger_is_believed() {
    let standings = [Standing::Active, Standing::Suspended, Standing::Archived];
    for lost in [false, true] {
        let mut harness = Harness::new();
        harness.start();
        for (archive, standing) in standings.into_iter().enumerate() {
            let state = standing.state() as u8;
            harness.say(archive, |health| (health.state, health.recorded) = (state, state));
        }
        harness.set_volume(2, VolumeState::Sealed);
        if lost {
            harness.auditor_region.store(0, u64::MAX);
            harness.notify(harness.auditor);
            assert_eq!(harness.status_page().degraded, degraded::AUDITOR);
        } else {
            harness.restore(&Past::unreadable());
            assert_eq!(harness.flagged(), [(FlagKind::AuditVolume, AUDIT as u8)]);
        }
        assert_eq!(harness.status_page().restored, 1);
        for (archive, standing) in standings.into_iter().enumerate() {
            assert_eq!(harness.target(archive), Some(standing), "{lost}");
            harness.obey(archive);
            assert_eq!((harness.state(archive), harness.row(archive).moving), (Some(standing.state()), 0));
        }
        let is_about_lifecycle = |row: &FlagRow| row.kind == FlagKind::Lifecycle.number();
        assert!(!harness.flags().iter().any(is_about_lifecycle));
    }
}

#[test]
fn what_was_flagged_before_is_shown_and_ids_go_on() {
    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::default();
    let mut acknowledged = open_flag(4, FlagKind::Finding(FindingKind::Asset), 1);
    acknowledged.acknowledged = Acknowledged::Yes as u8;
    past.flags = vec![open_flag(7, FlagKind::Hung, 0), acknowledged];
    (past.opened.1.last_flag, past.opened.1.flags_hidden) = (30.into(), 2.into());
    harness.restore(&past);
    let status_page = harness.status_page();
    assert_eq!((status_page.flags_open.get(), status_page.flags_hidden.get()), (3, 2));
    assert_eq!(harness.flags().iter().map(|row| row.id.get()).collect::<Vec<_>>(), [7, 4]);
    assert_eq!((harness.row(0).flags.get(), harness.row(1).flags.get()), (1, 0));
    harness.fault(2);
    let entries = harness.record_all();
    assert_eq!((&*kinds(&entries), entries[1].flag.get()), ("a fault, fault", 31));
}

#[test]
fn the_flag_of_a_broken_record_takes_no_id_that_the_record_has() {
    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::unreadable();
    past.flags = vec![open_flag(7, FlagKind::Hung, 0)];
    let body = &mut past.opened.1;
    (body.records, body.last_flag, body.flags_hidden) = (40.into(), 30.into(), 1.into());
    harness.restore(&past);
    assert_eq!(harness.flagged()[0], (FlagKind::AuditVolume, AUDIT as u8));
    assert_eq!(harness.flags()[0].id.get(), 31);
    assert_eq!((harness.state(AUDIT), harness.row(AUDIT).records.get()), (Some(ArchiveState::Failed), 40));
    harness.set_volume(AUDIT, VolumeState::Foreign);
    let (request, _) = harness.entries()[0];
    harness.fail_record(&request);
    assert_eq!(harness.state(AUDIT), Some(ArchiveState::Unavailable));
}

#[test]
fn what_is_flagged_before_the_record_was_read_waits_for_it() {
    let mut harness = Harness::new();
    harness.set_volume(1, VolumeState::NoDisk);
    harness.start();
    harness.fault(0);
    assert!(harness.entries().is_empty());
    assert_eq!(harness.flags(), []);
    assert_eq!(harness.state(0), Some(ArchiveState::Starting), "the row waits for the flag");
    let mut past = Past::default();
    let mut known = open_flag(7, FlagKind::MissingVolume, 1);
    (known.what, known.detail) = (VolumeState::NoDisk as u8, u64::from(VolumeState::NoDisk as u8).into());
    past.flags = vec![known];
    past.opened.1.last_flag = 7.into();
    harness.restore(&past);
    let entries = harness.entries();
    let texts: Vec<_> = entries.iter().map(|(_, entry)| *entry).collect();
    assert_eq!(kinds(&texts), "a fault, fault", "that the volume is missing is no news");
    assert_eq!(texts[1].flag.get(), 8);
    for (request, _) in entries {
        harness.record(&request);
    }
    assert_eq!(harness.state(0), Some(ArchiveState::Faulted));
    assert_eq!(harness.flagged(), [(FlagKind::MissingVolume, 1), (FlagKind::Fault, 0)]);
}

#[test]
fn a_flag_takes_no_id_that_the_record_has_though_nothing_can_be_recorded_at_the_start() {
    let mut harness = Harness::new();
    harness.start();
    harness.vault_lives = false;
    harness.seconds(20);
    assert_eq!((harness.status_page().degraded, harness.flagged()), (degraded::VAULT_SILENT, vec![]));
    let past = Past { flags: vec![open_flag(1, FlagKind::Hung, 0)], ..Past::default() };
    harness.restore(&past);
    let ids: Vec<_> = harness.flags().iter().map(|row| row.id.get()).collect();
    assert_eq!(ids, [1, 2], "{:?}", harness.flagged());
}

#[test]
fn what_was_told_before_the_auditor_was_lost_is_flagged_once() {
    let mut harness = Harness::new();
    harness.start();
    let mut known = open_flag(7, FlagKind::Fault, 0);
    known.what = FaultKind::Memory as u8;
    harness.fault(0);
    harness.report_flag(&known);
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    let about_the_archive = harness.flags().into_iter().filter(|row| row.volume == 0);
    assert_eq!(about_the_archive.map(|row| row.id.get()).collect::<Vec<_>>(), [7]);
    assert_eq!(harness.state(0), Some(ArchiveState::Faulted));
}

#[test]
fn the_last_verification_is_shown_again() {
    let mut past = Past::default();
    let (report, remembered) = &mut past.verified[1];
    (report.verdict, report.records, report.bytes) = (Ending::Clean as u8, 5.into(), 4096.into());
    (remembered.verified, remembered.verified_ms) = (audit::Op::VerifyIncremental as u8, 77.into());
    let harness = Harness::new().settle(&past);
    let row = harness.row(1);
    assert_eq!((row.verdict, row.verify_op), (Ending::Clean as u8, audit::Op::VerifyIncremental as u8));
    assert_eq!((row.verified_ms.get(), row.verified_bytes.get(), row.verify_tag.get()), (77, 4096, 0));
    assert_eq!(harness.row(0).verdict, 0);
}

#[test]
fn a_clock_behind_the_record_is_flagged() {
    for clock_first in [false, true] {
        let mut harness = Harness::new();
        let mut past = Past::default();
        let last_ms = harness::WALL_MS + 60_000;
        past.opened.1.last_ms = last_ms.into();
        if !clock_first {
            harness.time.wall_ms = 0.into();
            harness.publish_time();
        }
        harness.start();
        harness.restore(&past);
        harness.tick(1000);
        let entries = harness.record_all();
        assert_eq!(kinds(&entries), "clock-back", "{clock_first}");
        let back_ms = if clock_first { 60_000 } else { 59_000 };
        assert_eq!((entries[0].volume, entries[0].detail.get()), (NO_VOLUME, back_ms));
    }
}

#[test]
fn the_status_page_settles_when_every_archive_has_come_up_or_failed_to() {
    let mut harness = Harness::new();
    harness.start();
    harness.restore(&Past::default());
    harness.say(0, |health| health.state = ArchiveState::Active as u8);
    harness.say(1, |health| health.state = ArchiveState::Unavailable as u8);
    assert_eq!(harness.status_page().settled, 0);
    harness.say(2, |health| health.state = ArchiveState::Failed as u8);
    assert_eq!(
        harness.status_page().settled,
        0,
        "the first has not done what it was told: it takes no orders yet"
    );
    assert_eq!(harness.command(Op::Suspend, 0), Err(Refusal::NotReady));
    harness.obey(0);
    assert_eq!(harness.status_page().settled, 1);
    assert_eq!(harness.kernel.notified.last(), Some(&harness.console));
    harness.say(0, |health| health.state = ArchiveState::Starting as u8);
    assert_eq!(harness.status_page().settled, 1, "once settled it stays so");
}

#[test]
fn a_silent_archive_holds_the_status_page_up_for_a_bounded_time() {
    let mut harness = Harness::new();
    harness.start();
    harness.say(0, |health| health.state = ArchiveState::Active as u8);
    harness.tick(SETTLED_AFTER_MS - 1);
    assert_eq!(harness.status_page().settled, 0);
    harness.tick(SETTLED_AFTER_MS);
    assert_eq!(harness.status_page().settled, 1);
    assert_eq!(harness.state(1), Some(ArchiveState::Starting));
}

#[test]
fn an_archive_that_never_comes_up_is_not_waited_for_for_ever() {
    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::default();
    past.standings[1] = (Standing::Active, Standing::Suspended);
    past.standings[2] = (Standing::Active, Standing::Archived);
    harness.restore(&past);
    harness.set_volume(1, VolumeState::Recovering);
    harness.seconds(29);
    assert!((0..ARCHIVES).all(|archive| harness.told(archive).is_none()));
    harness.seconds(OBEY_MS / 1000 + 2);
    assert_eq!(harness.kernel.stopped, [child(2)]);
    assert_eq!(kinds(&harness.record_all()), "stop-timeout");
    let seals = harness.seals();
    assert_eq!(seals.iter().map(|seal| seal.volume).collect::<Vec<_>>(), [2]);
    harness.answer_seal(&seals[0], Status::Ok);
    harness.seconds(30);
    assert_eq!(harness.told(1), None, "as long as the vault recovers the volume it cannot come up");
    harness.set_volume(1, VolumeState::Ready);
    harness.seconds(OBEY_MS / 1000 + 1);
    harness.record_all();
    assert_eq!(harness.kernel.stopped, [child(2), child(1)]);
    assert_eq!(harness.flagged(), [(FlagKind::StopTimeout, 2), (FlagKind::StopTimeout, 1)]);
    assert!((0..ARCHIVES).all(|archive| harness.row(archive).moving == 0));
    harness.say(0, |health| health.state = ArchiveState::Active as u8);
    assert_eq!(harness.target(0), Some(Standing::Active), "it obeys when it has come up");
}

#[test]
fn a_closed_archive_that_faults_at_start_is_sealed_all_the_same() {
    let mut harness = Harness::new();
    harness.start();
    harness.restore(&Past::of(Standing::Archived));
    harness.fault(1);
    let seals = harness.seals();
    assert_eq!(seals.len(), 1);
    harness.answer_seal(&seals[0], Status::Ok);
    harness.record_all();
    assert_eq!((harness.state(1), harness.row(1).moving), (Some(ArchiveState::Faulted), 0));
}

#[test]
fn a_volume_that_takes_no_writes_at_start_is_not_to_be_sealed() {
    for state in [VolumeState::ReadOnly, VolumeState::NoDisk, VolumeState::Damaged] {
        let mut harness = Harness::new();
        harness.start();
        harness.set_volume(1, state);
        harness.restore(&Past::of(Standing::Archived));
        harness.say(1, |health| health.state = ArchiveState::Unavailable as u8);
        harness.obey(1);
        assert!(harness.seals().is_empty(), "{state:?}");
        harness.record_all();
        assert_eq!(harness.row(1).moving, 0, "{state:?}");
    }
}

#[test]
fn the_status_page_shows_health_vault_and_time_and_wakes_the_console_for_news_only() {
    let mut harness = Harness::settled();
    (harness.vault.durable, harness.vault.read_only) = (1, 7);
    harness.vault.volumes[0].assets_next = 2.into();
    harness.publish_vault();
    let woken = [harness.console];
    assert_eq!(harness.kernel.notified, woken);
    let status_page = harness.status_page();
    assert_eq!((status_page.durable, status_page.read_only), (1, 0));
    let row = status_page.rows[0];
    assert_eq!((row.records.get(), row.documents.get(), row.bytes.get()), (5, 4, 9000));
    assert_eq!(row.volume_state, VolumeState::Ready as u8);
    assert_eq!((row.free.get(), row.left.get()), ((184 - 2) * 4096, 92));
    // Whatever room there is for content, without room for its record there is none.
    harness.vault.volumes[0].ledger_next = (192 - 8 - RESERVED_BLOCKS).into();
    harness.publish_vault();
    let row = harness.status_page().rows[0];
    assert_eq!((row.free.get(), row.left.get()), (0, 0));
    harness.vault.volumes[AUDIT].ledger_next = u64::MAX.into();
    harness.publish_vault();
    assert_eq!(kinds(&harness.record_all()), "audit-nearly-full");
    let (free, left) = (harness.row(AUDIT).free.get(), harness.row(AUDIT).left.get());
    assert_eq!((free, left), (0, 0), "more blocks used than there are");

    harness.kernel.notified.clear();
    harness.console_lives = false;
    harness.tick(900);
    let status_page = harness.status_page();
    assert_eq!((status_page.uptime_ms.get(), status_page.wall_ms.get()), (900, harness::WALL_MS + 900));
    assert!(!harness.kernel.notified.contains(&harness.console), "the time alone wakes nobody");
}

#[test]
fn nothing_is_said_of_durability_when_no_archives_volume_is_in_service() {
    let mut harness = Harness::settled();
    let shown = |harness: &Harness| (harness.status_page().durable, harness.status_page().in_service);
    let (yes, no) = (1, 2);
    for archive in 0..ARCHIVES {
        assert_eq!(shown(&harness), (yes, 1));
        harness.set_volume(archive, VolumeState::Failed);
        harness.record_all();
    }
    assert_eq!(shown(&harness), (0, 0));
    for state in [VolumeState::Sealed, VolumeState::ReadOnly, VolumeState::Recovering] {
        harness.set_volume(1, state);
        harness.record_all();
        assert_eq!(shown(&harness), (yes, 1), "{state:?}");
    }
    harness.vault.durable = no;
    harness.publish_vault();
    assert_eq!(shown(&harness), (no, 1), "the vault says so of a disk in service");
}

#[test]
fn no_room_is_promised_where_nothing_can_be_put() {
    let room = |harness: &Harness, volume| (harness.row(volume).free > 0, harness.row(volume).left > 0);
    let fresh = || {
        let harness = Harness::settled();
        assert_eq!((room(&harness, 1), room(&harness, AUDIT)), ((true, true), (true, true)));
        harness
    };
    let mut harness = fresh();
    harness.command(Op::Suspend, 1).unwrap();
    harness.record_all();
    harness.obey(1);
    assert_eq!(room(&harness, 1), (true, true), "it may be resumed");
    harness.fault(1);
    harness.record_all();
    assert_eq!(room(&harness, 1), (false, false));
    for state in [VolumeState::Sealed, VolumeState::ReadOnly, VolumeState::Failed, VolumeState::NoDisk] {
        let mut harness = fresh();
        harness.set_volume(1, state);
        harness.record_all();
        assert_eq!((room(&harness, 1), room(&harness, 2)), ((false, false), (true, true)), "{state:?}");
    }
    for state in [ArchiveState::Archived, ArchiveState::Failed, ArchiveState::Damaged, ArchiveState::Unavailable] {
        let mut harness = fresh();
        harness.say(1, |health| health.state = state as u8);
        assert_eq!(room(&harness, 1), (false, false), "{state:?}");
    }
    let mut harness = fresh();
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    assert_eq!(room(&harness, AUDIT), (false, false), "it takes nothing");
}

#[test]
fn since_when_a_volume_is_what_it_is_is_shown() {
    let mut harness = Harness::settled();
    harness.tick(5000);
    harness.say(1, |health| health.state = ArchiveState::Failed as u8);
    harness.tick(6000);
    assert_eq!((harness.row(1).since_ms.get(), harness.row(0).since_ms.get()), (5000, 0));
}

#[test]
fn a_manifest_without_a_peer_is_refused() {
    let mut description = TestManifest::new(Role::Orchestrator);
    for _ in 0..2 {
        description.volume("archive");
    }
    let bytes = description.bytes();
    let manifest = Manifest::parse(&bytes).unwrap();
    let error = Orchestrator::new(&manifest, totebox_shm::testing::mapped()).err();
    assert_eq!(error, Some(SetupError::Link(Role::Vault, LinkKind::Page)));
}
