//! A session with an appliance's console: the handshake, commands and their answers, and starting anew
//! when the line was disturbed.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use totebox_console_protocol::data::{PROTOCOL, verified};

use super::connection::Connection;
use super::lines::{Fields, Line, Receipt, Refusal};

#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Without a line for this long, something may have been lost: ask again.
    pub quiet: Duration,
    /// Without progress for this long, give up.
    pub timeout: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { quiet: Duration::from_secs(3), timeout: Duration::from_secs(60) }
    }
}

impl Timing {
    /// How long silence is borne the next time, after it was borne for this long: twice that, but not beyond the
    /// timeout with what began at `start`.
    pub fn longer(&self, silent_for: Duration, start: Instant) -> Duration {
        let left = self.timeout.saturating_sub(start.elapsed());
        (2 * silent_for).min(left).max(self.quiet)
    }
}

/// Tries of a command, and disturbances of a transfer in a row, before the line is given up.
pub const TRIES: usize = 10;

#[derive(Debug)]
pub enum Heard {
    Line(Line),
    /// A line that is damaged; or another client was given the line, and it is to be taken again.
    Disturbed,
    /// Nothing, for as long as was waited.
    Silence,
}

#[derive(Debug)]
pub struct Answer {
    pub rows: Vec<Fields>,
    pub end: Result<Fields, Refusal>,
    /// The command was sent more than once: an earlier try may have been carried out.
    pub again: bool,
}

impl Answer {
    /// What the answer says, if it can be read; the refusal, if it is one.
    pub fn read<T>(
        self,
        what: &str,
        read: impl FnOnce(&Fields, Vec<Fields>) -> Option<T>,
    ) -> Result<Result<T, Refusal>> {
        let end = match self.end {
            Ok(end) => end,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let unclear = || format!("the appliance sent {what} this tool does not understand");
        Ok(Ok(read(&end, self.rows).with_context(unclear)?))
    }
}

enum Answered {
    Whole(Answer),
    /// Part of it was damaged.
    Disturbed,
    /// It, or the rest of it, did not come.
    Silence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Receipt(Receipt),
    Refused(Refusal),
}

/// The console did not answer the handshake: it is not up, or others have its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    pub waited: Duration,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.waited.as_secs();
        write!(
            f,
            "the console does not answer: no handshake within {seconds} s. Is the appliance up, and no other client \
             at work? Then restart it: what was acknowledged is on its disk"
        )
    }
}

impl std::error::Error for NoAnswer {}

pub struct Session {
    connection: Connection,
    pub timing: Timing,
    handshakes: u64,
    news: Box<dyn FnMut(&str)>,
    /// Submissions that ended while something else was waited for.
    ended: Vec<Fate>,
    /// Lines that were noted since something was sent last.
    noted: usize,
}

/// Rows of one answer at most, several times what the console sends at a time: no peer takes all memory.
const ROWS_MAX: usize = 4096;

/// Unasked-for lines since something was last sent, at most: several times the submissions under way.
const NOTED_MAX: usize = 1024;

impl Session {
    /// Takes the console over, whatever an earlier peer left half done. `news` gets what happens meanwhile.
    pub fn open(connection: Connection, timing: Timing, news: Box<dyn FnMut(&str)>) -> Result<Session> {
        // So that the answer to an earlier peer's handshake is not taken for the own.
        let handshakes = u64::from(std::process::id()) << 20;
        let mut connection = connection;
        connection.give_up_after(timing.timeout)?;
        let mut session = Session { connection, timing, handshakes, news, ended: Vec::new(), noted: 0 };
        session.start_anew()?;
        Ok(session)
    }

    /// The handshake: ends whatever is under way, and both sides know again where they are. If another client was
    /// given the line, waits until it is this one's turn again.
    pub fn start_anew(&mut self) -> Result<()> {
        let start = Instant::now();
        let mut renewed = 0;
        while start.elapsed() < self.timing.timeout {
            if self.connection.is_closed() {
                renewed += 1;
                if renewed > TRIES {
                    break;
                }
                self.connection.renew()?;
            }
            self.handshakes += 1;
            self.connection.send_raw(format!("\x03\nmachine {}\n", self.handshakes).as_bytes())?;
            let expected = format!("+machine {PROTOCOL} {}", self.handshakes);
            // Whoever sends other lines without an end is not the console.
            while let Some(line) = self.connection.line(self.timing.quiet)? {
                if verified(&line) == Ok(expected.as_bytes()) {
                    return Ok(());
                }
                if start.elapsed() > self.timing.timeout {
                    break;
                }
            }
        }
        Err(NoAnswer { waited: start.elapsed() }.into())
    }

    pub fn send(&mut self, line: &str) -> Result<()> {
        self.noted = 0;
        self.connection.send(line)
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.connection.send_raw(bytes)
    }

