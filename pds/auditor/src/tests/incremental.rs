//! Verifications that go on where the last one ended, also over a restart.

use alloc::format;

use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::testing::TestVolume;
use totebox_protocol::audit::{Op, Report};

use super::*;
use crate::verification::SAMPLE_BYTES;

fn grow(volume: &mut TestVolume, documents: usize, seed: u8) {
    for i in 0..documents {
        volume.document("later", &vec![seed + i as u8; 5000]);
        volume.commit();
    }
    volume.hint(0);
    volume.hint(1);
}

/// Verifies what is new.
fn next(harness: &mut Harness, volume: u8) -> Report {
    harness.ask_for(Op::VerifyIncremental, volume, 5);
    harness.run();
    harness.reports()[0].0
}

/// The auditor's next start over the same disks.
fn restart(harness: Harness) -> Harness {
    let mut again = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    again.start();
    again
}

fn kind(report: &Report) -> Option<Op> {
    Op::from_wire(report.op)
}

#[test]
fn what_was_never_verified_is_verified_in_full() {
    let mut harness = Harness::started();
    let report = next(&mut harness, 0);
    assert_eq!((kind(&report), verdict(&report)), (Some(Op::VerifyFull), Some(Ending::Clean)));
}

#[test]
fn what_is_new_is_verified_and_a_sample_of_what_was_there() {
    for restarted in [false, true] {
        let mut harness = Harness::started();
        let (full, _) = harness.verify(0);
        if restarted {
            harness = restart(harness);
        }
        grow(&mut harness.vault.disks[0].volume, 3, 1);
        let report = next(&mut harness, 0);
        assert_eq!((kind(&report), verdict(&report)), (Some(Op::VerifyIncremental), Some(Ending::Clean)));
        assert_eq!(report.records.get(), 11);
        let volume = &harness.vault.disks[0].volume;
        let all = 3 + volume.frontier.ledger_next + volume.frontier.assets_next;
        assert_eq!(
            report.bytes.get(),
            all * BLOCK_SIZE as u64,
            "what was there is less than a sample: all is read"
        );
        assert!(full.bytes < report.bytes);
        let root = volume.tree.root().map(|byte| format!("{byte:02x}")).concat();
        let record = harness.audit_record();
        let text = record.last().unwrap();
        assert!(text.starts_with(r#"{"to":11,"from":8,"#) && text.contains(r#""audit":"incremental","#), "{text}");
        assert!(text.contains(&format!(r#""root":"{root}""#)), "{text}");
    }
}

#[test]
fn damage_is_found_in_what_is_new_and_in_what_was_there() {
    let at = |volume: &TestVolume, area, block| volume.range(area, block, 1).start + 300;
    for (area, block, expected) in [
        (Area::Assets, 0, (FindingKind::Asset, Some(2))),
        (Area::Ledger, 2, (FindingKind::Record, Some(3))),
        (Area::Assets, 40, (FindingKind::Asset, Some(8))),
        (Area::Ledger, 7, (FindingKind::Record, Some(9))),
    ] {
        let mut harness = Harness::started();
        harness.verify(0);
        let volume = &mut harness.vault.disks[0].volume;
        grow(volume, 3, 1);
        let byte = at(volume, area, block);
        volume.bytes[byte] ^= 1;
        for round in 0..3 {
            let report = next(&mut harness, 0);
            assert_eq!(verdict(&report), Some(Ending::Mismatch), "{area:?} {block}, round {round}");
            let (finding, _, _, record) = place(&report);
            assert_eq!((finding, record), (expected.0 as u8, expected.1), "{area:?} {block}, round {round}");
        }
        assert_eq!(verdict(&next(&mut harness, 1)), Some(Ending::Clean));
    }
}

/// A volume of which a sample is only a part, and how long a full verification of it is.
fn large() -> (Harness, u64) {
    let mut volume = TestVolume::blank("contracts", 4096);
    volume.start();
    for i in 0..9u8 {
        volume.document("large", &vec![i + 1; 1 << 20]);
        volume.commit();
    }
    volume.hint(0);
    volume.hint(1);
    let mut harness = Harness::new(vec![volume, audit_volume()]);
    harness.start();
    let whole = harness.verify(0).0.bytes.get();
    assert!(whole > 2 * SAMPLE_BYTES);
    (harness, whole)
}

#[test]
fn the_sample_moves_through_all_of_a_large_volume_also_over_restarts() {
    for restarts in [false, true] {
        let (mut harness, whole) = large();
        let volume = &mut harness.vault.disks[0].volume;
        let byte = volume.range(Area::Assets, volume.frontier.assets_next - 1, 1).start;
        volume.bytes[byte] ^= 1;
        let mut found = Vec::new();
        for _ in 0..6 {
            if restarts {
                harness = restart(harness);
            }
            let report = next(&mut harness, 0);
            assert_eq!(kind(&report), Some(Op::VerifyIncremental));
            assert!(report.bytes.get() < whole * 2 / 3, "a part of it");
            found.push(verdict(&report) == Some(Ending::Mismatch));
        }
        assert_eq!(found, [false, false, true, false, true, false], "once in each pass over it");
    }
}

#[test]
fn a_volume_rolled_back_to_an_older_self_is_found_by_what_the_audit_record_saw() {
    for op in [Op::VerifyFull, Op::VerifyIncremental] {
        let mut harness = Harness::started();
        let yesterday = harness.vault.disks[0].volume.clone();
        grow(&mut harness.vault.disks[0].volume, 4, 1);
        harness.verify(0);
        let block = harness.vault.disks[0].volume.frontier.ledger_next - 1;
        harness.vault.disks[0].volume = yesterday;
        let mut harness = restart(harness);
        // Its own vault finds nothing wrong with it.
        assert!(harness.vault.disks[0].volume.audit().findings.is_empty());
        for longer in [0, 2, 9] {
            grow(&mut harness.vault.disks[0].volume, longer, 100);
            harness.ask_for(op, 0, 5);
            harness.run();
            let (report, _) = harness.reports()[0];
            assert_eq!(verdict(&report), Some(Ending::Mismatch), "{op:?}, {longer} more");
            assert_eq!(report.finding, FindingKind::Rollback as u8, "{op:?}, {longer} more");
            assert!(report.block.get() >= block);
        }
        assert_eq!(verdict(&next(&mut harness, 1)), Some(Ending::Clean), "the sibling was not");
    }
}

#[test]
fn the_audit_record_itself_is_verified_from_where_it_was() {
    let mut harness = Harness::started();
    harness.verify(AUDIT);
    let report = next(&mut harness, AUDIT);
    assert_eq!((kind(&report), verdict(&report)), (Some(Op::VerifyIncremental), Some(Ending::Clean)));
    assert_eq!(report.records.get(), 3);
    let mut harness = restart(harness);
    assert_eq!(verdict(&next(&mut harness, AUDIT)), Some(Ending::Clean));
}

#[test]
fn clean_results_nobody_waits_for_share_a_commit() {
    let mut harness = Harness::started();
    let commits = harness.vault.commits;
    for volume in 0..3 {
        harness.ask_for(Op::VerifyIncremental, volume, 0);
    }
    harness.run();
    assert_eq!((harness.reports().len(), harness.vault.commits - commits), (3, 1));
    // A mismatch does not wait.
    let byte = harness.vault.disks[0].volume.range(Area::Assets, 0, 1).start;
    harness.vault.disks[0].volume.bytes[byte] ^= 1;
    for volume in 0..3 {
        harness.ask_for(Op::VerifyIncremental, volume, 0);
    }
    while harness.reports.available() == Ok(0) {
        assert!(harness.step());
    }
    let reports = harness.reports();
    assert_eq!((reports.len(), verdict(&reports[0].0)), (1, Some(Ending::Mismatch)));
}

#[test]
fn an_archive_whose_claim_lags_or_lies_is_told_apart() {
    let mut harness = Harness::started();
    harness.verify(0);
    let (head, root) = head_at(8);
    let claim = |records, head, root| health(records, head, root);
    for (page, expected) in [
        (claim(8, head, root), Ending::Clean),
        (claim(5, head_at(5).0, head_at(5).1), Ending::Clean),
        (claim(8, [1; 32], root), Ending::Mismatch),
        (claim(8, head, [1; 32]), Ending::Mismatch),
        (claim(9, head, root), Ending::Mismatch),
    ] {
        harness.health[0].publish(&page);
        let report = next(&mut harness, 0);
        assert_eq!(verdict(&report), Some(expected), "{page:?}");
        assert_eq!(report.finding == FindingKind::HeadDisagreement as u8, expected == Ending::Mismatch);
    }
}

#[test]
fn what_a_full_verification_found_is_remembered_until_the_next_full_one_finds_nothing() {
    let (mut harness, _) = large();
    let byte = |harness: &mut Harness| {
        let volume = &mut harness.vault.disks[0].volume;
        let at = volume.range(Area::Assets, volume.frontier.assets_next - 1, 1).start;
        volume.bytes[at] ^= 1;
    };
    byte(&mut harness);
    assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Mismatch));
    assert_eq!(verdict(&next(&mut harness, 0)), Some(Ending::Clean), "its sample is elsewhere");
    let mut harness = restart(harness);
    harness.run();
    let remembered = |harness: &mut Harness| {
        harness.reports();
        let (report, remembered) = harness.restored[0];
        (verdict(&report), report.findings.get(), Op::from_wire(remembered.verified))
    };
    assert_eq!(remembered(&mut harness), (Some(Ending::Mismatch), 1, Some(Op::VerifyFull)));
    byte(&mut harness);
    assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Clean), "it is whole again");
    let mut harness = restart(harness);
    harness.run();
    assert_eq!(remembered(&mut harness), (Some(Ending::Clean), 0, Some(Op::VerifyFull)));
}

#[test]
fn what_a_full_verification_of_a_small_volume_found_the_next_incremental_one_finds_too() {
    for known in [false, true] {
        for restarted in [false, true] {
            let mut harness = Harness::started();
            harness.verify(0);
            grow(&mut harness.vault.disks[0].volume, 3, 1);
            if known {
                harness.verify(0);
            }
            let volume = &mut harness.vault.disks[0].volume;
            let at = volume.range(Area::Assets, volume.frontier.assets_next - 1, 1).start;
            volume.bytes[at] ^= 1;
            assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Mismatch));
            if restarted {
                harness = restart(harness);
            }
            for round in 0..3 {
                let report = next(&mut harness, 0);
                assert_eq!(
                    verdict(&report),
                    Some(Ending::Mismatch),
                    "known {known}, restarted {restarted}, {round}"
                );
            }
        }
    }
}
