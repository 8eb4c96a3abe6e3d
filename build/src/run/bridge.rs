//! Joins the appliance's one serial line to its holder: the operator at standard input and output, or a
//! client at the console socket. One holds it at a time.
//!
//! Whenever the line changes hands the appliance gets a Ctrl-C, which ends whatever the last holder left
//! half done. What is in between is never more than a few kilobytes: a side is only read when the other has
//! taken everything.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::finder::Finder;
use crate::errln;

const CTRL_C: u8 = 0x03;
/// Ctrl-], the key that leaves.
const LEAVE: u8 = 0x1d;

/// Bytes read at a time: what a pipe or terminal that is ready takes without waiting.
const PIECE: usize = 4096;

/// What the console shows when it is ready for a command.
const PROMPT: &[u8] = b"totebox> ";

/// A command without effect, and its answer: it comes when everything before it has been answered.
const MARKER: (&[u8], &[u8]) = (b"\nperson\n", b"\n+person\r");

/// How the bridge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The operator left, a signal came, or standard input and its answers were complete.
    Left,
    /// The appliance closed the line.
    BackendGone,
}

/// A socket that is readable once SIGTERM, SIGINT or SIGHUP has come.
pub fn signals() -> Result<UnixStream> {
    let (readable, written) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, written.try_clone()?)?;
    }
    Ok(readable)
}

/// What the bridge joins.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// The appliance's line; never waits.
    pub line: &'a UnixStream,
    /// Where clients come from; never waits.
    pub listener: &'a UnixListener,
    /// Readable when a signal has come.
    pub signals: &'a UnixStream,
    /// What the operator types.
    pub input: BorrowedFd<'a>,
    /// What the operator sees.
    pub output: BorrowedFd<'a>,
    /// Whether the operator is at a terminal (in raw mode), rather than a script.
    pub terminal: bool,
    /// Whether a script's end is the end.
    pub exit_on_eof: bool,
}

/// The bridge.
#[derive(Debug)]
pub struct Bridge<'a> {
    ends: Ends<'a>,
    input: Input,
    output_open: bool,
    client: Option<Client>,
    /// On its way to the appliance.
    to_line: Vec<u8>,
    /// On its way from the appliance to the holder.
    to_holder: Vec<u8>,
    /// A script is held back until the appliance's first prompt.
    until_ready: Option<Finder>,
    /// The operator has got the line back; until the prompt what comes was the client's.
    until_prompt: Option<Finder>,
}

/// Where the operator's input stands.
#[derive(Debug)]
enum Input {
    Open {
        /// Whether anything has come.
        used: bool,
    },
    /// It has ended; its last answer has not come.
    Ending(Finder),
    Ended,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// It will send nothing more, but may still read.
    sent_all: bool,
}

/// What can be ready.
#[derive(Clone, Copy, Debug)]
enum Source {
    Signal,
    Line,
    Listener,
    Input,
    Output,
    Client,
}

