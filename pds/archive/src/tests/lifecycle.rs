//! Transitions, and what the ledger says of them.

use alloc::format;
use alloc::string::String;

use ledger_fmt::payload::{Lifecycle, Stated};
use ledger_fmt::record::{Kind, Record};
use ledger_fmt::tree::Edge;
use totebox_protocol::vault::{Area, Op as VaultOp};

use super::*;

/// Kind and payload of every record behind the genesis.
pub fn records(disk: &Disk) -> Vec<(Kind, Vec<u8>)> {
    let mode = ledger_fmt::verify::Mode::Full;
    let seen = ledger_fmt::testing::verify(&disk.bytes, &disk.superblock, Some(disk.frontier), mode);
    let mut disk = disk.clone();
    let mut read = |&(_, block, offset): &(u64, u64, usize)| {
        let (record, _) = Record::decode(&disk.at(Area::Ledger, block)[offset..]).unwrap();
        (record.kind, record.payload.to_vec())
    };
    seen.records[1..].iter().map(&mut read).collect()
}

fn lifecycle(disk: &Disk) -> Vec<String> {
    let records = records(disk).into_iter().filter(|(kind, _)| *kind == Kind::Lifecycle);
    records.map(|(_, payload)| told(&payload)).collect()
}

/// What a lifecycle record says, in three words.
fn told(payload: &[u8]) -> String {
    let Lifecycle { from, to, cause } = Lifecycle::read(payload).unwrap();
    format!("{from} {to} {cause}")
}

#[test]
fn every_transition_is_a_record_and_is_what_the_archive_is_after_a_restart() {
    let mut harness = Harness::on(blank(512));
    assert_eq!(harness.health().recorded, ArchiveState::Active as u8);
    harness.command(ArchiveState::Suspended);
    harness.command(ArchiveState::Suspended);
    assert_eq!(lifecycle(&harness.vault.disk), ["active suspended operator"]);
    assert_eq!(
        (harness.state(), harness.health().recorded),
        (ArchiveState::Suspended, ArchiveState::Suspended as u8)
    );

    let mut harness = harness.restart();
    assert_eq!(harness.state(), ArchiveState::Suspended, "before the orchestrator has said anything");
    assert_eq!(harness.send(Op::PutBegin, 1, 0, 0, b"n")[0].failure(), Failure::NotActive);
    harness.command(ArchiveState::Active);
    assert_eq!((harness.state(), harness.health().obeyed.get()), (ArchiveState::Active, 1));
    harness.put("document", b"x");
    assert_eq!(lifecycle(&harness.vault.disk), ["active suspended operator", "suspended active operator"]);
    assert_eq!(harness.restart().state(), ArchiveState::Active);
}

#[test]
fn a_transition_is_not_there_before_its_record_is_durable() {
    let mut harness = Harness::on(blank(512));
    harness.commanded = 1;
    let target = ArchiveState::Suspended as u8;
    harness.lifecycle.publish(&CommandPage { sequence: 1.into(), target, ..CommandPage::new_zeroed() });
    let mut from = ChannelSet::default();
    from.insert(harness.archive.orchestrator);
    harness.archive.notified(&mut harness.kernel, from);
    assert_eq!((harness.state(), harness.health().obeyed.get()), (ArchiveState::Active, 0));
    assert_eq!(lifecycle(&harness.vault.disk), [""; 0]);
    harness.settle();
    assert_eq!((harness.state(), harness.health().obeyed.get()), (ArchiveState::Suspended, 1));
}

#[test]
fn its_state_survives_in_a_snapshot() {
    let mut harness = Harness::on(blank(512));
    harness.command(ArchiveState::Suspended);
    harness.command(ArchiveState::Active);
    for i in 0..SAVE_IDLE_BLOCKS as u8 + 4 {
        harness.put("document", &[i; 10]);
    }
    harness.command(ArchiveState::Suspended);
    assert!(harness.vault.log.contains(&VaultOp::WriteInput));
    assert_eq!(harness.restart().state(), ArchiveState::Suspended);
}

#[test]
fn an_archive_is_closed_with_a_last_record_and_a_checkpoint_and_stays_closed() {
    for suspended in [false, true] {
        let mut harness = Harness::on(blank(512));
        harness.put("document", b"kept");
        if suspended {
            harness.command(ArchiveState::Suspended);
        }
        harness.command(ArchiveState::Archived);
        assert_eq!((harness.state(), harness.health().obeyed.get()), (ArchiveState::Archived, harness.commanded));
        let records = records(&harness.vault.disk);
        let [.., (Kind::Lifecycle, last), (Kind::Checkpoint, checkpoint)] = &records[..] else {
            panic!("{records:?}")
        };
        let from = if suspended { "suspended" } else { "active" };
        assert_eq!(told(last), format!("{from} archived operator"));
        let tree = Stated::read(checkpoint).unwrap().tree;
        assert_eq!(tree.size, records.len() as u64, "genesis and all before the checkpoint");
        assert_ne!(tree.root, Edge::EMPTY.root());
        assert!(harness.vault.disk.is_sound(), "the checkpoint's tree is the ledger's");

        harness.command(ArchiveState::Active);
        assert_eq!(harness.state(), ArchiveState::Archived, "there is no way back");
        assert_eq!(harness.send(Op::PutBegin, 1, 0, 0, b"n")[0].failure(), Failure::Sealed);
        assert_eq!(harness.get(1, 0).1, b"kept", "it can still be read");
        let harness = harness.restart();
        assert_eq!(harness.state(), ArchiveState::Archived, "sealed or not");
        assert_eq!(harness.vault.commits, 0);
    }
}

#[test]
fn a_full_ledger_keeps_room_for_its_end() {
    let mut harness = Harness::on(blank(256));
    loop {
        let messages = harness.submission("document", b"");
        if harness.send_all(&messages).last().unwrap().answer == Answer::Failed {
            break;
        }
    }
    // No room is left for more than the end.
    harness.command(ArchiveState::Suspended);
    let health = harness.health();
    assert_eq!((harness.state(), health.obeyed.get()), (ArchiveState::Suspended, 1));
    assert_eq!(health.recorded, ArchiveState::Active as u8, "and it says that its ledger does not say so");
    harness.command(ArchiveState::Archived);
    assert_eq!(harness.state(), ArchiveState::Archived);
    assert_eq!(lifecycle(&harness.vault.disk), ["active archived operator"]);
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn an_archive_that_cannot_write_comes_to_rest_all_the_same() {
    let mut harness = Harness::on(blank(512));
    harness.vault.refuse = Some((VaultOp::Commit, Status::Io));
    harness.command(ArchiveState::Suspended);
    let health = harness.health();
    assert_eq!((harness.state(), health.obeyed.get()), (ArchiveState::Failed, 1));
    assert_eq!(health.recorded, ArchiveState::Active as u8);
}
