//! The orders of disk operations on which durability depends, each driven by hand.

use fastrand::Rng;
use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use ledger_fmt::stamp::{Frontier, Hint, Run, STAMP_SIZE, Stamp, StampKind};
use totebox_deployment::Deployment;
use totebox_domain::device::Operation;
use totebox_manifest::Role;
use totebox_manifest::conversation::VAULT_DATA;
use totebox_protocol::vault::{Op, Request, Status};
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
    // The vault looks at a hint before it overwrites it.
    let is_look =
        |operation: &Operation| matches!(operation, Operation::Read { block, .. } if hints.contains(block));
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
    complete(&mut bench, &is_look);
    assert!(disk.borrow().in_flight().iter().any(is_flush) && disk.borrow().in_flight().iter().any(is_hint));
    complete(&mut bench, &is_hint);
    complete(&mut bench, &is_flush);
    complete(&mut bench, &occupying);
    assert_eq!(disk.borrow().in_flight(), [], "idle, but the last flush did not cover the hint that is there");
    begin(&mut bench, 65);
    complete(&mut bench, &is_flush);
    complete(&mut bench, &is_look);
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

/// The block of the hint that is going to be overwritten next, in the disk's bytes: of two valid ones the older.
fn next_hint(deployment: &Deployment, disk: &DiskHandle) -> (usize, usize) {
    let (slot, block) = older_hint(deployment, disk);
    (slot, offset(deployment, 1, Area::Volume, block))
}

fn older_hint(deployment: &Deployment, disk: &DiskHandle) -> (usize, u64) {
    let id = deployment.volumes[1].id;
    let runs = HINT_BLOCKS.map(|block| {
        let at = offset(deployment, 1, Area::Volume, block);
        Hint::decode(&disk.borrow().seen()[at..at + BLOCK_SIZE], &id).map(|(frontier, _)| frontier.runs)
    });
    let slot = usize::from(runs[1] < runs[0]);
    (slot, HINT_BLOCKS[slot])
}

/// Commits one run and lets the vault come to rest, so that it writes a hint.
fn commit(bench: &mut VaultBench, run: u64) {
    let archive = bench.archive(1);
    assert_eq!(bench.write(archive, Op::Commit, run, b"a record").status(), Status::Ok);
    bench.world.settle();
}

#[test]
fn a_hint_that_was_damaged_is_told_of_when_it_is_overwritten() {
    let deployment = long_ledger();
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut bench = VaultBench::new(&deployment, disk.clone(), 1);
    let told = |bench: &VaultBench| bench.page().volumes[1].hints_damaged.map(|count| count.get());
    for run in 0..5 {
        commit(&mut bench, run);
    }
    assert_eq!(told(&bench), [0, 0]);
    // Any byte of its block, one that nothing is in too.
    let mut expected = [0, 0];
    for (run, byte) in [(5, 0), (6, 20), (7, 127), (8, 128), (9, BLOCK_SIZE - 1)] {
        let (slot, at) = next_hint(&deployment, &disk);
        disk.borrow_mut().damage(at + byte, |byte| *byte ^= 0x08);
        commit(&mut bench, run);
        expected[slot] += 1;
        assert_eq!(told(&bench), expected, "byte {byte} of slot {slot}");
    }
    commit(&mut bench, 10);
    assert_eq!(told(&bench), expected, "nothing was damaged since");
    // One that is gone altogether.
    let (slot, at) = next_hint(&deployment, &disk);
    (at..at + BLOCK_SIZE).for_each(|at| disk.borrow_mut().damage(at, |byte| *byte = 0));
    commit(&mut bench, 11);
    expected[slot] += 1;
    assert_eq!(told(&bench), expected);
    // Damaged while the appliance is off; told of when the vault writes over it, not before.
    let (slot, at) = next_hint(&deployment, &disk);
    disk.borrow_mut().damage(at + 40, |byte| *byte ^= 1);
    let mut bench = bench.restarted(&deployment, 2);
    let archive = bench.archive(1);
    bench.hello(archive, 0);
    bench.world.settle();
    assert_eq!(told(&bench), [0, 0]);
    commit(&mut bench, 12);
    let mut expected = [0, 0];
    expected[slot] = 1;
    assert_eq!(told(&bench), expected);
}

