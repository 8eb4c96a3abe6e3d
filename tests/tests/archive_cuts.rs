//! Archives with the real vault on a hostile disk: what was acknowledged is there after every power cut.

use std::collections::HashMap;

use totebox_protocol::intake::{Answer, Failure, Op};
use totebox_tests::archive_harness::{Answered, ArchiveHarness, submission, verify};
use totebox_tests::sim::{DiskHandle, Tally, blank_disk, deployment, for_each_seed};
use totebox_tests::vault_harness::bytes;

/// Two archives with room for some hundred documents each.
const DEPLOYMENT: &str = r#"
[deployment]
name = "cuts"
id = "000102030405060708090a0b0c0d0e0f"
board = "qemu_virt_aarch64"

[disk]
size = "16 MiB"

[audit]
volume = "1 MiB"
period = "off"
full_every = 1

[[archive]]
name = "contracts"
size = "4 MiB"
on_mismatch = "flag"

[[archive]]
name = "finance"
size = "4 MiB"
on_mismatch = "flag"
"#;

/// The content of the document with this tag, which is also its name.
fn content(tag: u32) -> Vec<u8> {
    let len = [0, 1, 700, 4096, 5000, 33_000, 70_000][tag as usize % 7] + tag as usize;
    bytes(len, tag as u8)
}

/// What an archive holds: the tag of each record but the first.
fn held(harness: &mut ArchiveHarness, archive: usize) -> Vec<u32> {
    let mut answers = harness.ask(archive, [(Op::List, 1, 0, Vec::new())]);
    let end = answers.pop().expect("a listing ends");
    assert_eq!(end.answer, Answer::Listed, "{end:?}");
    assert_eq!(end.reply.value.get(), answers.len() as u64);
    let number = |(i, entry): (usize, &Answered)| {
        assert_eq!(entry.reply.value.get(), i as u64);
        let name = std::str::from_utf8(&entry.data).unwrap();
        if i == 0 { 0 } else { name.parse().unwrap() }
    };
    answers.iter().enumerate().map(number).skip(1).collect()
}

/// Fetches a document.
fn fetch(harness: &mut ArchiveHarness, archive: usize, sequence: u64) -> Vec<u8> {
    let answers = harness.ask(archive, [(Op::Get, 2, sequence, Vec::new())]);
    assert_eq!(answers.last().unwrap().answer, Answer::End);
    answers.iter().filter(|a| a.answer == Answer::Data).flat_map(|a| a.data.clone()).collect()
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let deployment = deployment(DEPLOYMENT);
    let mut tally = Tally::default();
    let mut cut_under_way = 0;
    tally.seeds = for_each_seed("what_was_acknowledged_survives_power_cuts", 25, |seed| {
        let disk = DiskHandle::new(blank_disk(&deployment));
        let mut harness = ArchiveHarness::new(&deployment, disk.clone(), seed);
        let mut acknowledged: [HashMap<u64, u32>; 2] = Default::default();
        let mut next_tag = 10;
        for round in 0..4 {
            harness.world.settle();
            let mut under_way = 0;
            for archive in 0..2 {
                for _ in 0..harness.world.random().u32(1..8) {
                    next_tag += 1;
                    under_way += 1;
                    harness.send(archive, submission(next_tag, &next_tag.to_string(), &content(next_tag)));
                }
            }
            let mut steps = harness.world.random().u32(1..600);
            let mut idle = false;
            while steps > 0 && !idle {
                steps -= 1;
                match harness.step(&mut idle) {
                    Some((archive, end)) if end.answer == Answer::Receipt => {
                        acknowledged[archive].insert(end.reply.value.get(), end.reply.tag.get());
                        under_way -= 1;
                    }
                    Some((_, end)) => assert_eq!(end.answer, Answer::Ready, "{end:?}"),
                    None => {}
                }
            }
            cut_under_way += u32::from(under_way > 0);
            harness = harness.power_cut(&deployment, seed + 1000 * (round + 1));
            tally.cuts += 1;
            harness.world.settle();
            for (archive, acknowledged) in acknowledged.iter_mut().enumerate() {
                let held = held(&mut harness, archive);
                for (sequence, tag) in acknowledged.iter() {
                    assert_eq!(held.get(*sequence as usize - 1), Some(tag), "record {sequence} of {archive}");
                }
                for (i, &tag) in held.iter().enumerate() {
                    let sequence = i as u64 + 1;
                    assert!(
                        fetch(&mut harness, archive, sequence) == content(tag),
                        "record {sequence} of {archive}"
                    );
                    acknowledged.insert(sequence, tag);
                }
                let seen = verify(&deployment, &disk, archive);
                assert_eq!(seen.findings, []);
                assert_eq!(seen.contents.len(), held.len());
            }
        }
        tally.acknowledged += acknowledged.iter().map(|records| records.len() as u64).sum::<u64>();
    });
    println!("archive_cuts: {tally}");
    assert!(cut_under_way > 0, "no cut came while something was under way");
}

#[test]
fn sixteen_documents_sent_together_share_one_flush() {
    let deployment = deployment(DEPLOYMENT);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut harness = ArchiveHarness::new(&deployment, disk.clone(), 1);
    harness.world.settle();
    let flushes = disk.borrow().flushes();
    let messages = (1..=64).flat_map(|tag| submission(tag, "four", &bytes(4096, tag as u8)));
    let answers = harness.ask(0, messages);
    assert_eq!(answers.iter().filter(|a| a.answer == Answer::Receipt).count(), 64);
    let flushes = disk.borrow().flushes() - flushes;
    assert!(flushes <= 16, "64 documents took {flushes} flushes");
}

#[test]
fn a_disk_that_fails_fails_the_archive_and_not_its_reading() {
    let deployment = deployment(DEPLOYMENT);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut harness = ArchiveHarness::new(&deployment, disk.clone(), 1);
    harness.world.settle();
    let before = bytes(9000, 1);
    let answers = harness.ask(0, submission(1, "1", &before));
    assert_eq!(answers[1].answer, Answer::Receipt);
    disk.borrow_mut().fail_when(|operation| matches!(operation, totebox_domain::device::Operation::Flush));
    let answers = harness.ask(0, submission(2, "2", b"during"));
    assert_eq!(Failure::from_wire(answers[1].reply.code), Some(Failure::Io));
    assert!(fetch(&mut harness, 0, 1) == before);
    assert_eq!(held(&mut harness, 0), [1]);
}
