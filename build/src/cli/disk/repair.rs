//! `totebox disk repair`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use totebox_common::doneln;
use totebox_common::outln;
use totebox_deployment::Deployment;
use totebox_disk::repair::{Plan, Repair, RepairReport, beside};
use totebox_shown::ShowPath;

use super::VolumeProgress;
use crate::cli::{Outcome, output};

/// Makes anew what a disk has only once and that follows from the rest of it: the superblock and the frontier hints
/// of a volume, and the partition table. Says what it would do; does it with --write. Committed bytes are never
/// touched. Exit code 1 if something is left that is not as it must be.
#[derive(clap::Args)]
#[command(after_help = "Examples: totebox disk repair target/disk.img --deployment .\n          \
                        totebox disk repair target/disk.img --deployment . --write")]
pub struct Args {
    /// The disk image, or a block device.
    image: PathBuf,
    /// The deployment the disk is of: its directory, or its totebox.toml. More can be repaired with it than without.
    #[arg(long, value_name = "DIR")]
    deployment: Option<PathBuf>,
    /// Write it. No appliance may have the disk.
    #[arg(long)]
    write: bool,
    /// The file in which to keep what is overwritten; beside an image if left out. Must not exist.
    #[arg(long, value_name = "FILE", requires = "write")]
    save: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    let deployment = args.deployment.as_deref().map(Deployment::load).transpose()?;
    let repair = match args.write {
        true => Repair::writing(&args.image, deployment)?,
        false => Repair::looking(&args.image, deployment),
    };
    let mut bar: Option<(String, VolumeProgress)> = None;
    let mut progress = |name: &str, done, expected| {
        if bar.as_ref().is_none_or(|(shown, _)| shown != name) {
            bar = Some((name.to_owned(), VolumeProgress::of(format!("looking at {name}"))));
        }
        if let Some((_, bar)) = &bar {
            bar.show(done, expected);
        }
    };
    let plan = repair.plan(&mut progress)?;
    let saved = match args.write && !plan.pieces.is_empty() {
        true => Some(args.save_to()?),
        false => None,
    };
    if let Some(saved) = &saved {
        repair.carry_out(&plan, saved, &mut progress)?;
    }
    drop(bar);
    if args.json {
        output::json(&RepairReport::new(&plan, saved.as_deref()))?;
    } else {
        print(&plan, saved.as_deref())?;
    }
    let left = !plan.refusals.is_empty() || (!plan.pieces.is_empty() && saved.is_none());
    Ok(if left { Outcome::Found } else { Outcome::Fine })
}

impl Args {
    fn save_to(&self) -> Result<PathBuf> {
        self.save.clone().or_else(|| beside(&self.image)).context(
            "what is overwritten on a block device is kept as evidence: say in which file, with --save FILE; nothing \
             was written",
        )
    }
}

fn print(plan: &Plan, saved: Option<&Path>) -> Result<()> {
    let of = |volume: &Option<String>| volume.clone().unwrap_or_else(|| "disk".to_owned());
    for refusal in &plan.refusals {
        outln!("{}: not repaired: {}", of(&refusal.volume), refusal.text)?;
    }
    for piece in &plan.pieces {
        let places: Vec<String> = piece.writes.iter().map(|(offset, _)| offset.to_string()).collect();
        let done = if saved.is_some() { "written" } else { "to be written" };
        outln!("{}: {}, {done} at byte {}: {}", of(&piece.volume), piece.what, places.join(", "), piece.why)?;
    }
    match (plan.pieces.len(), saved) {
        (0, _) if plan.is_empty() => outln!("nothing needs to be repaired")?,
        (0, _) => outln!("nothing can be repaired")?,
        (_, Some(saved)) => doneln!("repaired and verified; what stood there is in {}", saved.shown())?,
        (_, None) => outln!("nothing was written: --write does it")?,
    }
    Ok(())
}
