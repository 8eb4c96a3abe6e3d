//! The state of the appliance, and having it verified.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::lines::{Fields, Refusal};
use super::session::Session;

/// The appliance, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Its wall clock, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// An acknowledged document survives a power cut.
    pub durable: bool,
    /// The disk refuses writes.
    pub read_only: bool,
    /// Every archive has come up or failed to.
    pub settled: bool,
    /// Every volume: the archives', then the audit volume.
    pub volumes: Vec<Volume>,
}

/// One volume of an appliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// The archive's name.
    pub name: String,
    /// `archive` or `audit`.
    pub kind: String,
    /// `active` and so on.
    pub state: String,
    /// The volume's state at the vault: `ready` and so on.
    pub volume: String,
    /// Records.
    pub records: u64,
    /// Documents among them.
    pub documents: u64,
    /// Content bytes.
    pub bytes: u64,
    /// Bytes of room left.
    pub free: u64,
    /// Requests the vault refused.
    pub refused: u64,
    /// A verification is under way.
    pub verifying: bool,
    /// The last verification's verdict: `none`, `clean`, `mismatch`, `unreadable` or `not-verified`.
    pub verdict: String,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub verified_ms: u64,
    /// What it found.
    #[serde(flatten)]
    pub findings: Findings,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How much is wrong.
    pub findings: u64,
    /// The first finding's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// The directory its block is counted in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Its block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// The record it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
}

/// The verdict on one volume, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The volume.
    pub name: String,
    /// `clean`, `mismatch`, `unreadable` or `not-verified`.
    pub verdict: String,
    /// Records read.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

impl Findings {
    fn read(fields: &Fields) -> Option<Findings> {
        let text = |key| fields.text(key).map(str::to_string);
        Some(Findings {
            findings: fields.number("findings")?,
            finding: text("finding"),
            area: text("area"),
            block: fields.number("block"),
            record: fields.number("record"),
        })
    }
}

impl Volume {
    fn read(fields: &Fields) -> Option<Volume> {
        let text = |key| fields.text(key).map(str::to_string);
        Some(Volume {
            name: text("name")?,
            kind: text("kind")?,
            state: text("state")?,
            volume: text("volume")?,
            records: fields.number("records")?,
            documents: fields.number("documents")?,
            bytes: fields.number("bytes")?,
            free: fields.number("free")?,
            refused: fields.number("refused")?,
            verifying: fields.yes("verifying"),
            verdict: text("verdict")?,
            verified_ms: fields.number("verified_ms")?,
            findings: Findings::read(fields)?,
        })
    }
}

impl Verdict {
    fn read(fields: &Fields) -> Option<Verdict> {
        Some(Verdict {
            name: fields.text("name")?.to_string(),
            verdict: fields.text("verdict")?.to_string(),
            records: fields.number("records")?,
            bytes: fields.number("bytes")?,
            duration_ms: fields.number("duration_ms")?,
            findings: Findings::read(fields)?,
        })
    }
}

/// Asks for the state of the appliance.
pub fn status(session: &mut Session) -> Result<Result<Status, Refusal>> {
    let answer = session.ask("status", session.timing.quiet)?;
    let end = match answer.end {
        Ok(end) => end,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let read = (|| {
        Some(Status {
            uptime_ms: end.number("uptime_ms")?,
            time_ms: end.number("time")?,
            durable: end.yes("durable"),
            read_only: end.yes("read_only"),
            settled: end.yes("settled"),
            volumes: answer.rows.iter().map(Volume::read).collect::<Option<_>>()?,
        })
    })();
    Ok(Ok(read.context("the appliance sent a status this tool does not understand")?))
}

/// Waits until every archive has come up or failed to, for as long as the session's patience.
pub fn await_start(session: &mut Session) -> Result<()> {
    /// Between two looks.
    const PAUSE: Duration = Duration::from_millis(200);
    let start = Instant::now();
    loop {
        let settled = status(session)?.is_ok_and(|status| status.settled);
        // What has not come up by then says so itself.
        if settled || start.elapsed() > session.timing.patience {
            return Ok(());
        }
        session.pause(PAUSE)?;
    }
}

/// What a verification led to: a verdict on each volume, and the appliance's word on the whole if it is
/// not clean.
#[derive(Debug)]
pub struct Verification {
    /// A verdict each.
    pub verdicts: Vec<Verdict>,
    /// Why it is not clean.
    pub refusal: Option<Refusal>,
}

/// Has a volume verified, or all. Waits its turn, for as long as the session's patience, if a verification
/// is under way already.
pub fn verify(session: &mut Session, volume: Option<&str>, pause: Duration) -> Result<Verification> {
    let command = format!("verify {}", volume.unwrap_or_default());
    let start = Instant::now();
    loop {
        let answer = session.ask(command.trim_end(), session.timing.patience)?;
        match answer.end.err() {
            Some(refusal) if refusal.name == "busy" && start.elapsed() < session.timing.patience => {
                session.pause(pause)?;
            }
            refusal => {
                let verdicts = answer.rows.iter().map(Verdict::read).collect::<Option<_>>();
                let verdicts = verdicts.context("the appliance sent a verdict this tool does not understand")?;
                return Ok(Verification { verdicts, refusal });
            }
        }
    }
}
