//! The hash functions of the format and how their uses are kept apart.
//!
//! Content is hashed with plain BLAKE3, so that `b3sum` reproduces it. Everything the format itself
//! frames is hashed in BLAKE3's *keyed* mode under a public constant key, one per use: the same bytes
//! never have the same hash in two roles. A one-byte prefix would separate them too, but it shifts
//! every following byte against BLAKE3's 1024-byte chunks and costs about 40 % of its speed.

use crate::Hash;

/// A use of the keyed hash. Its key is the listed ASCII text, padded with zeros to 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    Record,
    /// The first 224 bytes of a batch header.
    BatchHeader,
    /// The record bytes of one batch.
    BatchLedger,
    /// The asset bytes one batch commits.
    BatchAssets,
    /// The superblock's bytes before its check field.
    Superblock,
    /// A frontier hint's bytes before its check field.
    Hint,
    /// An archive's head snapshot in `app-console-input/`.
    Snapshot,
    /// Where an archive's own scrub had come to, in `app-console-input/`.
    Position,
}

const fn key(text: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let bytes = text.as_bytes();
    assert!(bytes.len() <= 32);
    let mut i = 0;
    while i < bytes.len() {
        key[i] = bytes[i];
        i += 1;
    }
    key
}

impl Domain {
    /// The public 32-byte key of this use.
    pub const fn key(self) -> [u8; 32] {
        match self {
            Domain::Record => key("totebox.v1.record"),
            Domain::BatchHeader => key("totebox.v1.stamp"),
            Domain::BatchLedger => key("totebox.v1.run.ledger"),
            Domain::BatchAssets => key("totebox.v1.run.assets"),
            Domain::Superblock => key("totebox.v1.superblock"),
            Domain::Hint => key("totebox.v1.hint"),
            Domain::Snapshot => key("totebox.v1.snapshot"),
            Domain::Position => key("totebox.v1.position"),
        }
    }

    pub fn hash(self, bytes: &[u8]) -> Hash {
        *blake3::keyed_hash(&self.key(), bytes).as_bytes()
    }

    pub fn hasher(self) -> Hasher {
        Hasher(blake3::Hasher::new_keyed(&self.key()))
    }
}

/// An incremental BLAKE3 hasher. About 2 KiB; never on the heap.
#[derive(Clone, Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// A hasher for document content: plain BLAKE3, as `b3sum` prints it.
    pub fn content() -> Self {
        Hasher(blake3::Hasher::new())
    }

    /// Forgets all bytes taken in, and so is as new without 2 KiB being moved.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes taken in so far.
    pub fn finish(&self) -> Hash {
        *self.0.finalize().as_bytes()
    }
}

/// The hash of document content: plain BLAKE3.
pub fn content(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}
