//! The operator's side of the line protocol (docs/console-protocol.md), in machine mode, over any wire. It
//! trusts nothing it receives: a line counts only with its checksum.

use std::collections::{HashMap, HashSet, VecDeque};

use totebox_console_protocol::data::{CONTENT_MAX, Content, ErrorLine, PROTOCOL, checksum, decode, verified};

/// The appliance is gone: its power was cut, or it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The line to an appliance.
pub trait Wire {
    /// Sends bytes.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Gone>;
    /// Waits for bytes, and returns what has come. Nothing came if it is empty: then nothing will for a
    /// while.
    fn receive(&mut self) -> Result<Vec<u8>, Gone>;
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its rows.
    pub rows: Vec<String>,
    /// Its last line: `+...` or `-...`.
    pub end: String,
}

impl Answer {
    /// Whether the command succeeded.
    pub fn ok(&self) -> bool {
        self.end.starts_with('+')
    }

    /// The name of the error, if it failed.
    pub fn error(&self) -> Option<&str> {
        self.end.starts_with('-').then(|| error_name(&self.end))
    }
}

/// A value in a row: `KEY=VALUE`.
pub fn value<'a>(row: &'a str, key: &str) -> Option<&'a str> {
    row.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// A decimal value in a row.
pub fn number(row: &str, key: &str) -> u64 {
    let text = value(row, key).unwrap_or_else(|| panic!("{row:?} has no {key}"));
    text.parse().unwrap_or_else(|_| panic!("{row:?}: {key} is not a number"))
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The record's sequence number.
    pub seq: u64,
    /// Bytes of content.
    pub size: u64,
    /// The content's hash, in hexadecimal digits.
    pub hash: String,
}

/// How a submission ended: a receipt, or the error's name.
pub type Outcome = Result<Receipt, String>;

/// Times a command is given before it has no answer: more than a noisy line needs.
const TRIES_MAX: u32 = 100;

/// Times a submission's offset is asked for before the line is begun anew.
const UNHEARD_MAX: u32 = 20;

/// An operator at a line.
pub struct Operator<W> {
    /// The line.
    pub wire: W,
    /// Bytes of a line that has not ended.
    partial: Vec<u8>,
    /// Sound lines that were not looked at.
    lines: VecDeque<String>,
    /// Tags of submissions that were begun.
    begun: HashSet<u64>,
    /// Ends of submissions, by tag.
    outcomes: HashMap<u64, Outcome>,
    sessions: u64,
    /// Events told since this was last looked at, without their `*`.
    pub events: Vec<String>,
    /// Lines that came damaged.
    pub damaged: u64,
}

impl<W: Wire> Operator<W> {
    /// An operator who has not said anything yet.
    pub fn new(wire: W) -> Self {
        Operator {
            wire,
            partial: Vec::new(),
            lines: VecDeque::new(),
            begun: HashSet::new(),
            outcomes: HashMap::new(),
            sessions: 0,
            events: Vec::new(),
            damaged: 0,
        }
    }

    /// Begins (anew) in machine mode.
    pub fn connect(&mut self) -> Result<(), Gone> {
        self.sessions += 1;
        let awaited = format!("+machine {PROTOCOL} {}", self.sessions);
        self.lines.clear();
        loop {
            self.wire.send(format!("\x03\nmachine {}\n", self.sessions).as_bytes())?;
            while let Some(line) = self.line()? {
                if line == awaited {
                    return Ok(());
                }
            }
        }
    }

    /// Begins, and waits until every archive has come up or failed to. Returns the status then.
    pub fn connect_settled(&mut self) -> Result<Answer, Gone> {
        self.connect()?;
        loop {
            let status = self.ask("status")?;
            if value(&status.end, "settled") == Some("yes") {
                return Ok(status);
            }
        }
    }

    /// The next sound line; `None` if none comes for a while.
    fn line(&mut self) -> Result<Option<String>, Gone> {
        while self.lines.is_empty() && self.listen()? {}
        Ok(self.lines.pop_front())
    }

