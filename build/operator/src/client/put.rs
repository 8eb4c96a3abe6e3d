//! Putting files. What is in them is known [before](super::content) the line is taken. The next begins as soon as the
//! data of one are taken, so that the archive can commit together what waits together. How each ended is in `fates.rs`.

mod fates;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ledger_fmt::payload::DOCUMENT_NAME_MAX;
use totebox_console_protocol::data::{CONTENT_MAX, Content};
use totebox_console_protocol::text::Hex;
use totebox_console_protocol::words::Quoted;
use totebox_shown::ShowPath;

use super::Word;
use super::content::{Declared, FileContent};
use super::get::get;
use super::lines::{Line, Receipt, Refusal};
use super::ls::{Record, ls};
use super::progress::Progress;
use super::session::{Heard, Session, TRIES};
use super::sources::Source;
use super::status::status;
use totebox_common::files::Draft;
use totebox_common::output::causes;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Committed(Receipt),
    /// It is committed and durable, as this record: its receipt was lost, but the archive lists it.
    Listed(Record),
    /// The archive had it before, as this record: the same content under the same name. Nothing was sent.
    Skipped(Record),
    /// The appliance refused it. Nothing was committed.
    Refused(Refusal),
    /// The file could not be read, or changed meanwhile. Nothing was committed.
    NotRead(String),
    /// It was not sent, or given up on the way. Nothing was committed.
    NotSent(String),
    /// It was sent, and nothing says what became of it: it may be committed or not.
    Unknown(String),
}

/// How sending the data of a submission ended.
enum Sent {
    All,
    /// The submission has ended meanwhile: see [`Session::take_ended`].
    Ended,
    NotRead(String),
    /// The line was disturbed beyond repair; the submission was given up, or not: ask.
    Disturbed,
}

/// What is put where.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub archive: &'a str,
    pub sources: &'a [Source],
    /// Leave out what the archive has already: the same content under the same name.
    pub skip_existing: bool,
}

/// Puts files into an archive, and says of each how it ended, as soon as that is known. Each is told of exactly
/// once, also if this ends with an error. `contents` are those of the order's files.
pub fn put(
    session: &mut Session,
    order: Order<'_>,
    contents: &[FileContent],
    progress: &mut dyn Progress,
    done: &mut dyn FnMut(&Source, &Outcome),
) -> Result<()> {
    let files = order.sources.len();
    assert_eq!(contents.len(), files, "each file was read");
    let mut sender = Sender {
        session,
        order,
        contents,
        present: Present::default(),
        doubtful: false,
        records_before: 0,
        todo: (0..files).collect(),
        open: (0..files).collect(),
        tries: vec![0; files],
        newest: 0,
        waiting: BTreeMap::new(),
        claimed: BTreeSet::new(),
        done,
    };
    let finished = sender.prepare().and_then(|()| sender.run(progress));
    if let Err(error) = &finished {
        sender.close(&causes(error));
    }
    finished
}

/// Documents an archive has, by name and hash.
#[derive(Default)]
struct Present(BTreeMap<(String, String), Vec<Record>>);

impl Present {
    fn of(records: Vec<Record>) -> Present {
        let mut present = Present::default();
        for record in records.into_iter().filter(|record| record.kind == "document") {
            present.0.entry((record.name.clone(), record.hash.clone())).or_default().push(record);
        }
        present
    }

    fn records(&self, name: &str, declared: Declared) -> &[Record] {
        let key = (name.to_string(), Hex(&declared.hash).to_string());
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// A submission that was begun.
struct Begun {
    index: usize,
    declared: Declared,
    complete: bool,
}

/// Submissions by which one may lie behind the newest before its fate is asked for. The console remembers twice
/// as many, so that none is forgotten.
const BEHIND_MAX: u32 = 32;

/// Between two tries while the console takes no submission, although none waits here.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

struct Sender<'a> {
    session: &'a mut Session,
    order: Order<'a>,
    contents: &'a [FileContent],
    /// What is not to be put again.
    present: Present,
    /// The archive is known not to verify: what it lists is read back before it counts as being there.
    doubtful: bool,
    /// How many records the archive had before.
    records_before: u64,
    /// Files to send, among the sources.
    todo: VecDeque<usize>,
    /// Files of which it was not told yet how they ended.
    open: BTreeSet<usize>,
    /// How often each was sent.
    tries: Vec<usize>,
    newest: u32,
    /// Submissions that have not ended, as far as is known, by tag.
    waiting: BTreeMap<u32, Begun>,
    /// Records that were told of as what became of a file.
    claimed: BTreeSet<u64>,
    done: &'a mut dyn FnMut(&Source, &Outcome),
}

impl Sender<'_> {
    /// Finds out what the archive has. One that does not say will say why when it is to take something.
    fn prepare(&mut self) -> Result<()> {
        let count = if self.order.skip_existing { u64::MAX } else { 0 };
        if let Ok(listing) = ls(self.session, self.order.archive, 0, count)? {
            self.records_before = listing.records;
            self.present = Present::of(listing.entries);
        }
        if self.order.skip_existing {
            let status = status(self.session)?.ok();
            let volumes = status.iter().flat_map(|status| &status.volumes);
            self.doubtful = { volumes }.any(|volume| volume.name == self.order.archive && !volume.verifies());
        }
        Ok(())
    }

