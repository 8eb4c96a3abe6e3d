//! The vault on disks that are missing, wrong, limited or failing.

use fastrand::Rng;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Superblock};
use totebox_deployment::Deployment;
use totebox_domain::device::Operation;
use totebox_protocol::vault::{Op, Status, VolumeState};
use totebox_tests::place::offset;
use totebox_tests::sim::{Abilities, DiskHandle, SECTOR, blank_disk, deployment};
use totebox_tests::vault_harness::{AUDIT, SMALL, VaultHarness, bytes, request, small};
use zerocopy::IntoBytes;

#[test]
fn a_disk_that_cannot_flush_is_never_called_durable() {
    let (deployment, disk) = small();
    disk.borrow_mut().set_abilities(Abilities { flush: false, ..Abilities::default() });
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let archive = harness.archive(0);
    assert_eq!(harness.write(archive, Op::Append, 0, b"content").status(), Status::Ok);
    assert_eq!(harness.write(archive, Op::Commit, 0, b"a record").status(), Status::Ok);
    harness.world.settle();
    assert_eq!((harness.page().decode(1).unwrap().durable, disk.borrow().flushes()), (Some(false), 0));
    assert_eq!(harness.hello(archive, 0).info().batches.get(), 1);
}

#[test]
fn a_volume_that_cannot_be_used_says_why_and_the_others_come_up() {
    let deployment = deployment(SMALL);
    let start = deployment.volumes[1].offset();
    let other_volume = |content: &mut Vec<u8>, deployment_id: [u8; 16], id: [u8; 16]| {
        let volume = &deployment.volumes[1];
        let superblock = Superblock::new(deployment_id, id, volume.superblock().name, volume.layout.blocks);
        content[start as usize..][..size_of::<Superblock>()].copy_from_slice(superblock.as_bytes());
    };
    type Spoil<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;
    let cases: [(Spoil, VolumeState); 5] = [
        (Box::new(|content| content[start as usize..][..4096].fill(0)), VolumeState::Foreign),
        (Box::new(|content| content[start as usize + 100] ^= 1), VolumeState::Damaged),
        (
            Box::new(|content| other_volume(content, [9; 16], deployment.volumes[1].id)),
            VolumeState::OtherDeployment,
        ),
        (Box::new(|content| other_volume(content, deployment.id, [9; 16])), VolumeState::OtherVolume),
        (Box::new(|content| content[start as usize..][..9].copy_from_slice(b"EFI PART!")), VolumeState::Foreign),
    ];
    for (spoil, state) in cases {
        let mut content = blank_disk(&deployment);
        spoil(&mut content);
        let mut harness = VaultHarness::new(&deployment, DiskHandle::new(content), 1);
        let (bad, good, auditor) = (harness.archive(1), harness.archive(0), harness.auditor());
        let hello = harness.hello(bad, 0);
        assert_eq!((hello.status(), hello.state(), hello.data.len()), (Status::Unavailable, state, 0));
        for op in [Op::Append, Op::Commit, Op::WriteInput] {
            assert_eq!(harness.write(bad, op, 0, &bytes(BLOCK_SIZE, 1)).status(), Status::Unavailable);
        }
        assert_eq!(harness.read(bad, 0, Area::Ledger, 0, 1).status(), Status::Unavailable);
        assert_eq!(harness.read(auditor, 1, Area::Volume, 0, 1).status(), Status::Ok, "the auditor may look");
        assert_eq!(harness.write(good, Op::Commit, 0, b"a record").status(), Status::Ok);
        harness.world.settle();
        let bad = harness.page().volumes[1];
        assert_eq!((harness.is_recovered(), bad.state, bad.refused.get()), (true, state as u8, 0));
    }
}

