//! Disks that fail, damage, and lifecycle commands.

use ledger_fmt::hash::ContentHash;
use ledger_fmt::payload::{Content, Document};
use ledger_fmt::record::{Draft, Head, Kind, RECORD_MAX};
use totebox_protocol::page::Check;
use totebox_protocol::vault::{Area, Op as VaultOp};

use super::*;

#[test]
fn a_failed_commit_fails_all_that_waits_and_everything_after() {
    for (op, status, failure, state) in [
        (VaultOp::Commit, Status::Io, Failure::Io, ArchiveState::Failed),
        (VaultOp::Append, Status::Io, Failure::Io, ArchiveState::Failed),
        (VaultOp::Commit, Status::Unavailable, Failure::Unavailable, ArchiveState::Failed),
        (VaultOp::Commit, Status::Sealed, Failure::Sealed, ArchiveState::Archived),
    ] {
        let mut harness = Harness::on(blank(512));
        harness.put("before", b"before");
        harness.vault.refuse = Some((op, status));
        let mut messages = harness.submission("one", b"one");
        messages.extend(harness.submission("two", &document(100_000, 2)));
        messages.extend(harness.submission("three", b"three"));
        let answers = harness.send_all(&messages);
        for tag in [messages[0].1, messages[messages.len() - 1].1] {
            let ends: Vec<&Answered> =
                answers.iter().filter(|a| a.reply.tag.get() == tag && a.answer != Answer::Ready).collect();
            assert_eq!(ends.len(), 1, "every submission ends once");
            assert_eq!(ends[0].failure(), failure);
        }
        assert_eq!(harness.state(), state);
        assert_eq!(harness.health().documents.get(), 1);
        assert_eq!(harness.get(1, 0).1, b"before", "reading goes on");
        assert_eq!(harness.list(0, 9).0.len(), 2);
        assert_eq!(harness.send(Op::PutBegin, 1, 0, 0, b"n")[0].failure(), failure);
    }
}

#[test]
fn damaged_content_is_sent_and_then_named() {
    let mut harness = Harness::on(blank(512));
    let bytes = document(100_000, 1);
    let sequence = harness.put("d", &bytes).sequence();
    let whole = harness.put("e", b"whole").sequence();
    harness.vault.disk.at(Area::Assets, 0)[50_000] ^= 4;
    let (document, content, end) = harness.get(sequence, 0);
    assert_eq!(document.unwrap().answer, Answer::Document);
    assert_eq!((content.len(), end.failure()), (100_000, Failure::Damaged));
    let health = harness.health();
    assert_eq!((health.check, health.checks.get()), (Check::Mismatch as u8, 0), "it is told without a pass");
    assert_eq!(
        (health.check_area, health.check_block.get(), health.check_record.get(), health.checked_ms.get()),
        (Area::Assets as u8, 0, sequence, NOW_MS)
    );
    let (_, content, end) = harness.get(sequence, 60_000);
    assert!(content == bytes[60_000..]);
    assert_eq!(end.failure(), Failure::Damaged, "the whole document is checked, whatever part is sent");
    assert_eq!(harness.get(whole, 0).1, b"whole");
}

