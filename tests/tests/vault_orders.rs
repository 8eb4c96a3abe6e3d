//! The orders of disk operations on which durability depends, each driven by hand.

use fastrand::Rng;
use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use ledger_fmt::stamp::{Frontier, Hint, Run, STAMP_SIZE, Stamp, StampKind};
use totebox::model::Deployment;
use totebox_manifest::Role;
use totebox_manifest::conversation::VAULT_DATA;
use totebox_pds::device::Operation;
use totebox_pds::proto::vault::{Op, Request, Status};
use totebox_tests::sim::{DiskHandle, blank_disk, deployment};
use totebox_tests::vault_bench::{AUDIT, SMALL, VaultBench, bytes, offset, request, write};
use totebox_tests::vault_load::{Load, Sizes};
use zerocopy::IntoBytes;

#[test]
fn a_commit_is_not_acknowledged_before_its_own_flush() {
    let (_, mut bench) = VaultBench::small();
    let (first, second) = (bench.archive(0), bench.archive(1));
    bench.hello(first, 0);
    bench.world.settle();
    let disk = bench.world.devices().disk.clone();
    let vault = bench.world.pd(totebox_manifest::Role::Vault, 0);
    bench.send(first, write(Op::Commit, 0, b"first"), b"first");
    bench.world.run(vault);
    disk.borrow_mut().complete(0);
    bench.world.run(vault);
    assert_eq!(disk.borrow().in_flight(), [Operation::Flush]);
    // The second commit's write completes while the first one's flush is under way.
    bench.send(second, write(Op::Commit, 0, b"second"), b"second");
    bench.world.run(vault);
    disk.borrow_mut().complete(1);
    bench.world.run(vault);
    disk.borrow_mut().complete(0);
    bench.world.run(vault);
    assert_eq!(bench.receive(first).map(|answer| answer.status()), Some(Status::Ok));
    assert!(bench.receive(second).is_none(), "that flush did not cover it");
    assert_eq!(bench.answer(second).status(), Status::Ok);
}

#[test]
fn what_waits_for_no_flush_is_answered_while_a_commit_does() {
    let (_, mut bench) = VaultBench::small();
    let archive = bench.archive(0);
    bench.hello(archive, 0);
    bench.world.settle();
    let disk = bench.world.devices().disk.clone();
    let vault = bench.world.pd(Role::Vault, 0);
    let flushing = |disk: &DiskHandle| disk.borrow().in_flight().contains(&Operation::Flush);
    bench.send(archive, write(Op::Commit, 0, b"first"), b"first");
    bench.world.run(vault);
    disk.borrow_mut().complete(0);
    bench.world.run(vault);
    assert!(flushing(&disk));
    // A refused commit waits for the one before it; more appends than the ring has slots wait for nothing.
    bench.send(archive, write(Op::Commit, 0, b"below"), b"below");
    for block in 0..12 {
        bench.send(archive, write(Op::Append, block, b"content"), b"content");
        bench.world.run(vault);
        let answer = bench.receive(archive).expect("an append is answered at once");
        assert_eq!((answer.reply.op.get(), answer.status()), (Op::Append as u16, Status::Ok));
    }
    assert!(flushing(&disk), "nothing had to complete for that");
    let answers = [bench.answer(archive), bench.answer(archive)].map(|answer| answer.status());
    assert_eq!(answers, [Status::Ok, Status::BelowFrontier]);
}

/// The small deployment, but `finance` has room for hundreds of runs.
fn long_ledger() -> Deployment {
    deployment(&SMALL.replace("size = \"2 MiB\"", "size = \"4 MiB\"\nledger = \"2 MiB\""))
}

