//! Putting many files, and what is no file: each is told of exactly once, whatever happens.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use totebox_console::testing::Harness;
use totebox_console_protocol::data::{checksum, verified};
use totebox_operator::client::content::FileContent;
use totebox_operator::client::lines::Line;
use totebox_operator::client::put::{Order, Outcome, put};
use totebox_operator::client::sources::Source;
use totebox_protocol::audit::Verdict;

use crate::appliance::{Appliance, Noise};
use crate::commands::{json, stderr, stdout, totebox};
use crate::{Quiet, documents, files, order, put_all, session};

/// So many small files.
fn many(folder: &Path, count: usize) -> Vec<Source> {
    let make = |index: usize| {
        let (name, path) = (format!("{index:03}"), folder.join(format!("{index:03}")));
        fs::write(&path, format!("content {index}")).unwrap();
        Source { path, name }
    };
    (0..count).map(make).collect()
}

#[test]
fn more_files_than_may_wait_are_all_put() {
    let folder = tempfile::tempdir().unwrap();
    let sources = many(folder.path(), 70);
    let slow = |harness: &mut Harness| harness.archives[0].holds_receipts = true;
    // The disk takes its time until as many wait as may.
    let mut full = 0;
    let meanwhile = move |harness: &mut Harness| {
        if harness.archives[0].pending() == 32 {
            full += 1;
            // Whoever asks once more is told that the console is busy.
            if full == 3 {
                harness.revive(0);
            }
        }
    };
    let (appliance, stream) = Appliance::start(Noise::none(), slow, meanwhile);
    let outcomes = put_all(&mut session(stream), "contracts", &sources);
    assert_eq!(outcomes.len(), 70);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Committed(_))), "{outcomes:?}");
    assert_eq!(appliance.end()[0], documents(&sources));
}

