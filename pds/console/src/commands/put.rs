//! Putting a document: from the `put` line to the last byte handed to the archive.

use core::fmt;

use ledger_fmt::Hash;
use ledger_fmt::payload::DOCUMENT_NAME_MAX;
use totebox_console_protocol::data::{CONTENT_MAX, Damage, LINE_MAX, WINDOW, decode, verified};
use totebox_console_protocol::text::Count;
use totebox_protocol::intake::{Answered, Asked, Refusal};

use crate::command::{Action, Command, ParseError};
use crate::context::Context;
use crate::errors::{Error, Refused};
use crate::line::Ending;
use crate::links::{Message, Misbehaviour};
use crate::progress::Then;
use crate::receipts::end_submission;
use crate::submissions::{Fate, PENDING_MAX};

pub static COMMAND: Command = Command {
    name: "put",
    arguments: "ARCHIVE NAME [SIZE [HASH]]",
    summary: "put a document into an archive",
    details: &[
        "Without SIZE: type the text; a line with a single . ends it, Ctrl-C gives it up.",
        "With SIZE the content follows in data lines, as a program sends them; HASH is its BLAKE3.",
        "A NAME with blanks stands in \"quotes\". What is committed stays for ever.",
    ],
    read: |reader, words| {
        let (archive, name, size, hash) = match *words {
            [archive, name] => (archive, name, None, None),
            [archive, name, size] => (archive, name, Some(reader.size(size)?), None),
            [archive, name, size, hash] => (archive, name, Some(reader.size(size)?), Some(reader.hash(hash)?)),
            _ => return Err(reader.usage()),
        };
        if name.len() > DOCUMENT_NAME_MAX {
            return Err(ParseError::NameTooLong);
        }
        Ok(Action::Put { archive: reader.archive(archive)?, name, size, hash })
    },
};

pub struct Put {
    link: usize,
    tag: u32,
    /// The declared size; without one a person types text.
    size: Option<u64>,
    taken: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until the archive says it is ready.
    Opening,
    Receiving {
        /// The peer was told to go back. More lines from too far ahead may be on their way, and are not answered.
        gap_told: bool,
    },
    /// All bytes were taken; what is left goes to the archive.
    Ending,
    AwaitingReceipt,
}

/// What is wrong with a line where data are expected: its name, and for a person what that means.
struct Wrong(&'static str, &'static str);

const BAD_LINE: Wrong = Wrong("bad-line", "this is no data line");
const BAD_CRC: Wrong = Wrong("bad-crc", "a data line ends in its checksum, and this one does not");
const BAD_OFFSET: Wrong = Wrong("bad-offset", "this data line is not the next one");

/// Whether a line was typed by a person who did not know that data are expected, and is not what disturbance left of a
/// data line.
fn is_typed(line: &[u8]) -> bool {
    core::str::from_utf8(line).is_ok() && !line.contains(&b'@')
}

/// How much of a submission the peer has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Content may still come.
    Incoming,
    Complete,
}

impl Put {
    /// Opens a submission, or says why it cannot be opened.
    pub fn begin(
        link: usize,
        name: &str,
        size: Option<u64>,
        hash: Option<Hash>,
        context: &mut Context,
    ) -> Option<Put> {
        if size.is_none() && context.machine() {
            let usage = format_args!("usage: put ARCHIVE NAME SIZE [HASH]");
            context.output.error(Error::BadArgument, None, usage);
            return None;
        }
        if !context.reaches(link) {
            return None;
        }
        let tag = context.archives.new_tag();
        if !context.submissions.open(tag, link) {
            let text = format_args!("{PENDING_MAX} submissions wait for their receipts; wait for one of them");
            context.output.error(Error::Busy, None, text);
            return None;
        }
        context.archives.put(link, tag, Asked::PutBegin { size, hash }, &[name.as_bytes()]);
        Some(Put { link, tag, size, taken: 0, phase: Phase::Opening })
    }

    /// Whether another line of content is expected.
    pub fn takes_lines(&self) -> bool {
        matches!(self.phase, Phase::Receiving { .. })
    }

    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// How much of it was sent.
    pub fn stage(&self) -> Stage {
        match self.phase {
            Phase::Opening | Phase::Receiving { .. } => Stage::Incoming,
            Phase::Ending | Phase::AwaitingReceipt => Stage::Complete,
        }
    }

