//! A ledger as lines of JSON, one a record: everything a record says, readable without this software.
//! `docs/disk.md` has the fields.

use jiff::Timestamp;
use ledger_fmt::record::{Genesis, Kind, Record, TreeHead};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;
use zerocopy::FromBytes;

use super::report::hex;

#[derive(Serialize)]
pub struct Line {
    sequence: u64,
    kind: &'static str,
    /// RFC 3339 with milliseconds; null where no calendar has it.
    time: Option<String>,
    time_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    /// What the payload says, where it is more than a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<Value>,
    payload_hex: String,
    previous: String,
    hash: String,
    /// Where the record stands, in blocks and bytes of `ledger/`.
    ledger_block: u64,
    ledger_offset: usize,
}

#[derive(Serialize)]
struct Content {
    size: u64,
    hash: String,
    assets_block: u64,
    /// The file it was extracted to; null if it is damaged.
    file: Option<String>,
}

impl Line {
    /// The line of a record that stands at this place of `ledger/`.
    pub fn new(record: &Record<'_>, block: u64, offset: usize) -> Line {
        let header = &record.header;
        let content = header.declares_content().then(|| Content {
            size: header.content_len.get(),
            hash: hex(&header.content_hash),
            assets_block: header.content_block.get(),
            file: None,
        });
        Line {
            sequence: header.sequence.get(),
            kind: record.kind.name(),
            time: time(header.time_ms.get()),
            time_ms: header.time_ms.get(),
            name: record.document_name().map(str::to_owned),
            content,
            says: says(record),
            payload_hex: hex(record.payload),
            previous: hex(&header.previous),
            hash: hex(&record.hash),
            ledger_block: block,
            ledger_offset: offset,
        }
    }

    /// The content's hash, in hexadecimal; empty without content.
    pub fn content_hash(&self) -> &str {
        self.content.as_ref().map_or("", |content| &content.hash)
    }

    /// Says where the content was extracted to.
    pub fn extracted_to(&mut self, file: String) {
        if let Some(content) = &mut self.content {
            content.file = Some(file);
        }
    }
}

/// A record's time as RFC 3339 has it.
pub fn time(time_ms: u64) -> Option<String> {
    let time = Timestamp::from_millisecond(i64::try_from(time_ms).ok()?).ok()?;
    Some(format!("{time:.3}"))
}

fn says(record: &Record<'_>) -> Option<Value> {
    match record.kind {
        Kind::Document => None,
        Kind::Correction => Some(json!({ "supersedes": record.supersedes()? })),
        Kind::Genesis => {
            let genesis = Genesis::read_from_bytes(record.payload).ok()?;
            Some(json!({
                "deployment": Uuid::from_bytes(genesis.deployment).to_string(),
                "volume": Uuid::from_bytes(genesis.volume).to_string(),
                "name": String::from_utf8_lossy(&genesis.name).trim_end_matches('\0'),
            }))
        }
        Kind::Checkpoint => {
            let (head, note) = TreeHead::read_from_prefix(record.payload).ok()?;
            let note = String::from_utf8_lossy(note);
            Some(json!({ "size": head.size.get(), "root": hex(&head.root), "note": note }))
        }
        Kind::Lifecycle => Some(String::from_utf8_lossy(record.payload).into()),
        Kind::AuditResult | Kind::Flag | Kind::Acknowledgement | Kind::Boot | Kind::Fault => {
            // JSON by the format; kept as text if it is none.
            let text = String::from_utf8_lossy(record.payload);
            Some(serde_json::from_str(&text).unwrap_or_else(|_| text.into()))
        }
    }
}
