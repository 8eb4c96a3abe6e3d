//! Proofs in files: that a record is under a checkpoint (`c2sp.org/tlog-proof`), and that one checkpoint's tree
//! extends another's (a request to a witness, `c2sp.org/tlog-witness`, which is that and the newer checkpoint).

use std::fmt;

use ledger_fmt::Hash;
use ledger_fmt::checkpoint::{CheckpointError, decode_hash, encode_hash};
use ledger_fmt::note::{NOTE_MAX, Unverified, Verifier};
use ledger_fmt::proof::{HASHES_MAX, check_consistency, check_inclusion};
use ledger_fmt::record::{RECORD_MAX, Record};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::SignedCheckpoint;

/// Bytes of a proof at most: its lines, a record in base64, and a checkpoint.
pub const PROOF_MAX: usize = 128 + RECORD_MAX / 3 * 4 + 4 + 45 * HASHES_MAX + NOTE_MAX;

const INCLUSION: &str = "c2sp.org/tlog-proof@v1";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    Inclusion(Inclusion),
    /// That a checkpoint's tree extends an earlier one.
    Consistency(Consistency),
}

/// That a record is in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    pub index: u64,
    /// Its bytes, as they stand in the ledger: the proof's *extra data*.
    pub record: Vec<u8>,
    /// RFC 6962 §2.1.1.
    pub hashes: Vec<Hash>,
    pub checkpoint: SignedCheckpoint,
}

/// That the tree of a checkpoint begins with an earlier tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    pub old: u64,
    /// RFC 6962 §2.1.2.
    pub hashes: Vec<Hash>,
    /// The later tree.
    pub checkpoint: SignedCheckpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// More than [`PROOF_MAX`] bytes.
    TooLong,
    NotUtf8,
    /// Neither of the two forms.
    Form,
    Checkpoint(CheckpointError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disproved {
    Checkpoint(Unverified),
    /// The record with it is not whole, or not the one it speaks of.
    Record,
    /// The earlier checkpoint is of another log or another size.
    Other,
    /// Its hashes do not lead to the checkpoint's root.
    Hashes,
}

impl Proof {
    /// Reads a proof from bytes that may be anything.
    pub fn parse(bytes: &[u8]) -> Result<Proof, ProofError> {
        if bytes.len() > PROOF_MAX {
            return Err(ProofError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ProofError::NotUtf8)?;
        let (lines, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes()).map_err(ProofError::Checkpoint)?;
        Proof::of(lines, checkpoint).ok_or(ProofError::Form)
    }

    fn of(lines: &str, checkpoint: SignedCheckpoint) -> Option<Proof> {
        let mut lines = lines.split('\n');
        let first = lines.next()?;
        if let Some(old) = first.strip_prefix("old ") {
            return Some(Proof::Consistency(Consistency {
                old: number(old)?,
                hashes: hashes(lines)?,
                checkpoint,
            }));
        }
        if first != INCLUSION {
            return None;
        }
        // Without the record there is nothing to be proved: the tree knows hashes alone.
        let record = STANDARD.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
        let index = number(lines.next()?.strip_prefix("index ")?)?;
        Some(Proof::Inclusion(Inclusion { index, record, hashes: hashes(lines)?, checkpoint }))
    }
}

/// A decimal number without needless zeros.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Hash>> {
    lines.map(decode_hash).collect()
}

impl Inclusion {
    /// The record, if the proof holds and its checkpoint is signed with one of these keys.
    pub fn check(&self, keys: &[Verifier]) -> Result<Record<'_>, Disproved> {
        let SignedCheckpoint { size, root, .. } = &self.checkpoint;
        self.checkpoint.verify(keys).map_err(Disproved::Checkpoint)?;
        let (record, len) = Record::decode(&self.record).map_err(|_| Disproved::Record)?;
        if len != self.record.len() || record.header.sequence.get() != self.index {
            return Err(Disproved::Record);
        }
        let proved = check_inclusion(&record.hash, self.index, *size, root, &self.hashes);
        if proved { Ok(record) } else { Err(Disproved::Hashes) }
    }
}

impl Consistency {
    /// Checks that one of these keys signed the checkpoint and that it extends `old`, which the caller trusts.
    pub fn check(&self, old: &SignedCheckpoint, keys: &[Verifier]) -> Result<(), Disproved> {
        let SignedCheckpoint { size, root, origin, .. } = &self.checkpoint;
        self.checkpoint.verify(keys).map_err(Disproved::Checkpoint)?;
        if old.origin != *origin || old.size != self.old {
            return Err(Disproved::Other);
        }
        let proved = check_consistency((old.size, &old.root), (*size, root), &self.hashes);
        if proved { Ok(()) } else { Err(Disproved::Hashes) }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hashes, checkpoint) = match self {
            Proof::Inclusion(Inclusion { index, record, hashes, checkpoint }) => {
                writeln!(f, "{INCLUSION}\nextra {}\nindex {index}", STANDARD.encode(record))?;
                (hashes, checkpoint)
            }
            Proof::Consistency(Consistency { old, hashes, checkpoint }) => {
                writeln!(f, "old {old}")?;
                (hashes, checkpoint)
            }
        };
        hashes.iter().try_for_each(|hash| writeln!(f, "{}", encode_hash(hash)))?;
        write!(f, "\n{checkpoint}")
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofError::TooLong => write!(f, "it has more than {PROOF_MAX} bytes"),
            ProofError::NotUtf8 => f.write_str("it is not UTF-8"),
            ProofError::Form => f.write_str("it is not in the form of a proof"),
            ProofError::Checkpoint(error) => write!(f, "the checkpoint in it is not valid: {error}"),
        }
    }
}

impl fmt::Display for Disproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disproved::Checkpoint(reason) => write!(f, "its checkpoint cannot be trusted: {reason}"),
            Disproved::Record => f.write_str("the record in it is damaged, or not the one it is said to be"),
            Disproved::Other => f.write_str("the earlier checkpoint is of another archive or another size"),
            Disproved::Hashes => f.write_str("its hashes do not lead to the tree of its checkpoint"),
        }
    }
}

impl std::error::Error for ProofError {}
impl std::error::Error for Disproved {}
