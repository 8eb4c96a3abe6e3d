//! The forms of a line that both ends of the serial line know: the checksum a line ends in, lines that
//! carry content, and lines that tell of an error. The host tool uses this module too. See docs/console-protocol.md.

use core::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeSliceError, Engine};
use totebox_manifest::conversation::INTAKE_DATA;

/// Bytes of a line at most, without its end.
pub const LINE_MAX: usize = 4095;

/// Bytes of content a line carries at most; a multiple of 3, so that only a last line needs padding.
pub const CONTENT_MAX: usize = 3000;

/// Data lines a peer may have sent that were not answered yet.
pub const WINDOW: usize = 8;

/// What the answer to `machine` says: the protocol and its version.
pub const PROTOCOL: &str = "totebox/1";

/// Bytes of a checksum at the end of a line: a blank, `#` and eight digits.
const CHECKSUM_LEN: usize = 10;

// The longest data line is a line, and a line of text with its end is one message.
const _: () = assert!("@18446744073709551615 ".len() + CONTENT_MAX.div_ceil(3) * 4 + CHECKSUM_LEN <= LINE_MAX);
const _: () = assert!(LINE_MAX < INTAKE_DATA);

/// What is wrong with the end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    NoChecksum,
    WrongChecksum,
}

/// The checksum of a line: CRC-32 as in zlib.
pub fn checksum(line: &[u8]) -> u32 {
    crc32fast::hash(line)
}

/// The line without its checksum, which must match.
pub fn verified(line: &[u8]) -> Result<&[u8], Damage> {
    let (body, end) = line.len().checked_sub(CHECKSUM_LEN).map_or((line, &[][..]), |at| line.split_at(at));
    let digits = end.strip_prefix(b" #").ok_or(Damage::NoChecksum)?;
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(Damage::NoChecksum);
    }
    let stated = digits.iter().fold(0, |sum, &digit| sum << 4 | (digit as char).to_digit(16).unwrap_or(0));
    if stated == checksum(body) { Ok(body) } else { Err(Damage::WrongChecksum) }
}

/// Content on its way: shown as the body of a data line, before its checksum.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// Where it stands in its document, in bytes.
    pub offset: u64,
    /// At most [`CONTENT_MAX`] bytes.
    pub bytes: &'a [u8],
}

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.offset)?;
        if !self.bytes.is_empty() {
            write!(f, " {}", Base64Display::new(self.bytes, &STANDARD))?;
        }
        Ok(())
    }
}

/// An error line behind its `-`. What it concerns stands in its first word, so that no word of the text, whoever
/// chose it, can be taken for a submission's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorLine<'a, T> {
    /// The error's name: lower-case letters and hyphens.
    pub name: &'a str,
    /// The submission it concerns; without one, the command.
    pub tag: Option<u32>,
    pub text: T,
}

impl<T: fmt::Display> fmt::Display for ErrorLine<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorLine { name, tag, text } = self;
        match tag {
            Some(tag) => write!(f, "{name}:{tag} {text}"),
            None => write!(f, "{name} {text}"),
        }
    }
}

impl<'a> ErrorLine<'a, &'a str> {
    /// Reads what it shows; `None` if it is not of that form.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (about, text) = line.split_once(' ')?;
        let (name, tag) = match about.split_once(':') {
            Some((name, tag)) => (name, Some(parse_decimal(tag)?.try_into().ok()?)),
            None => (about, None),
        };
        let of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        (!name.is_empty() && name.bytes().all(of_a_name)).then_some(ErrorLine { name, tag, text })
    }
}

/// Reads a data line's body: its offset, and how many bytes of content are now in `out`; `None` if it is none.
pub fn decode(body: &[u8], out: &mut [u8; CONTENT_MAX]) -> Option<(u64, usize)> {
    let body = body.strip_prefix(b"@")?;
    let blank = body.iter().position(|&byte| byte == b' ');
    let (offset, content) = match blank {
        Some(at) => (&body[..at], &body[at + 1..]),
        None => (body, &[][..]),
    };
    let offset = parse_decimal(core::str::from_utf8(offset).ok()?)?;
    match STANDARD.decode_slice(content, out) {
        Ok(len) => Some((offset, len)),
        Err(DecodeSliceError::DecodeError(_) | DecodeSliceError::OutputSliceTooSmall) => None,
    }
}

/// A decimal number: digits alone, no sign.
pub fn parse_decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    fn sealed(body: &str) -> String {
        format!("{body} #{:08x}", checksum(body.as_bytes()))
    }

    #[test]
    fn a_checksum_is_the_crc_32_of_zlib() {
        assert_eq!(verified(b"123456789 #cbf43926"), Ok(&b"123456789"[..]));
        assert_eq!(verified(b"123456780 #cbf43926"), Err(Damage::WrongChecksum));
        assert_eq!(verified(b" #00000000"), Ok(&b""[..]));
        for line in ["", "short", "123456789 #CBF43926", "123456789  cbf43926", "123456789#cbf43926"] {
            assert_eq!(verified(line.as_bytes()), Err(Damage::NoChecksum), "{line}");
        }
    }

    #[test]
    fn content_crosses_whole_at_every_length() {
        let bytes: [u8; CONTENT_MAX] = core::array::from_fn(|i| (i * 7) as u8);
        let mut out = [0; CONTENT_MAX];
        for len in [0, 1, 2, 3, 4, 2999, 3000] {
            let line = sealed(&format!("{}", Content { offset: u64::MAX, bytes: &bytes[..len] }));
            assert!(line.len() <= LINE_MAX);
            let body = verified(line.as_bytes()).unwrap();
            assert_eq!(decode(body, &mut out), Some((u64::MAX, len)));
            assert_eq!(out[..len], bytes[..len]);
        }
    }

    #[test]
    fn other_lines_are_not_content() {
        let mut out = [0; CONTENT_MAX];
        let too_much = format!("@0 {}", "AAAA".repeat(CONTENT_MAX / 3 + 1));
        for line in
            ["", "@", "@ ", "@+1", "@-1 AAAA", "@1  AAAA", "@1 AAA", "@1 A*AA", "@18446744073709551616", &too_much]
        {
            assert_eq!(decode(line.as_bytes(), &mut out), None, "{line}");
        }
        assert_eq!(decode(b"@1 AAA=", &mut out), Some((1, 2)));
    }
}
