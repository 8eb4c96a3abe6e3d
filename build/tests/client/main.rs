//! The host tool's end of the console against the console itself: whole documents come and go, whatever
//! the line does to single bytes.

mod appliance;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod listing;
mod orders;
mod printing;
mod putting;
mod schema;
mod shared;
mod watch;

use std::cell::RefCell;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use appliance::{Appliance, Noise};
use totebox_common::files::Draft;
use totebox_console::testing::{Document, Harness};
use totebox_operator::client::content::FileContent;
use totebox_operator::client::get::get;
use totebox_operator::client::ls::ls;
use totebox_operator::client::progress::Progress;
use totebox_operator::client::put::{Order, Outcome, put};
use totebox_operator::client::sources::{Folders, Source, sources};
use totebox_operator::client::status::{await_start, status};
use totebox_operator::client::{Connection, Session, Timing};
use totebox_testing::Random;

/// Quick to ask again, and patient in the end: nothing here waits for time to pass but after noise.
const TIMING: Timing = Timing { quiet: Duration::from_millis(200), timeout: Duration::from_secs(60) };

/// No progress is shown.
struct Quiet;

impl Progress for Quiet {
    fn begin(&mut self, _: &str, _: u64) {}
    fn at(&mut self, _: u64) {}
    fn end(&mut self) {}
}

fn session(stream: UnixStream) -> Session {
    Session::open(Connection::over(stream).unwrap(), TIMING, Box::new(|_| {})).unwrap()
}

/// Files with names and sizes that have gone wrong before, in a folder.
fn files(folder: &Path, seed: u64) -> Vec<Source> {
    let mut random = Random(seed);
    let cases = [
        ("empty", 0),
        ("one byte", 1),
        ("Zürich \"2024\" \\ ☃.txt", 2999),
        ("line", 3000),
        ("more", 3001),
        ("much.pdf", 70_000),
    ];
    let make = |(name, len): (&str, usize)| {
        let mut content = vec![0; len];
        random.fill(&mut content);
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        Source { path, name: name.to_string() }
    };
    cases.map(make).to_vec()
}

fn documents(sources: &[Source]) -> Vec<Document> {
    let read = |source: &Source| Document { name: source.name.clone(), content: fs::read(&source.path).unwrap() };
    sources.iter().map(read).collect()
}

/// An order to put all of these.
fn order<'a>(archive: &'a str, sources: &'a [Source]) -> Order<'a> {
    Order { archive, sources, skip_existing: false }
}

/// Puts files; how each ended, in the order they did.
fn put_all(session: &mut Session, archive: &str, sources: &[Source]) -> Vec<(Source, Outcome)> {
    let mut outcomes = Vec::new();
    let mut done = |source: &Source, outcome: &Outcome| outcomes.push((source.clone(), outcome.clone()));
    put(session, order(archive, sources), &FileContent::read_all(sources, &mut Quiet), &mut Quiet, &mut done)
        .unwrap();
    outcomes
}

/// Where what is fetched goes, to be saved in this folder.
fn within(folder: &Path) -> Draft {
    Draft::within(folder, 0o600).unwrap()
}

fn get_bytes(session: &mut Session, archive: &str, sequence: u64, folder: &Path) -> Vec<u8> {
    let fetched = get(session, archive, sequence, within(folder), &mut Quiet).unwrap().unwrap();
    let path = folder.join("fetched");
    fetched.save(&path, true).unwrap();
    fs::read(&path).unwrap()
}

