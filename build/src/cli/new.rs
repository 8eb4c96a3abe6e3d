//! `totebox new`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use totebox_common::doneln;
use totebox_common::outln;
use totebox_deployment::new_deployment;
use totebox_shown::ShowPath;

use super::Outcome;

/// Makes a fresh deployment: totebox.toml and system.xml in a new directory.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox new archive-house --archive contracts --archive finance")]
pub struct Args {
    /// The directory to make.
    directory: PathBuf,
    /// The deployment's name; the directory's if left out.
    #[arg(long)]
    name: Option<String>,
    /// An archive's name; may be given more than once.
    #[arg(long = "archive", value_name = "NAME", default_value = "documents")]
    archives: Vec<String>,
    /// What it runs on.
    #[arg(long, default_value = "qemu_virt_aarch64")]
    board: String,
}

pub fn run(args: Args) -> Result<Outcome> {
    let directory_name = || Some(args.directory.file_name()?.to_str()?.to_owned());
    let name = args.name.or_else(directory_name).context("the directory has no name to use; give --name NAME")?;
    let deployment = new_deployment(&args.directory, &name, &args.board, &args.archives)?;
    doneln!("made the deployment \"{}\" in {}", deployment.name, args.directory.shown())?;
    outln!("its signing keys are in {}/keys; keep a copy of them", args.directory.shown())?;
    outln!("next: `totebox run --deployment {}` makes its disk and starts it", args.directory.shown())?;
    Ok(Outcome::Fine)
}
