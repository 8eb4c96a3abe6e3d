//! The errors the operator can meet, by name, and the lines that tell of them. Every text begins with a
//! letter, so that it cannot be taken for a tag.

use core::fmt;

use super::output::Output;
use crate::proto::intake::Failure;

/// An error's name, as docs/console-protocol.md lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    UnknownCommand,
    BadArgument,
    UnknownArchive,
    LineTooLong,
    BadCrc,
    Cancelled,
    Busy,
    BadName,
    WrongSize,
    WrongHash,
    Full,
    NotFound,
    NotADocument,
    Damaged,
    Sealed,
    Disk,
    Unavailable,
    NotActive,
    Mismatch,
    ArchiveBroken,
    NotAnswering,
    AlreadyThere,
    ImpossibleTransition,
    UnknownFlag,
    AlreadyAcknowledged,
    BadReason,
    NotRecorded,
    NotReady,
    Stopped,
    Unrecorded,
    Failed,
}

impl Error {
    /// The name on the line.
    pub const fn name(self) -> &'static str {
        match self {
            Error::UnknownCommand => "unknown-command",
            Error::BadArgument => "bad-argument",
            Error::UnknownArchive => "unknown-archive",
            Error::LineTooLong => "line-too-long",
            Error::BadCrc => "bad-crc",
            Error::Cancelled => "cancelled",
            Error::Busy => "busy",
            Error::BadName => "bad-name",
            Error::WrongSize => "wrong-size",
            Error::WrongHash => "wrong-hash",
            Error::Full => "full",
            Error::NotFound => "not-found",
            Error::NotADocument => "not-a-document",
            Error::Damaged => "damaged",
            Error::Sealed => "sealed",
            Error::Disk => "io-error",
            Error::Unavailable => "unavailable",
            Error::NotActive => "not-active",
            Error::Mismatch => "mismatch",
            Error::ArchiveBroken => "archive-broken",
            Error::NotAnswering => "not-answering",
            Error::AlreadyThere => "already-there",
            Error::ImpossibleTransition => "impossible-transition",
            Error::UnknownFlag => "unknown-flag",
            Error::AlreadyAcknowledged => "already-acknowledged",
            Error::BadReason => "bad-reason",
            Error::NotRecorded => "not-recorded",
            Error::NotReady => "not-ready",
            Error::Stopped => "stopped",
            Error::Unrecorded => "unrecorded",
            Error::Failed => "failed",
        }
    }
}

/// A request the archive of this name refused.
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    pub archive: &'a str,
    pub failure: Failure,
    /// The detail that goes with it.
    pub value: u64,
}

impl Refused<'_> {
    /// The error's name.
    pub const fn error(&self) -> Error {
        match self.failure {
            Failure::BadRequest => Error::BadArgument,
            Failure::BadName => Error::BadName,
            Failure::WrongSize => Error::WrongSize,
            Failure::WrongHash => Error::WrongHash,
            Failure::Full => Error::Full,
            Failure::NotFound => Error::NotFound,
            Failure::NotADocument => Error::NotADocument,
            Failure::Damaged => Error::Damaged,
            Failure::Sealed => Error::Sealed,
            Failure::Io => Error::Disk,
            Failure::Unavailable => Error::Unavailable,
            Failure::NotActive => Error::NotActive,
            Failure::Cancelled => Error::Cancelled,
        }
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (archive, value) = (self.archive, self.value);
        match self.failure {
            Failure::BadRequest => write!(f, "archive {archive} cannot do that; see help"),
            Failure::BadName => {
                f.write_str("a name has 1 to 255 bytes of UTF-8 without control characters; nothing was committed")
            }
            Failure::WrongSize => {
                write!(f, "not the declared size: {value} bytes came; nothing was committed, send it again")
            }
            Failure::WrongHash => {
                f.write_str("the content has another hash than declared; nothing was committed, send it again")
            }
            Failure::Full if value == 0 => {
                write!(f, "archive {archive} is full; nothing was committed; use another archive")
            }
            Failure::Full => write!(
                f,
                "archive {archive} has room for {value} bytes; nothing was committed; use another archive"
            ),
            Failure::NotFound => {
                write!(f, "archive {archive} has {value} records, counted from 0; see them with: ls {archive}")
            }
            Failure::NotADocument => {
                write!(f, "that record carries no document; see which do with: ls {archive}")
            }
            Failure::Damaged => {
                write!(f, "the content on disk is not what was committed; find out more with: audit {archive}")
            }
            Failure::Sealed => write!(f, "archive {archive} is sealed: it is read, never added to"),
            Failure::Io => write!(f, "a read or write of the disk failed for archive {archive}; see status"),
            Failure::Unavailable => {
                write!(f, "the volume of archive {archive} is not usable; see status for the reason")
            }
            Failure::NotActive => write!(f, "archive {archive} is not active; see status"),
            Failure::Cancelled => f.write_str("given up; nothing was committed"),
        }
    }
}

impl Output {
    /// Ends an answer, or the submission with this tag, with an error.
    pub fn error(&mut self, error: Error, tag: Option<u32>, text: fmt::Arguments<'_>) {
        match tag {
            Some(tag) => self.line(format_args!("-{} {tag} {text}", error.name())),
            None => self.line(format_args!("-{} {text}", error.name())),
        }
    }

    /// Passes on that an archive refused.
    pub fn refused(&mut self, refused: Refused<'_>, tag: Option<u32>) {
        self.error(refused.error(), tag, format_args!("{refused}"));
    }
}
