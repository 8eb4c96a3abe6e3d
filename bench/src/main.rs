//! How fast Totebox is, beside what the disk and the hash allow and beside other stores: all of it in one run, in
//! turns, because a machine is not the same from one minute to the next. So ratios mean something, and absolute
//! figures little.
//!
//! | module | what |
//! |---|---|
//! | [`append`], [`verify`] | stores side by side: [`limit`], [`appliance`], [`peers`] |
//! | [`proofs`], [`size`], [`archives`] | how cost grows |
//! | [`sel4`] | instructions on seL4, domain by domain |
//! | [`rig`], [`counting`], [`console`], [`orchestrator`] | the machine, its disk, and the domains the benchmark plays |

mod append;
mod appliance;
mod archives;
mod console;
mod counting;
mod figures;
mod limit;
mod orchestrator;
mod peers;
mod proofs;
mod record;
mod rig;
mod sel4;
mod size;
mod store;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use appliance::{Appliance, Shape};
use limit::Limit;
use store::Store;

/// Measures Totebox beside what the disk and the hash allow, and beside other stores.
#[derive(Parser)]
struct Arguments {
    /// Rounds of each measurement; the figures are medians of them.
    #[arg(long, default_value_t = 7)]
    rounds: u64,
    /// A folder on the disk to be measured.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Where to write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// What to measure [default: everything but what needs seL4].
    #[arg(value_enum)]
    parts: Vec<Part>,
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable appends, and full verification of what was appended.
    Stores,
    /// Proofs, made and checked.
    Proofs,
    /// Memory and recovery, by size.
    Size,
    /// Appends and audits, by number of archives.
    Archives,
    /// Instructions on seL4, by domain: needs what `make image` leaves, and takes minutes.
    Sel4,
}

/// Tasks of processes the benchmark starts.
#[derive(Subcommand)]
#[command(hide = true)]
enum Task {
    Peak { image: PathBuf, mib: u64 },
    Load { image: PathBuf, mib: u64 },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.task {
        Some(Task::Peak { image, mib }) => size::peak(image, Shape { archives: 1, mib }),
        Some(Task::Load { image, mib }) => size::load(image, Shape { archives: 1, mib }),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let rounds = arguments.rounds;
    let mut figures = Map::new();
    for &part in Part::value_variants() {
        let chosen = match arguments.parts.is_empty() {
            true => part != Part::Sel4,
            false => arguments.parts.contains(&part),
        };
        if !chosen {
            continue;
        }
        let dir = tempfile::tempdir_in(&arguments.dir)
            .with_context(|| format!("cannot make a folder in {}", arguments.dir.display()))?;
        let (name, figure) = match part {
            Part::Stores => ("stores", stores(dir.path(), rounds)?),
            Part::Proofs => ("proofs", proofs::run(rounds)?),
            Part::Size => ("size", size::run(dir.path())?),
            Part::Archives => ("archives", archives::run(dir.path(), rounds)?),
            Part::Sel4 => ("sel4", sel4::run()?),
        };
        figures.insert(name.to_owned(), figure);
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&Value::Object(figures))?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn stores(dir: &Path, rounds: u64) -> Result<Value> {
    let records = append::records(rounds);
    // Room for the ledger, and for what an archive may rewrite.
    let shape = Shape { archives: 1, mib: records / 256 * 8 / 7 + 64 };
    let mut limit = Limit::open(dir.join("limit"), records)?;
    let mut two_places = Limit::with_a_ledger(dir.join("two-places"), records)?;
    let mut appliance = Appliance::new(dir.join("disk.img"), shape, 2)?;
    let mut waiting = Appliance::new(dir.join("waiting.img"), shape, 1)?;
    let mut peers = peers::all(dir)?;
    let mut all: Vec<&mut dyn Store> = vec![&mut limit, &mut two_places, &mut appliance, &mut waiting];
    for peer in &mut peers {
        all.push(&mut **peer);
    }
    let append = append::run(&mut all, rounds)?;
    // Each round of it takes longer.
    let verify = verify::run(&mut limit, &mut appliance, &mut peers, rounds.div_ceil(2))?;
    Ok(json!({ "append": append, "verify": verify }))
}
