//! Carrying an archive through its lifecycle.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use totebox_console_protocol::change::Change;
use totebox_console_protocol::words::Quoted;

use super::lines::{Fields, Refusal};
use super::session::Session;

/// How a transition ended, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    pub archive: String,
    /// `suspend`, `resume` or `archive`.
    pub command: String,
    /// `done`; `stopped`, `unrecorded`, `failed`: there is a flag; `unknown`: it is in that state, but the
    /// answer that said how it came there was lost on the line.
    pub completion: String,
    /// The appliance's words, if it is not just done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Has an archive change its state; returns when it has, or has not. A refusal has changed nothing.
pub fn change(session: &mut Session, archive: &str, change: Change) -> Result<Result<Transition, Refusal>> {
    // Whoever calls this has confirmed it.
    let confirmed = if change == Change::Archive { " final" } else { "" };
    let command = format!("{} {}{confirmed}", change.name(), Quoted(archive.as_bytes()));
    let (completion, message) = match order(session, &command)? {
        (Ok(_), _) => ("done".into(), None),
        (Err(refusal), again) => match refusal.name.as_str() {
            "stopped" | "unrecorded" | "failed" => (refusal.name, Some(refusal.text)),
            "already-there" if again => ("unknown".into(), Some(refusal.text)),
            _ => return Ok(Err(refusal)),
        },
    };
    Ok(Ok(Transition { archive: archive.into(), command: change.name().into(), completion, message }))
}

/// Sends an order that the appliance carries out once; its answer, and whether an earlier try may have been
/// carried out although its answer was lost.
pub(super) fn order(session: &mut Session, command: &str) -> Result<(Result<Fields, Refusal>, bool)> {
    /// Between two looks whether an earlier try has ended.
    const PAUSE: Duration = Duration::from_millis(200);
    let start = Instant::now();
    let mut again = false;
    loop {
        let answer = session.ask(command, session.timing.timeout)?;
        again |= answer.again;
        match answer.end {
            Err(refusal) if again && refusal.name == "busy" && start.elapsed() < session.timing.timeout => {
                session.pause(PAUSE)?;
            }
            // What it is busy with may be this order, and that has no answer.
            Err(refusal) if again && refusal.name == "busy" => return Err(session.unanswered(command)),
            end => return Ok((end, again)),
        }
    }
}