    /// The record with which the archive has this document already. Where the archive does not verify, its list is
    /// no proof: whoever is told that a document is there may give up the last good copy.
    fn existing(&mut self, name: &str, declared: Declared, progress: &mut dyn Progress) -> Result<Option<Record>> {
        let records = self.present.records(name, declared).to_vec();
        if !self.doubtful || records.is_empty() {
            return Ok(records.into_iter().next());
        }
        for record in records {
            let content = Draft::within(&std::env::temp_dir(), 0o600)?;
            if get(self.session, self.order.archive, record.sequence, content, progress)?.is_ok() {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<()> {
        loop {
            if let Some(index) = self.todo.pop_front() {
                self.send(index, progress)?;
            } else if !self.waiting.is_empty() {
                self.await_one()?;
            } else {
                return Ok(());
            }
            self.settle()?;
        }
    }

    /// Sends one file. It is told of if that fails, and waited for otherwise.
    fn send(&mut self, index: usize, progress: &mut dyn Progress) -> Result<()> {
        let source = &self.order.sources[index];
        if let Some(refusal) = bad_name(&source.name) {
            return self.report(index, Outcome::Refused(refusal));
        }
        let (file, declared) = match self.contents[index].open() {
            Ok(known) => known,
            Err(error) => return self.report(index, Outcome::NotRead(causes(&error))),
        };
        if let Some(record) = self.existing(&source.name, declared, progress)? {
            return self.report(index, Outcome::Skipped(record));
        }
        let (tag, window) = match self.begin_in_turn(source, declared)? {
            Ok(ready) => ready,
            Err(refusal) => return self.report(index, Outcome::Refused(refusal)),
        };
        if tag <= self.newest {
            // The appliance counts anew: what waits was begun before it was restarted.
            self.look_up_all()?;
        }
        self.newest = tag;
        self.tries[index] += 1;
        self.waiting.insert(tag, Begun { index, declared, complete: false });
        progress.begin(&source.name, declared.size);
        let sent = self.send_data(&file, declared, tag, window, progress);
        progress.end();
        match sent? {
            Sent::All => {
                self.complete(tag);
                Ok(())
            }
            Sent::Ended => Ok(()),
            Sent::NotRead(why) => {
                self.waiting.remove(&tag);
                self.report(index, Outcome::NotRead(why))
            }
            Sent::Disturbed => {
                self.session.start_anew()?;
                // If the last byte was taken, the document is on its way all the same.
                if self.inquire(tag)? {
                    self.complete(tag);
                }
                Ok(())
            }
        }
    }

    fn complete(&mut self, tag: u32) {
        if let Some(begun) = self.waiting.get_mut(&tag) {
            begun.complete = true;
        }
    }

    /// Opens a submission as soon as the console takes one: its tag and window, or the refusal.
    fn begin_in_turn(&mut self, source: &Source, declared: Declared) -> Result<Result<(u32, usize), Refusal>> {
        let (mut since, mut disturbances) = (Instant::now(), 0);
        loop {
            while let Some(tag) = self.far_behind() {
                if self.inquire(tag)? {
                    self.await_one()?;
                }
            }
            match self.begin(source, declared)? {
                None => disturbances += 1,
                Some(Err(refusal)) if refusal.name == "busy" && !self.waiting.is_empty() => {
                    self.await_one()?;
                    since = Instant::now();
                }
                Some(Err(refusal)) if refusal.name == "busy" && since.elapsed() < self.session.timing.timeout => {
                    self.session.pause(BUSY_PAUSE)?;
                }
                Some(answer) => return Ok(answer),
            }
            if disturbances == TRIES {
                bail!("the line is too disturbed: {TRIES} times no whole answer to the beginning of a document");
            }
        }
    }

    /// The oldest submission that has not ended, if the console may soon forget it.
    fn far_behind(&self) -> Option<u32> {
        let (&tag, _) = self.waiting.first_key_value()?;
        (self.newest.saturating_sub(tag) >= BEHIND_MAX).then_some(tag)
    }

    /// Opens a submission: its tag and window, or the refusal; `None` if that was disturbed.
    fn begin(&mut self, source: &Source, declared: Declared) -> Result<Option<Result<(u32, usize), Refusal>>> {
        let (archive, name, hash) = (self.order.archive, Quoted(source.name.as_bytes()), Hex(&declared.hash));
        self.session.send(&format!("put {} {name} {} {hash}", Word(archive), declared.size))?;
        let start = Instant::now();
        loop {
            match self.session.hear(self.session.timing.quiet)? {
                Heard::Line(Line::Ready(tag, window)) if window > 0 => return Ok(Some(Ok((tag, window)))),
                Heard::Line(Line::Refused(refusal)) if refusal.name == "bad-crc" => return Ok(None),
                Heard::Line(Line::Refused(refusal)) if self.concerns_this(&refusal) => {
                    return Ok(Some(Err(refusal)));
                }
                Heard::Line(line) => self.session.note(line),
                Heard::Disturbed => {
                    self.session.start_anew()?;
                    return Ok(None);
                }
                Heard::Silence if start.elapsed() > self.session.timing.timeout => {
                    bail!("archive {archive} does not say whether it takes {}", source.path.shown())
                }
                // If the end of the command was lost, this is it; if not, it means nothing.
                Heard::Silence => self.session.send_raw(b"\n")?,
            }
        }
    }

    /// Whether a refusal answers the `put` that was sent last: it has no tag, or one that is new.
    fn concerns_this(&self, refusal: &Refusal) -> bool {
        !refusal.event && refusal.tag.is_none_or(|tag| tag > self.newest)
    }

    /// Sends the data of a submission, within its window, again from where it is told to.
    fn send_data(
        &mut self,
        file: &File,
        declared: Declared,
        tag: u32,
        window: usize,
        progress: &mut dyn Progress,
    ) -> Result<Sent> {
        let Declared { size, .. } = declared;
        let window = (window * CONTENT_MAX) as u64;
        // Bytes taken, and bytes sent.
        let (mut taken, mut sent) = (0, 0);
        let mut sent_empty = false;
        let mut disturbances = 0;
        let (mut progressed, mut progress_at) = (Instant::now(), 0);
        // A line that is no data line was sent: its answer says where to go on, and that every answer to
        // what was sent before has come. Without it, each of several damaged lines would have all that
        // follows it sent again.
        let mut resuming = false;
        loop {
            while !resuming && sent - taken < window && (sent < size || (size == 0 && !sent_empty)) {
                let mut bytes = [0; CONTENT_MAX];
                let bytes = &mut bytes[..CONTENT_MAX.min((size - sent) as usize)];
                if let Err(error) = file.read_exact_at(bytes, sent) {
                    return self.withdraw(tag, format!("it changed while it was read: {error}"));
                }
                self.session.send(&Content { offset: sent, bytes }.to_string())?;
                sent += bytes.len() as u64;
                sent_empty = true;
            }
            match self.session.hear(self.session.timing.quiet)? {
                Heard::Line(Line::Flow(offset, _)) if offset > size => {
                    bail!("the appliance took more than was sent")
                }
                Heard::Line(Line::Flow(offset, why)) => {
                    match why.as_deref() {
                        None if offset == size => return Ok(Sent::All),
                        None => (taken, sent) = (offset.max(taken), offset.max(sent)),
                        Some("bad-line") if resuming => {
                            (taken, sent, sent_empty, resuming) = (offset, offset, false, false);
                        }
                        // The answer to a line that was sent once too often.
                        Some("bad-line") => {}
                        Some(_) if resuming => {}
                        Some(_) => {
                            self.session.send(&format!("receipt {tag}"))?;
                            resuming = true;
                        }
                    }
                    if offset > progress_at {
                        (progressed, progress_at) = (Instant::now(), offset);
                        progress.at(offset);
                    }
                    disturbances = 0;
                }
                Heard::Line(Line::Pending(of)) if of == tag => return Ok(Sent::All),
                // The probe below was not understood: its submission is forgotten, or it was disturbed.
                Heard::Line(Line::Refused(Refusal { tag: None, .. })) => disturbances += 1,
                Heard::Line(line) => {
                    let ended = match &line {
                        Line::Receipt(receipt) => Some(receipt.tag),
                        Line::Refused(refusal) => refusal.tag,
                        _ => None,
                    };
                    self.session.note(line);
                    if ended == Some(tag) {
                        return Ok(Sent::Ended);
                    }
                }
                Heard::Disturbed => disturbances += 1,
                Heard::Silence if progressed.elapsed() > self.session.timing.timeout => {
                    bail!("archive {} takes no more data; {taken} of {size} bytes were taken", self.order.archive)
                }
                // While data are expected this is a bad line, as above; afterwards it asks what became of them.
                Heard::Silence => {
                    self.session.send(&format!("receipt {tag}"))?;
                    resuming = true;
                }
            }
            if disturbances == TRIES {
                return Ok(Sent::Disturbed);
            }
        }
    }

    /// Gives a submission up because of its file.
    fn withdraw(&mut self, tag: u32, why: String) -> Result<Sent> {
        self.session.send(".")?;
        match self.session.hear(self.session.timing.quiet)? {
            Heard::Line(Line::Refused(refusal)) if refusal.tag == Some(tag) => {}
            _ => self.session.start_anew()?,
        }
        Ok(Sent::NotRead(why))
    }

    fn report(&mut self, index: usize, outcome: Outcome) -> Result<()> {
        if self.open.remove(&index) {
            (self.done)(&self.order.sources[index], &outcome);
        }
        Ok(())
    }
}

/// The refusal of a name that no document can have. The appliance would refuse it as well, if it fits a line.
fn bad_name(name: &str) -> Option<Refusal> {
    let fits = (1..=DOCUMENT_NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    let text = format!(
        "a document's name has 1 to {DOCUMENT_NAME_MAX} bytes of UTF-8 without control characters; --name gives it \
         another"
    );
    (!fits).then_some(Refusal { name: "bad-name".into(), tag: None, text, event: false })
}
