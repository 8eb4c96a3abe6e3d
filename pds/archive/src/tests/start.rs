//! Finding the head again.

use alloc::format;

use ledger_fmt::layout::BLOCK_SIZE;
use totebox_ledger_writer::SAVE_IDLE_BLOCKS;
use totebox_protocol::vault::{Area, Op as VaultOp};

use super::*;

/// An archive with so many batches of one document each.
fn with_batches(batches: u64, blocks: u64) -> Harness {
    let mut harness = Harness::on(blank(blocks));
    for i in 0..batches {
        harness.put("batch", &i.to_le_bytes());
    }
    harness
}

/// What a start must find again.
fn head(harness: &Harness) -> (ArchiveState, u64, u64, u64, [u8; 32], [u8; 32]) {
    let health = harness.health();
    let (documents, bytes) = (health.documents.get(), health.bytes.get());
    (harness.state(), health.records.get(), documents, bytes, health.head, health.root)
}

#[test]
fn an_empty_ledger_gets_its_first_record_once() {
    let harness = Harness::on(blank(256));
    assert_eq!((harness.state(), harness.health().records.get()), (ArchiveState::Active, 1));
    assert!(harness.vault.disk.is_sound());
    let orchestrator = harness.archive.orchestrator;
    assert!(harness.kernel.notified.contains(&orchestrator));
    let first = head(&harness);
    let harness = harness.restart();
    assert_eq!(head(&harness), first);
    assert_eq!(harness.vault.commits, 0);
}

#[test]
fn a_snapshot_saves_reading_and_changes_nothing() {
    let harness = with_batches(SAVE_IDLE_BLOCKS * 6, 512);
    assert!(harness.vault.log.contains(&VaultOp::WriteInput));
    let expected = head(&harness);
    let whole = harness.vault.disk;

    let harness = Harness::on(whole.clone());
    assert_eq!(head(&harness), expected);
    let read_with = harness.vault.read;

    let mut without = whole.clone();
    without.at(Area::Input, 0)[..61 * BLOCK_SIZE].fill(0);
    let harness = Harness::on(without);
    assert_eq!(head(&harness), expected);
    assert!(harness.vault.read > 2 * read_with, "{} bytes without, {read_with} with it", harness.vault.read);

    // Each byte of either copy may be damaged; every 97th is tried, in both at once.
    for at in (0..5 * BLOCK_SIZE).step_by(97) {
        let mut damaged = whole.clone();
        damaged.at(Area::Input, 0)[at] ^= 1;
        damaged.at(Area::Input, 5)[at] ^= 0x80;
        assert_eq!(head(&Harness::on(damaged)), expected, "byte {at}");
    }
    // With one copy gone, the other one serves.
    for copy in [0, 5] {
        let mut one = whole.clone();
        one.at(Area::Input, copy)[100] ^= 1;
        let harness = Harness::on(one);
        assert_eq!(head(&harness), expected);
        assert!(harness.vault.read <= 4 * read_with);
    }
}

#[test]
fn an_unreadable_snapshot_only_costs_time() {
    let harness = with_batches(40, 512);
    let expected = head(&harness);
    let mut harness = Harness::off(harness.vault.disk);
    harness.vault.unreadable = vec![(Area::Input, 0), (Area::Input, 7)];
    harness.start();
    assert_eq!(head(&harness), expected);
}

