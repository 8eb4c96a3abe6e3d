//! Putting files: each is hashed first, then sent; the next begins as soon as the data of one are taken,
//! so that the archive can commit together what waits together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ledger_fmt::Hash;
use totebox_pds::console::data::{CONTENT_MAX, Content};
use totebox_pds::console::text::Hex;
use totebox_pds::console::words::Quoted;

use super::lines::{Line, Receipt, Refusal};
use super::session::{Fate, Heard, Session, TRIES};

/// A file to put, and the name its document gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The document's name.
    pub name: String,
}

/// How putting one file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed and durable.
    Committed(Receipt),
    /// The appliance refused it.
    Refused(Refusal),
    /// The file could not be read, or changed meanwhile. Nothing was committed.
    NotRead(String),
    /// No receipt came; it may be committed or not.
    Unknown(String),
}

/// Is told how a long transfer goes.
pub trait Progress {
    /// A file begins: what is done to it, and its size in bytes.
    fn begin(&mut self, label: &str, size: u64);
    /// Bytes done so far.
    fn at(&mut self, position: u64);
    /// The file is done with.
    fn end(&mut self);
}

/// What is known of a file before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Declared {
    size: u64,
    hash: Hash,
}

/// How sending the data of a submission ended.
enum Sent {
    /// All were taken, or the submission has ended already: see [`Session::take_ended`].
    All,
    /// The file is not what was declared.
    NotRead(String),
    /// The line was disturbed beyond repair; the submission was given up, or not: ask.
    Disturbed,
}

/// Puts files into an archive, and says of each how it ended, as soon as that is known.
pub fn put(
    session: &mut Session,
    archive: &str,
    sources: &[Source],
    progress: &mut dyn Progress,
    done: &mut dyn FnMut(&Source, &Outcome),
) -> Result<()> {
    let waiting = BTreeMap::new();
    let mut sender = Sender { session, archive, sources, waiting, done };
    let finished = sender.run(progress);
    if finished.is_err() {
        for (tag, (index, _)) in std::mem::take(&mut sender.waiting) {
            sender.report(index, Outcome::Unknown(no_receipt(tag)));
        }
    }
    finished
}

fn no_receipt(tag: u32) -> String {
    format!("no receipt for submission {tag} came; see whether it is there with `totebox ls`")
}

struct Sender<'a> {
    session: &'a mut Session,
    archive: &'a str,
    sources: &'a [Source],
    /// Submissions whose data were taken, by tag.
    waiting: BTreeMap<u32, (usize, Declared)>,
    done: &'a mut dyn FnMut(&Source, &Outcome),
}

