//! The signing keys of the archives and of the auditor: for each a file `keys/NAME.key` beside `totebox.toml`, for its
//! owner alone, and its public half `keys/NAME.vkey`, for whoever checks signatures. `NAME` is that of the volume whose
//! ledger is signed for; the auditor's is `audit`. Both are one line, written as `golang.org/x/mod/sumdb/note` does.
//!
//! A key is made once and never again silently: with another one, what is signed is no longer believed by those who
//! have the first one's public half.

use std::fs::remove_file;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ledger_fmt::checkpoint;
use ledger_fmt::note::{Seed, Signer, Verifier};
use rustix::rand::{GetRandomFlags, getrandom};
use totebox_shown::ShowPath;

use crate::Deployment;
use crate::volume::{AUDIT, padded};
use totebox_common::files::{
    open_to_others, replaceable_by_anybody, secret_directory, write_atomically, write_secret,
};
use totebox_common::read::text;

/// The directory of the keys, beside `totebox.toml`.
pub const KEYS_DIRECTORY: &str = "keys";

/// Bytes of a file with keys at most: one a line, and more archives than any deployment has.
const FILE_MAX: usize = 64 * 1024;

impl Deployment {
    /// The keys, in the order of the volumes: the auditor's is the last.
    pub fn keys(&self) -> Result<Vec<Signer>> {
        self.volumes.iter().map(|volume| self.key(&volume.name)).collect()
    }

    /// Makes the keys that are missing. Returns the names of their volumes.
    pub fn make_keys(&self) -> Result<Vec<&str>> {
        let mut made = Vec::new();
        for volume in &self.volumes {
            if self.make_key(&volume.name)? {
                made.push(volume.name.as_str());
            }
        }
        Ok(made)
    }

    /// What the build fills the key region of each domain that signs with, in the order of the volumes: the seed of its
    /// key, and for the auditor, who signs with the last one, the archives' public keys behind that.
    pub fn key_regions(keys: &[Signer]) -> Vec<Vec<u8>> {
        let mut regions: Vec<Vec<u8>> = keys.iter().map(|key| key.seed().to_vec()).collect();
        if let (Some(region), [archives @ .., _]) = (regions.last_mut(), keys) {
            archives.iter().for_each(|key| region.extend(key.verifier().key()));
        }
        regions
    }

    /// Makes the key for a volume if it is missing, and its public half in any case; whether it was.
    pub fn make_key(&self, volume: &str) -> Result<bool> {
        let directory = self.directory.join(KEYS_DIRECTORY);
        secret_directory(&directory)?;
        // So that a deployment may be kept in a repository, and its keys cannot by mistake.
        write_atomically(&directory.join(".gitignore"), b"*.key\n")?;
        let path = self.key_file(volume);
        let missing = !path.try_exists().with_context(|| format!("cannot read {}", path.shown()))?;
        if missing {
            let signer = Signer::new(&self.origin(volume), &random_seed()?)?;
            write_secret(&path, format!("{}\n", signer.secret()).as_bytes(), false)?;
        }
        let public = format!("{}\n", self.key(volume)?.verifier());
        write_atomically(&path.with_extension("vkey"), public.as_bytes())?;
        Ok(missing)
    }

    /// Removes a key that was just made, and its public half.
    pub(crate) fn remove_key(&self, volume: &str) -> Result<()> {
        let path = self.key_file(volume);
        [path.with_extension("vkey"), path]
            .iter()
            .try_for_each(|path| remove_file(path).with_context(|| format!("cannot remove {}", path.shown())))
    }

    fn key_file(&self, volume: &str) -> PathBuf {
        self.directory.join(KEYS_DIRECTORY).join(format!("{volume}.key"))
    }

    fn key(&self, volume: &str) -> Result<Signer> {
        let path = self.key_file(volume);
        let text = read_key_file(&path).map_err(|error| match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == ErrorKind::NotFound => error.context(format!(
                "{} has no signing key; bring its file back from where it is kept, or have a new one made with `totebox \
                 keys --make`",
                signer(volume)
            )),
            _ => error,
        })?;
        if let Some(mode) = open_to_others(&path, 0o077)? {
            let who = "others than its owner can read or replace it, and sign with it";
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
        let origin = self.origin(volume);
        if read.verifier().name() != origin {
            bail!("{} is the key of {}, not of {origin}", path.shown(), read.verifier().name());
        }
        Ok(read)
    }

    fn origin(&self, volume: &str) -> String {
        let origin = checkpoint::origin(&self.id, &padded(volume));
        origin.expect("it is a volume's name").to_string()
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
    text(path, FILE_MAX).with_context(|| format!("cannot read {}", path.shown()))
}

/// Who signs for a volume.
pub fn signer(volume: &str) -> String {
    if volume == AUDIT { "the auditor".to_owned() } else { format!("the archive \"{volume}\"") }
}

fn random_seed() -> Result<Seed> {
    let mut seed = Seed::default();
    let filled = getrandom(&mut seed, GetRandomFlags::empty()).context("the system has no random bytes")?;
    assert_eq!(filled, seed.len(), "up to 256 bytes come at once");
    Ok(seed)
}
