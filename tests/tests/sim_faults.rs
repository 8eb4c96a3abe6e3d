//! Disks that do not only lose power: they return errors, what a block held before, and flipped bits. What an
//! audit reads wrong is found, as the kind it is and where it is, and is over when the disk is right again; what
//! a start reads wrong costs nothing but that start; and whatever fails, every receipt holds.

use std::cell::Cell;
use std::rc::Rc;

use fastrand::Rng;
use ledger_fmt::layout::BLOCK_SIZE;
use totebox_deployment::Deployment;
use totebox_domain::device::Operation;
use totebox_tests::archive_harness::all_clean;
use totebox_tests::operator::{Gone, Operator, number, value};
use totebox_tests::oracle::Oracle;
use totebox_tests::orchestration::{Structure, row, spot};
use totebox_tests::sim::{
    DiskFault, DiskHandle, Doing, SimWire, Tally, blank_disk, deployment, for_each_seed, operator,
};
use totebox_tests::vault_harness::{SMALL, bytes};

const ARCHIVES: [&str; 3] = ["contracts", "finance", "correspondence"];

/// Two documents in each archive of a new machine.
fn at_work(deployment: &Deployment, seed: u64) -> (DiskHandle, Operator<SimWire>, Oracle) {
    let disk = DiskHandle::new(blank_disk(deployment));
    let mut operator = operator(deployment, disk.clone(), seed, None);
    operator.connect_settled().unwrap();
    let mut oracle = Oracle::new(&ARCHIVES.map(str::to_owned));
    for archive in ARCHIVES {
        for (name, size) in [("one", 5000), ("two", 300)] {
            oracle.submit(&mut operator, archive, name, bytes(size, size as u8)).unwrap().expect("there is room");
            assert_eq!(oracle.await_receipts(&mut operator), Ok(0));
            // A hint names each run.
            operator.wire.world.settle();
        }
    }
    (disk, operator, oracle)
}

/// What an audit must say of a fault in reading the block of a structure: the kind of its finding. `None` if
/// what is read is sound: the superblock was never another, and the hint before was of a frontier that was passed.
fn expected(fault: DiskFault, structure: Structure) -> Option<&'static str> {
    match (fault, structure) {
        (DiskFault::Error { .. }, _) => Some("unreadable"),
        (DiskFault::Stale { .. }, Structure::Superblock | Structure::Hint) => None,
        // With the first block of its run the batch header is gone.
        (DiskFault::Stale { .. }, Structure::RecordHeader | Structure::RecordPayload) => Some("batch"),
        (DiskFault::Stale { .. } | DiskFault::Flipped { .. }, structure) => Some(structure.flag()),
    }
}

#[test]
fn what_an_audit_reads_wrong_is_found_as_what_it_is() {
    let deployment = deployment(SMALL);
    let mut faults = 0;
    let seeds = for_each_seed("what_an_audit_reads_wrong_is_found_as_what_it_is", 2, |seed| {
        let (disk, mut operator, mut oracle) = at_work(&deployment, seed);
        let random = &mut Rng::with_seed(seed);
        for structure in Structure::ALL {
            for (volume, name) in ARCHIVES.into_iter().enumerate() {
                let spot = spot(&deployment, disk.borrow().seen(), volume, structure);
                let bits = 1 << random.u8(..8);
                let at = (spot.byte / BLOCK_SIZE) as u64;
                let stale = DiskFault::Stale { block: at, blocks: 1 };
                let flipped = DiskFault::Flipped { byte: spot.byte, bits };
                for fault in [DiskFault::Error { sectors: 0 }, stale, flipped] {
                    let what = format!("{fault:?} in {structure:?} of {name}");
                    disk.borrow_mut().set_faults(move |operation| match operation {
                        Operation::Read { block, blocks } => {
                            (*block..*block + *blocks as u64).contains(&at).then_some(fault)
                        }
                        _ => None,
                    });
                    let audit = operator.ask(&format!("audit {name}")).unwrap();
                    disk.borrow_mut().set_faults(|_| None);
                    let first = row(&audit, name);
                    assert_eq!(value(first, "finding"), expected(fault, structure), "{what}: {audit:?}");
                    if expected(fault, structure).is_some() {
                        assert!(!audit.ok(), "{what}: {audit:?}");
                        assert_eq!(number(first, "block"), spot.block, "{what}: {audit:?}");
                        faults += 1;
                    }
                    let audit = operator.ask(&format!("audit {name}")).unwrap();
                    assert_eq!(audit.end, "+audit clean volumes=1", "{what} is over");
                }
            }
        }
        oracle.close(&mut operator).expect("the power is on");
    });
    println!("sim_faults, audits: {seeds} seeds, {faults} faults in reading, each found as its kind in its place");
}

