//! `totebox provision`.

use anyhow::{Result, bail};

use super::Outcome;

/// Adds an archive to a deployment, and its volume to the disk.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox provision minutes --size '128 MiB' --disk disk.img")]
pub struct Args {}

pub fn run(_args: Args) -> Result<Outcome> {
    bail!("under construction")
}
