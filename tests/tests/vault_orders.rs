//! The orders of disk operations on which durability depends, each driven by hand.

use fastrand::Rng;
use ledger_fmt::batch_header::{Batch, BatchHeader, BatchKind, Frontier, Hint, STAMP_SIZE};
use ledger_fmt::hash::checksum;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use totebox_deployment::Deployment;
use totebox_deployment::volume::Volume;
use totebox_domain::device::Operation;
use totebox_manifest::Role;
use totebox_manifest::conversation::VAULT_DATA;
use totebox_protocol::vault::{Op, Request, Status};
use totebox_tests::place::offset;
use totebox_tests::sim::{DiskHandle, blank_disk, deployment};
use totebox_tests::vault_harness::{AUDIT, SMALL, VaultHarness, bytes, request, write};
use totebox_tests::vault_load::{Load, Sizes};
use zerocopy::IntoBytes;

#[test]
fn a_commit_is_not_acknowledged_before_its_own_flush() {
    let (_, mut harness) = VaultHarness::small();
    let (first, second) = (harness.archive(0), harness.archive(1));
    harness.hello(first, 0);
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    let vault = harness.world.pd(totebox_manifest::Role::Vault, 0);
    harness.send(first, write(Op::Commit, 0, b"first"), b"first");
    harness.world.run(vault);
    disk.borrow_mut().complete(0);
    harness.world.run(vault);
    assert_eq!(disk.borrow().in_flight(), [Operation::Flush]);
    // The second commit's write completes while the first one's flush is under way.
    harness.send(second, write(Op::Commit, 0, b"second"), b"second");
    harness.world.run(vault);
    disk.borrow_mut().complete(1);
    harness.world.run(vault);
    disk.borrow_mut().complete(0);
    harness.world.run(vault);
    assert_eq!(harness.receive(first).map(|answer| answer.status()), Some(Status::Ok));
    assert!(harness.receive(second).is_none(), "that flush did not cover it");
    assert_eq!(harness.answer(second).status(), Status::Ok);
}

#[test]
fn what_waits_for_no_flush_is_answered_while_a_commit_does() {
    let (_, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    harness.hello(archive, 0);
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    let vault = harness.world.pd(Role::Vault, 0);
    let flushing = |disk: &DiskHandle| disk.borrow().in_flight().contains(&Operation::Flush);
    harness.send(archive, write(Op::Commit, 0, b"first"), b"first");
    harness.world.run(vault);
    disk.borrow_mut().complete(0);
    harness.world.run(vault);
    assert!(flushing(&disk));
    // A refused commit waits for the one before it; more appends than the ring has slots wait for nothing.
    harness.send(archive, write(Op::Commit, 0, b"below"), b"below");
    for block in 0..12 {
        harness.send(archive, write(Op::Append, block, b"content"), b"content");
        harness.world.run(vault);
        let answer = harness.receive(archive).expect("an append is answered at once");
        assert_eq!((answer.reply.op.get(), answer.status()), (Op::Append as u16, Status::Ok));
    }
    assert!(flushing(&disk), "nothing had to complete for that");
    let answers = [harness.answer(archive), harness.answer(archive)].map(|answer| answer.status());
    assert_eq!(answers, [Status::Ok, Status::BelowFrontier]);
}

/// The small deployment, but `finance` has room for hundreds of batches.
fn long_ledger() -> Deployment {
    deployment(&SMALL.replace("size = \"2 MiB\"", "size = \"4 MiB\""))
}

/// A read of the audit volume that keeps the vault busy as long as it does not complete.
fn occupy(harness: &mut VaultHarness) -> impl Fn(&Operation) -> bool + Copy + 'static {
    let auditor = harness.auditor();
    let audit =
        harness.world.manifest(harness.world.pd(Role::Vault, 0)).volumes()[usize::from(AUDIT)].first_block.get();
    let read = Request { volume: AUDIT, area: Area::Volume as u8, len: 4096.into(), ..request(Op::Read) };
    harness.hello(auditor, AUDIT);
    harness.world.settle();
    harness.send(auditor, read, &[]);
    move |operation| matches!(operation, Operation::Read { block, .. } if *block == audit)
}

