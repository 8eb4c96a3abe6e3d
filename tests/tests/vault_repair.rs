//! What `totebox disk repair` writes and what the vault does with the same bytes: the hint it makes is the one the
//! vault would have written, what the vault calls damaged it does not call whole, and a volume that it repaired is in
//! service behind all of its batches.

use std::fs;
use std::path::PathBuf;

use fastrand::Rng;
use ledger_fmt::batch_header::{Frontier, Hint};
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Layout};
use ledger_fmt::testing::TestVolume;
use tempfile::TempDir;
use totebox_deployment::Deployment;
use totebox_disk::repair::{Plan, Repair};
use totebox_protocol::vault::{Op, Status, VolumeState};
use totebox_tests::sim::{DiskHandle, blank_disk, deployment, for_each_seed};
use totebox_tests::vault_harness::{SMALL, VaultHarness};

/// Seeds in a normal run; `TOTEBOX_SIM_SEEDS` asks for more.
const SEEDS: u64 = 100;

/// The batches of a frontier, and its next block of `ledger/`.
type Reached = (u64, u64);

/// What a hint says: a frontier, and where its last batch header stands.
type Hinted = (Frontier, u64);

/// A disk on which archive 0 has done something, and its image in a file.
struct Site {
    deployment: Deployment,
    folder: TempDir,
    content: Vec<u8>,
}

impl Site {
    fn new(write: impl FnOnce(&mut TestVolume)) -> Site {
        let deployment = deployment(SMALL);
        let mut content = blank_disk(&deployment);
        for (number, place) in deployment.volumes.iter().enumerate().skip(1) {
            let mut volume = TestVolume::of(place.superblock());
            volume.start();
            let at = deployment.volumes[number].offset() as usize;
            content[at..at + volume.bytes.len()].copy_from_slice(&volume.bytes);
        }
        let mut volume = TestVolume::of(deployment.volumes[0].superblock());
        volume.start();
        write(&mut volume);
        let at = deployment.volumes[0].offset() as usize;
        content[at..at + volume.bytes.len()].copy_from_slice(&volume.bytes);
        Site { deployment, folder: TempDir::new().unwrap(), content }
    }

    /// Where a block of archive 0's volume is.
    fn at(&self, area: Area, block: u64) -> usize {
        let volume = &self.deployment.volumes[0];
        (volume.first_block + volume.layout.run(area, block).start) as usize * BLOCK_SIZE
    }

    fn block(&self, area: Area, block: u64) -> &[u8] {
        &self.content[self.at(area, block)..][..BLOCK_SIZE]
    }

