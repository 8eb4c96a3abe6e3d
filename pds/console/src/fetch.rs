//! Getting a document, listing records, and having a checkpoint signed: what an archive sends, passed on to the
//! line as it has room.

use core::str;

use ledger_fmt::record::Kind;
use totebox_console_protocol::data::{CONTENT_MAX, Content};
use totebox_console_protocol::text::{Hex, Size, Time};
use totebox_console_protocol::words::Quoted;
use totebox_manifest::conversation::INTAKE_DATA;
use totebox_protocol::intake::{Answer, Failure, Op, Request};
use totebox_shown::is_printable;
use zerocopy::FromZeros;

use super::answers::failure;
use super::errors::{Error, Refused};
use super::limits::PART_MAX;
use super::links::{Message, Misbehaviour};
use super::output::Output;
use super::session::{Activity, Session};

/// A document on its way to the operator.
pub struct Get {
    pub link: usize,
    pub tag: u32,
    /// Where the next content byte stands.
    offset: u64,
    /// The document's size, once the archive has said it.
    size: Option<u64>,
    /// For a person, as long as all was printable text: the start of a character, or of a line's end, whose rest
    /// is to come.
    text: Option<heapless::Vec<u8, PART_MAX>>,
}

/// A listing on its way to the operator.
pub struct List {
    pub link: usize,
    pub tag: u32,
    /// The table's head was shown.
    begun: bool,
}

impl Session {
    pub(super) fn begin_get(&mut self, link: usize, sequence: u64, offset: u64) {
        if !self.reachable(link) {
            return;
        }
        let tag = self.new_tag();
        self.outbox.put(link, request(Op::Get, tag, sequence, offset), &[]);
        let text = (!self.machine).then(heapless::Vec::new);
        self.activity = Activity::Get(Get { link, tag, offset, size: None, text });
    }

    pub(super) fn begin_list(&mut self, link: usize, from: u64, count: u64) {
        if !self.reachable(link) {
            return;
        }
        let tag = self.new_tag();
        self.outbox.put(link, request(Op::List, tag, from, count), &[]);
        self.activity = Activity::List(List { link, tag, begun: false });
    }

    pub(super) fn begin_sign(&mut self, link: usize) {
        if !self.reachable(link) {
            return;
        }
        let tag = self.new_tag();
        self.outbox.put(link, request(Op::Sign, tag, 0, 0), &[]);
        self.activity = Activity::Sign { link, tag };
    }

    /// The archive's answer to the `sign` under way.
    pub(super) fn sign_answer(&mut self, link: usize, message: &Message) -> Result<(), Misbehaviour> {
        let (header, archive) = (&message.header, &self.volumes[link]);
        let (sequence, records) = (header.value.get(), header.extra.get());
        match message.answer {
            Answer::Signed if self.machine => {
                let hash = Hex(&header.hash);
                self.output.line(format_args!("+sign archive={archive} seq={sequence} records={records} record={hash}"));
            }
            Answer::Signed => self.output.line(format_args!(
                "+sign {archive} is signed up to here: record {sequence} is the checkpoint over its {records} records"
            )),
            Answer::Failed if failure(message)? == Failure::Full => {
                let text = format_args!("archive {archive} has no room for a checkpoint but its last, when it is archived");
                self.output.error(Error::Full, None, text);
            }
            Answer::Failed => return self.fetch_failed(link, message),
            _ => return Err(Misbehaviour("an answer that does not belong to a signature")),
        }
        self.activity = Activity::Idle;
        Ok(())
    }

