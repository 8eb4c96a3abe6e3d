//! The room that `ledger/` and `assets/` share: what an upload gave up is never taken for a batch, whenever power is
//! lost, and the room it had is the ledger's again.

use fastrand::Rng;
use ledger_fmt::batch_header::{Batch, BatchHeader, BatchKind, Hint};
use ledger_fmt::hash::checksum;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use totebox_deployment::Deployment;
use totebox_manifest::conversation::VAULT_DATA;
use totebox_protocol::vault::{Op, Status, VolumeState};
use totebox_tests::place::{bytes_of, offset};
use totebox_tests::sim::DiskHandle;
use totebox_tests::vault_harness::{ClientId, VaultHarness, request, small, write};
use zerocopy::IntoBytes;

/// What content begins with that is no batch.
const CONTENT: &[u8] = b"content, and no batch";

/// The records of the batch in this block of the ledger, each of which takes one.
fn records(block: u64) -> Vec<u8> {
    vec![block as u8; 1000]
}

/// The vault at work for an archive whose ledger has so many batches of a block each.
fn with_batches(
    archive: usize,
    batches: u64,
    planted: Option<&[u8]>,
) -> (Deployment, DiskHandle, VaultHarness, ClientId) {
    let (deployment, disk) = small();
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let archive = harness.archive(archive);
    harness.hello(archive, 0);
    if let Some(planted) = planted {
        upload_and_abandon(&mut harness, archive, planted);
    }
    for block in 0..batches {
        let commit = harness.write(archive, Op::Commit, block, &records(block));
        assert_eq!(commit.status(), Status::Ok, "block {block}");
    }
    (deployment, disk, harness, archive)
}

/// Appends content and gives it up again.
fn upload_and_abandon(harness: &mut VaultHarness, archive: ClientId, content: &[u8]) {
    for (data, block) in content.chunks(VAULT_DATA).zip((0..).step_by(VAULT_DATA / BLOCK_SIZE)) {
        let append = harness.write(archive, Op::Append, block, data);
        assert_eq!(append.status(), Status::Ok, "block {block}");
    }
    harness.world.settle();
    assert_eq!(harness.ask(archive, request(Op::Abandon), &[]).status(), Status::Ok);
}

/// Content of all the room there is, and where this block of `ledger/` is a seal that continues the batches before it.
fn content_with_a_seal_at(number: usize, block: u64) -> Vec<u8> {
    // What the headers will be can be known before they are written: an archive writes all that goes into them.
    let (deployment, disk, mut harness, archive) = with_batches(number, block, None);
    let frontier = {
        let info = harness.hello(archive, 0).info();
        let last = info.last_header_block.get();
        let volume = &deployment.volumes[number];
        let header = bytes_of(disk.borrow().stable(), volume, Area::Ledger, last, 1);
        let header = BatchHeader::find(&header, &volume.id, last, &volume.layout).unwrap();
        header.frontier_after()
    };
    let volume = &deployment.volumes[number];
    let seal = Batch {
        kind: BatchKind::Seal,
        volume: volume.id,
        payload_len: 0,
        assets_to: 0,
        assets_durable: 0,
        ledger_checksum: checksum(&[]),
        assets_checksum: checksum(&[]),
    };
    let seal = BatchHeader::new(&frontier, &seal);
    assert_eq!(seal.ledger_block.get(), block);
    let mut content = Vec::new();
    for asset in 0..volume.layout.assets_end(volume.layout.chunk) {
        let at = volume.layout.run(Area::Assets, asset).start - volume.layout.space.start;
        let begin = if at == block { seal.as_bytes() } else { CONTENT };
        content.extend_from_slice(begin);
        content.resize((asset as usize + 1) * BLOCK_SIZE, 0);
    }
    content
}

/// No valid hint may say that there never was content where there is some.
fn check_hints(deployment: &Deployment, number: usize, disk: &[u8]) {
    let volume = &deployment.volumes[number];
    for block in HINT_BLOCKS {
        let bytes = &disk[offset(deployment, number, Area::Volume, block)..][..BLOCK_SIZE];
        let Some(hint) = Hint::find(bytes, &volume.id, &volume.layout) else { continue };
        let ledger = bytes_of(disk, volume, Area::Ledger, 0, hint.ledger_limit(&volume.layout));
        assert!(ledger.chunks_exact(BLOCK_SIZE).all(|block| !block.starts_with(CONTENT)), "{hint:?}");
    }
}

/// What `Hello` says: the state, batches and the next block of `ledger/`.
fn hello(harness: &mut VaultHarness, number: usize) -> (VolumeState, u64, u64) {
    let archive = harness.archive(number);
    let hello = harness.hello(archive, 0);
    assert_eq!(hello.status(), Status::Ok);
    (hello.state(), hello.info().batches.get(), hello.info().ledger_next.get())
}

/// Archives and blocks of their ledgers: where content may begin, and where it does once the room before was cleared.
const SEALS: [(usize, u64); 3] = [(0, 8), (1, 16), (1, 16 + 256)];

