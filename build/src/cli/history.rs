//! `totebox history`.

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use ledger_fmt::record::Kind;
use totebox_common::{errln, out, outln};
use totebox_console_protocol::views::EventLine;
use totebox_operator::client::history::{Event, history};

use super::appliance::{Appliance, TIMEOUT, refused};
use super::output::{self, count_of};
use super::{Outcome, number};

/// Shows the audit record: audits, flags, acknowledgements, lifecycle, faults, starts.
#[derive(clap::Args)]
#[command(after_help = "Without --from and --kind it shows the last records.\n\
                        Example: totebox history --kind flag")]
pub struct Args {
    /// The first record; all that follow are shown [default: 0 with --kind]
    #[arg(long, value_name = "SEQ", value_parser = number::<u64>)]
    from: Option<u64>,
    /// Only records of this kind.
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(kinds()))]
    kind: Option<String>,
    /// Print the records as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

/// The kinds of records in an audit record.
fn kinds() -> impl Iterator<Item = &'static str> {
    Kind::ALL.iter().filter(|kind| kind.is_in_audit_records()).map(|kind| kind.name())
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open_at_once(TIMEOUT)?;
    let from = args.from.or(args.kind.as_ref().map(|_| 0));
    let mut history = match history(&mut session, from)? {
        Ok(history) => history,
        Err(refusal) => return refused(&refusal),
    };
    drop(session);
    if let Some(kind) = args.kind {
        history.events.retain(|event| event.kind == kind);
    }
    if args.json {
        output::json(&history)?;
    } else {
        out!("{}", output::table(EventLine::columns(), history.events.iter().map(line)))?;
        outln!("{}", count_of(history.events.len() as u64, history.records, "record"))?;
    }
    for damaged in &history.damaged {
        errln!("totebox: {damaged} of the audit record cannot be read");
    }
    if let Some(message) = &history.message {
        errln!("totebox: what follows could not be read: {message}");
    }
    Ok(if history.is_whole() { Outcome::Fine } else { Outcome::Found })
}

fn line(event: &Event) -> EventLine<'_, &str> {
    EventLine {
        sequence: event.sequence,
        time_ms: event.time_ms,
        kind: &event.kind,
        archive: event.archive.as_deref().unwrap_or_default(),
        text: &event.text,
    }
}
