//! Splitting a command line into words, and quoting what is printed. The host tool uses this module too.

use core::fmt;
use core::ops::Range;

pub use totebox_shown::{Quoted, QuotedText};

/// Words a line has at most: more than any command takes, the reason of an acknowledgement included.
pub const WORDS_MAX: usize = 64;

/// Why a line cannot be split into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordError {
    /// A quoted word without its end, or with something right behind it.
    Quotes,
    /// `\` before something other than `"`, `\` or `x` and two hexadecimal digits.
    Escape,
    /// More than [`WORDS_MAX`] words.
    TooMany,
    /// A word that is not UTF-8 once its escapes are undone.
    NotUtf8,
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WordError::Quotes => "a quoted word needs a \" at its end and a blank behind it",
            WordError::Escape => "in quotes, \\ stands before \", \\ or x and two hexadecimal digits",
            WordError::TooMany => "there are too many words; quote a name with blanks",
            WordError::NotUtf8 => "a name must be UTF-8 text",
        })
    }
}

/// The words of a line, quotes and escapes undone. `buffer` is scratch space, at least as long as the line.
pub fn split<'b>(line: &[u8], buffer: &'b mut [u8]) -> Result<heapless::Vec<&'b str, WORDS_MAX>, WordError> {
    let mut ranges: heapless::Vec<Range<usize>, WORDS_MAX> = heapless::Vec::new();
    let mut rest = line.trim_ascii();
    let mut end = 0;
    while !rest.is_empty() {
        let start = end;
        rest = match rest.strip_prefix(b"\"") {
            Some(quoted) => unquote(quoted, buffer, &mut end)?,
            None => {
                let len = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                buffer[end..end + len].copy_from_slice(&rest[..len]);
                end += len;
                &rest[len..]
            }
        };
        ranges.push(start..end).map_err(|_| WordError::TooMany)?;
        rest = rest.trim_ascii_start();
    }
    let buffer: &'b [u8] = buffer;
    let words = ranges.into_iter().map(|range| core::str::from_utf8(&buffer[range]));
    words.collect::<Result<_, _>>().map_err(|_| WordError::NotUtf8)
}

/// Undoes a quoted word into `buffer` from `end` on; returns what follows its closing quote.
fn unquote<'l>(quoted: &'l [u8], buffer: &mut [u8], end: &mut usize) -> Result<&'l [u8], WordError> {
    let mut rest = quoted;
    loop {
        let (&byte, behind) = rest.split_first().ok_or(WordError::Quotes)?;
        let (byte, behind) = match (byte, behind) {
            (b'"', []) => return Ok(behind),
            (b'"', [next, ..]) if next.is_ascii_whitespace() => return Ok(behind),
            (b'"', _) => return Err(WordError::Quotes),
            (b'\\', [escaped @ (b'"' | b'\\'), behind @ ..]) => (*escaped, behind),
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digit = |byte: u8| (byte as char).to_digit(16).ok_or(WordError::Escape);
                ((digit(*high)? << 4 | digit(*low)?) as u8, behind)
            }
            (b'\\', _) => return Err(WordError::Escape),
            plain => plain,
        };
        buffer[*end] = byte;
        *end += 1;
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use totebox_shown::testing::{hostile_texts, unprintable};

    fn words(line: &str) -> Result<Vec<String>, WordError> {
        let mut buffer = [0; 256];
        split(line.as_bytes(), &mut buffer).map(|words| words.iter().map(|word| word.to_string()).collect())
    }

    #[test]
    fn blanks_separate_words_and_quotes_keep_them() {
        assert_eq!(words("  put\tfinance  x  ").unwrap(), ["put", "finance", "x"]);
        assert_eq!(words(r#"put finance "Año 2024 (2).pdf" 12"#).unwrap()[2], "Año 2024 (2).pdf");
        assert_eq!(words(r#""a\"b\\c\x41\xc3\xb1""#).unwrap(), ["a\"b\\cAñ"]);
        assert_eq!(words(r#"x "" y"#).unwrap(), ["x", "", "y"]);
        assert_eq!(words("").unwrap().len(), 0);
    }

    #[test]
    fn what_cannot_be_split_says_why() {
        let cases = [
            (r#"put "open"#, WordError::Quotes),
            (r#"put "a"b"#, WordError::Quotes),
            (r#"put "a\n""#, WordError::Escape),
            (r#"put "a\x4""#, WordError::Escape),
            (r#"put "a\xg0""#, WordError::Escape),
            (r#"put "\xff""#, WordError::NotUtf8),
            (&*"1 ".repeat(WORDS_MAX + 1), WordError::TooMany),
        ];
        for (line, error) in cases {
            assert_eq!(words(line), Err(error), "{line}");
        }
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        let texts = ["plain", "two words", "quo\"te\\", "tab\there", "Zürich ☃", "\u{85}\x1b[2J", ""];
        for name in texts.into_iter().map(String::from).chain(hostile_texts()) {
            let quoted = format!("{}", Quoted(name.as_bytes()));
            assert_eq!(unprintable(&quoted), None);
            assert_eq!(words(&quoted).unwrap(), [name]);
        }
    }
}
