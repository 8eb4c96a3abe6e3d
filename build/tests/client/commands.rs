//! The commands of the host tool as an operator types them: what they print and how they exit.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use totebox_console::testing::Harness;
use totebox_protocol::audit::Verdict;
use totebox_protocol::page::{ArchiveState, degraded};

use totebox_shown::testing::{hostile_texts, unprintable};

use crate::appliance::Appliance;
use crate::common::with_archives;
use crate::schema;

/// The tool in a folder, connected to the socket in it.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
    command.current_dir(folder).args(arguments).args(["--connect", "unix:console", "--timeout", "60"]);
    command
}

/// Runs it.
pub fn totebox(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The document it printed, which must be what docs/json.md says of the command.
pub fn json(command: &str, output: &Output) -> Value {
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    schema::check(command, &value);
    value
}

#[test]
fn an_operator_puts_lists_and_gets() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let appliance = Appliance::listen(&at.join("console"), 10, |_| {}, |_| {});
    fs::write(at.join("Año 2024.txt"), "text").unwrap();
    fs::write(at.join("b"), "").unwrap();
    let text_hash = blake3::hash(b"text").to_hex();

    let output = totebox(at, &["put", "contracts", "Año 2024.txt", "b"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let empty_hash = blake3::hash(b"").to_hex();
    assert_eq!(
        stdout(&output),
        format!(
            "record      1         4 B  {text_hash}  Año 2024.txt\nrecord      2         0 B  {empty_hash}  b\n"
        )
    );

    let output = totebox(at, &["put", "contracts", "b", "--name", "another", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let receipts = json("put", &output);
    assert_eq!((&receipts[0]["name"], &receipts[0]["sequence"]), (&"another".into(), &3.into()));

    // One of two cannot be read.
    let output = totebox(at, &["put", "contracts", "missing", "b"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("totebox: missing: cannot open missing"), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("record      4 "));

    // A folder that -r is missing for keeps no other back, and hides none.
    fs::create_dir(at.join("letters")).unwrap();
    let output = totebox(at, &["put", "contracts", "missing", "letters"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("totebox: letters: a folder; -r puts all files in it\n"), "{said}");
    assert!(said.contains("totebox: missing: cannot open missing"), "{said}");
    assert!(said.ends_with("totebox: 2 files were not put\n"), "{said}");

    let output = totebox(at, &["ls", "contracts", "--from", "1", "--count", "1"]);
    assert_eq!(
        stdout(&output),
        "     seq  time                 kind                   size  name\n       1  2024-03-01 00:00:00  document                4 B  \
         \"Año 2024.txt\"\n1 of 5 records\n"
    );

    let output = totebox(at, &["ls", "contracts", "--json"]);
    assert_eq!(json("ls", &output)["entries"][1]["hash"], text_hash.as_str());

    // The file is there already; then it is not.
    let output = totebox(at, &["get", "contracts", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--force replaces it"), "{}", stderr(&output));
    fs::remove_file(at.join("Año 2024.txt")).unwrap();
    let output = totebox(at, &["get", "contracts", "1", "--json"]);
    assert_eq!(json("get", &output)["hash"], text_hash.as_str());
    assert_eq!(fs::read(at.join("Año 2024.txt")).unwrap(), b"text");
    let output = totebox(at, &["get", "contracts", "1", "-o", "-"]);
    assert_eq!(output.stdout, b"text");

    let output = totebox(at, &["get", "contracts", "77"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not-found: archive contracts has 5 records"), "{}", stderr(&output));
    assert_eq!(appliance.end()[0].len(), 4);
}

#[test]
fn status_and_audit_say_by_their_exit_code_what_they_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        for tag in 1..=3 {
            harness.answer_order(Ok(tag));
        }
    };
    let mut verified = 0;
    let meanwhile = move |harness: &mut Harness| {
        if harness.peer.orders.len() == verified {
            return;
        }
        verified = harness.peer.orders.len();
        let verdicts =
            [Verdict::Clean, if verified == 1 { Verdict::Clean } else { Verdict::Mismatch }, Verdict::Clean];
        for (row, verdict) in harness.status_page.rows.iter_mut().zip(verdicts) {
            (row.verify_tag, row.verdict) = ((verified as u32).into(), verdict as u8);
            row.finding_record = u64::MAX.into();
        }
        harness.status_page.rows[2].audit_record = if verified == 1 { u64::MAX } else { 0 }.into();
        (harness.status_page.rows[0].left, harness.status_page.rows[0].records) = (0.into(), 9.into());
        if verified >= 2 {
            let row = &mut harness.status_page.rows[1];
            (row.finding, row.finding_area, row.findings) = (7, 1, 1.into());
            (row.finding_block, row.finding_record) = (3.into(), 2.into());
        }
        harness.publish();
    };
    let appliance = Appliance::listen(&at.join("console"), 5, prepare, meanwhile);

    let output = totebox(at, &["audit"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let remarks: Vec<bool> = text.lines().map(|line| line.contains("; not recorded: ")).collect();
    assert_eq!(remarks, [false, false, true], "{text}");
    let output = totebox(at, &["status", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json("status", &output)["volumes"][1]["verdict"], "clean");

    let output = totebox(at, &["verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("; asset at assets block 3, record 2\n"), "{}", stdout(&output));
    assert!(stderr(&output).contains("mismatch: volume finance: asset at assets block 3"), "{}", stderr(&output));
    let output = totebox(at, &["audit", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let verdicts = json("audit", &output);
    assert_eq!(
        (&verdicts["volumes"][1]["finding"], &verdicts["volumes"][1]["block"]),
        (&"asset".into(), &3.into())
    );
    assert_eq!(verdicts["volumes"][2]["recorded"], true);
    let output = totebox(at, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("MISMATCH"), "{}", stdout(&output));
    assert!(stdout(&output).contains("\n  contracts is full: "), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("\n  finance does not verify: asset at assets block 3, record 2\n"),
        "{}",
        stdout(&output)
    );
    appliance.end();
}

#[test]
fn status_exits_with_1_whichever_domain_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let console = folder.path().join("console");
    // With none lost the same appliance is in order.
    for bit in [0].into_iter().chain(degraded::ALL.map(|(bit, ..)| bit)) {
        let lost = move |harness: &mut Harness| match bit {
            degraded::ORCHESTRATOR => {
                harness.peer.hung = true;
                harness.seconds(20);
            }
            bit => {
                harness.status_page.degraded = bit;
                harness.publish();
            }
        };
        let appliance = Appliance::listen(&console, 1, lost, |_| {});
        let output = totebox(folder.path(), &["status", "--json"]);
        let status = json("status", &output);
        assert_eq!(output.status.code(), Some(i32::from(bit != 0)), "{status}");
        assert_eq!(status["degraded"].as_array().map(Vec::len), Some(usize::from(bit != 0)), "{status}");
        appliance.end();
        fs::remove_file(&console).unwrap();
    }
}

#[test]
fn status_right_after_a_start_waits_until_there_is_something_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let set = |harness: &mut Harness, settled: u8, state: u8| {
        harness.status_page.settled = settled;
        harness.status_page.rows.iter_mut().for_each(|row| row.state = state);
        harness.publish();
    };
    let starting = move |harness: &mut Harness| set(harness, 0, 0);
    let mut asked = 0;
    let rise = move |harness: &mut Harness| {
        asked += 1;
        if asked == 4 {
            set(harness, 1, ArchiveState::Active as u8);
        }
    };
    let appliance = Appliance::listen(&at.join("console"), 1, starting, rise);
    let output = totebox(at, &["status", "--json"]);
    let status = json("status", &output);
    assert_eq!((output.status.code(), &status["settled"]), (Some(0), &true.into()), "{status}");
    appliance.end();

    // What is still starting when the time is over needs a look.
    fs::remove_file(at.join("console")).unwrap();
    let appliance = Appliance::listen(&at.join("console"), 1, starting, |_| {});
    let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
    command.current_dir(at).args(["status", "--json", "--connect", "unix:console", "--timeout", "1"]);
    let output = command.output().unwrap();
    let status = json("status", &output);
    assert_eq!((output.status.code(), &status["settled"]), (Some(1), &false.into()), "{status}");
    appliance.end();
}

#[test]
fn without_an_appliance_the_tool_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = totebox(folder.path(), &["status"]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "totebox: cannot connect to unix:console; is the appliance running? `totebox run` starts it, and --deployment DIR or --connect";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
}

#[test]
fn the_console_of_a_deployment_is_found_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir_all(at.join("house/target/run")).unwrap();
    fs::write(at.join("house/totebox.toml"), with_archives(2)).unwrap();
    let appliance = Appliance::listen(&at.join("house/target/run/console"), 1, |_| {}, |_| {});
    let totebox = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
        command.current_dir(at).args(["ls", "contracts", "--timeout", "60"]).args(arguments).output().unwrap()
    };
    let output = totebox(&["--deployment", "house"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    appliance.end();
    let said = stderr(&totebox(&["--deployment", "nowhere"]));
    assert!(said.contains("cannot read nowhere (`totebox new DIR` makes a deployment)"), "{said}");
    let said = stderr(&totebox(&["--deployment", "house", "--connect", "unix:console"]));
    assert!(said.contains("cannot be used with"), "{said}");
}

#[test]
fn hostile_names_come_and_go_whole_and_are_shown_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let names: Vec<String> = hostile_texts().into_iter().filter(|name| !name.contains(char::is_control)).collect();
    let appliance = Appliance::listen(&at.join("console"), 2 * names.len() + 2, |_| {}, |_| {});
    fs::write(at.join("file"), "content").unwrap();
    for name in &names {
        let output = totebox(at, &["put", "contracts", "file", &format!("--name={name}")]);
        assert_eq!(output.status.code(), Some(0), "{name:?}: {}", stderr(&output));
        assert_eq!(unprintable(&stdout(&output)), None, "{name:?}");
    }
    let listing = json("ls", &totebox(at, &["ls", "contracts", "--json"]));
    let listed = listing["entries"].as_array().unwrap()[1..].iter().map(|entry| entry["name"].as_str().unwrap());
    assert_eq!(listed.collect::<Vec<_>>(), names);
    assert_eq!(unprintable(&stdout(&totebox(at, &["ls", "contracts"]))), None);
    for (index, name) in names.iter().enumerate() {
        let output = totebox(at, &["get", "contracts", &(index + 1).to_string(), "--force", "--json"]);
        if [".", ".."].contains(&name.as_str()) {
            assert!(stderr(&output).contains("is not a file name; name a file with -o"), "{output:?}");
            continue;
        }
        let got = json("get", &output);
        assert_eq!(got["name"], name.as_str());
        let file = got["file"].as_str().unwrap();
        assert_eq!((unprintable(file), file.contains('/')), (None, false), "{name:?}");
        assert_eq!(fs::read(at.join(file)).unwrap(), b"content", "{name:?}");
    }
    assert_eq!(appliance.end()[0].len(), names.len());
}