/// A read of the audit volume that keeps the vault busy as long as it does not complete.
fn occupy(bench: &mut VaultBench) -> impl Fn(&Operation) -> bool + Copy + 'static {
    let auditor = bench.auditor();
    let audit =
        bench.world.manifest(bench.world.pd(Role::Vault, 0)).volumes()[usize::from(AUDIT)].first_block.get();
    let read = Request { volume: AUDIT, area: Area::Volume as u8, len: 4096.into(), ..request(Op::Read) };
    bench.hello(auditor, AUDIT);
    bench.world.settle();
    bench.send(auditor, read, &[]);
    move |operation| matches!(operation, Operation::Read { block, .. } if *block == audit)
}

#[test]
fn the_two_hints_are_never_at_risk_together() {
    let deployment = long_ledger();
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut bench = VaultBench::new(&deployment, disk.clone(), 1);
    let occupying = occupy(&mut bench);
    let (archive, vault) = (bench.archive(1), bench.world.pd(Role::Vault, 0));
    let hints = HINT_BLOCKS.map(|block| deployment.volumes[1].first_block + block);
    let is_hint =
        |operation: &Operation| matches!(operation, Operation::Write { block, .. } if hints.contains(block));
    let is_run = |operation: &Operation| matches!(operation, Operation::Write { .. }) && !is_hint(operation);
    let is_flush = |operation: &Operation| *operation == Operation::Flush;
    let complete = |bench: &mut VaultBench, which: &dyn Fn(&Operation) -> bool| {
        let position = disk.borrow().in_flight().iter().position(which).expect("it is in flight");
        disk.borrow_mut().complete(position);
        bench.world.run(vault);
    };
    let begin = |bench: &mut VaultBench, run: u64| {
        bench.send(archive, write(Op::Commit, run, b"a record"), b"a record");
        bench.world.run(vault);
        complete(bench, &is_run);
    };
    for run in 0..63 {
        begin(&mut bench, run);
        complete(&mut bench, &is_flush);
        assert_eq!(bench.receive(archive).map(|answer| answer.status()), Some(Status::Ok));
    }
    // The flush that makes a hint due ends, and the next one begins before that hint is submitted.
    begin(&mut bench, 63);
    begin(&mut bench, 64);
    complete(&mut bench, &is_flush);
    assert!(disk.borrow().in_flight().iter().any(is_flush) && disk.borrow().in_flight().iter().any(is_hint));
    complete(&mut bench, &is_hint);
    complete(&mut bench, &is_flush);
    complete(&mut bench, &occupying);
    assert_eq!(disk.borrow().in_flight(), [], "idle, but the last flush did not cover the hint that is there");
    begin(&mut bench, 65);
    complete(&mut bench, &is_flush);
    assert!(disk.borrow().in_flight().iter().any(is_hint), "now it is durable");
}

#[test]
fn a_busy_vault_writes_hints_too_and_they_name_what_is_durable() {
    let deployment = long_ledger();
    let mut load = Load::new(&deployment, 600, Sizes::TINY, 1);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut bench = VaultBench::new(&deployment, disk.clone(), 1);
    let occupying = occupy(&mut bench);
    disk.borrow_mut().hold_while(occupying);
    // The simulated disk judges every hint that is written.
    while load.step(&deployment, &mut bench) {}
    assert!(load.acknowledged() > 200);
    let hinted = HINT_BLOCKS.map(|block| {
        let at = offset(&deployment, 1, Area::Volume, block);
        Hint::decode(&disk.borrow().stable()[at..][..BLOCK_SIZE], &deployment.volumes[1].id)
    });
    let hinted = hinted.into_iter().flatten().map(|(frontier, _)| frontier.runs).max();
    assert!(hinted >= Some(128), "hints name {hinted:?} runs after hundreds");
    disk.borrow_mut().cut_power(&mut Rng::with_seed(1));
    let mut bench = bench.restarted(&deployment, 1);
    load.recovered(&deployment, &mut bench);
}

