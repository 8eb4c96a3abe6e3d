//! The verifier in Python (`tests/reference-verifier`), written from the documentation, and the one in Rust agree on
//! every disk: whole ones, damaged ones, forged ones, cut ones. Without Python or the packages it
//! needs these tests are reported as ignored, with the reason; they never count as passed.

mod disk;
mod pinned;
mod python;
mod spoil;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use ledger_fmt::record::Kind;
use ledger_fmt::testing::{TestVolume, payloads};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use totebox_tests::appliance::{Appliance, Sim, Site};
use totebox_tests::scripts::SCRIPTS;
use totebox_tests::sim::for_each_seed;

use disk::{DEPLOYMENT, Disk};
use python::{Python, agreed};
use totebox_disk::Pinned;

/// Seeds of the fuzzing in a normal run; `TOTEBOX_SIM_SEEDS` asks for more.
const SEEDS: u64 = 100;

type Test = fn(&Python);

const TESTS: [(&str, Test); 12] = [
    ("its_own_tests_pass", Python::own_tests),
    ("disks_the_appliance_wrote", disks_the_appliance_wrote),
    ("a_clean_disk", a_clean_disk),
    ("one_flipped_bit_in_each_structure", one_flipped_bit),
    ("payloads_of_every_kind", payloads_of_every_kind),
    ("a_volume_rolled_back_behind_its_hint", a_rolled_back_volume),
    ("disks_without_a_partition_table", disks_without_a_table),
    ("pinned_checkpoints", pinned::pinned_checkpoints),
    ("audit_records", pinned::audit_records),
    ("signatures", pinned::signatures),
    ("proofs", pinned::proofs),
    ("spoilt_disks", spoilt_disks),
];

fn main() -> ExitCode {
    let python = Python::find();
    let trials = TESTS.map(|(name, test)| match python.clone() {
        Ok(python) => Trial::test(name, move || -> Result<(), Failed> {
            test(&python);
            Ok(())
        }),
        Err(_) => Trial::test(name, || Ok(())).with_ignored_flag(true),
    });
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials.into());
    if let Err(reason) = python {
        println!("SKIPPED: {} tests of the verifier in Python: {reason}\n", TESTS.len());
    }
    conclusion.exit_code()
}

/// The console scripts, on the simulator: documents through power cuts, and the damage one of them does.
fn disks_the_appliance_wrote(python: &Python) {
    for (name, script) in SCRIPTS {
        let mut sim = Sim::new(Site::new(DEPLOYMENT), 1);
        script(&mut sim, 64 << 10);
        sim.power_cut();
        let report = agreed(python, &sim.site().disk, &Pinned::default()).expect("a disk");
        println!("{name}: {}", report["findings"]);
    }
}

fn a_clean_disk(python: &Python) {
    let report = Disk::new().agreed(python, &Pinned::default()).expect("a disk");
    assert_eq!(report["clean"], true, "{report}");
    let records: u64 = report["volumes"].as_array().unwrap().iter().map(|v| v["records"].as_u64().unwrap()).sum();
    assert_eq!(records, disk::RECORDS);
}

fn one_flipped_bit(python: &Python) {
    let whole = Disk::new();
    for (offset, expected) in whole.structures() {
        let mut disk = whole.clone();
        disk.bytes[offset] ^= 0x10;
        let report = disk.agreed(python, &Pinned::default()).expect("a disk");
        let findings = report["findings"].as_array().unwrap();
        let places: Vec<Value> =
            findings.iter().map(|f| json!([f["volume"], f["kind"], f["area"], f["block"], f["record"]])).collect();
        assert_eq!(places, [expected], "byte {offset}: {report}");
    }
}

