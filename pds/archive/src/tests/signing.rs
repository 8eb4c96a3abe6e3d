//! Signed checkpoints: whose, when, and over what.

use ledger_fmt::checkpoint::Checkpoint;
use ledger_fmt::note::{Signer, Verifier};
use ledger_fmt::payload::Stated;
use ledger_fmt::record::Kind;
use totebox_protocol::vault::Op as VaultOp;

use super::lifecycle::records;
use super::*;
use crate::scrub::period_ms;
use crate::signing::SOON_MS;

/// Lets so much time pass since the start, and everybody notice.
fn pass_time(harness: &mut Harness, uptime_ms: u64) {
    let time = Time { wall_ms: NOW_MS.into(), uptime_ms: uptime_ms.into(), ticks: 2.into() };
    harness.time.publish(&time);
    harness.beat();
}

fn period() -> u64 {
    period_ms(&totebox_manifest::Header::new_zeroed())
}

fn key() -> Verifier {
    let origin = "totebox/07070707070707070707070707070707/contracts";
    Signer::new(origin, &SEED).unwrap().verifier().clone()
}

/// The sizes of the checkpoints on the disk, each of which is sound and has a good signature.
fn signed(disk: &Disk) -> Vec<u64> {
    assert!(disk.is_sound(), "every checkpoint states the tree before it");
    let checkpoints = records(disk).into_iter().filter(|(kind, _)| *kind == Kind::Checkpoint);
    let size = |(_, payload): (Kind, Vec<u8>)| {
        let note = Stated::read(&payload).unwrap().note.unwrap();
        let (note, stated) = Checkpoint::parse(note.as_bytes()).unwrap();
        assert_eq!(note.verify(&[key()]), Ok(()));
        stated.size
    };
    checkpoints.map(size).collect()
}

#[test]
fn a_checkpoint_is_signed_once_a_period_if_there_is_anything_new() {
    let mut harness = Harness::on(blank(512));
    harness.put("document", b"one");
    pass_time(&mut harness, period() - 1);
    assert_eq!(signed(&harness.vault.disk), []);
    pass_time(&mut harness, period());
    assert_eq!(signed(&harness.vault.disk), [2], "genesis and the document");
    pass_time(&mut harness, 5 * period());
    assert_eq!(signed(&harness.vault.disk), [2], "nothing new");
    harness.put("document", b"two");
    assert_eq!(signed(&harness.vault.disk), [2, 4]);
    harness.put("document", b"three");
    pass_time(&mut harness, 6 * period() - 1);
    assert_eq!(signed(&harness.vault.disk), [2, 4]);

    // After a restart it knows that there is nothing new, from the ledger and from a snapshot.
    pass_time(&mut harness, 6 * period());
    assert_eq!(signed(&harness.vault.disk), [2, 4, 6]);
    let mut harness = harness.restart();
    pass_time(&mut harness, period());
    assert_eq!(signed(&harness.vault.disk), [2, 4, 6]);
}

#[test]
fn what_a_snapshot_holds_for_needs_no_second_signature() {
    let mut harness = Harness::on(blank(512));
    for i in 0..SAVE_IDLE_BLOCKS - 2 {
        harness.put("document", &[i as u8; 10]);
    }
    pass_time(&mut harness, period());
    assert!(harness.vault.log.contains(&VaultOp::WriteInput), "the last record of the snapshot is the checkpoint");
    let before = signed(&harness.vault.disk);
    let mut harness = harness.restart();
    pass_time(&mut harness, period());
    assert_eq!((signed(&harness.vault.disk), before.len()), (before, 1));
}

