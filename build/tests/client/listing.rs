//! Listing an archive that is not whole: what is damaged keeps nothing else back.

use totebox_console::testing::{Document, Harness};
use totebox_operator::client::ls::{Range, ls};

use crate::appliance::Appliance;
use crate::commands::{json, stderr, stdout, totebox};
use crate::putting::{row, scripted};
use crate::session;

#[test]
fn a_listing_shows_what_is_whole_and_names_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let prepare = |harness: &mut Harness| {
        for index in 0..8 {
            let (name, content) = (format!("document {index}"), b"x".to_vec());
            harness.archives[0].documents.push(Document { name, content });
        }
        harness.archives[0].unreadable = vec![2, 5, 6, 8];
    };
    let appliance = Appliance::listen(&at.join("console"), 4, prepare, |_| {});
    let output = totebox(at, &["ls", "contracts"]);
    assert_eq!(output.status.code(), Some(1));
    let first = |line: &str| line.split_whitespace().next().unwrap().to_string();
    let numbers: Vec<String> = stdout(&output).lines().skip(1).map(first).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "7", "8", "9"], "{}", stdout(&output));
    assert!(stdout(&output).contains("\n       5  records 5 to 6: damaged\n"), "{}", stdout(&output));
    let said = stderr(&output);
    assert!(
        said.contains("totebox: record 2 of archive contracts cannot be read; the others are listed"),
        "{said}"
    );

    let output = totebox(at, &["ls", "contracts", "--json"]);
    let listing = json("ls", &output);
    assert_eq!(listing["entries"].as_array().unwrap().len(), 5);
    assert_eq!(listing["damaged"][1], serde_json::json!({ "first": 5, "last": 6 }));
    assert_eq!(listing["records"], 9);

    // What was not asked for is not complained of.
    let output = totebox(at, &["ls", "contracts", "--from", "3", "--count", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = totebox(at, &["ls", "contracts", "--from", "6", "--count", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    appliance.end();
}

/// What is damaged of an archive whose console answers a listing so; it has so many records.
fn damaged(rows: &[&str], records: u64) -> Vec<(u64, Option<u64>)> {
    let rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let answer = move |said: &str| match said.ends_with(" 0 0") {
        true => Some(vec![format!("+ls records={records}")]),
        false => Some(rows.clone()),
    };
    let listing = ls(&mut session(scripted(answer)), "contracts", 0, u64::MAX).unwrap().unwrap();
    listing.damaged.iter().map(|&Range { first, last }| (first, last)).collect()
}

#[test]
fn a_ledger_whose_end_is_damaged_is_not_taken_for_whole() {
    let (first, last) = (row(0, "a", "a"), row(3, "b", "b"));
    let end = "-damaged some records of archive contracts are damaged";
    let rows = [&first, "=damaged seq=1 last=2", &last, "=damaged seq=4", end];
    assert_eq!(damaged(&rows, 4), [(1, Some(2)), (4, None)]);
    assert_eq!(damaged(&[&first, &last, end], 4), [(1, Some(2))]);
    assert_eq!(damaged(&[&first, end], 1), [(1, None)], "nothing is missing, and yet it is not all");
    assert_eq!(damaged(&[&first, &last, "+ls records=6"], 6), [(1, Some(2)), (4, Some(5))]);
}

#[test]
fn a_console_that_sends_without_end_is_given_up() {
    let listing = |rows: Vec<String>, count| {
        let mut session = session(scripted(move |_| Some(rows.clone())));
        format!("{:#}", ls(&mut session, "contracts", 0, count).unwrap_err())
    };
    let rows = (0..5000).map(|sequence| row(sequence, "a", "a")).collect();
    assert_eq!(listing(rows, u64::MAX), "the appliance sent more than 4096 rows as one answer");
    let hash = blake3::hash(b"").to_hex();
    let receipts = (1..2000).map(|tag| format!("+receipt {tag} seq=1 size=0 hash={hash} record={hash} time=9"));
    assert_eq!(listing(receipts.collect(), 1), "the appliance sends what nobody asked for, without end");
    let two = vec![row(0, "a", "a"), row(1, "b", "b"), "+ls records=2".into()];
    assert_eq!(listing(two, 1), "the appliance sent records that it was not asked for");
}