    /// The archive's answer to the `get` under way.
    pub(super) fn get_answer(&mut self, message: &Message) -> Result<(), Misbehaviour> {
        let Activity::Get(get) = &mut self.activity else { return Ok(()) };
        let header = &message.header;
        match (message.answer, get.size) {
            (Answer::Document, None) => {
                let (sequence, size, time_ms) = (header.value.get(), header.extra.get(), header.time_ms.get());
                let name = Quoted(message.data());
                get.size = Some(size);
                if self.machine {
                    let hash = Hex(&header.hash);
                    self.output.line(format_args!(
                        "=document seq={sequence} size={size} hash={hash} time={time_ms} name={name}"
                    ));
                } else {
                    let (size, time) = (Size(size), Time(time_ms));
                    self.output.line(format_args!("record {sequence}: {name}, {size}, {time}"));
                }
                Ok(())
            }
            (Answer::Data, Some(size)) => {
                let content = Content { offset: get.offset, bytes: message.data() };
                let expected = header.value.get() == get.offset && !content.bytes.is_empty();
                if !expected || content.bytes.len() as u64 > size.saturating_sub(get.offset) {
                    return Err(Misbehaviour("content that is not the document's next"));
                }
                get.offset += content.bytes.len() as u64;
                show(&mut self.output, content, &mut get.text);
                Ok(())
            }
            (Answer::End, Some(size)) => {
                if get.offset < size {
                    return Err(Misbehaviour("the end of a document before its last byte"));
                }
                if let Some(part) = get.text.take() {
                    show_data(&mut self.output, Content { offset: size - part.len() as u64, bytes: &part });
                }
                self.output.line(format_args!("+end size={size} hash={}", Hex(&header.hash)));
                self.activity = Activity::Idle;
                Ok(())
            }
            (Answer::Failed, _) => {
                let link = get.link;
                self.fetch_failed(link, message)
            }
            _ => Err(Misbehaviour("an answer that does not belong to a document")),
        }
    }

    /// The archive's answer to the `ls` under way.
    pub(super) fn list_answer(&mut self, message: &Message) -> Result<(), Misbehaviour> {
        let Activity::List(list) = &mut self.activity else { return Ok(()) };
        let header = &message.header;
        let (sequence, size, time_ms) = (header.value.get(), header.extra.get(), header.time_ms.get());
        match message.answer {
            Answer::Entry => {
                let kind =
                    Kind::from_u16(header.code.into()).ok_or(Misbehaviour("a record of an unknown kind"))?;
                let (kind, name) = (kind.name(), Quoted(message.data()));
                if self.machine {
                    let hash = Hex(&header.hash);
                    self.output.line(format_args!(
                        "=record seq={sequence} kind={kind} time={time_ms} size={size} hash={hash} name={name}"
                    ));
                } else {
                    if !core::mem::replace(&mut list.begun, true) {
                        self.output
                            .line(format_args!("     seq  {:<19}  {:<15}        size  name", "time", "kind"));
                    }
                    let (size, time) = (Size(size), Time(time_ms));
                    self.output.line(format_args!("{sequence:>8}  {time:<19}  {kind:<15}  {size:>10}  {name}"));
                }
                Ok(())
            }
            Answer::Gap => {
                let last = sequence.checked_add(size).ok_or(Misbehaviour("more records than there can be"))?;
                let last = Some(last.wrapping_sub(1)).filter(|_| size > 0);
                match (self.machine, last) {
                    (true, Some(last)) => self.output.line(format_args!("=damaged seq={sequence} last={last}")),
                    (true, None) => self.output.line(format_args!("=damaged seq={sequence}")),
                    (false, Some(last)) if last == sequence => {
                        self.output.line(format_args!("{sequence:>8}  DAMAGED"));
                    }
                    (false, Some(last)) => self.output.line(format_args!("{sequence:>8}  DAMAGED, up to {last}")),
                    (false, None) => self.output.line(format_args!("{sequence:>8}  DAMAGED, and what follows")),
                }
                Ok(())
            }
            Answer::End => {
                self.output.line(format_args!("+ls records={sequence}"));
                self.activity = Activity::Idle;
                Ok(())
            }
            Answer::Failed => {
                let link = list.link;
                if failure(message)? != Failure::Damaged {
                    return self.fetch_failed(link, message);
                }
                self.activity = Activity::Idle;
                let archive = &self.volumes[link];
                let text = "what is whole is listed; find out more with: audit";
                let text = format_args!("some records of archive {archive} are damaged, {text} {archive}");
                self.output.error(Error::Damaged, None, text);
                Ok(())
            }
            _ => Err(Misbehaviour("an answer that does not belong to a listing")),
        }
    }

    fn fetch_failed(&mut self, link: usize, message: &Message) -> Result<(), Misbehaviour> {
        let (failure, value) = (failure(message)?, message.header.value.get());
        self.activity = Activity::Idle;
        self.output.refused(Refused { archive: &self.volumes[link], failure, value }, None);
        Ok(())
    }
}

fn request(op: Op, tag: u32, value: u64, extra: u64) -> Request {
    let mut request = Request::new_zeroed();
    (request.op, request.tag) = ((op as u16).into(), tag.into());
    (request.value, request.extra) = (value.into(), extra.into());
    request
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