impl Sender<'_> {
    fn run(&mut self, progress: &mut dyn Progress) -> Result<()> {
        for index in 0..self.sources.len() {
            match self.send(index, progress)? {
                Some(outcome) => self.report(index, outcome),
                None => self.settle(),
            }
        }
        while !self.waiting.is_empty() {
            self.await_one()?;
        }
        Ok(())
    }

    /// Sends one file: returns how it failed, or nothing once its data were taken and it is waited for.
    fn send(&mut self, index: usize, progress: &mut dyn Progress) -> Result<Option<Outcome>> {
        let source = &self.sources[index];
        let (file, declared) = match declare(source, progress) {
            Ok(known) => known,
            Err(error) => return Ok(Some(Outcome::NotRead(format!("{error:#}")))),
        };
        for _ in 0..TRIES {
            let (tag, window) = match self.begin(source, declared)? {
                None => continue,
                Some(Ok(ready)) => ready,
                Some(Err(refusal)) if refusal.name == "busy" && !self.waiting.is_empty() => {
                    self.await_one()?;
                    continue;
                }
                Some(Err(refusal)) => return Ok(Some(Outcome::Refused(refusal))),
            };
            progress.begin(&source.name, declared.size);
            let sent = self.send_data(&file, declared, tag, window, progress);
            progress.end();
            match sent? {
                Sent::All => {
                    self.waiting.insert(tag, (index, declared));
                    return Ok(None);
                }
                Sent::NotRead(why) => return Ok(Some(Outcome::NotRead(why))),
                Sent::Disturbed => {
                    self.session.start_anew()?;
                    // If the last byte was taken, the document is on its way all the same.
                    self.waiting.insert(tag, (index, declared));
                    match self.inquire(tag)? {
                        Some(Fate::Refused(refusal)) if refusal.name == "cancelled" => self.waiting.remove(&tag),
                        _ => return Ok(None),
                    };
                }
            }
        }
        bail!("the line is too disturbed: {} could not be sent in {TRIES} tries", source.path.display())
    }

    /// Opens a submission: its tag and window, or the refusal; `None` if that was disturbed.
    fn begin(&mut self, source: &Source, declared: Declared) -> Result<Option<Result<(u32, usize), Refusal>>> {
        let (name, hash) = (Quoted(source.name.as_bytes()), Hex(&declared.hash));
        self.session.send(&format!("put {} {name} {} {hash}", self.archive, declared.size))?;
        let start = Instant::now();
        loop {
            match self.session.hear(self.session.timing.quiet)? {
                Heard::Line(Line::Ready(tag, window)) if window > 0 => return Ok(Some(Ok((tag, window)))),
                Heard::Line(Line::Refused(refusal)) if refusal.name == "bad-crc" => return Ok(None),
                Heard::Line(Line::Refused(refusal)) if !self.concerns_other(&refusal) => {
                    return Ok(Some(Err(refusal)));
                }
                Heard::Line(line) => self.session.note(line),
                Heard::Disturbed => {
                    self.session.start_anew()?;
                    return Ok(None);
                }
                Heard::Silence if start.elapsed() > self.session.timing.patience => {
                    bail!("archive {} does not say whether it takes {}", self.archive, source.name)
                }
                // If the end of the command was lost, this is it; if not, it means nothing.
                Heard::Silence => self.session.send_raw(b"\n")?,
            }
        }
    }

    fn concerns_other(&self, refusal: &Refusal) -> bool {
        refusal.event || refusal.tag.is_some_and(|tag| self.waiting.contains_key(&tag))
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
                        return Ok(Sent::All);
                    }
                }
                Heard::Disturbed => disturbances += 1,
                Heard::Silence if progressed.elapsed() > self.session.timing.patience => {
                    bail!("archive {} takes no more data; {taken} of {size} bytes were taken", self.archive)
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

    /// Waits until at least one submission has ended.
    fn await_one(&mut self) -> Result<()> {
        let start = Instant::now();
        let before = self.waiting.len();
        while self.waiting.len() == before {
            match self.session.hear(self.session.timing.quiet)? {
                Heard::Line(line) => self.session.note(line),
                Heard::Disturbed | Heard::Silence => {
                    let tags: Vec<u32> = self.waiting.keys().copied().collect();
                    for tag in tags {
                        self.inquire(tag)?;
                    }
                }
            }
            self.settle();
            if start.elapsed() > self.session.timing.patience && self.waiting.len() == before {
                let (tag, (index, _)) = self.waiting.pop_first().expect("something is waited for");
                self.report(index, Outcome::Unknown(no_receipt(tag)));
            }
        }
        Ok(())
    }

    /// Asks what became of a submission; `None` if it still waits. What ended is noted, too.
    fn inquire(&mut self, tag: u32) -> Result<Option<Fate>> {
        'tries: for _ in 0..TRIES {
            self.session.send(&format!("receipt {tag}"))?;
            loop {
                let fate = match self.session.hear(self.session.timing.quiet)? {
                    Heard::Line(Line::Pending(of)) if of == tag => return Ok(None),
                    Heard::Line(Line::Receipt(receipt)) if receipt.tag == tag => Fate::Receipt(receipt),
                    Heard::Line(Line::Refused(refusal)) if refusal.name == "bad-crc" => continue 'tries,
                    Heard::Line(Line::Refused(refusal)) if refusal.tag.is_none() => {
                        Fate::Refused(Refusal { tag: Some(tag), ..refusal })
                    }
                    Heard::Line(Line::Refused(refusal)) if refusal.tag == Some(tag) => Fate::Refused(refusal),
                    Heard::Line(line) => {
                        self.session.note(line);
                        continue;
                    }
                    Heard::Disturbed | Heard::Silence => {
                        self.session.start_anew()?;
                        continue 'tries;
                    }
                };
                let line = match fate.clone() {
                    Fate::Receipt(receipt) => Line::Receipt(receipt),
                    Fate::Refused(refusal) => Line::Refused(refusal),
                };
                self.session.note(line);
                return Ok(Some(fate));
            }
        }
        bail!("the line is too disturbed: {TRIES} times no whole answer about submission {tag}")
    }

    /// Reports the submissions that have ended.
    fn settle(&mut self) {
        for fate in self.session.take_ended() {
            let tag = match &fate {
                Fate::Receipt(receipt) => Some(receipt.tag),
                Fate::Refused(refusal) => refusal.tag,
            };
            // One of an earlier session, or one that ended twice: by itself, and in answer to a question.
            let Some((index, declared)) = tag.and_then(|tag| self.waiting.remove(&tag)) else { continue };
            let outcome = match fate {
                Fate::Receipt(receipt) if (receipt.size, receipt.hash) == (declared.size, declared.hash) => {
                    Outcome::Committed(receipt)
                }
                Fate::Receipt(_) => {
                    Outcome::Unknown("the receipt is for other content; was the appliance restarted?".into())
                }
                Fate::Refused(refusal) => Outcome::Refused(refusal),
            };
            self.report(index, outcome);
        }
    }

    fn report(&mut self, index: usize, outcome: Outcome) {
        (self.done)(&self.sources[index], &outcome);
    }
}

