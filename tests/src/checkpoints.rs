//! What an auditor does with checkpoints that a running appliance signs: keep one, prove by it, and hold later
//! disks against it. The deployment's audit period is a second, so that one is signed soon.

use std::fs;

use crate::appliance::Appliance;

/// The archive looked at.
const ARCHIVE: &str = "contracts";

/// A document is committed and a checkpoint over it is signed, twice; then the disk is replaced by the one of
/// the first time.
pub fn pinned_checkpoints_bind_the_disk(appliance: &mut dyn Appliance) {
    let folder = appliance.site().folder.path().to_owned();
    fs::write(folder.join("lease"), "a lease, signed by both\n").expect("the folder can be written");
    let keys = appliance.tool().offline(&["keys"]).expect(0).stdout;
    fs::write(folder.join("archives.vkey"), keys).expect("the folder can be written");

    let record = commit_and_sign(appliance, 1);
    let offline = |line: &str, code| appliance.tool().offline(&line.split(' ').collect::<Vec<_>>()).expect(code);
    offline("disk checkpoint disk.img contracts -o first.checkpoint", 0);
    let verified = offline("disk verify disk.img --checkpoint first.checkpoint --key archives.vkey", 0);
    assert!(verified.stdout.contains("contracts: clean"), "{}", verified.stdout);
    offline(&format!("disk prove disk.img contracts --record {record} -o lease.tlog-proof"), 0);
    let proved = offline("check-proof lease.tlog-proof --key archives.vkey --content lease", 0);
    assert!(proved.stdout.contains("lease is its content"), "{}", proved.stdout);
    fs::copy(folder.join("disk.img"), folder.join("older.img")).expect("there is room for a copy");

    commit_and_sign(appliance, 2);
    let offline = |line: &str, code| appliance.tool().offline(&line.split(' ').collect::<Vec<_>>()).expect(code);
    offline("disk checkpoint disk.img contracts -o second.checkpoint", 0);
    offline("disk verify disk.img --checkpoint first.checkpoint --key archives.vkey", 0);
    offline("disk prove disk.img contracts --from first.checkpoint -o growth", 0);
    offline("check-proof growth --key archives.vkey --from first.checkpoint", 0);
    offline("disk verify older.img", 0);
    let refused = offline("disk verify older.img --checkpoint second.checkpoint --key archives.vkey", 1);
    assert!(refused.stdout.contains("contracts: rollback: "), "{}", refused.stdout);
}

/// Puts a document, and cuts the power once the archive has signed a checkpoint over it. Returns its number.
fn commit_and_sign(appliance: &mut dyn Appliance, documents: usize) -> String {
    appliance.start();
    appliance.wait_until_active();
    appliance.tool().call(&["put", ARCHIVE, "lease"]).expect(0);
    let named = |listing: &str, text: &str| {
        listing.lines().filter(|line| line.contains(text)).map(str::to_owned).collect::<Vec<_>>()
    };
    // The checkpoint is the last record before the listing's end.
    let listing = appliance.terminal().command_until(&format!("ls {ARCHIVE}"), |listing| {
        let last = listing.split("+ls").next().and_then(|records| records.lines().last());
        named(listing, "\"lease\"").len() == documents && last.is_some_and(|last| last.contains(" checkpoint "))
    });
    appliance.power_cut();
    let document = named(&listing, "\"lease\"").pop().expect("it is there");
    document.split_whitespace().next().expect("a record has a number").to_owned()
}
