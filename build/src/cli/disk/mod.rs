//! `totebox disk`: disk images, without an appliance.

mod create;

use anyhow::Result;
use clap::Subcommand;

use super::Outcome;

/// Makes, lists, verifies and reads disk images, without an appliance.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(create::Args),
}

pub fn run(args: Args) -> Result<Outcome> {
    match args.command {
        Command::Create(args) => create::run(args),
    }
}