    fn spoil(&mut self, area: Area, block: u64, rng: &mut Rng) {
        let at = self.at(area, block);
        let bytes = &mut self.content[at..at + BLOCK_SIZE];
        match rng.u8(..3) {
            0 => bytes.fill(0),
            1 => rng.fill(bytes),
            // Within any of the structures.
            _ => bytes[rng.usize(..100)] ^= 1 << rng.u8(..8),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    /// Repairs the disk as far as that goes.
    fn repair(&mut self) -> Plan {
        fs::write(self.path(), &self.content).unwrap();
        let repair = Repair::writing(&self.path(), Some(self.deployment.clone())).unwrap();
        let plan = repair.plan(&mut |_, _, _| ()).unwrap();
        if !plan.pieces.is_empty() {
            repair.carry_out(&plan, &self.folder.path().join("saved"), &mut |_, _, _| ()).unwrap();
        }
        let after = fs::read(self.path()).unwrap();
        let before = std::mem::replace(&mut self.content, after);
        for volume in &self.deployment.volumes {
            let from = volume.offset() as usize + 3 * BLOCK_SIZE;
            let bytes = from..(volume.offset() + volume.size()) as usize;
            assert!(self.content[bytes.clone()] == before[bytes], "committed bytes were touched");
        }
        plan
    }

    /// Starts the vault on a copy: the volume's state and frontier, and the newest hint then.
    fn start(&self) -> (VolumeState, Option<Reached>, Option<Hinted>, VaultHarness) {
        let disk = DiskHandle::new(self.content.clone());
        let mut harness = VaultHarness::new(&self.deployment, disk.clone(), 1);
        let archive = harness.archive(0);
        let hello = harness.hello(archive, 0);
        let frontier =
            (hello.status() == Status::Ok).then(|| (hello.info().batches.get(), hello.info().ledger_next.get()));
        harness.world.settle();
        let hint = newest(&disk.borrow().seen()[self.at(Area::Volume, 0)..], &self.deployment);
        (hello.state(), frontier, hint, harness)
    }
}

/// The newest valid hint of archive 0's volume.
fn newest(volume: &[u8], deployment: &Deployment) -> Option<Hinted> {
    let place = &deployment.volumes[0];
    let block = |block: u64| &volume[block as usize * BLOCK_SIZE..][..BLOCK_SIZE];
    let hints = HINT_BLOCKS.into_iter().filter_map(|at| Hint::find(block(at), &place.id, &place.layout));
    let hinted = hints.map(|hint| (hint.frontier(), hint.last_header_block.get()));
    hinted.max_by_key(|(frontier, _)| frontier.batches)
}

/// Some batches, and hints of some of the frontiers between.
fn some_batches(volume: &mut TestVolume, rng: &mut Rng) {
    for batch in 0..rng.u64(0..12) {
        for document in 0..rng.u64(0..3) {
            volume.document(&format!("{batch}-{document}"), &vec![batch as u8; rng.usize(0..9000)]);
        }
        volume.checkpoint();
        volume.commit();
        if rng.u8(..4) == 0 {
            volume.hint(rng.usize(..2));
        }
    }
    if rng.u8(..5) == 0 {
        volume.seal();
    }
    if rng.bool() {
        (0..2).for_each(|slot| volume.hint(slot));
    }
}

#[test]
fn a_hint_that_is_made_anew_is_the_vaults() {
    let (mut repaired, mut refused) = (0, 0);
    for_each_seed("--test vault_repair", SEEDS, |seed| {
        let rng = &mut Rng::with_seed(seed);
        let mut site = Site::new(|volume| some_batches(volume, rng));
        let Layout { space, .. } = site.deployment.volumes[0].layout;
        // A commit that did not reach the disk whole, at its end or before it.
        if rng.bool() {
            let used = (0..space.blocks).find(|block| site.block(Area::Ledger, *block).iter().all(|b| *b == 0));
            let at = used.unwrap_or(0).saturating_sub(1 + rng.u64(..3));
            site.spoil(Area::Ledger, at, rng);
        }
        for block in HINT_BLOCKS {
            if rng.u8(..3) > 0 {
                site.spoil(Area::Volume, block, rng);
            }
        }
        // What the hints that are left vouch for.
        let frontier = newest(&site.content[site.at(Area::Volume, 0)..], &site.deployment);
        // What the vault makes of it with its superblock, and then without.
        let (state, vaults, hint, _) = site.start();
        let at = site.at(Area::Volume, 0);
        let superblock = site.content[at..at + BLOCK_SIZE].to_vec();
        if rng.bool() {
            site.content[at..at + BLOCK_SIZE].fill(0);
        }
        let plan = site.repair();
        let hints = plan.pieces.iter().filter(|piece| piece.what.starts_with("hint")).count();
        let (again, after, newest, mut harness) = site.start();
        if state == VolumeState::Damaged {
            refused += 1;
            assert_eq!(hints, 0, "the vault calls it damaged: {plan:?}");
            assert!(
                plan.refusals.iter().any(|refusal| refusal.volume.as_deref() == Some("contracts")),
                "{plan:?}"
            );
        }
        if hints > 0 {
            repaired += 1;
            assert_eq!((vaults, hint), (after, newest), "{plan:?}");
            let known = frontier.map_or(0, |(frontier, _)| frontier.batches);
            let batches = newest.expect("a hint").0.batches;
            assert!(batches >= known, "a hint said {known}, now {batches}");
        }
        if !plan.pieces.is_empty() {
            assert!(site.content[at..at + BLOCK_SIZE] == superblock);
            assert_eq!((again, after), (state, vaults));
            if again == VolumeState::Ready {
                let archive = harness.archive(0);
                let next = after.expect("in service").1;
                assert_eq!(harness.write(archive, Op::Commit, next, b"a record").status(), Status::Ok);
            }
        }
    });
    println!("{repaired} repaired, {refused} damaged");
    assert!(repaired > 10 && refused > 10);
}

#[test]
fn a_volume_without_its_first_three_blocks_is_in_service_again() {
    let mut site = Site::new(|volume| {
        for number in 0..5 {
            volume.document(&format!("{number}"), &[number; 5000]);
            volume.commit();
        }
        (0..2).for_each(|slot| volume.hint(slot));
    });
    let (_, frontier, ..) = site.start();
    assert_eq!(frontier, Some((6, 6)));
    let rng = &mut Rng::with_seed(1);
    (0..3).for_each(|block| {
        let at = site.at(Area::Volume, block);
        rng.fill(&mut site.content[at..at + BLOCK_SIZE]);
    });
    let (state, frontier, ..) = site.start();
    assert_eq!((state, frontier), (VolumeState::Foreign, None));
    let plan = site.repair();
    assert_eq!(plan.pieces.iter().map(|piece| piece.what).collect::<Vec<_>>(), ["superblock", "hint A", "hint B"]);
    let (state, frontier, ..) = site.start();
    assert_eq!((state, frontier), (VolumeState::Ready, Some((6, 6))));
}

#[test]
fn with_a_damaged_document_and_no_hints_the_rest_is_in_service_again() {
    let mut site = Site::new(|volume| {
        for number in 0..5 {
            volume.document(&format!("{number}"), &[number; 5000]);
            volume.commit();
        }
        (0..2).for_each(|slot| volume.hint(slot));
    });
    let rng = &mut Rng::with_seed(2);
    let document = site.at(Area::Assets, 2);
    site.content[document] ^= 1;
    HINT_BLOCKS.into_iter().for_each(|block| {
        let at = site.at(Area::Volume, block);
        rng.fill(&mut site.content[at..at + BLOCK_SIZE]);
    });
    assert_eq!(site.start().0, VolumeState::Damaged, "the vault cannot tell it from a lost commit");
    let plan = site.repair();
    assert_eq!(plan.pieces.len(), 2, "{plan:?}");
    let (state, frontier, ..) = site.start();
    assert_eq!((state, frontier), (VolumeState::Ready, Some((6, 6))));
}
