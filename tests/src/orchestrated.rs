//! What orchestration does, on the backends whose disk is a file: changes on it are flagged while the
//! appliance runs, archives go through their lifecycle, and a volume that was put back is found.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use ledger_fmt::record::Kind;
use serde_json::Value;

use crate::appliance::{Answer, Appliance, TIMEOUT, state};
use crate::orchestration::{Structure, audit_record, spot};

/// An archive for each structure that is to be damaged, and one that is not. They are audited every ten
/// seconds, in full every second time.
pub const WATCHED: &str = r#"
[deployment]
name = "watched"
id = "6c4f0d9a3be2c8d170674f1e0b0b955a"
board = "qemu_virt_aarch64"
[disk]
size = "16 MiB"
[audit]
volume = "4 MiB"
period = "10 s"
full_every = 2
[[archive]]
name = "superblock"
size = "1 MiB"
on_mismatch = "flag"
[[archive]]
name = "hint"
size = "1 MiB"
on_mismatch = "suspend"
[[archive]]
name = "batch"
size = "1 MiB"
on_mismatch = "flag"
[[archive]]
name = "record-header"
size = "1 MiB"
on_mismatch = "suspend"
[[archive]]
name = "record-payload"
size = "1 MiB"
on_mismatch = "flag"
[[archive]]
name = "asset"
size = "1 MiB"
on_mismatch = "suspend"
[[archive]]
name = "sibling"
size = "1 MiB"
on_mismatch = "suspend"
"#;

/// Calls the tool until it exits with `code` and `done` likes the JSON it prints.
pub fn call_until(
    appliance: &dyn Appliance,
    arguments: &[&str],
    code: i32,
    done: impl Fn(&Value) -> bool,
) -> Value {
    let started = Instant::now();
    loop {
        let answer = appliance.tool().call(arguments);
        let json = serde_json::from_str(&answer.stdout).unwrap_or(Value::Null);
        if answer.code == code && done(&json) {
            return json;
        }
        assert!(started.elapsed() < TIMEOUT, "{arguments:?} never answers as it should: {answer:?}");
    }
}

/// Has volumes audited, once no scheduled audit is in the way, and returns an answer that exits with `code`.
pub fn audited(appliance: &dyn Appliance, volumes: &[&str], code: i32) -> Answer {
    let arguments: Vec<&str> = ["audit"].iter().chain(volumes).copied().collect();
    let started = Instant::now();
    loop {
        let answer = appliance.tool().call(&arguments);
        if answer.code == code {
            return answer;
        }
        assert!(answer.code == 2 && started.elapsed() < TIMEOUT, "{arguments:?}: {answer:?}");
    }
}

/// Puts documents into every archive.
fn fill(appliance: &dyn Appliance) {
    let path = appliance.site().folder.path().join("document");
    for text in ["the first document", "the second document"] {
        fs::write(&path, text.repeat(300)).expect("the folder can be written");
        for archive in &appliance.site().archives {
            appliance.tool().call(&["put", archive, path.to_str().expect("made of UTF-8")]).expect(0);
        }
    }
}

/// The rows of `flags --json`; none if it printed something else.
pub fn flag_rows(flags: &Value) -> &[Value] {
    flags["flags"].as_array().map_or(&[], Vec::as_slice)
}

/// Whether there is a flag of this kind about an archive.
pub fn has_flag(flags: &Value, archive: &str, kind: &str) -> bool {
    flag_rows(flags).iter().any(|row| row["archive"] == archive && row["kind"] == kind)
}

/// The volume of a status with this name.
pub fn of_volume<'a>(status: &'a Value, name: &str) -> &'a Value {
    let volumes = status["volumes"].as_array().expect("a status has volumes");
    volumes.iter().find(|volume| volume["name"] == name).expect("the volume is there")
}

