//! The vault's rules, one by one.

use ledger_fmt::batch_header::{BATCH_PAYLOAD_MAX, BatchHeader, Frontier, Hint, STAMP_SIZE};
use ledger_fmt::hash;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use totebox_deployment::volume::Volume;
use totebox_domain::device::Operation;
use totebox_manifest::conversation::VAULT_DATA;
use totebox_protocol::vault::{Committed, Op, Request, Status, VolumeState};
use totebox_tests::place::offset;
use totebox_tests::sim::{Abilities, DiskHandle, blank_disk, deployment};
use totebox_tests::vault_harness::{AUDIT, SMALL, VaultHarness, bytes, request, small, write};
use zerocopy::FromBytes;

#[test]
fn a_blank_volume_comes_up_empty_and_durable() {
    let (_, mut harness) = VaultHarness::small();
    for client in [harness.archive(0), harness.archive(2), harness.auditor()] {
        let hello = harness.hello(client, 0);
        assert_eq!((hello.status(), hello.state()), (Status::Ok, VolumeState::Ready));
        let info = hello.info();
        assert_eq!(info.decode(), Committed::NOTHING);
    }
    harness.world.settle();
    let page = harness.page();
    assert_eq!((harness.is_recovered(), page.durable, page.read_only), (true, 1, 0));
    assert_eq!(page.volumes[..4].iter().map(|row| row.state).collect::<Vec<_>>(), [VolumeState::Ready as u8; 4]);
}

#[test]
fn a_commit_is_one_headed_batch_and_one_flush() {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(1);
    harness.hello(archive, 0);
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    let flushes = disk.borrow().flushes();

    let (content, records) = (bytes(5000, 1), bytes(700, 2));
    let append = harness.write(archive, Op::Append, 0, &content);
    assert_eq!((append.status(), append.reply.assets_next.get()), (Status::Ok, 2));
    let commit = harness.write(archive, Op::Commit, 0, &records);
    assert_eq!(commit.status(), Status::Ok);
    assert_eq!((commit.reply.ledger_next.get(), commit.reply.assets_next.get()), (1, 2));
    assert_eq!(commit.reply.batches.get(), 1);
    assert_eq!(disk.borrow().flushes() - flushes, 1, "one flush for one commit");

    // What the reply promised is on the medium, not only in its cache.
    let disk = disk.borrow();
    let stable = disk.stable();
    let assets = &stable[offset(&deployment, 1, Area::Assets, 0)..][..2 * BLOCK_SIZE];
    assert_eq!(assets[..5000], content);
    assert!(assets[5000..].iter().all(|&b| b == 0), "the last block is padded with zeros");
    let batch = &stable[offset(&deployment, 1, Area::Ledger, 0)..][..BLOCK_SIZE];
    let volume = &deployment.volumes[1];
    let header = BatchHeader::decode(batch, &volume.id, &Frontier::EMPTY, &volume.layout).unwrap();
    assert_eq!(header.payload_len.get(), 700);
    assert_eq!(batch[STAMP_SIZE..][..700], records);
    assert!(batch[STAMP_SIZE + 700..].iter().all(|&b| b == 0), "the batch's last block is padded with zeros");
    assert_eq!(header.ledger_checksum, hash::checksum(&records));
    assert_eq!(header.assets_checksum, hash::checksum(assets));
    assert_eq!((header.assets_from.get(), header.assets_to.get(), header.assets_durable.get()), (0, 2, 0));
}

