//! Flags, and acknowledging them.

use anyhow::{Context, Result};
use serde::Serialize;
use totebox_console_protocol::words::Quoted;

use super::lifecycle::order;
use super::lines::{Fields, Refusal};
use super::session::Session;
use super::status::Place;

/// The flags of an appliance, as `--json` shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flags {
    /// How many are not acknowledged, shown or not; of old ones those shown.
    pub open: u64,
    /// How many there is no row for; of old ones that is not known, and 0.
    pub hidden: u64,
    /// The flags: the unacknowledged first, of these the most serious first.
    pub flags: Vec<Flag>,
    /// The volumes in which the last audit found more than becomes flags.
    pub more: Vec<More>,
    /// The appliance's words, if these are only the last that were known: why, and how old they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Rows of flags that this tool does not understand.
    #[serde(skip)]
    pub not_understood: usize,
}

/// How much the last audit of a volume found beyond what became flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct More {
    pub archive: String,
    pub findings: u64,
}

/// What the last audit of a volume found, as `--volume --json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    pub archive: String,
    pub findings: u64,
    pub listed: u64,
    /// Where the findings are that are no flags.
    pub ranges: Vec<Range>,
    /// Rows of ranges that this tool does not understand.
    #[serde(skip)]
    pub not_understood: usize,
}

/// Findings of one kind in one area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    pub findings: u64,
    pub finding: String,
    pub area: String,
    pub block: u64,
    pub last_block: u64,
    /// The first record concerned, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_record: Option<u64>,
}

impl More {
    fn read(fields: &Fields) -> Option<More> {
        // What has a number is a flag.
        let is_flag = fields.text("id").is_some();
        (!is_flag).then_some(More { archive: fields.owned("archive")?, findings: fields.number("findings")? })
    }
}

impl Range {
    fn read(fields: &Fields) -> Option<Range> {
        Some(Range {
            findings: fields.number("findings")?,
            finding: fields.owned("finding")?,
            area: fields.owned("area")?,
            block: fields.number("block")?,
            last_block: fields.number("last_block")?,
            record: fields.number("record"),
            last_record: fields.number("last_record"),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flag {
    pub flag: u64,
    /// The volume it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// `asset`, `rollback` and so on.
    pub kind: String,
    /// Where it is, if it is about a place.
    #[serde(flatten)]
    pub place: Place,
    /// What kind of fault, which domain, which state of the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// A number that goes with the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<u64>,
    /// Of a fault: the address of the instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<u64>,
    /// Of a fault: what the processor says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u64>,
    /// How serious it is: 5 is the most.
    pub severity: u64,
    /// When it was raised, in milliseconds since 1970-01-01 UTC.
    pub raised_ms: u64,
    /// The record of the audit record that states it; not there if it could not be recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_record: Option<u64>,
    /// `no`, `recording`, `yes` or `unrecorded`.
    pub acknowledged: String,
    /// What it says, in the appliance's words.
    pub text: String,
}

impl Flag {
    fn read(fields: &Fields) -> Option<Flag> {
        Some(Flag {
            flag: fields.number("id")?,
            archive: fields.owned("archive"),
            kind: fields.owned("kind")?,
            place: Place::read(fields),
            what: fields.owned("what"),
            detail: fields.number("detail"),
            instruction: fields.number("instruction"),
            status: fields.number("status"),
            severity: fields.number("severity")?,
            raised_ms: fields.number("raised_ms")?,
            audit_record: fields.number("audit_record"),
            acknowledged: fields.owned("acknowledged")?,
            text: fields.owned("text")?,
        })
    }
}

/// Asks for the flags; the last known ones, where they are not known any more. A refusal shows none.
pub fn flags(session: &mut Session) -> Result<Result<Flags, Refusal>> {
    let answer = session.ask("flags", session.timing.quiet)?;
    let flags: Vec<Flag> = answer.rows.iter().filter_map(Flag::read).collect();
    let more: Vec<More> = answer.rows.iter().filter_map(More::read).collect();
    let not_understood = answer.rows.len() - flags.len() - more.len();
    let (read, message) = match answer.end {
        Ok(end) => (end.number("open").zip(end.number("hidden")), None),
        Err(refusal) if answer.rows.is_empty() => return Ok(Err(refusal)),
        Err(refusal) => {
            let open = flags.iter().filter(|flag| flag.acknowledged == "no").count();
            (Some((open as u64, 0)), Some(refusal.text))
        }
    };
    let read = read.map(|(open, hidden)| Flags { open, hidden, flags, more, message, not_understood });
    Ok(Ok(read.context("the appliance sent flags this tool does not understand")?))
}

/// Asks where everything is that the last audit of a volume found beyond what became flags.
pub fn findings(session: &mut Session, volume: &str) -> Result<Result<Findings, Refusal>> {
    let answer = session.ask(&format!("flags {}", Quoted(volume.as_bytes())), session.timing.timeout)?;
    answer.read("findings", |end, rows| {
        let ranges: Vec<Range> = rows.iter().filter_map(Range::read).collect();
        Some(Findings {
            archive: volume.to_owned(),
            findings: end.number("findings")?,
            listed: end.number("listed")?,
            not_understood: rows.len() - ranges.len(),
            ranges,
        })
    })
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acknowledgement {
    pub flag: u32,
    /// Why it need not be looked at any more.
    pub reason: String,
    /// The audit record tells of it. Where it takes no records a flag is acknowledged all the same.
    pub recorded: bool,
    /// The appliance's words, if it is not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Acknowledges a flag; returns when that is recorded, or cannot be. A refusal has changed nothing.
pub fn acknowledge(session: &mut Session, flag: u32, reason: &str) -> Result<Result<Acknowledgement, Refusal>> {
    let command = format!("ack {flag} {}", Quoted(reason.as_bytes()));
    let (recorded, message) = match order(session, &command)? {
        (Ok(_), _) => (true, None),
        (Err(refusal), _) if refusal.name == "unrecorded" => (false, Some(refusal.text)),
        // The answer to an earlier try was lost.
        (Err(refusal), true) if refusal.name == "already-acknowledged" => (true, None),
        (Err(refusal), _) => return Ok(Err(refusal)),
    };
    Ok(Ok(Acknowledgement { flag, reason: reason.into(), recorded, message }))
}
