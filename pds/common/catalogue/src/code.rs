//! How numbers and entries are written into blocks: see `docs/catalogue.md`, "Leaf".

use crate::entry::{Entry, Tag};

/// Bytes of the block do not make sense. Its check says that they are what was written, so this is damage that
/// came before the check, or a fault of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Bytes of the values of an entry at most, without its name: four numbers, the flags, the parts, the tag.
pub const VALUES_MAX: usize = 4 * 10 + 1 + 3 + 16;

const MARKER: u8 = 1 << 7;
const PARTS: u8 = 1 << 6;
const TAG_LEN: u8 = (1 << 5) - 1;

/// A short run of bytes that is being written.
pub struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    /// Nothing yet.
    pub fn new() -> Self {
        Short { bytes: [0; N], len: 0 }
    }

    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// A number, seven bits a byte, the lowest first (LEB128).
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// The values of an entry in a run that begins at `from`, after an entry with the time `before`.
    pub fn values(&mut self, entry: &Entry, from: u64, before: u64) {
        self.number(entry.sequence.wrapping_sub(from));
        self.number(entry.place);
        self.number(entry.size);
        let later = entry.time_ms.wrapping_sub(before) as i64;
        self.number(((later << 1) ^ (later >> 63)) as u64);
        let digest = entry.tag.digest();
        let marker = if entry.delete_marker { MARKER } else { 0 };
        let parts = if entry.tag.parts > 0 { PARTS } else { 0 };
        self.byte(marker | parts | digest.len() as u8);
        if entry.tag.parts > 0 {
            self.number(entry.tag.parts.into());
        }
        self.bytes[self.len..][..digest.len()].copy_from_slice(digest);
        self.len += digest.len();
    }
}

/// Bytes that are being read.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    bytes: &'a [u8],
    /// Bytes read.
    pub at: usize,
}

impl<'a> Bytes<'a> {
    /// Reads on at `at`.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Bytes { bytes, at }
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..len)).ok_or(Malformed)?;
        self.at += len;
        Ok(taken)
    }

    /// A number as [`Short::number`] writes it.
    #[inline]
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    /// A number that counts bytes of a name.
    pub fn length(&mut self) -> Result<usize, Malformed> {
        Ok(self.number()?.min(u32::MAX.into()) as usize)
    }

    /// What [`Short::values`] writes.
    pub fn values(&mut self, from: u64, to: u64, before: u64) -> Result<Entry, Malformed> {
        let sequence = from.checked_add(self.number()?).filter(|&sequence| sequence < to).ok_or(Malformed)?;
        let (place, size, later) = (self.number()?, self.number()?, self.number()?);
        let later = (later >> 1) as i64 ^ -((later & 1) as i64);
        let flags = self.byte()?;
        let parts = if flags & PARTS == 0 { 0 } else { u16::try_from(self.number()?).map_err(|_| Malformed)? };
        let tag = Tag::new(self.take((flags & TAG_LEN).into())?, parts).ok_or(Malformed)?;
        let time_ms = before.wrapping_add(later as u64);
        Ok(Entry { sequence, place, size, time_ms, tag, delete_marker: flags & MARKER != 0 })
    }
}
