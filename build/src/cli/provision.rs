//! `totebox provision`.

use std::path::PathBuf;

use anyhow::Result;
use totebox_common::doneln;
use totebox_common::outln;
use totebox_common::units::show_size;
use totebox_deployment::provision;

use super::Outcome;

/// Adds an archive to a deployment, and its volume to the disk; all of it or nothing.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox provision minutes --size '128 MiB' --disk disk.img")]
pub struct Args {
    /// The new archive's name.
    name: String,
    /// The size of its volume; 128 MiB if left out.
    #[arg(long)]
    size: Option<String>,
    /// The deployment's disk, if there is one already. The other volumes stay as they are.
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// The deployment's directory, or its totebox.toml.
    #[arg(long, value_name = "DIR", default_value = ".")]
    deployment: PathBuf,
}

pub fn run(args: Args) -> Result<Outcome> {
    let deployment = provision(&args.deployment, &args.name, args.size.as_deref(), args.disk.as_deref())?;
    doneln!("added the archive \"{}\"; {} of the disk are free", args.name, show_size(deployment.free()))?;
    if args.disk.is_none() {
        outln!("a disk that exists already gets the volume by the same command with --disk FILE")?;
    }
    Ok(Outcome::Fine)
}
