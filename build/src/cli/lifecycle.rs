//! `totebox suspend`, `resume` and `archive`.

use anyhow::{Result, bail};
use totebox::client::lifecycle::{Transition, change};
use totebox_pds::console::Change;

use super::appliance::{Appliance, PATIENCE};
use super::{Outcome, output};

/// Brings an archive to rest and stops it, until it is resumed.
#[derive(clap::Args)]
#[command(
    after_help = "Exits with 1 if it ended otherwise than it should; then there is a flag. With 2 nothing was \
                        changed.\nExample: totebox suspend finance --connect unix:target/run/console"
)]
pub struct SuspendArgs {
    #[command(flatten)]
    of: Args,
}

/// Lets a suspended archive go on.
#[derive(clap::Args)]
#[command(
    after_help = "Exits with 1 if it ended otherwise than it should; then there is a flag. With 2 nothing was \
                        changed.\nExample: totebox resume finance --connect unix:target/run/console"
)]
pub struct ResumeArgs {
    #[command(flatten)]
    of: Args,
}

/// Closes an archive for good: its volume is sealed, and nothing is added to it ever again.
#[derive(clap::Args)]
#[command(
    after_help = "Exits with 1 if it ended otherwise than it should; then there is a flag. With 2 nothing was \
                        changed.\nExample: totebox archive finance --final --connect unix:target/run/console"
)]
pub struct ArchiveArgs {
    #[command(flatten)]
    of: Args,
    /// Confirms that it is meant for good.
    #[arg(long = "final")]
    confirmed: bool,
}

/// What they share.
#[derive(clap::Args)]
struct Args {
    /// The archive.
    archive: String,
    /// Print how it ended as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn suspend(args: SuspendArgs) -> Result<Outcome> {
    run(args.of, Change::Suspend)
}

pub fn resume(args: ResumeArgs) -> Result<Outcome> {
    run(args.of, Change::Resume)
}

pub fn archive(args: ArchiveArgs) -> Result<Outcome> {
    if !args.confirmed {
        bail!(
            "nothing can be added to {} once it is archived; --final confirms that you mean it",
            args.of.archive
        );
    }
    run(args.of, Change::Archive)
}

fn run(args: Args, to: Change) -> Result<Outcome> {
    let mut session = args.appliance.open(PATIENCE)?;
    let transition = match change(&mut session, &args.archive, to)? {
        Ok(transition) => transition,
        Err(refusal) => bail!("{}: {}", refusal.name, refusal.text),
    };
    let Transition { archive, command, completion, message } = &transition;
    if args.json {
        output::json(&transition)?;
    } else {
        println!("{command} {archive}: {completion}");
    }
    if let Some(message) = message {
        eprintln!("totebox: {completion}: {message}");
    }
    Ok(if completion == "done" { Outcome::Fine } else { Outcome::Found })
}