#[test]
fn a_hint_is_not_overwritten_while_the_auditor_reads_it() {
    let deployment = long_ledger();
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut bench = VaultBench::new(&deployment, disk.clone(), 1);
    let (auditor, archive, vault) = (bench.auditor(), bench.archive(1), bench.world.pd(Role::Vault, 0));
    bench.hello(auditor, 1);
    bench.world.settle();
    let first = deployment.volumes[1].first_block;
    let reading =
        move |operation: &Operation| matches!(operation, Operation::Read { block, .. } if *block == first);
    let len = (3 * BLOCK_SIZE as u32).into();
    bench.send(auditor, Request { volume: 1, area: Area::Volume as u8, len, ..request(Op::Read) }, &[]);
    bench.world.run(vault);
    disk.borrow_mut().hold_while(reading);
    // So many runs that a hint is due however busy the vault is.
    for run in 0..130 {
        assert_eq!(bench.write(archive, Op::Commit, run, b"a record").status(), Status::Ok);
    }
    assert!(disk.borrow().in_flight().iter().any(reading), "it is still being read");
    disk.borrow_mut().hold_while(|_| false);
    bench.world.settle();
    assert_eq!(bench.receive(auditor).map(|answer| answer.status()), Some(Status::Ok));
    let (_, newest) = HINT_BLOCKS
        .map(|block| (block, offset(&deployment, 1, Area::Volume, block)))
        .into_iter()
        .find(|(block, _)| *block != older_hint(&deployment, &disk).1)
        .unwrap();
    let hint = Hint::decode(&disk.borrow().seen()[newest..newest + BLOCK_SIZE], &deployment.volumes[1].id);
    assert_eq!(hint.map(|(frontier, _)| frontier.runs), Some(130));
}

/// A read of the first block of an archive's ledger that is in no hurry.
fn in_background() -> Request {
    let len = (BLOCK_SIZE as u32).into();
    Request { area: Area::Ledger as u8, len, background: 1, ..request(Op::Read) }
}

#[test]
fn a_background_read_waits_for_whatever_the_disk_has_to_do() {
    let (deployment, mut bench) = VaultBench::small();
    let (first, second) = (bench.archive(0), bench.archive(1));
    for archive in [first, second] {
        bench.hello(archive, 0);
    }
    bench.world.settle();
    let disk = bench.world.devices().disk.clone();
    let vault = bench.world.pd(Role::Vault, 0);
    let reads = |disk: &DiskHandle| {
        let is_read = |operation: &&Operation| matches!(operation, Operation::Read { .. });
        disk.borrow().in_flight().iter().filter(is_read).count()
    };
    // Not while a commit is written, nor while it is flushed.
    bench.send(first, write(Op::Commit, 0, b"first"), b"first");
    bench.world.run(vault);
    bench.send(second, in_background(), &[]);
    bench.world.run(vault);
    assert_eq!(reads(&disk), 0);
    disk.borrow_mut().complete(0);
    bench.world.run(vault);
    assert_eq!(disk.borrow().in_flight(), [Operation::Flush]);
    disk.borrow_mut().complete(0);
    bench.world.run(vault);
    assert_eq!(bench.receive(first).map(|answer| answer.status()), Some(Status::Ok));
    assert_eq!(bench.answer(second).status(), Status::Ok);
    bench.world.settle();
    // One at a time, whoever asks.
    disk.borrow_mut().hold_while(|_| true);
    for archive in [first, second] {
        bench.send(archive, in_background(), &[]);
        bench.world.run(vault);
    }
    assert_eq!(reads(&disk), 1);
    // What waits behind one does not wait for the disk to be idle.
    bench.send(second, Request { background: 0, ..in_background() }, &[]);
    bench.world.run(vault);
    assert_eq!(reads(&disk), 3);
    disk.borrow_mut().hold_while(|_| false);
    for archive in [first, second, second] {
        assert_eq!(bench.answer(archive).status(), Status::Ok);
    }
    // And it keeps no hint from being written.
    bench.world.settle();
    let ledger = offset(&deployment, 1, Area::Ledger, 0) / BLOCK_SIZE;
    disk.borrow_mut().hold_while(
        move |operation| matches!(operation, Operation::Read { block, .. } if *block == ledger as u64),
    );
    bench.send(second, in_background(), &[]);
    bench.world.run(vault);
    bench.write(first, Op::Commit, 1, b"second");
    bench.world.settle();
    assert_eq!(reads(&disk), 1, "it is still under way");
    let hinted = HINT_BLOCKS.map(|block| {
        let at = offset(&deployment, 0, Area::Volume, block);
        Hint::decode(&disk.borrow().seen()[at..at + BLOCK_SIZE], &deployment.volumes[0].id).map(|(f, _)| f.runs)
    });
    assert_eq!(hinted.iter().max(), Some(&Some(2)), "{hinted:?}");
}
