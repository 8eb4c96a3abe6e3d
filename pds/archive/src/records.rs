//! A place in the ledger that moves from record to record, over bytes that may be anything. Where batch headers or
//! records are damaged it finds the next whole record.

use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, STAMP_SIZE};
use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use ledger_fmt::record::{RECORD_MAX, Record};
use totebox_ledger_writer::{Batch, NoBatch};

/// The place. The blocks around it are in a buffer of its owner's.
#[derive(Debug)]
pub struct Records {
    volume: [u8; 16],
    layout: Layout,
    /// The ledger block the buffer starts at, and the buffer's bytes in use; none if they are to be read.
    block: u64,
    len: usize,
    /// The ledger ends before this block.
    end: u64,
    /// The byte of the buffer looked at next.
    at: usize,
    /// Records end before this byte; behind them, at `resume`, a batch header is due.
    records_end: usize,
    resume: usize,
    /// Whether these records have a batch header; else they may be anywhere.
    headed: bool,
    /// Bytes of the record found at `at`; 0 if none was.
    found: usize,
    /// Some read failed: blocks are read one by one.
    careful: bool,
    /// Something since [`Records::seek`], and since the last record, was not what it should be.
    damaged: bool,
    damaged_since_record: bool,
}

/// What is at the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Record,
    /// That is to be seen when these blocks of the ledger are in the buffer: the first and how many.
    Blocks(u64, usize),
    /// The end of the ledger.
    End,
}

impl Records {
    /// The start of an empty ledger.
    pub fn new(volume: [u8; 16], layout: Layout) -> Records {
        Records {
            volume,
            layout,
            block: 0,
            len: 0,
            end: 0,
            at: 0,
            records_end: 0,
            resume: 0,
            headed: false,
            found: 0,
            careful: false,
            damaged: false,
            damaged_since_record: false,
        }
    }

    /// Goes to the batch at `block` of a ledger that ends before block `end`.
    pub fn seek(&mut self, block: u64, end: u64) {
        (self.end, self.careful) = (end, false);
        (self.damaged, self.damaged_since_record) = (false, false);
        self.fetch(block, 0);
    }

    /// Has the blocks from `block` on read, and goes on at byte `at` of them.
    fn fetch(&mut self, block: u64, at: usize) {
        (self.block, self.len, self.at, self.found) = (block, 0, at, 0);
        // In the middle of a block there is no batch header to be looked for.
        self.records_end = if at > 0 { BLOCK_SIZE } else { 0 };
        (self.resume, self.headed) = (0, false);
    }

    /// Whether something since [`Records::seek`] was not what it should be.
    pub fn damaged(&self) -> bool {
        self.damaged
    }

    /// Whether something behind the last record was not what it should be.
    pub fn damaged_since_record(&self) -> bool {
        self.damaged_since_record
    }

    fn note_damage(&mut self) {
        (self.damaged, self.damaged_since_record) = (true, true);
    }

    /// The blocks asked for are the first `len` bytes of the buffer.
    pub fn filled(&mut self, len: usize) {
        self.len = len;
    }

    /// The blocks asked for could not be read.
    pub fn unreadable(&mut self) {
        if self.careful {
            self.note_damage();
            self.fetch(self.block + 1, 0);
        }
        self.careful = true;
    }

    /// Finds the record that is here or comes next.
    pub fn find(&mut self, buffer: &[u8]) -> Found {
        while self.found == 0 {
            if self.len == 0 {
                let rest = self.end.saturating_sub(self.block);
                let blocks = rest.min(if self.careful { 1 } else { BATCH_BLOCKS_MAX as u64 });
                return if blocks == 0 { Found::End } else { Found::Blocks(self.block, blocks as usize) };
            }
            if self.at < self.records_end {
                self.try_record(buffer);
            } else {
                self.at = self.at.max(self.resume);
                self.try_batch(buffer);
            }
        }
        Found::Record
    }

    fn try_record(&mut self, buffer: &[u8]) {
        let more = self.block + ((self.len / BLOCK_SIZE) as u64) < self.end;
        if !self.headed && self.at >= BLOCK_SIZE && self.len - self.at < RECORD_MAX && more {
            return self.fetch(self.block + (self.at / BLOCK_SIZE) as u64, self.at % BLOCK_SIZE);
        }
        let limit = if self.headed { self.records_end } else { self.len };
        match Record::decode(&buffer[self.at..limit]) {
            Ok((_, len)) => self.found = len,
            // What is left of the last block of a batch whose batch header is gone.
            Err(_) if !self.headed && buffer[self.at..self.records_end].iter().all(|&byte| byte == 0) => {
                self.at = self.records_end;
            }
            Err(_) => {
                // Records start at multiples of 8.
                self.note_damage();
                self.at += 8;
            }
        }
    }

    fn try_batch(&mut self, buffer: &[u8]) {
        if self.at >= self.len {
            return self.fetch(self.block + (self.at / BLOCK_SIZE) as u64, 0);
        }
        let block = self.block + (self.at / BLOCK_SIZE) as u64;
        if self.at.is_multiple_of(BLOCK_SIZE) {
            match Batch::at(block, &self.volume, &self.layout, &buffer[self.at..self.len]) {
                Ok(batch) => {
                    if !batch.whole {
                        self.note_damage();
                    }
                    self.resume = self.at + batch.len;
                    self.at += STAMP_SIZE;
                    self.records_end = self.at + batch.records.len();
                    self.headed = true;
                    return;
                }
                Err(NoBatch::Cut) if self.at > 0 => return self.fetch(block, 0),
                Err(_) => {}
            }
        }
        self.note_damage();
        self.headed = false;
        self.records_end = (self.at + 1).next_multiple_of(BLOCK_SIZE);
    }

    /// The record [`Records::find`] has found.
    pub fn record<'a>(&self, buffer: &'a [u8]) -> Record<'a> {
        let bytes = &buffer[self.at..self.at + self.found];
        Record::decode(bytes).expect("find() has decoded it").0
    }

    /// Goes behind the record found.
    pub fn pass(&mut self) {
        self.at += self.found;
        self.found = 0;
        self.damaged_since_record = false;
    }
}
