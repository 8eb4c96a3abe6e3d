//! The archive's own scrub.

use ledger_fmt::layout::BLOCK_SIZE;
use totebox_protocol::audit::NO_RECORD;
use totebox_protocol::page::Check;
use totebox_protocol::vault::Area;

use super::*;
use crate::position::POSITION_BLOCK;
use crate::scrub::{BACKGROUND_PER_BEAT, READS_PER_BEAT, READS_PER_POSITION};

/// An archive with documents of many sizes, some of them committed together.
fn with_documents() -> Harness {
    let mut harness = Harness::on(blank(1024));
    for (i, len) in [0, 1, 4096, 5000, 200_000, 7].into_iter().enumerate() {
        harness.put("document", &document(len, i as u64));
    }
    let together: Vec<_> = (0..40).flat_map(|i| harness.submission("small", &document(i * 10, 100))).collect();
    harness.send_all(&together);
    harness
}

/// Lets the orchestrator ask for signs of life until a pass has ended.
fn pass(harness: &mut Harness) -> Health {
    let before = harness.health().checks.get();
    for _ in 0..1000 {
        harness.beat();
        if harness.health().checks.get() > before {
            return harness.health();
        }
    }
    panic!("no pass ended")
}

#[test]
fn a_whole_ledger_is_clean_and_its_health_page_says_when_and_how_much() {
    let mut harness = with_documents();
    let before = harness.health();
    assert_eq!((before.check, before.check_record.get()), (Check::None as u8, NO_RECORD));
    let health = pass(&mut harness);
    assert_eq!((health.check, health.checked_records), (Check::Clean as u8, health.records));
    assert_eq!((health.checked_ms.get(), health.check_record.get()), (NOW_MS, NO_RECORD));
    // The next one is not due yet.
    harness.beat();
    assert_eq!(harness.health().checks.get(), 1);
}

#[test]
fn every_committed_byte_counts() {
    let mut harness = with_documents();
    let disk = harness.vault.disk.clone();
    for (area, blocks) in [(Area::Ledger, disk.frontier.ledger_next), (Area::Assets, disk.frontier.assets_next)] {
        for block in 0..blocks {
            let mut harness = Harness::on(disk.clone());
            // Damaged while it is in service.
            let bytes = harness.vault.disk.at(area, block);
            let at = if area == Area::Ledger { 300 } else { 0 };
            bytes[at] ^= 2;
            let health = pass(&mut harness);
            assert_eq!(health.check, Check::Mismatch as u8, "{area:?} {block}");
            assert!(health.check_area == area as u8 && health.check_block.get() <= block, "{area:?} {block}");
            assert_eq!(harness.state(), ArchiveState::Active, "it only says so");
        }
    }
    assert_eq!(pass(&mut harness).check, Check::Clean as u8);
}

#[test]
fn blocks_that_cannot_be_read_are_named() {
    let mut harness = with_documents();
    harness.vault.unreadable = vec![(Area::Assets, 5)];
    let health = pass(&mut harness);
    assert_eq!((health.check, health.check_area), (Check::Unreadable as u8, Area::Assets as u8));
    assert!(health.check_block.get() <= 5 && health.check_record.get() != NO_RECORD);
}

#[test]
fn it_stays_in_the_background() {
    let mut harness = with_documents();
    // Of all reads between two signs of life a few are like any other; and one is under way at a time.
    let (mut others, mut background) = (0, 0);
    let mut from = ChannelSet::default();
    from.insert(harness.archive.orchestrator);
    harness.archive.notified(&mut harness.kernel, from);
    loop {
        let (before, reads) = (harness.vault.background, harness.vault.reads);
        let served = harness.vault.serve(usize::MAX);
        if served == 0 {
            break;
        }
        assert_eq!(served, 1, "one at a time");
        background += harness.vault.background - before;
        others += harness.vault.reads - reads - (harness.vault.background - before);
        harness.notify();
    }
    assert_eq!(others, READS_PER_BEAT as usize);
    assert!(background > 0 && background <= BACKGROUND_PER_BEAT as usize);
    assert_eq!(
        harness.health().checks.get(),
        1,
        "as much as there is here is looked at between two signs of life"
    );
    // Nothing is read for it while a submission is open.
    let mut harness = with_documents();
    let tag = harness.tag();
    harness.send(Op::PutBegin, tag, 10, 0, b"open");
    let reads = harness.vault.reads;
    harness.beat();
    assert_eq!(harness.vault.reads, reads);
    harness.send(Op::PutCancel, tag, 0, 0, &[]);
    assert_eq!(harness.health().check, Check::Clean as u8);
}

/// What it takes to look at many small documents: before reads were made ahead and in the background, one read for
/// each, and a sign of life for each eight of them.
#[test]
fn many_small_documents_take_few_reads_and_signs_of_life() {
    const DOCUMENTS: usize = 4000;
    let mut harness = Harness::on(blank(8192));
    let messages: Vec<_> =
        (0..DOCUMENTS).flat_map(|i| harness.submission("small", &document(1 + i % 4000, i as u64))).collect();
    harness.send_all(&messages);
    harness.vault.reads = 0;
    let beats = (1..).find(|_| {
        harness.beat();
        harness.health().checks.get() == 1
    });
    let (reads, beats) = (harness.vault.reads, beats.unwrap());
    assert_eq!(harness.health().check, Check::Clean as u8);
    assert!(reads < DOCUMENTS / 8 + 200, "{reads} reads");
    assert!(beats <= 2, "{beats} signs of life");
}

