//! `totebox graph`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use totebox_check::{Waivers, picture};
use totebox_common::outln;
use totebox_shown::ShowPath;

use super::Outcome;
use super::check::Source;
use super::output::Force;

/// Draws what a system description allows.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox graph system.xml -o system.svg\n\
                        What breaks a rule of isolation is red, and exits with 1.")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// The picture: FILE.svg, or FILE.dot for Graphviz.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: Force,
}

pub fn run(args: Args) -> Result<Outcome> {
    let draw = match args.output.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => picture::svg,
        Some("dot") => picture::dot,
        _ => bail!("{}: the name of a picture ends in .svg or .dot", args.output.shown()),
    };
    let target = args.force.target(&args.output)?;
    let (system, policy) = (args.source.read()?, args.source.policy()?);
    let report = totebox_check::check(&args.source.system, &system, policy.as_ref(), &mut Waivers::default());
    target.write(draw(&system, policy.as_ref(), &report).as_bytes())?;
    outln!("wrote {}", args.output.shown())?;
    Ok(if report.broken() == 0 { Outcome::Fine } else { Outcome::Found })
}
