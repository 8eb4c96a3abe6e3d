//! Getting a document, listing records, and having a checkpoint signed: what an archive sends, passed on to the
//! line as it has room.

use core::str;

use totebox_console_protocol::data::{CONTENT_MAX, Content};
use totebox_console_protocol::text::{Count, Hex, Size, Time};
use totebox_console_protocol::views::{LISTING_HEAD, ListingLine};
use totebox_console_protocol::words::Quoted;
use totebox_manifest::conversation::INTAKE_DATA;
use totebox_protocol::intake::{Answered, Asked, Refusal, Stored};
use totebox_shown::is_printable;

use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::{Error, Refused};
use crate::limits::PART_MAX;
use crate::links::{Message, Misbehaviour};
use crate::output::Output;
use crate::progress::Then;

pub static GET: Command = Command {
    name: "get",
    arguments: "ARCHIVE SEQ [OFFSET]",
    summary: "show the document in record SEQ, from byte OFFSET on",
    details: &["Text is shown as it is, anything else in data lines: @OFFSET BASE64 #CRC."],
    read: |reader, words| {
        let (name, sequence, offset) = match *words {
            [name, sequence] => (name, sequence, 0),
            [name, sequence, offset] => (name, sequence, reader.number(offset)?),
            _ => return Err(reader.usage()),
        };
        Ok(Action::Get { archive: reader.archive(name)?, sequence: reader.number(sequence)?, offset })
    },
};

pub static LS: Command = Command {
    name: "ls",
    arguments: "ARCHIVE [FROM [COUNT]]",
    summary: "the records of an archive, from number FROM on",
    details: &["Ctrl-C stops a long listing."],
    read: |reader, words| {
        let (name, from, count) = match *words {
            [name] => (name, 0, u64::MAX),
            [name, from] => (name, reader.number(from)?, u64::MAX),
            [name, from, count] => (name, reader.number(from)?, reader.number(count)?),
            _ => return Err(reader.usage()),
        };
        Ok(Action::List { archive: reader.archive(name)?, from, count })
    },
};

pub static SIGN: Command = Command {
    name: "sign",
    arguments: "ARCHIVE",
    summary: "have an archive sign a checkpoint over all its records now",
    details: &[
        "It does so by itself once an audit period, when it is suspended or archived, and soon after a start.",
        "Where nothing is new nothing is added; the last checkpoint is named.",
    ],
    read: |reader, words| match *words {
        [name] => Ok(Action::Sign { archive: reader.archive(name)? }),
        _ => Err(reader.usage()),
    },
};

pub struct Fetch {
    link: usize,
    tag: u32,
    what: What,
}

enum What {
    Document(Document),
    List {
        /// The table's head was shown.
        begun: bool,
    },
    Signature,
}

struct Document {
    /// Where the next content byte stands.
    offset: u64,
    /// The document's size, once the archive has said it.
    size: Option<u64>,
    /// For a person, as long as all was printable text: the start of a character, or of a line's end, whose rest
    /// is to come.
    text: Option<heapless::Vec<u8, PART_MAX>>,
}

impl Fetch {
    /// Asks for the document in this record, from a byte on.
    pub fn document(link: usize, sequence: u64, offset: u64, context: &mut Context) -> Option<Fetch> {
        let text = (!context.machine()).then(heapless::Vec::new);
        let what = What::Document(Document { offset, size: None, text });
        Fetch::begin(link, Asked::Get { sequence, offset }, what, context)
    }

    pub fn list(link: usize, from: u64, count: u64, context: &mut Context) -> Option<Fetch> {
        Fetch::begin(link, Asked::List { from, count }, What::List { begun: false }, context)
    }

    pub fn signature(link: usize, context: &mut Context) -> Option<Fetch> {
        Fetch::begin(link, Asked::Sign, What::Signature, context)
    }

    fn begin(link: usize, asked: Asked, what: What, context: &mut Context) -> Option<Fetch> {
        let reached = context.reaches(link);
        reached.then(|| Fetch { link, tag: context.archives.ask(link, asked), what })
    }

