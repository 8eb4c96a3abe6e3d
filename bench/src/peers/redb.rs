//! redb: one durable transaction for each batch.

use std::path::PathBuf;

use anyhow::Result;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{check_value, with_hash};
use crate::record::Records;
use crate::store::{Store, version};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// A database.
pub struct Redb {
    dir: PathBuf,
    /// `None` while it is opened again.
    database: Option<Database>,
    records: Records,
    next: u64,
}

impl Redb {
    /// A new one.
    pub fn open(dir: PathBuf) -> Result<Redb> {
        let database = Some(Database::create(dir.join("records.redb"))?);
        Ok(Redb { dir, database, records: Records::new(), next: 0 })
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is open")
    }
}

impl Store for Redb {
    fn name(&self) -> String {
        format!("redb {} + hash", version("redb"))
    }

    fn append(&mut self, count: u64, batch: u64) -> Result<()> {
        let end = self.next + count;
        while self.next < end {
            let transaction = self.database().begin_write()?;
            let mut table = transaction.open_table(TABLE)?;
            for number in self.next..(self.next + batch).min(end) {
                table.insert(number, &with_hash(self.records.get(number))[..])?;
            }
            drop(table);
            transaction.commit()?;
            self.next = (self.next + batch).min(end);
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        self.database = None;
        self.database = Some(Database::create(self.dir.join("records.redb"))?);
        Ok(())
    }

    fn verify(&mut self) -> Result<u64> {
        let transaction = self.database().begin_read()?;
        let table = transaction.open_table(TABLE)?;
        let mut count = 0;
        for entry in table.iter()? {
            check_value(entry?.1.value())?;
            count += 1;
        }
        Ok(count)
    }

    fn files(&self) -> PathBuf {
        self.dir.clone()
    }
}