impl<'a> Bridge<'a> {
    /// A bridge with the operator holding the line.
    pub fn new(ends: Ends<'a>) -> Bridge<'a> {
        Bridge {
            ends,
            input: Input::Open { used: false },
            output_open: true,
            client: None,
            to_line: Vec::new(),
            to_holder: Vec::new(),
            until_ready: (!ends.terminal).then(|| Finder::new(PROMPT)),
            until_prompt: None,
        }
    }

    /// Carries bytes until the end.
    pub fn carry(&mut self) -> Result<End> {
        loop {
            for (source, events) in self.wait()? {
                let end = match source {
                    Source::Signal => Some(End::Left),
                    Source::Line => self.line_ready(events)?,
                    Source::Listener => self.take_client()?,
                    Source::Input => self.read_input()?,
                    Source::Output => self.write_output()?,
                    Source::Client => self.client_ready(events)?,
                };
                if let Some(end) = end {
                    return Ok(end);
                }
            }
        }
    }

    /// Waits until something is ready that can be attended to.
    fn wait(&self) -> Result<Vec<(Source, PollFlags)>> {
        let when = |condition, flags| if condition { flags } else { PollFlags::empty() };
        let to_line = when(!self.to_line.is_empty() && self.until_ready.is_none(), PollFlags::OUT);
        let from_line = when(self.to_holder.is_empty(), PollFlags::IN);
        let mut watched = vec![
            (Source::Signal, self.ends.signals.as_fd(), PollFlags::IN),
            (Source::Line, self.ends.line.as_fd(), to_line | from_line),
        ];
        let wants_input = self.to_line.is_empty();
        let to_holder = when(!self.to_holder.is_empty(), PollFlags::OUT);
        if let Some(client) = &self.client {
            let from_client = when(wants_input && !client.sent_all, PollFlags::IN);
            watched.push((Source::Client, client.stream.as_fd(), from_client | to_holder));
        } else {
            watched.push((Source::Output, self.ends.output, to_holder));
            // Piped input keeps the line until its last answer has come.
            let free = self.ends.terminal || matches!(self.input, Input::Ended);
            let listening = when(free && self.to_holder.is_empty(), PollFlags::IN);
            watched.push((Source::Listener, self.ends.listener.as_fd(), listening));
        }
        // A script waits; the keys of a terminal can always take the line back, or leave.
        let reads = self.ends.terminal || (self.client.is_none() && wants_input);
        if reads && matches!(self.input, Input::Open { .. }) {
            watched.push((Source::Input, self.ends.input, PollFlags::IN));
        }
        // A client is watched for going away even when nothing is wanted of it.
        watched.retain(|(source, _, flags)| !flags.is_empty() || matches!(source, Source::Client));
        let mut fds: Vec<_> = watched.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        retry_on_intr(|| poll(&mut fds, None))?;
        let ready = watched.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, ..), fd)| (*source, fd.revents())).collect())
    }

    fn line_ready(&mut self, events: PollFlags) -> Result<Option<End>> {
        if events.contains(PollFlags::OUT) && !write_some(self.ends.line, &mut self.to_line) {
            return Ok(Some(End::BackendGone));
        }
        if self.to_holder.is_empty() {
            match read_some(self.ends.line)? {
                Some(piece) if piece.is_empty() => return Ok(Some(End::BackendGone)),
                Some(piece) => return Ok(self.received(piece)),
                None => {}
            }
        }
        Ok(None)
    }

    /// Passes on what the appliance has sent.
    fn received(&mut self, mut piece: Vec<u8>) -> Option<End> {
        if self.client.is_none() {
            if let Some(finder) = &mut self.until_prompt {
                // Up to the prompt nothing is passed on.
                let end = finder.find(&piece)?;
                self.until_prompt = None;
                piece.splice(..end, PROMPT.iter().copied());
            }
            if self.until_ready.as_mut().is_some_and(|finder| finder.find(&piece).is_some()) {
                self.until_ready = None;
            }
            if let Input::Ending(finder) = &mut self.input
                && finder.find(&piece).is_some()
            {
                self.input = Input::Ended;
            }
            if !self.output_open {
                return self.done();
            }
        }
        self.to_holder = piece;
        None
    }

    /// Reads what the operator types.
    fn read_input(&mut self) -> Result<Option<End>> {
        // Whatever is wrong with standard input, nothing more comes from it.
        let piece = read_some(self.ends.input).unwrap_or_default();
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else {
            self.input = match self.input {
                Input::Open { used: true } => {
                    self.to_line.extend_from_slice(MARKER.0);
                    Input::Ending(Finder::new(MARKER.1))
                }
                _ => Input::Ended,
            };
            return Ok(self.done());
        };
        if self.ends.terminal && piece.contains(&LEAVE) {
            return Ok(Some(End::Left));
        }
        self.input = Input::Open { used: true };
        if self.client.is_none() {
            self.until_prompt = None;
            // Keys the appliance is too busy for are lost, as on any serial line.
            if self.to_line.len() < PIECE {
                self.to_line.extend_from_slice(&piece);
            }
        } else if piece.contains(&CTRL_C) {
            self.release_client("you have the line");
        }
        Ok(None)
    }

    fn write_output(&mut self) -> Result<Option<End>> {
        self.output_open = write_some(self.ends.output, &mut self.to_holder);
        if !self.output_open {
            // Nobody sees what is shown any more; the socket is served on.
            self.to_holder.clear();
        }
        Ok(self.done())
    }

    /// The end, if it is to come after standard input and everything it led to is shown.
    fn done(&self) -> Option<End> {
        let ended = self.ends.exit_on_eof && matches!(self.input, Input::Ended) && self.to_holder.is_empty();
        ended.then_some(End::Left)
    }

    fn take_client(&mut self) -> Result<Option<End>> {
        // One that is gone already is no client.
        let Ok((stream, _)) = self.ends.listener.accept() else { return Ok(None) };
        stream.set_nonblocking(true)?;
        self.client = Some(Client { stream, sent_all: false });
        self.until_ready = None;
        self.notice("a client has the line; Ctrl-C takes it back");
        self.to_line = vec![CTRL_C];
        Ok(None)
    }

    fn client_ready(&mut self, events: PollFlags) -> Result<Option<End>> {
        let Some(client) = &mut self.client else { return Ok(None) };
        let mut gone = events.intersects(PollFlags::HUP | PollFlags::ERR);
        if events.contains(PollFlags::OUT) {
            gone |= !write_some(&client.stream, &mut self.to_holder);
        }
        if !gone && self.to_line.is_empty() && !client.sent_all {
            match read_some(&client.stream) {
                Ok(Some(piece)) => {
                    client.sent_all = piece.is_empty();
                    self.to_line = piece;
                }
                Ok(None) => {}
                Err(_) => gone = true,
            }
        }
        if gone {
            self.release_client("the client has gone, you have the line");
        }
        Ok(None)
    }

    /// Gives the line back to the operator.
    fn release_client(&mut self, why: &str) {
        self.client = None;
        self.notice(why);
        self.to_line = vec![CTRL_C];
        self.to_holder.clear();
        self.until_prompt = Some(Finder::new(PROMPT));
    }

    /// Tells an operator at a terminal.
    fn notice(&self, text: &str) {
        if self.ends.terminal {
            errln!("\n[{text}]");
        }
    }
}

/// Writes what the other side takes now; false if it takes nothing any more.
fn write_some(to: impl AsFd, bytes: &mut Vec<u8>) -> bool {
    match rustix::io::write(to, bytes) {
        Ok(count) => {
            bytes.drain(..count);
            true
        }
        Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
    }
}

/// Reads what is there: empty at the end, `None` if there is nothing for now.
fn read_some(from: impl AsFd) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut piece = vec![0; PIECE];
    match rustix::io::read(from, &mut piece) {
        Ok(count) => {
            piece.truncate(count);
            Ok(Some(piece))
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
