//! Having the auditor verify.

use std::time::Duration;

use super::Word;
use anyhow::{Context, Result};
use serde::Serialize;

use super::lines::{Fields, Refusal};
use super::session::Session;
use super::status::Findings;

/// The verdict on one volume, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub name: String,
    /// `clean`, `mismatch`, `unreadable` or `not-verified`.
    pub verdict: String,
    pub records: u64,
    pub bytes: u64,
    pub duration_ms: u64,
    pub recorded: bool,
    #[serde(flatten)]
    pub findings: Findings,
}

impl Verdict {
    fn read(fields: &Fields) -> Option<Verdict> {
        Some(Verdict {
            name: fields.owned("name")?,
            verdict: fields.owned("verdict")?,
            records: fields.number("records")?,
            bytes: fields.number("bytes")?,
            duration_ms: fields.number("duration_ms")?,
            recorded: fields.text("recorded") != Some("no"),
            findings: Findings::read(fields)?,
        })
    }
}

/// What an audit led to: a verdict on each volume, and the appliance's word on the whole if it is not clean.
#[derive(Debug)]
pub struct Audit {
    pub verdicts: Vec<Verdict>,
    pub refusal: Option<Refusal>,
}

/// Has a volume verified, or all. Waits its turn if an audit is under way already.
pub fn audit(session: &mut Session, volume: Option<&str>, pause: Duration) -> Result<Audit> {
    let volume = volume.map_or(String::new(), |name| Word(name).to_string());
    let command = format!("audit {volume}");
    let answer = session.ask_in_turn(command.trim_end(), session.timing.timeout, pause)?;
    let verdicts = answer.rows.iter().map(Verdict::read).collect::<Option<_>>();
    let verdicts = verdicts.context("the appliance sent a verdict this tool does not understand")?;
    Ok(Audit { verdicts, refusal: answer.end.err() })
}