/// A volume for each kind, with a record for each payload that tests its form.
fn payloads_of_every_kind(python: &Python) {
    for &kind in Kind::ALL {
        let mut volume = TestVolume::blank("forms", 1024);
        volume.start();
        let mut unsound = Vec::new();
        for (payload, fits) in payloads(kind) {
            let sequence = volume.add(kind, &payload);
            unsound.extend((!fits).then_some(sequence));
            volume.commit();
        }
        volume.hint(1);
        let file = NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), &volume.bytes).expect("the file can be written");
        let report = agreed(python, file.path(), &Pinned::default()).expect("a disk");
        let findings = report["findings"].as_array().expect("a list");
        let found = |sequence: u64| findings.iter().any(|finding| finding["record"] == sequence);
        assert!(unsound.into_iter().all(found), "{kind:?}: {report}");
    }
}

fn a_rolled_back_volume(python: &Python) {
    let mut disk = Disk::new();
    let at = disk.last_batch();
    disk.bytes[at.clone()].fill(0);
    let report = disk.agreed(python, &Pinned::default()).expect("a disk");
    let finding = &report["findings"][0];
    assert_eq!(json!([finding["volume"], finding["kind"]]), json!(["contracts", "rollback"]), "{report}");
}

/// Volumes that have to be searched for: a volume alone, all of them at an odd place, and spoilt ones.
fn disks_without_a_table(python: &Python) {
    let whole = Disk::new();
    let lose_table = |disk: &mut Disk| {
        let end = disk.bytes.len().saturating_sub(33 * 512);
        disk.bytes[..34 * 512].fill(0);
        disk.bytes[end..].fill(0);
    };
    let mut lost = whole.clone();
    lose_table(&mut lost);
    let volume = &whole.volumes[0];
    let mut alone = whole.clone();
    alone.bytes = whole.bytes[volume.offset() as usize..][..volume.size() as usize].to_vec();
    let mut shifted = lost.clone();
    shifted.bytes.splice(0..0, [0x5a; 63 * 512]);
    // A document that is a whole volume is none.
    let mut planted = TestVolume::new("planted");
    planted.document("forged", b"never committed by anybody");
    planted.commit();
    planted.hint(1);
    let mut outer = TestVolume::blank("outer", 1024);
    outer.start();
    outer.document("volume", &planted.bytes);
    outer.commit();
    outer.hint(1);
    let mut nested = whole.clone();
    nested.bytes = outer.bytes;
    for (disk, findings, volumes) in [(lost.clone(), 1, 4), (alone, 0, 1), (shifted, 1, 4), (nested, 0, 1)] {
        let report = disk.agreed(python, &Pinned::default()).expect("a disk");
        let count = |list: &str| report[list].as_array().expect("a list").len();
        assert_eq!((count("findings"), count("volumes")), (findings, volumes), "{report}");
    }
    for_each_seed("--test reference_verifier disks_without", SEEDS / 4, |seed| {
        let mut disk = lost.clone();
        spoil::spoil(&mut disk, &mut fastrand::Rng::with_seed(seed));
        disk.agreed(python, &Pinned::default());
    });
}

fn spoilt_disks(python: &Python) {
    let whole = Disk::new();
    // What is checked with keys takes longest.
    let given = [whole.kept(), Pinned::default(), Pinned::default(), Pinned::default()];
    let mut seen = BTreeMap::<String, u64>::new();
    for_each_seed("--test reference_verifier spoilt_disks", SEEDS, |seed| {
        let mut disk = whole.clone();
        spoil::spoil(&mut disk, &mut fastrand::Rng::with_seed(seed));
        let report = disk.agreed(python, &given[seed as usize % given.len()]);
        let findings = report.iter().flat_map(|report| report["findings"].as_array().expect("a list"));
        let kinds: BTreeSet<&str> = findings.map(|finding| finding["kind"].as_str().expect("a kind")).collect();
        let clean = kinds.is_empty().then_some(if report.is_some() { "nothing found" } else { "no disk" });
        kinds.into_iter().chain(clean).for_each(|kind| *seen.entry(kind.to_owned()).or_default() += 1);
    });
    println!("spoilt disks on which both found: {seen:?}");
}