#[test]
fn a_record_damaged_behind_our_back_is_named_and_its_neighbours_are_read() {
    let mut harness = Harness::on(blank(512));
    let mut messages = Vec::new();
    for name in ["one", "two", "three"] {
        messages.extend(harness.submission(name, name.as_bytes()));
    }
    harness.send_all(&messages);
    assert_eq!(harness.vault.disk.frontier.batches, 2, "all three in one batch");
    // The second record of the batch at block 1.
    harness.vault.disk.at(Area::Ledger, 1)[256 + 136 + 60] ^= 1;
    assert_eq!(harness.get(1, 0).1, b"one");
    assert_eq!(harness.get(2, 0).2.failure(), Failure::Damaged);
    let place = |harness: &Harness| {
        let health = harness.health();
        assert!(health.check_block.get() <= 1, "the batch, or one before it");
        (health.check, health.check_area, health.check_record.get())
    };
    assert_eq!(place(&harness), (Check::Mismatch as u8, Area::Ledger as u8, 2));
    assert_eq!(harness.get(3, 0).1, b"three");
    let (entries, end) = harness.list(0, 9);
    assert_eq!(entries.iter().map(|entry| entry.0).collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(end.failure(), Failure::Damaged);
    assert_eq!(harness.put("four", b"four").sequence(), 4);
}

#[test]
fn blocks_that_cannot_be_read_cost_only_what_is_in_them() {
    let mut harness = Harness::on(blank(512));
    for i in 1..=20_u64 {
        harness.put("d", &i.to_le_bytes());
    }
    harness.vault.unreadable = vec![(Area::Ledger, 7), (Area::Assets, 11)];
    for sequence in 1..=20 {
        let (_, content, end) = harness.get(sequence, 0);
        match sequence {
            7 => assert_eq!(end.failure(), Failure::Damaged),
            12 => assert_eq!(end.failure(), Failure::Io),
            _ => assert_eq!(content, sequence.to_le_bytes()),
        }
    }
}

#[test]
fn a_record_that_points_outside_what_is_committed_is_damage() {
    let mut disk = Harness::on(blank(512)).vault.disk;
    let head = |disk: &Disk| Harness::on(disk.clone()).health().head;
    let wild = [(10_000, 5), (1, 7), (u64::MAX, 0), (1, u64::MAX), (4097, 0)];
    for (i, (len, block)) in wild.into_iter().enumerate() {
        let hash = ContentHash { blake3: [1; 32], sha256: [2; 32] };
        let content = Some(Content { size: len, hash, block });
        let mut payload = [0; 256];
        let written = Document { name: "w", content, supersedes: None }.write(&mut payload).unwrap();
        let draft = Draft { kind: Kind::Document, time_ms: 0, payload: &payload[..written] };
        let mut record = [0; RECORD_MAX];
        let (end, _) = draft.encode(&Head { records: 1 + i as u64, hash: head(&disk) }, &mut record).unwrap();
        let assets_next = disk.frontier.assets_next + u64::from(i == 0);
        disk.commit(&record[..end], assets_next);
    }
    let mut harness = Harness::on(disk);
    assert_eq!((harness.state(), harness.health().documents.get()), (ArchiveState::Active, 5));
    for sequence in 1..=5 {
        assert_eq!(harness.get(sequence, 0).2.failure(), Failure::Damaged);
    }
}

#[test]
fn suspended_it_finishes_what_is_whole_and_takes_no_more_until_it_is_active_again() {
    let mut harness = Harness::on(blank(512));
    let mut messages = harness.submission("whole", b"whole");
    let open = harness.submission("open", &document(100_000, 1));
    messages.extend_from_slice(&open[..20]);
    for (op, tag, value, data) in &messages {
        while !harness.offer(*op, *tag, *value, 0, data) {
            harness.notify();
            harness.vault.serve(1);
        }
    }
    harness.notify();
    harness.command(ArchiveState::Suspended);
    let answers = harness.work();
    assert!(answers.iter().any(|a| a.answer == Answer::Receipt));
    let end = answers.iter().find(|a| a.reply.tag.get() == open[0].1 && a.answer == Answer::Failed);
    assert_eq!(end.unwrap().failure(), Failure::NotActive);
    assert_eq!((harness.state(), harness.health().obeyed.get()), (ArchiveState::Suspended, 1));
    assert_eq!(harness.send(Op::PutBegin, 1, 0, 0, b"n")[0].failure(), Failure::NotActive);
    assert_eq!(harness.archive.ledger.assets_end(), 1);

    harness.command(ArchiveState::Active);
    assert_eq!((harness.state(), harness.health().obeyed.get()), (ArchiveState::Active, 2));
    assert_eq!(harness.put("more", b"more").sequence(), 5, "behind a record for each transition and a checkpoint");
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn commands_it_cannot_carry_out_are_not_said_to_be_obeyed() {
    let mut harness = Harness::on(blank(512));
    for target in [ArchiveState::Starting, ArchiveState::Faulted] {
        harness.command(target);
        assert_eq!((harness.state(), harness.health().obeyed.get()), (ArchiveState::Active, 0));
    }
}

#[test]
fn a_sign_of_life_follows_every_call() {
    let mut harness = Harness::on(blank(512));
    let before = harness.health().heartbeat.get();
    harness.kernel.notified.clear();
    harness.beat();
    assert!(harness.health().heartbeat.get() > before);
    assert!(harness.kernel.notified.contains(&harness.archive.orchestrator));
}