    /// The next line. News are passed on, and not waited for longer.
    pub fn hear(&mut self, within: Duration) -> Result<Heard> {
        if self.noted > NOTED_MAX {
            bail!("the appliance sends what nobody asked for, without end");
        }
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(bytes) = self.connection.line(left)? else {
                return Ok(if self.connection.is_closed() { Heard::Disturbed } else { Heard::Silence });
            };
            let Some(line) = verified(&bytes).ok().and_then(|line| std::str::from_utf8(line).ok()) else {
                return Ok(Heard::Disturbed);
            };
            match Line::parse(line) {
                Some(Line::News(text)) => (self.news)(&text),
                Some(line) => return Ok(Heard::Line(line)),
                // In person mode, where noise may have led, the console shows what it is sent.
                None => return Ok(Heard::Disturbed),
            }
        }
    }

    /// Lets time pass, and passes on what happens meanwhile. Only while no answer is awaited.
    pub fn pause(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Heard::Line(line) = self.hear(end.saturating_duration_since(Instant::now()))? {
            self.note(line);
        }
        Ok(())
    }

    /// Sends a command that may be repeated, and returns its answer. `within` is how long it may keep silent
    /// before it is asked again, and longer each time: who reads from a slow disk is not to be disturbed for
    /// ever. It is given up after the session's timeout, and not before the second try.
    pub fn ask(&mut self, command: &str, within: Duration) -> Result<Answer> {
        let start = Instant::now();
        let (mut again, mut disturbances, mut silent_for) = (false, 0, within);
        while disturbances < TRIES {
            self.send(command)?;
            match self.answer(silent_for)? {
                Answered::Whole(Answer { end: Err(refusal), .. }) if refusal.name == "bad-crc" => {
                    disturbances += 1
                }
                Answered::Whole(answer) => return Ok(Answer { again, ..answer }),
                // The end of a line may be lost and nothing come behind it: that is asked for once more.
                Answered::Silence if again && start.elapsed() >= self.timing.timeout => {
                    return Err(self.unanswered(command));
                }
                Answered::Silence => {
                    silent_for = self.timing.longer(silent_for, start);
                    self.start_anew()?;
                    again = true;
                }
                Answered::Disturbed => {
                    disturbances += 1;
                    self.start_anew()?;
                    again = true;
                }
            }
        }
        bail!("no whole answer to `{command}` in {TRIES} tries: the line is too disturbed")
    }

    /// Nobody has answered in the session's timeout.
    pub(super) fn unanswered(&self, command: &str) -> anyhow::Error {
        let seconds = self.timing.timeout.as_secs();
        anyhow!(
            "no answer to `{command}` within {seconds} s: the console has the command, and who is to answer it does not; \
             --timeout waits longer, and `totebox status` names a domain that is lost"
        )
    }

    /// As [`Session::ask`], and while the appliance is busy with the like, waits its turn for as long as the
    /// session's timeout; `pause` is between two tries. If it was asked again and is busy all the while, that may be
    /// with the first time: then there was no answer.
    pub fn ask_in_turn(&mut self, command: &str, within: Duration, pause: Duration) -> Result<Answer> {
        let start = Instant::now();
        let mut again = false;
        loop {
            let answer = self.ask(command, within)?;
            again |= answer.again;
            let busy = answer.end.as_ref().is_err_and(|refusal| refusal.name == "busy");
            match start.elapsed() > self.timing.timeout {
                true if busy && again => return Err(self.unanswered(command)),
                late if !busy || late => return Ok(answer),
                _ => {}
            }
            self.pause(pause)?;
        }
    }

    fn answer(&mut self, within: Duration) -> Result<Answered> {
        let mut rows = Vec::new();
        loop {
            match self.hear(within)? {
                Heard::Line(Line::Row(..)) if rows.len() == ROWS_MAX => {
                    bail!("the appliance sent more than {ROWS_MAX} rows as one answer")
                }
                Heard::Line(Line::Row(_, fields)) => rows.push(fields),
                Heard::Line(Line::Done(_, end)) => {
                    return Ok(Answered::Whole(Answer { rows, end: Ok(end), again: false }));
                }
                Heard::Line(Line::Refused(refusal)) if refusal.tag.is_none() => {
                    return Ok(Answered::Whole(Answer { rows, end: Err(refusal), again: false }));
                }
                Heard::Line(line) => self.note(line),
                Heard::Disturbed => return Ok(Answered::Disturbed),
                Heard::Silence => return Ok(Answered::Silence),
            }
        }
    }

    /// Keeps the end of a submission for later. Nothing else comes unasked.
    pub fn note(&mut self, line: Line) {
        self.noted += 1;
        match line {
            Line::Receipt(receipt) => self.ended.push(Fate::Receipt(receipt)),
            Line::Refused(refusal) => self.ended.push(Fate::Refused(refusal)),
            _ => {}
        }
    }

    /// The submissions that ended since the last call.
    pub fn take_ended(&mut self) -> Vec<Fate> {
        std::mem::take(&mut self.ended)
    }
}
