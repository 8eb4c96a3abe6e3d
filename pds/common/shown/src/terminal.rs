//! Strings on a terminal and on the operator's line.

use core::fmt::{self, Display, Formatter, Write};

use crate::is_printable;

/// Anything on one line of a terminal: what is not printable is escaped, line feeds and tabs included. It takes
/// a width (`{:<20}`), counted in characters as they are shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        padded(f, |out| write!(Escape { out, keep: |_| false, also: |_| false }, "{}", self.0))
    }
}

/// Bytes on one line of a terminal, as [`Shown`]; what is not UTF-8 is escaped like what is not printable.
#[derive(Clone, Copy, Debug)]
pub struct ShownBytes<'a>(pub &'a [u8]);

impl Display for ShownBytes<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        padded(f, |out| bytes(self.0, &mut Escape { out, keep: |_| false, also: |_| false }))
    }
}

/// Text whose line feeds are the program's own: they stay, everything else is as in [`Shown`]. What is foreign in
/// it is [`Shown`] already where it could have line feeds.
#[derive(Clone, Copy, Debug)]
pub struct Lines<T>(pub T);

impl<T: Display> Display for Lines<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escape { out: f, keep: |char| char == '\n', also: |_| false }, "{}", self.0)
    }
}

/// Bytes as a word in quotes, as docs/console-protocol.md has it: printable text as it is, `"` and `\` behind a
/// `\`, everything else as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        quoted(f, |escape| bytes(self.0, escape))
    }
}

/// A value as a word in quotes, as [`Quoted`] shows bytes.
#[derive(Clone, Copy, Debug)]
pub struct QuotedText<T>(pub T);

impl<T: Display> Display for QuotedText<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        quoted(f, |escape| write!(escape, "{}", self.0))
    }
}

fn quoted(f: &mut Formatter<'_>, write: impl FnOnce(&mut Escape<'_>) -> fmt::Result) -> fmt::Result {
    f.write_str("\"")?;
    write(&mut Escape { out: f, keep: |_| false, also: |char| matches!(char, '"' | '\\') })?;
    f.write_str("\"")
}

/// Writes text on, with escapes for what is not printable.
pub(crate) struct Escape<'a> {
    pub out: &'a mut dyn Write,
    /// What stays although it is not printable.
    pub keep: fn(char) -> bool,
    /// What gets a `\` before it although it is printable.
    pub also: fn(char) -> bool,
}

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|char| (self.also)(char) || !(is_printable(char) || (self.keep)(char))) {
            let (plain, special) = rest.split_at(at);
            self.out.write_str(plain)?;
            let char = special.chars().next().ok_or(fmt::Error)?;
            match (self.also)(char) {
                true => write!(self.out, "\\{char}")?,
                false => hex(&special.as_bytes()[..char.len_utf8()], self.out)?,
            }
            rest = &special[char.len_utf8()..];
        }
        self.out.write_str(rest)
    }
}

fn bytes(bytes: &[u8], escape: &mut Escape<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        escape.write_str(chunk.valid())?;
        hex(chunk.invalid(), escape.out)?;
    }
    Ok(())
}

fn hex(bytes: &[u8], out: &mut dyn Write) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}

/// Writes with the width the formatter asks for; left, unless it is to be right.
fn padded(f: &mut Formatter<'_>, write: impl Fn(&mut dyn Write) -> fmt::Result) -> fmt::Result {
    let Some(width) = f.width() else { return write(f) };
    let mut count = Count(0);
    write(&mut count)?;
    let (fill, room) = (f.fill(), width.saturating_sub(count.0));
    let before = match f.align() {
        Some(fmt::Alignment::Right) => room,
        Some(fmt::Alignment::Center) => room / 2,
        Some(fmt::Alignment::Left) | None => 0,
    };
    (0..before).try_for_each(|_| f.write_char(fill))?;
    write(f)?;
    (before..room).try_for_each(|_| f.write_char(fill))
}

struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.chars().count();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_line_stays_one_line_and_in_its_order() {
        let name = "a'\nsystem: 19 of 19 rules hold\u{202e}\u{2028}\u{1b}[2J\u{9b}ü";
        let shown = r"a'\x0asystem: 19 of 19 rules hold\xe2\x80\xae\xe2\x80\xa8\x1b[2J\xc2\x9bü";
        assert_eq!(format!("{}", Shown(name)), shown);
        assert_eq!(format!("{}", ShownBytes(name.as_bytes())), shown);
        assert_eq!(format!("{}", Shown(format_args!("{}|{name}", 7))), format!("7|{shown}"));
        assert_eq!(format!("{}", ShownBytes(b"latin1-\xfcber")), r"latin1-\xfcber");
        assert_eq!(format!("{}", Lines("a\nb\rc")), "a\nb\\x0dc");
    }

    #[test]
    fn a_width_counts_what_is_shown() {
        assert_eq!(
            format!("{:<6}|{:>6}|{:6}|{:^6}|", Shown("ü\n"), Shown("ab"), ShownBytes(b"ab"), Shown("ab")),
            r"ü\x0a |    ab|ab    |  ab  |"
        );
        assert_eq!(format!("{:<2}|", Shown("long")), "long|");
    }

    #[test]
    fn a_quoted_word_ends_at_its_quote() {
        assert_eq!(format!("{}", Quoted(b"a\xff\"b\\\n")), r#""a\xff\"b\\\x0a""#);
        assert_eq!(format!("{}", QuotedText(format_args!("{}: \"{}\"\n", 7, "ü"))), r#""7: \"ü\"\x0a""#);
        assert_eq!(format!("{}", Quoted("\u{200b}漢".as_bytes())), r#""\xe2\x80\x8b漢""#);
    }
}
