//! `totebox diff`.

use std::path::PathBuf;

use anyhow::Result;
use totebox::diff::{Change, Kind, diff};
use totebox::outln;
use totebox::output::OutputError;

use super::check::read;
use super::{Outcome, output};

/// Says what authority changed between two system descriptions: who can now do what, and no longer what.
#[derive(clap::Args)]
#[command(after_help = "Example: totebox diff system.xml.orig system.xml --markdown\n\
                        Exit code 0 if nothing changed, 1 if something did.")]
pub struct Args {
    /// The description as it was.
    old: PathBuf,
    /// The description as it is.
    new: PathBuf,
    /// Print the changes as JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the changes as lists, for a pull request.
    #[arg(long)]
    markdown: bool,
}

const KINDS: [(Kind, &str, &str); 3] =
    [(Kind::Gained, "+", "Gained"), (Kind::Changed, "~", "Changed"), (Kind::Lost, "-", "Lost")];

pub fn run(args: Args) -> Result<Outcome> {
    let changes = diff(&read(&args.old)?, &read(&args.new)?);
    if args.json {
        output::json(&changes)?;
    } else if args.markdown {
        markdown(&changes)?;
    } else {
        for change in &changes {
            let (_, sign, _) = KINDS[change.kind as usize];
            outln!("{sign} {}", change.text)?;
        }
        if changes.is_empty() {
            outln!("no authority changed")?;
        }
    }
    Ok(if changes.is_empty() { Outcome::Fine } else { Outcome::Found })
}

fn markdown(changes: &[Change]) -> Result<(), OutputError> {
    outln!("## Authority\n")?;
    if changes.is_empty() {
        outln!("Nothing changed.")?;
    }
    for (kind, _, heading) in KINDS {
        let of_kind: Vec<&Change> = changes.iter().filter(|change| change.kind == kind).collect();
        if !of_kind.is_empty() {
            outln!("**{heading}**\n")?;
            of_kind.iter().try_for_each(|change| outln!("- {}", change.text.replace('\'', "`")))?;
            outln!()?;
        }
    }
    Ok(())
}
