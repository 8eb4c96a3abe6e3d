//! The state of the appliance.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use totebox_console_protocol::text::Found;

use super::lines::{Fields, Refusal};
use super::session::Session;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    pub uptime_ms: u64,
    /// Its wall clock, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// Milliseconds since the orchestrator last said that all this is so.
    pub age_ms: u64,
    /// Whether an acknowledged document survives a power cut, where the vault says so of a disk in service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
    pub read_only: bool,
    /// Every archive has come up or failed to.
    pub settled: bool,
    /// The archives' states were read back from the audit record, or cannot be.
    pub restored: bool,
    pub in_service: bool,
    /// What beside the archives is not working.
    pub degraded: Vec<String>,
    pub flags: u64,
    /// Those of them that `flags` does not show.
    pub flags_hidden: u64,
    /// Events of this start that the audit record does not tell of.
    pub unrecorded: u64,
    /// Every volume: the archives', then the audit volume.
    pub volumes: Vec<Volume>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    pub name: String,
    /// `archive` or `audit`.
    pub kind: String,
    /// `active` and so on.
    pub state: String,
    /// The state it is to be in: `active`, `suspended` or `archived`.
    pub target: String,
    pub moving: bool,
    /// When it came into its state, in milliseconds since the appliance started.
    pub since_ms: u64,
    /// The volume's state at the vault: `ready` and so on.
    pub volume: String,
    pub records: u64,
    pub documents: u64,
    /// Content bytes.
    pub bytes: u64,
    /// The largest document there is room for, in bytes.
    pub free: u64,
    /// Documents of at most 4 KiB there is certainly room for; of the audit volume, records.
    pub left: u64,
    pub refused: u64,
    /// What its own last scrub came to: `none`, `clean`, `mismatch` or `unreadable`.
    pub check: String,
    /// When that ended, in milliseconds since 1970-01-01 UTC.
    pub checked_ms: u64,
    pub checked_records: u64,
    pub verifying: bool,
    /// The kind of the last audit: `full`, `incremental` or `none`.
    pub audit: String,
    /// Its verdict: `none`, `clean`, `mismatch`, `unreadable` or `not-verified`.
    pub verdict: String,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub verified_ms: u64,
    /// When the next one is due, in milliseconds since the appliance started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_due_ms: Option<u64>,
    #[serde(flatten)]
    pub findings: Findings,
    pub flags: u64,
    /// The fault that stopped it.
    #[serde(flatten)]
    pub fault: Option<Fault>,
    /// Why it is in its state, in the appliance's words, if that is worth a look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Why the kernel stopped an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// `memory`, `exception`, `syscall` or `other`.
    pub fault: String,
    /// The address it concerned, or 0.
    pub address: u64,
    /// The address of the instruction, or 0.
    pub instruction: u64,
    /// What the processor says of it, in its own code, or 0.
    pub status: u64,
}

impl Fault {
    fn read(fields: &Fields) -> Option<Fault> {
        Some(Fault {
            fault: fields.owned("fault")?,
            address: fields.number("address")?,
            instruction: fields.number("instruction")?,
            status: fields.number("status")?,
        })
    }
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    pub findings: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    #[serde(flatten)]
    pub place: Place,
}

/// A place in a volume, as far as one is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
}

impl Place {
    pub(super) fn read(fields: &Fields) -> Place {
        Place { area: fields.owned("area"), block: fields.number("block"), record: fields.number("record") }
    }
}

impl Findings {
    pub(super) fn read(fields: &Fields) -> Option<Findings> {
        Some(Findings {
            findings: fields.number("findings")?,
            finding: fields.owned("finding"),
            place: Place::read(fields),
        })
    }

    /// The first one, for a person.
    pub fn first(&self) -> Option<Found<'_>> {
        let Findings { findings: count, finding, place: Place { area, block, record } } = self;
        let (kind, area, block) = (finding.as_deref()?, area.as_deref()?, (*block)?);
        Some(Found { kind, area, block, record: *record, count: *count })
    }
}

impl Volume {
    fn read(fields: &Fields) -> Option<Volume> {
        Some(Volume {
            name: fields.owned("name")?,
            kind: fields.owned("kind")?,
            state: fields.owned("state")?,
            target: fields.owned("target")?,
            moving: fields.yes("moving"),
            since_ms: fields.number("since_ms")?,
            volume: fields.owned("volume")?,
            records: fields.number("records")?,
            documents: fields.number("documents")?,
            bytes: fields.number("bytes")?,
            free: fields.number("free")?,
            left: fields.number("left")?,
            refused: fields.number("refused")?,
            check: fields.owned("check")?,
            checked_ms: fields.number("checked_ms")?,
            checked_records: fields.number("checked_records")?,
            verifying: fields.yes("verifying"),
            audit: fields.owned("audit")?,
            verdict: fields.owned("verdict")?,
            verified_ms: fields.number("verified_ms")?,
            audit_due_ms: fields.number("audit_due_ms"),
            findings: Findings::read(fields)?,
            flags: fields.number("flags")?,
            fault: Fault::read(fields),
            trouble: fields.owned("trouble"),
        })
    }

    /// Whether nothing is wrong with it. What the operator has suspended or archived is not wrong.
    fn is_sound(&self) -> bool {
        let in_order = matches!(self.state.as_str(), "active" | "suspended" | "archived") || self.is_starting();
        in_order && self.flags == 0 && self.verifies()
    }

    /// Whether neither the last audit nor its own last check found that something in it is wrong.
    pub fn verifies(&self) -> bool {
        let wrong = |result: &str| matches!(result, "mismatch" | "unreadable");
        !wrong(&self.verdict) && !wrong(&self.check)
    }

    /// It has not come up or failed to; until the orchestrator has looked, nothing is known of it.
    fn is_starting(&self) -> bool {
        matches!(self.state.as_str(), "starting" | "unknown")
    }
}

impl Status {
    /// Whether nothing is flagged, degraded or out of order. Starting is in order until it is `settled`.
    pub fn is_sound(&self) -> bool {
        let sound = |volume: &Volume| volume.is_sound() && !(self.settled && volume.is_starting());
        self.flags == 0 && self.degraded.is_empty() && self.volumes.iter().all(sound)
    }
}

pub fn status(session: &mut Session) -> Result<Result<Status, Refusal>> {
    let answer = session.ask("status", session.timing.quiet)?;
    answer.read("a status", |end, rows| {
        Some(Status {
            uptime_ms: end.number("uptime_ms")?,
            time_ms: end.number("time")?,
            age_ms: end.number("age_ms")?,
            durable: end.text("durable").map(|durable| durable == "yes"),
            read_only: end.yes("read_only"),
            settled: end.yes("settled"),
            restored: end.yes("restored"),
            in_service: end.yes("in_service"),
            degraded: end
                .text("degraded")?
                .split(',')
                .filter(|&name| name != "none")
                .map(str::to_string)
                .collect(),
            flags: end.number("flags")?,
            flags_hidden: end.number("hidden")?,
            unrecorded: end.number("unrecorded")?,
            volumes: rows.iter().map(Volume::read).collect::<Option<_>>()?,
        })
    })
}

/// Waits until every archive has come up or failed to, for as long as the session's timeout.
pub fn await_start(session: &mut Session) -> Result<()> {
    /// Between two looks.
    const PAUSE: Duration = Duration::from_millis(200);
    let start = Instant::now();
    loop {
        let settled = status(session)?.is_ok_and(|status| status.settled);
        // What has not come up by then says so itself.
        if settled || start.elapsed() > session.timing.timeout {
            return Ok(());
        }
        session.pause(PAUSE)?;
    }
}