#[test]
fn committed_bytes_are_never_written_again() {
    let (_, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    harness.write(archive, Op::Append, 0, &bytes(BLOCK_SIZE, 1));
    harness.write(archive, Op::Commit, 0, &bytes(100, 1));
    harness.world.settle();
    harness.world.devices().disk.borrow_mut().take_writes();
    let cases = [
        (Op::Append, 0, Status::BelowFrontier, Area::Assets),
        (Op::Append, 2, Status::OutOfRange, Area::Assets),
        (Op::Append, u64::MAX, Status::OutOfRange, Area::Assets),
        (Op::Commit, 0, Status::BelowFrontier, Area::Ledger),
        (Op::Commit, 2, Status::OutOfRange, Area::Ledger),
        (Op::WriteInput, 61, Status::OutOfRange, Area::Input),
        (Op::WriteInput, u64::MAX, Status::OutOfRange, Area::Input),
    ];
    for (op, block, status, area) in cases {
        let answer = harness.write(archive, op, block, &bytes(BLOCK_SIZE, 9));
        assert_eq!((answer.status(), answer.reply.area), (status, area as u8), "{op:?} at {block}");
        assert_eq!((answer.reply.ledger_next.get(), answer.reply.assets_next.get()), (1, 1));
    }
    harness.world.settle();
    assert_eq!(harness.world.devices().disk.borrow_mut().take_writes(), [], "nothing reached the disk");
    assert_eq!(harness.page().volumes[0].refused.get(), cases.len() as u64);
    assert_eq!(harness.page().volumes[1].refused.get(), 0);
}

#[test]
fn each_client_may_do_its_part_only() {
    let (_, mut harness) = VaultHarness::small();
    let (archive, auditor, orchestrator) = (harness.archive(0), harness.auditor(), harness.orchestrator());
    let all = [Op::Hello, Op::Read, Op::WriteInput, Op::Append, Op::Abandon, Op::Commit];
    let block = bytes(BLOCK_SIZE, 3);
    let mut ask = |client, op, volume| {
        let area = Area::Ledger as u8;
        let len = if matches!(op, Op::Hello | Op::Abandon | Op::Seal) { 0 } else { BLOCK_SIZE };
        let data = if op == Op::Read || client == orchestrator { &[] } else { &block[..len] };
        let request = Request { volume, area, len: (len as u32).into(), ..request(op) };
        harness.ask(client, request, data).status()
    };
    for op in all {
        assert_eq!(ask(archive, op, 1), Status::Forbidden, "archives know one volume: {op:?}");
    }
    assert_eq!(ask(archive, Op::Seal, 0), Status::Forbidden);
    for op in [Op::WriteInput, Op::Append, Op::Abandon, Op::Commit, Op::Seal] {
        assert_eq!(ask(auditor, op, 0), Status::Forbidden, "the auditor does not write to archives: {op:?}");
    }
    assert_eq!(ask(auditor, Op::Seal, AUDIT), Status::Forbidden);
    assert_eq!(ask(auditor, Op::Read, AUDIT + 1), Status::Forbidden, "there is no such volume");
    for op in [Op::WriteInput, Op::Append, Op::Commit] {
        assert_eq!(ask(orchestrator, op, 0), Status::BadRequest, "longer than its messages: {op:?}");
    }
    assert_eq!(ask(orchestrator, Op::Abandon, 0), Status::Forbidden);
    assert_eq!(ask(orchestrator, Op::Seal, AUDIT), Status::Forbidden, "the audit record never ends");

    assert_eq!(ask(auditor, Op::Read, 2), Status::Ok);
    assert_eq!(ask(orchestrator, Op::Hello, 2), Status::Ok);
    for op in all {
        assert_eq!(ask(auditor, op, AUDIT), Status::Ok, "the audit record is the auditor's: {op:?}");
        assert_eq!(ask(archive, op, 0), Status::Ok, "its own volume: {op:?}");
    }
    harness.world.settle();
    let refused: Vec<u64> = harness.page().volumes[..4].iter().map(|row| row.refused.get()).collect();
    assert_eq!(refused, [7 + 5 + 4, 0, 0, 1 + 1 + 1]);
}

#[test]
fn requests_without_meaning_are_refused_and_change_nothing() {
    let (_, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    harness.hello(archive, 0);
    harness.world.settle();
    harness.world.devices().disk.borrow_mut().take_writes();
    let with = |op: u16, area: u8, len: u32| {
        let (op, len) = (op.into(), len.into());
        Request { op, area, len, ..request(Op::Hello) }
    };
    let (block, most) = (BLOCK_SIZE as u32, VAULT_DATA as u32);
    let cases = [
        (with(0, 0, 0), Status::BadRequest),
        (with(8, 0, 0), Status::BadRequest),
        (with(0xffff, 0, 0), Status::BadRequest),
        (with(Op::Read as u16, 4, block), Status::BadRequest),
        (with(Op::Read as u16, 2, 0), Status::BadRequest),
        (with(Op::Read as u16, 2, block - 1), Status::BadRequest),
        (with(Op::Read as u16, 2, most + block), Status::BadRequest),
        (with(Op::Read as u16, 2, u32::MAX), Status::BadRequest),
        (with(Op::WriteInput as u16, 0, 100), Status::BadRequest),
        (with(Op::WriteInput as u16, 0, 0), Status::BadRequest),
        (with(Op::Append as u16, 0, 0), Status::BadRequest),
        (with(Op::Append as u16, 0, most + 1), Status::BadRequest),
        (with(Op::Commit as u16, 0, 0), Status::BadRequest),
        (with(Op::Commit as u16, 0, BATCH_PAYLOAD_MAX as u32 + 1), Status::BadRequest),
        (Request { block: 1_000_000.into(), ..with(Op::Read as u16, 2, block) }, Status::OutOfRange),
        (Request { block: u64::MAX.into(), ..with(Op::Read as u16, 3, block) }, Status::OutOfRange),
    ];
    for (request, status) in cases {
        assert_eq!(harness.ask(archive, request, &[]).status(), status, "{request:?}");
    }
    harness.world.settle();
    assert_eq!(harness.world.devices().disk.borrow_mut().take_writes(), []);
    assert_eq!(harness.page().volumes[0].refused.get(), cases.len() as u64);
}

#[test]
fn a_client_with_impossible_indices_is_cut_off_and_the_others_go_on() {
    for (word, value) in [(0, 9), (0, u64::MAX), (8, 1), (8, u64::MAX)] {
        let (_, mut harness) = VaultHarness::small();
        let (hostile, other) = (harness.archive(0), harness.archive(1));
        harness.hello(other, 0);
        harness.send(hostile, request(Op::Hello), &[]);
        harness.region_of(hostile).store(word, value);
        harness.world.settle();
        let row = harness.page().volumes[0];
        assert_eq!((row.closed, row.refused.get()), (1, 1), "word {word} = {value}");

        harness.region_of(hostile).store(word, 1);
        harness.notify(hostile);
        assert_eq!(harness.write(other, Op::Commit, 0, b"a record").status(), Status::Ok);
        harness.world.settle();
        assert_eq!(harness.page().volumes[0].closed, 1, "closed for good");
        assert_eq!(harness.page().volumes[1].closed, 0);
    }
}

#[test]
fn a_client_cut_off_in_the_middle_does_not_keep_what_others_need() {
    let (deployment, disk) = small();
    disk.borrow_mut().set_abilities(Abilities { buffers: 4, ..Abilities::default() });
    let mut harness = VaultHarness::new(&deployment, disk, 1);
    let (hostile, other) = (harness.archive(0), harness.archive(1));
    harness.hello(other, 0);
    harness.world.settle();
    let read = Request { area: Area::Ledger as u8, len: 4096.into(), ..request(Op::Read) };
    harness.send(hostile, write(Op::Append, 0, b"x"), b"x");
    for _ in 0..3 {
        harness.send(hostile, read, &[]);
    }
    // The vault takes the requests up, and only then the client breaks the protocol.
    harness.world.run_until(1000, |world| world.devices().disk.borrow().in_flight().len() >= 2);
    harness.region_of(hostile).store(0, 0);
    harness.notify(hostile);
    harness.world.settle();
    assert_eq!(harness.page().volumes[0].closed, 1);
    for i in 0..20 {
        assert_eq!(harness.write(other, Op::Commit, i, b"a record").status(), Status::Ok);
    }
}

#[test]
fn a_client_that_takes_no_replies_is_not_served_further_and_loses_nothing() {
    let (_, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    let mut sent = 0;
    while harness.try_send(archive, request(Op::Hello), &[]) || sent < 16 {
        sent += 1;
        harness.world.settle();
        assert!(sent <= 16);
    }
    assert_eq!(sent, 16, "eight replies wait in one ring, eight requests in the other");
    for _ in 0..16 {
        assert_eq!(harness.answer(archive).status(), Status::Ok);
    }
}

#[test]
fn reads_see_what_was_written_before_them() {
    let (_, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    let blocks: Vec<Vec<u8>> = (0..3).map(|i| bytes(BLOCK_SIZE, i)).collect();
    for (i, block) in blocks.iter().enumerate() {
        // Not waiting for anything: three writes of the same block, each followed by a read.
        harness.send(archive, write(Op::WriteInput, 7, block), block);
        let read = Request { len: 4096.into(), block: 7.into(), ..request(Op::Read) };
        harness.send(archive, read, &[]);
        if i == 2 {
            let append = bytes(BLOCK_SIZE, 77);
            harness.send(archive, write(Op::Append, 0, &append), &append);
            let read = Request { len: 4096.into(), area: Area::Assets as u8, ..request(Op::Read) };
            harness.send(archive, read, &[]);
        }
    }
    for block in &blocks {
        assert_eq!(harness.answer(archive).status(), Status::Ok);
        assert_eq!(harness.answer(archive).data, *block);
    }
    assert_eq!(harness.answer(archive).status(), Status::Ok);
    assert_eq!(harness.answer(archive).data, bytes(BLOCK_SIZE, 77), "appended and not yet committed");
}

#[test]
fn commits_that_wait_together_share_a_flush() {
    let (_, mut harness) = VaultHarness::small();
    let archives = [harness.archive(0), harness.archive(1), harness.archive(2)];
    for archive in archives {
        harness.hello(archive, 0);
    }
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    let flushes = disk.borrow().flushes();
    for archive in archives {
        for block in 0..4 {
            harness.send(archive, write(Op::Append, block, b"content"), b"content");
            harness.send(archive, write(Op::Commit, block, b"a record"), b"a record");
        }
    }
    let vault = harness.world.pd(totebox_manifest::Role::Vault, 0);
    harness.world.run(vault);
    assert_eq!(disk.borrow().in_flight().len(), 6, "a transfer per client and directory");
    for archive in archives {
        for i in 0..8 {
            let answer = harness.answer(archive);
            assert_eq!(answer.status(), Status::Ok, "request {i}");
        }
    }
    assert_eq!(disk.borrow().flushes() - flushes, 1);
    for archive in archives {
        assert_eq!(harness.hello(archive, 0).info().batches.get(), 4);
    }
}

#[test]
fn abandoned_assets_are_not_in_the_next_run() {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    harness.write(archive, Op::Append, 0, &bytes(3 * BLOCK_SIZE, 1));
    let abandon = harness.ask(archive, request(Op::Abandon), &[]);
    assert_eq!((abandon.status(), abandon.reply.assets_next.get()), (Status::Ok, 0));
    // At once, while the abandoned blocks may still be on their way.
    let kept = bytes(BLOCK_SIZE, 2);
    assert_eq!(harness.write(archive, Op::Append, 0, &kept).status(), Status::Ok);
    assert_eq!(harness.write(archive, Op::Commit, 0, b"a record").reply.assets_next.get(), 1);
    let mut harness = harness.restarted(&deployment, 2);
    let archive = harness.archive(0);
    let info = harness.hello(archive, 0).info();
    assert_eq!((info.batches.get(), info.assets_next.get()), (1, 1));
    assert_eq!(harness.read(archive, 0, Area::Assets, 0, 1).data, kept);
}

#[test]
fn a_full_volume_refuses_before_anything_is_written_and_can_still_be_sealed() {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    let layout = deployment.volumes[0].layout;
    let mut next = 0;
    while next + 8 <= layout.assets_end(1) {
        let append = harness.write(archive, Op::Append, next, &bytes(VAULT_DATA, next as u8));
        assert_eq!(append.status(), Status::Ok);
        next += 8;
    }
    let full = harness.write(archive, Op::Append, next, &bytes(VAULT_DATA, 1));
    assert_eq!((full.status(), full.reply.area), (Status::Full, Area::Assets as u8));
    assert_eq!(full.reply.assets_next.get(), next);

    // The rest of the space is too small for a chunk, and left to the ledger.
    let end = layout.ledger_end(next);
    let mut block = 0;
    let last = loop {
        let commit = harness.write(archive, Op::Commit, block, &bytes(6000, 1));
        if commit.status() != Status::Ok {
            break commit;
        }
        block += 2;
    };
    assert_eq!((last.status(), last.reply.area), (Status::Full, Area::Ledger as u8));
    assert!(end - block < 3, "one block is kept for the seal");
    assert_eq!(harness.read(archive, 0, Area::Assets, 0, 1).status(), Status::Ok, "reading goes on");
    harness.world.settle();
    assert_eq!(harness.page().volumes[0].refused.get(), 0, "no room is no offence");
    assert_eq!(harness.write(archive, Op::Commit, block, b"a record").status(), Status::Ok);
    let orchestrator = harness.orchestrator();
    let seal = harness.ask(orchestrator, request(Op::Seal), &[]);
    assert_eq!((seal.status(), seal.reply.ledger_next.get()), (Status::Ok, end));

    // There is no block behind the frontier that a start could read.
    harness.world.settle();
    let mut harness = harness.restarted(&deployment, 2);
    let archive = harness.archive(0);
    let hello = harness.hello(archive, 0);
    assert_eq!((hello.status(), hello.state(), hello.info().sealed), (Status::Ok, VolumeState::Sealed, 1));
}

#[test]
fn a_sealed_volume_is_never_appended_to_again() {
    let (deployment, mut harness) = VaultHarness::small();
    let (archive, orchestrator) = (harness.archive(0), harness.orchestrator());
    harness.write(archive, Op::Commit, 0, b"a record");
    harness.write(archive, Op::Append, 0, b"not committed");
    let seal = harness.ask(orchestrator, request(Op::Seal), &[]);
    assert_eq!((seal.status(), seal.state()), (Status::Ok, VolumeState::Sealed));
    assert_eq!((seal.reply.ledger_next.get(), seal.reply.assets_next.get()), (2, 0));
    for life in 0..2 {
        let (archive, orchestrator) = (harness.archive(0), harness.orchestrator());
        for op in [Op::Append, Op::Commit, Op::WriteInput, Op::Abandon] {
            let block = if op == Op::Commit { 2 } else { 0 };
            let answer = harness.write(archive, op, block, &bytes(BLOCK_SIZE, 1));
            assert_eq!(answer.status(), Status::Sealed, "{op:?} in life {life}");
        }
        assert_eq!(harness.ask(orchestrator, request(Op::Seal), &[]).status(), Status::Sealed);
        assert_eq!(harness.hello(archive, 0).state(), VolumeState::Sealed);
        assert_eq!(harness.read(archive, 0, Area::Ledger, 0, 1).status(), Status::Ok);
        harness.world.settle();
        assert_eq!(harness.page().volumes[0].refused.get(), 5);
        harness.world.devices().disk.borrow_mut().cut_power(&mut fastrand::Rng::with_seed(3));
        harness = harness.restarted(&deployment, 2);
    }
}

#[test]
fn a_long_upload_is_flushed_on_its_way() {
    // Large enough that hints are raised so far ahead that their being durable costs no flush of its own.
    let text = SMALL.replace("\"2 MiB\"", "\"160 MiB\"").replace("\"16 MiB\"", "\"180 MiB\"");
    let deployment = deployment(&text);
    let mut harness = VaultHarness::new(&deployment, DiskHandle::new(blank_disk(&deployment)), 1);
    let archive = harness.archive(1);
    harness.hello(archive, 0);
    harness.world.settle();
    let flushes = harness.world.devices().disk.borrow().flushes();
    let blocks = 18 * 256; // 18 MiB: two flushes on the way
    let mut answered = 0;
    for sent in 0..blocks / 8 {
        let data = bytes(VAULT_DATA, sent as u8);
        while !harness.try_send(archive, write(Op::Append, sent * 8, &data), &data) {
            assert_eq!(harness.answer(archive).status(), Status::Ok);
            answered += 1;
        }
    }
    while answered < blocks / 8 {
        assert_eq!(harness.answer(archive).status(), Status::Ok);
        answered += 1;
    }
    let commit = harness.write(archive, Op::Commit, 0, b"a record");
    assert_eq!((commit.status(), commit.reply.assets_next.get()), (Status::Ok, blocks));
    let disk = harness.world.devices().disk.clone();
    assert_eq!(disk.borrow().flushes() - flushes, 3);
    let at = offset(&deployment, 1, Area::Ledger, 0);
    let (header, _) = BatchHeader::read_from_prefix(&disk.borrow().stable()[at..]).unwrap();
    assert_eq!((header.assets_from.get(), header.assets_durable.get(), header.assets_to.get()), (0, 4096, blocks));

    disk.borrow_mut().cut_power(&mut fastrand::Rng::with_seed(1));
    let mut harness = harness.restarted(&deployment, 2);
    let archive = harness.archive(1);
    assert_eq!(harness.hello(archive, 0).info().assets_next.get(), blocks);
    assert_eq!(harness.read(archive, 0, Area::Assets, 800, 8).data, bytes(VAULT_DATA, 100));
}

#[test]
fn hints_follow_when_the_vault_is_idle() {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    for batch in 0..3 {
        harness.write(archive, Op::Commit, batch, b"a record");
        harness.world.settle();
    }
    let disk = harness.world.devices().disk.clone();
    let disk = disk.borrow();
    let hints = HINT_BLOCKS.map(|block| {
        let at = offset(&deployment, 0, Area::Volume, block);
        let Volume { id, layout, .. } = &deployment.volumes[0];
        Hint::find(&disk.seen()[at..][..BLOCK_SIZE], id, layout).map(|hint| hint.batches.get())
    });
    assert_eq!(hints.iter().max(), Some(&Some(3)), "the newest names the last run: {hints:?}");
}

#[test]
fn a_flood_of_writes_does_not_take_the_buffers_from_others() {
    let (deployment, mut harness) = VaultHarness::small();
    let (hostile, other) = (harness.archive(0), harness.archive(1));
    harness.hello(other, 0);
    harness.world.settle();
    let volume = &deployment.volumes[0];
    let (start, end) = (volume.first_block, volume.first_block + volume.layout.blocks);
    let disk = harness.world.devices().disk.clone();
    disk.borrow_mut().hold_while(move |operation| match operation {
        Operation::Write { block, .. } => (start..end).contains(block),
        _ => false,
    });
    // None of these ever reaches the disk; they are answered all the same, until the flood is stopped.
    let mut answered = 0;
    for i in 0..60 {
        let request = write(Op::WriteInput, i, &[1; BLOCK_SIZE]);
        harness.try_send(hostile, request, &[1; BLOCK_SIZE]);
        for _ in 0..20 {
            harness.world.step();
        }
        while harness.receive(hostile).is_some() {
            answered += 1;
        }
    }
    assert!((8..32).contains(&answered), "{answered} writes were taken up");
    assert_eq!(harness.write(other, Op::Append, 0, &bytes(VAULT_DATA, 1)).status(), Status::Ok);
    assert_eq!(harness.read(other, 0, Area::Assets, 0, 8).data, bytes(VAULT_DATA, 1));
}
