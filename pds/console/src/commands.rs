//! The commands: what they are called, what they take, and reading one from a line.

use core::fmt;

use ledger_fmt::Hash;
use ledger_fmt::record::DOCUMENT_NAME_MAX;
use totebox_console_protocol::change::Change;
use totebox_console_protocol::data::parse_decimal;
use totebox_console_protocol::text::parse_hash;
use totebox_console_protocol::words::{Quoted, WordError};
use totebox_protocol::intake::SIZE_UNKNOWN;

use super::errors::Error;
use super::volumes::Volumes;

/// A command as `help` shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Help {
    pub name: &'static str,
    pub arguments: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What more there is to know.
    pub details: &'static [&'static str],
}

/// How to leave. The console itself has nothing that could be left.
pub const LEAVING: &str = "the key Ctrl-] leaves totebox run, and stops the appliance";

/// Every command, in the order `help` shows them.
pub const COMMANDS: &[Help] = &[
    Help {
        name: "help",
        arguments: "[COMMAND]",
        summary: "what there is, or more about one command",
        details: &[],
    },
    Help {
        name: "status",
        arguments: "",
        summary: "every archive: state, records, bytes, room, checks, flags",
        details: &[
            "'self-check' is the archive's own integrity pass, 'last audit' the auditor's, with their age.",
            "'flags' counts those not acknowledged; 'for' is how long it has been in its state.",
            "'refused' counts what the vault refused: requests outside the archive's own volume",
            "or below what it has committed. The last row is the audit record.",
        ],
    },
    Help {
        name: "flags",
        arguments: "[VOLUME]",
        summary: "what was found and not acknowledged, the most serious first",
        details: &[
            "A flag stays until it is acknowledged: ack FLAG REASON.",
            "The first 8 findings of an audit become flags. With VOLUME, an archive's name or the audit",
            "record's: where all others are that its last audit found.",
        ],
    },
    Help {
        name: "ack",
        arguments: "FLAG REASON",
        summary: "acknowledge a flag; the reason is recorded",
        details: &["The REASON is the rest of the line, at most 120 bytes."],
    },
    Help {
        name: "history",
        arguments: "[FROM]",
        summary: "the audit record: the last records, or those from number FROM on",
        details: &["At most 24 records at a time."],
    },
    Help {
        name: "suspend",
        arguments: "ARCHIVE",
        summary: "bring an archive to rest and stop it",
        details: &["It takes and gives nothing until: resume ARCHIVE. Ctrl-C stops waiting, not the archive."],
    },
    Help { name: "resume", arguments: "ARCHIVE", summary: "let a suspended archive go on", details: &[] },
    Help {
        name: "archive",
        arguments: "ARCHIVE final",
        summary: "close an archive for good; the word final confirms it",
        details: &["The vault seals its volume: what is in it can be read, and nothing is added ever again."],
    },
    Help {
        name: "sign",
        arguments: "ARCHIVE",
        summary: "have an archive sign a checkpoint over all its records now",
        details: &[
            "It does so by itself once an audit period, when it is suspended or archived, and soon after a start.",
            "Where nothing is new nothing is added; the last checkpoint is named.",
        ],
    },
    Help {
        name: "ls",
        arguments: "ARCHIVE [FROM [COUNT]]",
        summary: "the records of an archive, from number FROM on",
        details: &["Ctrl-C stops a long listing."],
    },
    Help {
        name: "put",
        arguments: "ARCHIVE NAME [SIZE [HASH]]",
        summary: "put a document into an archive",
        details: &[
            "Without SIZE: type the text; a line with a single . ends it, Ctrl-C gives it up.",
            "With SIZE the content follows in data lines, as a program sends them; HASH is its BLAKE3.",
            "A NAME with blanks stands in \"quotes\". What is committed stays for ever.",
        ],
    },
    Help {
        name: "get",
        arguments: "ARCHIVE SEQ [OFFSET]",
        summary: "show the document in record SEQ, from byte OFFSET on",
        details: &["Text is shown as it is, anything else in data lines: @OFFSET BASE64 #CRC."],
    },
    Help {
        name: "receipt",
        arguments: "TAG",
        summary: "what became of a submission",
        details: &["The last 64 submissions since the start are known."],
    },
    Help {
        name: "audit",
        arguments: "[VOLUME]",
        summary: "have the auditor read and check every committed byte",
        details: &[
            "VOLUME is an archive's name or the audit record's; without it, all of them.",
            "Ctrl-C stops waiting, not the auditor; its verdict then shows in status. verify is the same.",
        ],
    },
    Help {
        name: "machine",
        arguments: "[NUMBER]",
        summary: "for programs: no echo, every line ends in its checksum",
        details: &["The answer repeats NUMBER. Ctrl-C comes back from there."],
    },
    Help { name: "person", arguments: "", summary: "for people: this mode", details: &[] },
];