/// Opens a file and finds its size and hash, in a first pass over it.
fn declare(source: &Source, progress: &mut dyn Progress) -> Result<(File, Declared)> {
    let mut file = File::open(&source.path).with_context(|| format!("cannot open {}", source.path.display()))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        bail!("{} is not a file; a folder is put with -r", source.path.display());
    }
    progress.begin(&format!("hashing {}", source.name), metadata.len());
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    let hashed = loop {
        match file.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
                progress.at(size);
            }
            Err(error) => break Err(error),
        }
    };
    progress.end();
    hashed.with_context(|| format!("cannot read {}", source.path.display()))?;
    Ok((file, Declared { size, hash: *hasher.finalize().as_bytes() }))
}

/// The files to put for the paths on the command line: a file under its own name, a folder (if
/// `recursive`) as all files in it, in the order of their names, each under its path from the folder on.
pub fn sources(paths: &[PathBuf], recursive: bool) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let name = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = name.file_name().map(PathBuf::from).unwrap_or_default();
        if !path.is_dir() {
            sources.push(Source { path: path.clone(), name: document_name(&name)? });
        } else if recursive {
            add_folder(path, &name, &mut sources)?;
        } else {
            bail!("{} is a folder; -r puts all files in it", path.display());
        }
    }
    Ok(sources)
}

fn add_folder(folder: &Path, name: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        // Symbolic links are followed to files, not to folders, so that this ends.
        if entry.file_type()?.is_dir() {
            add_folder(&path, &name, sources)?;
        } else if path.is_file() {
            sources.push(Source { path, name: document_name(&name)? });
        }
    }
    Ok(())
}

fn document_name(name: &Path) -> Result<String> {
    match name.to_str() {
        Some(name) => Ok(name.to_string()),
        None => bail!("the name of {} is not UTF-8 text; give the document one with --name", name.display()),
    }
}