#[test]
fn a_disk_that_is_missing_or_ends_early_is_named_for_each_volume_it_lacks() {
    let (deployment, disk) = small();
    let end = deployment.volumes[2].first_block + 10;
    for (blocks, states) in [
        (0, [VolumeState::NoDisk; 4]),
        (end, [VolumeState::Ready, VolumeState::Ready, VolumeState::DiskTooSmall, VolumeState::Ready]),
    ] {
        disk.borrow_mut().set_abilities(Abilities { blocks: Some(blocks), ..Abilities::default() });
        let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
        for (index, state) in states[..3].iter().enumerate() {
            let archive = harness.archive(index);
            let hello = harness.hello(archive, 0);
            let status = if *state == VolumeState::Ready { Status::Ok } else { Status::Unavailable };
            assert_eq!((hello.status(), hello.state()), (status, *state));
        }
        let auditor = harness.auditor();
        assert_eq!(harness.hello(auditor, AUDIT).state(), states[3]);
        harness.world.settle();
        assert!(harness.is_recovered());
    }
}

#[test]
fn a_read_only_disk_is_read_and_not_written() {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    harness.write(archive, Op::Append, 0, b"content");
    harness.write(archive, Op::Commit, 0, b"a record");
    let disk = harness.world.devices().disk.clone();
    disk.borrow_mut().set_abilities(Abilities { read_only: true, ..Abilities::default() });
    let mut harness = harness.restarted(&deployment, 2);
    disk.borrow_mut().take_writes();
    let archive = harness.archive(0);
    let hello = harness.hello(archive, 0);
    assert_eq!((hello.status(), hello.state()), (Status::Ok, VolumeState::ReadOnly));
    assert_eq!((hello.info().batches.get(), harness.page().decode(1).unwrap().durable), (1, Some(false)));
    assert_eq!(harness.read(archive, 0, Area::Assets, 0, 1).data[..7], *b"content");
    for op in [Op::Append, Op::Commit, Op::WriteInput, Op::Abandon] {
        assert_eq!(harness.write(archive, op, 1, &bytes(BLOCK_SIZE, 1)).status(), Status::ReadOnly);
    }
    harness.world.settle();
    assert_eq!(harness.page().read_only, 1);
    assert_eq!(disk.borrow_mut().take_writes(), []);
}

#[test]
fn after_a_failed_write_only_its_volume_is_out_of_service() {
    let (deployment, mut harness) = VaultHarness::small();
    let (archive, other) = (harness.archive(0), harness.archive(1));
    harness.write(archive, Op::Append, 0, b"content");
    harness.write(archive, Op::Commit, 0, b"a record");
    let ledger = deployment.volumes[0].first_block + deployment.volumes[0].layout.space.start;
    let fails =
        move |operation: &Operation| matches!(operation, Operation::Write { block, .. } if *block > ledger);
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    disk.borrow_mut().fail_when(move |operation| {
        fails(operation) && !matches!(operation, Operation::Write { block, .. } if *block > ledger + 32)
    });
    let commit = harness.write(archive, Op::Commit, 1, b"another");
    assert_eq!((commit.status(), commit.state()), (Status::Io, VolumeState::Failed));
    assert_eq!(harness.write(archive, Op::Commit, 1, b"another").status(), Status::Unavailable);
    assert_eq!(harness.hello(archive, 0).state(), VolumeState::Failed);
    assert_eq!(harness.read(archive, 0, Area::Assets, 0, 1).data[..7], *b"content", "reads go on");
    assert_eq!(harness.write(other, Op::Commit, 0, b"a record").status(), Status::Ok);

    disk.borrow_mut().fail_when(|_| false);
    let mut harness = harness.restarted(&deployment, 2);
    let archive = harness.archive(0);
    let hello = harness.hello(archive, 0);
    assert_eq!((hello.state(), hello.info().batches.get()), (VolumeState::Ready, 1), "until the next start");
}

#[test]
fn after_a_failed_flush_no_volume_is_trusted() {
    let (_, mut harness) = VaultHarness::small();
    let (archive, other) = (harness.archive(0), harness.archive(1));
    harness.write(other, Op::Commit, 0, b"a record");
    harness.world.settle();
    let disk = harness.world.devices().disk.clone();
    disk.borrow_mut().fail_when(|operation| *operation == Operation::Flush);
    assert_eq!(harness.write(archive, Op::Commit, 0, b"a record").status(), Status::Io);
    for client in [archive, other] {
        assert_eq!(harness.hello(client, 0).state(), VolumeState::Failed);
        assert_eq!(harness.write(client, Op::Commit, 1, b"a record").status(), Status::Unavailable);
    }
}

