//! What the lines of machine mode say. See docs/console-protocol.md.

use std::collections::BTreeMap;
use std::fmt;

use ledger_fmt::Hash;
use totebox_console_protocol::data::{CONTENT_MAX, ErrorLine, decode, parse_decimal};
use totebox_console_protocol::text::parse_hash;
use totebox_console_protocol::words::split;

/// A line the appliance sent, its checksum already taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A command succeeded: its first word, and what it says.
    Done(String, Fields),
    /// A command failed, or the submission with this tag.
    Refused(Refusal),
    /// A row of a listing: its kind, and what it says.
    Row(String, Fields),
    Content(u64, Vec<u8>),
    /// Every byte of a submission before this offset is taken; with a reason: go back to it.
    Flow(u64, Option<String>),
    /// A submission may be sent: its tag and window.
    Ready(u32, usize),
    /// A submission waits for its receipt.
    Pending(u32),
    Receipt(Receipt),
    News(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub name: String,
    /// The submission it concerns; without one, the command.
    pub tag: Option<u32>,
    pub text: String,
    /// It came as an event: of a submission that was left alone.
    pub event: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}

impl std::error::Error for Refusal {}

/// A committed document, as the appliance acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub tag: u32,
    pub sequence: u64,
    /// Bytes of content.
    pub size: u64,
    pub hash: Hash,
    pub record: Hash,
    pub time_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_string)
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        parse_decimal(self.text(key)?)
    }

    pub fn hash(&self, key: &str) -> Option<Hash> {
        parse_hash(self.text(key)?)
    }

    pub fn yes(&self, key: &str) -> bool {
        self.text(key) == Some("yes")
    }

    /// Reads pairs; words of another form are skipped.
    fn parse(text: &str) -> Fields {
        let mut fields = BTreeMap::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let word = &rest[..word_len(rest)];
            rest = rest[word.len()..].trim_start();
            if let Some((key, value)) = word.split_once('=') {
                fields.insert(key.to_string(), unquoted(value));
            }
        }
        Fields(fields)
    }
}

