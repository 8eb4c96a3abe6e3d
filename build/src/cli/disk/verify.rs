//! `totebox disk verify`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use totebox_common::out;
use totebox_deployment::keys::read_verifiers;
use totebox_disk::checkpoint::{self, SignedCheckpoint};
use totebox_disk::{Pinned, Report};
use totebox_shown::ShowPath;

use super::{Source, VolumeProgress, outcome};
use crate::cli::{Outcome, output};

/// Verifies every committed byte of a disk: one line for each finding, or for all that say the same of one block
/// after the other; exit code 1 if there is one.
#[derive(clap::Args)]
#[command(after_help = "Examples: totebox disk verify target/disk.img --json\n          \
                        totebox disk verify disk.img --checkpoint pinned.checkpoint --key archives.vkey")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// A checkpoint that was kept elsewhere: the archive, or the audit record, it is of must extend it. A folder stands for every *.checkpoint
    /// in it. May be given more than once.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Public keys, one a line, as `totebox keys` prints them: each of the checkpoints of their archives, and of the audit
    /// record, those on the disk and those given, must be signed with one. May be given more than once.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    let kept = args.kept()?;
    let image = args.source.open()?;
    let verify = |volume| {
        let progress = VolumeProgress::new("verifying", volume);
        totebox_disk::verify(&image, volume, &kept, |done, expected| progress.show(done, expected))
    };
    let mut report = Report::new(&image, image.volumes.iter().map(verify).collect());
    report.add_missing(&image, &kept);
    if args.json {
        output::json(&report)?;
    } else {
        out!("{report}")?;
    }
    Ok(outcome(&report))
}

impl Args {
    /// What was kept elsewhere. Where keys are given, every checkpoint given must be signed with one of them.
    fn kept(&self) -> Result<Pinned> {
        let mut kept = Pinned::default();
        for path in &self.key {
            kept.keys.extend(read_verifiers(path)?);
        }
        let paths = self.checkpoint.iter().map(|path| checkpoint::paths(path)).collect::<Result<Vec<_>>>()?;
        for path in paths.iter().flatten() {
            let checkpoint = SignedCheckpoint::read(path)?;
            if !kept.keys.is_empty() {
                checkpoint
                    .verify(&kept.keys)
                    .with_context(|| format!("{} is not to be believed", path.shown()))?;
            }
            kept.checkpoints.push(checkpoint);
        }
        Ok(kept)
    }
}
