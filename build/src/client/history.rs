//! Reading the audit record through the appliance.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::lines::{Fields, Refusal};
use super::session::Session;

/// Records of the audit record, as `--json` shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// Records in the audit record.
    pub records: u64,
    /// Those that were asked for, in their order.
    pub events: Vec<Event>,
}

/// A record of the audit record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// `audit-result`, `flag` and so on.
    pub kind: String,
    /// The volume it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// What it says, in the appliance's words.
    pub text: String,
    /// What it says, key by key; which there are depends on its kind.
    #[serde(flatten)]
    pub says: BTreeMap<&'static str, Value>,
}

/// The keys of every kind of record that are texts, and those that are numbers.
const TEXTS: [&str; 11] =
    ["audit", "verdict", "finding", "area", "flag_kind", "what", "reason", "from", "to", "cause", "fault"];
const NUMBERS: [&str; 9] =
    ["records", "bytes", "duration_ms", "findings", "block", "record", "flag", "detail", "address"];

impl Event {
    fn read(fields: &Fields) -> Option<Event> {
        let texts = TEXTS.into_iter().filter_map(|key| Some((key, Value::from(fields.text(key)?))));
        let numbers = NUMBERS.into_iter().filter_map(|key| Some((key, Value::from(fields.number(key)?))));
        Some(Event {
            sequence: fields.number("seq")?,
            time_ms: fields.number("time")?,
            kind: fields.owned("kind")?,
            archive: fields.owned("archive"),
            text: fields.owned("text")?,
            says: texts.chain(numbers).collect(),
        })
    }
}

/// Reads the audit record from number `from` on to its end; without one, its last records.
pub fn history(session: &mut Session, from: Option<u64>) -> Result<Result<History, Refusal>> {
    let Some(mut next) = from else { return page(session, None) };
    let mut events: Vec<Event> = Vec::new();
    loop {
        let History { records, events: found } = match page(session, Some(next))? {
            Ok(page) => page,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let last = found.last().map(|event| event.sequence);
        events.extend(found);
        match last {
            // Only forward: what the appliance says of its place is not trusted.
            Some(last) if last >= next && last + 1 < records => next = last + 1,
            _ => return Ok(Ok(History { records, events })),
        }
    }
}

/// As many records as the appliance shows at a time.
fn page(session: &mut Session, from: Option<u64>) -> Result<Result<History, Refusal>> {
    /// Between two tries while another reading is under way.
    const PAUSE: Duration = Duration::from_millis(200);
    let command = match from {
        Some(from) => format!("history {from}"),
        None => "history".into(),
    };
    let answer = session.ask_in_turn(&command, session.timing.patience, PAUSE)?;
    let end = match answer.end {
        Ok(end) => end,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let events = answer.rows.iter().map(Event::read).collect::<Option<Vec<_>>>();
    let read = events.zip(end.number("records")).map(|(events, records)| History { records, events });
    Ok(Ok(read.context("the appliance sent records this tool does not understand")?))
}
