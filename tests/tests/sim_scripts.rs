//! Fixed scripts at the operator's line, their power cut at every disk operation: after each submission and after
//! each completion, from the first start on. Then the machine is started again, comes up, and is judged by what
//! the operator knows; and it takes a document more. Another script is so short that every subset of the sectors
//! that were not flushed can be tried. That nothing committed is written again, the simulated disk sees to.

use fastrand::Rng;
use totebox_deployment::Deployment;
use totebox_tests::archive_harness::all_clean;
use totebox_tests::operator::{Answer, Gone, Operator, value};
use totebox_tests::oracle::Oracle;
use totebox_tests::orchestration::row;
use totebox_tests::sim::{DiskHandle, Doing, SimWire, Tally, blank_disk, deployment, for_each_seed, operator};
use totebox_tests::vault_harness::{SMALL, bytes};

/// Two archives.
fn two_archives() -> Deployment {
    let (rest, _) = SMALL.rsplit_once("[[archive]]").expect("there are three");
    deployment(rest)
}

fn names(deployment: &Deployment) -> Vec<String> {
    deployment.archives.iter().map(|archive| archive.name.clone()).collect()
}

/// A step of a script.
#[derive(Clone, Copy)]
enum Step {
    /// Submits a document of so many bytes to an archive.
    Submit(&'static str, usize),
    /// Waits for all receipts.
    Receipts,
    /// Gives a command, which succeeds.
    Command(&'static str),
}

use Step::{Command, Receipts, Submit};

const SCRIPTS: [(&str, &[Step]); 4] = [
    ("documents", &[Submit("contracts", 100), Receipts, Submit("contracts", 9000), Receipts]),
    (
        "together",
        &[
            Submit("contracts", 5000),
            Submit("finance", 1),
            Submit("contracts", 0),
            Submit("finance", 4096),
            Receipts,
        ],
    ),
    ("audits", &[Command("audit"), Submit("finance", 700), Command("audit"), Receipts, Command("audit finance")]),
    (
        "lifecycle",
        &[
            Submit("finance", 50),
            Receipts,
            Command("suspend finance"),
            Submit("contracts", 50),
            Command("resume finance"),
            Command("archive finance final"),
            Receipts,
        ],
    ),
];

/// Plays a script to its end, or until the power is gone.
fn play(script: &[Step], operator: &mut Operator<SimWire>, oracle: &mut Oracle) -> Result<(), Gone> {
    operator.connect_settled()?;
    for (number, step) in script.iter().enumerate() {
        match *step {
            Submit(archive, size) => {
                let content = bytes(size, number as u8);
                oracle.submit(operator, archive, &format!("step {number}"), content)?.expect("there is room");
            }
            Receipts => assert_eq!(oracle.await_receipts(operator)?, 0, "there is room"),
            Command(command) => assert!(operator.ask(command)?.ok(), "{command}"),
        }
    }
    Ok(())
}

/// A machine whose script was cut short after some events of its disk.
struct Cut {
    disk: DiskHandle,
    oracle: Oracle,
    /// The script had ended before.
    ended: bool,
}

/// Plays a script on a copy of a disk and cuts it short.
fn cut_short(deployment: &Deployment, disk: &DiskHandle, script: &[Step], seed: u64, events: u64) -> Cut {
    let disk = disk.copy();
    disk.borrow_mut().cut_after(events);
    let mut operator = operator(deployment, disk.clone(), seed, None);
    let mut oracle = Oracle::new(&names(deployment));
    let ended = play(script, &mut operator, &mut oracle).is_ok();
    oracle.end_day(&operator);
    Cut { disk, oracle, ended }
}

/// The machine is started again, and judged.
fn judge(deployment: &Deployment, Cut { disk, mut oracle, .. }: Cut, seed: u64) -> u64 {
    let mut operator = operator(deployment, disk.clone(), seed, None);
    operator.connect_settled().expect("the power is on");
    // A transition that was recorded is completed.
    operator.wire.world.settle();
    let status = operator.ask("status").expect("the power is on");
    let in_state = |status: &Answer, wanted: &str| -> Vec<String> {
        let archives = deployment.archives.iter().map(|archive| archive.name.clone());
        archives.filter(|name| value(row(status, name), "state") == Some(wanted)).collect()
    };
    // What is suspended gives nothing before it is resumed.
    for archive in in_state(&status, "suspended") {
        let resumed = operator.ask(&format!("resume {archive}")).expect("the power is on");
        assert!(resumed.ok(), "{resumed:?}");
    }
    oracle.close(&mut operator).expect("the power is on");
    operator.wire.world.settle();
    all_clean(deployment, &disk);
    let acknowledged = oracle.receipts();
    // What was interrupted is no obstacle.
    let status = operator.ask("status").expect("the power is on");
    for archive in in_state(&status, "active") {
        oracle.submit(&mut operator, &archive, "after", bytes(10, 1)).unwrap().expect("there is room");
    }
    assert_eq!(oracle.await_receipts(&mut operator), Ok(0));
    acknowledged
}

#[test]
fn cut_at_every_disk_operation() {
    let deployment = two_archives();
    let blank = DiskHandle::new(blank_disk(&deployment));
    let mut tally = Tally::default();
    tally.seeds = for_each_seed("cut_at_every_disk_operation", 1, |seed| {
        for (name, script) in SCRIPTS {
            for events in 0.. {
                let cut = cut_short(&deployment, &blank, script, seed, events);
                if cut.ended {
                    break;
                }
                let _doing = Doing(format!("script {name}, cut after {events} events of the disk"));
                cut.disk.borrow_mut().cut_power(&mut Rng::with_seed(seed + events));
                tally.acknowledged += judge(&deployment, cut, seed + 1);
                tally.cuts += 1;
            }
        }
    });
    println!("sim_scripts, every disk operation: {tally}");
}

/// Sectors of which every subset is tried: as many as [`SHORT`] ever has at risk at once.
const SECTORS_MAX: usize = 7;

/// Two documents, each with a sector of content.
const SHORT: &[Step] = &[Submit("contracts", 100), Receipts, Submit("contracts", 90), Receipts];

#[test]
fn every_subset_of_what_was_not_flushed() {
    let deployment = two_archives();
    // From a machine that has been in use, so that only the document is at risk.
    let used = DiskHandle::new(blank_disk(&deployment));
    let mut first = operator(&deployment, used.clone(), 1, None);
    first.connect_settled().unwrap();
    first.wire.world.settle();
    drop(first);
    let mut tally = Tally::default();
    tally.seeds = for_each_seed("--test sim_scripts every_subset_of_what_was_not_flushed", 1, |seed| {
        for events in 0.. {
            let mut kept = 0;
            loop {
                let cut = cut_short(&deployment, &used, SHORT, seed, events);
                if cut.ended {
                    return;
                }
                let sectors = cut.disk.borrow_mut().cut_power_keeping(kept);
                assert!(sectors <= SECTORS_MAX, "{sectors} sectors are at risk after {events} events of the disk");
                let _doing =
                    Doing(format!("a cut after {events} events of the disk, {kept:b} of {sectors} sectors kept"));
                tally.acknowledged += judge(&deployment, cut, seed + 1);
                tally.cuts += 1;
                kept += 1;
                if kept == 1 << sectors {
                    break;
                }
            }
        }
    });
    println!("sim_scripts, every subset: {tally}");
}
