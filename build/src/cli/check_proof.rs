//! `totebox check-proof`.

use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ledger_fmt::hash::ContentHasher;
use ledger_fmt::payload::Content;
use ledger_fmt::record::Record;
use totebox_common::read::Source;
use totebox_common::{outln, read};
use totebox_deployment::keys::read_verifiers;
use totebox_disk::checkpoint::SignedCheckpoint;
use totebox_disk::proof::{Consistency, Disproved, Inclusion, PROOF_MAX, Proof};
use totebox_disk::{hex, time};
use totebox_shown::{Quoted, ShowPath};

use super::Outcome;

/// Checks what `totebox disk prove` made, with nothing but the archive's public key: exit code 1 if it proves
/// nothing.
#[derive(clap::Args)]
#[command(
    after_help = "Examples: totebox check-proof 7.tlog-proof --key archives.vkey --content lease.pdf\n          \
                  totebox check-proof growth --key archives.vkey --from 2026-10.checkpoint"
)]
pub struct Args {
    /// The proof.
    proof: PathBuf,
    /// Public keys of archives, one a line, as `totebox keys` prints them.
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// A document that must be the content of the record.
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// The earlier checkpoint of a proof that another one extends it.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut keys = Vec::new();
    for path in &args.key {
        keys.extend(read_verifiers(path)?);
    }
    let path = args.proof.shown();
    let bytes = read::bytes(&args.proof, PROOF_MAX).with_context(|| format!("cannot read {path}"))?;
    let proof = Proof::parse(&bytes).with_context(|| format!("{path} is no proof"))?;
    let checked = match (&proof, &args.content, &args.from) {
        (Proof::Inclusion(inclusion), content, None) => {
            inclusion.check(&keys).map(|record| (inclusion, record, content))
        }
        (Proof::Consistency(consistency), None, Some(from)) => {
            let old = SignedCheckpoint::read(from)?;
            return tell_growth(&path, consistency, consistency.check(&old, &keys));
        }
        (Proof::Consistency(_), None, None) => {
            bail!("{path} is about two checkpoints; give the earlier one with --from")
        }
        (Proof::Consistency(_), Some(_), _) => {
            bail!("{path} is about two checkpoints; --content does not go with it")
        }
        (Proof::Inclusion(_), _, Some(_)) => bail!("{path} is about a record; --from does not go with it"),
    };
    match checked {
        Ok((inclusion, record, content)) => tell_record(inclusion, &record, content.as_ref()),
        Err(reason) => disproved(&path, reason),
    }
}

fn disproved(path: &impl std::fmt::Display, reason: Disproved) -> Result<Outcome> {
    outln!("{path} proves nothing: {reason}")?;
    Ok(Outcome::Found)
}

fn tell_growth(
    path: &impl std::fmt::Display,
    proof: &Consistency,
    checked: Result<(), Disproved>,
) -> Result<Outcome> {
    match checked {
        Ok(()) => {
            let Consistency { old, checkpoint, .. } = proof;
            outln!(
                "proved: the first {old} records of {} are as they were; now it has {}",
                checkpoint.origin,
                checkpoint.size
            )?;
            Ok(Outcome::Fine)
        }
        Err(reason) => disproved(path, reason),
    }
}

fn tell_record(proof: &Inclusion, record: &Record<'_>, content: Option<&PathBuf>) -> Result<Outcome> {
    let header = &record.header;
    let document = record.document();
    let when = time(header.time_ms.get()).unwrap_or_else(|| "no time".into());
    outln!("proved: record {} of {}, {}, {when}", proof.index, proof.checkpoint.origin, record.kind.name())?;
    let proved = document.and_then(|document| document.content);
    if let Some(document) = document {
        outln!("name: {}", Quoted(document.name.as_bytes()))?;
    }
    if let Some(Content { size, hash, .. }) = proved {
        outln!("content: {size} bytes, BLAKE3 {}, SHA-256 {}", hex(&hash.blake3), hex(&hash.sha256))?;
    }
    let Some(path) = content else { return Ok(Outcome::Fine) };
    let cannot = || format!("cannot read {}", path.shown());
    // One byte more than it has tells another file by.
    let mut source = Source::open(path).with_context(cannot)?.take(proved.map_or(0, |proved| proved.size) + 1);
    let mut hasher = Hashing::default();
    let len = io::copy(&mut source, &mut hasher).with_context(cannot)?;
    let same = proved.is_some_and(|proved| (len, hasher.0.finish()) == (proved.size, proved.hash));
    outln!("{} is {} content", path.shown(), if same { "its" } else { "not its" })?;
    Ok(if same { Outcome::Fine } else { Outcome::Found })
}

/// Both hashes of what is written to it.
#[derive(Default)]
struct Hashing(ContentHasher);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
