//! The on-disk formats of a Totebox volume, and nothing else: no I/O, no allocation, no kernel.
//!
//! `docs/ledger-format.md` is the specification; every offset here is stated there, and the
//! published test vectors (`ledger-fmt/vectors/`) hold both to it.
//!
//! | module | what |
//! |---|---|
//! | [`layout`] | blocks, directories, the superblock |
//! | [`batch_header`] | the vault's batch headers and frontier hints |
//! | [`record`] | ledger records |
//! | [`payload`], [`cbor`] | what their payloads say, and the form of all payloads |
//! | [`hash`] | content's two hashes, the keyed BLAKE3 domains, the checksum of batches |
//! | [`tree`], [`proof`] | the RFC 6962 Merkle tree over record hashes, and proofs over it |
//! | [`note`], [`checkpoint`] | signed notes, and the tree heads signed in them |
//! | [`auditor_state`] | what the auditor keeps beside the audit record |
//! | [`verify`] | the sans-I/O verifier of a whole volume |

#![no_std]
#![forbid(unsafe_code)]

pub mod auditor_state;
pub mod batch_header;
pub mod cbor;
pub mod checkpoint;
pub mod hash;
pub mod layout;
pub mod note;
pub mod payload;
pub mod proof;
pub mod record;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tree;
pub mod verify;

/// A 32-byte hash: BLAKE3 for content, records and batch headers; SHA-256 for content and tree nodes.
pub type Hash = [u8; 32];

/// The all-zero hash: "no predecessor" in a chain.
pub const ZERO_HASH: Hash = [0; 32];
