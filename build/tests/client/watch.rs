//! `totebox status --watch`, at a terminal and into a pipe.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use totebox_console::testing::Harness;
use totebox_protocol::flag::FlagKind;

use crate::commands::command;
use crate::schema;
use crate::shared::Shared;

/// An appliance that raises a flag once it was looked at.
fn appliance(at: &Path) -> Shared {
    let mut looks = 0;
    let meanwhile = move |harness: &mut Harness| {
        looks += 1;
        if looks == 3 {
            harness.raise(7, FlagKind::Hung, 1);
            harness.publish();
        }
    };
    let prepare = |harness: &mut Harness| {
        harness.raise(3, FlagKind::Hung, 0);
        harness.acknowledge(3, 0, true);
        harness.publish();
    };
    Shared::listen(&at.join("console"), usize::MAX, prepare, meanwhile)
}

fn start(mut command: Command, stdout: Stdio) -> Child {
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap()
}

/// Ctrl-C; the exit code, and what was said.
fn interrupt(mut child: Child) -> (Option<i32>, String) {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn into_a_pipe_goes_one_block_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(folder.path());
    let mut child = start(command(folder.path(), &["status", "--watch=1"]), Stdio::piped());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut block = || -> Vec<String> {
        let mut block = Vec::new();
        while !block.last().is_some_and(|line: &String| line.starts_with("up ")) {
            block.push(lines.next().unwrap().unwrap());
        }
        block
    };
    assert!(block()[0].starts_with("archive "));
    while !block().last().unwrap().contains("1 flag open") {}
    assert!(!block().iter().any(|line| line.contains('\x1b')));
    let (code, said) = interrupt(child);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("appliance: flag 7 finance hung: "), "{said}");
    assert!(!said.contains("flag 3 "), "acknowledged before, and no news: {said}");
    appliance.end();
}

#[test]
fn as_json_it_is_one_document_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(folder.path());
    let mut child = start(command(folder.path(), &["status", "--watch=1", "--json"]), Stdio::piped());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for flags in 0..=1 {
        loop {
            let status: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            schema::check("status", &status);
            if status["flags"] == flags {
                break;
            }
        }
    }
    assert_eq!(interrupt(child).0, Some(1));
    appliance.end();
}

#[test]
fn at_a_terminal_it_is_refreshed_in_place_with_the_news_below() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(folder.path());
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&terminal).unwrap();
    let side = ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let child = start(command(folder.path(), &["status", "--watch=1"]), Stdio::from(side));
    let mut terminal = File::from(terminal);
    let mut shown = String::new();
    while !shown.contains("appliance: flag 7 finance hung: it gives no sign of life\x1b[K\r\n\x1b[J") {
        let mut piece = [0; 4096];
        let count = terminal.read(&mut piece).unwrap();
        shown += std::str::from_utf8(&piece[..count]).unwrap();
    }
    let (code, said) = interrupt(child);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(shown.starts_with("\x1b[Harchive "), "{shown:?}");
    assert!(shown.matches("\x1b[H").count() >= 2, "{shown:?}");
    appliance.end();
}

#[test]
fn between_two_looks_the_line_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(folder.path());
    let mut child = start(command(folder.path(), &["status", "--watch=1"]), Stdio::piped());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut look = || while !lines.next().unwrap().unwrap().starts_with("up ") {};
    for _ in 0..2 {
        look();
        let output = command(folder.path(), &["ls", "finance"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // Another keeps the line: Ctrl-C ends it all the same, quietly.
    let mut other = UnixStream::connect(folder.path().join("console")).unwrap();
    other.write_all(b"\x03\nmachine 1\n").unwrap();
    assert_ne!(other.read(&mut [0]).unwrap(), 0);
    let (code, said) = interrupt(child);
    assert!(matches!(code, Some(0 | 1)) && !said.contains("totebox:"), "{code:?} {said}");
    drop(other);
    appliance.end();
}
