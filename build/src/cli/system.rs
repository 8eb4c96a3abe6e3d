//! `totebox system`.

use anyhow::{Result, bail};

use super::Outcome;

/// Writes system.xml from totebox.toml.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox system --check")]
pub struct Args {}

pub fn run(_args: Args) -> Result<Outcome> {
    bail!("under construction")
}