#[test]
fn without_an_appliance_each_file_is_told_of_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "a").unwrap();
    let output = totebox(folder.path(), &["put", "contracts", "a", "missing", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let told = json("put", &output);
    assert_eq!((&told[0]["error"], &told[1]["error"]), (&"not-sent".into(), &"not-sent".into()));
    assert!(stderr(&output).contains("is the appliance running?"), "{}", stderr(&output));
}

/// A console that is played by a script: `answer` is told each line that is no handshake, and says what comes
/// back; nothing more comes after it says `None`.
pub fn scripted(answer: impl FnMut(&str) -> Option<Vec<String>> + Send + 'static) -> UnixStream {
    let (ours, mut line) = UnixStream::pair().unwrap();
    let mut answer = answer;
    thread::spawn(move || {
        let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = line.read(&mut chunk) {
            received.extend(&chunk[..count]);
            while let Some(end) = received.iter().position(|&byte| byte == b'\n') {
                let taken: Vec<u8> = received.drain(..=end).collect();
                let taken = String::from_utf8(taken).unwrap();
                let said = taken.trim_matches(['\x03', '\n']);
                let answers = match (said.strip_prefix("machine "), verified(said.as_bytes())) {
                    (Some(number), _) => vec![format!("+machine totebox/1 {number}")],
                    (None, Ok(body)) => match answer(std::str::from_utf8(body).unwrap()) {
                        Some(answers) => answers,
                        None => return,
                    },
                    (None, Err(_)) => Vec::new(),
                };
                for body in answers {
                    write!(line, "{body} #{:08x}\r\n", checksum(body.as_bytes())).unwrap();
                }
            }
        }
    });
    ours
}

/// What a record of this content says in a listing.
pub fn row(sequence: u64, name: &str, content: &str) -> String {
    let hash = blake3::hash(content.as_bytes()).to_hex();
    format!("=record seq={sequence} kind=document time=9 size={} hash={hash} name=\"{name}\"", content.len())
}

/// Puts `files` of [`many`] at a console that behaves so.
fn put_at(
    files: usize,
    answer: impl FnMut(&str) -> Option<Vec<String>> + Send + 'static,
) -> (Vec<(String, Outcome)>, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let sources = many(folder.path(), files);
    let mut session = session(scripted(answer));
    let mut outcomes = Vec::new();
    let mut done = |source: &Source, outcome: &Outcome| outcomes.push((source.name.clone(), outcome.clone()));
    let contents = FileContent::read_all(&sources, &mut Quiet);
    let ended = put(&mut session, order("contracts", &sources), &contents, &mut Quiet, &mut done);
    let names: BTreeSet<_> = outcomes.iter().map(|(name, _)| name).collect();
    assert_eq!((names.len(), outcomes.len()), (files, files), "each exactly once: {outcomes:?}");
    (outcomes, ended.err().map(|error| format!("{error:#}")))
}

/// A console that takes each document, and says nothing of its own accord.
fn takes(said: &str, tag: &mut u32) -> Option<Vec<String>> {
    let words: Vec<&str> = said.split(' ').collect();
    Some(vec![match words[0] {
        "put" => {
            *tag += 1;
            format!("+ready {tag} 8")
        }
        // All contents have this size, and come in one line.
        "@0" => "?9".into(),
        _ => return None,
    }])
}

#[test]
fn a_refusal_without_a_tag_ends_no_submission() {
    let mut tag = 0;
    let (outcomes, _) = put_at(2, move |said| match said.split(' ').next().unwrap() {
        "ls" => Some(vec!["+ls records=1".into()]),
        // The text of a refusal begins with the tag of what waits.
        "put" if tag == 1 => Some(vec!["-full 1 is the room that is left".into()]),
        "receipt" => {
            let hash = blake3::hash(b"content 0").to_hex();
            Some(vec![format!("+receipt 1 seq=1 size=9 hash={hash} record={hash} time=9")])
        }
        _ => takes(said, &mut tag),
    });
    let of = |name: &str| &outcomes.iter().find(|(of, _)| of == name).unwrap().1;
    assert!(matches!(of("000"), Outcome::Committed(_)), "{outcomes:?}");
    assert!(matches!(of("001"), Outcome::Refused(refusal) if refusal.name == "full"), "{outcomes:?}");
}

#[test]
fn a_refusal_of_an_earlier_submission_is_no_answer_to_the_next() {
    let mut tag = 0;
    let (outcomes, _) = put_at(2, move |said| match said.split(' ').next().unwrap() {
        "ls" => Some(vec!["+ls records=1".into()]),
        "put" if tag == 1 => {
            tag = 2;
            Some(vec!["-wrong-hash:1 not what was declared".into(), "+ready 2 8".into()])
        }
        "receipt" => {
            let hash = blake3::hash(b"content 1").to_hex();
            Some(vec![format!("+receipt 2 seq=1 size=9 hash={hash} record={hash} time=9")])
        }
        _ => takes(said, &mut tag),
    });
    assert!(
        matches!(&outcomes[0], (of, Outcome::Refused(refusal)) if of == "000" && refusal.name == "wrong-hash")
    );
    assert!(matches!(&outcomes[1], (of, Outcome::Committed(_)) if of == "001"), "{outcomes:?}");
}

/// The console remembers a limited number of submissions, so the oldest is asked for while it is among them.
#[test]
fn what_the_console_may_forget_soon_is_asked_for() {
    let (mut tag, mut told) = (0, 0);
    let (outcomes, error) = put_at(70, move |said| match said.split(' ').collect::<Vec<_>>()[..] {
        ["ls", ..] => Some(vec!["+ls records=1".into()]),
        ["receipt", of] => {
            told = of.parse().unwrap();
            let content = format!("content {}", told - 1);
            let (size, hash) = (content.len(), blake3::hash(content.as_bytes()).to_hex());
            Some(vec![format!("+receipt {told} seq={told} size={size} hash={hash} record={hash} time=9")])
        }
        // It hangs up on who lets it forget.
        ["put", ..] if tag > told + 32 => None,
        ["@0", content, ..] => Some(vec![format!("?{}", content.trim_end_matches('=').len() * 3 / 4)]),
        _ => takes(said, &mut tag),
    });
    assert_eq!(error, None);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Committed(_))), "{outcomes:?}");
}

