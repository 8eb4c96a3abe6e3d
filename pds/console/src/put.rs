//! Putting a document: from the `put` line to the last byte handed to the archive.

use core::fmt;

use ledger_fmt::Hash;
use totebox_console_protocol::data::{CONTENT_MAX, Damage, LINE_MAX, WINDOW, decode, verified};
use totebox_protocol::intake::{Answer, Failure, HASH_DECLARED, Op, Request, SIZE_UNKNOWN};
use zerocopy::FromZeros;

use super::answers::failure;
use super::errors::{Error, Refused};
use super::holder::Place;
use super::line::Ending;
use super::links::{Message, Misbehaviour};
use super::session::{Activity, Session};
use super::submissions::{Fate, PENDING_MAX};

/// A submission that is being sent.
pub struct Put {
    link: usize,
    tag: u32,
    /// The declared size; without one a person types text.
    size: Option<u64>,
    /// Bytes taken so far.
    taken: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until the archive says it is ready.
    Opening,
    /// Lines are taken.
    Receiving {
        /// The peer was told to go back: lines ahead of where it should be are on their way, and no news.
        gap_told: bool,
    },
    /// All bytes were taken; what is left goes to the archive.
    Ending,
    /// A person waits for the receipt.
    AwaitingReceipt,
}

/// How much of a submission the peer has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Content may still come.
    Incoming,
    /// All of it.
    Complete,
}

impl Put {
    /// Whether it can do with another line, once the last is with the archive.
    pub fn takes_lines(&self) -> bool {
        matches!(self.phase, Phase::Receiving { .. })
    }

    /// The submission's tag.
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

    /// Whether it waits for the archive: `sending` is whether the archive has not taken what was to be sent.
    pub fn is_kept_waiting(&self, sending: bool) -> bool {
        match self.phase {
            Phase::Opening | Phase::Ending | Phase::AwaitingReceipt => true,
            Phase::Receiving { .. } => sending,
        }
    }

    /// Whether lines are data lines, as opposed to text or commands.
    pub fn takes_data(&self) -> bool {
        self.size.is_some() && matches!(self.phase, Phase::Receiving { .. })
    }
}

impl Session {
    pub(super) fn begin_put(&mut self, link: usize, name: &str, size: Option<u64>, hash: Option<Hash>) {
        if size.is_none() && self.machine {
            return self.output.error(
                Error::BadArgument,
                None,
                format_args!("usage: put ARCHIVE NAME SIZE [HASH]"),
            );
        }
        if !self.reachable(link) {
            return;
        }
        let tag = self.new_tag();
        self.submissions.owe(self.holders.owed());
        if !self.submissions.open(tag, link) {
            let text = format_args!("{PENDING_MAX} submissions wait for their receipts; wait for one of them");
            return self.output.error(Error::Busy, None, text);
        }
        let mut request = put_request(Op::PutBegin, tag, size.unwrap_or(SIZE_UNKNOWN));
        if let Some(hash) = hash {
            (request.flags, request.hash) = (HASH_DECLARED.into(), hash);
        }
        self.outbox.put(link, request, &[name.as_bytes()]);
        self.activity = Activity::Put(Put { link, tag, size, taken: 0, phase: Phase::Opening });
    }

    /// The archive's answer to the submission being sent.
    pub(super) fn put_answer(&mut self, message: &Message) -> Result<(), Misbehaviour> {
        let Activity::Put(put) = &mut self.activity else { return Ok(()) };
        let (link, tag) = (put.link, put.tag);
        match (message.answer, put.phase) {
            (Answer::Ready, Phase::Opening) => {
                put.phase = Phase::Receiving { gap_told: false };
                match put.size {
                    Some(_) if self.machine => self.output.line(format_args!("+ready {tag} {WINDOW}")),
                    Some(size) => self.output.line(format_args!(
                        "+ready {tag} {WINDOW} data lines of {size} bytes in all are to follow, as a program sends them; a \
                         line with a single . gives it up. If {size} belongs to the name, put the name in \"quotes\""
                    )),
                    None => self.output.line(format_args!(
                        "+ready {tag} type the text; a line with a single . ends it, Ctrl-C gives it up"
                    )),
                }
                Ok(())
            }
            (Answer::Receipt | Answer::Failed, Phase::AwaitingReceipt) => {
                self.activity = Activity::Idle;
                self.end_submission(link, message, true)
            }
            (Answer::Failed, Phase::Opening | Phase::Receiving { .. } | Phase::Ending) => {
                let (failure, value) = (failure(message)?, message.header.value.get());
                self.outbox.withdraw();
                self.submissions.set(tag, Fate::Refused(failure, value));
                self.output.refused(Refused { archive: &self.volumes[link], failure, value }, Some(tag));
                self.leave_put();
                Ok(())
            }
            _ => Err(Misbehaviour("an answer that does not belong to a submission")),
        }
    }

    /// The submission came to nothing. If more of what a person sends still comes, its lines are no commands.
    pub(super) fn leave_put(&mut self) {
        match &self.activity {
            Activity::Put(put) if !self.machine && put.stage() == Stage::Incoming => {
                self.skip(Place::LineStart, false);
            }
            _ => self.activity = Activity::Idle,
        }
    }

    /// The input has ended before the document did.
    pub(super) fn end_put(&mut self) {
        self.cancel_put(Error::Cancelled, "the input ended before the document did");
        self.skip(Place::LineStart, false);
    }

