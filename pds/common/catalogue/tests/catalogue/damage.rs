//! What somebody else wrote into the directory: flipped bits, older states, other catalogues, other keys, noise.

use fastrand::Rng;
use totebox_catalogue::{BLOCK, Found};

use crate::disk::Disk;
use crate::world::{Ledger, World, config, some_name};

const BLOCKS: u64 = 400;

fn filled(records: usize, seed: u64) -> World {
    let mut rng = Rng::with_seed(seed);
    let mut world = World::new(config(BLOCKS, 8192, 32));
    for _ in 0..records {
        let name = Some(some_name(&mut rng));
        world.append(name, &mut rng);
    }
    assert!(world.catch_up());
    world.catalogue.checkpoint();
    world.settle();
    assert!(!world.catalogue.is_full());
    world
}

/// Blocks of runs, those that are in use among them.
fn used(world: &World) -> Vec<usize> {
    let is_used = |block: &usize| world.disk.block(*block as u64).iter().any(|&byte| byte != 0);
    (6..BLOCKS as usize).filter(is_used).collect()
}

/// Opens a directory: what it shows is right up to its head, or it says that something is damaged. In both cases it
/// can be fed and be whole again.
fn open(bytes: Vec<u8>, ledger: &Ledger) -> (Found, bool) {
    let mut world = World::over(config(BLOCKS, 8192, 32), Disk::of(bytes), ledger.clone());
    let found = world.catalogue.found();
    let is_whole = world.check().is_ok();
    if !is_whole {
        assert!(world.catalogue.damage().is_some());
        assert!(world.newest(b"the same name").is_err());
        world.catalogue.rebuild();
        assert_eq!(world.catalogue.head().next, 0);
    }
    assert!(world.catch_up());
    world.check().unwrap();
    world.catalogue.checkpoint();
    world.settle();
    world.restart();
    assert_eq!(world.catalogue.head().next, ledger.len() as u64);
    world.check().unwrap();
    (found, is_whole)
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let world = filled(600, 1);
    let used: u32 = world.catalogue.runs().sum();
    let mut rng = Rng::with_seed(2);
    let (mut damaged, mut older) = (0, 0);
    for block in 0..BLOCKS as usize {
        let mut bytes = world.disk.bytes.clone();
        bytes[block * BLOCK + rng.usize(..BLOCK)] ^= 1 << rng.u8(..8);
        let (found, is_whole) = open(bytes, &world.ledger);
        assert_eq!(found, Found::Whole);
        damaged += u32::from(!is_whole);
        older += u32::from(block < 6);
    }
    // Every block of a run; and blocks of the manifests only where an older one names what is gone.
    assert!((used..=used + older).contains(&damaged), "{damaged} of {used}");
}

#[test]
fn both_manifests_damaged_is_said() {
    let world = filled(300, 3);
    let mut bytes = world.disk.bytes.clone();
    bytes[100] ^= 1;
    bytes[3 * BLOCK + 100] ^= 1;
    assert_eq!(open(bytes, &world.ledger), (Found::Damaged, true));
}

#[test]
fn manifests_in_each_other_s_places_are_not_used() {
    let world = filled(300, 13);
    let mut bytes = world.disk.bytes.clone();
    bytes.copy_within(..3 * BLOCK, 6 * BLOCK);
    bytes.copy_within(3 * BLOCK..6 * BLOCK, 0);
    bytes.copy_within(6 * BLOCK..9 * BLOCK, 3 * BLOCK);
    assert_eq!(open(bytes, &world.ledger), (Found::Damaged, true));
}