#[test]
fn what_has_no_receipt_is_asked_for_and_then_looked_for() {
    // The appliance was restarted: it knows neither submission, but lists one of the documents, as the second
    // record of that name and content. The other is sent once more.
    let (mut tag, mut asked) = (0, 0);
    let (outcomes, error) = put_at(2, move |said| match said.split(' ').next().unwrap() {
        "ls" if said.ends_with(" 0 0") => Some(vec!["+ls records=2".into()]),
        "ls" => Some(vec![row(2, "000", "content 0"), "+ls records=3".into()]),
        "receipt" if asked < 2 => {
            asked += 1;
            tag = 0;
            Some(vec!["-not-found no submission with that number is known; ls shows what is committed".into()])
        }
        "receipt" => {
            let hash = blake3::hash(b"content 1").to_hex();
            Some(vec![format!("+receipt 1 seq=3 size=9 hash={hash} record={hash} time=9")])
        }
        _ => takes(said, &mut tag),
    });
    assert_eq!(error, None);
    assert!(matches!(&outcomes[0].1, Outcome::Listed(record) if record.sequence == 2), "{outcomes:?}");
    assert!(matches!(&outcomes[1].1, Outcome::Committed(receipt) if receipt.sequence == 3), "{outcomes:?}");
}

#[test]
fn a_receipt_of_another_day_is_not_taken_for_one_of_today() {
    let mut tag = 0;
    let (outcomes, _) = put_at(1, move |said| match said.split(' ').next().unwrap() {
        "ls" if said.ends_with(" 0 0") => Some(vec!["+ls records=1".into()]),
        "ls" => Some(vec![row(7, "000", "content 0"), "+ls records=8".into()]),
        "receipt" => {
            let hash = blake3::hash(b"something else").to_hex();
            Some(vec![format!("+receipt 1 seq=1 size=14 hash={hash} record={hash} time=9")])
        }
        _ => takes(said, &mut tag),
    });
    assert!(matches!(&outcomes[0].1, Outcome::Listed(record) if record.sequence == 7), "{outcomes:?}");
}

#[test]
fn every_file_is_told_of_when_the_line_is_lost() {
    let mut tag = 0;
    let (outcomes, error) = put_at(5, move |said| match said.split(' ').next().unwrap() {
        "ls" => Some(vec!["+ls records=1".into()]),
        "put" if tag == 2 => None,
        _ => takes(said, &mut tag),
    });
    assert!(error.is_some());
    let is = |outcome: &Outcome| match outcome {
        Outcome::Unknown(_) => 'u',
        Outcome::NotSent(_) => 'n',
        _ => panic!("{outcome:?}"),
    };
    assert_eq!(outcomes.iter().map(|(_, outcome)| is(outcome)).collect::<String>(), "uunnn");
}

#[test]
fn the_forms_the_script_speaks_are_those_of_the_protocol() {
    assert!(
        matches!(Line::parse("-full 1 is the room that is left"), Some(Line::Refused(refusal)) if refusal.tag.is_none())
    );
    assert!(matches!(Line::parse(&row(2, "x", "y")), Some(Line::Row(..))));
}