#[test]
fn the_two_hints_are_never_at_risk_together() {
    let deployment = long_ledger();
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let occupying = occupy(&mut harness);
    let (archive, vault) = (harness.archive(1), harness.world.pd(Role::Vault, 0));
    let hints = HINT_BLOCKS.map(|block| deployment.volumes[1].first_block + block);
    let is_hint =
        |operation: &Operation| matches!(operation, Operation::Write { block, .. } if hints.contains(block));
    // The vault looks at a hint before it overwrites it.
    let is_look =
        |operation: &Operation| matches!(operation, Operation::Read { block, .. } if hints.contains(block));
    let is_batch = |operation: &Operation| matches!(operation, Operation::Write { .. }) && !is_hint(operation);
    let is_flush = |operation: &Operation| *operation == Operation::Flush;
    let complete = |harness: &mut VaultHarness, which: &dyn Fn(&Operation) -> bool| {
        let position = disk.borrow().in_flight().iter().position(which).expect("it is in flight");
        disk.borrow_mut().complete(position);
        harness.world.run(vault);
    };
    let begin = |harness: &mut VaultHarness, batch: u64| {
        harness.send(archive, write(Op::Commit, batch, b"a record"), b"a record");
        harness.world.run(vault);
        complete(harness, &is_batch);
    };
    for batch in 0..63 {
        begin(&mut harness, batch);
        complete(&mut harness, &is_flush);
        assert_eq!(harness.receive(archive).map(|answer| answer.status()), Some(Status::Ok));
    }
    // The flush that makes a hint due ends, and the next one begins before that hint is submitted.
    begin(&mut harness, 63);
    begin(&mut harness, 64);
    complete(&mut harness, &is_flush);
    complete(&mut harness, &is_look);
    assert!(disk.borrow().in_flight().iter().any(is_flush) && disk.borrow().in_flight().iter().any(is_hint));
    complete(&mut harness, &is_hint);
    complete(&mut harness, &is_flush);
    complete(&mut harness, &occupying);
    assert_eq!(disk.borrow().in_flight(), [], "idle, but the last flush did not cover the hint that is there");
    begin(&mut harness, 65);
    complete(&mut harness, &is_flush);
    complete(&mut harness, &is_look);
    assert!(disk.borrow().in_flight().iter().any(is_hint), "now it is durable");
}

#[test]
fn a_busy_vault_writes_hints_too_and_they_name_what_is_durable() {
    let deployment = long_ledger();
    let mut load = Load::new(&deployment, 600, Sizes::TINY, 1);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let occupying = occupy(&mut harness);
    disk.borrow_mut().hold_while(occupying);
    // The simulated disk judges every hint that is written.
    while load.step(&deployment, &mut harness) {}
    assert!(load.acknowledged() > 200);
    let hinted = HINT_BLOCKS.map(|block| {
        let at = offset(&deployment, 1, Area::Volume, block);
        let Volume { id, layout, .. } = &deployment.volumes[1];
        Hint::find(&disk.borrow().stable()[at..][..BLOCK_SIZE], id, layout)
    });
    let hinted = hinted.into_iter().flatten().map(|hint| hint.batches.get()).max();
    assert!(hinted >= Some(128), "hints name {hinted:?} batches after hundreds");
    disk.borrow_mut().cut_power(&mut Rng::with_seed(1));
    let mut harness = harness.restarted(&deployment, 1);
    load.recovered(&deployment, &mut harness);
}

