//! `totebox run`.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use totebox_operator::run::{self, Kind, Options};

use super::{Outcome, unix_path};

/// Starts the appliance and gives this terminal its operator's prompt.
///
/// The line is shared with clients at a socket, one at a time: a client that connects takes it once nothing was
/// typed for 5 s, and when it has gone the terminal gets it back. Ctrl-] leaves and ends the appliance; Ctrl-C
/// reaches the appliance, and takes the line back from a client. Clients that wait take turns: one that moves
/// next to nothing for 5 s gives way.
///
/// Standard input that is no terminal is typed into the prompt; when it has ended the socket is served until
/// SIGTERM.
#[derive(clap::Args)]
#[command(
    after_help = "With --exit-on-eof exits with 1 if the appliance refused or gave up something that was typed.\n\
                        Example: totebox run --backend qemu --console unix:/tmp/totebox"
)]
pub struct Args {
    /// The deployment's directory, or its totebox.toml.
    #[arg(long, value_name = "DIR", default_value = ".")]
    deployment: PathBuf,
    /// What the appliance runs on.
    #[arg(long, value_enum, default_value_t = Backend::Hosted)]
    backend: Backend,
    /// The Microkit configuration of the image QEMU boots.
    #[arg(long, value_enum, default_value_t = Config::Debug)]
    config: Config,
    /// The disk; made if the deployment has never had one [default: target/disk.img in the deployment]
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// Make a new, empty disk where there is none, though the deployment has had one.
    #[arg(long)]
    new_disk: bool,
    /// Where clients find the line [default: target/run/console in the deployment]
    #[arg(long, value_name = "unix:PATH", value_parser = unix_path)]
    console: Option<PathBuf>,
    /// End when standard input has ended and the last answer has come.
    #[arg(long)]
    exit_on_eof: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// Linux processes: for development, not a security boundary.
    Hosted,
    /// seL4 in QEMU, from the image `make image` has built.
    Qemu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Config {
    Debug,
    Release,
}

pub fn run(args: Args) -> Result<Outcome> {
    let config = match args.config {
        Config::Debug => "debug",
        Config::Release => "release",
    };
    let backend = match args.backend {
        Backend::Hosted => Kind::Hosted,
        Backend::Qemu => Kind::Qemu { config: config.into() },
    };
    let Args { deployment, disk, new_disk, console, exit_on_eof, .. } = args;
    let done = run::run(&Options { deployment, backend, disk, new_disk, console, exit_on_eof })?;
    Ok(if done { Outcome::Fine } else { Outcome::Found })
}

/// Becomes a command that ends when the process PARENT does. For `totebox run` itself.
#[derive(clap::Args)]
pub struct DieWith {
    parent: i32,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

pub fn die_with(args: DieWith) -> Result<Infallible> {
    run::die_with(args.parent, &args.command)
}
