//! Lines that are dropped, because they belong to what is gone.

use super::errors::Error;
use super::line::Ending;
use super::output::Output;

/// Where in what it sends a peer was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    LineStart,
    /// Within a line: whatever its rest looks like, it is only that.
    WithinLine,
}

/// Lines are dropped up to a single `.`, or to Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The next line is the rest of one that was begun before.
    rest: bool,
    /// Nothing has come since the Ctrl-C that led here: it may be a program's, whose `machine` follows.
    fresh: bool,
}

/// What a dropped line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// One of those to drop.
    More,
    /// The last: a single `.`.
    Last,
    /// A program's first line, which is a command and not to be dropped.
    Program,
}

impl Skip {
    /// Begins to drop lines, and says so.
    pub fn begin(from: Place, fresh: bool, output: &mut Output) -> Skip {
        output.line(format_args!("*what is typed now is skipped, up to a line with a single . or to Ctrl-C"));
        Skip { rest: from == Place::WithinLine, fresh }
    }

    /// Where in what it sends the peer is.
    pub fn place(&self) -> Place {
        if self.rest { Place::WithinLine } else { Place::LineStart }
    }

    pub fn line(&mut self, line: &[u8], ending: Ending) -> Dropped {
        let rest = core::mem::take(&mut self.rest);
        if line.is_empty() {
            return Dropped::More;
        }
        let first = core::mem::take(&mut self.fresh);
        match line {
            _ if rest => Dropped::More,
            b"." if ending == Ending::Whole => Dropped::Last,
            _ if first && line.split(|byte| *byte == b' ').next() == Some(b"machine") => Dropped::Program,
            _ => Dropped::More,
        }
    }

    /// Nothing more of what was begun will come.
    pub fn give_up(&self, output: &mut Output) {
        output.error(Error::Cancelled, None, format_args!("the rest of the text is not awaited"));
    }
}
