//! `totebox ls`.

use anyhow::Result;
use serde_json::json;
use totebox_common::output::OutputError;
use totebox_common::{errln, outln};
use totebox_console_protocol::views::{LISTING_HEAD, ListingLine};
use totebox_console_protocol::words::Quoted;
use totebox_operator::client::ls::{Listing, Range, Record, ls};

use super::appliance::{Appliance, TIMEOUT, refused};
use super::output::{self, count_of};
use super::{Outcome, number};

/// Lists the records of an archive.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if a record is damaged; the others are listed all the same.\n\
                        Example: totebox ls contracts")]
pub struct Args {
    /// The archive.
    archive: String,
    /// The first record.
    #[arg(long, value_name = "SEQ", default_value_t = 0, value_parser = number::<u64>)]
    from: u64,
    /// At most so many records.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = u64::MAX,
        hide_default_value = true,
        value_parser = number::<u64>
    )]
    count: u64,
    /// Print the records as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open(TIMEOUT)?;
    let listing = match ls(&mut session, &args.archive, args.from, args.count)? {
        Ok(listing) => listing,
        Err(refusal) => return refused(&refusal),
    };
    // Whoever reads what is printed may be slow; the line is for others, then.
    drop(session);
    if args.json {
        let Listing { records, entries, damaged } = &listing;
        output::json(
            &json!({ "archive": args.archive, "records": records, "entries": entries, "damaged": damaged }),
        )?;
    } else {
        print(&listing)?;
    }
    for damaged in &listing.damaged {
        errln!("totebox: {damaged} of archive {} cannot be read; the others are listed", args.archive);
    }
    Ok(if listing.damaged.is_empty() { Outcome::Fine } else { Outcome::Found })
}

/// The records, and what is damaged in its place among them.
fn print(Listing { records, entries, damaged }: &Listing) -> Result<(), OutputError> {
    outln!("{LISTING_HEAD}")?;
    let known =
        |damaged: &Range| damaged.last.map_or(0, |last| last.saturating_sub(damaged.first).saturating_add(1));
    let shown = damaged.iter().map(known).fold(entries.len() as u64, u64::saturating_add);
    let mut damaged = damaged.iter().peekable();
    for entry in entries {
        while let Some(damaged) = damaged.next_if(|damaged| damaged.first < entry.sequence) {
            print_damaged(damaged)?;
        }
        let Record { sequence, kind, time_ms, size, name, .. } = entry;
        let name = if name.is_empty() { String::new() } else { Quoted(name.as_bytes()).to_string() };
        let line = ListingLine { sequence: *sequence, time_ms: *time_ms, kind, size: *size, name };
        outln!("{}", line.to_string().trim_end())?;
    }
    damaged.try_for_each(print_damaged)?;
    outln!("{}", count_of(shown, *records, "record"))
}

fn print_damaged(damaged: &Range) -> Result<(), OutputError> {
    outln!("{:>8}  {damaged}: damaged", damaged.first)
}
