//! okaywal: a write-ahead log, one entry for each batch. It is never checkpointed, as its records would be gone then;
//! it is read by its own recovery.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

use super::{check_value, with_hash};
use crate::record::Records;
use crate::store::{Store, version};

/// Bytes its file is preallocated with.
const PREALLOCATED: u32 = 1 << 30;

/// A log.
pub struct OkayWal {
    dir: PathBuf,
    /// `None` while it is opened again.
    log: Option<WriteAheadLog>,
    records: Records,
    next: u64,
}

/// Checks what recovery reads.
#[derive(Debug, Default)]
struct Checker {
    records: Arc<AtomicU64>,
}

impl LogManager for Checker {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        for chunk in entry.read_all_chunks()?.unwrap_or_default() {
            check_value(&chunk).map_err(io::Error::other)?;
            self.records.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Ok(())
    }
}

impl OkayWal {
    /// A new one.
    pub fn open(dir: PathBuf) -> Result<OkayWal> {
        let log = Some(open(&dir, Checker::default())?);
        Ok(OkayWal { dir, log, records: Records::new(), next: 0 })
    }
}

fn open(dir: &Path, checker: Checker) -> io::Result<WriteAheadLog> {
    let configuration = Configuration::default_for(dir);
    configuration.preallocate_bytes(PREALLOCATED).checkpoint_after_bytes(u64::MAX).open(checker)
}

impl Store for OkayWal {
    fn name(&self) -> String {
        format!("okaywal {} + hash", version("okaywal"))
    }

    fn append(&mut self, count: u64, batch: u64) -> Result<()> {
        let log = self.log.as_ref().expect("it is open");
        let end = self.next + count;
        while self.next < end {
            let mut entry = log.begin_entry()?;
            for number in self.next..(self.next + batch).min(end) {
                entry.write_chunk(&with_hash(self.records.get(number)))?;
            }
            entry.commit()?;
            self.next = (self.next + batch).min(end);
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        if let Some(log) = self.log.take() {
            log.shutdown()?;
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<u64> {
        let records = Arc::default();
        self.log = Some(open(&self.dir, Checker { records: Arc::clone(&records) })?);
        Ok(records.load(Ordering::Relaxed))
    }

    fn files(&self) -> PathBuf {
        self.dir.clone()
    }
}