/// A command that can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Help(Option<&'static Help>),
    Status,
    List { archive: usize, from: u64, count: u64 },
    Sign { archive: usize },
    Put { archive: usize, name: &'a str, size: Option<u64>, hash: Option<Hash> },
    Get { archive: usize, sequence: u64, offset: u64 },
    Receipt { tag: u32 },
    Flags(Option<usize>),
    Acknowledge { flag: u32, reason: &'a [&'a str] },
    History { from: Option<u64> },
    Change { archive: usize, change: Change },
    Audit(Option<usize>),
    Machine { number: u64 },
    Person,
}

/// Why a line is not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError<'a> {
    Words(WordError),
    UnknownCommand(&'a str),
    UnknownArchive(&'a str),
    /// Too few or too many words.
    Arguments(&'static Help),
    /// A word that should be a number.
    Number(&'a str),
    /// A size no document can have.
    Size(&'a str),
    /// A word that should be a hash.
    Hash(&'a str),
    NameTooLong,
    /// The archive that is to be archived, without the word that confirms it.
    NotConfirmed(&'a str),
}

impl ParseError<'_> {
    /// The error's name.
    pub const fn error(&self) -> Error {
        match self {
            ParseError::UnknownCommand(_) => Error::UnknownCommand,
            ParseError::UnknownArchive(_) => Error::UnknownArchive,
            ParseError::NameTooLong => Error::BadName,
            _ => Error::BadArgument,
        }
    }
}

/// Shows a word without letting a long one fill the answer.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARS_MAX: usize = 40;
        match self.0.char_indices().nth(CHARS_MAX) {
            Some((end, _)) => write!(f, "{}...", Quoted(&self.0.as_bytes()[..end])),
            None => write!(f, "{}", Quoted(self.0.as_bytes())),
        }
    }
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Words(error) => write!(f, "{error}"),
            ParseError::UnknownCommand(word @ ("quit" | "exit" | "logout")) => {
                write!(f, "no command {}; {LEAVING}", Short(word))
            }
            ParseError::UnknownCommand(word) => write!(f, "no command {}; type help", Short(word)),
            ParseError::UnknownArchive(word) => write!(f, "no archive {}; status shows them", Short(word)),
            ParseError::Arguments(help) => write!(f, "usage: {} {}", help.name, help.arguments),
            ParseError::Number(word) => write!(f, "not a decimal number: {}", Short(word)),
            ParseError::Size(word) => {
                write!(f, "not a size in bytes: {}; a name with blanks stands in quotes", Short(word))
            }
            ParseError::Hash(word) => write!(f, "not a BLAKE3 hash of 64 hexadecimal digits: {}", Short(word)),
            ParseError::NameTooLong => write!(f, "a name has at most {DOCUMENT_NAME_MAX} bytes"),
            ParseError::NotConfirmed(name) => {
                write!(
                    f,
                    "nothing can be added to {name} once it is archived; if you mean it: archive {name} final"
                )
            }
        }
    }
}

/// Reads a command.
pub fn parse<'a>(words: &'a [&'a str], volumes: &Volumes) -> Result<Command<'a>, ParseError<'a>> {
    let (&name, arguments) = words.split_first().ok_or(ParseError::UnknownCommand(""))?;
    let find = |name: &'a str| {
        let known = if name == "verify" { "audit" } else { name };
        COMMANDS.iter().find(|help| help.name == known).ok_or(ParseError::UnknownCommand(name))
    };
    let help = find(name)?;
    let volume = |word| volumes.find(word).ok_or(ParseError::UnknownArchive(word));
    let archive = |word| volumes.find_archive(word).ok_or(ParseError::UnknownArchive(word));
    let number = |word| parse_decimal(word).ok_or(ParseError::Number(word));
    let tag = |word| number(word)?.try_into().map_err(|_| ParseError::Number(word));
    let change = |name, change| Ok(Command::Change { archive: archive(name)?, change });
    Ok(match (help.name, arguments) {
        ("help", []) => Command::Help(None),
        ("help", &[word]) => Command::Help(Some(find(word)?)),
        ("status", []) => Command::Status,
        ("flags", []) => Command::Flags(None),
        ("flags", &[name]) => Command::Flags(Some(volume(name)?)),
        ("ack", &[flag, ref reason @ ..]) => Command::Acknowledge { flag: tag(flag)?, reason },
        ("history", []) => Command::History { from: None },
        ("history", &[from]) => Command::History { from: Some(number(from)?) },
        ("suspend", &[name]) => change(name, Change::Suspend)?,
        ("resume", &[name]) => change(name, Change::Resume)?,
        ("archive", &[name, "final"]) => change(name, Change::Archive)?,
        ("archive", &[name]) => {
            archive(name)?;
            return Err(ParseError::NotConfirmed(name));
        }
        ("sign", &[name]) => Command::Sign { archive: archive(name)? },
        ("ls", &[name, ref range @ ..]) => {
            let (from, count) = match *range {
                [] => (0, u64::MAX),
                [from] => (number(from)?, u64::MAX),
                [from, count] => (number(from)?, number(count)?),
                _ => return Err(ParseError::Arguments(help)),
            };
            Command::List { archive: archive(name)?, from, count }
        }
        ("put", &[into, name, ref rest @ ..]) => {
            let (size, hash) = match *rest {
                [] => (None, None),
                [size] => (Some(parse_size(size)?), None),
                [size, hash] => (Some(parse_size(size)?), Some(parse_hash(hash).ok_or(ParseError::Hash(hash))?)),
                _ => return Err(ParseError::Arguments(help)),
            };
            if name.len() > DOCUMENT_NAME_MAX {
                return Err(ParseError::NameTooLong);
            }
            Command::Put { archive: archive(into)?, name, size, hash }
        }
        ("get", &[name, sequence, ref offset @ ..]) => {
            let offset = match *offset {
                [] => 0,
                [offset] => number(offset)?,
                _ => return Err(ParseError::Arguments(help)),
            };
            Command::Get { archive: archive(name)?, sequence: number(sequence)?, offset }
        }
        ("receipt", &[word]) => Command::Receipt { tag: tag(word)? },
        ("audit", []) => Command::Audit(None),
        ("audit", &[name]) => Command::Audit(Some(volume(name)?)),
        ("machine", []) => Command::Machine { number: 0 },
        ("machine", &[word]) => Command::Machine { number: number(word)? },
        ("person", []) => Command::Person,
        _ => return Err(ParseError::Arguments(help)),
    })
}