    /// The archive whose answers it needs to go on, and the tag they carry.
    pub fn awaits(&self) -> (usize, u32) {
        (self.link, self.tag)
    }

    pub fn answer(&mut self, message: &Message, context: &mut Context) -> Result<Then, Misbehaviour> {
        let (link, tag) = (self.link, self.tag);
        match (message.answer, self.phase) {
            (Answered::Ready, Phase::Opening) => {
                self.phase = Phase::Receiving { gap_told: false };
                let machine = context.machine();
                let output = &mut context.output;
                match self.size {
                    Some(_) if machine => output.line(format_args!("+ready {tag} {WINDOW}")),
                    Some(size) => output.line(format_args!(
                        "+ready {tag} {WINDOW} now {} in data lines, as a program sends them; a line with a single . gives \
                         it up. If {size} belongs to the name, put the name in \"quotes\"",
                        Count(size, "byte")
                    )),
                    None => output.line(format_args!(
                        "+ready {tag} type the text; a line with a single . ends it, Ctrl-C gives it up"
                    )),
                }
                Ok(Then::GoesOn)
            }
            (Answered::Receipt(_) | Answered::Failed(_), Phase::AwaitingReceipt) => {
                end_submission(link, message, true, context)?;
                Ok(Then::Ends)
            }
            (Answered::Failed(refusal), Phase::Opening | Phase::Receiving { .. } | Phase::Ending) => {
                context.archives.withdraw();
                context.submissions.set(tag, Fate::Refused(refusal));
                let Context { output, volumes, .. } = context;
                output.refused(Refused { archive: &volumes[link], refusal }, Some(tag));
                Ok(self.leave(context))
            }
            _ => Err(Misbehaviour("an answer that does not belong to a submission")),
        }
    }

    /// Ends a submission that failed. If a person may still be sending it, the lines to come are skipped.
    fn leave(&self, context: &Context) -> Then {
        let more_comes = !context.machine() && self.stage() == Stage::Incoming;
        if more_comes { Then::Skips } else { Then::Ends }
    }

    /// The input has ended before the document did.
    pub fn input_ended(&self, context: &mut Context) -> Then {
        self.cancel(Error::Cancelled, "the input ended before the document did", context);
        Then::Skips
    }

    /// Gives the submission up and says why.
    fn cancel(&self, error: Error, text: impl fmt::Display, context: &mut Context) {
        let Put { link, tag, .. } = *self;
        if !matches!(context.archives.withdraw(), Some(Asked::PutBegin { .. })) {
            context.archives.cancel(link, Asked::PutCancel, tag);
        }
        context.submissions.set(tag, Fate::Refused(Refusal::Cancelled));
        context.output.error(error, Some(tag), format_args!("{text}; nothing was committed"));
    }

    /// Takes a line where content is expected: data if a size was declared, or else a person's text.
    pub fn line(&mut self, line: &[u8], ending: Ending, context: &mut Context) -> Then {
        match (self.phase, self.size) {
            (Phase::Receiving { gap_told }, Some(size)) => self.data(line, ending, size, gap_told, context),
            _ => self.text(line, ending, context),
        }
    }

    fn data(&mut self, line: &[u8], ending: Ending, size: u64, gap_told: bool, context: &mut Context) -> Then {
        let taken = self.taken;
        if line.is_empty() {
            return Then::GoesOn;
        }
        let mut content = [0; CONTENT_MAX];
        // A person has no checksums.
        let verified = if line == b"." && !context.machine() { Ok(line) } else { verified(line) };
        let wrong = match (ending, verified) {
            (Ending::Whole, Err(Damage::NoChecksum)) if !context.machine() && is_typed(line) => BAD_LINE,
            (Ending::TooLong, _) | (_, Err(Damage::NoChecksum | Damage::WrongChecksum)) => BAD_CRC,
            (Ending::Whole, Ok(b".")) => {
                self.cancel(Error::Cancelled, "given up", context);
                return Then::Ends;
            }
            (Ending::Whole, Ok(body)) => match decode(body, &mut content) {
                None => BAD_LINE,
                Some((offset, _)) if offset < taken => {
                    context.output.line(format_args!("?{taken}"));
                    return Then::GoesOn;
                }
                Some((offset, _)) if offset > taken && gap_told => return Then::GoesOn,
                Some((offset, _)) if offset > taken => BAD_OFFSET,
                Some((_, len)) if len as u64 > size - taken => {
                    self.cancel(Error::WrongSize, "more bytes arrived than were declared", context);
                    return self.leave(context);
                }
                Some((_, len)) => {
                    self.take_content(&[&content[..len]], context);
                    return Then::GoesOn;
                }
            },
        };
        self.phase = Phase::Receiving { gap_told: true };
        let Wrong(name, meaning) = wrong;
        if context.machine() {
            context.output.line(format_args!("?{taken} {name}"));
        } else {
            let way_out = "a line with a single . gives the submission up";
            context.output.line(format_args!("?{taken} {name} {meaning}; {way_out}"));
        }
        Then::GoesOn
    }

