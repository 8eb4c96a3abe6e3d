//! `totebox disk extract`.

use std::path::PathBuf;

use anyhow::Result;
use totebox_common::files::keep_to_owner;
use totebox_common::out;
use totebox_disk::Report;

use super::{Source, VolumeProgress, outcome};
use crate::cli::{Outcome, output};

/// Extracts the three directories of every volume as plain files, and verifies them on the way. What is
/// undamaged is extracted, what is damaged is named, with exit code 1. Nobody but its owner may read it.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox disk extract target/disk.img extracted --names")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// The directory to extract into: empty, or to be made.
    directory: PathBuf,
    /// Give each document's content a second name, made of its record's number and its own name, in a
    /// folder documents/.
    #[arg(long)]
    names: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    keep_to_owner();
    let image = args.source.open()?;
    totebox_disk::prepare(&args.directory)?;
    let mut volumes = Vec::new();
    for volume in &image.volumes {
        let progress = VolumeProgress::new("extracting", volume);
        let show = |done, expected| progress.show(done, expected);
        volumes.push(totebox_disk::extract(&image, volume, &args.directory, args.names, show)?);
    }
    let report = Report::new(&image, volumes);
    if args.json {
        output::json(&report)?;
    } else {
        out!("{report}")?;
    }
    Ok(outcome(&report))
}
