//! `totebox audit`.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use totebox_common::outln;
use totebox_common::output::OutputError;
use totebox_console_protocol::text;
use totebox_console_protocol::views::UNRECORDED;
use totebox_operator::client::audit::{Verdict, audit};

use super::appliance::{Appliance, refused};
use super::{Outcome, output};

/// Has the appliance's auditor read and check every committed byte.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if something is not what was committed.\n\
                        Example: totebox audit contracts")]
pub struct Args {
    /// An archive, or the audit volume; all of them if none is named.
    volume: Option<String>,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

/// A large volume is read for long, and the auditor says nothing while it reads.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Between two tries when another audit is under way.
const PAUSE: Duration = Duration::from_secs(1);

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open(TIMEOUT)?;
    let audit = audit(&mut session, args.volume.as_deref(), PAUSE)?;
    if args.json {
        let mut value = json!({ "volumes": audit.verdicts });
        if let Some(refusal) = &audit.refusal {
            value["message"] = json!(refusal.text);
        }
        output::json(&value)?;
    } else {
        audit.verdicts.iter().try_for_each(tell)?;
    }
    match audit.refusal {
        None => Ok(Outcome::Fine),
        Some(refusal) if audit.verdicts.is_empty() => Err(refusal.into()),
        Some(refusal) => refused(&refusal),
    }
}

fn tell(verdict: &Verdict) -> Result<(), OutputError> {
    let Verdict { name, verdict: word, records, findings, recorded, .. } = verdict;
    let remark = if *recorded { "" } else { UNRECORDED };
    let (size, time) = (text::Size(verdict.bytes), text::Duration(verdict.duration_ms));
    let records = text::Count(*records, "record");
    let found = findings.first().map_or(String::new(), |found| format!("; {found}"));
    outln!("{name:<32}  {word:<12}  {records}, {size} read in {time}{remark}{found}")
}
