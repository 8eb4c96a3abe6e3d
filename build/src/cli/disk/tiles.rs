//! `totebox disk tiles`.

use std::path::PathBuf;

use anyhow::Result;
use totebox_common::outln;
use totebox_disk::write_tiles;
use totebox_shown::ShowPath;

use super::LogSource;
use crate::cli::Outcome;

/// Writes an archive's log up to its newest signed checkpoint as static files (c2sp.org/tlog-tiles), for the tools
/// of transparency logs. An entry is the hash of a record.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox disk tiles target/disk.img contracts -o contracts-log")]
pub struct Args {
    #[command(flatten)]
    log: LogSource,
    /// The directory to write into: empty, or to be made.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(args: Args) -> Result<Outcome> {
    let log = args.log.read(None)?;
    let records = write_tiles(&log, &args.output)?;
    outln!("wrote the log {} with {records} entries to {}", log.origin, args.output.shown())?;
    Ok(Outcome::Fine)
}
