//! `totebox disk verify`.

use anyhow::Result;
use totebox::disk::{self, Report};

use super::{Source, VolumeProgress, outcome};
use crate::cli::{Outcome, output};

/// Verifies every committed byte of a disk: one line for each finding, exit code 1 if there is one.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox disk verify target/disk.img --json")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    let image = args.source.open()?;
    let verify = |volume| {
        let progress = VolumeProgress::new("verifying", volume);
        disk::verify(&image, volume, |done, expected| progress.show(done, expected))
    };
    let report = Report::new(&image, image.volumes.iter().map(verify).collect());
    if args.json {
        output::json(&report)?;
    } else {
        print!("{report}");
    }
    Ok(outcome(&report))
}
