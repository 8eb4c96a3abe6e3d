//! `totebox disk checkpoint`.

use std::path::PathBuf;

use anyhow::Result;

use super::LogSource;
use crate::cli::{Outcome, output};

/// Prints an archive's newest signed checkpoint: a few lines to keep where nobody who holds the disk can change
/// them. `totebox disk verify --checkpoint` holds later disks against it.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox disk checkpoint target/disk.img contracts -o 2026-11.checkpoint")]
pub struct Args {
    #[command(flatten)]
    log: LogSource,
    /// The file to write instead.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<Outcome> {
    let log = args.log.read(None)?;
    output::text(args.output.as_deref(), &log.newest()?.to_string())?;
    Ok(Outcome::Fine)
}
