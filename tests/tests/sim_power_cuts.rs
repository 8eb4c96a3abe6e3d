//! The whole appliance loses its power, or is killed, at random moments of an operator's work
//! (`totebox_tests::oracle`).

use fastrand::Rng;
use totebox_tests::archive_harness::all_clean;
use totebox_tests::operator::Gone;
use totebox_tests::oracle::Oracle;
use totebox_tests::sim::{DiskHandle, Tally, blank_disk, deployment, for_each_seed, operator};
use totebox_tests::vault_harness::SMALL;

#[test]
fn every_receipt_holds_after_power_cuts() {
    let deployment = deployment(SMALL);
    let archives: Vec<String> = deployment.archives.iter().map(|archive| archive.name.clone()).collect();
    let mut tally = Tally::default();
    tally.seeds = for_each_seed("every_receipt_holds_after_power_cuts", 200, |seed| {
        let mut random = Rng::with_seed(seed);
        let disk = DiskHandle::new(blank_disk(&deployment));
        let mut oracle = Oracle::new(&archives);
        for day in 0..4 {
            // Early cuts hit the start; a day's work is some thousand events.
            let latest = [100, 4000, 8000][random.usize(..3)];
            let cut_at = random.u64(..latest);
            let mut operator = operator(&deployment, disk.clone(), seed + 1000 * day, Some(cut_at));
            if oracle.day(&mut operator, &mut random) == Err(Gone) {
                tally.cuts += 1;
            }
            drop(operator);
            if random.u8(..4) > 0 {
                disk.borrow_mut().cut_power(&mut random);
            } else {
                disk.borrow_mut().kill(&mut random);
            }
        }
        let mut operator = operator(&deployment, disk.clone(), seed, None);
        oracle.close(&mut operator).expect("nobody cuts its power");
        operator.wire.world.settle();
        all_clean(&deployment, &disk);
        tally.acknowledged += oracle.receipts();
    });
    println!("sim_power_cuts: {tally}");
}