#[test]
fn a_snapshot_of_another_history_is_not_believed() {
    // Two ledgers that begin alike and go apart; one gets the other's snapshots.
    let ours = with_batches(40, 512);
    let mut theirs = Harness::on(blank(512));
    for i in 0..40_u64 {
        theirs.put("batch", &(i + 1).to_le_bytes());
    }
    let expected = head(&ours);
    let mut disk = ours.vault.disk;
    let foreign = theirs.vault.disk.at(Area::Input, 0)[..10 * BLOCK_SIZE].to_vec();
    disk.at(Area::Input, 0)[..10 * BLOCK_SIZE].copy_from_slice(&foreign);
    let mut harness = Harness::on(disk);
    assert_eq!(head(&harness), expected);
    assert_eq!(harness.put("goes on", b"x").sequence(), 41);
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn a_snapshot_ahead_of_the_ledger_is_not_believed() {
    let early = with_batches(2, 512);
    let expected = head(&early);
    let mut late = with_batches(40, 512);
    let mut disk = early.vault.disk;
    let ahead = late.vault.disk.at(Area::Input, 0)[..10 * BLOCK_SIZE].to_vec();
    disk.at(Area::Input, 0)[..10 * BLOCK_SIZE].copy_from_slice(&ahead);
    assert_eq!(head(&Harness::on(disk)), expected);
}

/// Changes both copies of the snapshot and makes their checks right again, as only the archive itself could.
fn forge(disk: &mut Disk, change: impl Fn(&mut [u8])) {
    for copy in [0, 5] {
        let bytes = &mut disk.at(Area::Input, copy)[..5 * BLOCK_SIZE];
        if bytes.starts_with(b"TBXSNAP") {
            change(bytes);
            let (body, check) = bytes.split_at_mut(5 * BLOCK_SIZE - 32);
            check.copy_from_slice(&ledger_fmt::hash::Domain::Snapshot.hash(body));
        }
    }
}

#[test]
fn a_forged_snapshot_is_not_believed_over_the_ledger() {
    // The fields that say where the ledger stands: see docs/ledger-format.md, "Head snapshot".
    let fields = [
        ("batches", 32),
        ("ledger_next", 40),
        ("assets_next", 48),
        ("last_stamp_block", 56),
        ("last_stamp", 64),
        ("head", 96),
        ("records", 144),
    ];
    // The newer snapshot holds for the whole ledger, or for all but some batches.
    for batches in [2 * SAVE_IDLE_BLOCKS - 1, 2 * SAVE_IDLE_BLOCKS + 5] {
        let harness = with_batches(batches, 512);
        let expected = head(&harness);
        for (field, at) in fields {
            for change in [1, 0x80] {
                let mut disk = harness.vault.disk.clone();
                forge(&mut disk, |bytes| bytes[at] ^= change);
                assert_eq!(head(&Harness::on(disk)), expected, "{field}");
            }
        }
    }
}

#[test]
fn forged_index_entries_only_cost_time() {
    let harness = with_batches(100, 512);
    let forgeries: [fn(usize, &mut [u8]); 3] = [
        // All blocks one too far, all at the start, all sequence numbers too small.
        |_, mark| mark[8] += 1,
        |_, mark| mark[8] = 0,
        |i, mark| mark[0] = i as u8,
    ];
    for forgery in forgeries {
        let mut disk = harness.vault.disk.clone();
        forge(&mut disk, |bytes| {
            let count = bytes[1440] as usize;
            assert!(count > 3);
            let marks = bytes[1448..].chunks_exact_mut(16).take(count);
            marks.enumerate().skip(1).for_each(|(i, mark)| forgery(i, mark));
        });
        let mut harness = Harness::on(disk);
        for sequence in 1..=100 {
            let (_, content, end) = harness.get(sequence, 0);
            assert_eq!((end.answer, content), (Answer::End, (sequence - 1).to_le_bytes().to_vec()));
            assert_eq!(harness.list(sequence, 1).0.len(), 1);
        }
    }
}

#[test]
fn records_of_a_long_batch_without_a_header_are_all_found() {
    let mut harness = Harness::on(blank(1024));
    // Without content nothing makes the batch go before the console pauses.
    let mut messages = Vec::new();
    for sequence in 1..=150 {
        messages.extend(harness.submission(&format!("in one run: {sequence}"), b""));
    }
    harness.send_without_pause(messages);
    let mut disk = harness.vault.disk;
    assert_eq!((disk.records, disk.frontier.batches), (151, 2));
    disk.at(Area::Ledger, 1)[0] ^= 1;
    let mut harness = Harness::on(disk);
    assert_eq!(harness.state(), ArchiveState::Damaged);
    for sequence in 1..=150 {
        let (document, _, end) = harness.get(sequence, 0);
        assert_eq!(end.answer, Answer::End, "{sequence}");
        assert_eq!(document.unwrap().data, format!("in one run: {sequence}").as_bytes());
    }
}

#[test]
fn records_are_found_in_a_ledger_of_thousands() {
    let mut harness = Harness::on(blank(16_384));
    // Batches of all lengths: some documents alone, some in rows.
    let mut random = Random(5);
    let mut documents = 0;
    while documents < 6_000_u64 {
        let row = if random.below(2) == 0 { 1 } else { 1 + random.below(40) };
        let mut messages = Vec::new();
        for _ in 0..row {
            documents += 1;
            messages.extend(harness.submission("n", &documents.to_le_bytes()));
        }
        harness.send_all(&messages);
    }
    let look = |harness: &mut Harness| {
        let mut random = Random(9);
        for _ in 0..200 {
            let sequence = 1 + random.below(documents);
            let before = harness.vault.read;
            let (_, content, end) = harness.get(sequence, 0);
            assert_eq!((end.answer, &content[..]), (Answer::End, &sequence.to_le_bytes()[..]));
            assert!(harness.vault.read - before < 20 * BLOCK_SIZE, "a short walk");
        }
        for sequence in [0, 1, 777, documents - 3] {
            let (entries, _) = harness.list(sequence, 5);
            let due = (sequence..=documents).take(5).collect::<Vec<_>>();
            assert_eq!(entries.iter().map(|entry| entry.0).collect::<Vec<_>>(), due);
        }
    };
    look(&mut harness);
    let expected = head(&harness);
    assert_eq!(expected.1, documents + 1);
    let mut harness = harness.restart();
    assert_eq!(head(&harness), expected);
    look(&mut harness);
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn a_damaged_ledger_is_not_continued_but_read() {
    let harness = with_batches(12, 512);
    for (block, byte) in [(5, 10), (5, 300), (5, 386), (12, 0), (12, 300)] {
        let mut disk = harness.vault.disk.clone();
        disk.at(Area::Ledger, block)[byte] ^= 1;
        let mut harness = Harness::on(disk);
        assert_eq!(harness.state(), ArchiveState::Damaged, "block {block}, byte {byte}");
        let tag = harness.tag();
        let answers = harness.send(Op::PutBegin, tag, 1, 0, b"more");
        assert_eq!(answers[0].failure(), Failure::Damaged);
        // Batch `i` holds record `i`. Damage to a batch header does not touch its record.
        let lost = (byte >= 256).then_some(block);
        for sequence in 1..=12 {
            let (_, content, end) = harness.get(sequence, 0);
            if Some(sequence) == lost {
                assert_eq!(end.failure(), Failure::Damaged);
            } else {
                assert_eq!((end.answer, &content[..]), (Answer::End, &(sequence - 1).to_le_bytes()[..]));
            }
        }
        let (entries, gaps, end) = harness.list_with_gaps(0, 100);
        assert_eq!(entries.len(), 13 - lost.iter().len());
        // Nobody knows how many records come behind the last whole one.
        let expected: Vec<_> = lost.iter().map(|&lost| (lost, u64::from(lost < 12))).collect();
        assert_eq!(gaps, expected, "block {block}, byte {byte}");
        assert_eq!(end.failure(), Failure::Damaged);
    }
}

#[test]
fn a_volume_that_is_not_usable_makes_the_archive_unavailable() {
    for state in [VolumeState::NoDisk, VolumeState::Foreign, VolumeState::Damaged, VolumeState::Failed] {
        let mut harness = Harness::off(blank(256));
        harness.vault.state = state;
        harness.start();
        assert_eq!(harness.state(), ArchiveState::Unavailable);
        for op in [Op::PutBegin, Op::Get, Op::List] {
            let answers = harness.send(op, 1, 0, 1, b"n");
            assert_eq!(answers[0].failure(), Failure::Unavailable);
        }
    }
}

/// The vault could not find the frontier, but says how far it has seen batches.
#[test]
fn a_volume_whose_frontier_is_damaged_is_read_as_far_as_it_is_whole() {
    for (state, archive, put) in [
        (VolumeState::Damaged, ArchiveState::Damaged, Failure::Damaged),
        (VolumeState::Failed, ArchiveState::Unavailable, Failure::Unavailable),
    ] {
        let mut disk = with_batches(12, 512).vault.disk;
        disk.at(Area::Ledger, 12)[20] ^= 1;
        disk.at(Area::Ledger, 7)[300] ^= 1;
        let mut harness = Harness::off(disk);
        (harness.vault.state, harness.vault.shows_damage) = (state, true);
        harness.start();
        assert_eq!(harness.state(), archive);
        assert_eq!(harness.send(Op::PutBegin, 1, 0, 0, b"n")[0].failure(), put);
        for sequence in (1..=12).filter(|&sequence| sequence != 7) {
            assert_eq!(harness.get(sequence, 0).1, (sequence - 1).to_le_bytes(), "{sequence}");
        }
        assert_eq!(harness.get(7, 0).2.failure(), Failure::Damaged);
        let (entries, gaps, end) = harness.list_with_gaps(3, 100);
        assert_eq!((entries.len(), &gaps[..]), (9, &[(7, 1)][..]));
        assert_eq!(end.failure(), Failure::Damaged);
    }
}

/// One damaged record in a ledger in service keeps no other back, and the listing says which it is.
#[test]
fn a_listing_names_what_is_damaged_in_a_ledger_in_service() {
    let mut harness = with_batches(12, 512);
    for block in [5, 6, 12] {
        harness.vault.disk.at(Area::Ledger, block)[300] ^= 1;
    }
    let (entries, gaps, end) = harness.list_with_gaps(0, 100);
    assert_eq!(entries.len(), 10);
    assert_eq!(gaps, [(5, 2), (12, 1)]);
    assert_eq!(end.failure(), Failure::Damaged);
    // As many whole ones as were asked for, and none beyond.
    let (entries, gaps, _) = harness.list_with_gaps(4, 2);
    assert_eq!((entries.iter().map(|entry| entry.0).collect::<Vec<_>>(), &gaps[..]), (vec![4, 7], &[(5, 2)][..]));
    let (entries, gaps, end) = harness.list_with_gaps(0, 3);
    assert_eq!((entries.len(), gaps.len(), end.answer), (3, 0, Answer::Listed));
}

#[test]
fn a_sealed_or_read_only_volume_is_read() {
    let cases = [
        (VolumeState::Sealed, ArchiveState::Archived, Failure::Sealed),
        (VolumeState::ReadOnly, ArchiveState::Unavailable, Failure::Unavailable),
    ];
    for (volume, archive, failure) in cases {
        let mut harness = Harness::off(with_batches(3, 512).vault.disk);
        harness.vault.state = volume;
        harness.start();
        assert_eq!((harness.state(), harness.health().records.get()), (archive, 4));
        assert_eq!(harness.send(Op::PutBegin, 1, 0, 0, b"n")[0].failure(), failure);
        assert_eq!(harness.get(2, 0).1, 1_u64.to_le_bytes());
    }
}
