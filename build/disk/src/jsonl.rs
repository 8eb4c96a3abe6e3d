//! A ledger as lines of JSON, one a record: everything a record says, readable without this software.
//! `docs/disk.md` has the fields.

use jiff::Timestamp;
use ledger_fmt::cbor;
use ledger_fmt::record::{Kind, Record};
use serde::Serialize;
use serde_json::{Map, Value};

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
    /// What else the payload says, by its keys; bytes in hexadecimal.
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
    /// BLAKE3.
    hash: String,
    sha256: String,
    assets_block: u64,
    /// The file it was extracted to; null if it is damaged.
    file: Option<String>,
}

impl Line {
    /// The line of a record that stands at this place of `ledger/`.
    pub fn new(record: &Record<'_>, block: u64, offset: usize) -> Line {
        let header = &record.header;
        let document = record.document();
        let content = document.and_then(|document| document.content).map(|content| Content {
            size: content.size,
            hash: hex(&content.hash.blake3),
            sha256: hex(&content.hash.sha256),
            assets_block: content.block,
            file: None,
        });
        Line {
            sequence: header.sequence.get(),
            kind: record.kind.name(),
            time: time(header.time_ms.get()),
            time_ms: header.time_ms.get(),
            name: document.map(|document| document.name.to_owned()),
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

/// What a payload says; of a document's, what is beside its name and its content.
fn says(record: &Record<'_>) -> Option<Value> {
    let told = |key: &str| record.kind == Kind::Document && matches!(key, "name" | "content");
    let map = cbor::Map::read(record.payload)?;
    let said: Map<_, _> =
        map.iter().filter(|(key, _)| !told(key)).map(|(key, value)| (key.to_owned(), json(value))).collect();
    (!said.is_empty()).then_some(Value::Object(said))
}

fn json(value: cbor::Value<'_>) -> Value {
    match value {
        cbor::Value::Uint(number) => number.into(),
        cbor::Value::Bool(truth) => truth.into(),
        cbor::Value::Bytes(bytes) => hex(bytes).into(),
        cbor::Value::Text(text) => text.into(),
        cbor::Value::List(list) => list.iter().map(json).collect(),
        cbor::Value::Map(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.to_owned(), json(value))).collect())
        }
    }
}
