//! `totebox suspend`, `resume` and `archive`.

use anyhow::{Result, bail};
use totebox_common::{doneln, errln};
use totebox_console_protocol::change::Change;
use totebox_operator::client::lifecycle::{Transition, change};

use super::appliance::{Appliance, TIMEOUT};
use super::{Outcome, output};

/// What all of them take.
#[derive(clap::Args)]
pub struct Args {
    /// The archive.
    archive: String,
    /// Print how it ended as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

/// What `archive` takes besides.
#[derive(clap::Args)]
pub struct ArchiveArgs {
    #[command(flatten)]
    of: Args,
    /// Confirms that it is meant for good.
    #[arg(long = "final")]
    confirmed: bool,
}

/// What help says of the exit code, and an example.
pub fn help(example: &str) -> String {
    format!(
        "Exits with 1 if it ended otherwise than it should; then there is a flag. With 2 nothing was changed.\n\
         Example: totebox {example}"
    )
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

pub fn run(args: Args, to: Change) -> Result<Outcome> {
    let mut session = args.appliance.open(TIMEOUT)?;
    let transition = change(&mut session, &args.archive, to)??;
    let Transition { archive, command, completion, message } = &transition;
    if args.json {
        output::json_done(&transition)?;
    } else {
        doneln!("{command} {archive}: {completion}")?;
    }
    if let Some(message) = message {
        errln!("totebox: {completion}: {message}");
    }
    Ok(if completion == "done" { Outcome::Fine } else { Outcome::Found })
}
