//! `totebox disk create`.

use anyhow::{Result, bail};

use crate::cli::Outcome;

/// Makes the disk image of a deployment: partitions, superblocks, and nothing in them.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox disk create target/disk.img")]
pub struct Args {}

pub fn run(_args: Args) -> Result<Outcome> {
    bail!("under construction")
}
