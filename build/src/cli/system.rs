//! `totebox system`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use totebox_common::files::{secret_directory, write_atomically};
use totebox_common::outln;
use totebox_common::read::{Source, text};
use totebox_deployment::board::{Board, sdk};
use totebox_deployment::disk::laid_out_otherwise;
use totebox_deployment::{Deployment, SYSTEM_FILE, SYSTEM_MAX};
use totebox_shown::ShowPath;

use super::Outcome;

/// Writes system.xml from totebox.toml. The board is compared with the Microkit SDK, if there is one.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox system --check")]
pub struct Args {
    /// The deployment's directory, or its totebox.toml.
    #[arg(default_value = ".")]
    deployment: PathBuf,
    /// Write nothing; exit with 1 if system.xml is not what totebox.toml says.
    #[arg(long)]
    check: bool,
    /// Write each domain's manifest into this directory as NAME.manifest.
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    manifests: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<Outcome> {
    let deployment = Deployment::load(&args.deployment)?;
    compare(&deployment.board)?;
    hold_against_disk(&deployment)?;
    let path = totebox_deployment::file(&args.deployment).with_file_name(SYSTEM_FILE);
    let xml = deployment.system_xml();
    if args.check {
        return check(&path, &xml);
    }
    // A file that is right already keeps its time, for whoever builds by it.
    if text(&path, SYSTEM_MAX).is_ok_and(|found| found == xml) {
        outln!("{} is up to date", path.shown())?;
    } else {
        write_atomically(&path, xml.as_bytes())?;
        outln!("wrote {}", path.shown())?;
    }
    if let Some(directory) = args.manifests {
        secret_directory(&directory)?;
        let count = deployment.write_manifests(&directory)?;
        outln!("wrote {count} manifests to {}", directory.shown())?;
    }
    Ok(Outcome::Fine)
}

/// Says whether the board is what the Microkit SDK has; what it is not is an error.
fn compare(board: &Board) -> Result<()> {
    let sdk = sdk();
    if board.hold_against_sdk(&sdk)? {
        outln!("the board {} is one of the Microkit SDK in {}", board.name, sdk.shown())?;
    } else {
        let unknown = format!("there is no Microkit SDK in {} (MICROKIT_SDK says where)", sdk.shown());
        outln!("the board {} was not compared with an SDK: {unknown}", board.name)?;
    }
    Ok(())
}

/// Says what the disk the deployment was last seen with has otherwise than `totebox.toml` says now. Whether that is
/// there at all is for a run to say.
fn hold_against_disk(deployment: &Deployment) -> Result<()> {
    let Some(path) = deployment.remembered_disk()?.map(PathBuf::from) else { return Ok(()) };
    if let Ok(mut disk) = Source::open_file(&path)
        && let Some(word) = laid_out_otherwise(&mut disk, &path, deployment)
    {
        outln!("{word}")?;
    }
    Ok(())
}

/// Compares the file with what it must be, and shows the first line that differs.
fn check(path: &Path, expected: &str) -> Result<Outcome> {
    let found = text(path, SYSTEM_MAX)
        .with_context(|| format!("cannot read {}, which `totebox system` writes", path.shown()))?;
    if found == expected {
        outln!("{} is what totebox.toml says", path.shown())?;
        return Ok(Outcome::Fine);
    }
    let mut lines = (found.lines(), expected.lines());
    let mut number = 1;
    let (found, expected) = loop {
        match (lines.0.next(), lines.1.next()) {
            (a, b) if a == b && a.is_some() => number += 1,
            (a, b) => break (a.unwrap_or("(end of file)"), b.unwrap_or("(end of file)")),
        }
    };
    outln!("{}:{number}:1: stale: not what totebox.toml says", path.shown())?;
    outln!("    there:    {}", found.trim())?;
    outln!("    expected: {}", expected.trim())?;
    outln!("    `totebox system` writes it anew")?;
    Ok(Outcome::Found)
}
