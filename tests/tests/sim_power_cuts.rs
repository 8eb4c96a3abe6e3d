//! The whole appliance loses its power, or is killed, at random moments of an operator's work. Every receipt
//! the operator has seen holds afterwards, byte for byte, and nothing else has become a record than what
//! the operator sent in full.

use std::collections::BTreeMap;

use fastrand::Rng;
use ledger_fmt::hash;
use totebox::model::Deployment;
use totebox_tests::archive_bench;
use totebox_tests::operator::{Gone, Operator, number, value};
use totebox_tests::sim::{DiskHandle, SimWire, blank_disk, deployment, for_each_seed, operator};
use totebox_tests::vault_bench::{SMALL, bytes};

const ARCHIVES: [&str; 3] = ["contracts", "finance", "correspondence"];

/// What the operator knows.
#[derive(Default)]
struct Notebook {
    /// Content by name, of everything ever sent; a document's name begins with its archive's.
    sent: BTreeMap<String, Vec<u8>>,
    /// Names by archive and sequence number, of everything that has a receipt.
    receipts: BTreeMap<(String, u64), String>,
}

impl Notebook {
    fn content(&self, name: &str) -> &Vec<u8> {
        self.sent.get(name).unwrap_or_else(|| panic!("{name} was never sent"))
    }

    /// Compares an archive's listing with what was sent and what has receipts.
    fn compare(&mut self, archive: &str, operator: &mut Operator<SimWire>) -> Result<(), Gone> {
        let ls = operator.ask(&format!("ls {archive}"))?;
        assert!(ls.ok(), "{ls:?}");
        for (seq, row) in ls.rows.iter().enumerate().skip(1) {
            assert_eq!(number(row, "seq"), seq as u64, "there are no gaps");
            let name = row.split('"').nth(1).expect("a name in quotes");
            let content = self.content(name);
            assert!(name.starts_with(archive), "{name} is in {archive}");
            assert_eq!(value(row, "hash"), Some(hex(&hash::content(content)).as_str()), "{name}");
            let before = self.receipts.insert((archive.to_owned(), seq as u64), name.to_owned());
            assert!(before.is_none_or(|before| before == name), "record {seq} of {archive} was another one");
        }
        let known = self.receipts.keys().filter(|(of, _)| of == archive).map(|(_, seq)| *seq).max();
        assert!(known.unwrap_or(0) < number(&ls.end, "records"), "{archive} has lost a record: {ls:?}");
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was submitted and has no receipt yet: archive, name and tag.
type Waiting = Vec<(&'static str, String, u64)>;

/// A day's work: a few documents to each archive, several under way at once, and some reading.
fn work(
    operator: &mut Operator<SimWire>,
    random: &mut Rng,
    notebook: &mut Notebook,
    waiting: &mut Waiting,
    day: u64,
) -> Result<(), Gone> {
    operator.connect_settled()?;
    for archive in ARCHIVES {
        notebook.compare(archive, operator)?;
    }
    for i in 0..random.u32(1..8) {
        let archive = ARCHIVES[random.usize(..3)];
        let name = format!("{archive} day {day} number {i}");
        let size = [0, 1, 100, 4096, 9000, 20_000][random.usize(..6)];
        let content = bytes(size, random.u8(..));
        notebook.sent.insert(name.clone(), content.clone());
        let tag = operator.submit(archive, &name, &content)?;
        waiting.push((archive, name, tag.expect("there is room")));
        if random.bool() {
            settle_accounts(operator, notebook, waiting)?;
        }
        match random.u8(..6) {
            0 => assert!(operator.ask("verify")?.end.starts_with("+audit clean")),
            1 => assert!(operator.ask("status")?.ok()),
            2 => {
                if let Some(((archive, seq), name)) = notebook.receipts.iter().next_back() {
                    assert!(operator.get(archive, *seq)? == Ok(notebook.content(name).clone()), "{name}");
                }
            }
            _ => {}
        }
    }
    settle_accounts(operator, notebook, waiting)
}

/// Waits for the receipts of what was sent.
fn settle_accounts(
    operator: &mut Operator<SimWire>,
    notebook: &mut Notebook,
    waiting: &mut Waiting,
) -> Result<(), Gone> {
    while let Some((archive, name, tag)) = waiting.last() {
        let receipt = operator.await_outcome(*tag)?.expect("there is room");
        assert_eq!(receipt.hash, hex(&hash::content(notebook.content(name))));
        let before = notebook.receipts.insert((archive.to_string(), receipt.seq), name.clone());
        assert!(before.is_none_or(|before| before == *name), "two receipts for one record");
        waiting.pop();
    }
    Ok(())
}

fn last_day(deployment: &Deployment, disk: &DiskHandle, seed: u64, notebook: &mut Notebook) {
    let mut operator = operator(deployment, disk.clone(), seed, None);
    operator.connect_settled().unwrap();
    for archive in ARCHIVES {
        notebook.compare(archive, &mut operator).unwrap();
    }
    for ((archive, seq), name) in &notebook.receipts {
        assert!(operator.get(archive, *seq).unwrap() == Ok(notebook.content(name).clone()), "{name}");
    }
    assert_eq!(operator.ask("verify").unwrap().end, "+audit clean volumes=4");
    operator.wire.world.settle();
    for volume in 0..4 {
        assert_eq!(archive_bench::verify(deployment, disk, volume).findings, [], "volume {volume}");
    }
}

#[test]
fn every_receipt_holds_after_power_cuts() {
    let deployment = deployment(SMALL);
    let (mut cuts, mut receipts) = (0, 0);
    for_each_seed("every_receipt_holds_after_power_cuts", 200, |seed| {
        let mut random = Rng::with_seed(seed);
        let disk = DiskHandle::new(blank_disk(&deployment));
        let mut notebook = Notebook::default();
        for day in 0..4 {
            // Early cuts hit the start; a day's work is some thousand events.
            let latest = [100, 4000, 8000][random.usize(..3)];
            let cut_at = random.u64(..latest);
            let mut operator = operator(&deployment, disk.clone(), seed + 1000 * day, Some(cut_at));
            let mut waiting = Vec::new();
            if work(&mut operator, &mut random, &mut notebook, &mut waiting, day) == Err(Gone) {
                cuts += 1;
            }
            // A receipt that was seen counts, whether or not the operator was waiting for it.
            for (archive, name, tag) in waiting {
                if let Some(Ok(receipt)) = operator.outcome(tag) {
                    notebook.receipts.insert((archive.to_owned(), receipt.seq), name);
                }
            }
            drop(operator);
            if random.u8(..4) > 0 {
                disk.borrow_mut().cut_power(&mut random);
            } else {
                disk.borrow_mut().kill(&mut random);
            }
        }
        last_day(&deployment, &disk, seed, &mut notebook);
        receipts += notebook.receipts.len();
    });
    println!("{cuts} cuts in the middle of work, {receipts} records, nothing lost");
}
