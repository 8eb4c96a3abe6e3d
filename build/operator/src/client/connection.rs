//! The serial line of an appliance from outside: whole lines in and out, nothing of what they mean.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, path::PathBuf};

use anyhow::{Context, Result, bail};
use totebox_console_protocol::data::checksum;
use totebox_shown::ShowPath;

/// A line that is longer than any the appliance sends: noise without an end.
const NOISE_MAX: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Address::Unix(path.into())),
            _ => Err("expected unix:PATH, the console socket of a running appliance".into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address::Unix(path) = self;
        write!(f, "unix:{}", path.shown())
    }
}

impl Address {
    /// Looks whether something may be there, without taking the line of whoever has it.
    pub fn look_for(&self) -> Result<()> {
        let Address::Unix(path) = self;
        path.metadata().map(drop).with_context(|| not_there(self))
    }
}

fn not_there(address: &Address) -> String {
    format!(
        "cannot connect to {address}; is the appliance running? `totebox run` starts it, and --deployment DIR or \
         --connect finds one that was started elsewhere"
    )
}

/// How long it may go unnoticed that a wait is to end.
const NOTICED_AFTER: Duration = Duration::from_millis(100);

/// A wait was ended, as was asked for with [`Connection::end_with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
    /// Where it leads, if it can be opened again.
    address: Option<Address>,
    /// The other end closed it: another client has the line.
    closed: bool,
    ended: Option<Arc<AtomicBool>>,
    /// How long the line may refuse to take bytes.
    timeout: Duration,
}

impl Connection {
    pub fn open(address: &Address) -> Result<Connection> {
        let mut connection = Connection::over(connect(address)?)?;
        connection.address = Some(address.clone());
        Ok(connection)
    }

    /// The line over a stream that is connected already.
    pub fn over(stream: UnixStream) -> Result<Connection> {
        Ok(Connection {
            stream,
            received: Vec::new(),
            timeout: Duration::MAX,
            address: None,
            closed: false,
            ended: None,
        })
    }

    /// Sets how long the line may refuse to take bytes.
    pub fn give_up_after(&mut self, timeout: Duration) -> Result<()> {
        self.timeout = timeout.max(Duration::from_millis(1));
        self.stream.set_write_timeout(Some(self.timeout)).context("cannot set up the connection")
    }

    /// Has every wait for a line end soon after `ended` is set, with [`Interrupted`] as the error.
    pub fn end_with(&mut self, ended: Arc<AtomicBool>) {
        self.ended = Some(ended);
    }

    /// Whether the other end closed it, and it can be opened again.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Connects again, after it was closed. What was on its way is gone.
    pub fn renew(&mut self) -> Result<()> {
        let address = self.address.as_ref().context("the appliance closed the connection")?;
        let stream = connect(address).context("the appliance closed the connection")?;
        stream.set_write_timeout(self.stream.write_timeout()?)?;
        (self.stream, self.closed) = (stream, false);
        self.received.clear();
        Ok(())
    }

    /// Notes that the other end closed it; an error if it cannot be opened again.
    fn note_closed(&mut self) -> Result<()> {
        if self.address.is_none() {
            bail!("the appliance closed the connection");
        }
        self.closed = true;
        Ok(())
    }

    pub fn send(&mut self, line: &str) -> Result<()> {
        self.send_raw(format!("{line} #{:08x}\n", checksum(line.as_bytes())).as_bytes())
    }

    /// Sends bytes as they are. What is sent after the other end closed the connection goes nowhere.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Err(error) if is_gone(&error) && self.address.is_some() => self.note_closed(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("the appliance accepted nothing for {} s", self.timeout.as_secs())
            }
            sent => sent.context("cannot send to the appliance"),
        }
    }

    /// The next line that is not empty, without its end; `None` if none came in time, or none will come because
    /// the connection [is closed](Connection::is_closed).
    pub fn line(&mut self, within: Duration) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + within;
        loop {
            while let Some(end) = self.received.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                let mut line: Vec<u8> = self.received.drain(..=end).collect();
                line.pop();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.received.len() > NOISE_MAX {
                return Ok(Some(std::mem::take(&mut self.received)));
            }
            let mut left = deadline.saturating_duration_since(Instant::now());
            if let Some(ended) = &self.ended {
                if ended.load(Ordering::Relaxed) {
                    return Err(Interrupted.into());
                }
                left = left.min(NOTICED_AFTER);
            }
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.note_closed()?;
                    return Ok(None);
                }
                Ok(count) => self.received.extend(&chunk[..count]),
                Err(error) if is_gone(&error) => {
                    self.note_closed()?;
                    return Ok(None);
                }
                Err(error) => match error.kind() {
                    // Whether the time is up shows above.
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(error).context("cannot read from the appliance"),
                },
            }
        }
    }
}

fn connect(address: &Address) -> Result<UnixStream> {
    let Address::Unix(path) = address;
    UnixStream::connect(path).with_context(|| not_there(address))
}

/// Whether an error says that the other end has closed the connection.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
