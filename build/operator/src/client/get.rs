//! Getting a document: into a file beside the one wanted, which takes its place once every byte came and
//! the hash is right. After a disturbance it goes on where it was.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Word;
use anyhow::{Context, Result, bail};
use ledger_fmt::Hash;
use std::ffi::OsStr;
use totebox_console_protocol::words::Quoted;

use super::lines::{Line, Refusal};
use super::progress::Progress;
use super::session::{Heard, Session, TRIES};
use totebox_common::file_name::portable;
use totebox_common::files::Draft;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub sequence: u64,
    pub name: String,
    /// Bytes of content.
    pub size: u64,
    pub hash: Hash,
    pub time_ms: u64,
}

/// A document that came whole, its content in a file that has no name yet.
#[derive(Debug)]
pub struct Fetched {
    pub document: Document,
    content: Draft,
}

/// Gets the document in a record; its content goes into `content`.
pub fn get(
    session: &mut Session,
    archive: &str,
    sequence: u64,
    content: Draft,
    progress: &mut dyn Progress,
) -> Result<Result<Fetched, Refusal>> {
    let hasher = blake3::Hasher::new();
    let mut fetch = Fetch { content, hasher, received: 0, document: None, moved: Instant::now() };
    let (mut disturbances, mut silent_for) = (0, session.timing.quiet);
    let fetched = loop {
        let before = fetch.received;
        session.send(&format!("get {} {sequence} {before}", Word(archive)))?;
        let silence = match fetch.receive(session, silent_for, progress)? {
            Received::End(end) => break end,
            Received::Disturbed => false,
            Received::Silence => true,
        };
        if fetch.received > before {
            (disturbances, silent_for) = (0, session.timing.quiet);
        } else if fetch.moved.elapsed() >= session.timing.timeout {
            let (received, seconds) = (fetch.received, session.timing.timeout.as_secs());
            bail!(
                "archive {archive} has sent nothing of record {sequence} behind byte {received}, for {seconds} s now"
            );
        } else if silence {
            // Who reads from a slow disk is not to be disturbed for ever.
            silent_for = session.timing.longer(silent_for, fetch.moved);
        } else {
            disturbances += 1;
        }
        if disturbances == TRIES {
            bail!("the line is too disturbed: nothing of record {sequence} came in {TRIES} tries");
        }
        session.start_anew()?;
    };
    if fetch.document.is_some() {
        progress.end();
    }
    if let Err(refusal) = fetched {
        let text = match &fetch.document {
            Some(Document { name, .. }) => {
                format!("record {sequence}, {}: {}", Quoted(name.as_bytes()), refusal.text)
            }
            None => refusal.text,
        };
        return Ok(Err(Refusal { text, ..refusal }));
    }
    let Some(document) = fetch.document else { bail!("the appliance ended a document it did not name") };
    if fetch.received != document.size || *fetch.hasher.finalize().as_bytes() != document.hash {
        let text =
            format!("record {sequence}: what arrived does not have the size and hash that the record states");
        return Ok(Err(Refusal { name: "damaged".into(), tag: None, text, event: false }));
    }
    Ok(Ok(Fetched { document, content: fetch.content }))
}

struct Fetch {
    content: Draft,
    hasher: blake3::Hasher,
    received: u64,
    document: Option<Document>,
    /// When something of it came last.
    moved: Instant,
}

/// How the answer to a `get` ended.
enum Received {
    End(Result<(), Refusal>),
    Disturbed,
    Silence,
}

impl Fetch {
    /// Takes the answer to a `get` from where the last one ended.
    fn receive(
        &mut self,
        session: &mut Session,
        silent_for: Duration,
        progress: &mut dyn Progress,
    ) -> Result<Received> {
        loop {
            match session.hear(silent_for)? {
                Heard::Line(Line::Row(_, fields)) => {
                    let document = (|| {
                        Some(Document {
                            sequence: fields.number("seq")?,
                            name: fields.text("name")?.to_string(),
                            size: fields.number("size")?,
                            hash: fields.hash("hash")?,
                            time_ms: fields.number("time")?,
                        })
                    })();
                    let Some(document) = document else { bail!("the appliance did not describe the document") };
                    match &self.document {
                        None => progress.begin(&document.name, document.size),
                        Some(known) if *known == document => {}
                        Some(_) => bail!("the record changed while it was read"),
                    }
                    self.document = Some(document);
                }
                Heard::Line(Line::Content(offset, bytes)) => {
                    if offset != self.received {
                        return Ok(Received::Disturbed);
                    }
                    self.moved = Instant::now();
                    self.content.file().write_all(&bytes).context("cannot write what came")?;
                    self.hasher.update(&bytes);
                    self.received += bytes.len() as u64;
                    progress.at(self.received);
                }
                Heard::Line(Line::Done(name, _)) if name == "end" => return Ok(Received::End(Ok(()))),
                Heard::Line(Line::Refused(refusal)) if refusal.tag.is_none() => match refusal.name.as_str() {
                    "bad-crc" | "cancelled" => return Ok(Received::Disturbed),
                    _ => return Ok(Received::End(Err(refusal))),
                },
                Heard::Line(line) => session.note(line),
                Heard::Disturbed => return Ok(Received::Disturbed),
                Heard::Silence => return Ok(Received::Silence),
            }
        }
    }
}

impl Fetched {
    /// Gives the content its name. An existing file is only replaced with `force`.
    pub fn save(self, path: &Path, force: bool) -> Result<()> {
        self.content.at(path).publish_output(force)
    }

    pub fn content(&mut self) -> Result<&mut (impl Read + use<>)> {
        let file: &mut File = self.content.file();
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// The file a document gets when the operator names none: the last part of the document's name, without what means
/// something to a file system, a shell or a terminal.
pub fn default_path(document: &Document) -> Result<PathBuf> {
    match Path::new(&document.name).file_name().and_then(OsStr::to_str) {
        Some(name) => Ok(portable(name).into()),
        None => bail!(
            "the document's name, {}, is not a file name; name a file with -o",
            Quoted(document.name.as_bytes())
        ),
    }
}
