//! The commands, one module each: an `Args` that clap reads, and `run(args)`.

mod appliance;
mod audit;
mod check;
mod check_proof;
mod diff;
mod disk;
mod flags;
mod get;
mod graph;
mod harden;
mod history;
mod image;
mod keys;
mod lifecycle;
mod ls;
mod new;
mod output;
mod provision;
mod put;
mod report;
mod run;
mod sign;
mod status;
mod system;
mod trace;
mod watch;

use std::num::{IntErrorKind, ParseIntError};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Result;
use clap::{Parser, Subcommand};
use totebox_common::errln;
use totebox_common::output::OutputError;
use totebox_console_protocol::change::Change;
use totebox_shown::ShownBytes;

/// How a command that could run ended. That it could not run is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Fine = 0,
    /// It found something: a stale file, a damaged record, a refused document.
    Found = 1,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome as u8)
    }
}

/// Builds, provisions and operates a Totebox appliance.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(new::Args),
    Provision(provision::Args),
    Keys(keys::Args),
    System(system::Args),
    Check(check::Args),
    Diff(diff::Args),
    Graph(graph::Args),
    Report(report::Args),
    Harden(harden::Args),
    Disk(disk::Args),
    CheckProof(check_proof::Args),
    Run(run::Args),
    #[command(hide = true)]
    DieWith(run::DieWith),
    Put(put::Args),
    Get(get::Args),
    Ls(ls::Args),
    Status(status::Args),
    #[command(visible_alias = "verify")]
    Audit(audit::Args),
    Sign(sign::Args),
    Flags(flags::Args),
    Ack(flags::AckArgs),
    History(history::Args),
    Trace(trace::Args),
    /// Brings an archive to rest and stops it, until it is resumed.
    #[command(after_help = lifecycle::help("suspend finance"))]
    Suspend(lifecycle::Args),
    /// Lets a suspended archive go on.
    #[command(after_help = lifecycle::help("resume finance"))]
    Resume(lifecycle::Args),
    /// Closes an archive for good: its volume is sealed, and nothing is added to it ever again.
    #[command(after_help = lifecycle::help("archive finance --final"))]
    Archive(lifecycle::ArchiveArgs),
}

/// Reads the command line and runs the command on it; the exit code. A command line that cannot be read exits
/// with 2.
pub fn run() -> Result<ExitCode> {
    match Cli::try_parse() {
        Ok(cli) => Ok(command(cli.command)?.into()),
        Err(wrong) if wrong.use_stderr() => {
            complain();
            Ok(ExitCode::from(2))
        }
        Err(asked) => {
            asked.print().map_err(OutputError)?;
            Ok(Outcome::Fine.into())
        }
    }
}

/// Says what is wrong with the command line. clap quotes words of it as they are, and the shell may have made them
/// of the names of files: so it is asked again, about what can be shown of them.
fn complain() {
    let shown = std::env::args_os().map(|word| ShownBytes(word.as_encoded_bytes()).to_string());
    match Cli::try_parse_from(shown) {
        // If that cannot be written, there is nobody to tell.
        Err(wrong) => drop(wrong.print()),
        Ok(_) => errln!("totebox: a word on the command line is not UTF-8 text, or has characters it cannot have"),
    }
}

fn command(command: Command) -> Result<Outcome> {
    match command {
        Command::New(args) => new::run(args),
        Command::Provision(args) => provision::run(args),
        Command::Keys(args) => keys::run(args),
        Command::System(args) => system::run(args),
        Command::Check(args) => check::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Graph(args) => graph::run(args),
        Command::Report(args) => report::run(args),
        Command::Harden(args) => harden::run(args),
        Command::Disk(args) => disk::run(args),
        Command::CheckProof(args) => check_proof::run(args),
        Command::Run(args) => run::run(args),
        Command::DieWith(args) => match run::die_with(args)? {},
        Command::Put(args) => put::run(args),
        Command::Get(args) => get::run(args),
        Command::Ls(args) => ls::run(args),
        Command::Status(args) => status::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Sign(args) => sign::run(args),
        Command::Flags(args) => flags::run(args),
        Command::Ack(args) => flags::ack(args),
        Command::History(args) => history::run(args),
        Command::Trace(args) => trace::run(args),
        Command::Suspend(args) => lifecycle::run(args, Change::Suspend),
        Command::Resume(args) => lifecycle::run(args, Change::Resume),
        Command::Archive(args) => lifecycle::archive(args),
    }
}

/// Reads a number, as options and arguments have it.
fn number<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => "there is no such large number here".into(),
        _ => "expected a whole number".into(),
    })
}

/// Reads `unix:PATH`, how commands name a socket.
fn unix_path(text: &str) -> Result<PathBuf, &'static str> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or("expected unix:PATH")
}