#[test]
fn a_header_waits_for_the_flush_of_the_assets_it_calls_durable() {
    let text = SMALL.replace("\"2 MiB\"", "\"24 MiB\"").replace("\"16 MiB\"", "\"40 MiB\"");
    let deployment = deployment(&text);
    let mut harness = VaultHarness::new(&deployment, DiskHandle::new(blank_disk(&deployment)), 1);
    let archive = harness.archive(1);
    let data = bytes(VAULT_DATA, 1);
    for i in 0..2048 / 8 {
        assert_eq!(harness.write(archive, Op::Append, i * 8, &data).status(), Status::Ok);
    }
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    let vault = harness.world.pd(Role::Vault, 0);
    // One more block than may wait without a flush, and the commit at once.
    harness.send(archive, write(Op::Append, 2048, b"x"), b"x");
    harness.send(archive, write(Op::Commit, 0, b"a record"), b"a record");
    harness.world.run(vault);
    let volume = &deployment.volumes[1];
    let ledger = volume.first_block + volume.layout.space.start;
    let headed =
        |disk: &DiskHandle| disk.borrow().in_flight().contains(&Operation::Write { block: ledger, blocks: 1 });
    assert!(!headed(&disk), "the batch header came before the flush");
    while !disk.borrow().in_flight().is_empty() && !headed(&disk) {
        let flushing = disk.borrow().in_flight() == [Operation::Flush];
        disk.borrow_mut().complete(0);
        harness.world.run(vault);
        assert!(flushing || !headed(&disk), "the batch header came before the flush");
    }
    assert!(headed(&disk));
    assert_eq!(harness.answer(archive).status(), Status::Ok);
    assert_eq!(harness.answer(archive).status(), Status::Ok);
}

/// A hostile archive puts a forged batch header into its record bytes, where after a power cut and a shorter batch
/// the next batch header would stand.
#[test]
fn what_an_unacknowledged_batch_left_behind_never_comes_to_life() {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    harness.hello(archive, 0);
    harness.world.settle();
    let id = deployment.volumes[0].id;
    let (nothing, short) = (checksum(&[]), b"a short batch");
    let batch = |kind, records: &[u8]| Batch {
        kind,
        volume: id,
        payload_len: records.len() as u32,
        assets_to: 0,
        assets_durable: 0,
        ledger_checksum: checksum(records),
        assets_checksum: nothing,
    };
    let first = BatchHeader::new(&Frontier::EMPTY, &batch(BatchKind::Commit, short));
    let forged = BatchHeader::new(&first.frontier_after(), &batch(BatchKind::Seal, &[]));

    let mut records = vec![0xee; 2 * BLOCK_SIZE - STAMP_SIZE];
    records[BLOCK_SIZE - STAMP_SIZE..][..STAMP_SIZE].copy_from_slice(forged.as_bytes());
    harness.send(archive, write(Op::Commit, 0, &records), &records);
    let vault = harness.world.pd(Role::Vault, 0);
    harness.world.run(vault);
    // Of the batch's two blocks only the second, with the forged batch header, reaches the medium.
    let disk = harness.world.devices().disk.clone();
    assert_eq!(disk.borrow_mut().cut_power_keeping(0xff00), 16);
    let mut harness = harness.restarted(&deployment, 2);
    assert_eq!(harness.hello(archive, 0).info().batches.get(), 0);
    assert_eq!(harness.write(archive, Op::Commit, 0, short).status(), Status::Ok);
    disk.borrow_mut().cut_power_keeping(u64::MAX);
    let mut harness = harness.restarted(&deployment, 3);
    let hello = harness.hello(archive, 0);
    assert_eq!(hello.info().last_header, first.check, "the batch the forger foresaw");
    assert_eq!(
        (hello.info().batches.get(), hello.info().sealed),
        (1, 0),
        "the forged batch header was taken for a batch"
    );
}

