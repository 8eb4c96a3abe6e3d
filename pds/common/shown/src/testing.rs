//! Hostile names, and what must never be shown of them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::is_printable;

const NAMES: &str = include_str!("../hostile/names.tsv");

/// A description whose domain's name forges the verdict.
pub const FORGED_DESCRIPTION: &str = include_str!("../hostile/forged-name.system");

/// Names that real tools stumbled over: bytes, most of them UTF-8.
pub fn hostile_names() -> Vec<Vec<u8>> {
    let rows = NAMES.lines().skip(1).filter_map(|line| line.split_once('\t'));
    rows.map(|(name, _)| unescaped(name)).collect()
}

/// Those of them that are text.
pub fn hostile_texts() -> Vec<String> {
    hostile_names().into_iter().filter_map(|name| String::from_utf8(name).ok()).collect()
}

/// The first character in some output that may not reach a terminal, with what stands before it. Line feeds may,
/// and returns before them.
pub fn unprintable(output: &str) -> Option<String> {
    let output = output.replace("\r\n", "\n");
    let (at, character) = output.char_indices().find(|&(_, char)| char != '\n' && !is_printable(char))?;
    let before: Vec<char> = output[..at].chars().rev().take(60).collect();
    let before: String = before.into_iter().rev().collect();
    Some(alloc::format!("U+{:04X} behind {before:?}", character as u32).to_string())
}

/// Undoes the escapes of a bytes literal.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        let (byte, len) = match (first, behind) {
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'x', high, low, ..]) => {
                let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
                (digit(*high) << 4 | digit(*low), 4)
            }
            (b'\\', [escaped, ..]) => (*escaped, 2),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[len..];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_read() {
        let names = hostile_names();
        assert!(names.len() > 60, "{}", names.len());
        for name in
            [&b"new\nline.txt"[..], b"latin1-\xfcber.txt", b"C:\\Windows\\win.ini", b"   ", b"&amp;\"'.txt"]
        {
            assert!(names.iter().any(|found| found == name), "{name:?}");
        }
        let longest = names.iter().map(|name| name.len()).max();
        assert_eq!((longest, hostile_texts().len()), (Some(255), names.len() - 2));
    }

    #[test]
    fn what_is_unprintable_is_found() {
        assert_eq!(unprintable("a\nb\r\nü"), None);
        assert_eq!(unprintable("a\rb").as_deref(), Some("U+000D behind \"a\""));
    }
}
