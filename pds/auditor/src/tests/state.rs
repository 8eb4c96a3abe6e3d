//! What the auditor keeps and publishes beside the audit record.

use ledger_fmt::auditor_state::{COPIES, COPY_BLOCKS, Copy};
use ledger_fmt::checkpoint::Checkpoint;
use ledger_fmt::note::Verifier;
use ledger_fmt::testing::TestVolume;

use super::harness::seed;
use super::*;

/// The copies on the audit volume that are signed with its auditor's key: their numbers and generations, and what is
/// signed of the audit record.
fn copies(harness: &mut Harness) -> Vec<(usize, u64, (u64, [u8; 32]))> {
    let key = key(harness);
    let volume = &harness.audit_disk().volume;
    let read = |(number, &start): (usize, &u64)| {
        let bytes = &volume.bytes[volume.range(Area::Input, start, COPY_BLOCKS as u64)];
        let copy = Copy::read(bytes, &volume.superblock.volume).filter(|copy| copy.is_signed_by(&key))?;
        let (note, checkpoint) = Checkpoint::parse(copy.checkpoint()?.as_bytes()).unwrap();
        note.verify(core::slice::from_ref(&key)).unwrap();
        assert_eq!(checkpoint.origin, key.name());
        Some((number, copy.generation, (checkpoint.size, checkpoint.root)))
    };
    COPIES.iter().enumerate().filter_map(read).collect()
}

fn key(harness: &mut Harness) -> Verifier {
    let number = harness.vault.disks.len() - 1;
    harness.audit_disk().volume.signer(&seed(number)).verifier().clone()
}

/// The size and the root of the audit record as it stands on the disk.
fn tree(volume: &TestVolume) -> (u64, [u8; 32]) {
    let summary = volume.audit().summary.unwrap();
    (summary.records, summary.tree.root())
}

#[test]
fn a_checkpoint_of_the_audit_record_is_published_whenever_it_has_grown() {
    let mut harness = Harness::started();
    let mut generations = Vec::new();
    for round in 0..4 {
        let now = tree(&harness.audit_disk().volume);
        let copies = copies(&mut harness);
        let (number, generation, signed) = *copies.iter().max_by_key(|copy| copy.1).unwrap();
        assert_eq!((number, signed), (round % 2, now), "in turn, and over all of it");
        assert_eq!(copies.len(), 2.min(round + 1), "the one before stays");
        generations.push(generation);
        harness.verify(0);
    }
    assert!(generations.is_sorted_by(|a, b| a < b));
    let commits = harness.vault.commits;
    let before = copies(&mut harness);
    harness.notify(harness.vault_channel);
    harness.run();
    assert_eq!(
        (copies(&mut harness), harness.vault.commits),
        (before, commits),
        "without news nothing is written"
    );
}

#[test]
fn over_a_restart_the_newer_copy_is_kept_until_the_record_is_committed() {
    let mut harness = Harness::started();
    harness.verify(0);
    let before = copies(&mut harness);
    assert_eq!(before.iter().map(|copy| (copy.0, copy.1)).collect::<Vec<_>>(), [(0, 1), (1, 2)]);
    let mut again = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    again.start();
    let after = copies(&mut again);
    assert_eq!((after[0].1, after[1]), (3, before[1]), "the older one was overwritten");
}

#[test]
fn a_copy_that_was_torn_or_put_there_by_another_is_passed_by() {
    for spoil in [(0, 1), (1, 0)] {
        let mut harness = Harness::started();
        harness.verify(0);
        let (spoilt, other) = spoil;
        let volume = &mut harness.audit_disk().volume;
        let start = volume.range(Area::Input, COPIES[spoilt], 1).start;
        volume.bytes[start + 150] ^= 1;
        let kept = copies(&mut harness);
        assert_eq!(kept.iter().map(|copy| copy.0).collect::<Vec<_>>(), [other]);
        let mut again = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
        again.start();
        let now = tree(&again.audit_disk().volume);
        let after = copies(&mut again);
        assert_eq!((after.len(), after[other]), (2, kept[0]));
        assert_eq!(after[spoilt], (spoilt, kept[0].1 + 1, now), "the spoilt one was replaced");
    }
}

#[test]
fn a_record_that_takes_nothing_is_not_signed() {
    let mut harness = Harness::new(vec![archive_volume("contracts"), audit_volume()]);
    harness.audit_disk().state = VolumeState::ReadOnly;
    harness.start();
    assert_eq!(copies(&mut harness), []);
}