/// The block of the hint that is going to be overwritten next, in the disk's bytes: of two valid ones the older.
fn next_hint(deployment: &Deployment, disk: &DiskHandle) -> (usize, usize) {
    let (slot, block) = older_hint(deployment, disk);
    (slot, offset(deployment, 1, Area::Volume, block))
}

fn older_hint(deployment: &Deployment, disk: &DiskHandle) -> (usize, u64) {
    let Volume { id, layout, .. } = &deployment.volumes[1];
    let batches = HINT_BLOCKS.map(|block| {
        let at = offset(deployment, 1, Area::Volume, block);
        Hint::find(&disk.borrow().seen()[at..at + BLOCK_SIZE], id, layout).map(|hint| hint.batches.get())
    });
    let slot = usize::from(batches[1] < batches[0]);
    (slot, HINT_BLOCKS[slot])
}

/// Commits one batch and lets the vault come to rest, so that it writes a hint.
fn commit(harness: &mut VaultHarness, batch: u64) {
    let archive = harness.archive(1);
    assert_eq!(harness.write(archive, Op::Commit, batch, b"a record").status(), Status::Ok);
    harness.world.settle();
}

#[test]
fn a_hint_that_was_damaged_is_told_of_when_it_is_overwritten() {
    let deployment = long_ledger();
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let told = |harness: &VaultHarness| harness.page().volumes[1].hints_damaged.map(|count| count.get());
    for batch in 0..5 {
        commit(&mut harness, batch);
    }
    assert_eq!(told(&harness), [0, 0]);
    // Any byte of its block, one that nothing is in too.
    let mut expected = [0, 0];
    for (batch, byte) in [(5, 0), (6, 20), (7, 127), (8, 128), (9, BLOCK_SIZE - 1)] {
        let (slot, at) = next_hint(&deployment, &disk);
        disk.borrow_mut().damage(at + byte, |byte| *byte ^= 0x08);
        commit(&mut harness, batch);
        expected[slot] += 1;
        assert_eq!(told(&harness), expected, "byte {byte} of slot {slot}");
    }
    commit(&mut harness, 10);
    assert_eq!(told(&harness), expected, "nothing was damaged since");
    // One that is gone altogether.
    let (slot, at) = next_hint(&deployment, &disk);
    (at..at + BLOCK_SIZE).for_each(|at| disk.borrow_mut().damage(at, |byte| *byte = 0));
    commit(&mut harness, 11);
    expected[slot] += 1;
    assert_eq!(told(&harness), expected);
    // Damaged while the appliance is off; told of when the vault writes over it, not before.
    let (slot, at) = next_hint(&deployment, &disk);
    disk.borrow_mut().damage(at + 40, |byte| *byte ^= 1);
    let mut harness = harness.restarted(&deployment, 2);
    let archive = harness.archive(1);
    harness.hello(archive, 0);
    harness.world.settle();
    assert_eq!(told(&harness), [0, 0]);
    commit(&mut harness, 12);
    let mut expected = [0, 0];
    expected[slot] = 1;
    assert_eq!(told(&harness), expected);
}

#[test]
fn a_hint_is_not_overwritten_while_the_auditor_reads_it() {
    let deployment = long_ledger();
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let (auditor, archive, vault) = (harness.auditor(), harness.archive(1), harness.world.pd(Role::Vault, 0));
    harness.hello(auditor, 1);
    harness.world.settle();
    let first = deployment.volumes[1].first_block;
    let reading =
        move |operation: &Operation| matches!(operation, Operation::Read { block, .. } if *block == first);
    let len = (3 * BLOCK_SIZE as u32).into();
    harness.send(auditor, Request { volume: 1, area: Area::Volume as u8, len, ..request(Op::Read) }, &[]);
    harness.world.run(vault);
    disk.borrow_mut().hold_while(reading);
    // So many batches that a hint is due however busy the vault is.
    for batch in 0..130 {
        assert_eq!(harness.write(archive, Op::Commit, batch, b"a record").status(), Status::Ok);
    }
    assert!(disk.borrow().in_flight().iter().any(reading), "it is still being read");
    disk.borrow_mut().hold_while(|_| false);
    harness.world.settle();
    assert_eq!(harness.receive(auditor).map(|answer| answer.status()), Some(Status::Ok));
    let (_, newest) = HINT_BLOCKS
        .map(|block| (block, offset(&deployment, 1, Area::Volume, block)))
        .into_iter()
        .find(|(block, _)| *block != older_hint(&deployment, &disk).1)
        .unwrap();
    let Volume { id, layout, .. } = &deployment.volumes[1];
    let hint = Hint::find(&disk.borrow().seen()[newest..newest + BLOCK_SIZE], id, layout);
    assert_eq!(hint.map(|hint| hint.batches.get()), Some(130));
}

