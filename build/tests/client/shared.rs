//! The line is shared: a client loses it in the middle of something, as `totebox run` gives it to another, and goes
//! on when it is its turn again.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use totebox_console::testing::{Document, Harness};
use totebox_operator::client::get::get;
use totebox_operator::client::ls::ls;
use totebox_operator::client::put::Outcome;
use totebox_operator::client::status::status;
use totebox_operator::client::{Address, Connection, Session};

use crate::appliance::ARCHIVES;
use crate::commands::command;
use crate::{Quiet, TIMING, documents, files, put_all, within};

/// An appliance whose line each client loses once it has sent so many bytes.
pub struct Shared {
    path: PathBuf,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Vec<Document>>, usize)>,
}

impl Shared {
    /// Starts one on a socket of this path; `meanwhile` is called whenever a client has sent something.
    pub fn listen(
        path: &Path,
        bytes_max: usize,
        prepare: impl FnOnce(&mut Harness) + Send + 'static,
        mut meanwhile: impl FnMut(&mut Harness) + Send + 'static,
    ) -> Shared {
        let (listener, ended) = (UnixListener::bind(path).unwrap(), Arc::new(AtomicBool::new(false)));
        let until = ended.clone();
        let thread = thread::spawn(move || {
            let mut harness = Harness::up(&ARCHIVES);
            prepare(&mut harness);
            let mut clients = 0;
            for line in listener.incoming() {
                if until.load(Ordering::Relaxed) {
                    break;
                }
                clients += 1;
                harness.bytes(b"\x0e\x03");
                harness.output_bytes();
                serve(&mut harness, line.unwrap(), bytes_max, &mut meanwhile);
                harness.bytes(b"\x0f");
            }
            (harness.archives.drain(..).map(|archive| archive.documents).collect(), clients)
        });
        Shared { path: path.to_owned(), ended, thread }
    }

    /// The address of its line.
    pub fn address(&self) -> Address {
        Address::Unix(self.path.clone())
    }

    /// What the archives hold in the end, and how often the line was taken.
    pub fn end(self) -> (Vec<Vec<Document>>, usize) {
        self.ended.store(true, Ordering::Relaxed);
        drop(UnixStream::connect(&self.path));
        self.thread.join().unwrap()
    }
}

fn serve(harness: &mut Harness, mut line: UnixStream, bytes_max: usize, meanwhile: &mut impl FnMut(&mut Harness)) {
    let mut chunk = [0; 4096];
    let mut received = 0;
    while received < bytes_max {
        let Ok(count @ 1..) = line.read(&mut chunk) else { return };
        received += count;
        harness.bytes(&chunk[..count]);
        meanwhile(harness);
        if line.write_all(&harness.output_bytes()).is_err() {
            return;
        }
    }
    // The next answer is cut in the middle.
    if let Ok(count @ 1..) = line.read(&mut chunk) {
        harness.bytes(&chunk[..count]);
        let output = harness.output_bytes();
        let _ = line.write_all(&output[..output.len() / 2]);
    }
}

fn session(shared: &Shared) -> Session {
    Session::open(Connection::open(&shared.address()).unwrap(), TIMING, Box::new(|_| {})).unwrap()
}

#[test]
fn documents_that_the_line_was_lost_for_are_put_once() {
    let folder = tempfile::tempdir().unwrap();
    let sources = files(folder.path(), 7);
    // Less than all of them, and more than the largest of them takes.
    let shared = Shared::listen(&folder.path().join("console"), 100_000, |_| {}, |_| {});
    let mut session = session(&shared);
    for (source, outcome) in put_all(&mut session, "finance", &sources) {
        assert!(matches!(outcome, Outcome::Committed(_)), "{source:?}: {outcome:?}");
    }
    drop(session);
    let (archives, clients) = shared.end();
    // One that was given up is sent again behind the others.
    let [mut put, mut expected] = [archives[1].clone(), documents(&sources)];
    for documents in [&mut put, &mut expected] {
        documents.sort_by(|a, b| a.name.cmp(&b.name));
    }
    assert!(put == expected);
    assert!(clients > 1, "the line was never lost");
}

