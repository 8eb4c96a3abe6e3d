//! `totebox diff`.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use totebox_check::diff::{Change, Kind, diff};
use totebox_common::output::OutputError;
use totebox_common::{out, outln};
use totebox_shown::{Markdown, MarkdownCode};

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
    out!("## Authority\n\n")?;
    if changes.is_empty() {
        outln!("Nothing changed.")?;
    }
    for (kind, _, heading) in KINDS {
        let of_kind: Vec<&Change> = changes.iter().filter(|change| change.kind == kind).collect();
        if !of_kind.is_empty() {
            out!("**{heading}**\n\n")?;
            of_kind.iter().try_for_each(|change| outln!("- {}", Quotes(&change.text)))?;
            outln!()?;
        }
    }
    Ok(())
}

/// A sentence in Markdown: what it has in quotes is a name, and names have no quotes.
struct Quotes<'a>(&'a str);

impl fmt::Display for Quotes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split('\'').enumerate() {
            match index % 2 {
                0 => write!(f, "{}", Markdown(part))?,
                _ => write!(f, "{}", MarkdownCode(part))?,
            }
        }
        Ok(())
    }
}
