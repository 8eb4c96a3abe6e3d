//! What a command is: its row in the table of commands, what it asks for, and why a line is none.

use core::fmt::{self, Debug, Display, Formatter};

use ledger_fmt::Hash;
use ledger_fmt::payload::DOCUMENT_NAME_MAX;
use totebox_console_protocol::data::parse_decimal;
use totebox_console_protocol::text::parse_hash;
use totebox_console_protocol::words::{Quoted, WordError};
use totebox_protocol::intake::SIZE_UNKNOWN;
use totebox_protocol::operator::Order;

use super::errors::Error;
use super::look::LookKind;
use super::order::OrderKind;
use super::volumes::Volumes;

/// How to leave. The console itself has nothing that could be left.
pub const LEAVING: &str = "the key Ctrl-] leaves totebox run, and stops the appliance";

/// A command: what `help` shows of it, and how its words are read.
pub struct Command {
    pub name: &'static str,
    pub arguments: &'static str,
    pub summary: &'static str,
    /// What more there is to know.
    pub details: &'static [&'static str],
    pub read: for<'a> fn(&Reader<'_>, &'a [&'a str]) -> Result<Action<'a>, ParseError<'a>>,
}

impl PartialEq for Command {
    fn eq(&self, other: &Command) -> bool {
        self.name == other.name
    }
}

impl Eq for Command {}

impl Debug for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    Help(Option<&'static Command>),
    Look(&'static LookKind),
    /// An order, what comes of it, and the words of its reason, if it takes one.
    Order(Order, &'static OrderKind, &'a [&'a str]),
    List {
        archive: usize,
        from: u64,
        count: u64,
    },
    Sign {
        archive: usize,
    },
    Put {
        archive: usize,
        name: &'a str,
        size: Option<u64>,
        hash: Option<Hash>,
    },
    Get {
        archive: usize,
        sequence: u64,
        offset: u64,
    },
    Receipt {
        tag: u32,
    },
    Machine {
        number: u64,
    },
    Person,
}

pub struct Reader<'v> {
    pub command: &'static Command,
    pub volumes: &'v Volumes,
}

impl Reader<'_> {
    /// There are too few or too many words.
    pub fn usage<'a>(&self) -> ParseError<'a> {
        ParseError::Arguments(self.command)
    }

    /// An archive's name.
    pub fn archive<'a>(&self, word: &'a str) -> Result<usize, ParseError<'a>> {
        self.volumes.find_archive(word).ok_or(match self.volumes.find(word) {
            Some(_) => ParseError::NotAnArchive(word),
            None => ParseError::UnknownArchive(word),
        })
    }

    /// A volume's name: an archive's, or the audit record's.
    pub fn volume<'a>(&self, word: &'a str) -> Result<usize, ParseError<'a>> {
        self.volumes.find(word).ok_or(ParseError::UnknownArchive(word))
    }

    pub fn number<'a>(&self, word: &'a str) -> Result<u64, ParseError<'a>> {
        parse_decimal(word).ok_or(ParseError::Number(word))
    }

    /// The number of a flag or a submission.
    pub fn tag<'a>(&self, word: &'a str) -> Result<u32, ParseError<'a>> {
        self.number(word)?.try_into().map_err(|_| ParseError::Number(word))
    }

    /// A size in bytes.
    pub fn size<'a>(&self, word: &'a str) -> Result<u64, ParseError<'a>> {
        parse_decimal(word).filter(|&size| size != SIZE_UNKNOWN).ok_or(ParseError::Size(word))
    }

    /// A hash in hexadecimal digits.
    pub fn hash<'a>(&self, word: &'a str) -> Result<Hash, ParseError<'a>> {
        parse_hash(word).ok_or(ParseError::Hash(word))
    }
}

/// Why a line is not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError<'a> {
    Words(WordError),
    UnknownCommand(&'a str),
    UnknownArchive(&'a str),
    /// The audit record, where an archive is meant.
    NotAnArchive(&'a str),
    /// Too few or too many words.
    Arguments(&'static Command),
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
    pub const fn error(&self) -> Error {
        match self {
            ParseError::UnknownCommand(_) => Error::UnknownCommand,
            ParseError::UnknownArchive(_) | ParseError::NotAnArchive(_) => Error::UnknownArchive,
            ParseError::NameTooLong => Error::BadName,
            _ => Error::BadArgument,
        }
    }
}

/// Shows a word without letting a long one fill the answer.
struct Short<'a>(&'a str);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const CHARS_MAX: usize = 40;
        match self.0.char_indices().nth(CHARS_MAX) {
            Some((end, _)) => write!(f, "{}...", Quoted(&self.0.as_bytes()[..end])),
            None => write!(f, "{}", Quoted(self.0.as_bytes())),
        }
    }
}

impl Display for ParseError<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Words(error) => write!(f, "{error}"),
            ParseError::UnknownCommand(word @ ("quit" | "exit" | "logout")) => {
                write!(f, "no command {}; {LEAVING}", Short(word))
            }
            ParseError::UnknownCommand(word) => write!(f, "no command {}; type help", Short(word)),
            ParseError::UnknownArchive(word) => write!(f, "no archive {}; status shows them", Short(word)),
            ParseError::NotAnArchive(word) => {
                write!(f, "{word} is the audit record, and no archive; history shows it")
            }
            ParseError::Arguments(command) => write!(f, "usage: {} {}", command.name, command.arguments),
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