#[test]
fn a_failed_read_is_the_reads_own_failure() {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    harness.write(archive, Op::Append, 0, b"content");
    harness.write(archive, Op::Commit, 0, b"a record");
    harness.world.settle();
    let assets = (offset(&deployment, 0, Area::Assets, 0) / BLOCK_SIZE) as u64;
    let disk = harness.world.devices().disk.clone();
    disk.borrow_mut()
        .fail_when(move |operation| matches!(operation, Operation::Read { block, .. } if *block == assets));
    let read = harness.read(archive, 0, Area::Assets, 0, 1);
    assert_eq!((read.status(), read.data.len()), (Status::Io, 0));
    assert_eq!(harness.write(archive, Op::Commit, 1, b"another").status(), Status::Ok);
}

#[test]
fn a_volume_whose_recovery_fails_does_not_hold_the_others() {
    let (deployment, disk) = small();
    let first = deployment.volumes[1].first_block;
    disk.borrow_mut()
        .fail_when(move |operation| matches!(operation, Operation::Read { block, .. } if *block == first));
    let mut harness = VaultHarness::new(&deployment, disk, 1);
    let (bad, good) = (harness.archive(1), harness.archive(0));
    let hello = harness.hello(bad, 0);
    assert_eq!((hello.status(), hello.state()), (Status::Unavailable, VolumeState::Failed));
    assert_eq!(harness.read(bad, 0, Area::Ledger, 0, 1).status(), Status::Unavailable);
    assert_eq!(harness.hello(good, 0).state(), VolumeState::Ready);
}

#[test]
fn a_volume_whose_recovery_takes_long_does_not_hold_the_others() {
    let (deployment, disk) = small();
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let slow = deployment.volumes[1].first_block;
    let vault = harness.world.pd(totebox_manifest::Role::Vault, 0);
    let good = harness.archive(0);
    harness.send(good, request(Op::Hello), &[]);
    // Everything completes but what concerns volume 1.
    let answer = loop {
        harness.world.run(vault);
        if let Some(answer) = harness.receive(good) {
            break answer;
        }
        let in_flight = disk.borrow().in_flight();
        let next = in_flight.iter().position(
            |operation| !matches!(operation, Operation::Read { block, .. } if (slow..slow + 512).contains(block)),
        );
        disk.borrow_mut().complete(next.expect("the others make progress"));
    };
    assert_eq!((answer.status(), answer.state()), (Status::Ok, VolumeState::Ready));
    assert_eq!(harness.page().volumes[1].state, VolumeState::Recovering as u8);
    assert!(!harness.is_recovered());
}

/// A volume with three committed batches and a hint that names them all.
fn three_batches() -> (Deployment, Vec<u8>) {
    let (deployment, mut harness) = VaultHarness::small();
    let archive = harness.archive(0);
    for batch in 0..3 {
        harness.write(archive, Op::Append, batch, &bytes(BLOCK_SIZE, batch as u8 + 1));
        assert_eq!(harness.write(archive, Op::Commit, batch, &bytes(100, batch as u8)).status(), Status::Ok);
        harness.world.settle();
    }
    let content = harness.world.devices().disk.borrow().seen().to_vec();
    (deployment, content)
}

/// What archive 0 and the auditor are told of a disk.
fn hello(deployment: &Deployment, content: Vec<u8>) -> (Status, VolumeState, Option<u64>, u64) {
    let mut harness = VaultHarness::new(deployment, DiskHandle::new(content), 1);
    let (archive, auditor, other) = (harness.archive(0), harness.auditor(), harness.archive(1));
    let hello = harness.hello(archive, 0);
    let batches = (hello.status() == Status::Ok).then(|| hello.info().batches.get());
    let audited = harness.hello(auditor, 0);
    assert_eq!((audited.status(), audited.state()), (Status::Ok, hello.state()), "the auditor can look");
    assert_eq!(harness.hello(other, 0).state(), VolumeState::Ready);
    (hello.status(), hello.state(), batches, audited.info().batches.get())
}