#[test]
fn it_is_signed_between_submissions_and_holds_the_next_one_up_only_for_that() {
    let mut harness = Harness::on(blank(1024));
    let (first, second) = (harness.submission("first", &document(100_000, 1)), harness.submission("second", b"2"));
    let (begin, rest) = first.split_at(5);
    for (op, tag, value, data) in begin {
        harness.send(*op, *tag, *value, 0, data);
    }
    pass_time(&mut harness, period());
    assert_eq!(signed(&harness.vault.disk), [], "in the middle of a submission");
    let answers = harness.send_all(&[rest, &second].concat());
    let receipts = answers.iter().filter(|answered| answered.answer == Answer::Receipt);
    assert_eq!(receipts.map(|receipt| receipt.sequence()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(signed(&harness.vault.disk), [2], "between the two");
}

#[test]
fn without_a_pause_there_is_a_moment_to_sign_in_all_the_same() {
    let mut harness = Harness::on(blank(1024));
    let time = Time { wall_ms: NOW_MS.into(), uptime_ms: period().into(), ticks: 2.into() };
    harness.time.publish(&time);
    let messages: Vec<_> = (0..200).flat_map(|i| harness.submission("small", &document(10, i))).collect();
    harness.send_without_pause(messages);
    assert_eq!(harness.health().records, 202);
    assert_eq!(signed(&harness.vault.disk), [1], "of the genesis record, before all of them");
}

#[test]
fn an_archive_signs_when_it_comes_to_rest_and_when_it_is_closed() {
    let mut harness = Harness::on(blank(512));
    harness.put("document", b"one");
    harness.command(ArchiveState::Suspended);
    assert_eq!(harness.health().obeyed.get(), 1);
    assert_eq!(signed(&harness.vault.disk), [3], "with the record that says it is at rest");
    pass_time(&mut harness, 2 * period());
    assert_eq!(signed(&harness.vault.disk), [3], "once");
    let mut harness = harness.restart();
    harness.command(ArchiveState::Suspended);
    pass_time(&mut harness, 2 * period());
    assert_eq!((harness.state(), signed(&harness.vault.disk)), (ArchiveState::Suspended, vec![3]));
    harness.command(ArchiveState::Archived);
    assert_eq!(signed(&harness.vault.disk), [3, 5], "with its last lifecycle record");
}

#[test]
fn what_a_start_finds_unsigned_is_signed_soon_and_once() {
    let mut harness = Harness::on(blank(512)).restart();
    for _ in 0..3 {
        pass_time(&mut harness, SOON_MS);
        assert_eq!(signed(&harness.vault.disk), [], "a genesis record alone is no news");
        harness = harness.restart();
    }
    harness.put("document", b"one");
    pass_time(&mut harness, SOON_MS);
    assert_eq!(signed(&harness.vault.disk), [], "what is new since the start waits for the period");
    // It never runs for a whole period.
    for _ in 0..5 {
        harness = harness.restart();
        pass_time(&mut harness, SOON_MS - 1);
    }
    assert_eq!(signed(&harness.vault.disk), []);
    for _ in 0..5 {
        pass_time(&mut harness, SOON_MS);
        assert_eq!(signed(&harness.vault.disk), [2], "once");
        harness = harness.restart();
    }
    harness.put("document", b"two");
    let mut harness = harness.restart();
    pass_time(&mut harness, SOON_MS);
    assert_eq!(signed(&harness.vault.disk), [2, 4]);
}

fn sign(harness: &mut Harness) -> Vec<Answered> {
    harness.send(Op::Sign, 7, 0, 0, b"")
}

#[test]
fn an_operator_has_a_checkpoint_signed_once_as_often_as_it_is_asked_for() {
    let mut harness = Harness::on(blank(512));
    harness.put("document", b"one");
    for _ in 0..3 {
        let answers = sign(&mut harness);
        let [answered] = &answers[..] else { panic!("{answers:?}") };
        let reply = &answered.reply;
        assert_eq!((answered.answer, reply.tag.get()), (Answer::Signed, 7));
        assert_eq!((reply.value.get(), reply.extra.get(), reply.hash), (2, 2, harness.health().head));
        assert_eq!(signed(&harness.vault.disk), [2]);
    }
    harness.put("document", b"two");
    assert_eq!(sign(&mut harness)[0].answer, Answer::Signed);
    assert_eq!(signed(&harness.vault.disk), [2, 4]);
}

#[test]
fn a_checkpoint_is_asked_for_between_submissions_and_only_of_an_archive_in_service() {
    let mut harness = Harness::on(blank(1024));
    let first = harness.submission("first", &document(100_000, 1));
    let (begin, rest) = first.split_at(5);
    for (op, tag, value, data) in begin {
        harness.send(*op, *tag, *value, 0, data);
    }
    assert_eq!(sign(&mut harness)[0].failure(), Failure::BadRequest, "nobody could send the rest");
    harness.send_all(rest);
    assert_eq!(sign(&mut harness)[0].answer, Answer::Signed);
    assert_eq!(signed(&harness.vault.disk), [2]);
    harness.command(ArchiveState::Suspended);
    assert_eq!(sign(&mut harness)[0].failure(), Failure::NotActive);
    harness.command(ArchiveState::Archived);
    assert_eq!(sign(&mut harness)[0].failure(), Failure::Sealed);

    let mut harness = Harness::on(blank(256));
    loop {
        let messages = harness.submission("document", b"");
        if harness.send_all(&messages).last().unwrap().answer == Answer::Failed {
            break;
        }
    }
    assert_eq!(sign(&mut harness)[0].failure(), Failure::Full, "the rest is kept for its end");
    let mut harness = Harness::on(blank(512));
    harness.put("document", b"one");
    harness.vault.refuse = Some((VaultOp::Commit, Status::Io));
    assert_eq!(sign(&mut harness)[0].failure(), Failure::Io);
}

/// A cut between the two records an archive ends with: the next start makes up for it.
#[test]
fn a_closed_archive_that_was_cut_off_still_signs_its_end() {
    let mut harness = Harness::on(blank(512));
    harness.put("document", b"one");
    harness.commanded = 1;
    let target = ArchiveState::Archived as u8;
    harness.lifecycle.publish(&CommandPage { sequence: 1.into(), target, ..CommandPage::new_zeroed() });
    let mut from = ChannelSet::default();
    from.insert(harness.archive.orchestrator);
    harness.archive.notified(&mut harness.kernel, from);
    while records(&harness.vault.disk).last().unwrap().0 != Kind::Lifecycle {
        assert!(harness.vault.serve(1) > 0);
        if harness.vault.disk.records < 3 {
            harness.notify();
        }
    }
    assert_eq!(signed(&harness.vault.disk), []);
    assert_eq!(harness.health().obeyed.get(), 0, "not before the checkpoint");
    let harness = harness.restart();
    assert_eq!((signed(&harness.vault.disk), harness.state()), (vec![3], ArchiveState::Archived));
}

#[test]
fn a_full_ledger_is_not_filled_with_checkpoints() {
    let mut harness = Harness::on(blank(256));
    let mut uptime_ms = 0;
    loop {
        let messages = harness.submission("document", b"");
        if harness.send_all(&messages).last().unwrap().answer == Answer::Failed {
            break;
        }
        uptime_ms += period();
        pass_time(&mut harness, uptime_ms);
    }
    harness.command(ArchiveState::Archived);
    assert_eq!(harness.state(), ArchiveState::Archived);
    let disk = &harness.vault.disk;
    assert_eq!(signed(disk).last(), Some(&(disk.records - 1)), "there is room for its end");
}
