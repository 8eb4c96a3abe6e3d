//! The hash functions of the format and how their uses are kept apart.
//!
//! Content has two hashes: plain BLAKE3, which is fast, and SHA-256, which everybody can compute; `b3sum` and
//! `sha256sum` reproduce them. Everything the format itself frames is hashed in BLAKE3's *keyed* mode under a public
//! constant key, one per use: the same bytes never have the same hash in two roles. A one-byte prefix would separate
//! them too, but it shifts every following byte against BLAKE3's 1024-byte chunks and costs about 40 % of its speed.
//!
//! What tells a whole batch from one that a power cut has torn is a [`checksum`]: it has to resist accidents in an
//! archive's own bytes and nothing else, as every record and every content in them has a hash of its own.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::Hash;

/// A use of the keyed hash. Its key is the listed ASCII text, padded with zeros to 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    Record,
    /// The first 224 bytes of a batch header.
    BatchHeader,
    /// The superblock's bytes before its check field.
    Superblock,
    /// A frontier hint's bytes before its check field.
    Hint,
    /// An archive's head snapshot in `app-console-input/`.
    Snapshot,
    /// Where an archive's own scrub had come to, in `app-console-input/`.
    Position,
    /// What the auditor keeps in `app-console-input/` of the audit volume.
    AuditorState,
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
            Domain::Record => key("totebox.v2.record"),
            Domain::BatchHeader => key("totebox.v2.batch"),
            Domain::Superblock => key("totebox.v2.superblock"),
            Domain::Hint => key("totebox.v2.hint"),
            Domain::Snapshot => key("totebox.v2.snapshot"),
            Domain::Position => key("totebox.v2.position"),
            Domain::AuditorState => key("totebox.v2.auditor"),
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

/// Both hashes of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash {
    /// Plain BLAKE3.
    pub blake3: Hash,
    /// SHA-256.
    pub sha256: Hash,
}

/// Both hashes of this content.
pub fn content(bytes: &[u8]) -> ContentHash {
    ContentHash { blake3: content_blake3(bytes), sha256: Sha256::digest(bytes).into() }
}

/// The BLAKE3 of this content.
pub fn content_blake3(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

/// An incremental hasher of both.
#[derive(Clone, Debug)]
pub struct ContentHasher {
    blake3: Hasher,
    sha256: Sha256,
}

impl Default for ContentHasher {
    fn default() -> Self {
        ContentHasher { blake3: Hasher::content(), sha256: Sha256::new() }
    }
}

impl ContentHasher {
    /// Forgets all bytes taken in.
    pub fn reset(&mut self) {
        self.blake3.reset();
        Digest::reset(&mut self.sha256);
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
    }

    /// Takes in more bytes, where SHA-256 is not wanted.
    pub fn update_blake3(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
    }

    /// The hashes of all bytes taken in so far.
    pub fn finish(&self) -> ContentHash {
        ContentHash { blake3: self.blake3.finish(), sha256: self.sha256.clone().finalize().into() }
    }
}

/// A checksum.
pub type Checksum = [u8; 16];

/// XXH3 with 128 bits, in its canonical order of bytes.
pub fn checksum(bytes: &[u8]) -> Checksum {
    xxh3_128(bytes).to_be_bytes()
}

/// An incremental [`checksum`].
#[derive(Clone)]
pub struct Checksummer(Xxh3);

impl Default for Checksummer {
    fn default() -> Self {
        Checksummer(Xxh3::new())
    }
}

impl core::fmt::Debug for Checksummer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Checksummer")
    }
}

impl Checksummer {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes taken in so far.
    pub fn finish(&self) -> Checksum {
        self.0.digest128().to_be_bytes()
    }
}
