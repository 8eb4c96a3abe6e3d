//! Joins the appliance's one serial line to its holder: the operator at standard input and output, or a
//! client at the console socket. One holds it at a time; whose turn it is, [`super::turns`] says.
//!
//! Whenever the line changes hands the console is told so by a control byte, which ends whatever the last holder
//! left half done. The operator at a terminal does not lose the connection with the line and may be typing on,
//! so the console also hears whether keys were lost meanwhile. What is in between is never more than a few
//! kilobytes: a side is only read when the other has taken everything. Nothing that is written waits: whoever does not
//! read what they are shown holds nobody else up.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use totebox_console_protocol::control;
use totebox_console_protocol::data::checksum;
use totebox_shown::Shown;

use super::finder::Finder;
use super::keys::{Lost, has_line, void_unsent};
use super::prompts::{PROMPT, Prompts};
use super::script::Script;
use super::streams::{read_some, write};
use super::turns::{Next, Turns};

const LEAVE: u8 = 0x1d;

/// Bytes of what is typed or pasted at a terminal that may wait for the appliance. While more wait the terminal
/// is not read: that text stays where it is, and so do Ctrl-C and Ctrl-].
const TYPED_MAX: usize = 1 << 20;

/// Clients that are told apart while they wait; more wait to be taken in.
const WAITING_MAX: usize = 32;

/// Bytes of notices that may wait for whoever is to see them; what is more is not said.
const NOTICES_MAX: usize = 4096;

/// The end of what is typed: of a line that may not have ended, and of the input.
const END_OF_TYPING: &[u8] = &[b'\n', control::END];

/// How long a holder may move next to nothing while another waits.
pub const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The operator left, or a signal came.
    Left,
    /// Standard input and its answers were complete.
    InputDone {
        /// The appliance refused or gave up something of it.
        refused: bool,
    },
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
    pub input: BorrowedFd<'a>,
    /// What the operator sees. If it is a terminal, writing to it never waits.
    pub output: BorrowedFd<'a>,
    /// Where the operator sees what the bridge itself has to say; as `output`.
    pub notices: BorrowedFd<'a>,
    /// Whether the operator is at a terminal (in raw mode), rather than a script.
    pub terminal: bool,
    /// Whether a script's end is the end.
    pub exit_on_eof: bool,
    /// How long a holder may move next to nothing while another waits.
    pub timeout: Duration,
}

#[derive(Debug)]
pub struct Bridge<'a> {
    ends: Ends<'a>,
    input: Input,
    output_open: bool,
    /// Why the operator's output takes nothing any more.
    output_lost: Option<Errno>,
    turns: Turns<Client>,
    to_line: Vec<u8>,
    /// On its way from the appliance to the holder.
    to_holder: Vec<u8>,
    /// When something of it last went to the operator, or came for them.
    output_moved: Instant,
    /// On its way from the bridge to the operator.
    notices: Vec<u8>,
    notices_open: bool,
    /// What of the operator's input may be sent, if that is no terminal.
    script: Option<Script>,
    /// A script is held back until the appliance's first prompt.
    until_ready: Option<Finder>,
    /// The operator has got the line back; what comes was the client's, until the console says so.
    until_back: bool,
    /// What the operator typed since the line was lost, and nobody got.
    lost: Lost,
    /// Prompts that say nothing new, where there is no terminal.
    prompts: Prompts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open {
        /// Whether anything has come.
        used: bool,
    },
    /// It has ended; its last answer has not come.
    Ending { refused: bool },
    Ended {
        /// The appliance, or the bridge, refused or gave up something of it.
        refused: bool,
    },
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// It will send nothing more, but may still read.
    sent_all: bool,
}

/// Why a client does not have the line any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Gone,
    /// It moved next to nothing while another waited.
    Idle,
    TakenBack,
}

/// What can be ready.
#[derive(Clone, Copy, Debug)]
enum Source {
    Signal,
    Line,
    Listener,
    Input,
    Output,
    Notices,
    Client,
    Waiting(RawFd),
}

