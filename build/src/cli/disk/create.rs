//! `totebox disk create`.

use std::path::PathBuf;

use anyhow::Result;
use totebox_common::doneln;
use totebox_common::outln;
use totebox_common::units::show_size;
use totebox_deployment::Deployment;
use totebox_deployment::disk::Existing;
use totebox_shown::ShowPath;

use crate::cli::{Outcome, output};

/// Makes the disk of a deployment: partitions, superblocks, and nothing in them.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox disk create target/disk.img")]
pub struct Args {
    /// The image to make (sparse), or a block device.
    disk: PathBuf,
    /// Give up what is there already, unless it is in use. A block device is always something.
    #[arg(long)]
    force: bool,
    /// The deployment's directory, or its totebox.toml.
    #[arg(long, value_name = "DIR", default_value = ".")]
    deployment: PathBuf,
}

pub fn run(args: Args) -> Result<Outcome> {
    let deployment = Deployment::load(&args.deployment)?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let progress = output::progress_bytes("overwriting", deployment.disk_size);
    let created = deployment.create_disk_over(&args.disk, existing, &mut |bytes| progress.inc(bytes));
    progress.finish_and_clear();
    if let Some(held) = created? {
        outln!("gave up what {} held: {held}", args.disk.shown())?;
    }
    deployment.remember_disk(&args.disk)?;
    let (size, volumes) = (show_size(deployment.disk_size), deployment.volumes.len());
    doneln!("made {}: {size}, {volumes} volumes", args.disk.shown())?;
    Ok(Outcome::Fine)
}
