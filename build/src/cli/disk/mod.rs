//! `totebox disk`: disk images, without an appliance.

mod checkpoint;
mod create;
mod extract;
mod ls;
mod prove;
mod repair;
mod tiles;
mod verify;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use indicatif::ProgressBar;
use totebox_common::errln;
use totebox_deployment::Deployment;
use totebox_disk::{Image, Log, Report, Searching, Volume};
use totebox_shown::ShowPath;

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
    Checkpoint(checkpoint::Args),
    Prove(prove::Args),
    Tiles(tiles::Args),
    Repair(repair::Args),
}

pub fn run(args: Args) -> Result<Outcome> {
    match args.command {
        Command::Create(args) => create::run(args),
        Command::Ls(args) => ls::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Extract(args) => extract::run(args),
        Command::Checkpoint(args) => checkpoint::run(args),
        Command::Prove(args) => prove::run(args),
        Command::Tiles(args) => tiles::run(args),
        Command::Repair(args) => repair::run(args),
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
    /// Search the disk for volumes, whatever its partition table says. Done without being asked where the table is
    /// lost or has none.
    #[arg(long)]
    search: bool,
}

impl Source {
    fn open(&self) -> Result<Image> {
        let deployment = self.deployment.as_deref().map(Deployment::load).transpose()?;
        let searching = if self.search { Searching::Always } else { Searching::IfNeeded };
        let mut bar = None;
        let mut progress = |done, size| {
            bar.get_or_insert_with(|| output::progress_bytes("searching", size)).set_position(done);
        };
        let image = Image::open_searching(&self.image, deployment.as_ref(), searching, &mut progress);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let image = image?;
        // A read lock would keep an appliance from starting while a large disk is read.
        if let Some(writer) = image.writer()? {
            errln!(
                "totebox: {} is in use by {writer}: what is read here changes meanwhile, and what is only half written \
                 looks damaged",
                self.image.shown()
            );
        }
        if let Some(note) = &image.note {
            errln!("{}: {note}", self.image.shown());
        }
        Ok(image)
    }
}

/// The archive a command reads the log of.
#[derive(clap::Args)]
struct LogSource {
    #[command(flatten)]
    source: Source,
    /// The archive's name.
    volume: String,
}

impl LogSource {
    /// Reads the log, and the record with this number.
    fn read(&self, record: Option<u64>) -> Result<Log> {
        let image = self.source.open()?;
        read_log(&image, image.volume(&self.volume)?, record)
    }
}

/// Reads a volume's log, and the record with this number.
fn read_log(image: &Image, volume: &Volume, record: Option<u64>) -> Result<Log> {
    let progress = VolumeProgress::new("reading", volume);
    Log::read(image, volume, record, |done, expected| progress.show(done, expected))
}

/// How a reading of a disk ended.
fn outcome(report: &Report) -> Outcome {
    if report.clean { Outcome::Fine } else { Outcome::Found }
}

/// A progress bar over one volume, gone when it is dropped.
struct VolumeProgress(ProgressBar);

impl VolumeProgress {
    fn new(doing: &str, volume: &Volume) -> VolumeProgress {
        VolumeProgress::of(format!("{doing} {}", volume.name))
    }

    fn of(label: String) -> VolumeProgress {
        VolumeProgress(output::progress_bytes(label, 0))
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
