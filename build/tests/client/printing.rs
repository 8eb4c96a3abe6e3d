//! What every command does when its output is not taken: onto a full disk it fails and says so, into a pipe nobody
//! reads it ends quietly. The commands are those that help lists, so that a new one cannot be forgotten.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use ledger_fmt::testing::TestVolume;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use totebox_console::testing::{Document, Harness};
use totebox_deployment::Deployment;
use totebox_protocol::audit::{EventRow, Verdict};
use totebox_protocol::flag::FlagKind;
use totebox_protocol::operator::{Completion, Order, Reason};
use totebox_protocol::trace::NoteRow;
use zerocopy::FromZeros;

use crate::appliance::Appliance;
use crate::common::with_archives;

/// How each command is called so that it prints something. `{n}` is another number for each call.
const CALLS: &[(&str, &[&str])] = &[
    ("new", &["new made{n}"]),
    ("provision", &["provision more --deployment made{n}"]),
    ("keys", &["keys"]),
    ("system", &["system", "system --check", "system --manifests out"]),
    ("check", &["check --closures", "check --json", "check --sarif", "check foreign.system --capdl foreign.json"]),
    (
        "diff",
        &[
            "diff system.xml foreign.system",
            "diff system.xml system.xml --markdown",
            "diff system.xml system.xml --json",
        ],
    ),
    ("graph", &["graph -o {n}.svg", "graph -o {n}.dot"]),
    ("report", &["report -o {n}.html"]),
    ("harden", &["harden foreign.json --system foreign.system"]),
    ("disk create", &["disk create {n}.img"]),
    ("disk ls", &["disk ls disk.img", "disk ls disk.img a0", "disk ls disk.img a0 --json"]),
    ("disk verify", &["disk verify disk.img", "disk verify disk.img --json"]),
    ("disk extract", &["disk extract disk.img out{n}"]),
    ("disk checkpoint", &["disk checkpoint disk.img a0"]),
    ("disk prove", &["disk prove disk.img a0 --record 1"]),
    ("disk tiles", &["disk tiles disk.img a0 -o tiles{n}"]),
    ("disk repair", &["disk repair disk.img", "disk repair disk.img --json"]),
    ("check-proof", &["check-proof proof --key keys/a0.vkey"]),
    ("put", &["put contracts text --connect unix:console", "put contracts text --json --connect unix:console"]),
    ("get", &["get contracts 1 -o - --connect unix:console", "get contracts 1 -o got{n} --connect unix:console"]),
    ("ls", &["ls contracts --connect unix:console", "ls contracts --json --connect unix:console"]),
    (
        "status",
        &[
            "status --connect unix:console",
            "status --json --connect unix:console",
            "status --watch=1 --connect unix:console",
        ],
    ),
    ("audit", &["audit --connect unix:console", "audit --json --connect unix:console"]),
    ("sign", &["sign contracts --connect unix:console", "sign contracts --json --connect unix:console"]),
    (
        "flags",
        &[
            "flags --connect unix:console",
            "flags --json --connect unix:console",
            "flags --volume finance --connect unix:console",
        ],
    ),
    ("ack", &["ack {n} seen --connect unix:console"]),
    ("history", &["history --connect unix:console", "history --from 0 --json --connect unix:console"]),
    ("trace", &["trace finance --connect unix:console", "trace finance --json --connect unix:console"]),
    ("suspend", &["suspend finance --connect unix:console"]),
    ("resume", &["resume finance --connect unix:console", "resume finance --json --connect unix:console"]),
    ("archive", &["archive finance --final --connect unix:console"]),
];

