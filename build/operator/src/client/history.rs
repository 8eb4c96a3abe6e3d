//! Reading the audit record through the appliance.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::lines::{Fields, Refusal};
use super::ls::Range;
use super::session::Session;

/// Records of the audit record, as `--json` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    pub records: u64,
    /// Those that were asked for and can be read, in their order.
    pub events: Vec<Event>,
    /// Those between them that are there and cannot be read.
    pub damaged: Vec<Range>,
    /// Why what follows is not there, in the appliance's words, if the reading ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    pub sequence: u64,
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
const NUMBERS: [&str; 12] = [
    "records",
    "bytes",
    "duration_ms",
    "findings",
    "block",
    "record",
    "flag",
    "detail",
    "address",
    "instruction",
    "status",
    "late_ms",
];

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
    let Some(from) = from else {
        return Ok(page(session, None)?.map(|(events, records)| {
            let next = events.first().map_or(records, |event| event.sequence);
            let mut history = History { records, ..History::default() };
            history.take(next, events);
            history
        }));
    };
    let (mut history, mut next) = (History::default(), from);
    loop {
        let (events, records) = match page(session, Some(next))? {
            Ok(page) => page,
            Err(refusal) if history.events.is_empty() => return Ok(Err(refusal)),
            Err(refusal) => {
                history.message = Some(refusal.text);
                return Ok(Ok(history));
            }
        };
        history.records = records;
        let after = history.take(next, events);
        // Only forward: what the appliance says of its place is not trusted.
        if after == next && next < records {
            history.damaged.push(Range { first: next, last: Some(records - 1) });
        }
        if after == next || after >= records {
            return Ok(Ok(history));
        }
        next = after;
    }
}

impl History {
    /// Takes records of which the first was to be number `next`; the number behind the last of them.
    fn take(&mut self, mut next: u64, events: Vec<Event>) -> u64 {
        for event in events.into_iter() {
            if event.sequence < next || event.sequence == u64::MAX {
                break;
            }
            if event.sequence > next {
                self.damaged.push(Range { first: next, last: Some(event.sequence - 1) });
            }
            next = event.sequence + 1;
            self.events.push(event);
        }
        next
    }

    /// Whether all that was asked for is there.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.message.is_none()
    }
}

/// As many records as the appliance shows at a time, and how many there are.
fn page(session: &mut Session, from: Option<u64>) -> Result<Result<(Vec<Event>, u64), Refusal>> {
    /// Between two tries while another reading is under way.
    const PAUSE: Duration = Duration::from_millis(200);
    let command = match from {
        Some(from) => format!("history {from}"),
        None => "history".into(),
    };
    let answer = session.ask_in_turn(&command, session.timing.timeout, PAUSE)?;
    // A row that is no record leaves a gap, as a damaged one does.
    answer
        .read("records", |end, rows| Some((rows.iter().filter_map(Event::read).collect(), end.number("records")?)))
}