    /// Gives the submission up, for a reason the operator is told.
    pub(super) fn cancel_put(&mut self, error: Error, text: impl fmt::Display) {
        let Activity::Put(put) = &self.activity else { return };
        let (link, tag) = (put.link, put.tag);
        if self.outbox.withdraw() != Some(Op::PutBegin) {
            self.links[link].owe(Op::PutCancel, tag);
        }
        self.submissions.set(tag, Fate::Refused(Failure::Cancelled, 0));
        self.output.error(error, Some(tag), format_args!("{text}; nothing was committed"));
    }

    /// A line where content is expected.
    pub(super) fn data_line(&mut self, line: &[u8], ending: Ending) {
        let Activity::Put(put) = &mut self.activity else { return };
        let (Phase::Receiving { gap_told }, Some(size)) = (&mut put.phase, put.size) else { return };
        let taken = put.taken;
        if line.is_empty() {
            return;
        }
        let mut content = [0; CONTENT_MAX];
        // A person has no checksums.
        let verified = if line == b"." && !self.machine { Ok(line) } else { verified(line) };
        let wrong = match (ending, verified) {
            (Ending::TooLong, _) | (_, Err(Damage::NoChecksum | Damage::WrongChecksum)) => "bad-crc",
            (Ending::Whole, Ok(b".")) => {
                self.cancel_put(Error::Cancelled, "given up");
                self.activity = Activity::Idle;
                return;
            }
            (Ending::Whole, Ok(body)) => match decode(body, &mut content) {
                None => "bad-line",
                Some((offset, _)) if offset < taken => return self.output.line(format_args!("?{taken}")),
                Some((offset, _)) if offset > taken && *gap_told => return,
                Some((offset, _)) if offset > taken => "bad-offset",
                Some((_, len)) if len as u64 > size - taken => {
                    self.cancel_put(Error::WrongSize, "more bytes came than were declared");
                    return self.leave_put();
                }
                Some((_, len)) => return self.take_content(&[&content[..len]], Some(size)),
            },
        };
        *gap_told = true;
        self.output.line(format_args!("?{taken} {wrong}"));
    }

    /// A line of a person's text, which becomes content with a line feed at its end.
    pub(super) fn text_line(&mut self, line: &[u8], ending: Ending) {
        let Activity::Put(put) = &mut self.activity else { return };
        match (ending, line) {
            (Ending::Whole, b".") => {
                put.phase = Phase::Ending;
                let (link, request) = (put.link, put_request(Op::PutEnd, put.tag, 0));
                self.outbox.put(link, request, &[]);
            }
            (Ending::Whole, _) => self.take_content(&[line, b"\n"], None),
            (Ending::TooLong, _) => {
                let text = format_args!("a line of text has at most {LINE_MAX} bytes");
                self.cancel_put(Error::LineTooLong, text);
                self.leave_put();
            }
        }
    }

    /// Hands content that continues the submission to its archive.
    fn take_content(&mut self, parts: &[&[u8]], size: Option<u64>) {
        let Activity::Put(put) = &mut self.activity else { return };
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let data = put_request(Op::PutData, put.tag, put.taken);
        put.taken += len as u64;
        put.phase = Phase::Receiving { gap_told: false };
        if size.is_some() {
            self.output.line(format_args!("?{}", put.taken));
        }
        if size == Some(put.taken) {
            put.phase = Phase::Ending;
        }
        if len > 0 {
            self.outbox.put(put.link, data, parts);
        } else if put.phase == Phase::Ending {
            self.outbox.put(put.link, put_request(Op::PutEnd, put.tag, 0), &[]);
        }
    }

    /// A request was sent: what follows it?
    pub(super) fn put_sent(&mut self, op: Op) {
        let Activity::Put(put) = &mut self.activity else { return };
        match op {
            Op::PutData if put.phase == Phase::Ending => {
                self.outbox.put(put.link, put_request(Op::PutEnd, put.tag, 0), &[]);
            }
            Op::PutEnd => {
                self.submissions.set(put.tag, Fate::Pending);
                put.phase = Phase::AwaitingReceipt;
                if self.machine {
                    self.activity = Activity::Idle;
                }
            }
            _ => {}
        }
    }

    /// The operator gave the submission up.
    pub(super) fn give_up_put(&mut self) {
        let Activity::Put(put) = &self.activity else { return };
        match put.phase {
            Phase::Opening | Phase::Receiving { .. } | Phase::Ending => {
                self.cancel_put(Error::Cancelled, "given up");
            }
            Phase::AwaitingReceipt => {
                let archive = &self.volumes[put.link];
                let text = format_args!("no longer waiting for archive {archive}; it may still commit this");
                self.output.error(Error::NotAnswering, Some(put.tag), text);
            }
        }
        self.activity = Activity::Idle;
    }

    /// The archive will not answer any more. What was all sent is among the submissions, and told of there.
    pub(super) fn abandon_put(&mut self, error: Error) {
        let Activity::Put(put) = &self.activity else { return };
        match put.phase {
            Phase::AwaitingReceipt => self.activity = Activity::Idle,
            Phase::Opening | Phase::Receiving { .. } | Phase::Ending => {
                let (tag, archive) = (put.tag, &self.volumes[put.link]);
                self.submissions.set(tag, Fate::Refused(Failure::NotActive, 0));
                let text = format_args!("archive {archive} was lost, see status; nothing of this was committed");
                self.output.error(error, Some(tag), text);
                self.leave_put();
            }
        }
    }
}

fn put_request(op: Op, tag: u32, value: u64) -> Request {
    let mut request = Request::new_zeroed();
    (request.op, request.tag, request.value) = ((op as u16).into(), tag.into(), value.into());
    request
}