/// What commands that change something say that they did, on standard error if standard output takes nothing.
const DONE: [(&str, &str); 11] = [
    ("new made", "made the deployment \"made1\" in made1\n"),
    ("provision more", "added the archive \"more\"; "),
    ("disk create", "made 1.img: "),
    ("put contracts text --json", "\"sequence\": "),
    ("put contracts text", "record "),
    ("sign contracts --json", "\"checkpoint\": "),
    ("sign contracts", "is the checkpoint over its "),
    ("ack", "flag 1 is acknowledged\n"),
    ("suspend", "suspend finance: done\n"),
    ("resume", "resume"),
    ("archive", "archive finance: done\n"),
];

/// What prints nothing itself: it shows the appliance's line.
const SILENT: [&str; 1] = ["run"];

/// The number of the first flag that is there to acknowledge.
const FIRST: usize = 1;

fn totebox(at: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
    command.current_dir(at).args(line.split_whitespace()).stdin(Stdio::null());
    command
}

/// All that can be called, as help lists it.
fn commands(at: &Path, above: &str) -> Vec<String> {
    let output = totebox(at, &format!("{above} --help")).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return vec![above.trim().to_string()] };
    let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    names.filter(|&name| name != "help").flat_map(|name| commands(at, &format!("{above} {name}"))).collect()
}

