//! `totebox disk prove`.

use std::path::PathBuf;

use anyhow::Result;
use totebox_disk::checkpoint::SignedCheckpoint;
use totebox_disk::proof::Proof;

use super::LogSource;
use crate::cli::output::{self, Force};
use crate::cli::{Outcome, number};

/// Proves that a record is under an archive's checkpoint, or that one checkpoint extends another. Whoever has the
/// archive's public key checks the proof with `totebox check-proof`, without the disk.
#[derive(clap::Args)]
#[command(after_help = "Examples: totebox disk prove disk.img contracts --record 7 -o 7.tlog-proof\n          \
                        totebox disk prove disk.img contracts --from 2026-10.checkpoint")]
pub struct Args {
    #[command(flatten)]
    log: LogSource,
    /// The record to prove, by its number.
    #[arg(long, value_name = "N", value_parser = number::<u64>, required_unless_present = "from", conflicts_with = "from")]
    record: Option<u64>,
    /// The earlier checkpoint, which the other one extends.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The checkpoint to prove against; the disk's newest if left out.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The file to write; without it the proof is printed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

pub fn run(args: Args) -> Result<Outcome> {
    let target = args.output.as_deref().map(|path| args.force.target(path)).transpose()?;
    let read = |path: &PathBuf| SignedCheckpoint::read(path);
    let (from, to) = (args.from.as_ref().map(read).transpose()?, args.to.as_ref().map(read).transpose()?);
    let log = args.log.read(args.record)?;
    let to = match &to {
        Some(to) => to,
        None => log.newest()?,
    };
    let proof = match (args.record, &from) {
        (Some(record), _) => Proof::Inclusion(log.prove_record(record, to)?),
        (None, Some(from)) => Proof::Consistency(log.prove_growth(from, to)?),
        (None, None) => unreachable!("one of them is required"),
    };
    output::text(target, &proof.to_string())?;
    Ok(Outcome::Fine)
}
