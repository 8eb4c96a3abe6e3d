//! `totebox put`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use totebox::client::put::{Outcome as Fate, Source, put, sources};
use totebox::output::OutputError;
use totebox::{errln, outln};
use totebox_pds::console::text::{Hex, Size};

use super::appliance::{Appliance, Bar, PATIENCE};
use super::{Outcome, output};

/// Puts documents into an archive. What is committed stays for ever.
#[derive(clap::Args)]
#[command(
    after_help = "Exits with 1 if the appliance refused a document, with 2 if one could not be read or sent.\n\
                        Example: totebox put contracts lease.pdf --connect unix:target/run/console"
)]
pub struct Args {
    /// The archive.
    archive: String,
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Put all files in a folder; their names begin with the folder's.
    #[arg(short, long)]
    recursive: bool,
    /// The document's name, instead of the file's.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print receipts as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let sources = match (&args.name, args.files.as_slice()) {
        (None, files) => sources(files, args.recursive)?,
        (Some(name), [path]) if !path.is_dir() => vec![Source { path: path.clone(), name: name.clone() }],
        (Some(_), _) => bail!("--name goes with exactly one file"),
    };
    let mut session = args.appliance.open(PATIENCE)?;
    let (mut refused, mut failed) = (0, 0);
    let (mut receipts, mut told) = (Vec::new(), Ok(()));
    let mut done = |source: &Source, fate: &Fate| {
        match fate {
            Fate::Committed(_) => {}
            Fate::Refused(_) => refused += 1,
            Fate::NotRead(_) | Fate::Unknown(_) => failed += 1,
        }
        match args.json {
            true => receipts.push(describe(source, fate)),
            false if told.is_ok() => told = tell(source, fate),
            false => {}
        }
    };
    let finished = put(&mut session, &args.archive, &sources, &mut Bar::default(), &mut done);
    if args.json {
        output::json(&receipts)?;
    }
    finished?;
    told?;
    match (failed, refused) {
        (0, 0) => Ok(Outcome::Fine),
        (0, _) => Ok(Outcome::Found),
        _ => bail!("{failed} of {} documents could not be put", sources.len()),
    }
}

fn tell(source: &Source, fate: &Fate) -> Result<(), OutputError> {
    let path = source.path.display();
    match fate {
        Fate::Committed(receipt) => {
            let (size, hash) = (Size(receipt.size), Hex(&receipt.hash));
            outln!("record {:>6}  {size:>10}  {hash}  {}", receipt.sequence, source.name)?;
        }
        Fate::Refused(refusal) => errln!("totebox: {path}: {}: {}", refusal.name, refusal.text),
        Fate::NotRead(why) | Fate::Unknown(why) => errln!("totebox: {path}: {why}"),
    }
    Ok(())
}

fn describe(source: &Source, fate: &Fate) -> Value {
    let (file, name) = (source.path.to_string_lossy(), &source.name);
    match fate {
        Fate::Committed(receipt) => json!({
            "file": file,
            "name": name,
            "sequence": receipt.sequence,
            "size": receipt.size,
            "hash": Hex(&receipt.hash).to_string(),
            "record": Hex(&receipt.record).to_string(),
            "time_ms": receipt.time_ms,
        }),
        Fate::Refused(refusal) => {
            json!({ "file": file, "name": name, "error": refusal.name, "message": refusal.text })
        }
        Fate::NotRead(why) => json!({ "file": file, "name": name, "error": "not-read", "message": why }),
        Fate::Unknown(why) => json!({ "file": file, "name": name, "error": "unknown", "message": why }),
    }
}
