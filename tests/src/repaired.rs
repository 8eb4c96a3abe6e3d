//! A volume that lost what it has only once, on every backend: out of service, repaired offline, in service again.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ledger_fmt::layout::{BLOCK_SIZE, DIRECTORIES_START};

use crate::appliance::{Appliance, row};
use crate::orchestrated::audited;

/// Superblock and both hints of one archive are gone: it is unavailable and its siblings are not. After a repair its
/// documents are there, it takes another one, and nothing is wrong with the disk.
pub fn a_repaired_volume_goes_on(appliance: &mut dyn Appliance, _: u64) {
    let folder = appliance.site().folder.path().to_path_buf();
    let path = |name: &str| folder.join(name).to_str().expect("made of UTF-8").to_owned();
    for name in ["before", "after", "sibling"] {
        fs::write(path(name), format!("the document {name}")).expect("the folder can be written");
    }
    appliance.start();
    appliance.wait_until_active();
    appliance.tool().call(&["put", "contracts", &path("before")]).expect(0);
    appliance.power_cut();

    let disk = path("disk.img");
    lose_first_blocks(appliance);
    appliance.tool().offline(&["disk", "verify", &disk]).expect(1);
    appliance.start();
    let mut terminal = appliance.terminal();
    terminal.command_until("status", |status| {
        row(status, "contracts").contains("unavailable") && row(status, "finance").contains("active")
    });
    drop(terminal);
    appliance.tool().call(&["put", "contracts", &path("after")]).expect(1);
    appliance.tool().call(&["put", "finance", &path("sibling")]).expect(0);
    appliance.power_cut();

    let arguments = ["disk", "repair", &disk, "--deployment", "."];
    let answer = appliance.tool().offline(&arguments).expect(1);
    assert!(answer.stdout.contains("contracts: superblock, to be written at byte"), "{answer:?}");
    let answer = appliance.tool().offline(&[&arguments[..], &["--write"]].concat()).expect(0);
    for what in ["superblock", "hint A", "hint B"] {
        assert!(answer.stdout.contains(&format!("contracts: {what}, written at byte")), "{answer:?}");
    }
    appliance.tool().offline(&["disk", "verify", &disk, "--deployment", "."]).expect(0);

    appliance.start();
    appliance.wait_until_active();
    appliance.tool().call(&["get", "contracts", "1", "-o", &path("fetched")]).expect(0);
    assert_eq!(fs::read_to_string(path("fetched")).expect("it was written"), "the document before");
    let answer = appliance.tool().call(&["put", "contracts", &path("after"), "--json"]).expect(0);
    assert!(answer.stdout.contains("\"receipt\"") || answer.stdout.contains("sequence"), "{answer:?}");
    audited(appliance, &[], 0);
    appliance.power_cut();
    appliance.tool().offline(&["disk", "verify", &disk, "--deployment", "."]).expect(0);
}

/// Overwrites what stands before the directories of `contracts`.
fn lose_first_blocks(appliance: &dyn Appliance) {
    let site = appliance.site();
    let volume = site.deployment.volumes.iter().find(|volume| volume.name == "contracts").expect("an archive");
    overwrite(&site.disk, volume.offset(), DIRECTORIES_START as usize * BLOCK_SIZE);
}

fn overwrite(disk: &Path, offset: u64, len: usize) {
    let file = fs::File::options().write(true).open(disk).expect("the disk can be opened");
    file.write_all_at(&vec![0x5a; len], offset).expect("the disk can be written");
}