#[test]
fn damage_below_a_hint_is_found_and_not_taken_for_the_end() {
    let (deployment, content) = three_batches();
    assert_eq!(hello(&deployment, content.clone()), (Status::Ok, VolumeState::Ready, Some(3), 3));
    let mut damaged = content;
    damaged[offset(&deployment, 0, Area::Ledger, 2) + 60] ^= 4;
    assert_eq!(hello(&deployment, damaged), (Status::Ok, VolumeState::Damaged, Some(3), 3));
}

#[test]
fn without_hints_damage_shows_by_the_headers_behind_it() {
    let (deployment, mut content) = three_batches();
    for block in HINT_BLOCKS {
        content[offset(&deployment, 0, Area::Volume, block)..][..SECTOR].fill(0xa5);
    }
    assert_eq!(hello(&deployment, content.clone()), (Status::Ok, VolumeState::Ready, Some(3), 3));
    for (area, block, found) in [(Area::Ledger, 1, 1), (Area::Assets, 0, 0)] {
        let mut damaged = content.clone();
        damaged[offset(&deployment, 0, area, block) + 60] ^= 4;
        assert_eq!(hello(&deployment, damaged.clone()), (Status::Ok, VolumeState::Damaged, Some(found), found));
        // What was seen behind the damage its archive is told of, and it can read it.
        let mut harness = VaultHarness::new(&deployment, DiskHandle::new(damaged), 1);
        let (archive, auditor) = (harness.archive(0), harness.auditor());
        let info = harness.hello(archive, 0).info();
        assert_eq!((info.ledger_next.get(), info.assets_next.get()), (3, 3));
        let header = harness.read(archive, 0, Area::Ledger, 2, 1);
        assert!(header.status() == Status::Ok && header.data.starts_with(b"TBXSTAMP"));
        assert_eq!(harness.write(archive, Op::Append, 3, b"more").status(), Status::Unavailable);
        assert_eq!(harness.hello(auditor, 0).info().ledger_next.get(), found, "the auditor is told the frontier");
    }
    let mut last = content;
    last[offset(&deployment, 0, Area::Assets, 2) + 60] ^= 4;
    assert_eq!(hello(&deployment, last), (Status::Ok, VolumeState::Ready, Some(2), 2), "nothing vouches for it");
}

#[test]
fn one_hint_is_enough() {
    let (deployment, content) = three_batches();
    for block in HINT_BLOCKS {
        let mut torn = content.clone();
        torn[offset(&deployment, 0, Area::Volume, block)..][..SECTOR].fill(0xa5);
        assert_eq!(hello(&deployment, torn), (Status::Ok, VolumeState::Ready, Some(3), 3));
    }
}

/// The only hint there is: lost behind a committed batch, it would look like damage.
#[test]
fn a_first_hint_is_durable_before_a_later_start_serves() {
    let (deployment, disk) = small();
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 1);
    let first = deployment.volumes[0].first_block + HINT_BLOCKS[0];
    while disk.borrow_mut().take_writes().iter().all(|(block, _)| *block != first) {
        assert!(harness.world.step(), "a first start writes a hint");
    }
    disk.borrow_mut().hold_while(|operation| matches!(operation, Operation::Flush));
    harness.world.settle();
    disk.borrow_mut().hold_while(|_| false);
    let hint = offset(&deployment, 0, Area::Volume, HINT_BLOCKS[0]);
    let is_hint = |disk: &DiskHandle| disk.borrow().stable()[hint..].starts_with(b"TBXHINT");
    disk.borrow_mut().kill(&mut Rng::with_seed(1));
    assert!(!is_hint(&disk), "it is in the cache alone");
    let mut harness = VaultHarness::new(&deployment, disk.clone(), 2);
    let archive = harness.archive(0);
    assert_eq!(harness.hello(archive, 0).state(), VolumeState::Ready);
    assert!(is_hint(&disk), "a volume in service has a durable hint");
}