#[test]
fn everything_in_a_folder_is_put_or_reported() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let appliance = Appliance::listen(&at.join("console"), 4, |_| {}, |_| {});
    let top = at.join("all");
    fs::create_dir_all(top.join("real/sub")).unwrap();
    fs::create_dir(at.join("elsewhere")).unwrap();
    for (name, content) in [("all/a", "a"), ("all/real/b", "b"), ("all/real/sub/c", "c"), ("elsewhere/d", "d")] {
        fs::write(at.join(name), content).unwrap();
    }
    symlink(at.join("elsewhere/d"), top.join("to-file")).unwrap();
    symlink(at.join("elsewhere"), top.join("to-folder")).unwrap();
    symlink("..", top.join("real/loop")).unwrap();
    symlink("self", top.join("self")).unwrap();
    symlink("nowhere", top.join("dangling")).unwrap();
    let not_utf8 = top.join(std::ffi::OsStr::from_bytes(b"not-utf8-\xff"));
    fs::write(&not_utf8, "x").unwrap();
    fs::write(top.join("control\n"), "x").unwrap();
    // A path is a document's name: one of more than 1024 bytes is none.
    let deep = (0..4).fold(top.clone(), |path, _| path.join("l".repeat(255)));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("x"), "x").unwrap();
    mknodat(CWD, top.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _socket = UnixListener::bind(top.join("socket")).unwrap();

    let output = totebox(at, &["put", "contracts", "-r", "all", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = json("put", &output);
    let each = |file: &Value| {
        let text = |key: &str| file[key].as_str().unwrap_or_default().to_string();
        let name = text("file").replacen("all/", "", 1);
        (if name.starts_with("lll") { "long".into() } else { name }, text("error"))
    };
    let mut told: Vec<(String, String)> = told.as_array().unwrap().iter().map(each).collect();
    told.sort();
    let expected = [
        ("a", ""),
        ("control\n", "bad-name"),
        ("dangling", "not-read"),
        ("fifo", "not-read"),
        ("long", "bad-name"),
        ("not-utf8-\u{fffd}", "not-read"),
        ("real/b", ""),
        ("real/loop", "not-read"),
        ("real/sub/c", ""),
        ("self", "not-read"),
        ("socket", "not-read"),
        ("to-file", ""),
        ("to-folder", "not-read"),
    ];
    assert_eq!(told, expected.map(|(file, error)| (file.to_string(), error.to_string())));

    // Once more: what is there is skipped, what links lead to is put, and the loop ends.
    let output = totebox(at, &["put", "contracts", "-r", "all", "--follow", "--skip-existing"]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<String> = stdout(&output).lines().map(|line| line[..6].to_string()).collect();
    assert_eq!(lines, ["exists", "exists", "exists", "exists", "record"], "{}", stdout(&output));
    let said = stderr(&output);
    assert!(said.contains("all/real/loop: a symbolic link to a folder that it is in itself"), "{said}");
    assert!(said.contains("all/fifo: no file but a FIFO"), "{said}");
    assert!(said.ends_with("totebox: 8 files were not put\n"), "{said}");

    let output = totebox(at, &["put", "contracts", "-r", "all/real", "--skip-existing", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json("put", &output).as_array().unwrap().len(), 3);

    // Another content under the same name is another document; what cannot be read is told of, and not skipped.
    fs::write(top.join("real/b"), "another b").unwrap();
    let output = totebox(at, &["put", "contracts", "-r", "all/real", "missing", "--skip-existing", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let ended = |file: &Value| (each(file), file["skipped"] == true);
    let told: BTreeSet<_> = json("put", &output).as_array().unwrap().iter().map(ended).collect();
    let expected = [
        (("missing", "not-read"), false),
        (("real/b", ""), false),
        (("real/loop", "not-read"), false),
        (("real/sub/c", ""), true),
    ];
    let expected = expected.map(|((file, error), skipped)| ((file.to_string(), error.to_string()), skipped));
    assert_eq!(told, expected.into());
    let names: Vec<String> = appliance.end()[0].iter().map(|document| document.name.clone()).collect();
    assert_eq!(
        names,
        [
            "all/a",
            "all/real/b",
            "all/real/sub/c",
            "all/to-file",
            "all/to-folder/d",
            "real/b",
            "real/sub/c",
            "real/b"
        ]
    );
}

#[test]
fn what_a_damaged_archive_lists_is_read_back_before_it_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let sources = files(folder.path(), 1)[3..5].to_vec();
    // Its last audit found something; and what it hands out of its documents is damaged, or not.
    let put_again = |damaged: bool| {
        let prepare = |harness: &mut Harness| {
            harness.status_page.rows[0].verdict = Verdict::Mismatch as u8;
            harness.publish();
        };
        let meanwhile = move |harness: &mut Harness| {
            harness.archives[0].damages = damaged && harness.archives[0].documents.len() == 2;
        };
        let (appliance, stream) = Appliance::start(Noise::none(), prepare, meanwhile);
        let mut session = session(stream);
        put_all(&mut session, "contracts", &sources);
        let mut outcomes = Vec::new();
        let contents = FileContent::read_all(&sources, &mut Quiet);
        let order = Order { skip_existing: true, ..order("contracts", &sources) };
        put(&mut session, order, &contents, &mut Quiet, &mut |_, outcome| outcomes.push(outcome.clone())).unwrap();
        drop(session);
        (outcomes, appliance.end().remove(0).len())
    };
    let (outcomes, documents) = put_again(false);
    assert!(matches!(outcomes[..], [Outcome::Skipped(_), Outcome::Skipped(_)]), "{outcomes:?}");
    assert_eq!(documents, 2);
    let (outcomes, documents) = put_again(true);
    // The first is damaged until it is put again, the other is whole.
    let committed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Committed(_))).count();
    assert_eq!((committed, outcomes.len(), documents), (1, 2, 3), "{outcomes:?}");
}
