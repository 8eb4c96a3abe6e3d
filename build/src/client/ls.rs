//! Listing the records of an archive.

use anyhow::{Context, Result};
use serde::Serialize;

use super::lines::{Fields, Refusal};
use super::session::Session;

/// A record, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its number.
    pub sequence: u64,
    /// What it says: `genesis`, `document` and so on.
    pub kind: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// Bytes of content.
    pub size: u64,
    /// The content's hash; zeros if it has none.
    pub hash: String,
    /// The document's name; empty if it has none.
    pub name: String,
}

impl Record {
    fn read(fields: &Fields) -> Option<Record> {
        Some(Record {
            sequence: fields.number("seq")?,
            kind: fields.text("kind")?.to_string(),
            time_ms: fields.number("time")?,
            size: fields.number("size")?,
            hash: fields.text("hash")?.to_string(),
            name: fields.text("name")?.to_string(),
        })
    }
}

/// Records of an archive, from number `from` on, at most `count` of them; and how many there are in all.
pub fn ls(
    session: &mut Session,
    archive: &str,
    from: u64,
    count: u64,
) -> Result<Result<(Vec<Record>, u64), Refusal>> {
    let answer = session.ask(&format!("ls {archive} {from} {count}"), session.timing.quiet)?;
    let end = match answer.end {
        Ok(end) => end,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let records = answer.rows.iter().map(Record::read).collect::<Option<Vec<_>>>();
    let listing = records.zip(end.number("records"));
    Ok(Ok(listing.context("the appliance sent a listing this tool does not understand")?))
}
