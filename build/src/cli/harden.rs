//! `totebox harden`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use totebox_capdl::{Image, Json, Lowering, Spec};
use totebox_check::built::{Built, Grant, Purpose, compare};
use totebox_common::files::write_secret;
use totebox_common::outln;
use totebox_common::output::OutputError;
use totebox_common::problem::Obstacle;
use totebox_deployment::SYSTEM_FILE;
use totebox_sdf::System;
use totebox_shown::ShowPath;

use super::image::{Sdk, read_image};
use super::{Outcome, check};

/// Lowers every capability's rights in an image to what its description needs, and changes nothing else.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox harden target/sel4/release/totebox.img\n\
                        An image that is not of this description, or not fully understood, is refused.")]
pub struct Args {
    /// Images, and what the Microkit tool wrote beside them with --capdl-json.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The system description they were built from.
    #[arg(long, value_name = "FILE", default_value = SYSTEM_FILE)]
    system: PathBuf,
}

/// A file that says which capabilities a system begins with.
enum Distribution {
    Image(Image),
    Json(Json),
}

impl Distribution {
    fn read(path: &Path) -> Result<Distribution> {
        Ok(if path.extension().is_some_and(|extension| extension == "json") {
            Distribution::Json(check::read_json(path)?)
        } else {
            Distribution::Image(read_image(path, Sdk { folder: None, board: None })?)
        })
    }

    fn spec(&self) -> Result<Spec, totebox_capdl::Error> {
        match self {
            Distribution::Image(image) => image.spec(),
            Distribution::Json(json) => json.spec(),
        }
    }

    fn lower(&mut self, lowerings: &[Lowering]) -> Result<(), totebox_capdl::Error> {
        match self {
            Distribution::Image(image) => image.lower(lowerings),
            Distribution::Json(json) => json.lower(lowerings),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Distribution::Image(image) => image.bytes(),
            Distribution::Json(json) => json.text().as_bytes(),
        }
    }
}

pub fn run(args: Args) -> Result<Outcome> {
    let system = check::read(&args.system)?;
    for path in &args.files {
        let (built, each) = harden(path, &system, &args.system).with_context(|| path.shown().to_string())?;
        print(path, &built, &built.lowerings(), each)?;
    }
    Ok(Outcome::Fine)
}

/// Hardens a file: what was built, as it was before, and whether it is worth saying what of it was lowered.
fn harden(path: &Path, system: &System, description: &Path) -> Result<(Built, bool)> {
    let mut file = Distribution::read(path)?;
    let built = Built::of(&file.spec()?, system)?;
    refuse_strangers(&built, system, description)?;
    let lowered = built.lowerings();
    if !lowered.is_empty() {
        let lowerings: Vec<Lowering> = lowered.iter().map(|(_, lowering)| *lowering).collect();
        file.lower(&lowerings)?;
        // It holds the archives' keys.
        write_secret(path, file.bytes(), true)?;
    }
    // The JSON says nothing that the image beside it does not.
    Ok((built, matches!(file, Distribution::Image(_))))
}

/// Refuses what is not of this description, or has capabilities that no Microkit system has.
fn refuse_strangers(built: &Built, system: &System, description: &Path) -> Result<()> {
    let mut strange: Vec<String> =
        compare(built, system).into_iter().map(|difference| difference.message).collect();
    let nothing = built.grants.iter().filter(|grant| grant.purpose == Purpose::Nothing);
    strange.extend(nothing.map(|grant| {
        let (holder, kind, lies) = (built.name(grant.holder), grant.kind(), &grant.lies);
        format!("{holder} holds, {lies}, a capability to a foreign {kind}, which serves nothing")
    }));
    let Some(first) = strange.first() else { return Ok(()) };
    let more = match strange.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let message = format!("not hardened, since it is not what {} declares: {first}{more}", description.shown());
    let help = "`totebox check --image` shows all; build it anew with `make image`".into();
    Err(Obstacle { message, help }.into())
}

/// Says what was lowered: of each domain, what to what, how often.
fn print(path: &Path, built: &Built, lowered: &[(&Grant, Lowering)], each: bool) -> Result<(), OutputError> {
    let path = path.shown();
    if lowered.is_empty() {
        outln!("{path}: every capability has the rights it needs; nothing to lower")?;
        return Ok(());
    }
    outln!("{path}: lowered the rights of {} capabilities", lowered.len())?;
    if !each {
        return Ok(());
    }
    let mut holders: BTreeMap<Option<usize>, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (grant, lowering) in lowered {
        let change = format!("{} to {}", grant.rights, lowering.rights);
        let change = holders.entry(grant.holder).or_default().entry(change).or_default();
        change.push(grant.lies.clone());
    }
    for (holder, changes) in holders {
        outln!("  {}", built.name(holder))?;
        for (change, lie) in changes {
            outln!("    {change}: {}", lie.join(", "))?;
        }
    }
    Ok(())
}
