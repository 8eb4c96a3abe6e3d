//! `totebox trace`.

use anyhow::Result;
use totebox_common::{errln, out, outln};
use totebox_console_protocol::views::NoteLine;
use totebox_operator::client::trace::{Note, trace};

use super::appliance::{Appliance, TIMEOUT, refused};
use super::{Outcome, output};

/// Shows what a domain noted last: after a fault, what it did before.
#[derive(clap::Args)]
#[command(after_help = "It is the domain's own word: one that was taken over may have noted what it liked.\n\
                        Example: totebox trace finance")]
pub struct Args {
    /// An archive's name, or vault, orchestrator, auditor, console, clock.
    domain: String,
    /// Print the trace as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open_at_once(TIMEOUT)?;
    let trace = match trace(&mut session, &args.domain)? {
        Ok(trace) => trace,
        Err(refusal) => return refused(&refusal),
    };
    drop(session);
    if args.json {
        output::json(&trace)?;
    } else if trace.notes.is_empty() {
        outln!("{} has noted nothing", args.domain)?;
    } else {
        out!("{}", output::table(NoteLine::columns(), trace.notes.iter().map(line)))?;
    }
    if trace.not_understood > 0 {
        errln!("totebox: {} more events are of a form this tool does not understand", trace.not_understood);
    }
    Ok(if trace.not_understood == 0 { Outcome::Fine } else { Outcome::Found })
}

fn line(note: &Note) -> NoteLine<&str> {
    NoteLine { sequence: note.sequence, time_ms: note.time_ms, text: &note.text }
}