/// A deployment, its disk with something on it, a foreign system, and a console.
fn prepare(at: &Path) {
    fs::write(at.join("totebox.toml"), with_archives(2)).unwrap();
    let deployment = Deployment::load(at).unwrap();
    deployment.make_keys().unwrap();
    deployment.create_disk(&at.join("disk.img")).unwrap();
    let disk = File::options().write(true).open(at.join("disk.img")).unwrap();
    let seed = *deployment.keys().unwrap()[0].seed();
    for (index, place) in deployment.volumes.iter().enumerate() {
        let mut volume = TestVolume::of(place.superblock());
        volume.start();
        if index == 0 {
            volume.document("text", b"text");
            volume.commit();
            volume.signed_checkpoint(&seed);
            volume.commit();
        }
        volume.hint(0);
        volume.hint(1);
        disk.write_all_at(&volume.bytes, place.offset()).unwrap();
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/built");
    fs::copy(corpus.join("one-of-each.json"), at.join("foreign.json")).unwrap();
    fs::copy(corpus.join("one-of-each.system"), at.join("foreign.system")).unwrap();
    fs::write(at.join("text"), "no line feed at the end").unwrap();
    for line in ["system", "disk prove disk.img a0 --record 1 -o proof"] {
        assert!(totebox(at, line).output().unwrap().status.success(), "{line}");
    }
}

/// A console whose orchestrator does everything it is asked to.
fn serve(at: &Path) -> Appliance {
    let prepare = |harness: &mut Harness| {
        let document = Document { name: "text".into(), content: b"no line feed at the end".to_vec() };
        harness.archives[0].documents.push(document);
        for flag in FIRST..FIRST + 2 {
            harness.raise(flag as u32, FlagKind::Hung, 1);
        }
        harness.publish();
        (1..1000).for_each(|tag| harness.answer_order(Ok(tag)));
    };
    let mut seen = 0;
    let meanwhile = move |harness: &mut Harness| {
        if harness.peer.orders.len() == seen {
            return;
        }
        seen = harness.peer.orders.len();
        let tag = seen as u32;
        let (order, _) = harness.last_order();
        harness.peer.orders.push(Ok((Order::Ping, Reason::new())));
        match order {
            Order::Change(archive, to) => harness.complete(archive, tag, to.state(), Completion::Done),
            Order::Acknowledge(flag) => harness.acknowledge(flag, tag, true),
            Order::History(_) => harness.bring_history(tag, &[EventRow::new_zeroed()], 1),
            Order::Findings(_) => harness.bring_findings(tag, 0, &[]),
            Order::Trace(_) => harness.bring_trace(tag, &[NoteRow::new_zeroed()]),
            Order::Ping => {}
            Order::Verify(_) => {
                for row in &mut harness.status_page.rows {
                    (row.verify_tag, row.verdict) = (tag.into(), Verdict::Clean as u8);
                }
            }
        }
        harness.publish();
    };
    Appliance::listen(&at.join("console"), usize::MAX, prepare, meanwhile)
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A call of a command, with its own number.
fn call(at: &Path, line: &str, number: usize, stdout: impl Into<Stdio>) -> Output {
    totebox(at, &line.replace("{n}", &number.to_string())).stdout(stdout).output().unwrap()
}

#[test]
fn no_command_loses_what_it_prints_or_panics() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    prepare(at);
    let _appliance = serve(at);
    let mut calls: BTreeMap<&str, &[&str]> = CALLS.iter().copied().collect();
    let mut lines: Vec<String> = ["--help", "--version", "help"].map(String::from).to_vec();
    for command in commands(at, "") {
        lines.push(format!("{command} --help"));
        match calls.remove(command.as_str()) {
            Some(calls) => lines.extend(calls.iter().map(ToString::to_string)),
            None if SILENT.contains(&command.as_str()) => {}
            None => panic!("say in CALLS how `totebox {command}` is called so that it prints something"),
        }
    }
    assert!(calls.is_empty(), "{calls:?} are no commands");
    for line in &lines {
        let output = call(at, line, FIRST, File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(output.status.code(), Some(2), "{line}: {}", said(&output));
        let complaint = "totebox: cannot write to standard output: No space left on device";
        assert_eq!(said(&output).matches(complaint).count(), 1, "{line}: {}", said(&output));

        if let Some((_, done)) =
            DONE.iter().find(|(command, _)| line.starts_with(command) && !line.contains("--help"))
        {
            assert!(said(&output).contains(done), "{line}: {}", said(&output));
        }

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = call(at, line, FIRST + 1, writer);
        assert_eq!((output.status.code(), said(&output)), (Some(141), ""), "{line}");
    }
}

#[test]
fn no_command_replaces_a_file_it_is_told_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    prepare(at);
    let _appliance = serve(at);
    let mut calls = BTreeMap::from([
        ("graph", "mine.svg"),
        ("report", "mine"),
        ("disk checkpoint disk.img a0", "mine"),
        ("disk prove disk.img a0 --record 1", "mine"),
        ("get contracts 1 --connect unix:console", "mine"),
    ]);
    for command in commands(at, "") {
        let help = totebox(at, &format!("{command} --help")).output().unwrap();
        if !String::from_utf8(help.stdout).unwrap().contains("--output <FILE") {
            continue;
        }
        let known = calls.keys().find(|call| call.starts_with(&command)).copied();
        let known = known.unwrap_or_else(|| panic!("say how `totebox {command}` is told to write a file"));
        let file = calls.remove(known).unwrap();
        fs::write(at.join(file), "mine").unwrap();
        let line = format!("{known} -o {file}");
        let output = totebox(at, &line).output().unwrap();
        let refusal = format!("totebox: {file} already exists; --force replaces it, -o names another file\n");
        assert_eq!((output.status.code(), said(&output)), (Some(2), &*refusal), "{line}");
        assert_eq!(fs::read(at.join(file)).unwrap(), b"mine", "{line}");
        let output = totebox(at, &format!("{line} --force")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
        assert_ne!(fs::read(at.join(file)).unwrap(), b"mine", "{line}");
    }
    assert!(calls.is_empty(), "{calls:?} are told to write no file");
}

#[test]
fn what_is_no_file_is_written_into_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    prepare(at);
    let _appliance = serve(at);
    let fifo = at.join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    for line in ["report -o", "disk checkpoint disk.img a0 -o", "get contracts 1 --connect unix:console -o"] {
        let path = fifo.clone();
        let reader = thread::spawn(move || fs::read(path).unwrap());
        let output = totebox(at, &format!("{line} fifo")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
        let read = reader.join().unwrap();
        assert!(!read.is_empty());

        let output = totebox(at, &format!("{line} /dev/stdout")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
        assert!(output.stdout.starts_with(&read), "{line}");
    }
}