#[test]
fn a_read_ahead_that_fails_says_nothing_of_what_was_asked_for() {
    let mut harness = Harness::on(blank(1024));
    for i in 0..20 {
        harness.put("document", &document(4096, i));
    }
    harness.vault.unreadable = vec![(Area::Assets, 13)];
    let health = pass(&mut harness);
    assert_eq!((health.check, health.check_area), (Check::Unreadable as u8, Area::Assets as u8));
    assert_eq!((health.check_block.get(), health.check_record.get()), (13, 14));
}

#[test]
fn between_two_passes_there_is_a_pause() {
    let mut harness = with_documents();
    let at = |harness: &mut Harness, uptime_ms: u64| {
        let time = Time { wall_ms: NOW_MS.into(), uptime_ms: uptime_ms.into(), ticks: 1.into() };
        harness.time.publish(&time);
        harness.beat();
        harness.health().checks.get()
    };
    let period_ms = 3_600_000;
    assert_eq!(at(&mut harness, 1_000), 1);
    assert_eq!(at(&mut harness, 1_000 + period_ms - 1), 1);
    assert_eq!(at(&mut harness, 1_000 + period_ms), 2);
}

/// A ledger so long that a pass keeps its position several times: one document a batch, of eight blocks.
fn long() -> Harness {
    let mut harness = Harness::on(blank(65_536));
    for i in 0..3 * READS_PER_POSITION as u64 {
        harness.put("document", &document(8 * BLOCK_SIZE, i));
    }
    harness
}

/// Lets signs of life pass until the position was kept; the pass has not ended.
fn until_kept(harness: &mut Harness) {
    let is_kept = |harness: &mut Harness| harness.vault.disk.at(Area::Input, POSITION_BLOCK)[..8] == *b"TBXCHECK";
    while !is_kept(harness) {
        harness.beat();
        assert_eq!(harness.health().checks.get(), 0, "it ended before it kept its position");
    }
}

#[test]
fn a_start_goes_on_where_the_last_pass_had_come_to() {
    let mut harness = long();
    until_kept(&mut harness);
    let mut harness = harness.restart();
    harness.vault.reads = 0;
    let health = pass(&mut harness);
    assert_eq!((health.check, health.checked_records), (Check::Clean as u8, health.records));
    let rest = harness.vault.reads;
    // Nothing of it is left for the next start.
    let mut harness = harness.restart();
    harness.vault.reads = 0;
    assert_eq!(pass(&mut harness).check, Check::Clean as u8);
    let whole = harness.vault.reads;
    assert!(rest + READS_PER_POSITION as usize <= whole && rest > 0, "{rest} reads of {whole}");
}

#[test]
fn a_position_is_a_saving_of_time_and_nothing_else() {
    let mut harness = long();
    until_kept(&mut harness);
    let disk = harness.vault.disk.clone();
    // Whatever becomes of it, what a pass says is true: damage behind it is found, and no damage is made up.
    for byte in [0, 9, 40, 60, 100, 200, 4095] {
        let mut disk = disk.clone();
        disk.at(Area::Input, POSITION_BLOCK)[byte] ^= 1;
        let mut harness = Harness::on(disk);
        harness.vault.reads = 0;
        let health = pass(&mut harness);
        assert_eq!((health.check, health.checked_records), (Check::Clean as u8, health.records), "byte {byte}");
        assert!(harness.vault.reads > 3 * READS_PER_POSITION as usize, "byte {byte}: it began at the first batch");
    }
    let mut damaged = disk.clone();
    damaged.at(Area::Assets, 8 * 2 * u64::from(READS_PER_POSITION))[1] ^= 1;
    let mut harness = Harness::on(damaged);
    let health = pass(&mut harness);
    assert_eq!(
        (health.check, health.check_record.get()),
        (Check::Mismatch as u8, 1 + 2 * u64::from(READS_PER_POSITION))
    );
    // One that is sound in itself, of a ledger that is another one now.
    let mut other = long_of_others();
    let position = disk.clone().at(Area::Input, POSITION_BLOCK)[..BLOCK_SIZE].to_vec();
    other.vault.disk.at(Area::Input, POSITION_BLOCK)[..BLOCK_SIZE].copy_from_slice(&position);
    let mut harness = other.restart();
    assert_eq!(pass(&mut harness).check, Check::Clean as u8);
    assert_eq!(harness.health().checks.get(), 1);
}

/// As long as [`long`], with other documents.
fn long_of_others() -> Harness {
    let mut harness = Harness::on(blank(65_536));
    for i in 0..3 * READS_PER_POSITION as u64 {
        harness.put("another", &document(8 * BLOCK_SIZE, 77 + i));
    }
    harness
}