    /// Takes what comes next, whatever it is; false if nothing comes for a while.
    fn listen(&mut self) -> Result<bool, Gone> {
        let bytes = self.wire.receive()?;
        for &byte in &bytes {
            if byte != b'\n' {
                self.partial.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.partial);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            match verified(line) {
                Ok(body) => self.take(String::from_utf8_lossy(body).into_owned()),
                Err(_) => self.damaged += 1,
            }
        }
        Ok(!bytes.is_empty())
    }

    /// Keeps a line, unless it is the end of a submission or an event.
    fn take(&mut self, line: String) {
        let report = line.strip_prefix('*').unwrap_or(&line);
        if let Some(rest) = report.strip_prefix("+receipt ") {
            let tag = rest.split(' ').next().and_then(|tag| tag.parse().ok());
            if let (Some(tag), Some(hash)) = (tag, value(rest, "hash")) {
                let receipt =
                    Receipt { seq: number(rest, "seq"), size: number(rest, "size"), hash: hash.to_owned() };
                self.outcomes.insert(tag, Ok(receipt));
            }
        } else if let Some(rest) = report.strip_prefix('-')
            && let Some(ErrorLine { name, tag: Some(tag), .. }) = ErrorLine::parse(rest)
        {
            self.outcomes.insert(tag.into(), Err(name.to_owned()));
        }
        match line.strip_prefix('*') {
            Some(event) => self.events.push(event.to_owned()),
            None => self.lines.push_back(line),
        }
    }

    /// Waits for an event that begins so, and returns it; events before it are passed over. `None` if it has not
    /// come after so many waits for whatever comes.
    pub fn await_event(&mut self, beginning: &str, waits: u32) -> Result<Option<String>, Gone> {
        for _ in 0..waits {
            if let Some(at) = self.events.iter().position(|event| event.starts_with(beginning)) {
                return Ok(self.events.drain(..=at).next_back());
            }
            self.listen()?;
        }
        Ok(None)
    }

    fn say(&mut self, body: &str) -> Result<(), Gone> {
        self.wire.send(format!("{body} #{:08x}\n", checksum(body.as_bytes())).as_bytes())
    }

    /// Gives a command that may be repeated, and returns its answer. Begins anew if the line is disturbed.
    pub fn ask(&mut self, command: &str) -> Result<Answer, Gone> {
        for _ in 0..TRIES_MAX {
            let (rows, end) = self.try_once(command)?;
            if let Some(end) = end {
                return Ok(Answer { rows, end });
            }
            self.connect()?;
        }
        panic!("{command:?} has no answer");
    }

    /// Gives a command once. Without an end the answer was disturbed, and some rows may be missing.
    fn try_once(&mut self, command: &str) -> Result<(Vec<String>, Option<String>), Gone> {
        let damaged = self.damaged;
        self.say(command)?;
        let mut rows = Vec::new();
        while let Some(line) = self.line()? {
            let of_a_submission = self.ends_a_submission(&line) && !command.starts_with("receipt");
            match line.as_bytes()[0] {
                b'+' | b'-' if of_a_submission => {}
                b'+' | b'-' => {
                    let sound = damaged == self.damaged && !line.starts_with("-bad-crc");
                    return Ok((rows, sound.then_some(line)));
                }
                _ => rows.push(line),
            }
        }
        Ok((rows, None))
    }

    /// Whether this line ends a submission that was begun earlier, and not a command.
    fn ends_a_submission(&self, line: &str) -> bool {
        let tag = match (line.strip_prefix("+receipt "), line.strip_prefix('-')) {
            (Some(receipt), _) => receipt.split(' ').next().and_then(|tag| tag.parse().ok()),
            (_, Some(error)) => ErrorLine::parse(error).and_then(|error| error.tag).map(u64::from),
            _ => None,
        };
        tag.is_some_and(|tag| self.begun.contains(&tag))
    }

