//! SQLite: write-ahead log, `synchronous=FULL`, one transaction for each batch.

use std::path::PathBuf;

use anyhow::Result;
use rusqlite::{Connection, params};

use super::check;
use crate::record::Records;
use crate::store::Store;

/// A database.
pub struct Sqlite {
    dir: PathBuf,
    connection: Connection,
    records: Records,
    next: u64,
}

impl Sqlite {
    /// A new one.
    pub fn open(dir: PathBuf) -> Result<Sqlite> {
        let connection = connect(&dir)?;
        connection.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, hash BLOB, content BLOB)", [])?;
        Ok(Sqlite { dir, connection, records: Records::new(), next: 0 })
    }
}

fn connect(dir: &std::path::Path) -> Result<Connection> {
    let connection = Connection::open(dir.join("records.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

impl Store for Sqlite {
    fn name(&self) -> String {
        format!("SQLite {} + hash", rusqlite::version())
    }

    fn append(&mut self, count: u64, batch: u64) -> Result<()> {
        let end = self.next + count;
        while self.next < end {
            let transaction = self.connection.transaction()?;
            let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?, ?, ?)")?;
            for number in self.next..(self.next + batch).min(end) {
                let record = self.records.get(number);
                insert.execute(params![number as i64, blake3::hash(record).as_bytes(), record])?;
            }
            drop(insert);
            transaction.commit()?;
            self.next = (self.next + batch).min(end);
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        self.connection = connect(&self.dir)?;
        Ok(())
    }

    fn verify(&mut self) -> Result<u64> {
        let mut query = self.connection.prepare("SELECT hash, content FROM records ORDER BY number")?;
        let mut rows = query.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            check(row.get_ref(1)?.as_blob()?, row.get_ref(0)?.as_blob()?)?;
            count += 1;
        }
        Ok(count)
    }

    fn files(&self) -> PathBuf {
        self.dir.clone()
    }
}
