//! Peers that do not keep to their protocols: random bytes, under fixed seeds.

use totebox_protocol::vault;
use totebox_protocol::vault::Area;
use totebox_shm::Shared;

use super::*;

#[test]
fn a_console_that_breaks_its_messages_is_cut_off_and_the_archive_goes_on() {
    let breaks: [fn(&mut Request); 3] =
        [|r| r.op = 0.into(), |r| r.op = 77.into(), |r| r.len = (INTAKE_DATA as u32 + 1).into()];
    for spoil in breaks {
        let mut harness = Harness::on(blank(512));
        harness.send(Op::PutBegin, 1, 100_000, 0, b"open");
        let mut request = Request::new_zeroed();
        request.op = (Op::List as u16).into();
        spoil(&mut request);
        assert!(harness.requests.send(request.as_bytes(), &[]).unwrap());
        assert!(harness.work().is_empty());
        assert!(harness.archive.console.is_broken());
        assert!(harness.offer(Op::List, 2, 0, 9, &[]));
        assert!(harness.work().is_empty(), "nothing is read from it any more");
        assert_eq!(harness.state(), ArchiveState::Active);
        harness.command(ArchiveState::Suspended);
        assert_eq!(harness.state(), ArchiveState::Suspended);
    }
}

#[test]
fn random_requests_do_no_harm() {
    let mut accepted = 0;
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut harness = Harness::on(blank(256));
        for _ in 0..300 {
            let mut request = Request::new_zeroed();
            random.fill(request.as_mut_bytes());
            // Mostly possible ones, or the link would not last.
            request.op = (1 + random.below(7) as u16).into();
            request.tag = (random.below(3) as u32).into();
            let len_bound = if random.below(50) == 0 { 5000 } else { 4097 };
            request.len = (random.below(len_bound) as u32).into();
            if random.below(3) > 0 {
                request.value = random.below(9000).into();
            }
            if random.below(2) > 0 {
                request.extra = random.below(10).into();
            }
            if !harness.requests.send(request.as_bytes(), b"name").unwrap() {
                accepted += harness.work().len();
            }
        }
        accepted += harness.work().len();
        assert_eq!(harness.state(), ArchiveState::Active);
        assert!(harness.vault.disk.is_sound(), "seed {seed}");
    }
    assert!(accepted > 1000, "only {accepted} answers: the requests are too wild to test anything");
}

#[test]
fn random_indices_do_no_harm() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut harness = Harness::on(blank(256));
        let region = Shared::new(mapped(), harness.regions[seed as usize % 2]).unwrap();
        for offset in [0, 8] {
            let wild = if random.below(2) == 0 { random.number() } else { random.below(20) };
            region.store(offset, wild);
        }
        for _ in 0..20 {
            harness.notify();
        }
        let state = harness.state();
        assert!(matches!(state, ArchiveState::Active | ArchiveState::Failed), "{state:?}");
    }
}

#[test]
fn a_vault_that_answers_nonsense_is_not_believed() {
    let spoils: [fn(&mut vault::Reply); 9] = [
        |r| r.op = 99.into(),
        |r| r.tag = 12345.into(),
        |r| r.status = 99.into(),
        |r| r.state = 99,
        |r| r.volume = 1,
        |r| r.len = 1.into(),
        |r| r.len = u32::MAX.into(),
        |r| r.ledger_next = u64::MAX.into(),
        |r| r.batches = 77.into(),
    ];
    for (i, spoil) in spoils.into_iter().enumerate() {
        let mut harness = Harness::on(blank(512));
        harness.put("before", b"before");
        harness.vault.spoil = Some(spoil);
        let messages = harness.submission("d", b"d");
        for (op, tag, value, data) in &messages {
            assert!(harness.offer(*op, *tag, *value, 0, data));
        }
        let answers = harness.work();
        harness.vault.spoil = None;
        assert_eq!(harness.state(), ArchiveState::Failed, "case {i}");
        assert_eq!(answers.last().unwrap().failure(), Failure::Io, "case {i}");
        assert_eq!(harness.send(Op::PutBegin, 1, 0, 0, b"n")[0].failure(), Failure::Io);
        let (_, _, end) = harness.get(1, 0);
        assert!(end.answer == Answer::End || end.failure() == Failure::Io);
    }
}

#[test]
fn random_replies_do_no_harm() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut harness = Harness::off(blank(256));
        harness.archive.start(&mut harness.kernel);
        for round in 0..30 {
            let mut reply = vault::Reply::new_zeroed();
            random.fill(reply.as_mut_bytes());
            // The tag, the kind and the length it must have, so that the rest is looked at.
            if random.below(4) > 0 && !harness.vault.shape(&mut reply) {
                break;
            }
            let data = document(random.below(4096) as usize, seed + round);
            harness.vault.send(&reply, &data);
            harness.notify();
        }
        let state = harness.state();
        assert!(!matches!(state, ArchiveState::Suspended | ArchiveState::Faulted), "{state:?}");
    }
}

#[test]
fn random_bytes_on_the_disk_do_no_harm() {
    let mut failed = 0;
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut harness = Harness::on(blank(256));
        for i in 0..20_u64 {
            harness.put("d", &i.to_le_bytes());
        }
        let mut disk = harness.vault.disk;
        for _ in 0..1 + random.below(20) {
            // In what was written of app-console-input/, of assets/ or of ledger/.
            let (area, blocks) =
                [(Area::Input, 10), (Area::Assets, 20), (Area::Ledger, 21)][random.below(3) as usize];
            let (block, byte) = (random.below(blocks), random.below(4096) as usize);
            disk.at(area, block)[byte] = random.number() as u8;
        }
        let mut harness = Harness::on(disk);
        failed += usize::from(harness.state() == ArchiveState::Damaged);
        for sequence in 0..22 {
            let (_, content, end) = harness.get(sequence, 0);
            if end.answer == Answer::End {
                assert_eq!(content, (sequence - 1).to_le_bytes(), "what is called sound is");
            }
        }
        harness.list(0, 100);
    }
    assert!(failed > 10, "damage was noticed in {failed} of 60");
}