/// Bytes up to the blank that ends the first word; blanks in quotes do not.
fn word_len(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b' ' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// A value without its quotes. One that is not text, or not well quoted, stays as it is.
fn unquoted(value: &str) -> String {
    if !value.starts_with('"') {
        return value.to_string();
    }
    let mut buffer = vec![0; value.len()];
    match split(value.as_bytes(), &mut buffer).as_deref() {
        Ok(&[word]) => word.to_string(),
        _ => value.to_string(),
    }
}

impl Line {
    /// Reads a line; `None` if it is of no form that is known.
    pub fn parse(line: &str) -> Option<Line> {
        let (first, rest) = line.split_at_checked(1)?;
        Some(match first {
            "+" => Line::parse_done(rest)?,
            "-" => Line::Refused(Refusal::parse(rest, false)?),
            "=" => {
                let (kind, fields) = rest.split_once(' ').unwrap_or((rest, ""));
                Line::Row(kind.to_string(), Fields::parse(fields))
            }
            "@" => {
                let mut content = [0; CONTENT_MAX];
                let (offset, len) = decode(line.as_bytes(), &mut content)?;
                Line::Content(offset, content[..len].to_vec())
            }
            "?" => match rest.split_once(' ') {
                None => Line::Flow(parse_decimal(rest)?, None),
                Some((offset, name)) => Line::Flow(parse_decimal(offset)?, Some(name.to_string())),
            },
            // The end of a submission whose sender seemed to be gone is told as an event.
            "*" => match rest.split_at_checked(1) {
                Some(("+", done)) => Line::parse_done(done)?,
                Some(("-", refusal)) => Line::Refused(Refusal::parse(refusal, true)?),
                _ => Line::News(rest.to_string()),
            },
            _ => return None,
        })
    }

    fn parse_done(rest: &str) -> Option<Line> {
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut words = text.splitn(2, ' ');
        let tag = words.next().and_then(parse_tag);
        let rest = words.next().unwrap_or("");
        Some(match name {
            "ready" => Line::Ready(tag?, rest.parse().ok()?),
            "pending" => Line::Pending(tag?),
            "receipt" => {
                let fields = Fields::parse(rest);
                Line::Receipt(Receipt {
                    tag: tag?,
                    sequence: fields.number("seq")?,
                    size: fields.number("size")?,
                    hash: fields.hash("hash")?,
                    record: fields.hash("record")?,
                    time_ms: fields.number("time")?,
                })
            }
            _ => Line::Done(name.to_string(), Fields::parse(text)),
        })
    }
}

/// The commands of the console that its sentences name, and that this tool has, too.
const NAMED: [&str; 5] = ["audit", "flags", "history", "ls", "status"];

/// A sentence of the console with the commands it names as they are typed to a shell.
fn as_of_the_tool(text: &str) -> String {
    NAMED.iter().fold(text.to_string(), |text, command| {
        let text = text.replace(&format!("with: {command}"), &format!("with: totebox {command}"));
        let text = text.replace(&format!("see {command}"), &format!("see totebox {command}"));
        text.replace(&format!("; {command} shows"), &format!("; totebox {command} shows"))
    })
}

impl Refusal {
    fn parse(rest: &str, event: bool) -> Option<Refusal> {
        let ErrorLine { name, tag, text } = ErrorLine::parse(rest)?;
        Some(Refusal { name: name.to_string(), tag, text: as_of_the_tool(text), event })
    }
}

fn parse_tag(word: &str) -> Option<u32> {
    parse_decimal(word)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, tag: Option<u32>, text: &str, event: bool) -> Option<Line> {
        Some(Line::Refused(Refusal { name: name.into(), tag, text: text.into(), event }))
    }

    #[test]
    fn commands_are_named_as_this_tool_has_them() {
        for (line, text) in [
            (
                "-not-found archive a has 3 records, counted from 0; see them with: ls a",
                "see them with: totebox ls a",
            ),
            ("-damaged it is not what was committed; find out more with: audit a", "more with: totebox audit a"),
            ("-unknown-archive no archive \"b\"; status shows them", "; totebox status shows them"),
            ("-failed finance is active: it failed; see flags", "; see totebox flags"),
        ] {
            let Some(Line::Refused(refusal)) = Line::parse(line) else { panic!("{line}") };
            assert!(refusal.text.ends_with(text), "{}", refusal.text);
        }
    }

    #[test]
    fn every_form_of_line_is_read() {
        assert_eq!(Line::parse("+ready 7 8"), Some(Line::Ready(7, 8)));
        assert_eq!(Line::parse("+pending 7"), Some(Line::Pending(7)));
        assert_eq!(Line::parse("?12"), Some(Line::Flow(12, None)));
        assert_eq!(Line::parse("?12 bad-crc"), Some(Line::Flow(12, Some("bad-crc".into()))));
        assert_eq!(Line::parse("@5 YWJj"), Some(Line::Content(5, b"abc".to_vec())));
        assert_eq!(Line::parse("*archive x is active"), Some(Line::News("archive x is active".into())));
        assert_eq!(Line::parse("-full:7 no room"), refused("full", Some(7), "no room", false));
        assert_eq!(Line::parse("*-full:7 no room"), refused("full", Some(7), "no room", true));
        assert_eq!(Line::parse("-busy a moment"), refused("busy", None, "a moment", false));
        assert_eq!(Line::parse("-busy 32 wait"), refused("busy", None, "32 wait", false));
        let hash = "ab".repeat(32);
        let receipt = Receipt { tag: 7, sequence: 3, size: 5, hash: [0xab; 32], record: [0xab; 32], time_ms: 9 };
        let line = format!("+receipt 7 seq=3 size=5 hash={hash} record={hash} time=9 more=1");
        assert_eq!(Line::parse(&line), Some(Line::Receipt(receipt.clone())));
        assert_eq!(Line::parse(&format!("*{line}")), Some(Line::Receipt(receipt)));
    }

    #[test]
    fn names_come_out_of_their_quotes() {
        let Some(Line::Row(kind, fields)) = Line::parse(r#"=record seq=1 name="a \"b\" = \x0a ü" size=2"#) else {
            panic!("not a row");
        };
        assert_eq!(kind, "record");
        assert_eq!(fields.text("name"), Some("a \"b\" = \n ü"));
        assert_eq!((fields.number("seq"), fields.number("size"), fields.number("name")), (Some(1), Some(2), None));
        let Some(Line::Row(_, fields)) = Line::parse(r#"=record name="\xff""#) else { panic!("not a row") };
        assert_eq!(fields.text("name"), Some(r#""\xff""#), "what is not UTF-8 stays quoted");
    }

    #[test]
    fn other_lines_are_not_understood() {
        for line in ["", "hello", "?", "?x", "@x", "+ready", "+ready 7", "+receipt 1 seq=2", "-x", "-x:y z", "ü"]
        {
            assert_eq!(Line::parse(line), None, "{line}");
        }
    }
}