/// One read of a start goes wrong, each of them in turn, on a disk whose last runs no hint names yet. That start may
/// find volumes it cannot use. The next finds everything.
#[test]
fn what_a_start_reads_wrong_loses_nothing() {
    let deployment = deployment(SMALL);
    let mut tally = Tally::default();
    tally.seeds = for_each_seed("what_a_start_reads_wrong_loses_nothing", 1, |seed| {
        let (used, mut operator, mut oracle) = at_work(&deployment, seed);
        for archive in ARCHIVES {
            oracle.submit(&mut operator, archive, "three", bytes(70, 1)).unwrap().expect("there is room");
        }
        assert_eq!(oracle.await_receipts(&mut operator), Ok(0));
        drop(operator);
        used.borrow_mut().cut_power_keeping(0);
        type Misread = fn(&mut Rng, u64, usize) -> DiskFault;
        let flipped: Misread = |random, block, blocks| {
            // The first bytes of a block are those that mean something most often.
            let byte = (block as usize + random.usize(..blocks)) * BLOCK_SIZE + random.usize(..400);
            DiskFault::Flipped { byte, bits: 1 << random.u8(..8) }
        };
        let misreads: [Misread; 3] = [
            |_, _, _| DiskFault::Error { sectors: 0 },
            |_, block, blocks| DiskFault::Stale { block, blocks },
            flipped,
        ];
        for misread in misreads {
            for nth in 1.. {
                let disk = used.copy();
                let _doing = Doing(format!("read {nth} of the start misread"));
                let (reads, mut random) = (Rc::new(Cell::new(0)), Rng::with_seed(seed + nth));
                let counted = reads.clone();
                disk.borrow_mut().set_faults(move |operation| {
                    let Operation::Read { block, blocks } = *operation else { return None };
                    counted.set(counted.get() + 1);
                    (counted.get() == nth).then(|| misread(&mut random, block, blocks))
                });
                let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), seed + 1, None);
                operator.connect_settled().unwrap();
                operator.wire.world.settle();
                drop(operator);
                if reads.get() < nth {
                    break;
                }
                disk.borrow_mut().set_faults(|_| None);
                disk.borrow_mut().cut_power(&mut Rng::with_seed(seed));
                let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), seed + 2, None);
                oracle.clone().close(&mut operator).expect("the power is on");
                operator.wire.world.settle();
                all_clean(&deployment, &disk);
                tally.cuts += 1;
            }
        }
        tally.acknowledged += oracle.receipts();
    });
    println!("sim_faults, starts that read wrong: {tally}");
}

/// A day on a failing disk: some documents, audits and readings, of which any may fail, but none may lie.
fn day(operator: &mut Operator<SimWire>, random: &mut Rng, oracle: &mut Oracle, day: u64) -> Result<(), Gone> {
    operator.connect_settled()?;
    for i in 0..random.u32(1..10) {
        let archive = ARCHIVES[random.usize(..3)];
        let content = bytes([0, 1, 100, 4096, 9000][random.usize(..5)], random.u8(..));
        let _ = oracle.submit(operator, archive, &format!("day {day} number {i}"), content)?;
        if random.bool() {
            oracle.await_receipts(operator)?;
        }
        match random.u8(..4) {
            0 => drop(operator.ask("audit")?),
            1 => {
                if let Some((archive, seq, content)) = oracle.last()
                    && let Ok(read) = operator.get(archive, seq)?
                {
                    assert!(read == *content, "{archive} {seq} was read wrong and not said to be");
                }
            }
            _ => {}
        }
    }
    oracle.await_receipts(operator)?;
    Ok(())
}

/// One operation in so many goes wrong.
const RATES: [u32; 3] = [10, 50, 200];

#[test]
fn receipts_hold_on_failing_disks() {
    let deployment = deployment(SMALL);
    let (mut tally, mut days) = (Tally::default(), 0);
    tally.seeds = for_each_seed("receipts_hold_on_failing_disks", 100, |seed| {
        let mut random = Rng::with_seed(seed);
        let disk = DiskHandle::new(blank_disk(&deployment));
        let mut oracle = Oracle::new(&ARCHIVES.map(str::to_owned));
        for number in 0..4 {
            let rate = RATES[random.usize(..3)];
            let mut luck = random.fork();
            disk.borrow_mut()
                .set_faults(move |_| (luck.u32(..rate) == 0).then(|| DiskFault::Error { sectors: luck.u64(..) }));
            let cut_at = random.u64(..16_000);
            let mut operator = operator(&deployment, disk.clone(), seed + 1000 * number, Some(cut_at));
            match day(&mut operator, &mut random, &mut oracle, number) {
                Ok(()) => days += 1,
                Err(Gone) => tally.cuts += 1,
            }
            oracle.end_day(&operator);
            drop(operator);
            disk.borrow_mut().cut_power(&mut random);
        }
        disk.borrow_mut().set_faults(|_| None);
        let mut operator = operator(&deployment, disk.clone(), seed, None);
        oracle.close(&mut operator).expect("the power is on");
        operator.wire.world.settle();
        all_clean(&deployment, &disk);
        tally.acknowledged += oracle.receipts();
    });
    println!("sim_faults, failing disks: {tally}; {days} days went by without a power cut");
}
