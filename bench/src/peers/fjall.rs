//! fjall: one batch, then its journal synchronised.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{check_value, with_hash};
use crate::record::Records;
use crate::store::{Store, version};

/// A database.
pub struct Fjall {
    dir: PathBuf,
    /// `None` while it is opened again.
    open: Option<(Database, Keyspace)>,
    records: Records,
    next: u64,
}

impl Fjall {
    /// A new one.
    pub fn open(dir: PathBuf) -> Result<Fjall> {
        let open = Some(open(&dir)?);
        Ok(Fjall { dir, open, records: Records::new(), next: 0 })
    }
}

fn open(dir: &Path) -> Result<(Database, Keyspace)> {
    let database = Database::builder(dir).open()?;
    let keyspace = database.keyspace("records", KeyspaceCreateOptions::default)?;
    Ok((database, keyspace))
}

impl Store for Fjall {
    fn name(&self) -> String {
        format!("fjall {} + hash", version("fjall"))
    }

    fn append(&mut self, count: u64, batch: u64) -> Result<()> {
        let (database, keyspace) = self.open.as_ref().expect("it is open");
        let end = self.next + count;
        while self.next < end {
            let mut writes = database.batch().durability(Some(PersistMode::SyncData));
            for number in self.next..(self.next + batch).min(end) {
                writes.insert(keyspace, number.to_be_bytes(), with_hash(self.records.get(number)));
            }
            writes.commit()?;
            self.next = (self.next + batch).min(end);
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        self.open = None;
        self.open = Some(open(&self.dir)?);
        Ok(())
    }

    fn verify(&mut self) -> Result<u64> {
        let (_, keyspace) = self.open.as_ref().expect("it is open");
        let mut count = 0;
        for entry in keyspace.iter() {
            check_value(&entry.value()?)?;
            count += 1;
        }
        Ok(count)
    }

    fn files(&self) -> PathBuf {
        self.dir.clone()
    }
}