#[test]
fn files_go_in_and_come_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let sources = files(folder.path(), 1);
    let (appliance, stream) = Appliance::start(Noise::none(), |_| {}, |_| {});
    let mut session = session(stream);
    let outcomes = put_all(&mut session, "finance", &sources);
    for (index, (source, outcome)) in outcomes.iter().enumerate() {
        let Outcome::Committed(receipt) = outcome else { panic!("{source:?}: {outcome:?}") };
        assert_eq!((receipt.sequence, &source.name), (index as u64 + 1, &sources[index].name));
    }
    let listing = ls(&mut session, "finance", 0, 100).unwrap().unwrap();
    assert_eq!((listing.entries.len(), listing.records), (7, 7));
    for (entry, source) in listing.entries[1..].iter().zip(&sources) {
        assert_eq!(entry.name, source.name);
        assert_eq!(
            get_bytes(&mut session, "finance", entry.sequence, folder.path()),
            fs::read(&source.path).unwrap()
        );
    }
    let status = status(&mut session).unwrap().unwrap();
    let names: Vec<&str> = status.volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(names, ["contracts", "finance", "audit"]);
    assert!(status.durable == Some(true) && status.settled && !status.read_only);
    drop(session);
    assert_eq!(appliance.end()[1], documents(&sources));
}

#[test]
fn the_next_file_does_not_wait_for_the_receipt_of_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let sources = files(folder.path(), 2);
    let held = |harness: &mut Harness| harness.archives[0].holds_receipts = true;
    // No receipt comes before all of them wait.
    let release = |harness: &mut Harness| {
        if harness.archives[0].pending() == 6 {
            harness.revive(0);
        }
    };
    let (appliance, stream) = Appliance::start(Noise::none(), held, release);
    let outcomes = put_all(&mut session(stream), "contracts", &sources);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Committed(_))), "{outcomes:?}");
    assert_eq!(appliance.end()[0], documents(&sources));
}

#[test]
fn noise_costs_time_and_nothing_else() {
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let sources = files(folder.path(), seed);
        let (appliance, stream) = Appliance::start(Noise::seeded(seed, 10_000), |_| {}, |_| {});
        let mut session = session(stream);
        let outcomes = put_all(&mut session, "finance", &sources);
        for (source, outcome) in &outcomes {
            let Outcome::Committed(receipt) = outcome else { panic!("seed {seed}: {source:?}: {outcome:?}") };
            let content = get_bytes(&mut session, "finance", receipt.sequence, folder.path());
            assert!(content == fs::read(&source.path).unwrap(), "seed {seed}: {source:?}");
        }
        drop(session);
        // Each once, under its own name, and in order.
        assert!(appliance.end()[1] == documents(&sources), "seed {seed}");
    }
}

#[test]
fn a_refusal_concerns_one_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sources = files(folder.path(), 3);
    let small = |harness: &mut Harness| harness.archives[1].refuses_at = Some(50_000);
    let (appliance, stream) = Appliance::start(Noise::none(), small, |_| {});
    let mut session = session(stream);
    let outcomes = put_all(&mut session, "finance", &sources);
    for (source, outcome) in &outcomes {
        match outcome {
            Outcome::Refused(refusal) => {
                assert_eq!((source.name.as_str(), refusal.name.as_str()), ("much.pdf", "full"))
            }
            outcome => assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}"),
        }
    }
    let outcomes = put_all(&mut session, "nowhere", &sources[..1]);
    assert!(
        matches!(&outcomes[0].1, Outcome::Refused(refusal) if refusal.name == "unknown-archive"),
        "{outcomes:?}"
    );
    let refusal = ls(&mut session, "nowhere", 0, 1).unwrap().unwrap_err();
    assert_eq!(refusal.text, "no archive \"nowhere\"; totebox status shows them");
    drop(session);
    assert_eq!(appliance.end()[1], documents(&sources[..5]));
}