#[test]
fn a_stamp_waits_for_the_flush_of_the_assets_it_calls_durable() {
    let text = SMALL.replace("\"2 MiB\"", "\"24 MiB\"").replace("\"16 MiB\"", "\"40 MiB\"");
    let deployment = deployment(&text);
    let mut bench = VaultBench::new(&deployment, DiskHandle::new(blank_disk(&deployment)), 1);
    let archive = bench.archive(1);
    let data = bytes(VAULT_DATA, 1);
    for i in 0..2048 / 8 {
        assert_eq!(bench.write(archive, Op::Append, i * 8, &data).status(), Status::Ok);
    }
    bench.world.settle();
    let disk = bench.world.devices().disk.clone();
    let vault = bench.world.pd(Role::Vault, 0);
    // One more block than may wait without a flush, and the commit at once.
    bench.send(archive, write(Op::Append, 2048, b"x"), b"x");
    bench.send(archive, write(Op::Commit, 0, b"a record"), b"a record");
    bench.world.run(vault);
    let volume = &deployment.volumes[1];
    let ledger = volume.first_block + volume.layout.ledger.start;
    let stamped =
        |disk: &DiskHandle| disk.borrow().in_flight().contains(&Operation::Write { block: ledger, blocks: 1 });
    assert!(!stamped(&disk), "the stamp came before the flush");
    while !disk.borrow().in_flight().is_empty() && !stamped(&disk) {
        let flushing = disk.borrow().in_flight() == [Operation::Flush];
        disk.borrow_mut().complete(0);
        bench.world.run(vault);
        assert!(flushing || !stamped(&disk), "the stamp came before the flush");
    }
    assert!(stamped(&disk));
    assert_eq!(bench.answer(archive).status(), Status::Ok);
    assert_eq!(bench.answer(archive).status(), Status::Ok);
}

/// A hostile archive puts a forged stamp into its record bytes, where after a power cut and a shorter run
/// the next stamp would stand.
#[test]
fn what_an_unacknowledged_run_left_behind_never_comes_to_life() {
    let (deployment, mut bench) = VaultBench::small();
    let archive = bench.archive(0);
    bench.hello(archive, 0);
    bench.world.settle();
    let id = deployment.volumes[0].id;
    let (nothing, short) = (Domain::RunAssets.hash(&[]), b"a short run");
    let run = |kind, records: &[u8]| Run {
        kind,
        volume: id,
        payload_len: records.len() as u32,
        assets_to: 0,
        assets_durable: 0,
        ledger_digest: Domain::RunLedger.hash(records),
        assets_digest: nothing,
    };
    let first = Stamp::new(&Frontier::EMPTY, &run(StampKind::Commit, short));
    let forged = Stamp::new(&first.frontier_after(), &run(StampKind::Seal, &[]));

    let mut records = vec![0xee; 2 * BLOCK_SIZE - STAMP_SIZE];
    records[BLOCK_SIZE - STAMP_SIZE..][..STAMP_SIZE].copy_from_slice(forged.as_bytes());
    bench.send(archive, write(Op::Commit, 0, &records), &records);
    let vault = bench.world.pd(Role::Vault, 0);
    bench.world.run(vault);
    // Of the run's two blocks only the second, with the forged stamp, reaches the medium.
    let disk = bench.world.devices().disk.clone();
    assert_eq!(disk.borrow_mut().cut_power_keeping(0xff00), 16);
    let mut bench = bench.restarted(&deployment, 2);
    assert_eq!(bench.hello(archive, 0).info().runs.get(), 0);
    assert_eq!(bench.write(archive, Op::Commit, 0, short).status(), Status::Ok);
    disk.borrow_mut().cut_power_keeping(u64::MAX);
    let mut bench = bench.restarted(&deployment, 3);
    let hello = bench.hello(archive, 0);
    assert_eq!(hello.info().last_stamp, first.check, "the run the forger foresaw");
    assert_eq!((hello.info().runs.get(), hello.info().sealed), (1, 0), "the forged stamp was taken for a run");
}
