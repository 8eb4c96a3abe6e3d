//! `totebox new`.

use anyhow::{Result, bail};

use super::Outcome;

/// Makes a fresh deployment: totebox.toml and system.xml in a new directory.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox new archive-house --name records")]
pub struct Args {}

pub fn run(_args: Args) -> Result<Outcome> {
    bail!("under construction")
}