fn parse_size(word: &str) -> Result<u64, ParseError<'_>> {
    parse_decimal(word).filter(|&size| size != SIZE_UNKNOWN).ok_or(ParseError::Size(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn volumes() -> Volumes {
        Volumes::named(&["contracts", "finance", "audit"])
    }

    #[test]
    fn every_command_is_read() {
        let hash = "ab".repeat(32);
        let put = |size, hash| Command::Put { archive: 1, name: "a b", size, hash };
        let cases: &[(&[&str], Command)] = &[
            (&["help"], Command::Help(None)),
            (&["help", "flags"], Command::Help(Some(&COMMANDS[2]))),
            (&["status"], Command::Status),
            (&["flags"], Command::Flags(None)),
            (&["flags", "finance"], Command::Flags(Some(1))),
            (&["flags", "audit"], Command::Flags(Some(2))),
            (&["ack", "7"], Command::Acknowledge { flag: 7, reason: &[] }),
            (&["ack", "7", "a", "b c"], Command::Acknowledge { flag: 7, reason: &["a", "b c"] }),
            (&["history"], Command::History { from: None }),
            (&["history", "9"], Command::History { from: Some(9) }),
            (&["suspend", "finance"], Command::Change { archive: 1, change: Change::Suspend }),
            (&["resume", "contracts"], Command::Change { archive: 0, change: Change::Resume }),
            (&["archive", "finance", "final"], Command::Change { archive: 1, change: Change::Archive }),
            (&["sign", "finance"], Command::Sign { archive: 1 }),
            (&["ls", "finance"], Command::List { archive: 1, from: 0, count: u64::MAX }),
            (&["ls", "contracts", "3", "4"], Command::List { archive: 0, from: 3, count: 4 }),
            (&["put", "finance", "a b"], put(None, None)),
            (&["put", "finance", "a b", "0"], put(Some(0), None)),
            (&["put", "finance", "a b", "12", &hash], put(Some(12), Some([0xab; 32]))),
            (&["get", "contracts", "7"], Command::Get { archive: 0, sequence: 7, offset: 0 }),
            (&["get", "contracts", "7", "9"], Command::Get { archive: 0, sequence: 7, offset: 9 }),
            (&["receipt", "5"], Command::Receipt { tag: 5 }),
            (&["audit"], Command::Audit(None)),
            (&["audit", "audit"], Command::Audit(Some(2))),
            (&["verify", "finance"], Command::Audit(Some(1))),
            (&["machine"], Command::Machine { number: 0 }),
            (&["machine", "77"], Command::Machine { number: 77 }),
            (&["person"], Command::Person),
        ];
        for (words, command) in cases {
            assert_eq!(parse(words, &volumes()), Ok(*command), "{words:?}");
        }
        for help in COMMANDS {
            assert!(cases.iter().any(|(words, _)| words[0] == help.name), "{} is not tried here", help.name);
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let long = "n".repeat(256);
        let cases: &[(&[&str], &str)] = &[
            (&[""], "unknown-command no command \"\"; type help"),
            (
                &["quit"],
                "unknown-command no command \"quit\"; the key Ctrl-] leaves totebox run, and stops the appliance",
            ),
            (&["halp"], "unknown-command no command \"halp\"; type help"),
            (&["help", "x"], "unknown-command no command \"x\"; type help"),
            (&["ls", "audit"], "unknown-archive no archive \"audit\"; status shows them"),
            (&["ls"], "bad-argument usage: ls ARCHIVE [FROM [COUNT]]"),
            (&["status", "x"], "bad-argument usage: status "),
            (&["ls", "finance", "-1"], "bad-argument not a decimal number: \"-1\""),
            (
                &["put", "finance", "x", "+1"],
                "bad-argument not a size in bytes: \"+1\"; a name with blanks stands in quotes",
            ),
            (
                &["put", "finance", "x", "18446744073709551615"],
                "bad-argument not a size in bytes: \"18446744073709551615\"; a name with blanks stands in quotes",
            ),
            (
                &["put", "finance", "x", "1", "ff"],
                "bad-argument not a BLAKE3 hash of 64 hexadecimal digits: \"ff\"",
            ),
            (&["put", "finance", &long], "bad-name a name has at most 255 bytes"),
            (&["suspend", "audit"], "unknown-archive no archive \"audit\"; status shows them"),
            (&["archive", "nowhere"], "unknown-archive no archive \"nowhere\"; status shows them"),
            (
                &["archive", "finance"],
                "bad-argument nothing can be added to finance once it is archived; if you mean it: archive finance \
                 final",
            ),
            (&["archive", "finance", "really"], "bad-argument usage: archive ARCHIVE final"),
            (&["ack"], "bad-argument usage: ack FLAG REASON"),
            (&["ack", "asset"], "bad-argument not a decimal number: \"asset\""),
            (&["history", "1", "2"], "bad-argument usage: history [FROM]"),
            (&["flags", "nowhere"], "unknown-archive no archive \"nowhere\"; status shows them"),
            (&["flags", "finance", "1"], "bad-argument usage: flags [VOLUME]"),
            (&["receipt", "4294967296"], "bad-argument not a decimal number: \"4294967296\""),
        ];
        for (words, message) in cases {
            let error = parse(words, &volumes()).expect_err(message);
            assert_eq!(format!("{} {error}", error.error().name()), *message);
        }
    }
}