    pub fn command(&self) -> &'static str {
        match self.what {
            What::Document(_) => GET.name,
            What::List { .. } => LS.name,
            What::Signature => SIGN.name,
        }
    }

    /// Whether it only reads: nothing is changed by it.
    pub fn only_reads(&self) -> bool {
        !matches!(self.what, What::Signature)
    }

    /// The archive whose answers it needs to go on, and the tag they carry.
    pub fn awaits(&self) -> (usize, u32) {
        (self.link, self.tag)
    }

    pub fn give_up(&self, context: &mut Context) {
        if !self.only_reads() {
            context.archives.withdraw();
            return context.stop_waiting("ls will show the checkpoint");
        }
        self.cancel(context);
        context.output.error(Error::Cancelled, None, format_args!("stopped"));
    }

    fn cancel(&self, context: &mut Context) {
        if context.archives.withdraw().is_none() {
            context.archives.cancel(self.link, Asked::Cancel, self.tag);
        }
    }

    /// The archive has neither taken nor sent anything for long. A signature is waited for all the same.
    pub fn overdue(&self, text: &str, context: &mut Context) -> Option<Then> {
        self.only_reads().then(|| {
            self.cancel(context);
            context.output.error(Error::NotAnswering, None, format_args!("{text}; see status"));
            Then::Ends
        })
    }

    /// The archive will not answer any more.
    pub fn abandon(&self, error: Error, context: &mut Context) -> Then {
        let Context { output, volumes, .. } = context;
        let archive = &volumes[self.link];
        output.error(error, None, format_args!("archive {archive} was lost; see status"));
        Then::Ends
    }

    pub fn answer(&mut self, message: &Message, context: &mut Context) -> Result<Then, Misbehaviour> {
        let machine = context.machine();
        let Context { output, volumes, .. } = context;
        let archive = &volumes[self.link];
        match &mut self.what {
            What::Document(document) => document.answer(message, machine, archive, output),
            What::List { begun } => list_answer(begun, message, machine, archive, output),
            What::Signature => signature_answer(message, machine, archive, output),
        }
    }
}

fn signature_answer(
    message: &Message,
    machine: bool,
    archive: &str,
    output: &mut Output,
) -> Result<Then, Misbehaviour> {
    match message.answer {
        Answered::Signed { sequence, records, hash } if machine => {
            let hash = Hex(&hash);
            output.line(format_args!("+sign archive={archive} seq={sequence} records={records} record={hash}"));
        }
        Answered::Signed { sequence, records, .. } => output.line(format_args!(
            "+sign {archive} is signed up to here: record {sequence} is the checkpoint over its {}",
            Count(records, "record")
        )),
        Answered::Failed(Refusal::Full(_)) => {
            let text =
                format_args!("archive {archive} has no room for a checkpoint but its last, when it is archived");
            output.error(Error::Full, None, text);
        }
        Answered::Failed(refusal) => return Ok(failed(refusal, archive, output)),
        _ => return Err(Misbehaviour("an answer that does not belong to a signature")),
    }
    Ok(Then::Ends)
}

impl Document {
    fn answer(
        &mut self,
        message: &Message,
        machine: bool,
        archive: &str,
        output: &mut Output,
    ) -> Result<Then, Misbehaviour> {
        match (message.answer, self.size) {
            (Answered::Document(Stored { sequence, size, hash, time_ms }), None) => {
                let name = Quoted(message.data());
                self.size = Some(size);
                if machine {
                    let hash = Hex(&hash);
                    output.line(format_args!(
                        "=document seq={sequence} size={size} hash={hash} time={time_ms} name={name}"
                    ));
                } else {
                    let (size, time) = (Size(size), Time(time_ms));
                    output.line(format_args!("record {sequence}: {name}, {size}, {time}"));
                }
                Ok(Then::GoesOn)
            }
            (Answered::Data { offset }, Some(size)) => {
                let content = Content { offset: self.offset, bytes: message.data() };
                let expected = offset == self.offset && !content.bytes.is_empty();
                if !expected || content.bytes.len() as u64 > size.saturating_sub(self.offset) {
                    return Err(Misbehaviour("content that is not the document's next"));
                }
                self.offset += content.bytes.len() as u64;
                show(output, content, &mut self.text);
                Ok(Then::GoesOn)
            }
            (Answered::End { hash, .. }, Some(size)) => {
                if self.offset < size {
                    return Err(Misbehaviour("the end of a document before its last byte"));
                }
                if let Some(part) = self.text.take() {
                    show_data(output, Content { offset: size - part.len() as u64, bytes: &part });
                }
                output.line(format_args!("+end size={size} hash={}", Hex(&hash)));
                Ok(Then::Ends)
            }
            (Answered::Failed(refusal), _) => Ok(failed(refusal, archive, output)),
            _ => Err(Misbehaviour("an answer that does not belong to a document")),
        }
    }
}