/// A read of the first block of an archive's ledger that is in no hurry.
fn in_background() -> Request {
    let len = (BLOCK_SIZE as u32).into();
    Request { area: Area::Ledger as u8, len, background: 1, ..request(Op::Read) }
}

#[test]
fn a_background_read_waits_for_whatever_the_disk_has_to_do() {
    let (deployment, mut harness) = VaultHarness::small();
    let (first, second) = (harness.archive(0), harness.archive(1));
    for archive in [first, second] {
        harness.hello(archive, 0);
    }
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    let vault = harness.world.pd(Role::Vault, 0);
    let reads = |disk: &DiskHandle| {
        let is_read = |operation: &&Operation| matches!(operation, Operation::Read { .. });
        disk.borrow().in_flight().iter().filter(is_read).count()
    };
    // Not while a commit is written, nor while it is flushed.
    harness.send(first, write(Op::Commit, 0, b"first"), b"first");
    harness.world.run(vault);
    harness.send(second, in_background(), &[]);
    harness.world.run(vault);
    assert_eq!(reads(&disk), 0);
    disk.borrow_mut().complete(0);
    harness.world.run(vault);
    assert_eq!(disk.borrow().in_flight(), [Operation::Flush]);
    disk.borrow_mut().complete(0);
    harness.world.run(vault);
    assert_eq!(harness.receive(first).map(|answer| answer.status()), Some(Status::Ok));
    assert_eq!(harness.answer(second).status(), Status::Ok);
    harness.world.settle();
    // One at a time, whoever asks.
    disk.borrow_mut().hold_while(|_| true);
    for archive in [first, second] {
        harness.send(archive, in_background(), &[]);
        harness.world.run(vault);
    }
    assert_eq!(reads(&disk), 1);
    // What waits behind one does not wait for the disk to be idle.
    harness.send(second, Request { background: 0, ..in_background() }, &[]);
    harness.world.run(vault);
    assert_eq!(reads(&disk), 3);
    disk.borrow_mut().hold_while(|_| false);
    for archive in [first, second, second] {
        assert_eq!(harness.answer(archive).status(), Status::Ok);
    }
    // And it keeps no hint from being written.
    harness.world.settle();
    let ledger = offset(&deployment, 1, Area::Ledger, 0) / BLOCK_SIZE;
    disk.borrow_mut().hold_while(
        move |operation| matches!(operation, Operation::Read { block, .. } if *block == ledger as u64),
    );
    harness.send(second, in_background(), &[]);
    harness.world.run(vault);
    harness.write(first, Op::Commit, 1, b"second");
    harness.world.settle();
    assert_eq!(reads(&disk), 1, "it is still under way");
    let hinted = HINT_BLOCKS.map(|block| {
        let at = offset(&deployment, 0, Area::Volume, block);
        let Volume { id, layout, .. } = &deployment.volumes[0];
        Hint::find(&disk.borrow().seen()[at..at + BLOCK_SIZE], id, layout).map(|hint| hint.batches.get())
    });
    assert_eq!(hinted.iter().max(), Some(&Some(2)), "{hinted:?}");
}