#[test]
fn a_file_that_changes_while_it_is_put_is_not_committed() {
    /// Changes the file once it was hashed.
    struct Vandal<'a>(&'a Path, RefCell<&'a str>);
    impl Progress for Vandal<'_> {
        fn begin(&mut self, label: &str, _: u64) {
            if label == "victim" {
                fs::write(self.0, *self.1.borrow()).unwrap();
            }
        }
        fn at(&mut self, _: u64) {}
        fn end(&mut self) {}
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("victim");
    let source = [Source { path: path.clone(), name: "victim".into() }];
    let (appliance, stream) = Appliance::start(Noise::none(), |_| {}, |_| {});
    let mut session = session(stream);
    let mut put_over = |change: &'static str| {
        fs::write(&path, "what was hashed").unwrap();
        let mut outcomes = Vec::new();
        let mut done = |_: &Source, outcome: &Outcome| outcomes.push(outcome.clone());
        let mut vandal = Vandal(&path, RefCell::new(change));
        let contents = FileContent::read_all(&source, &mut Quiet);
        put(&mut session, order("finance", &source), &contents, &mut vandal, &mut done).unwrap();
        outcomes.pop().unwrap()
    };
    let Outcome::Refused(refusal) = put_over("what was hashee") else { panic!("not refused") };
    assert_eq!(refusal.name, "wrong-hash");
    let Outcome::NotRead(why) = put_over("short") else { panic!("not noticed") };
    assert!(why.starts_with("it changed while it was read"), "{why}");
    let Outcome::Committed(_) = put_over("what was hashed") else { panic!("not committed") };
    drop(session);
    assert_eq!(appliance.end()[1].len(), 1);
}

#[test]
fn a_document_that_does_not_have_its_hash_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let prepare = |harness: &mut Harness| {
        let content = b"what was committed".to_vec();
        harness.archives[0].documents.push(Document { name: "x".into(), content });
        harness.archives[0].damages = true;
    };
    let (_, stream) = Appliance::start(Noise::none(), prepare, |_| {});
    let mut session = session(stream);
    let refusal = get(&mut session, "contracts", 1, within(folder.path()), &mut Quiet).unwrap().unwrap_err();
    assert_eq!(refusal.name, "damaged");
    let refusal = get(&mut session, "contracts", 2, within(folder.path()), &mut Quiet).unwrap().unwrap_err();
    assert_eq!(refusal.name, "not-found");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_there_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine");
    fs::write(&path, "mine").unwrap();
    let prepare = |harness: &mut Harness| {
        harness.archives[0].documents.push(Document { name: "x".into(), content: b"theirs".to_vec() });
    };
    let (_, stream) = Appliance::start(Noise::none(), prepare, |_| {});
    let mut session = session(stream);
    let mut fetch = || get(&mut session, "contracts", 1, within(folder.path()), &mut Quiet).unwrap().unwrap();
    let error = fetch().save(&path, false).unwrap_err();
    assert!(error.to_string().ends_with("already exists; --force replaces it, -o names another file"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    fetch().save(&path, true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
}

#[test]
fn what_an_earlier_peer_left_half_done_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let sources = files(folder.path(), 4);
    let leave = |harness: &mut Harness| {
        harness.bytes(b"\x03\nmachine\n");
        harness.send("put finance \"left behind\" 9000");
        harness.bytes(b"@0 half a line");
    };
    let (appliance, stream) = Appliance::start(Noise::none(), leave, |_| {});
    put_all(&mut session(stream), "finance", &sources[..2]);
    assert_eq!(appliance.end()[1], documents(&sources[..2]));
}

#[test]
fn an_appliance_that_does_not_answer_is_named() {
    let (stream, _silent) = UnixStream::pair().unwrap();
    let timing = Timing { quiet: Duration::from_millis(20), timeout: Duration::from_millis(60) };
    let error = Session::open(Connection::over(stream).unwrap(), timing, Box::new(|_| {})).err().unwrap();
    assert!(error.to_string().starts_with("the console does not answer"), "{error}");

    let (stream, gone) = UnixStream::pair().unwrap();
    drop(gone);
    let error = Session::open(Connection::over(stream).unwrap(), timing, Box::new(|_| {})).err().unwrap();
    assert!(error.to_string().contains("to the appliance"), "{error}");

    let error = Connection::open(&"unix:/nowhere/at-all".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("is the appliance running?"), "{error}");
    for address in ["", "unix:", "/a/path", "tcp:host"] {
        let error = address.parse::<totebox_operator::client::Address>().unwrap_err();
        assert!(error.starts_with("expected unix:PATH"), "{error}");
    }
}

#[test]
fn a_client_waits_for_the_appliance_to_come_up() {
    let starting = |harness: &mut Harness| {
        harness.status_page.settled = 0;
        harness.publish();
    };
    let mut asked = 0;
    let rise = move |harness: &mut Harness| {
        asked += 1;
        if asked == 3 {
            harness.status_page.settled = 1;
            harness.publish();
        }
    };
    let (_, stream) = Appliance::start(Noise::none(), starting, rise);
    let mut session = session(stream);
    assert!(!status(&mut session).unwrap().unwrap().settled);
    await_start(&mut session).unwrap();
    assert!(status(&mut session).unwrap().unwrap().settled);
}

#[test]
fn an_archive_that_stops_taking_data_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sources = files(folder.path(), 5);
    let hang = |harness: &mut Harness| harness.archives[0].hung |= harness.archives[0].seen.len() > 5;
    let (appliance, stream) = Appliance::start(Noise::none(), |_| {}, hang);
    let timing = Timing { quiet: Duration::from_millis(50), timeout: Duration::from_millis(500) };
    let mut session = Session::open(Connection::over(stream).unwrap(), timing, Box::new(|_| {})).unwrap();
    let mut outcomes = Vec::new();
    let mut done = |_: &Source, outcome: &Outcome| outcomes.push(outcome.clone());
    let contents = FileContent::read_all(&sources, &mut Quiet);
    let error = put(&mut session, order("contracts", &sources), &contents, &mut Quiet, &mut done).unwrap_err();
    assert!(error.to_string().starts_with("archive contracts "), "{error}");
    // The console is still there.
    assert_eq!(ls(&mut session, "finance", 0, 0).unwrap().unwrap().records, 1);
    drop(session);
    appliance.end();
}

