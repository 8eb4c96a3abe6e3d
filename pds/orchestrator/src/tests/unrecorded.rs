//! An audit record that takes nothing locks nobody out: what the operator does takes effect, is shown as not
//! recorded, and is entered when there is room again.

use totebox_ledger_writer::audit_room::kept_blocks;
use totebox_protocol::flag::FLAGS_MAX;
use totebox_protocol::lifecycle::Standing;

use super::records::{KEPT_MAX, RETRY_BEATS};
use super::*;

/// The auditor has room for nothing that it is asked to enter.
fn refuse_all(harness: &mut Harness) {
    loop {
        let entries = harness.entries();
        if entries.is_empty() {
            return;
        }
        for (request, _) in entries {
            harness.fail_record(&request);
        }
    }
}

/// How the last command of an archive ended.
fn ended(harness: &Harness, archive: usize) -> (u32, Option<Completion>) {
    let row = harness.row(archive);
    (row.command_tag.get(), Completion::from_wire(row.completion))
}

fn acknowledged(harness: &Harness, id: u32) -> (u8, u32) {
    let row = harness.flags().into_iter().find(|row| row.id == id).expect("the flag is shown");
    (row.acknowledged, row.tag.get())
}

/// Archive 1 was suspended for what an audit found, and nothing of that could be recorded.
fn suspended_for_a_mismatch() -> Harness {
    let mut harness = Harness::deployed(suspends);
    harness.find(1, &ASSETS[..1]);
    refuse_all(&mut harness);
    harness.obey(1);
    assert_eq!(harness.state(1), Some(ArchiveState::Suspended));
    harness
}

#[test]
fn with_a_full_record_ack_and_resume_bring_an_archive_back() {
    let mut harness = suspended_for_a_mismatch();
    let asset = harness.flags().iter().find(|row| row.volume == 1).unwrap().id.get();
    let tag = harness.acknowledge(asset.into(), b"the copy is whole").unwrap();
    assert_eq!(acknowledged(&harness, asset), (Acknowledged::Recording as u8, 0), "it is tried");
    refuse_all(&mut harness);
    assert_eq!(acknowledged(&harness, asset), (Acknowledged::Unrecorded as u8, tag));
    assert_eq!(harness.row(1).flags.get(), 0, "it is not open any more");
    assert_eq!(harness.acknowledge(asset.into(), b"again"), Err(Refusal::AlreadyAcknowledged));

    let tag = harness.command(Op::Resume, 1).unwrap();
    refuse_all(&mut harness);
    assert_eq!(harness.target(1), Some(Standing::Active));
    harness.obey(1);
    assert_eq!(
        (harness.state(1), ended(&harness, 1)),
        (Some(ArchiveState::Active), (tag, Some(Completion::Unrecorded)))
    );
    harness.find(1, &ASSETS[..1]);
    refuse_all(&mut harness);
    assert_eq!(harness.state(1), Some(ArchiveState::Active), "what is acknowledged does not suspend it again");
    assert_eq!(harness.status_page().unrecorded.get(), 5, "two flags, the suspension, the reason, the resumption");
}

#[test]
fn with_a_full_record_an_archive_is_suspended_and_archived() {
    let mut harness = Harness::settled();
    for (op, standing) in [(Op::Suspend, Standing::Suspended), (Op::Archive, Standing::Archived)] {
        let tag = harness.command(op, 1).unwrap();
        refuse_all(&mut harness);
        assert_eq!(harness.target(1), Some(standing));
        harness.obey(1);
        for seal in harness.seals() {
            harness.answer_seal(&seal, Status::Ok);
        }
        assert_eq!(ended(&harness, 1), (tag, Some(Completion::Unrecorded)));
        assert_eq!(harness.state(1), Some(standing.state()));
    }
    assert_eq!(harness.flagged(), [(FlagKind::AuditVolume, AUDIT as u8)]);
}