#[test]
fn an_older_state_is_whole_up_to_an_older_head() {
    let mut world = filled(300, 4);
    let (old, head) = (world.disk.bytes.clone(), world.catalogue.head());
    let mut rng = Rng::with_seed(5);
    for _ in 0..600 {
        let name = Some(some_name(&mut rng));
        world.append(name, &mut rng);
    }
    assert!(world.catch_up());
    world.catalogue.checkpoint();
    world.settle();
    assert_eq!(open(old.clone(), &world.ledger), (Found::Whole, true));
    // Its manifests alone, over the newer blocks.
    let mut bytes = world.disk.bytes.clone();
    bytes[..6 * BLOCK].copy_from_slice(&old[..6 * BLOCK]);
    assert_eq!(open(bytes, &world.ledger).0, Found::Whole);
    // Some of its blocks, under the newer manifests: each is where another one is due, or the same.
    for _ in 0..50 {
        let mut bytes = world.disk.bytes.clone();
        for _ in 0..rng.usize(1..10) {
            let at = rng.usize(6..BLOCKS as usize) * BLOCK;
            bytes[at..at + BLOCK].copy_from_slice(&old[at..at + BLOCK]);
        }
        assert_eq!(open(bytes, &world.ledger).0, Found::Whole);
    }
    // By the head the caller sees that it is older, and by the anchor whether it is of this ledger.
    let opened = World::over(config(BLOCKS, 8192, 32), Disk::of(old), world.ledger.clone());
    assert_eq!(opened.catalogue.head(), head);
}

#[test]
fn a_ledger_that_went_on_otherwise_is_another() {
    // Two ledgers that differ in what their records are, and not in how many there are.
    let world = filled(600, 11);
    let mut other = World::new(config(BLOCKS, 8192, 32));
    other.otherwise = true;
    other.ledger = world.ledger.clone();
    for (name, entry) in other.ledger.iter_mut().flatten() {
        entry.size ^= 1;
        name[0] ^= 1;
    }
    assert!(other.catch_up());
    other.catalogue.checkpoint();
    other.settle();
    // Its anchor tells it as a whole,
    assert_eq!(other.catalogue.head().next, world.catalogue.head().next);
    assert_ne!(other.catalogue.head().anchor, world.catalogue.head().anchor);
    // and none of its blocks is taken for one of this ledger.
    let (used, mut rng, mut found) = (used(&world), Rng::with_seed(12), 0);
    for _ in 0..200 {
        let mut bytes = world.disk.bytes.clone();
        let at = *rng.choice(&used).unwrap() * BLOCK;
        bytes[at..at + BLOCK].copy_from_slice(&other.disk.bytes[at..at + BLOCK]);
        found += u32::from(!open(bytes, &world.ledger).1);
    }
    assert!(found > 20, "{found}");
}

#[test]
fn what_is_not_its_own_is_not_used() {
    let world = filled(300, 6);
    let open = |change: &dyn Fn(&mut totebox_catalogue::Config)| {
        let mut config = config(BLOCKS, 8192, 32);
        change(&mut config);
        let opened = World::over(config, world.disk.clone(), world.ledger.clone());
        assert_eq!(opened.catalogue.head().next, opened.config.first);
        opened.catalogue.found()
    };
    assert_eq!(open(&|config| config.volume[3] ^= 1), Found::Foreign);
    assert_eq!(open(&|config| config.key[3] ^= 1), Found::Damaged);
    assert_eq!(open(&|config| config.first = 7), Found::Foreign);
    assert_eq!(open(&|config| config.blocks -= 8), Found::Foreign);
}

#[test]
fn blocks_moved_about_are_found() {
    let world = filled(600, 7);
    let mut rng = Rng::with_seed(8);
    let (used, mut found) = (used(&world), 0);
    for _ in 0..100 {
        let mut bytes = world.disk.bytes.clone();
        for _ in 0..rng.usize(1..4) {
            // Neighbours, as a rule, are of one run.
            let at = rng.usize(..used.len() - 1);
            let (from, to) = if rng.bool() { (used[at], used[at + 1]) } else { (used[at + 1], used[at]) };
            bytes.copy_within(from * BLOCK..(from + 1) * BLOCK, to * BLOCK);
        }
        found += u32::from(!open(bytes, &world.ledger).1);
    } // The others moved what no run has any more.
    assert!(found > 20, "{found}");
}

#[test]
fn noise_is_not_taken_for_a_catalogue() {
    let world = filled(100, 9);
    let mut rng = Rng::with_seed(10);
    for _ in 0..20 {
        let mut bytes = world.disk.bytes.clone();
        let end = if rng.bool() { 6 * BLOCK } else { bytes.len() };
        rng.fill(&mut bytes[..end]);
        assert_eq!(open(bytes, &world.ledger), (Found::Damaged, true));
    }
}
