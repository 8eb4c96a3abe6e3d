//! What faults, hangs, goes back in time or takes no records is flagged, and stops nothing else.

use ledger_fmt::record::Kind;
use ledger_fmt::testing::TestVolume;
use totebox_domain::{Fault, FaultKind};
use totebox_manifest::Role;
use totebox_tests::archive_harness::verify;
use totebox_tests::operator::{number, value};
use totebox_tests::orchestration::{NAMES, SCHEDULED, Structure, audit_record, spot, state};
use totebox_tests::sim::{blank_disk, deployment};

use super::{DOCUMENTS, at_work, at_work_on, await_event, await_state, content, fetch};

#[test]
fn a_fault_is_recorded_and_flagged_and_what_is_over_is_news_when_it_happens_again() {
    let deployment = deployment(SCHEDULED);
    let (disk, mut operator) = at_work(&deployment, 1);
    for round in 0..2u64 {
        let finance = operator.wire.world.pd(Role::Archive, 1);
        operator.wire.world.fault(
            finance,
            Fault { kind: FaultKind::Memory, address: 0x1000, instruction: 0x20_0004, status: 0x92 },
        );
        await_event(&mut operator, &format!("flag {} finance fault", round + 1));
        assert_eq!(state(&mut operator, "finance"), "faulted");
        for command in ["suspend finance", "archive finance final"] {
            assert_eq!(operator.ask(command).unwrap().error(), Some("impossible-transition"), "{command}");
        }
        assert!(operator.put("contracts", "goes on", b"x").unwrap().is_ok());
        assert!(operator.ask(&format!("ack {} restarting it", round + 1)).unwrap().ok());
        operator.wire.world.settle();
        drop(operator);
        operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2 + round, None);
        operator.connect_settled().unwrap();
        assert_eq!(state(&mut operator, "finance"), "active", "a start is a start");
    }
    let recorded = audit_record(&deployment, disk.borrow().seen());
    let faults = recorded.iter().filter(|(kind, _)| *kind == Kind::Fault).count();
    assert_eq!(faults, 2);
}

#[test]
fn a_hung_archive_is_noticed() {
    let deployment = deployment(SCHEDULED);
    let (_, mut operator) = at_work(&deployment, 1);
    operator.wire.world.hang(Role::Archive, 1);
    await_event(&mut operator, "flag 1 finance hung");
    let suspended = operator.ask("suspend finance").unwrap();
    assert_eq!(suspended.error(), Some("stopped"), "{suspended:?}");
    assert_eq!(state(&mut operator, "finance"), "suspended");
    assert!(operator.ask("flags").unwrap().rows.iter().any(|row| row.contains("kind=stop-timeout")));
    assert!(operator.put("contracts", "goes on", b"x").unwrap().is_ok());
}

#[test]
fn an_auditor_that_hangs_is_shown_as_degraded_and_stops_no_commit() {
    let deployment = deployment(SCHEDULED);
    let (_, mut operator) = at_work(&deployment, 1);
    operator.wire.world.hang(Role::Auditor, 0);
    await_event(&mut operator, "flag 1 degraded: the auditor does not answer (not recorded)");
    await_event(&mut operator, "flag 2 audit audit-volume");
    assert_eq!(value(&operator.ask("status").unwrap().end, "degraded"), Some("auditor"));
    assert_eq!(operator.ask("audit finance").unwrap().error(), Some("unavailable"));
    for name in NAMES {
        assert!(operator.put(name, "goes on", b"x").unwrap().is_ok());
        assert!(fetch(&mut operator, name, 0) == Ok(content(0)));
    }
}

#[test]
fn a_clock_that_hangs_stops_no_commit() {
    let deployment = deployment(SCHEDULED);
    let (_, mut operator) = at_work(&deployment, 1);
    operator.wire.world.hang(Role::Clock, 0);
    for name in NAMES {
        assert!(operator.put(name, "goes on", b"x").unwrap().is_ok());
        assert!(fetch(&mut operator, name, 0) == Ok(content(0)));
    }
    assert_eq!(operator.ask("audit").unwrap().end, "+audit clean volumes=4");
    // It is known by the CPU's own counter.
    let limit = operator.wire.world.steps() + 1_000_000;
    while value(&operator.ask("status").unwrap().end, "degraded") != Some("clock") {
        assert!(operator.wire.world.steps() < limit, "nobody notices");
    }
}

#[test]
fn the_wall_clock_set_back_is_recorded() {
    let deployment = deployment(SCHEDULED);
    let (disk, mut operator) = at_work(&deployment, 1);
    let ticker = operator.wire.world.devices().ticker.clone();
    ticker.set_wall_ms(ticker.wall_ms() - 3_600_000);
    await_event(&mut operator, "flag 1 clock-back");
    operator.wire.world.settle();
    drop(operator);
    // While it was off, too.
    let wall_ms = disk.borrow().wall_ms();
    let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2, None);
    operator.wire.world.devices().ticker.set_wall_ms(wall_ms - 86_400_000);
    operator.connect_settled().unwrap();
    assert!(operator.ask("ack 1 summer time").unwrap().ok());
    operator.wire.world.settle();
    assert_eq!(operator.ask("audit").unwrap().end, "+audit clean volumes=4", "order is kept by sequence number");
}

