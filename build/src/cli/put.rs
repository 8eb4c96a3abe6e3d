//! `totebox put`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use totebox_common::output::{OutputError, causes};
use totebox_common::units::count;
use totebox_common::{doneln, errln};
use totebox_console_protocol::text::{Hex, Size};
use totebox_operator::client::content::FileContent;
use totebox_operator::client::ls::Record;
use totebox_operator::client::put::{Order, Outcome as Fate, put};
use totebox_operator::client::sources::{Folders, Found, Source, sources};
use totebox_shown::ShowPath;

use super::appliance::{Appliance, Bar, TIMEOUT};
use super::{Outcome, output};

/// Puts documents into an archive. What is committed stays for ever.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if something was not put; every file found is reported, with the reason.\n\
                        Example: totebox put contracts -r letters --skip-existing")]
pub struct Args {
    /// The archive.
    archive: String,
    /// The files; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Put all files in a folder; their names begin with the folder's.
    #[arg(short, long)]
    recursive: bool,
    /// In folders, follow symbolic links to folders. Those to files are followed always.
    #[arg(long, requires = "recursive")]
    follow: bool,
    /// Leave out what the archive has already: the same content under the same name.
    #[arg(long)]
    skip_existing: bool,
    /// The document's name, instead of the file's.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print how each file ended as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let folders = Folders { recursive: args.recursive, follow: args.follow };
    let found = match (&args.name, args.files.as_slice()) {
        (None, files) => sources(files, folders),
        (Some(name), [path]) if !path.is_dir() => {
            Found { sources: vec![Source { path: path.clone(), name: name.clone() }], others: Vec::new() }
        }
        (Some(_), [path]) => bail!("{} is a folder, and --name goes with one file", path.shown()),
        (Some(_), _) => bail!("--name goes with exactly one file"),
    };
    let mut tally = Tally { json: args.json, ..Tally::default() };
    for other in &found.others {
        let name = other.path.to_string_lossy().into_owned();
        tally.take(&Source { path: other.path.clone(), name }, &Fate::NotRead(other.why.clone()));
    }
    let order = Order { archive: &args.archive, sources: &found.sources, skip_existing: args.skip_existing };
    // All of it is read before the line is taken, for which others may wait.
    let read = || FileContent::read_all(&found.sources, &mut Bar::default());
    let opened = args.appliance.look_for().map(|()| read());
    let opened = opened.and_then(|contents| Ok((contents, args.appliance.open(TIMEOUT)?)));
    let (contents, mut session) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tally.take_unsent(&found.sources, &error);
            return tally.finish(Err(error));
        }
    };
    let put =
        put(&mut session, order, &contents, &mut Bar::default(), &mut |source, fate| tally.take(source, fate));
    tally.finish(put)
}

/// How the files ended.
#[derive(Default)]
struct Tally {
    json: bool,
    /// Why standard output takes no more. The documents go on all the same: they matter more.
    printed: Option<OutputError>,
    told: Vec<Value>,
    not_put: usize,
}

impl Tally {
    fn take(&mut self, source: &Source, fate: &Fate) {
        self.not_put += usize::from(!matches!(fate, Fate::Committed(_) | Fate::Listed(_) | Fate::Skipped(_)));
        match self.json {
            true => self.told.push(describe(source, fate)),
            // Of each of them: standard error says what standard output does not take.
            false if self.printed.as_ref().is_none_or(|error| !error.is_closed_pipe()) => {
                self.printed = tell(source, fate).err().or(self.printed.take());
            }
            false => {}
        }
    }

    /// None of the files was sent. A person is told why once, a program of each file.
    fn take_unsent(&mut self, sources: &[Source], error: &anyhow::Error) {
        if self.json {
            sources.iter().for_each(|source| self.take(source, &Fate::NotSent(causes(error))));
        }
    }

    fn finish(self, put: Result<()>) -> Result<Outcome> {
        if self.json {
            output::json_done(&self.told)?;
        }
        put?;
        if let Some(error) = self.printed {
            return Err(error.into());
        }
        match self.not_put {
            0 => Ok(Outcome::Fine),
            number => {
                let were = if number == 1 { "was" } else { "were" };
                errln!("totebox: {} {were} not put", count(number, "file"));
                Ok(Outcome::Found)
            }
        }
    }
}

fn tell(source: &Source, fate: &Fate) -> Result<(), OutputError> {
    let (path, name) = (source.path.shown(), &source.name);
    match fate {
        Fate::Committed(receipt) => {
            let (size, hash) = (Size(receipt.size), Hex(&receipt.hash));
            doneln!("record {:>6}  {size:>10}  {hash}  {name}", receipt.sequence)?;
        }
        Fate::Listed(Record { sequence, size, hash, .. }) => {
            doneln!("record {sequence:>6}  {:>10}  {hash}  {name}", Size(*size))?;
        }
        Fate::Skipped(Record { sequence, size, hash, .. }) => {
            doneln!("exists {sequence:>6}  {:>10}  {hash}  {name}", Size(*size))?;
        }
        Fate::Refused(refusal) => errln!("totebox: {path}: {}: {}", refusal.name, refusal.text),
        Fate::NotRead(why) | Fate::NotSent(why) | Fate::Unknown(why) => errln!("totebox: {path}: {why}"),
    }
    Ok(())
}

fn describe(source: &Source, fate: &Fate) -> Value {
    let failed = |error: &str, message: &str| json!({ "error": error, "message": message });
    let listed = |record: &Record| {
        let Record { sequence, size, hash, time_ms, .. } = record;
        json!({ "sequence": sequence, "size": size, "hash": hash, "time_ms": time_ms })
    };
    let says = match fate {
        Fate::Committed(receipt) => json!({
            "sequence": receipt.sequence,
            "size": receipt.size,
            "hash": Hex(&receipt.hash).to_string(),
            "record": Hex(&receipt.record).to_string(),
            "time_ms": receipt.time_ms,
        }),
        Fate::Listed(record) => listed(record),
        Fate::Skipped(record) => {
            let mut says = listed(record);
            says["skipped"] = true.into();
            says
        }
        Fate::Refused(refusal) => failed(&refusal.name, &refusal.text),
        Fate::NotRead(why) => failed("not-read", why),
        Fate::NotSent(why) => failed("not-sent", why),
        Fate::Unknown(why) => failed("unknown", why),
    };
    let mut file = Map::new();
    file.insert("file".into(), source.path.to_string_lossy().into());
    file.insert("name".into(), source.name.as_str().into());
    if let Value::Object(says) = says {
        file.extend(says);
    }
    Value::Object(file)
}
