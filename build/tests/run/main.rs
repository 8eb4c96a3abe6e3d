//! `totebox run` from end to end. This program is the tests and, under the name `totebox-hosted`, the
//! hosted backend that `totebox` finds beside itself.

#![allow(clippy::disallowed_methods, reason = "the paths are the test's own")]

#[path = "../common/mod.rs"]
mod common;
mod disks;
mod site;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Trial};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, Signal, kill_process, pidfd_send_signal};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use site::{Peer, Site, wait_for_end};

const TESTS: &[(&str, fn())] = &[
    ("a_script_puts_documents_and_the_next_run_has_them", a_script_puts_documents_and_the_next_run_has_them),
    (
        "what_was_acknowledged_survives_the_kill_and_nobody_else",
        what_was_acknowledged_survives_the_kill_and_nobody_else,
    ),
    ("a_script_is_carried_out_to_its_end_whatever_it_says", a_script_is_carried_out_to_its_end_whatever_it_says),
    ("a_script_that_was_not_carried_out_says_so", a_script_that_was_not_carried_out_says_so),
    ("a_script_that_is_no_text_says_so_and_loses_nothing", a_script_that_is_no_text_says_so_and_loses_nothing),
    ("the_first_order_of_a_script_is_taken", the_first_order_of_a_script_is_taken),
    ("a_terminal_nobody_reads_holds_nobody_up", a_terminal_nobody_reads_holds_nobody_up),
    ("a_script_whose_answers_are_not_taken_fails", a_script_whose_answers_are_not_taken_fails),
    ("what_is_typed_through_a_takeover_is_no_command", what_is_typed_through_a_takeover_is_no_command),
    ("a_silent_client_gives_way_to_one_that_waits", a_silent_client_gives_way_to_one_that_waits),
    ("a_stop_signs_what_is_new_and_adds_nothing_else", a_stop_signs_what_is_new_and_adds_nothing_else),
    ("a_second_run_of_a_deployment_is_refused", a_second_run_of_a_deployment_is_refused),
    ("a_terminal_is_raw_while_it_runs_and_restored_after", a_terminal_is_raw_while_it_runs_and_restored_after),
    ("sigterm_is_a_clean_end", sigterm_is_a_clean_end),
    ("no_file_becomes_a_standard_stream_that_was_closed", no_file_becomes_a_standard_stream_that_was_closed),
    ("an_appliance_that_ends_by_itself_is_an_error", an_appliance_that_ends_by_itself_is_an_error),
    ("qemu_has_the_line_and_ends_with_the_run", qemu_has_the_line_and_ends_with_the_run),
    ("what_cannot_run_says_why", what_cannot_run_says_why),
    ("what_a_run_makes_is_its_owners", what_a_run_makes_is_its_owners),
    (
        "a_disk_that_is_gone_is_not_replaced_by_an_empty_one",
        disks::a_disk_that_is_gone_is_not_replaced_by_an_empty_one,
    ),
    (
        "a_disk_of_another_layout_is_named_and_nothing_else_is_blamed",
        disks::a_disk_of_another_layout_is_named_and_nothing_else_is_blamed,
    ),
    (
        "a_disk_that_is_not_the_deployments_is_not_started_on",
        disks::a_disk_that_is_not_the_deployments_is_not_started_on,
    ),
];

const TESTS_WITH_QEMU: &[(&str, fn())] = &[
    ("a_disk_that_qemu_has_is_nobody_elses", disks::a_disk_that_qemu_has_is_nobody_elses),
    ("a_disk_that_a_hosted_run_has_is_nobody_elses", disks::a_disk_that_a_hosted_run_has_is_nobody_elses),
    ("a_disk_that_a_run_in_qemu_has_is_nobody_elses", disks::a_disk_that_a_run_in_qemu_has_is_nobody_elses),
];

const TESTS_WITH_DEVICES: &[(&str, fn())] = &[
    (
        "a_block_device_in_use_is_nobody_elses_through_any_node",
        disks::a_block_device_in_use_is_nobody_elses_through_any_node,
    ),
    (
        "a_disk_below_loop_devices_on_each_other_is_nobody_elses",
        disks::a_disk_below_loop_devices_on_each_other_is_nobody_elses,
    ),
];

