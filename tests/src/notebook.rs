//! An operator's days at an appliance that loses its power at any moment, and what the operator knows of it:
//! every receipt seen holds afterwards, byte for byte, and nothing else has become a document than what was
//! sent in full.

use std::collections::BTreeMap;

use fastrand::Rng;
use ledger_fmt::hash;

use crate::operator::{Gone, Operator, Wire, number, value};
use crate::vault_bench::bytes;

/// What the operator knows.
pub struct Notebook {
    archives: Vec<String>,
    /// Content by name, of everything ever sent; a document's name begins with its archive's.
    sent: BTreeMap<String, Vec<u8>>,
    /// Names by archive and sequence number, of everything that has a receipt.
    receipts: BTreeMap<(String, u64), String>,
    /// Listed rows by archive and sequence number: no record ever becomes another.
    listed: BTreeMap<(String, u64), String>,
    /// What was submitted and has no receipt yet.
    waiting: Vec<Waiting>,
    days: u64,
}

/// A submission on its way.
struct Waiting {
    archive: String,
    name: String,
    tag: u64,
}

impl Notebook {
    /// An empty one, for these archives.
    pub fn new(archives: &[String]) -> Notebook {
        Notebook {
            archives: archives.to_vec(),
            sent: BTreeMap::new(),
            receipts: BTreeMap::new(),
            listed: BTreeMap::new(),
            waiting: Vec::new(),
            days: 0,
        }
    }

    /// Documents that have become records.
    pub fn receipts(&self) -> usize {
        self.receipts.len()
    }

    /// A day's work, until it is done or the appliance is gone: the archives are compared with what was noted, a
    /// few documents go to each, several under way at once, and some are read.
    pub fn day<W: Wire>(&mut self, operator: &mut Operator<W>, random: &mut Rng) -> Result<(), Gone> {
        self.days += 1;
        let worked = self.work(operator, random);
        // A receipt that was seen counts, whether or not the operator was waiting for it.
        for Waiting { archive, name, tag } in std::mem::take(&mut self.waiting) {
            if let Some(Ok(receipt)) = operator.outcome(tag) {
                self.receipts.insert((archive, receipt.seq), name);
            }
        }
        worked
    }

    fn work<W: Wire>(&mut self, operator: &mut Operator<W>, random: &mut Rng) -> Result<(), Gone> {
        operator.connect_settled()?;
        for archive in self.archives.clone() {
            self.compare(&archive, operator)?;
        }
        for i in 0..random.u32(1..8) {
            let archive = random.choice(&self.archives).expect("there are archives").clone();
            let name = format!("{archive} day {} number {i}", self.days);
            let size = [0, 1, 100, 4096, 9000, 20_000][random.usize(..6)];
            let content = bytes(size, random.u8(..));
            self.sent.insert(name.clone(), content.clone());
            let tag = operator.submit(&archive, &name, &content)?.expect("there is room");
            self.waiting.push(Waiting { archive, name, tag });
            if random.bool() {
                self.settle_accounts(operator)?;
            }
            match random.u8(..6) {
                0 => verify(operator)?,
                1 => assert!(operator.ask("status")?.ok()),
                2 => {
                    if let Some(((archive, seq), name)) = self.receipts.iter().next_back() {
                        assert!(operator.get(archive, *seq)? == Ok(self.content(name).clone()), "{name}");
                    }
                }
                _ => {}
            }
        }
        self.settle_accounts(operator)
    }

    /// Compares all there is with what was noted: every document is read, and the auditor finds nothing.
    pub fn close<W: Wire>(&mut self, operator: &mut Operator<W>) -> Result<(), Gone> {
        operator.connect_settled()?;
        for archive in self.archives.clone() {
            self.compare(&archive, operator)?;
        }
        for ((archive, seq), name) in &self.receipts {
            assert!(operator.get(archive, *seq)? == Ok(self.content(name).clone()), "{name}");
        }
        verify(operator)
    }

    fn content(&self, name: &str) -> &Vec<u8> {
        self.sent.get(name).unwrap_or_else(|| panic!("{name} was never sent"))
    }

    /// Compares an archive's listing with what was sent, what has receipts, and what was listed before.
    fn compare<W: Wire>(&mut self, archive: &str, operator: &mut Operator<W>) -> Result<(), Gone> {
        let ls = operator.ask(&format!("ls {archive}"))?;
        assert!(ls.ok(), "{ls:?}");
        for (seq, row) in ls.rows.iter().enumerate() {
            assert_eq!(number(row, "seq"), seq as u64, "there are no gaps");
            let place = (archive.to_owned(), seq as u64);
            let before = self.listed.insert(place.clone(), row.clone());
            assert!(before.is_none_or(|before| before == *row), "record {seq} of {archive} was another one");
            if value(row, "kind") != Some("document") {
                continue;
            }
            let name = row.split('"').nth(1).expect("a name in quotes");
            assert!(name.starts_with(archive), "{name} is in {archive}");
            assert_eq!(value(row, "hash"), Some(hex(&hash::content(self.content(name))).as_str()), "{name}");
            let before = self.receipts.insert(place, name.to_owned());
            assert!(before.is_none_or(|before| before == name), "record {seq} of {archive} was another one");
        }
        let known = self.receipts.keys().filter(|(of, _)| of == archive).map(|(_, seq)| *seq).max();
        assert!(known.unwrap_or(0) < number(&ls.end, "records"), "{archive} has lost a record: {ls:?}");
        Ok(())
    }

    /// Waits for the receipts of what was sent.
    fn settle_accounts<W: Wire>(&mut self, operator: &mut Operator<W>) -> Result<(), Gone> {
        while let Some(Waiting { archive, name, tag }) = self.waiting.last() {
            let receipt = operator.await_outcome(*tag)?.expect("there is room");
            assert_eq!(receipt.hash, hex(&hash::content(self.content(name))));
            let before = self.receipts.insert((archive.clone(), receipt.seq), name.clone());
            assert!(before.is_none_or(|before| before == *name), "two receipts for one record");
            self.waiting.pop();
        }
        Ok(())
    }
}

/// The auditor finds every volume clean.
fn verify<W: Wire>(operator: &mut Operator<W>) -> Result<(), Gone> {
    loop {
        let verdict = operator.ask("verify")?;
        // A scheduled one may be under way.
        if verdict.error() != Some("busy") {
            assert!(verdict.end.starts_with("+audit clean"), "{verdict:?}");
            return Ok(());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
