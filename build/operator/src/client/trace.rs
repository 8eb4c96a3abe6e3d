//! What a domain noted last.

use anyhow::{Context, Result};
use serde::Serialize;

use super::Word;
use super::lines::{Fields, Refusal};
use super::session::Session;

/// A domain's trace, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The domain.
    pub domain: String,
    /// What it noted last, the oldest first.
    pub notes: Vec<Note>,
    /// Rows that this tool does not understand.
    #[serde(skip)]
    pub not_understood: usize,
}

/// What a domain noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Which one it is, counted from 0; those before are overwritten.
    pub sequence: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// What it says, in the appliance's words.
    pub text: String,
}

impl Note {
    fn read(fields: &Fields) -> Option<Note> {
        Some(Note {
            sequence: fields.number("seq")?,
            time_ms: fields.number("time")?,
            text: fields.owned("text")?,
        })
    }
}

/// Asks what a domain noted last: an archive, by its name, or another domain.
pub fn trace(session: &mut Session, domain: &str) -> Result<Result<Trace, Refusal>> {
    let answer = session.ask(&format!("trace {}", Word(domain)), session.timing.timeout)?;
    let end = match answer.end {
        Ok(end) => end,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let notes: Vec<Note> = answer.rows.iter().filter_map(Note::read).collect();
    let not_understood = answer.rows.len() - notes.len();
    let domain = end.owned("domain").context("the appliance sent a trace this tool does not understand")?;
    Ok(Ok(Trace { domain, notes, not_understood }))
}