    /// Sends a document, in quotes if its name needs them; returns its tag once the appliance has all of it, or
    /// the name of the error. Its outcome comes later.
    pub fn submit(&mut self, archive: &str, name: &str, content: &[u8]) -> Result<Result<u64, String>, Gone> {
        let ready = loop {
            let answer = self.ask(&format!("put {archive} \"{name}\" {}", content.len()))?;
            if answer.error() != Some("busy") {
                break answer;
            }
            self.listen()?;
        };
        if let Some(error) = ready.error() {
            return Ok(Err(error.to_owned()));
        }
        let mut words = ready.end.strip_prefix("+ready ").expect("an answer to put").split(' ');
        let mut word = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        let (tag, window) = (word(), word());
        self.begun.insert(tag);
        let (mut sent, mut taken) = (0u64, 0u64);
        let size = content.len() as u64;
        let mut unheard = 0;
        loop {
            let mut in_window = (sent - taken).div_ceil(CONTENT_MAX as u64);
            while in_window < window && (sent < size || size == 0 && in_window == 0) {
                let end = size.min(sent + CONTENT_MAX as u64);
                let bytes = &content[sent as usize..end as usize];
                self.say(&Content { offset: sent, bytes }.to_string())?;
                sent = end;
                in_window += 1;
            }
            match self.line()? {
                // Noise may have ended machine mode, and with it the submission.
                None if unheard == UNHEARD_MAX => {
                    self.connect()?;
                    if self.ask(&format!("receipt {tag}"))?.end == format!("+pending {tag}") {
                        return Ok(Ok(tag));
                    }
                    return Ok(self.outcomes.get(&tag).cloned().unwrap_or(Err("cancelled".into())).map(|_| tag));
                }
                // Nothing heard. Where data are expected this is answered with the offset.
                None => {
                    unheard += 1;
                    self.say(&format!("receipt {tag}"))?;
                }
                Some(line) if line == format!("+pending {tag}") => return Ok(Ok(tag)),
                Some(line) if line.starts_with('?') => {
                    let mut words = line[1..].split(' ');
                    taken = words.next().and_then(|word| word.parse().ok()).expect("an offset");
                    let back = words.next().is_some();
                    if !back && taken == size {
                        return Ok(Ok(tag));
                    }
                    sent = if back { taken } else { sent.max(taken) };
                }
                Some(_) => {}
            }
            match self.outcomes.get(&tag) {
                Some(Err(error)) => return Ok(Err(error.clone())),
                Some(Ok(_)) => return Ok(Ok(tag)),
                None => {}
            }
        }
    }

    /// How a submission ended, if that is known.
    pub fn outcome(&self, tag: u64) -> Option<&Outcome> {
        self.outcomes.get(&tag)
    }

    /// Waits for the end of a submission.
    pub fn await_outcome(&mut self, tag: u64) -> Result<Outcome, Gone> {
        loop {
            if let Some(outcome) = self.outcomes.get(&tag) {
                return Ok(outcome.clone());
            }
            // What is waited for may have been disturbed; and the answer tells.
            if !self.listen()? {
                self.ask(&format!("receipt {tag}"))?;
            }
            self.lines.clear();
        }
    }

    /// Sends a document and waits for its end; again if noise gave it up, of which nothing is committed.
    pub fn put(&mut self, archive: &str, name: &str, content: &[u8]) -> Result<Outcome, Gone> {
        loop {
            match self.submit(archive, name, content)? {
                Ok(tag) => return self.await_outcome(tag),
                Err(error) if error == "cancelled" => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Fetches a document; the error's name if it cannot be had.
    pub fn get(&mut self, archive: &str, seq: u64) -> Result<Result<Vec<u8>, String>, Gone> {
        let mut content = Vec::new();
        loop {
            let (rows, end) = self.try_once(&format!("get {archive} {seq} {}", content.len()))?;
            for row in rows.iter().filter(|row| row.starts_with('@')) {
                let mut bytes = [0; CONTENT_MAX];
                let (offset, len) = decode(row.as_bytes(), &mut bytes).expect("a data line");
                if offset == content.len() as u64 {
                    content.extend(&bytes[..len]);
                }
            }
            match end {
                Some(end) if end.starts_with('-') => return Ok(Err(error_name(&end).to_owned())),
                Some(end) if content.len() as u64 == number(&end, "size") => return Ok(Ok(content)),
                // Disturbed: on from what came.
                _ => self.connect()?,
            }
        }
    }
}

/// NAME of a line `-NAME TEXT`.
fn error_name(line: &str) -> &str {
    ErrorLine::parse(line.trim_start_matches('-')).map_or("", |error| error.name)
}