#[test]
fn without_an_auditor_the_operator_can_act() {
    let mut harness = Harness::deployed(suspends);
    harness.find(1, &ASSETS[..1]);
    harness.record_all();
    harness.obey(1);
    harness.auditor_region.store(0, u64::MAX);
    harness.notify(harness.auditor);
    assert_eq!(harness.status_page().degraded, degraded::AUDITOR);
    let tag = harness.acknowledge(1, b"the copy is whole").unwrap();
    assert_eq!(acknowledged(&harness, 1), (Acknowledged::Unrecorded as u8, tag));
    let tag = harness.command(Op::Resume, 1).unwrap();
    harness.obey(1);
    assert_eq!(
        (harness.state(1), ended(&harness, 1)),
        (Some(ArchiveState::Active), (tag, Some(Completion::Unrecorded)))
    );
    let tag = harness.command(Op::Suspend, 0).unwrap();
    harness.obey(0);
    assert_eq!(ended(&harness, 0), (tag, Some(Completion::Unrecorded)));
    assert!(harness.status_page().unrecorded.get() >= 3);
}

#[test]
fn what_was_kept_is_entered_in_order_when_there_is_room_again() {
    let mut harness = suspended_for_a_mismatch();
    let asset = harness.flags().iter().find(|row| row.volume == 1).unwrap().id.get();
    harness.acknowledge(asset.into(), b"the copy is whole").unwrap();
    refuse_all(&mut harness);
    harness.command(Op::Resume, 1).unwrap();
    refuse_all(&mut harness);
    harness.obey(1);
    harness.seconds(30);
    harness.fault(0);
    assert_eq!(harness.state(0), Some(ArchiveState::Active), "it is tried first");
    let entries = harness.record_all();
    let order = "asset, suspended, audit-volume, acknowledgement, active, a fault, fault";
    assert_eq!(kinds(&entries), order);
    assert!(entries[..5].iter().all(|entry| entry.late_ms.get() == 30_000), "each says how late it is");
    assert!(entries[5..].iter().all(|entry| entry.late_ms.get() == 0));
    assert_eq!((entries[1].cause, entries[4].cause), (Cause::Mismatch as u8, Cause::Operator as u8));
    assert_eq!((entries[0].flag.get(), entries[3].flag.get()), (asset, asset));
    assert_eq!(acknowledged(&harness, asset).0, Acknowledged::Yes as u8);
    assert!(harness.flags().iter().all(|row| row.audit_record != NO_RECORD), "each flag has its record now");
    assert_eq!((harness.status_page().unrecorded.get(), harness.state(AUDIT)), (0, Some(ArchiveState::Active)));
    assert_eq!(harness.state(0), Some(ArchiveState::Faulted));
}

#[test]
fn room_is_noticed_without_anything_new() {
    let mut harness = Harness::settled();
    harness.command(Op::Suspend, 1).unwrap();
    refuse_all(&mut harness);
    harness.obey(1);
    harness.seconds(u64::from(RETRY_BEATS) - 1);
    assert!(harness.entries().is_empty(), "it is not asked for all the time");
    harness.seconds(1);
    let (request, entry) = harness.entries()[0];
    assert_eq!(kinds(&[entry]), "suspended");
    harness.fail_record(&request);
    assert!(harness.entries().is_empty());
    harness.seconds(RETRY_BEATS.into());
    assert_eq!(kinds(&harness.record_all()), "suspended, audit-volume");
}

#[test]
fn a_result_that_is_entered_tells_that_there_is_room() {
    let mut harness = Harness::settled();
    harness.command(Op::Suspend, 1).unwrap();
    refuse_all(&mut harness);
    harness.obey(1);
    harness.command(Op::Verify, 0).unwrap();
    let job = harness.jobs()[0];
    harness.report(&clean(&job), &[]);
    assert_eq!(kinds(&harness.record_all()), "suspended, audit-volume");
}

