//! `totebox disk checkpoint`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use totebox_common::output::causes;
use totebox_common::units::count;
use totebox_common::{errln, outln};
use totebox_disk::checkpoint::{EXTENSION, SignedCheckpoint};
use totebox_disk::{Image, Volume};
use totebox_shown::ShowPath;

use super::{Source, read_log};
use crate::cli::Outcome;
use crate::cli::output::{self, Force};

/// Prints the newest signed checkpoint of an archive, or of the audit record, which is called `audit`: a few lines to
/// keep where nobody who holds the disk can change them. `totebox disk verify --checkpoint` holds later disks against it.
#[derive(clap::Args)]
#[command(
    after_help = "Examples: totebox disk checkpoint target/disk.img contracts -o 2026-11.checkpoint\n          \
                        totebox disk checkpoint target/disk.img --all -o 2026-11"
)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// The archive's name, or `audit`.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    volume: Option<String>,
    /// Every archive's and the audit record's, each in a file NAME.checkpoint of the folder that -o names. Exits with 1
    /// if one has none.
    #[arg(long, requires = "output")]
    all: bool,
    /// The file to write instead; with --all the folder.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

pub fn run(args: Args) -> Result<Outcome> {
    match (&args.volume, &args.output) {
        (Some(name), output) => one(&args, name, output.as_deref()),
        (None, Some(folder)) => all(&args, folder),
        (None, None) => unreachable!("--all requires -o"),
    }
}

fn one(args: &Args, name: &str, output: Option<&Path>) -> Result<Outcome> {
    let target = output.map(|path| args.force.target(path)).transpose()?;
    let image = args.source.open()?;
    output::text(target, &newest(&image, image.volume(name)?)?.to_string())?;
    Ok(Outcome::Fine)
}

/// Those that can be written are, whatever is wrong with another.
fn all(args: &Args, folder: &Path) -> Result<Outcome> {
    let image = args.source.open()?;
    let paths: Vec<_> =
        image.volumes.iter().map(|volume| folder.join(format!("{}.{EXTENSION}", volume.name))).collect();
    let targets = paths.iter().map(|path| args.force.target(path)).collect::<Result<Vec<_>>>()?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.shown()))?;
    let mut outcome = Outcome::Fine;
    for (volume, target) in image.volumes.iter().zip(targets) {
        match newest(&image, volume) {
            Ok(checkpoint) => {
                target.write(checkpoint.to_string().as_bytes())?;
                outln!("wrote {}, over {}", target.path().shown(), count(checkpoint.size, "record"))?;
            }
            Err(error) => {
                errln!("totebox: {}", causes(&error));
                outcome = Outcome::Found;
            }
        }
    }
    Ok(outcome)
}

fn newest(image: &Image, volume: &Volume) -> Result<SignedCheckpoint> {
    read_log(image, volume, None)?.newest().cloned()
}
