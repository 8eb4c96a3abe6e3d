//! The archive's own integrity pass.

use ledger_fmt::layout::BLOCK_SIZE;
use totebox_protocol::audit::NO_RECORD;
use totebox_protocol::page::Check;
use totebox_protocol::vault::Area;

use super::*;
use crate::check::{BACKGROUND_PER_BEAT, READS_PER_BEAT, READS_PER_POSITION};
use crate::position::POSITION_BLOCK;

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
    // Of all reads between two signs of life a few are like any other; and one is under way at a time.
    let (mut others, mut background) = (0, 0);
    let mut from = ChannelSet::default();
    from.insert(bench.archive.orchestrator);
    bench.archive.notified(&mut bench.kernel, from);
    loop {
        let (before, reads) = (bench.vault.background, bench.vault.reads);
        let served = bench.vault.serve(usize::MAX);
        if served == 0 {
            break;
        }
        assert_eq!(served, 1, "one at a time");
        background += bench.vault.background - before;
        others += bench.vault.reads - reads - (bench.vault.background - before);
        bench.notify();
    }
    assert_eq!(others, READS_PER_BEAT as usize);
    assert!(background > 0 && background <= BACKGROUND_PER_BEAT as usize);
    assert_eq!(bench.health().checks.get(), 1, "as much as there is here is looked at between two signs of life");
    // Nothing is read for it while a submission is open.
    let mut bench = with_documents();
    let tag = bench.tag();
    bench.send(Op::PutBegin, tag, 10, 0, b"open");
    let reads = bench.vault.reads;
    bench.beat();
    assert_eq!(bench.vault.reads, reads);
    bench.send(Op::PutCancel, tag, 0, 0, &[]);
    assert_eq!(bench.health().check, Check::Clean as u8);
}

/// What it takes to look at many small documents: before reads were made ahead and in the background, one read for
/// each, and a sign of life for each eight of them.
#[test]
fn many_small_documents_take_few_reads_and_signs_of_life() {
    const DOCUMENTS: usize = 4000;
    let mut bench = Bench::on(blank(8192, 2048));
    let messages: Vec<_> =
        (0..DOCUMENTS).flat_map(|i| bench.submission("small", &document(1 + i % 4000, i as u64))).collect();
    bench.send_all(&messages);
    bench.vault.reads = 0;
    let beats = (1..).find(|_| {
        bench.beat();
        bench.health().checks.get() == 1
    });
    let (reads, beats) = (bench.vault.reads, beats.unwrap());
    assert_eq!(bench.health().check, Check::Clean as u8);
    assert!(reads < DOCUMENTS / 8 + 200, "{reads} reads");
    assert!(beats <= 2, "{beats} signs of life");
}

#[test]
fn a_read_ahead_that_fails_says_nothing_of_what_was_asked_for() {
    let mut bench = Bench::on(blank(1024, 128));
    for i in 0..20 {
        bench.put("document", &document(4096, i));
    }
    bench.vault.unreadable = vec![(Area::Assets, 13)];
    let health = pass(&mut bench);
    assert_eq!((health.check, health.check_area), (Check::Unreadable as u8, Area::Assets as u8));
    assert_eq!((health.check_block.get(), health.check_record.get()), (13, 14));
}

#[test]
fn between_two_passes_there_is_a_pause() {
    let mut bench = with_documents();
    let at = |bench: &mut Bench, uptime_ms: u64| {
        let time = Time { wall_ms: NOW_MS.into(), uptime_ms: uptime_ms.into(), ticks: 1.into() };
        bench.time.publish(&time);
        bench.beat();
        bench.health().checks.get()
    };
    let period_ms = 3_600_000;
    assert_eq!(at(&mut bench, 1_000), 1);
    assert_eq!(at(&mut bench, 1_000 + period_ms - 1), 1);
    assert_eq!(at(&mut bench, 1_000 + period_ms), 2);
}

/// A ledger so long that a pass keeps its position several times: one document a run, of eight blocks.
fn long() -> Bench {
    let mut bench = Bench::on(blank(65_536, 8_000));
    for i in 0..3 * READS_PER_POSITION as u64 {
        bench.put("document", &document(8 * BLOCK_SIZE, i));
    }
    bench
}

/// Lets signs of life pass until the position was kept; the pass has not ended.
fn until_kept(bench: &mut Bench) {
    let is_kept = |bench: &mut Bench| bench.vault.disk.at(Area::Input, POSITION_BLOCK)[..8] == *b"TBXCHECK";
    while !is_kept(bench) {
        bench.beat();
        assert_eq!(bench.health().checks.get(), 0, "it ended before it kept its position");
    }
}

#[test]
fn a_start_goes_on_where_the_last_pass_had_come_to() {
    let mut bench = long();
    until_kept(&mut bench);
    let mut bench = bench.restart();
    bench.vault.reads = 0;
    let health = pass(&mut bench);
    assert_eq!((health.check, health.checked_records), (Check::Clean as u8, health.records));
    let rest = bench.vault.reads;
    // Nothing of it is left for the next start.
    let mut bench = bench.restart();
    bench.vault.reads = 0;
    assert_eq!(pass(&mut bench).check, Check::Clean as u8);
    let whole = bench.vault.reads;
    assert!(rest + READS_PER_POSITION as usize <= whole && rest > 0, "{rest} reads of {whole}");
}

#[test]
fn a_position_is_a_saving_of_time_and_nothing_else() {
    let mut bench = long();
    until_kept(&mut bench);
    let disk = bench.vault.disk.clone();
    // Whatever becomes of it, what a pass says is true: damage behind it is found, and no damage is made up.
    for byte in [0, 9, 40, 60, 100, 200, 4095] {
        let mut disk = disk.clone();
        disk.at(Area::Input, POSITION_BLOCK)[byte] ^= 1;
        let mut bench = Bench::on(disk);
        bench.vault.reads = 0;
        let health = pass(&mut bench);
        assert_eq!((health.check, health.checked_records), (Check::Clean as u8, health.records), "byte {byte}");
        assert!(bench.vault.reads > 3 * READS_PER_POSITION as usize, "byte {byte}: it began at the first run");
    }
    let mut damaged = disk.clone();
    damaged.at(Area::Assets, 8 * 2 * u64::from(READS_PER_POSITION))[1] ^= 1;
    let mut bench = Bench::on(damaged);
    let health = pass(&mut bench);
    assert_eq!(
        (health.check, health.check_record.get()),
        (Check::Mismatch as u8, 1 + 2 * u64::from(READS_PER_POSITION))
    );
    // One that is sound in itself, of a ledger that is another one now.
    let mut other = long_of_others();
    let position = disk.clone().at(Area::Input, POSITION_BLOCK)[..BLOCK_SIZE].to_vec();
    other.vault.disk.at(Area::Input, POSITION_BLOCK)[..BLOCK_SIZE].copy_from_slice(&position);
    let mut bench = other.restart();
    assert_eq!(pass(&mut bench).check, Check::Clean as u8);
    assert_eq!(bench.health().checks.get(), 1);
}

/// As long as [`long`], with other documents.
fn long_of_others() -> Bench {
    let mut bench = Bench::on(blank(65_536, 8_000));
    for i in 0..3 * READS_PER_POSITION as u64 {
        bench.put("another", &document(8 * BLOCK_SIZE, 77 + i));
    }
    bench
}
