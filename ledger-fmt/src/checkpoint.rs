//! Checkpoints (`c2sp.org/tlog-checkpoint`): signed notes in which a log states the size and the root of its
//! tree. Every archive is a log of its own, whose origin and key name is [`origin`].

use core::fmt::{self, Write};

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use crate::Hash;
use crate::layout::NAME_LEN_MAX;
use crate::note::{Name, Note, NoteError, Signer, signature_line_len};
use crate::payload::{CHECKPOINT_REST_MAX, PAYLOAD_MAX, TreeHead};

const ORIGIN: &str = "totebox/";

/// Bytes of an origin at most: the deployment's id has 32 digits.
const ORIGIN_MAX: usize = ORIGIN.len() + 32 + 1 + NAME_LEN_MAX;

/// Bytes of a checkpoint with one signature at most: origin, size, root, an empty line, the signature.
pub const SIGNED_MAX: usize = (ORIGIN_MAX + 1) + (20 + 1) + (44 + 1) + 1 + signature_line_len(ORIGIN_MAX);

const _: () = assert!(CHECKPOINT_REST_MAX + SIGNED_MAX <= PAYLOAD_MAX);

/// A checkpoint with its signature.
pub type Signed = heapless::String<SIGNED_MAX>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint<'a> {
    pub origin: &'a str,
    /// Leaves in the tree.
    pub size: u64,
    /// The RFC 6962 root.
    pub root: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    Note(NoteError),
    /// Its text is not an origin, a size and a root.
    Text,
}

/// The origin of an archive's checkpoints: `totebox/DEPLOYMENT/NAME`, the deployment's id in hexadecimal and the
/// volume's name (padded with zeros). `None` if a volume cannot have that name.
pub fn origin(deployment: &[u8; 16], name: &[u8; NAME_LEN_MAX]) -> Option<Name> {
    let len = name.iter().position(|&byte| byte == 0).unwrap_or(NAME_LEN_MAX);
    let name = core::str::from_utf8(&name[..len]).ok()?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(allowed) {
        return None;
    }
    let mut origin = Name::new();
    write!(origin, "{ORIGIN}{:032x}/{name}", u128::from_be_bytes(*deployment)).ok()?;
    Some(origin)
}

/// The signed checkpoint over a tree; the key's name is the origin.
///
/// # Panics
///
/// If the key's name is longer than an [`origin`].
pub fn sign(signer: &Signer, tree: &TreeHead) -> Signed {
    let checkpoint = Checkpoint { origin: signer.verifier().name(), size: tree.size, root: tree.root };
    let (mut text, mut note) = (Signed::new(), Signed::new());
    write!(text, "{checkpoint}").and_then(|()| signer.sign(&text, &mut note)).expect("SIGNED_MAX is the longest");
    note
}

impl<'a> Checkpoint<'a> {
    /// Reads what a note states, which is to be believed only if its signature is.
    pub fn of(note: &Note<'a>) -> Result<Checkpoint<'a>, CheckpointError> {
        let mut lines = note.text().split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Text);
        let (origin, size, root) = (line()?, line()?, line()?);
        let decimal = !size.starts_with('0') || size == "0";
        let digits = size.bytes().all(|byte| byte.is_ascii_digit());
        let size = size.parse().ok().filter(|_| decimal && digits).ok_or(CheckpointError::Text)?;
        let root = decode_hash(root).ok_or(CheckpointError::Text)?;
        // Extension lines are of other logs.
        if lines.next() != Some("") || lines.next().is_some() {
            return Err(CheckpointError::Text);
        }
        Ok(Checkpoint { origin, size, root })
    }

    /// Reads a signed checkpoint, which is to be believed only if its note is.
    pub fn parse(bytes: &'a [u8]) -> Result<(Note<'a>, Checkpoint<'a>), CheckpointError> {
        let note = Note::parse(bytes).map_err(CheckpointError::Note)?;
        Ok((note, Checkpoint::of(&note)?))
    }
}

impl fmt::Display for Checkpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, encode_hash(&self.root))
    }
}

/// A hash in base64, as C2SP's formats have it.
pub fn encode_hash(hash: &Hash) -> impl fmt::Display {
    Base64Display::new(hash, &STANDARD)
}

/// Reads a hash in base64.
pub fn decode_hash(text: &str) -> Option<Hash> {
    // What 44 characters could hold without padding.
    let mut bytes = [0; 33];
    let len = STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.first_chunk().copied().filter(|_| len == size_of::<Hash>())
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::Note(error) => error.fmt(f),
            CheckpointError::Text => f.write_str("its text is not that of a checkpoint: origin, size and root"),
        }
    }
}

impl core::error::Error for CheckpointError {}