fn list_answer(
    begun: &mut bool,
    message: &Message,
    machine: bool,
    archive: &str,
    output: &mut Output,
) -> Result<Then, Misbehaviour> {
    match message.answer {
        Answered::Entry(Stored { sequence, size, hash, time_ms }, kind) => {
            let (kind, name) = (kind.name(), Quoted(message.data()));
            if machine {
                let hash = Hex(&hash);
                output.line(format_args!(
                    "=record seq={sequence} kind={kind} time={time_ms} size={size} hash={hash} name={name}"
                ));
            } else {
                if !core::mem::replace(begun, true) {
                    output.line(format_args!("{LISTING_HEAD}"));
                }
                output.line(format_args!("{}", ListingLine { sequence, time_ms, kind, size, name }));
            }
            Ok(Then::GoesOn)
        }
        Answered::Gap { first: sequence, count } => {
            let last = count.map(|count| sequence + (count.get() - 1));
            match (machine, last) {
                (true, Some(last)) => output.line(format_args!("=damaged seq={sequence} last={last}")),
                (true, None) => output.line(format_args!("=damaged seq={sequence}")),
                (false, Some(last)) if last == sequence => output.line(format_args!("{sequence:>8}  DAMAGED")),
                (false, Some(last)) => output.line(format_args!("{sequence:>8}  DAMAGED, up to {last}")),
                (false, None) => output.line(format_args!("{sequence:>8}  DAMAGED, and what follows")),
            }
            Ok(Then::GoesOn)
        }
        Answered::Listed { records } => {
            output.line(format_args!("+ls records={records}"));
            Ok(Then::Ends)
        }
        Answered::Failed(Refusal::Damaged) => {
            let text = "what is whole is listed; find out more with: audit";
            let text = format_args!("some records of archive {archive} are damaged, {text} {archive}");
            output.error(Error::Damaged, None, text);
            Ok(Then::Ends)
        }
        Answered::Failed(refusal) => Ok(failed(refusal, archive, output)),
        _ => Err(Misbehaviour("an answer that does not belong to a listing")),
    }
}

fn failed(refusal: Refusal, archive: &str, output: &mut Output) -> Then {
    output.refused(Refused { archive, refusal }, None);
    Then::Ends
}

/// Shows content as text as long as it is printable, from there on as data lines. `text` holds the start of
/// a character or of a line's end whose rest is to come; `None` once something was not text.
fn show(output: &mut Output, content: Content<'_>, text: &mut Option<heapless::Vec<u8, PART_MAX>>) {
    let Some(part) = text else {
        return show_data(output, content);
    };
    let offset = content.offset - part.len() as u64;
    let mut bytes: heapless::Vec<u8, { INTAKE_DATA + PART_MAX }> = heapless::Vec::new();
    bytes.extend(part.iter().chain(content.bytes).copied());
    let whole = match str::from_utf8(&bytes) {
        Ok(valid) => valid.strip_suffix('\r').unwrap_or(valid).len(),
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => 0,
    };
    let (valid, rest) = bytes.split_at(whole);
    match str::from_utf8(valid).ok().filter(|valid| rest.len() <= PART_MAX && is_text(valid)) {
        Some(valid) => {
            part.clear();
            part.extend(rest.iter().copied());
            show_text(output, valid);
        }
        None => {
            *text = None;
            show_data(output, Content { offset, bytes: &bytes });
        }
    }
}

/// Whether all of it may reach a terminal as it is: printable characters, tabs, and the ends of lines.
fn is_text(text: &str) -> bool {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).all(|line| {
        // A return that ends no line would have what follows it written over what stands before it.
        line.chars().all(|character| character == '\t' || is_printable(character))
    })
}

/// Shows text that [`is_text`].
fn show_text(output: &mut Output, text: &str) {
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                output.raw(line.strip_suffix('\r').unwrap_or(line));
                output.end_line();
            }
            None => output.raw(line),
        }
    }
}

fn show_data(output: &mut Output, content: Content<'_>) {
    for (index, bytes) in content.bytes.chunks(CONTENT_MAX).enumerate() {
        let offset = content.offset + (index * CONTENT_MAX) as u64;
        output.checked_line(format_args!("{}", Content { offset, bytes }));
    }
}
