//! C2SP signed notes (`c2sp.org/signed-note`) with Ed25519 keys: a text, an empty line, and a line for each
//! signature. The keys are written as `golang.org/x/mod/sumdb/note` writes them.

use core::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature as Ed25519, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::Hash;

/// Bytes of a key's name at most: the longest [`origin`](crate::checkpoint::origin), and as much again.
pub const NAME_MAX: usize = 160;

/// Bytes of a note at most: C2SP asks for room for sixteen signatures, which may be post-quantum ones.
pub const NOTE_MAX: usize = 128 * 1024;

/// Bytes of a signature line at most, for a name of `name_len` bytes.
pub const fn signature_line_len(name_len: usize) -> usize {
    DASH.len() + name_len + 1 + SIGNATURE_TEXT + 1
}

/// The name of a key: what it signs for.
pub type Name = heapless::String<NAME_MAX>;

/// The secret half of a key, from which the public half follows.
pub type Seed = [u8; 32];

/// The em dash and blank at the start of a signature line.
const DASH: &str = "\u{2014} ";

/// The start of a secret key's text.
const SECRET: &str = "PRIVATE+KEY+";

/// C2SP's signature type of Ed25519, the first byte of an encoded key.
const ED25519: u8 = 1;

/// Bytes of the key id.
const ID: usize = 4;

/// Base64 characters of an id and an Ed25519 signature.
const SIGNATURE_TEXT: usize = (ID + Ed25519::BYTE_SIZE).div_ceil(3) * 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: Name,
    id: [u8; ID],
    key: VerifyingKey,
}

/// A key that can sign. Tells nobody its secret but by [`Signer::secret`].
#[derive(Clone)]
pub struct Signer {
    verifier: Verifier,
    key: SigningKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not `NAME+ID+KEY` (a secret key: `PRIVATE+KEY+NAME+ID+KEY`).
    Form,
    /// The name is empty, too long, or has blanks or a `+`.
    Name,
    /// Not an Ed25519 key.
    Algorithm,
    /// The id is not that of this name and key: some part was altered.
    Id,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// More than [`NOTE_MAX`] bytes.
    TooLong,
    NotUtf8,
    /// Control characters, or no text that ends in an empty line.
    Form,
    /// A line behind the text that is no signature, or none at all.
    Signature,
}

/// Why a note is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// None of its signatures is by a key that was given.
    UnknownKey,
    /// A signature in the name of a key that was given does not match: the text or the signature was altered.
    Mismatch,
}

impl Verifier {
    fn new(name: &str, key: VerifyingKey) -> Result<Verifier, KeyError> {
        if name.is_empty() || name.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control()) {
            return Err(KeyError::Name);
        }
        let hasher = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]);
        let hash = hasher.chain_update(key.as_bytes()).finalize();
        let id = [hash[0], hash[1], hash[2], hash[3]];
        Ok(Verifier { name: Name::try_from(name).map_err(|_| KeyError::Name)?, id, key })
    }

    /// Reads `NAME+ID+KEY`, how a public key is written.
    pub fn parse(text: &str) -> Result<Verifier, KeyError> {
        let (name, id, key) = parts(text)?;
        Verifier::of(name, &key)?.with_id(id)
    }

    fn with_id(self, id: [u8; ID]) -> Result<Verifier, KeyError> {
        if self.id == id { Ok(self) } else { Err(KeyError::Id) }
    }

    /// The key of this name with these bytes.
    pub fn of(name: &str, key: &[u8; 32]) -> Result<Verifier, KeyError> {
        Verifier::new(name, VerifyingKey::from_bytes(key).map_err(|_| KeyError::Form)?)
    }

    /// What it signs for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bytes, as [`Verifier::of`] takes them.
    pub fn key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether it has signed this hash.
    pub fn has_signed(&self, hash: &Hash, signature: &[u8; 64]) -> bool {
        self.key.verify_strict(hash, &Ed25519::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(f, self, self.key.as_bytes())
    }
}

impl Signer {
    /// The key that follows from a seed, under this name.
    pub fn new(name: &str, seed: &Seed) -> Result<Signer, KeyError> {
        let key = SigningKey::from_bytes(seed);
        Ok(Signer { verifier: Verifier::new(name, key.verifying_key())?, key })
    }

    /// Reads `PRIVATE+KEY+NAME+ID+KEY`, how a secret key is written.
    pub fn parse(text: &str) -> Result<Signer, KeyError> {
        let (name, id, seed) = parts(text.strip_prefix(SECRET).ok_or(KeyError::Form)?)?;
        let Signer { verifier, key } = Signer::new(name, &seed)?;
        Ok(Signer { verifier: verifier.with_id(id)?, key })
    }

    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The seed it follows from.
    pub fn seed(&self) -> &Seed {
        self.key.as_bytes()
    }