#[test]
fn a_reading_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..400_000u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect();
    let large = Document { name: "large".into(), content: content.clone() };
    // After the handshake and one command the line is lost in the middle of an answer.
    let prepare = move |harness: &mut Harness| harness.archives[0].documents.push(large);
    let shared = Shared::listen(&folder.path().join("console"), 30, prepare, |_| {});
    let mut session = session(&shared);
    for _ in 0..3 {
        assert!(status(&mut session).unwrap().unwrap().settled);
        assert_eq!(ls(&mut session, "contracts", 0, 9).unwrap().unwrap().records, 2);
    }
    let fetched = get(&mut session, "contracts", 1, within(folder.path()), &mut Quiet).unwrap().unwrap();
    let path = folder.path().join("fetched");
    fetched.save(&path, true).unwrap();
    assert!(std::fs::read(&path).unwrap() == content);
    drop(session);
    let (_, clients) = shared.end();
    assert!(clients > 3, "the line was lost {clients} times");
}

#[test]
fn an_appliance_that_has_ended_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console");
    let shared = Shared::listen(&path, 30, |_| {}, |_| {});
    let mut session = session(&shared);
    status(&mut session).unwrap().unwrap();
    shared.ended.store(true, Ordering::Relaxed);
    std::fs::remove_file(&path).unwrap();
    let error = status(&mut session).unwrap_err();
    assert!(format!("{error:#}").contains("the appliance closed the connection: cannot connect to"), "{error:#}");
}

#[test]
fn whoever_reads_what_was_fetched_may_be_slow_and_does_not_keep_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // More than a pipe holds.
    let content = vec![b'x'; 1 << 20];
    let document = Document { name: "large".into(), content: content.clone() };
    let large = move |harness: &mut Harness| harness.archives[0].documents.push(document);
    let shared = Shared::listen(&at.join("console"), usize::MAX, large, |_| {});
    let mut get = command(at, &["get", "contracts", "1", "-o", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut fetched = get.stdout.take().unwrap();
    let mut first = [0];
    fetched.read_exact(&mut first).unwrap();
    let output = command(at, &["ls", "contracts"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut rest = Vec::new();
    fetched.read_to_end(&mut rest).unwrap();
    assert!(get.wait().unwrap().success() && [&first[..], &rest].concat() == content);
    shared.end();
}

#[test]
fn a_put_from_a_pipe_takes_the_line_when_all_of_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let shared = Shared::listen(&at.join("console"), usize::MAX, |_| {}, |_| {});
    mknodat(CWD, at.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let spawn = |arguments: &[&str]| {
        let mut command = command(at, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut from_stdin = spawn(&["put", "contracts", "-", "--name", "from standard input"]);
    let from_pipe = spawn(&["put", "contracts", at.join("pipe").to_str().unwrap(), "--name", "from a pipe"]);
    let mut pipe = std::fs::File::options().write(true).open(at.join("pipe")).unwrap();
    pipe.write_all(b"the first half").unwrap();
    // It is being read, and the line is free.
    let output = command(at, &["ls", "contracts"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    pipe.write_all(b" and the second").unwrap();
    drop(pipe);
    let mut stdin = from_stdin.stdin.take().unwrap();
    stdin.write_all(b"typed").unwrap();
    drop(stdin);
    for child in [from_stdin, from_pipe] {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut documents = shared.end().0.swap_remove(0);
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    let document = |name: &str, content: &[u8]| Document { name: name.into(), content: content.to_vec() };
    let expected =
        [document("from a pipe", b"the first half and the second"), document("from standard input", b"typed")];
    assert_eq!(documents, expected);
}
