//! Other stores, each used as its documentation has it for data that must survive a power cut, with default sizes.
//! A record's BLAKE3 is stored beside it where the store makes none of its own.

mod commonware;
mod fjall;
mod okaywal;
mod redb;
mod sqlite;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::record::RECORD;
use crate::store::Store;

pub use self::commonware::Commonware;
pub use self::fjall::Fjall;
pub use self::okaywal::OkayWal;
pub use self::redb::Redb;
pub use self::sqlite::Sqlite;

/// All of them, each in a directory of its own below `dir`.
pub fn all(dir: &Path) -> Result<Vec<Box<dyn Store>>> {
    let fresh = |name: &str| -> Result<_> {
        let dir = dir.join(name);
        std::fs::create_dir(&dir)?;
        Ok(dir)
    };
    Ok(vec![
        Box::new(OkayWal::open(fresh("okaywal")?)?),
        Box::new(Commonware::open(fresh("commonware")?)?),
        Box::new(Fjall::open(fresh("fjall")?)?),
        Box::new(Sqlite::open(fresh("sqlite")?)?),
        Box::new(Redb::open(fresh("redb")?)?),
    ])
}

/// Compares a record that was read with its hash.
fn check(record: &[u8], hash: &[u8]) -> Result<()> {
    ensure!(record.len() == RECORD && blake3::hash(record).as_bytes() == hash, "a record is not what it was");
    Ok(())
}

/// What a record and its hash are stored as, where there is one value.
fn with_hash(record: &[u8]) -> Vec<u8> {
    [blake3::hash(record).as_bytes(), record].concat()
}

/// Checks such a value.
fn check_value(value: &[u8]) -> Result<()> {
    ensure!(value.len() > 32, "a value is too short");
    check(&value[32..], &value[..32])
}