#[test]
fn an_audit_record_that_takes_no_records_is_the_most_serious_flag_and_stops_nothing() {
    let deployment = deployment(SCHEDULED);
    let (disk, mut operator) = at_work(&deployment, 1);
    let audit = &deployment.volumes[3];
    let range = audit.first_block..audit.first_block + audit.layout.blocks;
    disk.borrow_mut().fail_when(move |operation| {
        matches!(operation, totebox_domain::device::Operation::Write { block, .. } if range.contains(block))
    });
    let spot = spot(&deployment, disk.borrow().seen(), 1, Structure::Asset);
    disk.borrow_mut().damage(spot.byte, |byte| *byte ^= 1);
    // Whether the vault or the auditor is the first to tell is open, and so is the number.
    while !await_event(&mut operator, "flag ").contains(" audit audit-volume") {}
    await_state(&mut operator, "finance", "suspended");
    let flags = operator.ask("flags").unwrap();
    assert_eq!(value(&flags.rows[0], "kind"), Some("audit-volume"), "the most serious: {flags:?}");
    let asset = flags.rows.iter().find(|row| row.contains("kind=asset")).expect("it is shown all the same");
    assert_eq!(value(asset, "audit_record"), None, "{asset}");
    for archive in ["contracts", "correspondence"] {
        assert!(operator.put(archive, "goes on", b"x").unwrap().is_ok());
    }
    // Whoever looks after it is not locked out: it is done, and said not to be recorded.
    let asset = number(asset, "id");
    assert_eq!(operator.ask(&format!("ack {asset} the copy is whole")).unwrap().error(), Some("unrecorded"));
    assert_eq!(operator.ask("resume finance").unwrap().error(), Some("unrecorded"));
    assert_eq!(state(&mut operator, "finance"), "active");
    let sound = (1..DOCUMENTS).all(|document| fetch(&mut operator, "finance", document) == Ok(content(document)));
    assert!(sound, "its undamaged documents are within reach");
    operator.ask("audit finance").unwrap();
    assert_eq!(state(&mut operator, "finance"), "active", "what is acknowledged does not suspend it again");
    assert_eq!(operator.ask("suspend contracts").unwrap().error(), Some("unrecorded"));
    assert_eq!(operator.ask("archive correspondence final").unwrap().error(), Some("unrecorded"));
    let status = operator.ask("status").unwrap();
    assert!(number(&status.end, "unrecorded") >= 5, "{}", status.end);

    // At the next start the disk is sound again: what the archives became is recorded then.
    operator.wire.world.settle();
    drop(operator);
    disk.borrow_mut().fail_when(|_| false);
    let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2, None);
    operator.connect_settled().unwrap();
    await_state(&mut operator, "contracts", "suspended");
    await_state(&mut operator, "correspondence", "archived");
    operator.wire.world.settle();
    let record = audit_record(&deployment, disk.borrow().seen());
    for (archive, to) in [("contracts", "suspended"), ("correspondence", "archived")] {
        let is_it = |payload: &serde_json::Value| payload["archive"] == archive && payload["to"] == to;
        let told = record.iter().any(|(kind, payload)| *kind == Kind::Lifecycle && is_it(payload));
        assert!(told, "{archive}: {record:?}");
    }
}

#[test]
fn a_full_audit_record_is_flagged_and_nothing_in_it_is_overwritten() {
    let deployment = deployment(SCHEDULED);
    // Only the four blocks that are kept for its end are left of it.
    let place = &deployment.volumes[3];
    let mut full = TestVolume::of(place.superblock());
    full.start();
    while full.frontier.ledger_next + 4 < full.layout.space.blocks {
        full.checkpoint();
        full.commit();
    }
    (0..2).for_each(|slot| full.hint(slot));
    let mut held = blank_disk(&deployment);
    held[place.offset() as usize..][..full.bytes.len()].copy_from_slice(&full.bytes);
    let (disk, mut operator) = at_work_on(held, &deployment, 1);
    await_event(&mut operator, "flag 1 audit audit-volume");
    let before = audit_record(&deployment, disk.borrow().seen());
    let spot = spot(&deployment, disk.borrow().seen(), 1, Structure::Asset);
    disk.borrow_mut().damage(spot.byte, |byte| *byte ^= 1);
    await_event(&mut operator, "flag 4 finance asset");
    await_state(&mut operator, "finance", "suspended");
    for archive in ["contracts", "correspondence"] {
        assert!(operator.put(archive, "goes on", b"x").unwrap().is_ok());
    }
    // A short record may still have fitted.
    assert!(audit_record(&deployment, disk.borrow().seen()).starts_with(&before));

    // It is so after a restart, and then the archives' own ledgers say what they are.
    operator.wire.world.settle();
    drop(operator);
    let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2, None);
    operator.connect_settled().unwrap();
    await_event(&mut operator, "flag 1 audit audit-volume");
    // The record does not say that finance was suspended.
    await_event(&mut operator, "flag 4 finance lifecycle");
    await_event(&mut operator, "flag 5 finance asset");
    await_state(&mut operator, "finance", "suspended");
    assert!(audit_record(&deployment, disk.borrow().seen()).starts_with(&before));

    // The archive's undamaged documents are not out of reach for ever; and what it became lasts.
    let flags = operator.ask("flags").unwrap();
    for row in flags.rows.iter().filter(|row| value(row, "archive") == Some("finance")) {
        let id = number(row, "id");
        assert_eq!(operator.ask(&format!("ack {id} seen")).unwrap().error(), Some("unrecorded"), "{row}");
    }
    assert_eq!(operator.ask("resume finance").unwrap().error(), Some("unrecorded"));
    assert!(fetch(&mut operator, "finance", 1) == Ok(content(1)));
    operator.ask("suspend contracts").unwrap();
    operator.wire.world.settle();
    drop(operator);
    let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), 3, None);
    operator.connect_settled().unwrap();
    await_state(&mut operator, "contracts", "suspended");
    assert!(audit_record(&deployment, disk.borrow().seen()).starts_with(&before));
    assert_eq!(verify(&deployment, &disk, 3).findings, []);
}
