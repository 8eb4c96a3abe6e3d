//! `totebox get`.

use std::env::temp_dir;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::json;
use totebox_common::files::{Draft, folder_of, is_stream};
use totebox_common::outln;
use totebox_console_protocol::text::{Hex, Size};
use totebox_console_protocol::words::Quoted;
use totebox_operator::client::get::{default_path, get};
use totebox_shown::ShowPath;

use super::appliance::{Appliance, Bar, TIMEOUT, refused};
use super::output::{self, Force};
use super::{Outcome, number};

/// Gets a document back. Its hash is checked before the file appears.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if there is no such document, or if it is damaged.\n\
                        Example: totebox get contracts 12 -o lease.pdf")]
pub struct Args {
    /// The archive.
    archive: String,
    /// The number of the document's record; `totebox ls` shows it.
    #[arg(value_name = "SEQ", value_parser = number::<u64>)]
    sequence: u64,
    /// The file to write; - for standard output. Default: the document's name, in this folder.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Print what the record says of the document as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && args.json {
        bail!("--json and -o - both write to standard output");
    }
    let content = match &args.output {
        // What is on its way there stands in a folder that is everybody's.
        Some(path) if to_stdout || is_stream(path) => Draft::within(&temp_dir(), 0o600),
        Some(path) => Draft::within(&folder_of(args.force.target(path)?.path()), 0o666),
        None => Draft::within(Path::new("."), 0o666),
    }?;
    let mut session = args.appliance.open(TIMEOUT)?;
    let fetched = get(&mut session, &args.archive, args.sequence, content, &mut Bar::default())?;
    let mut fetched = match fetched {
        Ok(fetched) => fetched,
        Err(refusal) => return refused(&refusal),
    };
    // Whoever reads what is printed may be slow; the line is for others, then.
    drop(session);
    if to_stdout {
        output::content(fetched.content()?)?;
        return Ok(Outcome::Fine);
    }
    let document = fetched.document.clone();
    let path = match args.output {
        Some(path) => path,
        None => default_path(&document)?,
    };
    fetched.save(&path, args.force.force)?;
    if args.json {
        output::json(&json!({
            "file": path.to_string_lossy(),
            "sequence": document.sequence,
            "name": document.name,
            "size": document.size,
            "hash": Hex(&document.hash).to_string(),
            "time_ms": document.time_ms,
        }))?;
    } else {
        let (name, size) = (Quoted(document.name.as_bytes()), Size(document.size));
        outln!("{}: {name}, {size}, {}", path.shown(), Hex(&document.hash))?;
    }
    Ok(Outcome::Fine)
}
