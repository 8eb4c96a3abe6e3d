//! `totebox ls`.

use anyhow::Result;
use serde_json::json;
use totebox::client::ls::ls;
use totebox::outln;
use totebox_pds::console::text::{Size, Time};
use totebox_pds::console::words::Quoted;

use super::appliance::{Appliance, PATIENCE, refused};
use super::{Outcome, output};

/// Lists the records of an archive.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox ls contracts --connect unix:target/run/console")]
pub struct Args {
    /// The archive.
    archive: String,
    /// The first record.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// At most so many records.
    #[arg(long, value_name = "COUNT", default_value_t = u64::MAX, hide_default_value = true)]
    count: u64,
    /// Print the records as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open(PATIENCE)?;
    let (entries, records) = match ls(&mut session, &args.archive, args.from, args.count)? {
        Ok(listing) => listing,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    if args.json {
        output::json(&json!({ "archive": args.archive, "records": records, "entries": entries }))?;
        return Ok(Outcome::Fine);
    }
    outln!("     seq  {:<19}  {:<15}        size  name", "time", "kind")?;
    for entry in &entries {
        let (time, size) = (Time(entry.time_ms), Size(entry.size));
        let name = if entry.name.is_empty() { String::new() } else { Quoted(entry.name.as_bytes()).to_string() };
        outln!("{}", format!("{:>8}  {time}  {:<15}  {size:>10}  {name}", entry.sequence, entry.kind).trim_end())?;
    }
    outln!("{records} records")?;
    Ok(Outcome::Fine)
}
