//! The archives' signing keys: for each a file `keys/NAME.key` beside `totebox.toml`, for its owner alone, and
//! its public half `keys/NAME.vkey`, for whoever checks signatures. Both are one line, written as
//! `golang.org/x/mod/sumdb/note` does.
//!
//! A key is made once and never again silently: with another one, what the archive signs is no longer
//! believed by those who have the first one's public half.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ledger_fmt::checkpoint;
use ledger_fmt::note::{Seed, Signer, Verifier};
use rustix::rand::{GetRandomFlags, getrandom};
use totebox_shown::ShowPath;

use crate::Deployment;
use crate::volume::padded;
use totebox_common::files::{
    open_to_others, replaceable_by_anybody, secret_directory, write_atomically, write_secret,
};

/// The directory of the keys, beside `totebox.toml`.
pub const KEYS_DIRECTORY: &str = "keys";

/// Bytes of a file with keys at most: one a line, and more archives than any deployment has.
const FILE_MAX: u64 = 64 * 1024;

impl Deployment {
    pub fn keys(&self) -> Result<Vec<Signer>> {
        self.archives.iter().map(|archive| self.key(&archive.name)).collect()
    }

    /// Makes the keys that are missing. Returns the names of their archives.
    pub fn make_keys(&self) -> Result<Vec<&str>> {
        let mut made = Vec::new();
        for archive in &self.archives {
            if self.make_key(&archive.name)? {
                made.push(archive.name.as_str());
            }
        }
        Ok(made)
    }

    /// Makes the key of an archive if it is missing, and its public half in any case; whether it was.
    pub fn make_key(&self, archive: &str) -> Result<bool> {
        let directory = self.directory.join(KEYS_DIRECTORY);
        secret_directory(&directory)?;
        // So that a deployment may be kept in a repository, and its keys cannot by mistake.
        write_atomically(&directory.join(".gitignore"), b"*.key\n")?;
        let path = self.key_file(archive);
        let missing = !path.try_exists().with_context(|| format!("cannot read {}", path.shown()))?;
        if missing {
            let signer = Signer::new(&self.origin(archive), &random_seed()?)?;
            write_secret(&path, format!("{}\n", signer.secret()).as_bytes(), false)?;
        }
        let public = format!("{}\n", self.key(archive)?.verifier());
        write_atomically(&path.with_extension("vkey"), public.as_bytes())?;
        Ok(missing)
    }

    /// Removes a key that was just made, and its public half.
    pub(crate) fn remove_key(&self, archive: &str) -> Result<()> {
        let path = self.key_file(archive);
        [path.with_extension("vkey"), path]
            .iter()
            .try_for_each(|path| fs::remove_file(path).with_context(|| format!("cannot remove {}", path.shown())))
    }

    fn key_file(&self, archive: &str) -> PathBuf {
        self.directory.join(KEYS_DIRECTORY).join(format!("{archive}.key"))
    }

    fn key(&self, archive: &str) -> Result<Signer> {
        let path = self.key_file(archive);
        let text = read_key_file(&path).map_err(|error| match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == ErrorKind::NotFound => error.context(format!(
                "the archive \"{archive}\" has no signing key; bring its file back from where it is kept, or have \
                 a new one made with `totebox keys --make`"
            )),
            _ => error,
        })?;
        if let Some(mode) = open_to_others(&path, 0o077)? {
            let who = "others than its owner can read or replace it, and sign in the archive's name";
            bail!("the key {} is not secret: {who}: {mode}", path.shown());
        }
        let directory = self.directory.join(KEYS_DIRECTORY);
        if let Some(mode) = open_to_others(&directory, 0o022)? {
            bail!("others can replace the keys in {}: {mode}", directory.shown());
        }
        if let Some(mode) = replaceable_by_anybody(&directory)? {
            bail!("anybody can put another folder in the place of {}: {mode}", directory.shown());
        }
        let read = Signer::parse(text.trim_end()).with_context(|| format!("{} is no key", path.shown()))?;
        let origin = self.origin(archive);
        if read.verifier().name() != origin {
            bail!("{} is the key of {}, not of {origin}", path.shown(), read.verifier().name());
        }
        Ok(read)
    }

    fn origin(&self, archive: &str) -> String {
        let origin = checkpoint::origin(&self.id, &padded(archive));
        origin.expect("an archive's name is a volume's").to_string()
    }
}

/// The public keys in a file, one a line.
pub fn read_verifiers(path: &Path) -> Result<Vec<Verifier>> {
    let text = read_key_file(path)?;
    let key = |(number, line): (usize, &str)| {
        Verifier::parse(line).with_context(|| format!("{}:{}: no public key", path.shown(), number + 1))
    };
    let keys: Vec<Verifier> = text.lines().enumerate().map(key).collect::<Result<_>>()?;
    if keys.is_empty() {
        bail!("{} has no key in it", path.shown());
    }
    Ok(keys)
}

fn read_key_file(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.shown());
    let mut text = String::new();
    fs::File::open(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text)).with_context(cannot)?;
    Ok(text)
}

fn random_seed() -> Result<Seed> {
    let mut seed = Seed::default();
    let filled = getrandom(&mut seed, GetRandomFlags::empty()).context("the system has no random bytes")?;
    assert_eq!(filled, seed.len(), "up to 256 bytes come at once");
    Ok(seed)
}