/// One bit flipped in a structure of each kind, while the appliance runs: each is flagged with kind and place,
/// recorded before it is shown, and leads to what the deployment wants; the sibling goes on.
pub fn changes_are_flagged(appliance: &mut dyn Appliance, _: u64) {
    appliance.start();
    appliance.wait_until_active();
    fill(appliance);
    audited(appliance, &[], 0);
    appliance.tool().call(&["flags"]).expect(0);
    appliance.tool().call(&["status"]).expect(0);

    let mut terminal = appliance.terminal();
    let deployment = appliance.site().deployment.clone();
    let file = OpenOptions::new().read(true).write(true).open(&appliance.site().disk).expect("there is a disk");
    let content = fs::read(&appliance.site().disk).expect("there is a disk");
    let mut blocks = Vec::new();
    for (number, structure) in Structure::ALL.into_iter().enumerate() {
        let spot = spot(&deployment, &content, number, structure);
        file.write_all_at(&[content[spot.byte] ^ 0x08], spot.byte as u64).expect("the disk can be written");
        blocks.push(spot.block);
    }
    // At the moment a flag is shown its record is on the disk.
    let shown = terminal.wait_for("*flag 1 ");
    let content = fs::read(&appliance.site().disk).expect("there is a disk");
    let recorded = audit_record(&deployment, &content);
    let is_flag = |(kind, payload): &(Kind, Value)| *kind == Kind::Flag && payload["flag"] == 1;
    assert!(recorded.iter().any(is_flag), "flag 1 is shown and not recorded: {shown}");
    drop(terminal);

    let expected: Vec<(&str, &str, &str, u64)> = Structure::ALL
        .into_iter()
        .zip(&appliance.site().archives)
        .zip(&blocks)
        .map(|((structure, archive), block)| (archive.as_str(), structure.flag(), structure.area(), *block))
        .collect();
    let flags = call_until(appliance, &["flags", "--json"], 1, |flags| {
        expected.iter().all(|&(archive, kind, area, block)| {
            flag_rows(flags).iter().any(|row| {
                row["archive"] == archive
                    && row["kind"] == kind
                    && row["area"] == area
                    && row["block"] == block
                    && row["audit_record"].is_u64()
            })
        })
    });
    let about_sibling = flag_rows(&flags).iter().any(|row| row["archive"] == "sibling");
    assert!(!about_sibling, "{flags}");
    let status = call_until(appliance, &["status", "--json"], 1, |status| {
        let is = |name, state| of_volume(status, name)["state"] == state;
        is("hint", "suspended") && is("record-header", "suspended") && is("asset", "suspended")
    });
    for name in ["batch", "record-payload", "sibling"] {
        let state = &of_volume(&status, name)["state"];
        assert_ne!(*state, "suspended", "{name}: {status}");
    }
    assert_eq!(of_volume(&status, "sibling")["state"], "active");
    assert_eq!(of_volume(&status, "sibling")["flags"], 0);
    // One finding is a flag, and there is nothing beyond it; the exit code tells whether there is any.
    appliance.tool().call(&["flags", "--volume", "asset"]).expect(1);
    appliance.tool().call(&["flags", "--volume", "sibling"]).expect(0);
    let document = appliance.site().folder.path().join("document");
    let document = document.to_str().expect("made of UTF-8");
    appliance.tool().call(&["put", "sibling", document]).expect(0);

    // A flag stays until it is acknowledged with a reason, and that is recorded.
    appliance.tool().call(&["ack", "1"]).expect(2);
    appliance.tool().call(&["ack", "999", "no such flag"]).expect(2);
    appliance.tool().call(&["ack", "1", "seen, and restored from the copy"]).expect(0);
    appliance.tool().call(&["ack", "1", "again"]).expect(2);
    let history = call_until(appliance, &["history", "--json"], 0, |_| true).to_string();
    assert!(history.contains("seen, and restored from the copy"), "{history}");
}

/// Suspended, resumed, archived; each as the tool says, as the record says, and after a restart.
pub fn archives_go_through_their_lifecycle(appliance: &mut dyn Appliance, _: u64) {
    appliance.start();
    appliance.wait_until_active();
    fill(appliance);
    let document = appliance.site().folder.path().join("document");
    let document = document.to_str().expect("made of UTF-8").to_owned();
    appliance.tool().call(&["suspend", "asset"]).expect(0);
    appliance.tool().call(&["suspend", "asset"]).expect(2);
    appliance.tool().call(&["suspend", "nowhere"]).expect(2);
    appliance.tool().call(&["put", "asset", &document]).expect(1);
    appliance.tool().call(&["put", "sibling", &document]).expect(0);
    audited(appliance, &["asset"], 0);
    appliance.power_cut();

    appliance.start();
    appliance.terminal().command_until("status", |status| {
        state(status, "asset") == "suspended" && state(status, "sibling") == "active"
    });
    appliance.tool().call(&["resume", "asset"]).expect(0);
    let put = appliance.tool().call(&["put", "asset", &document, "--json"]).expect(0);
    let put: Value = serde_json::from_str(&put.stdout).expect("JSON");
    let sequence = put[0]["sequence"].to_string();
    appliance.tool().call(&["archive", "asset"]).expect(2);
    appliance.tool().call(&["archive", "asset", "--final"]).expect(0);
    appliance.tool().call(&["resume", "asset"]).expect(2);
    appliance.tool().call(&["put", "asset", &document]).expect(1);
    let output = appliance.site().folder.path().join("output");
    let path = output.to_str().expect("made of UTF-8");
    appliance.tool().call(&["get", "asset", &sequence, "-o", path, "--force"]).expect(0);
    appliance.power_cut();

    appliance.start();
    appliance.terminal().command_until("status", |status| {
        state(status, "asset") == "archived" && state(status, "sibling") == "active"
    });
    audited(appliance, &[], 0);
    let status = call_until(appliance, &["status", "--json"], 0, |_| true);
    assert_eq!(
        (&of_volume(&status, "asset")["volume"], &of_volume(&status, "asset")["refused"]),
        (&"sealed".into(), &0.into())
    );
    let history = call_until(appliance, &["history", "--json", "--from", "0"], 0, |_| true).to_string();
    for transition in [("active", "suspended"), ("suspended", "active"), ("active", "archived")] {
        let (from, to) = transition;
        assert!(
            history.contains(&format!("\"from\":\"{from}\"")) && history.contains(&format!("\"to\":\"{to}\"")),
            "{transition:?}: {history}"
        );
    }
}

/// Yesterday's copy of a volume is put back, consistent in itself: that is found, for the audit record has
/// seen more of it.
pub fn yesterdays_copy_is_a_rollback(appliance: &mut dyn Appliance, _: u64) {
    appliance.start();
    appliance.wait_until_active();
    fill(appliance);
    appliance.power_cut();
    let volume = appliance.site().deployment.volumes[5].clone();
    let mut yesterday = vec![0; volume.size() as usize];
    let disk = OpenOptions::new().read(true).write(true).open(&appliance.site().disk).expect("there is a disk");
    disk.read_exact_at(&mut yesterday, volume.offset()).expect("the disk can be read");

    appliance.start();
    appliance.wait_until_active();
    fill(appliance);
    audited(appliance, &[], 0);
    appliance.power_cut();
    disk.write_all_at(&yesterday, volume.offset()).expect("the disk can be written");

    appliance.start();
    call_until(appliance, &["flags", "--json"], 1, |flags| has_flag(flags, "asset", "rollback"));
    call_until(appliance, &["status", "--json"], 1, |status| of_volume(status, "asset")["state"] == "suspended");
}
