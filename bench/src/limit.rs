//! The limit: what the disk and the hash allow. Batches written into a file that was written before and flushed, one
//! after the other; the file read from front to back; records hashed in memory. And the limit of whatever keeps a
//! ledger apart from its content: the same, with as many blocks as a batch of the ledger takes in a second place.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use ledger_fmt::batch_header::BatchHeader;
use ledger_fmt::layout::{BLOCK_SIZE, Block};
use ledger_fmt::record::padded_len;
use zerocopy::{FromZeros, IntoBytes};

use crate::console::NAME_LEN;
use crate::record::{RECORD, Records};
use crate::store::Store;

/// Bytes read or written at a time, where that is free to choose.
const CHUNK: usize = 1 << 20;

/// A file as a store that does nothing but store.
pub struct Limit {
    path: PathBuf,
    file: File,
    records: Records,
    next: u64,
    /// The next block of the second place, if there is one.
    ledger_next: Option<u64>,
}

impl Limit {
    /// A new file with room for so many records.
    pub fn open(path: PathBuf, records: u64) -> Result<Limit> {
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        for _ in 0..records.div_ceil((CHUNK / RECORD) as u64) {
            file.write_all(&[0; CHUNK])?;
        }
        file.sync_all()?;
        Ok(Limit { path, file, records: Records::new(), next: 0, ledger_next: None })
    }

    /// The same, with a second place behind the records, which has room for batches of four records and more on
    /// average.
    pub fn with_a_ledger(path: PathBuf, records: u64) -> Result<Limit> {
        let limit = Limit::open(path, records + records / 4)?;
        Ok(Limit { ledger_next: Some(records), ..limit })
    }
}

/// Blocks of `ledger/` that a batch of so many documents takes.
fn ledger_blocks(documents: u64) -> usize {
    BatchHeader::blocks_for(documents as usize * padded_len(NAME_LEN))
}

impl Store for Limit {
    fn name(&self) -> String {
        match self.ledger_next {
            None => "limit: pwrite + fdatasync".to_owned(),
            Some(_) => "the same in two places".to_owned(),
        }
    }

    fn append(&mut self, count: u64, batch: u64) -> Result<()> {
        let end = self.next + count;
        let mut bytes = Vec::with_capacity(batch as usize * RECORD);
        while self.next < end {
            let first = self.next;
            self.next = (first + batch).min(end);
            bytes.clear();
            (first..self.next).for_each(|number| bytes.extend_from_slice(self.records.get(number)));
            self.file.write_all_at(&bytes, first * RECORD as u64)?;
            if let Some(block) = &mut self.ledger_next {
                bytes.clear();
                bytes.resize(ledger_blocks(self.next - first) * BLOCK_SIZE, 0);
                self.file.write_all_at(&bytes, *block * BLOCK_SIZE as u64)?;
                *block += (bytes.len() / BLOCK_SIZE) as u64;
            }
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }

    fn verify(&mut self) -> Result<u64> {
        read(&self.path, self.next * RECORD as u64)?;
        Ok(self.next)
    }

    fn files(&self) -> PathBuf {
        self.path.clone()
    }
}

/// Reads so many bytes of a file from front to back.
pub fn read(path: &Path, bytes: u64) -> Result<()> {
    let mut file = File::open(path)?.take(bytes);
    let mut chunk = vec![Block::new_zeroed(); CHUNK / BLOCK_SIZE];
    while file.read(chunk.as_mut_bytes())? > 0 {}
    Ok(())
}

/// Hashes so many records with BLAKE3, one by one.
pub fn hash(count: u64) {
    let mut records = Records::new();
    for number in 0..count {
        std::hint::black_box(blake3::hash(records.get(number)));
    }
}
