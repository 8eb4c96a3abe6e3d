//! An operator's days at an appliance that loses its power at any moment, and what the operator knows of it:
//! every receipt seen holds afterwards, byte for byte, and nothing else has become a document than what was
//! sent in full.

use std::collections::BTreeMap;

use fastrand::Rng;
use ledger_fmt::hash;
use totebox_disk::hex;

use crate::operator::{Gone, Operator, Wire, number, value};
use crate::vault_harness::bytes;

/// What the operator knows.
#[derive(Clone)]
pub struct Oracle {
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
#[derive(Clone)]
struct Waiting {
    archive: String,
    name: String,
    tag: u64,
}

impl Oracle {
    /// An empty one, for these archives.
    pub fn new(archives: &[String]) -> Oracle {
        Oracle {
            archives: archives.to_vec(),
            sent: BTreeMap::new(),
            receipts: BTreeMap::new(),
            listed: BTreeMap::new(),
            waiting: Vec::new(),
            days: 0,
        }
    }

    /// Documents that have become records.
    pub fn receipts(&self) -> u64 {
        self.receipts.len() as u64
    }

    /// The last document with a receipt: archive, sequence number and content.
    pub fn last(&self) -> Option<(&str, u64, &Vec<u8>)> {
        let ((archive, seq), name) = self.receipts.iter().next_back()?;
        Some((archive, *seq, self.content(name)))
    }

    /// A day's work, until it is done or the appliance is gone: the archives are compared with what was noted, a
    /// few documents go to each, several under way at once, and some are read.
    pub fn day<W: Wire>(&mut self, operator: &mut Operator<W>, random: &mut Rng) -> Result<(), Gone> {
        self.days += 1;
        let worked = self.work(operator, random);
        self.end_day(operator);
        worked
    }

    /// Ends a day, with whatever is still on its way. A receipt that was seen counts, whether or not the operator
    /// was waiting for it.
    pub fn end_day<W: Wire>(&mut self, operator: &Operator<W>) {
        for Waiting { archive, name, tag } in std::mem::take(&mut self.waiting) {
            if let Some(Ok(receipt)) = operator.outcome(tag) {
                self.receipts.insert((archive, receipt.seq), name);
            }
        }
    }

    /// Sends a document whose receipt is awaited later; the error's name if it is not taken.
    pub fn submit<W: Wire>(
        &mut self,
        operator: &mut Operator<W>,
        archive: &str,
        name: &str,
        content: Vec<u8>,
    ) -> Result<Result<(), String>, Gone> {
        let (archive, name) = (archive.to_owned(), format!("{archive} {name}"));
        let tag = operator.submit(&archive, &name, &content);
        self.sent.insert(name.clone(), content);
        Ok(tag?.map(|tag| self.waiting.push(Waiting { archive, name, tag })))
    }

    fn work<W: Wire>(&mut self, operator: &mut Operator<W>, random: &mut Rng) -> Result<(), Gone> {
        operator.connect_settled()?;
        for archive in self.archives.clone() {
            self.compare(&archive, operator)?;
        }
        for i in 0..random.u32(1..8) {
            let archive = random.choice(&self.archives).expect("there are archives").clone();
            let name = format!("day {} number {i}", self.days);
            let size = [0, 1, 100, 4096, 9000, 20_000][random.usize(..6)];
            let content = bytes(size, random.u8(..));
            self.submit(operator, &archive, &name, content)?.expect("there is room");
            if random.bool() {
                assert_eq!(self.await_receipts(operator)?, 0, "there is room");
            }
            match random.u8(..6) {
                0 => verify(operator)?,
                1 => assert!(operator.ask("status")?.ok()),
                2 => {
                    if let Some((archive, seq, content)) = self.last() {
                        assert!(operator.get(archive, seq)?.as_ref() == Ok(content), "{archive} {seq}");
                    }
                }
                _ => {}
            }
        }
        assert_eq!(self.await_receipts(operator)?, 0, "there is room");
        Ok(())
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
            assert_eq!(
                value(row, "hash"),
                Some(hex(&hash::content_blake3(self.content(name))).as_str()),
                "{name}"
            );
            let before = self.receipts.insert(place, name.to_owned());
            assert!(before.is_none_or(|before| before == name), "record {seq} of {archive} was another one");
        }
        let known = self.receipts.keys().filter(|(of, _)| of == archive).map(|(_, seq)| *seq).max();
        assert!(known.unwrap_or(0) < number(&ls.end, "records"), "{archive} has lost a record: {ls:?}");
        Ok(())
    }

    /// Waits for the receipts of what was sent. Returns how much was refused.
    pub fn await_receipts<W: Wire>(&mut self, operator: &mut Operator<W>) -> Result<usize, Gone> {
        let mut refused = 0;
        while let Some(Waiting { archive, name, tag }) = self.waiting.last() {
            if let Ok(receipt) = operator.await_outcome(*tag)? {
                assert_eq!(receipt.hash, hex(&hash::content_blake3(self.content(name))));
                let before = self.receipts.insert((archive.clone(), receipt.seq), name.clone());
                assert!(before.is_none_or(|before| before == *name), "two receipts for one record");
            } else {
                refused += 1;
            }
            self.waiting.pop();
        }
        Ok(refused)
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