#[test]
fn timeout_ends_when_nothing_moved_for_so_long() {
    let folder = tempfile::tempdir().unwrap();
    let hang = |harness: &mut Harness| {
        harness.archives[0].documents.push(Document { name: "x".into(), content: b"x".to_vec() });
        harness.archives[0].hung = true;
    };
    let (appliance, stream) = Appliance::start(Noise::none(), hang, |_| {});
    let timing = Timing { quiet: Duration::from_millis(20), timeout: Duration::from_secs(1) };
    let mut session = Session::open(Connection::over(stream).unwrap(), timing, Box::new(|_| {})).unwrap();
    let error = get(&mut session, "contracts", 1, within(folder.path()), &mut Quiet).unwrap_err().to_string();
    assert_eq!(error, "archive contracts has sent nothing of record 1 behind byte 0, for 1 s now");
    let error = ls(&mut session, "contracts", 0, 9).unwrap_err().to_string();
    let expected =
        "no answer to `ls contracts 0 9` within 1 s: the console has the command, and who is to answer it";
    assert!(error.starts_with(expected), "{error}");
    drop(session);
    appliance.end();
}

#[test]
fn folders_are_put_by_name_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("letters");
    fs::create_dir_all(top.join("2024")).unwrap();
    for name in ["b.txt", "2024/z.txt", "a.txt"] {
        fs::write(top.join(name), name).unwrap();
    }
    let all = Folders { recursive: true, follow: false };
    let found = sources(std::slice::from_ref(&top), all);
    let names: Vec<&str> = found.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["letters/2024/z.txt", "letters/a.txt", "letters/b.txt"]);
    assert_eq!(found.others, []);
}

#[test]
fn what_cannot_be_put_keeps_nothing_else_back() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gone) = (folder.path().join("plain.txt"), folder.path().join("gone"));
    fs::write(&file, "plain").unwrap();
    let named = [file.clone(), folder.path().to_owned(), "-".into(), gone.clone()];
    let found = sources(&named, Folders::default());
    let paths: Vec<&Path> = found.sources.iter().map(|source| source.path.as_path()).collect();
    assert_eq!(paths, [&file, &gone], "what is wrong with the other shows when it is read");
    let whys: Vec<&str> = found.others.iter().map(|other| other.why.as_str()).collect();
    assert_eq!(whys, ["a folder; -r puts all files in it", "standard input is put by itself, with a --name"]);
}
