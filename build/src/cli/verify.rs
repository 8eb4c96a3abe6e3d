//! `totebox verify`.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use totebox::client::status::{Verdict, verify};
use totebox_pds::console::text;

use super::appliance::{Appliance, refused};
use super::{Outcome, output};

/// Has the appliance's auditor read and check every committed byte.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if something is not what was committed.\n\
                        Example: totebox verify contracts --connect unix:target/run/console")]
pub struct Args {
    /// The archive; all of them, and the audit volume, if none is named.
    archive: Option<String>,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

/// A large volume is read for long, and the auditor says nothing while it reads.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Between two tries when another verification is under way.
const PAUSE: Duration = Duration::from_secs(1);

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open(PATIENCE)?;
    let verification = verify(&mut session, args.archive.as_deref(), PAUSE)?;
    if args.json {
        let message = verification.refusal.as_ref().map(|refusal| &refusal.text);
        output::json(&json!({ "volumes": verification.verdicts, "message": message }))?;
    } else {
        verification.verdicts.iter().for_each(tell);
    }
    match verification.refusal {
        None => Ok(Outcome::Fine),
        Some(refusal) if verification.verdicts.is_empty() => bail!("{}: {}", refusal.name, refusal.text),
        Some(refusal) => Ok(refused(&refusal)),
    }
}

fn tell(verdict: &Verdict) {
    let Verdict { name, verdict: word, records, findings, .. } = verdict;
    let (size, time) = (text::Size(verdict.bytes), text::Duration(verdict.duration_ms));
    print!("{name:<32}  {word:<12}  {records} records, {size} read in {time}");
    if let (Some(kind), Some(area), Some(block)) = (&findings.finding, &findings.area, findings.block) {
        print!("; {kind} at {area} block {block}");
        if let Some(record) = findings.record {
            print!(", record {record}");
        }
        if findings.findings > 1 {
            print!(", and {} more findings", findings.findings - 1);
        }
    }
    println!();
}
