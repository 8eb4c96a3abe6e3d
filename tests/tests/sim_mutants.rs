//! Tests of the tests: an appliance that is broken on purpose loses what it acknowledged, or believes what it
//! must not, and the simulator says so; the sound one passes the same. The product has no switch to break it:
//! here a broken vault is played by the disk below it, and a chain that is broken by its writer. `make mutants`
//! breaks the source itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;
use ledger_fmt::batch_header::{BatchHeader, STAMP_SIZE};
use ledger_fmt::testing::TestVolume;
use ledger_fmt::verify::{FindingKind, Mode};
use totebox_deployment::Deployment;
use totebox_tests::archive_harness::verify;
use totebox_tests::operator::{number, value};
use totebox_tests::orchestration::row;
use totebox_tests::sim::{Abilities, DiskHandle, blank_disk, deployment, operator};
use totebox_tests::vault_harness::{SMALL, VaultHarness};
use totebox_tests::vault_load::{Load, Sizes};

const SEEDS: u64 = 20;

/// What the simulator says of a vault that loses its frontier.
const VIOLATIONS: [&str; 4] =
    ["runs acknowledged, ", "names what is not durable", "may be written any more", "at risk together"];

/// A load to its end, a power cut and a recovery, judged by the model.
fn life(deployment: &Deployment, seed: u64, mutant: impl Fn(&DiskHandle)) {
    let disk = DiskHandle::new(blank_disk(deployment));
    mutant(&disk);
    let mut load = Load::new(deployment, 40, Sizes::TINY, seed);
    let mut harness = VaultHarness::new(deployment, disk.clone(), seed);
    while load.step(deployment, &mut harness) {}
    disk.borrow_mut().cut_power(&mut Rng::with_seed(seed));
    let mut harness = harness.restarted(deployment, seed);
    load.recovered(deployment, &mut harness);
}

/// Every seed passes with the vault as it is, and is failed by the mutant.
fn is_caught(what: &str, mutant: impl Fn(&Deployment, &DiskHandle)) {
    let deployment = deployment(SMALL);
    for seed in 0..SEEDS {
        life(&deployment, seed, |_| {});
        let verdict = catch_unwind(AssertUnwindSafe(|| life(&deployment, seed, |disk| mutant(&deployment, disk))));
        let panic = verdict.expect_err("the mutant passes for sound");
        let violation = panic.downcast_ref::<String>().expect("a violation is named");
        let named = VIOLATIONS.iter().any(|text| violation.contains(text));
        assert!(named, "{what}, seed {seed}: {violation}");
    }
    println!("{what}: caught under each of {SEEDS} seeds");
}

#[test]
fn a_skipped_flush_is_caught() {
    is_caught("flush skipped", |_, disk| {
        disk.borrow_mut().set_abilities(Abilities { skips_flushes: true, ..Abilities::default() });
    });
}

/// The batch headers are the frontier on the disk: without them only the vault's memory has it.
#[test]
fn a_frontier_in_memory_only_is_caught() {
    is_caught("frontier in memory only", |deployment, disk| {
        let ledger = |volume: &totebox_deployment::volume::Volume| {
            let space = volume.layout.space;
            volume.first_block + space.start..volume.first_block + space.end()
        };
        let ledgers: Vec<_> = deployment.volumes.iter().map(ledger).collect();
        disk.borrow_mut().alter_writes(move |block, bytes| {
            if ledgers.iter().any(|ledger| ledger.contains(&block)) && bytes.starts_with(&BatchHeader::MAGIC) {
                bytes[..STAMP_SIZE].fill(0);
            }
        });
    });
}

/// A volume with four records; if `broken`, the previous hash in the third is wrong, and everything else that
/// is computed from it agrees with it: its own check, the next record, the tree in the checkpoint, the batch headers.
fn chained(deployment: &Deployment, broken: bool) -> TestVolume {
    let mut volume = TestVolume::of(deployment.volumes[0].superblock());
    volume.start();
    volume.document("before", b"before");
    volume.head.hash[0] ^= u8::from(broken);
    volume.document("behind", b"behind");
    volume.checkpoint();
    volume.commit();
    volume.hint(1);
    volume
}

/// Only by the previous hash can that be found: the verifier, and the auditor in the running appliance, find
/// just that. One that did not look would find nothing.
#[test]
fn a_chain_whose_previous_hash_is_wrong_is_found_by_that_alone() {
    let deployment = deployment(SMALL);
    let first = deployment.volumes[0].offset() as usize;
    for broken in [false, true] {
        let volume = chained(&deployment, broken);
        let mut content = blank_disk(&deployment);
        content[first..first + volume.bytes.len()].copy_from_slice(&volume.bytes);
        let disk = DiskHandle::new(content);

        let findings = verify(&deployment, &disk, 0).findings;
        let found: Vec<_> = findings.iter().map(|finding| (finding.kind, finding.record)).collect();
        let expected = if broken { vec![(FindingKind::Chain, Some(2))] } else { vec![] };
        assert_eq!(found, expected);
        let ledger_only = ledger_fmt::testing::verify(&volume.bytes, &volume.superblock, None, Mode::Ledger);
        assert_eq!(ledger_only.findings, findings);

        let mut operator = operator(&deployment, disk, 1, None);
        operator.connect_settled().unwrap();
        let audit = operator.ask("audit contracts").unwrap();
        let contracts = row(&audit, "contracts");
        if broken {
            assert_eq!(audit.error(), Some("mismatch"), "{audit:?}");
            assert_eq!((value(contracts, "finding"), number(contracts, "record")), (Some("chain"), 2));
            assert_eq!(number(contracts, "findings"), 1, "{audit:?}");
        } else {
            assert_eq!(audit.end, "+audit clean volumes=1", "{audit:?}");
        }
    }
}