#[test]
fn a_planted_seal_seals_nothing() {
    for (number, block) in SEALS {
        let content = content_with_a_seal_at(number, block);
        // The ledger ends a block before: that is always free of content.
        let last = block - 1;
        let (deployment, disk, harness, _) = with_batches(number, last, Some(&content));
        let stable = disk.borrow().stable().to_vec();
        let planted = bytes_of(&stable, &deployment.volumes[number], Area::Ledger, block, 1);
        assert!(
            planted.starts_with(&BatchHeader::MAGIC),
            "archive {number}: it stands at {block}, where the ledger is to go on"
        );
        check_hints(&deployment, number, &stable);
        disk.borrow_mut().cut_power(&mut Rng::with_seed(block));
        let mut harness = harness.restarted(&deployment, 2);
        assert_eq!(hello(&mut harness, number), (VolumeState::Ready, last, last));
        // And the ledger goes on there, up to the end of the volume.
        let archive = harness.archive(number);
        let end = deployment.volumes[number].layout.space.blocks - 1;
        for next in last..end {
            let commit = harness.write(archive, Op::Commit, next, &records(next));
            assert_eq!(commit.status(), Status::Ok, "block {next}");
            check_hints(&deployment, number, disk.borrow().stable());
        }
        assert_eq!(harness.write(archive, Op::Commit, end, b"a record").status(), Status::Full);
        let mut harness = harness.restarted(&deployment, 3);
        assert_eq!(hello(&mut harness, number), (VolumeState::Ready, end, end));
    }
}

/// Power is lost after every event of the disk on the way of a batch to where content was: the room is cleared, and
/// then the batch is written. What of that was not flushed is on the medium or not, by chance.
#[test]
fn whenever_power_is_lost_on_the_way_there_nothing_planted_is_taken() {
    const CHANCES: u64 = 16;
    let content = content_with_a_seal_at(0, 8);
    let (mut cuts, mut committed) = (0, 0);
    for events in 0.. {
        let mut done = true;
        for chance in 0..CHANCES {
            let (deployment, disk, mut harness, archive) = with_batches(0, 7, Some(&content));
            disk.borrow_mut().cut_after(events);
            harness.send(archive, write(Op::Commit, 7, &records(7)), &records(7));
            let acknowledged = loop {
                if harness.receive(archive).is_some_and(|answer| answer.status() == Status::Ok) {
                    break true;
                }
                if disk.borrow().is_without_power() {
                    break false;
                }
                harness.world.step();
            };
            disk.borrow_mut().cut_power(&mut Rng::with_seed(events * CHANCES + chance));
            check_hints(&deployment, 0, disk.borrow().stable());
            let mut harness = harness.restarted(&deployment, 2);
            let (state, batches, next) = hello(&mut harness, 0);
            assert_eq!((state, batches), (VolumeState::Ready, next), "{events} events, {chance}");
            assert!(batches == 8 || (batches == 7 && !acknowledged), "{events} events, {chance}: {batches}");
            (cuts, committed) = (cuts + 1, committed + u64::from(batches == 8));
            done &= acknowledged;
        }
        if done {
            break;
        }
    }
    println!("{cuts} cuts, {committed} of them after the batch was whole");
    assert!(cuts > 100 && committed > CHANCES, "{cuts} cuts, {committed} batches");
}

/// Power is lost after every event of the disk while a volume is filled with content.
#[test]
fn content_is_written_only_as_far_as_both_hints_say() {
    let (deployment, _) = small();
    let blocks = deployment.volumes[0].layout.assets_end(8);
    let mut content = Vec::new();
    for block in 0..blocks as usize {
        content.extend_from_slice(CONTENT);
        content.resize((block + 1) * BLOCK_SIZE, 0);
    }
    let mut cuts = 0;
    for events in 0.. {
        let (_, disk) = small();
        let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
        let archive = harness.archive(0);
        harness.hello(archive, 0);
        disk.borrow_mut().cut_after(events);
        let mut left = content.chunks(VAULT_DATA).zip((0..).step_by(VAULT_DATA / BLOCK_SIZE)).peekable();
        while !disk.borrow().is_without_power() && left.peek().is_some() {
            while let Some((data, block)) =
                left.next_if(|&(data, block)| harness.try_send(archive, write(Op::Append, block, data), data))
            {
                assert!(block < blocks && !data.is_empty());
            }
            harness.world.step();
            harness.receive(archive);
        }
        if !disk.borrow().is_without_power() {
            break;
        }
        disk.borrow_mut().cut_power(&mut Rng::with_seed(events));
        check_hints(&deployment, 0, disk.borrow().stable());
        cuts += 1;
    }
    println!("{cuts} cuts");
    assert!(cuts > 30, "{cuts} cuts");
}

#[test]
fn broken_uploads_leave_the_free_room_unchanged() {
    let (_, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    let content = vec![7; 100 * BLOCK_SIZE];
    for _ in 0..50 {
        upload_and_abandon(&mut harness, archive, &content);
    }
    harness.write(archive, Op::Append, 0, b"kept");
    let commit = harness.write(archive, Op::Commit, 0, b"a record");
    assert_eq!((commit.reply.ledger_next.get(), commit.reply.assets_next.get()), (1, 1));
}
