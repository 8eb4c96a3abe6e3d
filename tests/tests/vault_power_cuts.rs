//! The vault loses its power: at every disk operation of a fixed load, with every subset of what was not
//! flushed for a tiny one, and at random moments of many lives.

use fastrand::Rng;
use totebox::model::Deployment;
use totebox_tests::sim::{DiskHandle, blank_disk, deployment, for_each_seed};
use totebox_tests::vault_bench::{SMALL, VaultBench};
use totebox_tests::vault_load::{Load, Sizes};

/// One archive, so that a cut has few sectors to choose from.
fn one_archive() -> Deployment {
    let first = SMALL.find("[[archive]]").unwrap();
    let second = first + 1 + SMALL[first + 1..].find("[[archive]]").unwrap();
    deployment(&SMALL[..second])
}

/// A vault under load until `until` disk operations were submitted, or to the end.
fn loaded(deployment: &Deployment, load: &Load, seed: u64, until: u64) -> (VaultBench, Load, bool) {
    let mut load = load.clone();
    let mut bench = VaultBench::new(deployment, DiskHandle::new(blank_disk(deployment)), seed);
    while bench.world.devices().disk.borrow().submitted() < until {
        if !load.step(deployment, &mut bench) {
            return (bench, load, true);
        }
    }
    (bench, load, false)
}

fn finish(deployment: &Deployment, load: &mut Load, bench: &mut VaultBench) {
    while load.step(deployment, bench) {}
    bench.world.settle();
}

/// Cuts the power after every disk operation of a load, and leaves the rest to `cut`.
fn at_every_operation(
    deployment: &Deployment,
    load: &Load,
    seed: u64,
    mut cut: impl FnMut(u64, VaultBench, Load),
) -> u64 {
    for operation in 0.. {
        let (bench, load, ended) = loaded(deployment, load, seed, operation);
        if ended {
            assert!(load.acknowledged() > 0, "the load commits something");
            return operation;
        }
        cut(operation, bench, load);
    }
    unreachable!("a load ends")
}

#[test]
fn cut_at_every_disk_operation() {
    let deployment = deployment(SMALL);
    let mut cuts = 0;
    for seed in 0..3 {
        let load = Load::new(&deployment, 24, Sizes::ANY, seed);
        at_every_operation(&deployment, &load, seed, |operation, bench, mut load| {
            let disk = bench.world.devices().disk.clone();
            disk.borrow_mut().cut_power(&mut Rng::with_seed(operation));
            let mut bench = bench.restarted(&deployment, operation);
            load.recovered(&deployment, &mut bench);
            finish(&deployment, &mut load, &mut bench);
            cuts += 1;
        });
    }
    println!("{cuts} power cuts, nothing lost");
    assert!(cuts > 200, "only {cuts} cuts");
}

#[test]
fn every_subset_of_what_was_not_flushed() {
    const SEED: u64 = 5;
    let deployment = one_archive();
    let load = Load::new(&deployment, 14, Sizes::TINY, SEED);
    let mut cuts = 0;
    let operations = at_every_operation(&deployment, &load, SEED, |operation, _, _| {
        let mut kept = 0;
        loop {
            let (bench, mut load, _) = loaded(&deployment, &load, SEED, operation);
            let sectors = bench.world.devices().disk.borrow_mut().cut_power_keeping(kept);
            assert!(sectors < 12, "a tiny load writes few sectors, not {sectors}");
            let mut bench = bench.restarted(&deployment, kept);
            load.recovered(&deployment, &mut bench);
            cuts += 1;
            kept += 1;
            if kept == 1 << sectors {
                return;
            }
        }
    });
    println!("{cuts} subsets at {operations} operations, nothing lost");
    assert!(cuts > 2 * operations, "only {cuts} subsets");
}

#[test]
fn many_lives() {
    let deployment = deployment(SMALL);
    for_each_seed("many_lives", 200, |seed| {
        let mut random = Rng::with_seed(seed);
        let sizes = if random.bool() { Sizes::ANY } else { Sizes::TINY };
        let mut load = Load::new(&deployment, 40, sizes, seed);
        let mut bench = VaultBench::new(&deployment, DiskHandle::new(blank_disk(&deployment)), seed);
        for life in 1..6 {
            for _ in 0..random.usize(..2000) {
                load.step(&deployment, &mut bench);
            }
            let disk = bench.world.devices().disk.clone();
            if random.u8(..4) > 0 {
                disk.borrow_mut().cut_power(&mut random);
            }
            bench = bench.restarted(&deployment, seed + life);
            // Sometimes the power fails again while the vault recovers.
            for _ in 0..random.usize(..60) {
                bench.world.step();
            }
            if random.u8(..4) == 0 {
                disk.borrow_mut().cut_power(&mut random);
                bench = bench.restarted(&deployment, seed + life);
            }
            load.recovered(&deployment, &mut bench);
        }
        finish(&deployment, &mut load, &mut bench);
        bench.world.devices().disk.borrow_mut().cut_power(&mut random);
        let mut bench = bench.restarted(&deployment, seed);
        load.recovered(&deployment, &mut bench);
    });
}