impl<'a> Bridge<'a> {
    /// A bridge with the operator holding the line.
    pub fn new(ends: Ends<'a>) -> Bridge<'a> {
        Bridge {
            ends,
            input: Input::Open { used: false },
            output_open: true,
            output_lost: None,
            turns: Turns::new(ends.timeout),
            to_line: Vec::new(),
            to_holder: Vec::new(),
            output_moved: Instant::now(),
            notices: Vec::new(),
            notices_open: true,
            script: (!ends.terminal).then(Script::new),
            until_ready: (!ends.terminal).then(|| Finder::new(PROMPT)),
            until_back: false,
            lost: Lost::Nothing,
            prompts: Prompts::default(),
        }
    }

    /// Why what the operator was to see could not all be written, if that is so.
    pub fn output_lost(&self) -> Option<io::Error> {
        self.output_lost.map(io::Error::from)
    }

    /// Carries bytes until the end.
    pub fn carry(&mut self) -> Result<End> {
        loop {
            let mut gone = Vec::new();
            for (source, events) in self.wait()? {
                let end = match source {
                    Source::Signal => Some(End::Left),
                    Source::Line => self.line_ready(events)?,
                    Source::Listener => self.take_in_client()?,
                    Source::Input => self.read_input()?,
                    Source::Output => self.write_output()?,
                    Source::Notices => self.write_notices(),
                    Source::Client => self.client_ready(events)?,
                    Source::Waiting(client) => {
                        gone.push(client);
                        None
                    }
                };
                if let Some(end) = end {
                    return Ok(end);
                }
            }
            self.turns.forget(|client| gone.contains(&client.stream.as_raw_fd()));
            self.take_turns();
        }
    }

    /// Waits until something is ready that can be attended to, or a holder has to give way.
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
        match self.turns.holder() {
            Some(client) => {
                let from_client = when(wants_input && !client.sent_all, PollFlags::IN);
                watched.push((Source::Client, client.stream.as_fd(), from_client | to_holder));
            }
            None => watched.push((Source::Output, self.ends.output, to_holder)),
        }
        watched.push((Source::Notices, self.ends.notices, when(!self.notices.is_empty(), PollFlags::OUT)));
        // Those that wait are watched for going away alone.
        watched.extend(self.turns.waiting().map(|Client { stream, .. }| {
            (Source::Waiting(stream.as_raw_fd()), stream.as_fd(), PollFlags::empty())
        }));
        let room = when(self.turns.waiting().len() < WAITING_MAX, PollFlags::IN);
        watched.push((Source::Listener, self.ends.listener.as_fd(), room));
        // A script waits; the keys of a terminal can always take the line back, or leave.
        let reads = match self.ends.terminal {
            true => self.turns.holder().is_some() || self.to_line.len() < TYPED_MAX,
            false => self.turns.holder().is_none() && wants_input,
        };
        if reads && matches!(self.input, Input::Open { .. }) {
            watched.push((Source::Input, self.ends.input, PollFlags::IN));
        }
        // A client is watched for going away even when nothing is wanted of it.
        watched.retain(|(source, _, flags)| {
            !flags.is_empty() || matches!(source, Source::Client | Source::Waiting(_))
        });
        let mut fds: Vec<_> = watched.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let timeout = self.due().map(|due| due.saturating_duration_since(Instant::now()));
        // Rounded up, so that what is due is due when this returns; a time beyond all clocks never is.
        let timeout = timeout.and_then(|left| Timespec::try_from(left + Duration::from_millis(1)).ok());
        retry_on_intr(|| poll(&mut fds, timeout.as_ref()))?;
        let ready = watched.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, ..), fd)| (*source, fd.revents())).collect())
    }

    fn line_ready(&mut self, events: PollFlags) -> Result<Option<End>> {
        if events.contains(PollFlags::OUT) && write(self.ends.line, &mut self.to_line).is_err() {
            return Ok(Some(End::BackendGone));
        }
        if self.to_holder.is_empty() {
            match read_some(self.ends.line) {
                // It was killed with something unread.
                Err(Errno::CONNRESET) => return Ok(Some(End::BackendGone)),
                Ok(Some(piece)) if piece.is_empty() => return Ok(Some(End::BackendGone)),
                Ok(Some(piece)) => return Ok(self.received(piece)),
                Ok(None) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn received(&mut self, mut piece: Vec<u8>) -> Option<End> {
        if self.turns.holder().is_some() {
            self.to_holder = piece;
            return None;
        }
        if self.until_back {
            // What was the client's is not passed on.
            let end = piece.iter().position(|&byte| byte == control::BACK)?;
            self.until_back = false;
            piece.drain(..=end);
            self.prompts.comes_back(self.ends.terminal);
        }
        if self.until_ready.as_mut().is_some_and(|finder| finder.find(&piece).is_some()) {
            self.until_ready = None;
        }
        let answer = piece.iter().find(|byte| matches!(**byte, control::DONE | control::NOT_DONE));
        if let (Input::Ending { refused }, Some(&answer)) = (self.input, answer) {
            self.input = Input::Ended { refused: refused || answer == control::NOT_DONE };
            self.turns.rest();
        }
        piece.retain(|byte| !matches!(*byte, control::BACK | control::DONE | control::NOT_DONE));
        if self.output_open {
            (self.to_holder, self.output_moved) = (self.prompts.pass(piece), Instant::now());
        }
        self.done()
    }

    /// Reads what the operator types, or their script.
    fn read_input(&mut self) -> Result<Option<End>> {
        // Whatever is wrong with standard input, nothing more comes from it.
        let Some(mut piece) = read_some(self.ends.input).unwrap_or(Some(Vec::new())) else { return Ok(None) };
        if let Some(script) = &mut self.script {
            let (mut lines, no_text) = script.take(&piece);
            if no_text.is_some() || piece.is_empty() {
                lines.extend(script.end());
            }
            if !lines.is_empty() {
                self.input = Input::Open { used: true };
                self.to_line.extend(lines);
                self.turns.typed(Instant::now());
            }
            if let Some(no_text) = no_text {
                self.say(&format!("totebox: {no_text}\n"));
            }
            if no_text.is_some() || piece.is_empty() {
                self.end_input(no_text.is_some());
            }
            return Ok(self.done());
        }
        if piece.is_empty() {
            self.end_input(false);
            return Ok(self.done());
        }
        if self.ends.terminal && piece.contains(&LEAVE) {
            return Ok(Some(End::Left));
        }
        self.input = Input::Open { used: true };
        // These are the bridge's own.
        piece.retain(|key| !control::is_reserved(*key));
        let interrupt = piece.iter().rposition(|&key| key == control::INTERRUPT);
        let now = Instant::now();
        if self.turns.holder().is_some() {
            match interrupt {
                None => {
                    self.lost.add(&piece);
                    self.turns.queue_operator(now);
                }
                Some(at) => {
                    if has_line(&piece[..at]) || self.lost != Lost::Nothing {
                        self.notice("what you typed before Ctrl-C is lost");
                    }
                    // With it the operator has seen what became of the keys before it.
                    self.lost = Lost::Nothing;
                    self.pass(Next::Operator, Why::TakenBack);
                    self.to_line.extend_from_slice(&piece[at..]);
                    self.turns.typed(now);
                }
            }
            return Ok(None);
        }
        self.until_back = false;
        if let Some(at) = interrupt.filter(|_| self.ends.terminal) {
            // It voids what was not taken up, so it need not wait behind that.
            let mut voided = void_unsent(&mut self.to_line);
            voided.extend(piece.drain(..at));
            if has_line(&voided) {
                self.notice("what you typed before Ctrl-C, and the appliance had not taken up, is dropped");
            }
        }
        self.to_line.extend_from_slice(&piece);
        self.turns.typed(now);
        Ok(None)
    }

    /// There is no more input; `refused` is whether there was some that the bridge has not passed on.
    fn end_input(&mut self, refused: bool) {
        let at_line = self.turns.holder().is_none();
        self.input = match self.input {
            Input::Open { used: true } if at_line => {
                match self.script {
                    Some(_) => self.to_line.push(control::END),
                    None => self.to_line.extend_from_slice(END_OF_TYPING),
                }
                Input::Ending { refused }
            }
            _ => {
                if at_line {
                    self.turns.rest();
                }
                Input::Ended { refused }
            }
        };
    }

    fn write_notices(&mut self) -> Option<End> {
        if write(self.ends.notices, &mut self.notices).is_err() {
            self.notices_open = false;
            self.notices.clear();
        }
        self.done()
    }

    fn write_output(&mut self) -> Result<Option<End>> {
        let before = self.to_holder.len();
        if let Err(error) = write(self.ends.output, &mut self.to_holder) {
            // Nobody sees what is shown any more; the socket is served on.
            (self.output_open, self.output_lost) = (false, Some(error));
            self.to_holder.clear();
        }
        if self.to_holder.len() < before {
            self.output_moved = Instant::now();
        }
        Ok(self.done())
    }

    /// The end, if it is to come after standard input and everything it led to is shown.
    fn done(&self) -> Option<End> {
        let shown = self.to_holder.is_empty() && self.notices.is_empty();
        match self.input {
            Input::Ended { refused } if self.ends.exit_on_eof && shown => Some(End::InputDone { refused }),
            _ => None,
        }
    }

    fn take_in_client(&mut self) -> Result<Option<End>> {
        // One that is gone already is no client.
        let Ok((stream, _)) = self.ends.listener.accept() else { return Ok(None) };
        stream.set_nonblocking(true)?;
        self.turns.queue(Client { stream, sent_all: false }, Instant::now());
        Ok(None)
    }

    fn client_ready(&mut self, events: PollFlags) -> Result<Option<End>> {
        let Some(client) = self.turns.holder_mut() else { return Ok(None) };
        let mut gone = events.intersects(PollFlags::HUP | PollFlags::ERR);
        let mut moved = 0;
        if events.contains(PollFlags::OUT) {
            let before = self.to_holder.len();
            gone |= write(&client.stream, &mut self.to_holder).is_err();
            moved += before - self.to_holder.len();
        }
        if !gone && self.to_line.is_empty() && !client.sent_all {
            match read_some(&client.stream) {
                Ok(Some(mut piece)) => {
                    client.sent_all = piece.is_empty();
                    moved += piece.len();
                    piece.retain(|byte| !control::is_reserved(*byte));
                    self.to_line = piece;
                }
                Ok(None) => {}
                Err(_) => gone = true,
            }
        }
        self.turns.moved(moved, Instant::now());
        if gone {
            if self.turns.waiting().len() == 0 {
                // Whoever came before it went is next, taken in by now or not.
                self.take_in_client()?;
            }
            self.pass(self.turns.longest_waiting().unwrap_or(Next::Operator), Why::Gone);
        }
        Ok(None)
    }

    /// When the holder has to give way.
    fn due(&self) -> Option<Instant> {
        // A script keeps the line until its last answer has come.
        let free = match self.input {
            Input::Open { .. } => self.ends.terminal,
            Input::Ending { .. } => false,
            // Where its end is the end, that comes when the answer is shown.
            Input::Ended { .. } => !self.ends.exit_on_eof,
        };
        let due = self.turns.due()?;
        match self.turns.holder() {
            Some(_) => Some(due),
            None if !free => None,
            None if self.to_holder.is_empty() => Some(due),
            // What the operator is to see goes out before, as long as it moves.
            None => self.output_moved.checked_add(self.ends.timeout).map(|stuck| due.max(stuck)),
        }
    }

    /// Has the holder give way if it must.
    fn take_turns(&mut self) {
        if self.due().is_some_and(|due| due <= Instant::now())
            && let Some(next) = self.turns.longest_waiting()
        {
            self.pass(next, Why::Idle);
        }
    }

    /// Hands the line over. A client that loses it is told why, if it listens.
    fn pass(&mut self, next: Next, why: Why) {
        let timeout = self.ends.timeout.as_secs();
        let loser = self.turns.pass(next, Instant::now());
        if let Some(loser) = &loser {
            let text = match why {
                Why::Gone => None,
                Why::Idle => {
                    Some(format!("*the line goes to a waiting client: next to nothing moved for {timeout} s"))
                }
                Why::TakenBack => Some("*the operator at the terminal has taken the line".into()),
            };
            if let Some(text) = text {
                let line = format!("\r\n{text} #{:08x}\r\n", checksum(text.as_bytes()));
                let _ = rustix::io::write(&loser.stream, line.as_bytes());
            }
        }
        let shown = self.to_holder.is_empty();
        self.to_holder.clear();
        if next == Next::Client {
            if loser.is_none() {
                self.lost = Lost::Nothing;
                self.lost.add(&void_unsent(&mut self.to_line));
                self.notice(match shown {
                    true => "a client has the line; Ctrl-C takes it back",
                    false => "a client has the line, because nothing was read here; Ctrl-C takes it back",
                });
            } else {
                self.to_line.clear();
            }
            (self.until_ready, self.until_back) = (None, false);
            self.to_line.extend([control::AWAY, control::INTERRUPT]);
            return;
        }
        let lost = std::mem::replace(&mut self.lost, Lost::Nothing);
        self.to_line = vec![lost.signal()];
        self.until_back = true;
        self.notice(match (why, lost) {
            (Why::Gone, Lost::Nothing) => "the client has gone, you have the line",
            (Why::Gone, _) => "the client has gone, you have the line; what you typed meanwhile is lost",
            (Why::Idle, _) => "you have the line; what you typed while the client had it is lost",
            (Why::TakenBack, _) => "you have the line",
        });
    }

    fn notice(&mut self, text: &str) {
        if self.ends.terminal {
            self.say(&format!("\n[{}]\n", Shown(text)));
        }
    }

    /// Says something as soon as that need not be waited for. If what was said before is not taken, it is not said.
    fn say(&mut self, text: &str) {
        if self.notices_open && self.notices.len() + text.len() <= NOTICES_MAX {
            self.notices.extend_from_slice(text.as_bytes());
        }
    }
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
