//! The errors the operator can meet, by name, and the lines that tell of them.

use core::fmt;

use totebox_console_protocol::data::ErrorLine;
use totebox_console_protocol::text::Count;
use totebox_protocol::intake::Refusal;

use super::output::Output;

/// Makes the type of the errors from the table of them.
macro_rules! errors {
    ($($error:ident => $name:literal,)*) => {
        /// An error, as docs/console-protocol.md lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Error {
            $($error,)*
        }

        impl Error {
            #[cfg(test)]
            pub const ALL: &[Error] = &[$(Error::$error),*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Error::$error => $name,)*
                }
            }
        }
    };
}

errors! {
    UnknownCommand => "unknown-command",
    BadArgument => "bad-argument",
    UnknownArchive => "unknown-archive",
    LineTooLong => "line-too-long",
    BadCrc => "bad-crc",
    Cancelled => "cancelled",
    Busy => "busy",
    BadName => "bad-name",
    WrongSize => "wrong-size",
    WrongHash => "wrong-hash",
    Full => "full",
    NotFound => "not-found",
    NotADocument => "not-a-document",
    Damaged => "damaged",
    Sealed => "sealed",
    Disk => "io-error",
    Unavailable => "unavailable",
    NotActive => "not-active",
    Mismatch => "mismatch",
    ArchiveBroken => "archive-broken",
    NotAnswering => "not-answering",
    AlreadyThere => "already-there",
    ImpossibleTransition => "impossible-transition",
    UnknownFlag => "unknown-flag",
    AlreadyAcknowledged => "already-acknowledged",
    BadReason => "bad-reason",
    NotRecorded => "not-recorded",
    NotReady => "not-ready",
    Stopped => "stopped",
    Unrecorded => "unrecorded",
    Failed => "failed",
}

/// A request the archive of this name refused.
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    pub archive: &'a str,
    pub refusal: Refusal,
}

impl Refused<'_> {
    pub const fn error(&self) -> Error {
        match self.refusal {
            Refusal::BadRequest => Error::BadArgument,
            Refusal::BadName => Error::BadName,
            Refusal::WrongSize(_) => Error::WrongSize,
            Refusal::WrongHash => Error::WrongHash,
            Refusal::Full(_) => Error::Full,
            Refusal::NotFound(_) => Error::NotFound,
            Refusal::NotADocument => Error::NotADocument,
            Refusal::Damaged => Error::Damaged,
            Refusal::Sealed => Error::Sealed,
            Refusal::Io => Error::Disk,
            Refusal::Unavailable => Error::Unavailable,
            Refusal::NotActive => Error::NotActive,
            Refusal::Cancelled => Error::Cancelled,
        }
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let archive = self.archive;
        match self.refusal {
            Refusal::BadRequest => write!(f, "archive {archive} cannot do that; see help"),
            Refusal::BadName => f.write_str(
                "a name has 1 to 1024 bytes of UTF-8 without control characters; nothing was committed",
            ),
            Refusal::WrongSize(came) => {
                write!(f, "not the declared size: {came} bytes came; nothing was committed, send it again")
            }
            Refusal::WrongHash => {
                f.write_str("the content has another hash than declared; nothing was committed, send it again")
            }
            Refusal::Full(0) => {
                write!(f, "archive {archive} is full; nothing was committed; use another archive")
            }
            Refusal::Full(room) => write!(
                f,
                "archive {archive} has room for {room} bytes; nothing was committed; use another archive"
            ),
            Refusal::NotFound(records) => {
                let records = Count(records, "record");
                write!(f, "archive {archive} has {records}, counted from 0; see them with: ls {archive}")
            }
            Refusal::NotADocument => {
                write!(f, "that record carries no document; see which do with: ls {archive}")
            }
            Refusal::Damaged => {
                write!(f, "what is on the disk is not what was committed; find out more with: audit {archive}")
            }
            Refusal::Sealed => write!(f, "archive {archive} is sealed: it is read, never added to"),
            Refusal::Io => write!(f, "a read or write of the disk failed for archive {archive}; see status"),
            Refusal::Unavailable => {
                write!(f, "the volume of archive {archive} is not usable; see status for the reason")
            }
            Refusal::NotActive => write!(f, "archive {archive} is not active; see status"),
            Refusal::Cancelled => f.write_str("given up; nothing was committed"),
        }
    }
}

impl Output {
    /// Ends an answer, or the submission with this tag, with an error.
    pub fn error(&mut self, error: Error, tag: Option<u32>, text: fmt::Arguments<'_>) {
        self.failed();
        self.line(format_args!("-{}", ErrorLine { name: error.name(), tag, text }));
    }

    /// Says that a submission failed: as an event if its sender seems to be gone.
    pub fn submission_error(&mut self, watched: bool, error: Error, tag: u32, text: fmt::Arguments<'_>) {
        self.failed();
        let event = if watched { "" } else { "*" };
        self.line(format_args!("{event}-{}", ErrorLine { name: error.name(), tag: Some(tag), text }));
    }

    pub fn refused(&mut self, refused: Refused<'_>, tag: Option<u32>) {
        self.error(refused.error(), tag, format_args!("{refused}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn no_text_is_taken_for_a_tag() {
        let texts = ["32 submissions wait", "7", ":7 x", "7:7 7", "finance is suspended", "", " 9", "x:5"];
        for &error in Error::ALL {
            for tag in [None, Some(0), Some(7), Some(u32::MAX)] {
                for text in texts {
                    let line = ErrorLine { name: error.name(), tag, text };
                    assert_eq!(ErrorLine::parse(&format!("{line}")), Some(line));
                }
            }
        }
        for line in ["", "busy", "busy:", "busy:x y", "busy:+7 y", "busy:4294967296 y", ":7 y", "7 y", "Busy y"] {
            assert_eq!(ErrorLine::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_failed_disk_is_not_said_to_have_failed_an_archive() {
        let refused = Refused { archive: "two", refusal: Refusal::Io };
        assert_eq!(format!("{refused}"), "a read or write of the disk failed for archive two; see status");
    }

    #[test]
    fn the_protocol_lists_every_error() {
        let protocol = include_str!("../../../docs/console-protocol.md");
        let errors = protocol.split("\n## ").find(|part| part.starts_with("Errors\n")).unwrap();
        let rows = errors.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
        let listed: Vec<&str> =
            rows.flat_map(|(names, _)| names.split(", ")).map(|name| name.trim_matches('`')).collect();
        for error in Error::ALL {
            assert!(listed.contains(&error.name()), "{error:?}");
        }
        assert_eq!(listed.len(), Error::ALL.len(), "{listed:?}");
    }
}
