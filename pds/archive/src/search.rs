//! Finds a record by its sequence number: from the nearest index entry, batch by batch. Memory does not grow with
//! the ledger.

use core::ops::Range;

use totebox_ledger_writer::{IndexEntry, LedgerWriter, State};

use super::Purpose;
use super::records::{Found, Records};

/// A search for a record, and for those behind it.
#[derive(Debug)]
pub struct Search {
    pub records: Records,
    /// The sequence number of the record looked for.
    pub wanted: u64,
    /// The index entry it began at, and whether that is known to hold.
    mark: IndexEntry,
    entry_holds: Option<bool>,
    /// The ledger's end, in blocks.
    end: u64,
    /// Records the ledger has, if all are known.
    known: Option<u64>,
}

impl Search {
    /// None begun.
    pub fn new(ledger: &LedgerWriter<Purpose>) -> Search {
        let records = Records::new(*ledger.volume_id(), *ledger.layout());
        Search { records, wanted: 0, mark: IndexEntry::default(), entry_holds: None, end: 0, known: None }
    }

    /// Looks for the record `wanted`.
    pub fn begin(&mut self, wanted: u64, ledger: &LedgerWriter<Purpose>) {
        let whole = matches!(ledger.state(), State::Ready | State::Closed(_));
        self.known = whole.then_some(ledger.totals().head.records);
        self.end = ledger.ledger_end();
        self.wanted = wanted;
        self.mark = ledger.indexed_before(wanted);
        self.entry_holds = None;
        self.records.seek(self.mark.block.get(), self.end);
    }

    /// Finds the record wanted, or the next one there is behind it.
    pub fn find(&mut self, buffer: &[u8]) -> Found {
        if self.known.is_some_and(|known| self.wanted >= known) {
            return Found::End;
        }
        loop {
            let found = self.records.find(buffer);
            let sequence = match found {
                Found::Record => Some(self.sequence(buffer)),
                Found::End => None,
                Found::Blocks(..) => return found,
            };
            let holds = sequence == Some(self.mark.sequence.get()) && !self.records.damaged();
            let entry_holds = *self.entry_holds.get_or_insert(holds);
            match sequence {
                Some(sequence) if sequence < self.wanted => self.records.pass(),
                Some(sequence) if sequence == self.wanted => return found,
                // It is not where it should be; or the mark was wrong, and it comes before it.
                _ if !entry_holds => {
                    (self.mark, self.entry_holds) = (IndexEntry::default(), Some(true));
                    self.records.seek(0, self.end);
                }
                _ => return found,
            }
        }
    }

    /// Records the ledger had when the search began, if all were known.
    pub fn known(&self) -> Option<u64> {
        self.known
    }

    /// The sequence number of the record found.
    pub fn sequence(&self, buffer: &[u8]) -> u64 {
        self.records.record(buffer).header.sequence.get()
    }

    /// Goes on with the record behind the one found.
    pub fn pass(&mut self, buffer: &[u8]) {
        self.wanted = self.sequence(buffer).saturating_add(1);
        self.entry_holds = Some(true);
        self.records.pass();
    }

    /// The records that are missing before what was found: a later record than the one wanted, or the ledger's end.
    pub fn missing(&self, found: Found, buffer: &[u8]) -> Option<Range<u64>> {
        let until = match found {
            Found::Record => self.sequence(buffer),
            Found::End => self.known?,
            Found::Blocks(..) => return None,
        };
        (self.wanted < until).then_some(self.wanted..until)
    }

    /// Whether nobody knows how many records there are, and behind the last one found there is damage.
    pub fn has_damaged_end(&self) -> bool {
        self.known.is_none() && self.records.damaged_since_record()
    }

    /// Whether the record wanted should have been found.
    pub fn is_missing(&self) -> bool {
        match self.known {
            Some(known) => self.wanted < known,
            None => self.records.damaged(),
        }
    }
}
