//! `totebox status`.

use std::fmt::Write;

use anyhow::Result;
use totebox_common::out;
use totebox_console_protocol::degraded;
use totebox_console_protocol::text::Duration;
use totebox_console_protocol::views::{FULL, Summary, VolumeLine};
use totebox_operator::client::news::News;
use totebox_operator::client::status::{Status, Volume, status};
use totebox_shown::{Json, Shown};

use super::appliance::{Appliance, TIMEOUT, refused};
use super::watch::{self, Screen, Seen};
use super::{Outcome, number, output};

/// Shows the state of every archive.
#[derive(clap::Args)]
#[command(
    after_help = "Waits until the archives have come up. Exits with 1 if something is flagged, degraded, out of order or does not\n\
                        verify, or if the appliance is still starting after the timeout.\n\
                        Example: totebox status --watch"
)]
pub struct Args {
    /// Print the state as JSON; with --watch one line each time.
    #[arg(long)]
    json: bool,
    /// Show it again and again, until Ctrl-C; at a terminal in place.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = seconds
    )]
    watch: Option<u64>,
    #[command(flatten)]
    appliance: Appliance,
}

/// How long there may be between two looks.
fn seconds(text: &str) -> Result<u64, String> {
    let seconds = number(text)?;
    (1..=86_400).contains(&seconds).then_some(seconds).ok_or("expected 1 to 86400 seconds".into())
}

pub fn run(args: Args) -> Result<Outcome> {
    if let Some(seconds) = args.watch {
        let mut news = News::default();
        return watch::run(seconds, &Screen::new(), |ended| {
            let mut session = args.appliance.open_until(TIMEOUT, ended)?;
            Ok(match news.look(&mut session)? {
                Ok((status, news)) => {
                    let text = if args.json {
                        format!("{}\n", Json(serde_json::to_string(&status)?))
                    } else {
                        text(&status)
                    };
                    Seen { text, news, outcome: outcome(&status) }
                }
                Err(refusal) => {
                    let text = format!("{}\n", Shown(format_args!("{}: {}", refusal.name, refusal.text)));
                    Seen { text, news: Vec::new(), outcome: Outcome::Found }
                }
            })
        });
    }
    let mut session = args.appliance.open(TIMEOUT)?;
    let status = match status(&mut session)? {
        Ok(status) => status,
        Err(refusal) => return refused(&refusal),
    };
    drop(session);
    match args.json {
        true => output::json(&status)?,
        false => out!("{}", text(&status))?,
    }
    // It was waited for.
    Ok(if status.settled { outcome(&status) } else { Outcome::Found })
}

fn outcome(status: &Status) -> Outcome {
    if status.is_sound() { Outcome::Fine } else { Outcome::Found }
}

/// The table, what there is to say of single volumes and domains, and the appliance as a whole.
fn text(status: &Status) -> String {
    let lines = status.volumes.iter().map(|volume| line(status, volume));
    let mut text = output::table(VolumeLine::columns(), lines);
    let mut say = |line: std::fmt::Arguments<'_>| writeln!(text, "{}", Shown(line)).expect("writing to memory");
    for volume in &status.volumes {
        let Volume { name, kind, trouble, verdict, findings, check, .. } = volume;
        if kind == "archive" && line(status, volume).is_full() {
            say(format_args!("  {name} is {FULL}"));
        }
        if let Some(trouble) = trouble {
            say(format_args!("  {name} is {trouble}"));
        }
        if let ("mismatch", Some(found)) = (verdict.as_str(), findings.first()) {
            say(format_args!("  {name} does not verify: {found}"));
        } else if check == "mismatch" {
            say(format_args!("  {name} does not verify, by its own check; `totebox audit {name}` says where"));
        }
    }
    for name in &status.degraded {
        match degraded::ALL.iter().find(|(_, known, _)| known == name) {
            Some((_, _, meaning)) => say(format_args!("  {meaning}")),
            None => say(format_args!("  the {name} is not working")),
        }
        if name == "orchestrator" {
            say(format_args!("  all of this is {} old", Duration(status.age_ms)));
        }
    }
    let &Status {
        uptime_ms, time_ms, settled, in_service, durable, read_only, restored, flags, unrecorded, ..
    } = status;
    let summary =
        Summary { uptime_ms, time_ms, settled, in_service, durable, read_only, restored, flags, unrecorded };
    say(format_args!("{summary}"));
    text
}

fn line<'a>(status: &Status, volume: &'a Volume) -> VolumeLine<'a> {
    VolumeLine {
        name: &volume.name,
        state: &volume.state,
        moving_to: volume.moving.then_some(&volume.target),
        records: volume.records,
        documents: volume.documents,
        bytes: volume.bytes,
        free: volume.free,
        left: volume.left,
        check: &volume.check,
        checked_ms: volume.checked_ms,
        verifying: volume.verifying,
        audit: &volume.audit,
        verdict: &volume.verdict,
        verified_ms: volume.verified_ms,
        flags: volume.flags,
        up_ms: status.uptime_ms.saturating_sub(volume.since_ms),
        refused: volume.refused,
        now_ms: status.time_ms,
    }
}
