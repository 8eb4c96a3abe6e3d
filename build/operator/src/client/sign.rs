//! Having archives sign checkpoints.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use totebox_console_protocol::words::Quoted;

use super::lines::Refusal;
use super::session::Session;
use super::status::status;

/// The last checkpoint of an archive, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signed {
    pub archive: String,
    pub checkpoint: u64,
    /// Records it is over: all before it.
    pub records: u64,
    pub hash: String,
}

/// Has an archive sign a checkpoint, if its last record is none; returns when that is durable.
pub fn sign(session: &mut Session, archive: &str) -> Result<Result<Signed, Refusal>> {
    let answer = session.ask(&format!("sign {}", Quoted(archive.as_bytes())), session.timing.timeout)?;
    answer.read("an answer", |end, _| {
        Some(Signed {
            archive: end.owned("archive")?,
            checkpoint: end.number("seq")?,
            records: end.number("records")?,
            hash: end.owned("record")?,
        })
    })
}

/// The archives that can sign: those in service.
pub fn in_service(session: &mut Session) -> Result<Result<Vec<String>, Refusal>> {
    Ok(status(session)?.map(|status| {
        let active =
            status.volumes.into_iter().filter(|volume| volume.kind == "archive" && volume.state == "active");
        active.map(|volume| volume.name).collect()
    }))
}

/// Has every archive in service sign, before a stop, until the deadline; names each archive that did not.
pub fn sign_before_stop(session: &mut Session, deadline: Instant, mut tell: impl FnMut(&str, &str)) -> Result<()> {
    let Ok(archives) = in_service(session)? else { return Ok(()) };
    for archive in archives {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tell(&archive, "there was no time left");
            continue;
        }
        session.timing.timeout = session.timing.timeout.min(left);
        if let Err(refusal) = sign(session, &archive)? {
            tell(&archive, &refusal.text);
        }
    }
    Ok(())
}
