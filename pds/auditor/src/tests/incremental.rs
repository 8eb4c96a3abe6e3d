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
fn next(bench: &mut Bench, volume: u8) -> Report {
    bench.ask_for(Op::VerifyIncremental, volume, 5);
    bench.run();
    bench.reports()[0].0
}

/// The auditor's next start over the same disks.
fn restart(bench: Bench) -> Bench {
    let mut again = Bench::new(bench.vault.disks.into_iter().map(|disk| disk.volume).collect());
    again.start();
    again
}

fn kind(report: &Report) -> Option<Op> {
    Op::from_wire(report.op)
}

#[test]
fn what_was_never_verified_is_verified_in_full() {
    let mut bench = Bench::started();
    let report = next(&mut bench, 0);
    assert_eq!((kind(&report), verdict(&report)), (Some(Op::VerifyFull), Some(Verdict::Clean)));
}

#[test]
fn what_is_new_is_verified_and_a_sample_of_what_was_there() {
    for restarted in [false, true] {
        let mut bench = Bench::started();
        let (full, _) = bench.verify(0);
        if restarted {
            bench = restart(bench);
        }
        grow(&mut bench.vault.disks[0].volume, 3, 1);
        let report = next(&mut bench, 0);
        assert_eq!((kind(&report), verdict(&report)), (Some(Op::VerifyIncremental), Some(Verdict::Clean)));
        assert_eq!(report.records.get(), 11);
        let volume = &bench.vault.disks[0].volume;
        let all = 3 + volume.frontier.ledger_next + volume.frontier.assets_next;
        assert_eq!(
            report.bytes.get(),
            all * BLOCK_SIZE as u64,
            "what was there is less than a sample: all is read"
        );
        assert!(full.bytes < report.bytes);
        let root = volume.tree.root().map(|byte| format!("{byte:02x}")).concat();
        let record = bench.audit_record();
        let text = record.last().unwrap();
        assert!(text.starts_with(r#"{"archive":"contracts","audit":"incremental","from":8,"to":11,"#), "{text}");
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
        let mut bench = Bench::started();
        bench.verify(0);
        let volume = &mut bench.vault.disks[0].volume;
        grow(volume, 3, 1);
        let byte = at(volume, area, block);
        volume.bytes[byte] ^= 1;
        for round in 0..3 {
            let report = next(&mut bench, 0);
            assert_eq!(verdict(&report), Some(Verdict::Mismatch), "{area:?} {block}, round {round}");
            let (finding, _, _, record) = place(&report);
            assert_eq!((finding, record), (expected.0 as u8, expected.1), "{area:?} {block}, round {round}");
        }
        assert_eq!(verdict(&next(&mut bench, 1)), Some(Verdict::Clean));
    }
}

/// A volume of which a sample is only a part, and how long a full verification of it is.
fn large() -> (Bench, u64) {
    let mut volume = TestVolume::blank("contracts", 4096, 256);
    volume.start();
    for i in 0..9u8 {
        volume.document("large", &vec![i + 1; 1 << 20]);
        volume.commit();
    }
    volume.hint(0);
    volume.hint(1);
    let mut bench = Bench::new(vec![volume, audit_volume(64)]);
    bench.start();
    let whole = bench.verify(0).0.bytes.get();
    assert!(whole > 2 * SAMPLE_BYTES);
    (bench, whole)
}

#[test]
fn the_sample_moves_through_all_of_a_large_volume_also_over_restarts() {
    for restarts in [false, true] {
        let (mut bench, whole) = large();
        let volume = &mut bench.vault.disks[0].volume;
        let byte = volume.range(Area::Assets, volume.frontier.assets_next - 1, 1).start;
        volume.bytes[byte] ^= 1;
        let mut found = Vec::new();
        for _ in 0..6 {
            if restarts {
                bench = restart(bench);
            }
            let report = next(&mut bench, 0);
            assert_eq!(kind(&report), Some(Op::VerifyIncremental));
            assert!(report.bytes.get() < whole * 2 / 3, "a part of it");
            found.push(verdict(&report) == Some(Verdict::Mismatch));
        }
        assert_eq!(found, [false, false, true, false, true, false], "once in each pass over it");
    }
}

#[test]
fn a_volume_rolled_back_to_an_older_self_is_found_by_what_the_audit_record_saw() {
    for op in [Op::VerifyFull, Op::VerifyIncremental] {
        let mut bench = Bench::started();
        let yesterday = bench.vault.disks[0].volume.clone();
        grow(&mut bench.vault.disks[0].volume, 4, 1);
        bench.verify(0);
        let block = bench.vault.disks[0].volume.frontier.ledger_next - 1;
        bench.vault.disks[0].volume = yesterday;
        let mut bench = restart(bench);
        // Its own vault finds nothing wrong with it.
        assert!(bench.vault.disks[0].volume.audit().findings.is_empty());
        for longer in [0, 2, 9] {
            grow(&mut bench.vault.disks[0].volume, longer, 100);
            bench.ask_for(op, 0, 5);
            bench.run();
            let (report, _) = bench.reports()[0];
            assert_eq!(verdict(&report), Some(Verdict::Mismatch), "{op:?}, {longer} more");
            assert_eq!(report.finding, FindingKind::Rollback as u8, "{op:?}, {longer} more");
            assert!(report.block.get() >= block);
        }
        assert_eq!(verdict(&next(&mut bench, 1)), Some(Verdict::Clean), "the sibling was not");
    }
}

#[test]
fn the_audit_record_itself_is_verified_from_where_it_was() {
    let mut bench = Bench::started();
    bench.verify(AUDIT);
    let report = next(&mut bench, AUDIT);
    assert_eq!((kind(&report), verdict(&report)), (Some(Op::VerifyIncremental), Some(Verdict::Clean)));
    assert_eq!(report.records.get(), 3);
    let mut bench = restart(bench);
    assert_eq!(verdict(&next(&mut bench, AUDIT)), Some(Verdict::Clean));
}

#[test]
fn clean_results_nobody_waits_for_share_a_commit() {
    let mut bench = Bench::started();
    let commits = bench.vault.commits;
    for volume in 0..3 {
        bench.ask_for(Op::VerifyIncremental, volume, 0);
    }
    bench.run();
    assert_eq!((bench.reports().len(), bench.vault.commits - commits), (3, 1));
    // A mismatch does not wait.
    let byte = bench.vault.disks[0].volume.range(Area::Assets, 0, 1).start;
    bench.vault.disks[0].volume.bytes[byte] ^= 1;
    for volume in 0..3 {
        bench.ask_for(Op::VerifyIncremental, volume, 0);
    }
    while bench.reports.available() == Ok(0) {
        assert!(bench.step());
    }
    let reports = bench.reports();
    assert_eq!((reports.len(), verdict(&reports[0].0)), (1, Some(Verdict::Mismatch)));
}

#[test]
fn an_archive_whose_claim_lags_or_lies_is_told_apart() {
    let mut bench = Bench::started();
    bench.verify(0);
    let (head, root) = head_at(8);
    let claim = |records, head, root| health(records, head, root);
    for (page, expected) in [
        (claim(8, head, root), Verdict::Clean),
        (claim(5, head_at(5).0, head_at(5).1), Verdict::Clean),
        (claim(8, [1; 32], root), Verdict::Mismatch),
        (claim(8, head, [1; 32]), Verdict::Mismatch),
        (claim(9, head, root), Verdict::Mismatch),
    ] {
        bench.health[0].publish(&page);
        let report = next(&mut bench, 0);
        assert_eq!(verdict(&report), Some(expected), "{page:?}");
        assert_eq!(report.finding == FindingKind::HeadDisagreement as u8, expected == Verdict::Mismatch);
    }
}

#[test]
fn what_a_full_verification_found_is_remembered_until_the_next_full_one_finds_nothing() {
    let (mut bench, _) = large();
    let byte = |bench: &mut Bench| {
        let volume = &mut bench.vault.disks[0].volume;
        let at = volume.range(Area::Assets, volume.frontier.assets_next - 1, 1).start;
        volume.bytes[at] ^= 1;
    };
    byte(&mut bench);
    assert_eq!(verdict(&bench.verify(0).0), Some(Verdict::Mismatch));
    assert_eq!(verdict(&next(&mut bench, 0)), Some(Verdict::Clean), "its sample is elsewhere");
    let mut bench = restart(bench);
    bench.run();
    let remembered = |bench: &mut Bench| {
        bench.reports();
        let (report, remembered) = bench.restored[0];
        (verdict(&report), report.findings.get(), Op::from_wire(remembered.verified))
    };
    assert_eq!(remembered(&mut bench), (Some(Verdict::Mismatch), 1, Some(Op::VerifyFull)));
    byte(&mut bench);
    assert_eq!(verdict(&bench.verify(0).0), Some(Verdict::Clean), "it is whole again");
    let mut bench = restart(bench);
    bench.run();
    assert_eq!(remembered(&mut bench), (Some(Verdict::Clean), 0, Some(Op::VerifyFull)));
}

#[test]
fn what_a_full_verification_of_a_small_volume_found_the_next_incremental_one_finds_too() {
    for known in [false, true] {
        for restarted in [false, true] {
            let mut bench = Bench::started();
            bench.verify(0);
            grow(&mut bench.vault.disks[0].volume, 3, 1);
            if known {
                bench.verify(0);
            }
            let volume = &mut bench.vault.disks[0].volume;
            let at = volume.range(Area::Assets, volume.frontier.assets_next - 1, 1).start;
            volume.bytes[at] ^= 1;
            assert_eq!(verdict(&bench.verify(0).0), Some(Verdict::Mismatch));
            if restarted {
                bench = restart(bench);
            }
            for round in 0..3 {
                let report = next(&mut bench, 0);
                assert_eq!(
                    verdict(&report),
                    Some(Verdict::Mismatch),
                    "known {known}, restarted {restarted}, {round}"
                );
            }
        }
    }
}
