//! Strings in documents that the program writes: JSON, HTML, SVG, DOT, Markdown.

use core::fmt::{self, Display, Formatter, Write};

use crate::is_printable;
use crate::terminal::Escape;

/// A JSON text, whose strings read back as they were: what is not printable in them is written as `\uNNNN`.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Display> Display for Json<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        each(f, &self.0, |char, out| match char {
            // Between values; a JSON string has none.
            '\n' => out.write_char(char),
            _ if is_printable(char) => out.write_char(char),
            _ => char.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}")),
        })
    }
}

/// Text, or the value of an attribute, in HTML and SVG.
#[derive(Clone, Copy, Debug)]
pub struct Xml<T>(pub T);

impl<T: Display> Display for Xml<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        each(f, &self.0, |char, out| match char {
            '&' => out.write_str("&amp;"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '"' => out.write_str("&quot;"),
            _ => escaped(char, out, |char| char == '\n'),
        })
    }
}

/// A string in the DOT language, with its quotes.
#[derive(Clone, Copy, Debug)]
pub struct Dot<T>(pub T);

impl<T: Display> Display for Dot<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        each(f, &self.0, |char, out| match char {
            '\n' => out.write_str("\\n"),
            '"' | '\\' => write!(out, "\\{char}"),
            _ if is_printable(char) => out.write_char(char),
            // Graphviz takes one backslash away, as from any other in a string.
            _ => char.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(out, "\\\\x{byte:02x}")),
        })?;
        f.write_str("\"")
    }
}

/// Running text in Markdown, on one line.
#[derive(Clone, Copy, Debug)]
pub struct Markdown<T>(pub T);

impl<T: Display> Display for Markdown<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        each(f, &self.0, |char, out| match char {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '|' | '~' | '!' => {
                write!(out, "\\{char}")
            }
            _ => escaped(char, out, |_| false),
        })
    }
}

/// A name as code in Markdown, on one line: between more backticks than it has in a row.
#[derive(Clone, Copy, Debug)]
pub struct MarkdownCode<T>(pub T);

impl<T: Display> Display for MarkdownCode<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut longest = Longest::default();
        write!(longest, "{}", self.0)?;
        let fence = |f: &mut Formatter<'_>| (0..=longest.most).try_for_each(|_| f.write_str("`"));
        // A blank at each end is taken away again; without it the code could not begin with a backtick.
        let blank = if longest.most > 0 { " " } else { "" };
        fence(f)?;
        f.write_str(blank)?;
        each(f, &self.0, |char, out| escaped(char, out, |_| false))?;
        f.write_str(blank)?;
        fence(f)
    }
}

/// The longest row of backticks in a text.
#[derive(Default)]
struct Longest {
    now: usize,
    most: usize,
}

impl Write for Longest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            self.now = if char == '`' { self.now + 1 } else { 0 };
            self.most = self.most.max(self.now);
        }
        Ok(())
    }
}

fn escaped(char: char, out: &mut dyn Write, keep: fn(char) -> bool) -> fmt::Result {
    Escape { out, keep, also: |_| false }.write_char(char)
}

/// Writes a value a character at a time.
fn each(
    out: &mut dyn Write,
    value: &impl Display,
    write: impl FnMut(char, &mut dyn Write) -> fmt::Result,
) -> fmt::Result {
    struct Each<'a, F> {
        out: &'a mut dyn Write,
        write: F,
    }
    impl<F: FnMut(char, &mut dyn Write) -> fmt::Result> Write for Each<'_, F> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().try_for_each(|char| (self.write)(char, self.out))
        }
    }
    write!(Each { out, write }, "{value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn json_keeps_its_strings() {
        assert_eq!(
            format!("{}", Json("{\n  \"a\": \"ü\u{202e}\u{7f}\u{e0041}\"\n}")),
            "{\n  \"a\": \"ü\\u202e\\u007f\\udb40\\udc41\"\n}"
        );
    }

    #[test]
    fn nothing_ends_the_place_it_stands_in() {
        assert_eq!(format!("{}", Xml("<a b=\"&\u{202e}\">\n")), "&lt;a b=&quot;&amp;\\xe2\\x80\\xae&quot;&gt;\n");
        assert_eq!(format!("{}", Dot("a\"\\\n\u{1b}")), r#""a\"\\\n\\x1b""#);
        assert_eq!(
            format!("{}", Markdown("a\n<b> [c](d) *e* `f`\u{200b}")),
            r"a\x0a\<b\> \[c\](d) \*e\* \`f\`\xe2\x80\x8b"
        );
        assert_eq!(format!("{} {}", MarkdownCode("a*b\n"), MarkdownCode("`c``")), r"`a*b\x0a` ``` `c`` ```");
    }
}