    /// Its text, for the one file that holds it.
    pub fn secret(&self) -> impl fmt::Display {
        struct Secret<'a>(&'a Signer);
        impl fmt::Display for Secret<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SECRET)?;
                write_key(f, &self.0.verifier, self.0.seed())
            }
        }
        Secret(self)
    }

    /// Signs a keyed hash. No note is as short, so none can be taken for it.
    pub fn sign_hash(&self, hash: &Hash) -> [u8; 64] {
        self.key.sign(hash).to_bytes()
    }

    /// Writes the note that `text`, which ends in a newline, and this key's signature make.
    pub fn sign(&self, text: &str, out: &mut impl fmt::Write) -> fmt::Result {
        let mut bytes = [0; ID + Ed25519::BYTE_SIZE];
        bytes[..ID].copy_from_slice(&self.verifier.id);
        bytes[ID..].copy_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        let signature = Base64Display::new(&bytes, &STANDARD);
        writeln!(out, "{text}\n{DASH}{} {signature}", self.verifier.name)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, verifier: &Verifier, key: &[u8; 32]) -> fmt::Result {
    let mut bytes = [ED25519; 33];
    bytes[1..].copy_from_slice(key);
    let id = u32::from_be_bytes(verifier.id);
    write!(f, "{}+{id:08x}+{}", verifier.name, Base64Display::new(&bytes, &STANDARD))
}

/// Name, id and key bytes of `NAME+ID+KEY`.
fn parts(text: &str) -> Result<(&str, [u8; ID], [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let digits = id.len() == 8 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = u32::from_str_radix(id, 16).ok().filter(|_| digits).ok_or(KeyError::Form)?;
    // What base64 of another length may need at most is one byte more.
    let mut bytes = [0; 36];
    match STANDARD.decode_slice(key, &mut bytes) {
        Ok(33) if bytes[0] == ED25519 => {}
        Ok(_) if bytes[0] != ED25519 => return Err(KeyError::Algorithm),
        _ => return Err(KeyError::Form),
    }
    let key = bytes[1..33].first_chunk().expect("32 bytes");
    Ok((name, id.to_be_bytes(), *key))
}

/// A note whose form is right; nothing in it is to be believed before [`Note::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: &'a str,
}

impl<'a> Note<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Note<'a>, NoteError> {
        if bytes.len() > NOTE_MAX {
            return Err(NoteError::TooLong);
        }
        let note = core::str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::Form);
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Form)? + 1;
        let (text, signatures) = (&note[..end], &note[end + 1..]);
        let note = Note { text, signatures };
        let sound = signatures.ends_with('\n') && note.lines().all(|signature| signature.is_some());
        if sound { Ok(note) } else { Err(NoteError::Signature) }
    }

    /// The text that is signed, with its last newline.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Checks that one of these keys has signed it, and every one of them whose signature it bears.
    pub fn verify(&self, keys: &[Verifier]) -> Result<(), Unverified> {
        let mut verified = Err(Unverified::UnknownKey);
        for signature in self.lines().flatten() {
            for key in keys.iter().filter(|key| key.name == signature.name && key.id == signature.id) {
                let signature = signature.ed25519().ok_or(Unverified::Mismatch)?;
                key.key.verify_strict(self.text.as_bytes(), &signature).map_err(|_| Unverified::Mismatch)?;
                verified = Ok(());
            }
        }
        verified
    }

    /// The signature lines; `None` for one that has not their form.
    fn lines(&self) -> impl Iterator<Item = Option<Signature<'a>>> + use<'a> {
        self.signatures.lines().map(Signature::parse)
    }
}

struct Signature<'a> {
    name: &'a str,
    id: [u8; ID],
    text: &'a str,
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Option<Signature<'a>> {
        let (name, text) = line.strip_prefix(DASH)?.split_once(' ')?;
        // Eight characters are six bytes: the id, and the first two of the signature.
        let mut start = [0; 6];
        STANDARD.decode_slice_unchecked(text.get(..8)?, &mut start).ok()?;
        let form = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        let named = !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace());
        (form && named).then_some(Signature { name, id: *start.first_chunk()?, text })
    }

    fn ed25519(&self) -> Option<Ed25519> {
        let mut bytes = [0; SIGNATURE_TEXT / 4 * 3];
        let len = STANDARD.decode_slice(self.text, &mut bytes).ok()?;
        Ed25519::from_slice(bytes.get(ID..len)?).ok()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::Form => "it does not have the form of a key",
            KeyError::Name => "a key cannot have this name",
            KeyError::Algorithm => "it is not an Ed25519 key",
            KeyError::Id => "its id does not belong to its name and key: it was altered",
        })
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoteError::TooLong => write!(f, "it has more than {NOTE_MAX} bytes"),
            NoteError::NotUtf8 => f.write_str("it is not UTF-8"),
            NoteError::Form => f.write_str("it has not the form of a signed note"),
            NoteError::Signature => {
                f.write_str("it has a line behind its text that is no signature, or none at all")
            }
        }
    }
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unverified::UnknownKey => "none of its signatures is by a key that was given",
            Unverified::Mismatch => "its signature does not match: the text or the signature was altered",
        })
    }
}

impl core::error::Error for KeyError {}
impl core::error::Error for NoteError {}
impl core::error::Error for Unverified {}