#[test]
fn what_is_kept_is_bounded_and_what_is_left_out_is_told() {
    let mut harness = Harness::settled();
    let mut done = 0;
    for _ in 0..KEPT_MAX {
        for op in [Op::Suspend, Op::Resume] {
            harness.command(op, 1).unwrap();
            refuse_all(&mut harness);
            harness.obey(1);
            done += 1;
        }
    }
    harness.command(Op::Suspend, 1).unwrap();
    refuse_all(&mut harness);
    harness.obey(1);
    // One more for the flag that nothing is recorded.
    assert_eq!(harness.status_page().unrecorded.get(), done + 2);
    harness.seconds(RETRY_BEATS.into());
    let entries = harness.record_all();
    let flagged = entries.iter().filter(|entry| entry.kind == Kind::Flag as u8).collect::<Vec<_>>();
    let left_out = flagged.last().unwrap().detail.get();
    assert_eq!((flagged.len(), left_out), (2, u64::from(done) + 2 - (entries.len() as u64 - 1)));
    assert!(entries.len() <= KEPT_MAX + 1);
    let transitions: Vec<_> = entries.iter().filter(|entry| entry.kind == Kind::Lifecycle as u8).collect();
    assert!(transitions.windows(2).all(|pair| pair[0].to == pair[1].from), "they go on from each other");
    assert_eq!(transitions.last().unwrap().to, ArchiveState::Suspended as u8);
    assert!(harness.flags().iter().any(|row| row.detail.get() == left_out), "the operator sees it, too");
    assert_eq!(harness.status_page().unrecorded.get(), 0);
}

#[test]
fn flags_are_left_out_before_what_the_operator_did() {
    let mut harness = Harness::settled();
    for block in 0..KEPT_MAX as u64 {
        harness.find(2, &[(FindingKind::Asset, block)]);
        refuse_all(&mut harness);
    }
    let open: Vec<u32> = harness.flags().iter().map(|row| row.id.get()).collect();
    for id in &open[..8] {
        harness.acknowledge((*id).into(), b"seen").unwrap();
        refuse_all(&mut harness);
    }
    harness.command(Op::Suspend, 1).unwrap();
    refuse_all(&mut harness);
    harness.obey(1);
    harness.seconds(RETRY_BEATS.into());
    let entries = harness.record_all();
    let of_kind = |kind: Kind| entries.iter().filter(|entry| entry.kind == kind as u8).count();
    assert_eq!((of_kind(Kind::Acknowledgement), of_kind(Kind::Lifecycle)), (8, 1));
    assert_eq!(open.len(), FLAGS_MAX);
}

// ---- the next start ----

/// A start with a record that can be read, but takes nothing, and tells this of archive 0.
fn start_with_a_full_record(before: Standing, standing: Standing) -> Harness {
    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::default();
    past.standings[0] = (before, standing);
    past.opened.0.verdict = Ending::NotRecorded as u8;
    (past.opened.1.records, past.opened.0.audit_record) = (40.into(), NO_RECORD.into());
    harness.restore(&past);
    harness
}

fn comes_up(harness: &mut Harness, archive: usize, standing: Standing) {
    let state = standing.state() as u8;
    harness.say(archive, |health| (health.state, health.recorded) = (state, state));
}

#[test]
fn with_a_full_record_an_archives_own_ledger_tells_its_state() {
    use Standing::{Active, Archived, Suspended};
    for (before, standing, own) in [
        (Active, Active, Suspended),
        (Active, Suspended, Active),
        (Suspended, Active, Suspended),
        (Active, Active, Archived),
    ] {
        let mut harness = start_with_a_full_record(before, standing);
        comes_up(&mut harness, 0, own);
        refuse_all(&mut harness);
        assert_eq!(harness.target(0), Some(own), "{before:?} {standing:?} {own:?}");
        let is_flagged = harness.flagged().contains(&(FlagKind::Lifecycle, 0));
        assert_eq!(is_flagged, own != before, "a cut may have come in between");
    }
    let mut harness = start_with_a_full_record(Active, Archived);
    comes_up(&mut harness, 0, Active);
    assert_eq!(harness.target(0), Some(Archived), "out of that nothing leads");
    let mut harness = start_with_a_full_record(Active, Suspended);
    harness.seconds(31);
    assert_eq!(harness.target(0), Some(Suspended), "of one that does not come up the record tells");
}