    /// A line of text becomes content with a line feed at its end.
    fn text(&mut self, line: &[u8], ending: Ending, context: &mut Context) -> Then {
        match (ending, line) {
            (Ending::Whole, b".") => {
                self.phase = Phase::Ending;
                context.archives.put(self.link, self.tag, Asked::PutEnd, &[]);
            }
            (Ending::Whole, _) => self.take_content(&[line, b"\n"], context),
            (Ending::TooLong, _) => {
                let text = format_args!("a line of text has at most {LINE_MAX} bytes");
                self.cancel(Error::LineTooLong, text, context);
                return self.leave(context);
            }
        }
        Then::GoesOn
    }

    /// Hands content that continues the submission to its archive.
    fn take_content(&mut self, parts: &[&[u8]], context: &mut Context) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let data = Asked::PutData { offset: self.taken };
        self.taken += len as u64;
        self.phase = Phase::Receiving { gap_told: false };
        if self.size.is_some() {
            context.output.line(format_args!("?{}", self.taken));
        }
        if self.size == Some(self.taken) {
            self.phase = Phase::Ending;
        }
        if len > 0 {
            context.archives.put(self.link, self.tag, data, parts);
        } else if self.phase == Phase::Ending {
            context.archives.put(self.link, self.tag, Asked::PutEnd, &[]);
        }
    }

    /// Takes the next step after one of its requests was sent.
    pub fn sent(&mut self, asked: Asked, context: &mut Context) -> Then {
        match asked {
            Asked::PutData { .. } if self.phase == Phase::Ending => {
                context.archives.put(self.link, self.tag, Asked::PutEnd, &[]);
            }
            Asked::PutEnd => {
                context.submissions.set(self.tag, Fate::Pending);
                self.phase = Phase::AwaitingReceipt;
                if context.machine() {
                    return Then::Ends;
                }
            }
            _ => {}
        }
        Then::GoesOn
    }

    pub fn give_up(&self, context: &mut Context) {
        match self.phase {
            Phase::Opening | Phase::Receiving { .. } | Phase::Ending => {
                self.cancel(Error::Cancelled, "given up", context);
            }
            Phase::AwaitingReceipt => {
                let Context { output, volumes, .. } = context;
                let archive = &volumes[self.link];
                let text = format_args!("no longer waiting for archive {archive}; it may still commit this");
                output.error(Error::NotAnswering, Some(self.tag), text);
            }
        }
    }

    /// The archive has neither taken nor sent anything for long. If it is waited for, the submission is given up.
    pub fn overdue(&self, text: &str, context: &mut Context) -> Option<Then> {
        let is_kept_waiting = !self.takes_lines() || context.archives.request_waits();
        is_kept_waiting.then(|| {
            self.cancel(Error::NotAnswering, text, context);
            self.leave(context)
        })
    }

    /// The archive is lost. If all was sent, its end is told with the other pending submissions.
    pub fn abandon(&self, error: Error, context: &mut Context) -> Then {
        match self.phase {
            Phase::AwaitingReceipt => Then::Ends,
            Phase::Opening | Phase::Receiving { .. } | Phase::Ending => {
                let Put { link, tag, .. } = *self;
                context.submissions.set(tag, Fate::Refused(Refusal::NotActive));
                let Context { output, volumes, .. } = context;
                let archive = &volumes[link];
                let text = format_args!("archive {archive} was lost, see status; nothing of this was committed");
                output.error(error, Some(tag), text);
                self.leave(context)
            }
        }
    }
}
