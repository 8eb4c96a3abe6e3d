//! `totebox sign`.

use anyhow::Result;
use serde_json::{Value, json};
use totebox_common::{doneln, errln};
use totebox_console_protocol::text::Count;
use totebox_operator::client::sign::{Signed, in_service, sign};

use super::appliance::{Appliance, TIMEOUT};
use super::{Outcome, output};

/// Has archives sign a checkpoint over all their records now.
///
/// They do so by themselves once an audit period, when they are suspended or archived, soon after a start, and before
/// `totebox run` stops the appliance. Where nothing is new nothing is added.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if an archive did not sign.\n\
                        Example: totebox sign finance")]
pub struct Args {
    /// Archives; every one in service if none is named.
    archives: Vec<String>,
    /// Print the checkpoints as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open(TIMEOUT)?;
    let archives = match args.archives {
        all if all.is_empty() => in_service(&mut session)??,
        named => named,
    };
    let (mut rows, mut outcome) = (Vec::<Value>::new(), Outcome::Fine);
    for archive in archives {
        match sign(&mut session, &archive)? {
            Ok(signed) if args.json => rows.push(json!(signed)),
            Ok(Signed { archive, checkpoint, records, .. }) => {
                let records = Count(records, "record");
                doneln!("{archive}: record {checkpoint} is the checkpoint over its {records}")?;
            }
            Err(refusal) => {
                outcome = Outcome::Found;
                errln!("totebox: {archive}: {refusal}");
                rows.push(json!({ "archive": archive, "error": refusal.name, "message": refusal.text }));
            }
        }
    }
    if args.json {
        output::json_done(&rows)?;
    }
    Ok(outcome)
}