#[test]
fn what_an_archive_became_unrecorded_is_entered_at_a_start_with_room() {
    let mut harness = Harness::new();
    harness.start();
    harness.restore(&Past::default());
    harness.set_volume(2, VolumeState::Sealed);
    comes_up(&mut harness, 1, Standing::Suspended);
    comes_up(&mut harness, 2, Standing::Archived);
    assert_eq!((harness.target(1), harness.target(2)), (Some(Standing::Suspended), Some(Standing::Archived)));
    let entries = harness.record_all();
    for (volume, standing) in [(1, Standing::Suspended), (2, Standing::Archived)] {
        let of_it = entries.iter().filter(|entry| entry.volume == volume).copied().collect::<Vec<_>>();
        let mut names: Vec<_> = kinds(&of_it).split(", ").map(alloc::string::String::from).collect();
        names.sort();
        let mut expected = ["lifecycle", standing.name()];
        expected.sort();
        assert_eq!(names, expected);
    }
}

#[test]
fn an_archive_that_calls_itself_active_stays_what_the_record_says() {
    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::default();
    past.standings[0] = (Standing::Suspended, Standing::Suspended);
    harness.restore(&past);
    comes_up(&mut harness, 0, Standing::Active);
    assert_eq!(harness.target(0), Some(Standing::Suspended));
    assert_eq!(kinds(&harness.record_all()), "lifecycle");
}

// ---- before it is full ----

#[test]
fn a_record_that_is_nearly_full_is_flagged_once_and_in_time() {
    let mut harness = Harness::settled();
    let blocks = harness.audit_ledger_blocks();
    assert!(kept_blocks(blocks) > kept_blocks(0), "some of it is kept");
    harness.vault.volumes[AUDIT].ledger_next = (blocks / 2).into();
    harness.publish_vault();
    assert!(harness.entries().is_empty());
    for left in [2 * kept_blocks(blocks), kept_blocks(blocks), 0] {
        harness.vault.volumes[AUDIT].ledger_next = (blocks - left).into();
        harness.publish_vault();
        let flagged = if left > kept_blocks(blocks) { "audit-nearly-full" } else { "" };
        assert_eq!(kinds(&harness.record_all()), flagged);
    }
    assert_eq!(harness.flagged(), [(FlagKind::AuditNearlyFull, AUDIT as u8)]);
}

#[test]
fn a_result_that_is_kept_out_does_not_say_that_nothing_is_taken() {
    let mut harness = Harness::settled();
    harness.command(Op::Verify, 0).unwrap();
    let mut report = clean(&harness.jobs()[0]);
    (report.audit_record, report.kept_out) = (NO_RECORD.into(), 1);
    harness.report(&report, &[]);
    assert_eq!((harness.state(AUDIT), harness.flags()), (Some(ArchiveState::Active), vec![]));
    assert_eq!(harness.row(0).verdict, Ending::Clean as u8);

    let mut harness = Harness::new();
    harness.start();
    let mut past = Past::of(Standing::Suspended);
    (past.opened.0.audit_record, past.opened.0.kept_out) = (NO_RECORD.into(), 1);
    past.opened.0.verdict = Ending::NotRecorded as u8;
    harness.restore(&past);
    comes_up(&mut harness, 0, Standing::Active);
    assert_eq!(harness.target(0), Some(Standing::Suspended), "what was ordered is in the record");
    assert_eq!(harness.state(AUDIT), Some(ArchiveState::Active));
}
