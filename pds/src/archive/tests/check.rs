//! The archive's own integrity pass.

use ledger_fmt::layout::BLOCK_SIZE;

use super::*;
use crate::archive::check::READS_PER_BEAT;
use crate::proto::audit::NO_RECORD;
use crate::proto::page::Check;
use crate::proto::vault::{Area, Op as VaultOp};

/// An archive with documents of many sizes, some of them committed together.
fn with_documents() -> Bench {
    let mut bench = Bench::on(blank(1024, 128));
    for (i, len) in [0, 1, 4096, 5000, 200_000, 7].into_iter().enumerate() {
        bench.put("document", &document(len, i as u64));
    }
    let together: Vec<_> = (0..40).flat_map(|i| bench.submission("small", &document(i * 10, 100))).collect();
    bench.send_all(&together);
    bench
}

/// Lets the orchestrator ask for signs of life until a pass has ended.
fn pass(bench: &mut Bench) -> Health {
    let before = bench.health().checks.get();
    for _ in 0..1000 {
        bench.beat();
        if bench.health().checks.get() > before {
            return bench.health();
        }
    }
    panic!("no pass ended")
}

#[test]
fn a_whole_ledger_is_clean_and_its_health_page_says_when_and_how_much() {
    let mut bench = with_documents();
    let before = bench.health();
    assert_eq!((before.check, before.check_record.get()), (Check::None as u8, NO_RECORD));
    let health = pass(&mut bench);
    assert_eq!((health.check, health.checked_records), (Check::Clean as u8, health.records));
    assert_eq!((health.checked_ms.get(), health.check_record.get()), (NOW_MS, NO_RECORD));
    // The next one is not due yet.
    bench.beat();
    assert_eq!(bench.health().checks.get(), 1);
}

#[test]
fn every_committed_byte_counts() {
    let mut bench = with_documents();
    let disk = bench.vault.disk.clone();
    for (area, blocks) in [(Area::Ledger, disk.frontier.ledger_next), (Area::Assets, disk.frontier.assets_next)] {
        for block in 0..blocks {
            let mut bench = Bench::on(disk.clone());
            // Damaged while it is in service.
            let bytes = bench.vault.disk.at(area, block);
            let at = if area == Area::Ledger { 300 } else { 0 };
            bytes[at] ^= 2;
            let health = pass(&mut bench);
            assert_eq!(health.check, Check::Mismatch as u8, "{area:?} {block}");
            assert!(health.check_area == area as u8 && health.check_block.get() <= block, "{area:?} {block}");
            assert_eq!(bench.state(), ArchiveState::Active, "it only says so");
        }
    }
    assert_eq!(pass(&mut bench).check, Check::Clean as u8);
}

#[test]
fn blocks_that_cannot_be_read_are_named() {
    let mut bench = with_documents();
    bench.vault.unreadable = vec![(Area::Assets, 5)];
    let health = pass(&mut bench);
    assert_eq!((health.check, health.check_area), (Check::Unreadable as u8, Area::Assets as u8));
    assert!(health.check_block.get() <= 5 && health.check_record.get() != NO_RECORD);
}

#[test]
fn it_stays_in_the_background() {
    let mut bench = with_documents();
    bench.vault.read = 0;
    bench.beat();
    assert!(bench.vault.read <= READS_PER_BEAT as usize * 8 * BLOCK_SIZE, "so much between signs of life");
    assert_eq!(bench.health().checks.get(), 0);
    // Nothing is read for it while a submission is open.
    let tag = bench.tag();
    bench.send(Op::PutBegin, tag, 10, 0, b"open");
    let reads = bench.vault.log.iter().filter(|op| **op == VaultOp::Read).count();
    bench.beat();
    assert_eq!(bench.vault.log.iter().filter(|op| **op == VaultOp::Read).count(), reads);
    bench.send(Op::PutCancel, tag, 0, 0, &[]);
    assert_eq!(pass(&mut bench).check, Check::Clean as u8);
}
