//! The vault loses its power: at every disk operation of a fixed load (after each submission, after each
//! completion), with every subset of what was not flushed for a tiny one, and at random moments of many lives.

use fastrand::Rng;
use totebox_deployment::Deployment;
use totebox_tests::sim::{DiskHandle, Tally, blank_disk, deployment, for_each_seed};
use totebox_tests::vault_harness::{SMALL, VaultHarness};
use totebox_tests::vault_load::{Load, Sizes};

/// One archive, so that a cut has few sectors to choose from.
fn one_archive() -> Deployment {
    let first = SMALL.find("[[archive]]").unwrap();
    let second = first + 1 + SMALL[first + 1..].find("[[archive]]").unwrap();
    deployment(&SMALL[..second])
}

/// A vault under load until so many events of its disk, or to the end.
fn loaded(deployment: &Deployment, load: &Load, seed: u64, events: u64) -> (VaultHarness, Load, bool) {
    let mut load = load.clone();
    let disk = DiskHandle::new(blank_disk(deployment));
    disk.borrow_mut().cut_after(events);
    let mut harness = VaultHarness::new(deployment, disk.clone(), seed);
    while !disk.borrow().is_without_power() {
        if !load.step(deployment, &mut harness) {
            return (harness, load, true);
        }
    }
    (harness, load, false)
}

fn finish(deployment: &Deployment, load: &mut Load, harness: &mut VaultHarness) {
    while load.step(deployment, harness) {}
    harness.world.settle();
}

/// Cuts the power after every event of the disk under a load, and leaves the rest to `cut`. Returns how many
/// events there were.
fn at_every_event(
    deployment: &Deployment,
    load: &Load,
    seed: u64,
    mut cut: impl FnMut(u64, VaultHarness, Load),
) -> u64 {
    for event in 0.. {
        let (harness, load, ended) = loaded(deployment, load, seed, event);
        if ended {
            assert!(load.acknowledged() > 0, "the load commits something");
            return event;
        }
        cut(event, harness, load);
    }
    unreachable!("a load ends")
}

#[test]
fn cut_at_every_disk_operation() {
    let deployment = deployment(SMALL);
    let mut tally = Tally::default();
    tally.seeds = for_each_seed("--test vault_power_cuts cut_at_every_disk_operation", 3, |seed| {
        let load = Load::new(&deployment, 24, Sizes::ANY, seed);
        tally.cuts += at_every_event(&deployment, &load, seed, |event, harness, mut load| {
            let disk = harness.world.devices().disk.clone();
            disk.borrow_mut().cut_power(&mut Rng::with_seed(event));
            let mut harness = harness.restarted(&deployment, event);
            load.recovered(&deployment, &mut harness);
            tally.acknowledged += load.acknowledged() as u64;
            finish(&deployment, &mut load, &mut harness);
        });
    });
    println!("vault_power_cuts, every disk operation: {tally}");
    assert!(tally.cuts > 100 * tally.seeds, "only {} cuts", tally.cuts);
}

#[test]
fn every_subset_of_what_was_not_flushed() {
    const SEED: u64 = 5;
    let deployment = one_archive();
    let load = Load::new(&deployment, 14, Sizes::TINY, SEED);
    let mut tally = Tally { seeds: 1, ..Tally::default() };
    let events = at_every_event(&deployment, &load, SEED, |event, _, _| {
        let mut kept = 0;
        loop {
            let (harness, mut load, _) = loaded(&deployment, &load, SEED, event);
            let sectors = harness.world.devices().disk.borrow_mut().cut_power_keeping(kept);
            assert!(sectors < 12, "a tiny load writes few sectors, not {sectors}");
            let mut harness = harness.restarted(&deployment, kept);
            load.recovered(&deployment, &mut harness);
            tally.acknowledged += load.acknowledged() as u64;
            tally.cuts += 1;
            kept += 1;
            if kept == 1 << sectors {
                return;
            }
        }
    });
    println!("vault_power_cuts, every subset: {tally}");
    assert!(tally.cuts > 2 * events, "only {} subsets", tally.cuts);
}

#[test]
fn many_lives() {
    let deployment = deployment(SMALL);
    let mut tally = Tally::default();
    tally.seeds = for_each_seed("many_lives", 200, |seed| {
        let mut random = Rng::with_seed(seed);
        let sizes = if random.bool() { Sizes::ANY } else { Sizes::TINY };
        let mut load = Load::new(&deployment, 40, sizes, seed);
        let mut harness = VaultHarness::new(&deployment, DiskHandle::new(blank_disk(&deployment)), seed);
        for life in 1..6 {
            for _ in 0..random.usize(..2000) {
                load.step(&deployment, &mut harness);
            }
            let disk = harness.world.devices().disk.clone();
            if random.u8(..4) > 0 {
                disk.borrow_mut().cut_power(&mut random);
            }
            harness = harness.restarted(&deployment, seed + life);
            // Sometimes the power fails again while the vault recovers.
            for _ in 0..random.usize(..60) {
                harness.world.step();
            }
            if random.u8(..4) == 0 {
                disk.borrow_mut().cut_power(&mut random);
                harness = harness.restarted(&deployment, seed + life);
                tally.cuts += 1;
            }
            load.recovered(&deployment, &mut harness);
            tally.cuts += 1;
        }
        finish(&deployment, &mut load, &mut harness);
        harness.world.devices().disk.borrow_mut().cut_power(&mut random);
        let mut harness = harness.restarted(&deployment, seed);
        load.recovered(&deployment, &mut harness);
        tally.cuts += 1;
        tally.acknowledged += load.acknowledged() as u64;
    });
    println!("vault_power_cuts, many lives: {tally}");
}