fn main() -> ExitCode {
    if std::env::current_exe().unwrap().ends_with("totebox-hosted") {
        return totebox_hosted::main(&totebox_hosted::PROGRAMS);
    }
    let mut trials = Vec::new();
    let groups =
        [(TESTS, None), (TESTS_WITH_QEMU, disks::qemu_missing()), (TESTS_WITH_DEVICES, disks::devices_missing())];
    for (tests, missing) in groups {
        for &(name, test) in tests {
            let run = move || {
                test();
                Ok(())
            };
            let trial = Trial::test(name, run).with_ignored_flag(missing.is_some());
            trials.push(trial.with_kind(missing.unwrap_or_default()));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Runs a script to its end; the exit code, what was shown and what was said.
fn run_script(site: &Site, script: &str) -> (Option<i32>, String, String) {
    let mut child = site.command().arg("--exit-on-eof").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [shown, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), shown, said)
}

fn a_script_puts_documents_and_the_next_run_has_them() {
    let site = Site::new();
    let run = |script: &str| {
        let (code, shown, said) = run_script(&site, script);
        assert_eq!(code, Some(0), "{said}");
        (shown, said)
    };
    let (shown, said) = run("put a1 \"a note.txt\"\nfirst line\nsecond line\n.\nstatus");
    assert!(shown.contains("3 of 3 archives active"), "{shown}");
    assert!(shown.contains("+receipt") && shown.contains("+status"), "{shown}");
    assert!(said.contains("not a security boundary"), "{said}");
    assert!(said.contains("made the disk") && said.contains("disk.img"), "{said}");
    assert_eq!(site.names(), ["keys", "state", "system.xml", "target", "totebox.toml"]);

    let (shown, said) = run("get a1 1\n");
    assert!(shown.contains("first line\r\nsecond line\r\n"), "{shown}");
    assert!(!said.contains("made the disk"), "{said}");
}

fn a_script_is_carried_out_to_its_end_whatever_it_says() {
    let site = Site::new();
    let script = "put a1 first\n+person\ntotebox> \n\n.\nget a1 1\nput a2 second\nthe last\n.\n";
    let (code, shown, said) = run_script(&site, script);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(shown.matches("+receipt ").count(), 2, "{shown}");
    let (_, document) = shown.split_once("record 1: \"first\"").unwrap();
    assert!(document.contains("\r\n+person\r\ntotebox> \r\n\r\n+end size=19 "), "{document}");
}

fn a_script_whose_answers_are_not_taken_fails() {
    let site = Site::new();
    let (reader, closed_pipe) = std::io::pipe().unwrap();
    drop(reader);
    let full_disk = fs::File::options().write(true).open("/dev/full").unwrap();
    let complaint = "totebox: cannot write to standard output";
    for (stdout, code, complains) in [(Stdio::from(full_disk), 2, true), (Stdio::from(closed_pipe), 141, false)] {
        let mut child = site.command().arg("--exit-on-eof").stdin(Stdio::piped()).stdout(stdout).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"status\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.contains(complaint)), (Some(code), complains), "{said}");
    }
}

fn a_script_that_was_not_carried_out_says_so() {
    let site = Site::new();
    // Something is refused, and what comes after it is carried out.
    let (code, shown, said) = run_script(&site, "get a1 7\nput a1 x\nyes\n.\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(shown.contains("-not-found ") && shown.contains("+receipt "), "{shown}");
    // A text without its end is not committed, and the end comes all the same.
    let (code, shown, said) = run_script(&site, "status\nput a1 y\nstatus\narchive a1 final\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(shown.contains("the input ended before the document did; nothing was committed"), "{shown}");
    assert_eq!(shown.matches("+status ").count(), 1, "{shown}");
    // What follows a refused `put` is its text. There are the genesis, the document, and the checkpoint of the first
    // run's end.
    let (code, shown, _) = run_script(&site, "put nowhere y\narchive a1 final\n.\nls a1\n");
    assert_eq!(code, Some(1));
    assert!(shown.contains("+ls records=3") && !shown.contains("+archive"), "{shown}");
    // A script that a signal cuts short.
    let mut command = site.command();
    let mut running = site.start(command.arg("--exit-on-eof").stdin(Stdio::piped()));
    let _script = running.child.stdin.take();
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let (said, code) = running.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("before the script on standard input was carried out"), "{said}");
}

fn a_script_that_is_no_text_says_so_and_loses_nothing() {
    let site = Site::new();
    let (code, shown, said) = run_script(&site, "put a1 \"w1\"\nimportant\n.\n\x03");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        shown.contains("+receipt ") && said.contains("standard input, line 4: byte 0x03 is not text"),
        "{said}"
    );
    // A text that cannot be kept as it is is not committed as something else.
    let (code, shown, said) = run_script(&site, "put a1 x\na\x07b\n.\nsuspend a1\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(shown.contains("the input ended before the document did; nothing was committed"), "{shown}");
    assert!(!shown.contains("+suspend") && said.contains("line 2: byte 0x07"), "{shown}{said}");
    let (code, shown, _) = run_script(&site, "get a1 1\nput a1 y\na\tb\n.\n");
    assert_eq!(code, Some(0));
    assert!(shown.contains("important\r\n") && shown.contains(" size=4 "), "{shown}");
}

fn the_first_order_of_a_script_is_taken() {
    let site = Site::new();
    for order in ["suspend", "resume", "suspend", "resume"] {
        let (code, shown, said) = run_script(&site, &format!("{order} a1\n"));
        assert_eq!(code, Some(0), "{shown}{said}");
        assert!(shown.contains(&format!("+{order} a1 is ")), "{shown}");
    }
}

fn a_terminal_nobody_reads_holds_nobody_up() {
    let site = Site::new();
    let (near, far) = pseudo_terminal();
    let at = |far: &OwnedFd| Stdio::from(far.try_clone().unwrap());
    let mut command = site.command();
    let running = site.start(command.stdin(at(&far)).stdout(at(&far)));
    let mut keyboard = Peer::new(near.try_clone().unwrap(), near);
    keyboard.wait_for("totebox> ");
    // Far more than the way to it takes.
    keyboard.send(&"help\r".repeat(200));
    for _ in 0..2 {
        let mut client = site.connect();
        client.wait_for("totebox> ");
        assert!(client.ask("status").contains("+status"));
    }
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let (said, code) = running.end();
    assert_eq!(code, Some(0), "{said}");
}

fn what_is_typed_through_a_takeover_is_no_command() {
    let site = Site::new();
    let (near, far) = pseudo_terminal();
    let at = |far: &OwnedFd| Stdio::from(far.try_clone().unwrap());
    let mut command = site.command();
    let _running = site.start(command.stdin(at(&far)).stdout(at(&far)));
    let mut keyboard = Peer::new(near.try_clone().unwrap(), near);
    keyboard.wait_for("totebox> ");
    keyboard.send("put a0 x\r");
    keyboard.wait_for("+ready");
    keyboard.send("a line\rhalf a ");
    keyboard.wait_for("half a ");
    let mut client = site.connect();
    client.wait_for("totebox> ");
    keyboard.send("line\rarchive a0 final\rhalf");
    assert!(client.ask("status").contains("+status"));
    drop(client);
    let told = keyboard.wait_for("*what is typed now is skipped, up to a line with a single . or to Ctrl-C");
    assert!(told.contains("nothing was committed") && !told.contains("totebox> "), "{told}");
    keyboard.send(".\rarchive a0 final\r.\r");
    keyboard.wait_for("totebox> ");
    let listing = keyboard.ask("ls a0");
    assert!(listing.contains("+ls records=1"), "{listing}");
    let status = keyboard.ask("status");
    assert!(status.contains("+status") && !status.contains("archived"), "{status}");
}

fn a_silent_client_gives_way_to_one_that_waits() {
    let site = Site::new();
    let _running = site.start(&mut site.command());
    let mut silent = site.connect();
    silent.wait_for("totebox> ");
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    assert!(peer.ask("status").contains("+status"));
    silent.wait_for("*the line goes to a waiting client: next to nothing moved for 5 s #");
}

fn what_was_acknowledged_survives_the_kill_and_nobody_else() {
    let site = Site::new();
    let mut running = site.start(&mut site.command());
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    peer.send("put a0 note\rkept\r.\r");
    peer.wait_for("+receipt");
    let processes = running.processes();
    // The run, the supervisor, and eight domains.
    assert_eq!(processes.len(), 1 + 1 + 8);
    running.child.kill().unwrap();
    processes.iter().for_each(wait_for_end);

    // The socket that was left behind does not stop the next run.
    let _running = site.start(&mut site.command());
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    assert!(peer.ask("get a0 1").contains("kept\r\n"));
    let verdict = peer.ask("verify");
    assert!(verdict.contains("+audit clean volumes=4"), "{verdict}");
}

/// An appliance that never runs for a whole audit period leaves a signed checkpoint behind all the same; and
/// however often it is started, without news nothing is added.
fn a_stop_signs_what_is_new_and_adds_nothing_else() {
    let site = Site::new();
    let run = |script: &str| {
        let mut child = site.command().arg("--exit-on-eof").stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run("put a0 note\nfirst\n.\n");
    for _ in 0..2 {
        let shown = run("ls a0\n");
        assert!(shown.contains("  checkpoint  ") && shown.contains("+ls records=3"), "{shown}");
    }
    // Whoever leaves something half done takes nothing away from it.
    let running = site.start(&mut site.command());
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    peer.send("put a0 second\rmore\r.\r");
    peer.wait_for("+receipt");
    peer.send("put a1 third\rnever ended\r");
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let (said, code) = running.end();
    assert_eq!(code, Some(0), "{said}");
    let shown = run("ls a0\nls a1\n");
    assert!(shown.contains("+ls records=5"), "{shown}");
    assert!(!shown.contains("third"), "{shown}");
}

fn a_second_run_of_a_deployment_is_refused() {
    let site = Site::new();
    let _running = site.start(&mut site.command());
    let said = site.refused(&mut site.command());
    assert!(said.contains("is the console of another run"), "{said}");
    // With a console of its own, it is the disk that cannot be shared.
    let said = site.refused(&mut site.command_at("other"));
    assert!(said.contains("disk.img: it is in use by totebox-hosted"), "{said}");
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
}

/// Both sides of a terminal.
fn pseudo_terminal() -> (OwnedFd, OwnedFd) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&near).unwrap();
    let far = ioctl_tiocgptpeer(&near, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&near, size).unwrap();
    (near, far)
}

fn a_terminal_is_raw_while_it_runs_and_restored_after() {
    let site = Site::new();
    let (near, far) = pseudo_terminal();
    let before = tcgetattr(&far).unwrap();
    let at = |far: &OwnedFd| Stdio::from(far.try_clone().unwrap());
    let mut command = site.command();
    let running = site.start(command.stdin(at(&far)).stdout(at(&far)));
    let mut keyboard = Peer::new(near.try_clone().unwrap(), near);
    keyboard.wait_for("totebox> ");
    assert!(!tcgetattr(&far).unwrap().local_modes.intersects(LocalModes::ICANON | LocalModes::ISIG));
    keyboard.send("put a0 not");
    // Ctrl-C is the appliance's: the line being typed is given up, nothing else.
    keyboard.send("\x03");
    keyboard.wait_for("totebox> ");
    assert!(keyboard.ask("status").contains("+status"));
    // The prompt behind that; the next one says that the line is the keyboard's again.
    keyboard.wait_for("totebox> ");
    // A client takes the line, and leaves it in machine mode.
    let mut client = site.connect();
    client.wait_for("totebox> ");
    client.send("machine 7\r");
    client.wait_for("+machine totebox/1 7");
    drop(client);
    keyboard.wait_for("totebox> ");
    assert!(keyboard.ask("status").contains("+status"));
    keyboard.send("\x1d");
    let (said, code) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a client has the line") && said.contains("you have the line"), "{said}");
    let after = tcgetattr(&far).unwrap();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
}

fn sigterm_is_a_clean_end() {
    let site = Site::new();
    let running = site.start(&mut site.command());
    let processes = running.processes();
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let (said, code) = running.end();
    assert_eq!(code, Some(0), "{said}");
    processes.iter().for_each(wait_for_end);
    assert!(!site.path("console").exists(), "the socket is left");
}

/// A disk or a key that is opened as descriptor 1 or 2 would have messages written into it.
fn no_file_becomes_a_standard_stream_that_was_closed() {
    let site = Site::new();
    let running = site.start(&mut site.command_with_closed("<&- >&-"));
    // Whoever is answered knows that the domains are up.
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    let pids = running.pids();
    assert_eq!(pids.len(), 1 + 1 + 8);
    for pid in pids {
        for stream in 0..=2 {
            let leads_to = fs::read_link(format!("/proc/{pid}/fd/{stream}")).unwrap();
            let is_file = leads_to.starts_with("/") && leads_to != Path::new("/dev/null");
            assert!(!is_file, "process {pid} has {} as descriptor {stream}", leads_to.display());
        }
    }
    assert_eq!(fs::read_link(format!("/proc/{}/fd/1", running.child.id())).unwrap(), Path::new("/dev/null"));
}

fn an_appliance_that_ends_by_itself_is_an_error() {
    let site = Site::new();
    site.deploy(&emulated_by(&site, "echo done"));
    let running = site.start(site.command().args(["--backend", "qemu"]));
    let (said, code) = running.end();
    assert_eq!(code, Some(2));
    assert!(said.contains("the appliance has ended by itself (exit status: 0): QEMU is gone."), "{said}");
    // Killed, with something unread.
    let site = Site::new();
    let running = site.start(&mut site.command());
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    pidfd_send_signal(&running.processes()[1], Signal::KILL).unwrap();
    let (said, code) = running.end();
    assert_eq!(code, Some(2));
    assert!(said.contains("ended by itself (signal: 9 (SIGKILL)): totebox-hosted is gone."), "{said}");
    assert!(said.contains("start it again with totebox run"), "{said}");
}

fn qemu_has_the_line_and_ends_with_the_run() {
    let site = Site::new();
    site.deploy(&emulated_by(&site, "read line; echo from {serial}: $line; exec sleep 1000"));
    let mut running = site.start(site.command().args(["--backend", "qemu"]));
    let mut peer = site.connect();
    peer.send("hello\n");
    peer.wait_for("from stdio: \x0e\x03hello");
    let processes = running.processes();
    assert_eq!(processes.len(), 2);
    running.child.kill().unwrap();
    processes.iter().for_each(wait_for_end);
}

fn what_a_run_makes_is_its_owners() {
    let site = Site::new();
    let run = site.command();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(run.get_program()).args(run.get_args());
    let running = site.start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    site.connect().wait_for("totebox> ");
    let mode = |path: &str| fs::symlink_metadata(site.path(path)).unwrap().mode() & 0o777;
    assert_eq!(mode("deployment/target/run"), 0o700);
    assert_eq!(mode("deployment/target/disk.img"), 0o600);
    assert_eq!(mode("console") & 0o077, 0);
    for entry in fs::read_dir(site.path("deployment/target/run")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o077, 0);
    }
    drop(running);

    fs::set_permissions(site.path("deployment/target/disk.img"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = site.command().arg("--exit-on-eof").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("disk.img is open to others") && said.contains("its mode is 0644; chmod 600 "),
        "{said}"
    );
    fs::set_permissions(site.path("deployment/keys/a0.key"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(site.refused(&mut site.command()).contains("a0.key is not secret"));
}

/// The deployment on a board whose emulator is a shell command, with an image.
fn emulated_by(site: &Site, command: &str) -> String {
    let board = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/boards/qemu_virt_aarch64.toml")).unwrap();
    let (hardware, _) = board.split_once("[qemu]").unwrap();
    let board = format!("{hardware}[qemu]\ncommand = [\"sh\", \"-c\", \"{command}\"]\n");
    fs::create_dir_all(site.path("deployment/boards")).unwrap();
    fs::write(site.path("deployment/boards/shell.toml"), board).unwrap();
    fs::create_dir_all(site.path("deployment/target/sel4/debug")).unwrap();
    fs::write(site.path("deployment/target/sel4/debug/totebox.img"), "").unwrap();
    common::with_archives(1).replace("qemu_virt_aarch64", "shell")
}

fn what_cannot_run_says_why() {
    let site = Site::new();
    fs::remove_file(site.path("bin/totebox-hosted")).unwrap();
    let said = site.refused(&mut site.command());
    assert!(said.contains("totebox-hosted; `cargo build --release` builds it"), "{said}");
    let said = site.refused(site.command().args(["--backend", "qemu", "--config", "release"]));
    assert!(said.contains("sel4/release/totebox.img; `make image DEPLOYMENT="), "{said}");

    fs::write(site.path("deployment/system.xml"), "<system/>").unwrap();
    let said = site.refused(&mut site.command());
    assert!(said.contains("system.xml is not what totebox.toml says; `totebox system` writes it anew"), "{said}");
    fs::remove_file(site.path("deployment/system.xml")).unwrap();
    let said = site.refused(&mut site.command());
    assert!(said.contains("system.xml; `totebox system` writes it"), "{said}");
    let said = site.refused(Command::new(site.path("bin/totebox")).args(["run", "--console", "here"]));
    assert!(said.contains("expected unix:PATH"), "{said}");
}
