//! The auditor's state: what it keeps and publishes beside the audit record, in `app-console-input/` of the audit volume.
//! There are two copies; each is signed with the auditor's key, so that whoever has its public half can tell a copy that
//! the auditor wrote. Of two such, the one of the higher generation counts.

use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Hash;
use crate::cbor::{Map, Value};
use crate::hash::Domain;
use crate::layout::{BLOCK_SIZE, FORMAT_VERSION, INPUT_BLOCKS_MIN};
use crate::note::{Signer, Verifier};

/// Blocks of one copy.
pub const COPY_BLOCKS: usize = 25;

/// Bytes of one copy.
pub const COPY_SIZE: usize = COPY_BLOCKS * BLOCK_SIZE;

/// Where the two copies start, in blocks of `app-console-input/`: behind what the ledger's writer keeps there.
pub const COPIES: [u64; 2] = [11, 11 + COPY_BLOCKS as u64];

const _: () = assert!(COPIES[1] + COPY_BLOCKS as u64 <= INPUT_BLOCKS_MIN);

/// Bytes before the payload.
pub const HEAD_SIZE: usize = size_of::<Head>();

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    /// [`Head::MAGIC`].
    magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    version: U16,
    reserved: [u8; 6],
    volume: [u8; 16],
    generation: U64,
    /// Bytes of the payload, which follows.
    payload_len: U64,
    reserved_tail: [u8; 16],
    /// Of the auditor's key, over [`Domain::AuditorState`] of the fields before and the payload.
    signature: [u8; 64],
}

const SIGNED: usize = core::mem::offset_of!(Head, signature);

impl Head {
    const MAGIC: [u8; 8] = *b"TBXAUDIT";

    fn hash(&self, payload: &[u8]) -> Hash {
        let mut hasher = Domain::AuditorState.hasher();
        hasher.update(&self.as_bytes()[..SIGNED]);
        hasher.update(payload);
        hasher.finish()
    }
}

/// A copy whose form is right; who wrote it is known by [`Copy::is_signed_by`].
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    pub generation: u64,
    pub payload: Map<'a>,
    hash: Hash,
    signature: [u8; 64],
}

impl<'a> Copy<'a> {
    /// Reads the bytes of a copy, which may be anything; `None` if there is none of this volume.
    pub fn read(bytes: &'a [u8], volume: &[u8; 16]) -> Option<Copy<'a>> {
        let (head, rest) = Head::read_from_prefix(bytes).ok()?;
        let payload = rest.get(..usize::try_from(head.payload_len.get()).ok()?)?;
        let ours = head.magic == Head::MAGIC && head.version.get() == FORMAT_VERSION && head.volume == *volume;
        Some(Copy {
            generation: head.generation.get(),
            payload: Map::read(payload).filter(|_| ours)?,
            hash: head.hash(payload),
            signature: head.signature,
        })
    }

    pub fn is_signed_by(&self, key: &Verifier) -> bool {
        key.has_signed(&self.hash, &self.signature)
    }

    /// The signed checkpoint of the audit record, as a note.
    pub fn checkpoint(&self) -> Option<&'a str> {
        self.payload.get("checkpoint").and_then(Value::text)
    }
}

/// Makes a copy of the payload of so many bytes that stands in `copy` behind [`HEAD_SIZE`] bytes, which may be anything.
/// Returns how many blocks it takes.
///
/// # Panics
///
/// If `copy` ends before those blocks do.
pub fn seal(copy: &mut [u8], volume: &[u8; 16], generation: u64, payload_len: usize, signer: &Signer) -> usize {
    let (len, mut head) = (HEAD_SIZE + payload_len, Head::new_zeroed());
    (head.magic, head.version, head.volume) = (Head::MAGIC, FORMAT_VERSION.into(), *volume);
    (head.generation, head.payload_len) = (generation.into(), (payload_len as u64).into());
    head.signature = signer.sign_hash(&head.hash(&copy[HEAD_SIZE..len]));
    copy[..HEAD_SIZE].copy_from_slice(head.as_bytes());
    let blocks = len.div_ceil(BLOCK_SIZE);
    copy[len..blocks * BLOCK_SIZE].fill(0);
    blocks
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;
    use crate::cbor;

    const VOLUME: [u8; 16] = [3; 16];

    fn signer(seed: u8) -> Signer {
        Signer::new("totebox/0/audit", &[seed; 32]).unwrap()
    }

    fn copy() -> [u8; 2 * BLOCK_SIZE] {
        let mut copy = [0xee; 2 * BLOCK_SIZE];
        let len = cbor::write(&mut copy[HEAD_SIZE..], |map| map.text("checkpoint", "a note")).unwrap();
        assert_eq!(seal(&mut copy, &VOLUME, 7, len, &signer(1)), 1);
        copy
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let offsets = [
            offset_of!(Head, version),
            offset_of!(Head, volume),
            offset_of!(Head, generation),
            offset_of!(Head, payload_len),
            offset_of!(Head, signature),
        ];
        assert_eq!((offsets, HEAD_SIZE), ([8, 16, 32, 40, 64], 128));
    }

    #[test]
    fn a_copy_is_read_as_it_was_written() {
        let bytes = copy();
        let read = Copy::read(&bytes, &VOLUME).unwrap();
        assert_eq!((read.generation, read.checkpoint()), (7, Some("a note")));
        assert!(read.is_signed_by(signer(1).verifier()) && !read.is_signed_by(signer(2).verifier()));
        assert!(bytes[200..BLOCK_SIZE].iter().all(|&byte| byte == 0), "nothing is left of what was there");
        assert!(Copy::read(&bytes, &[4; 16]).is_none(), "of another volume");
    }

    #[test]
    fn whatever_is_altered_it_is_not_the_auditors_any_more() {
        let sound = copy();
        let end = sound.iter().rposition(|&byte| byte != 0 && byte != 0xee).unwrap();
        for at in 0..=end {
            for bit in 0..8 {
                let mut bytes = sound;
                bytes[at] ^= 1 << bit;
                let read = Copy::read(&bytes, &VOLUME);
                assert!(!read.is_some_and(|copy| copy.is_signed_by(signer(1).verifier())), "byte {at}, bit {bit}");
            }
        }
        for len in 0..=end {
            assert!(Copy::read(&sound[..len], &VOLUME).is_none(), "{len} bytes of it");
        }
    }
}
