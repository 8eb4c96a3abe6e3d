//! `totebox disk`: disk images, without an appliance.

mod create;
mod extract;
mod ls;
mod verify;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use indicatif::ProgressBar;
use totebox::disk::{Image, Report, Volume};
use totebox::model::Deployment;

use super::{Outcome, output};

/// Makes, lists, verifies and reads disk images, without an appliance.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(create::Args),
    Ls(ls::Args),
    Verify(verify::Args),
    Extract(extract::Args),
}

pub fn run(args: Args) -> Result<Outcome> {
    match args.command {
        Command::Create(args) => create::run(args),
        Command::Ls(args) => ls::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Extract(args) => extract::run(args),
    }
}

/// The disk a command reads.
#[derive(clap::Args)]
struct Source {
    /// The disk image, or a block device. It is only read.
    image: PathBuf,
    /// The deployment the disk must be of: its directory, or its totebox.toml. Without it the disk is taken by
    /// its own word.
    #[arg(long, value_name = "DIR")]
    deployment: Option<PathBuf>,
}

impl Source {
    fn open(&self) -> Result<Image> {
        let deployment = self.deployment.as_deref().map(Deployment::load).transpose()?;
        Image::open(&self.image, deployment.as_ref())
    }
}

/// How a reading of a disk ended.
fn outcome(report: &Report) -> Outcome {
    if report.clean { Outcome::Fine } else { Outcome::Found }
}

/// A progress bar over one volume, gone when it is dropped.
struct VolumeProgress(ProgressBar);

impl VolumeProgress {
    fn new(doing: &str, volume: &Volume) -> VolumeProgress {
        VolumeProgress(output::progress_bytes(format!("{doing} {}", volume.name), 0))
    }

    fn show(&self, done: u64, expected: u64) {
        self.0.set_length(expected);
        self.0.set_position(done);
    }
}

impl Drop for VolumeProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
