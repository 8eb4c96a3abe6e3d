//! Listing the records of an archive: a page at a time, so that a disturbance costs a page. What is damaged is
//! named in its place, and keeps nothing else back.

use std::fmt;

use super::Word;
use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::lines::{Fields, Refusal};
use super::session::Session;

/// Records that are asked for at a time.
const PAGE: u64 = 500;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    pub sequence: u64,
    /// What it says: `genesis`, `document` and so on.
    pub kind: String,
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

/// Records that follow each other, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    pub first: u64,
    /// The last; without it nobody knows how many they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range { first, last: None } => write!(f, "what stands at record {first} and behind it"),
            Range { first, last: Some(last) } if first == last => write!(f, "record {first}"),
            Range { first, last: Some(last) } => write!(f, "records {first} to {last}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    pub records: u64,
    /// Those that were asked for and can be read, in their order.
    pub entries: Vec<Record>,
    /// Those between them that are there and cannot be read.
    pub damaged: Vec<Range>,
}

/// Records of an archive, from number `from` on, at most `count` of them.
pub fn ls(session: &mut Session, archive: &str, from: u64, count: u64) -> Result<Result<Listing, Refusal>> {
    let mut listing = Listing { records: 0, entries: Vec::new(), damaged: Vec::new() };
    let mut next = from;
    loop {
        let left = count - listing.entries.len() as u64;
        let Page { entries, open_end, end } = page(session, archive, next, left.min(PAGE))?;
        let found = entries.len() as u64;
        for record in entries {
            listing.pass_to(next, record.sequence);
            // Whoever sends it is not trusted to end.
            next = record.sequence.checked_add(1).context("the appliance sent a record of no possible number")?;
            listing.entries.push(record);
        }
        match end {
            Ok(records) => {
                listing.records = records;
                if found == left.min(PAGE) && found < left && next < records {
                    continue;
                }
                // That less came than there is means damage, although the appliance does not say so.
                if found < left {
                    listing.pass_to(next, records);
                }
            }
            Err(refusal) if refusal.name == "damaged" => match page(session, archive, 0, 0)?.end {
                // The appliance lists what it can behind damage, too: this page was its last, or is full.
                Ok(records) if found == left.min(PAGE) && found < left && next < records => continue,
                Ok(records) => {
                    listing.records = records;
                    if found < left {
                        listing.pass_to(next, records);
                    }
                    // There is damage, although nothing of what was asked for is missing.
                    let somewhere = open_end.or(listing.damaged.is_empty().then_some(next));
                    listing.damaged.extend(somewhere.map(|first| Range { first, last: None }));
                }
                Err(refusal) => return Ok(Err(refusal)),
            },
            Err(refusal) => return Ok(Err(refusal)),
        }
        return Ok(Ok(listing));
    }
}

impl Listing {
    /// Notes that nothing is listed from number `next` on up to `until`.
    fn pass_to(&mut self, next: u64, until: u64) {
        if next < until {
            self.damaged.push(Range { first: next, last: Some(until - 1) });
        }
    }
}

/// One answer: its records, and how many the archive has, or why it ended otherwise.
struct Page {
    entries: Vec<Record>,
    /// From where on nobody knows how many records there are, because the ledger's end is damaged.
    open_end: Option<u64>,
    end: Result<u64, Refusal>,
}

fn page(session: &mut Session, archive: &str, from: u64, count: u64) -> Result<Page> {
    let answer = session.ask(&format!("ls {} {from} {count}", Word(archive)), session.timing.quiet)?;
    // A row that is no record leaves a gap, as a damaged one does.
    let entries: Vec<Record> = answer.rows.iter().filter_map(Record::read).collect();
    let in_order = entries.windows(2).all(|pair| pair[0].sequence < pair[1].sequence);
    if !in_order || entries.len() as u64 > count || entries.first().is_some_and(|first| first.sequence < from) {
        bail!("the appliance sent records that it was not asked for");
    }
    let is_open = |row: &&Fields| row.text("kind").is_none() && row.text("last").is_none();
    let open_end = answer.rows.last().filter(is_open).and_then(|row| row.number("seq"));
    let end = match answer.end {
        Ok(end) => {
            Ok(end.number("records").context("the appliance sent a listing this tool does not understand")?)
        }
        Err(refusal) => Err(refusal),
    };
    Ok(Page { entries, open_end, end })
}
