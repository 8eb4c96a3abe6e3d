//! The serial line of an appliance from outside: whole lines in and out, nothing of what they mean.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::str::FromStr;
use std::time::{Duration, Instant};
use std::{fmt, path::PathBuf};

use anyhow::{Context, Result, bail};
use totebox_pds::console::data::checksum;

/// A line that is longer than any the appliance sends: noise without an end.
const NOISE_MAX: usize = 64 * 1024;

/// Where an appliance's console is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix stream socket.
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
        write!(f, "unix:{}", path.display())
    }
}

/// An open line.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
    /// How long the line may refuse to take bytes.
    patience: Duration,
}

impl Connection {
    /// Connects.
    pub fn open(address: &Address) -> Result<Connection> {
        let Address::Unix(path) = address;
        let stream = UnixStream::connect(path).with_context(|| {
            format!("cannot connect to {address}; is the appliance running? `totebox run` starts it")
        })?;
        Connection::over(stream)
    }

    /// The line over a stream that is connected already.
    pub fn over(stream: UnixStream) -> Result<Connection> {
        Ok(Connection { stream, received: Vec::new(), patience: Duration::MAX })
    }

    /// Sets how long the line may refuse to take bytes.
    pub fn give_up_after(&mut self, patience: Duration) -> Result<()> {
        self.patience = patience.max(Duration::from_millis(1));
        self.stream.set_write_timeout(Some(self.patience)).context("cannot set up the connection")
    }

    /// Sends a line of machine mode.
    pub fn send(&mut self, line: &str) -> Result<()> {
        self.send_raw(format!("{line} #{:08x}\n", checksum(line.as_bytes())).as_bytes())
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("the appliance took nothing for {} s", self.patience.as_secs())
            }
            sent => sent.context("cannot send to the appliance"),
        }
    }

    /// The next line that is not empty, without its end; `None` if none came in time.
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
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the appliance closed the connection"),
                Ok(count) => self.received.extend(&chunk[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    ErrorKind::Interrupted => {}
                    _ => return Err(error).context("cannot read from the appliance"),
                },
            }
        }
    }
}
