//! An appliance that runs, on whichever backend: what the console scripts are written against. Each has a
//! disk in a file, and serves the operator's line on a Unix socket; `totebox`, the host tool, talks to it
//! as a user would.

mod process;
mod sim;
mod site;
mod tool;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

pub use process::{Hosted, Qemu};
pub use sim::Sim;
pub use site::{Site, workspace};
pub use tool::{Answer, Tool};

/// How long anything may take before a test gives up on it. Only a test that fails waits for it: QEMU on a
/// loaded machine is slow.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// How long a console that is up may be silent before it is spoken to again.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Something that boots.
pub trait Appliance {
    /// What it runs on.
    fn backend(&self) -> &'static str;
    /// The deployment and its disk.
    fn site(&self) -> &Site;
    /// Switches it on; returns once the line can be connected to.
    fn start(&mut self);
    /// Cuts its power, wherever it is: what runs is killed, and nothing is told.
    fn power_cut(&mut self);

    /// The socket of the operator's line.
    fn socket(&self) -> &Path {
        &self.site().socket
    }

    /// The host tool, connected to this appliance.
    fn tool(&self) -> Tool<'_> {
        Tool::new(self.site())
    }

    /// A terminal at the line, as a person has it.
    fn terminal(&self) -> Terminal {
        Terminal::connect(self.socket())
    }

    /// Waits until every archive is in service.
    fn wait_until_active(&self) {
        self.terminal().command_until("status", |status| {
            let mut states = self.site().archives.iter().map(|name| state(status, name));
            let hopeless = |state| matches!(state, "faulted" | "failed" | "unavailable");
            assert!(!states.clone().any(hopeless), "the archives do not come up:\n{status}");
            states.all(|state| state == "active")
        });
    }
}

/// The line of a table that speaks of `name`; empty if there is none.
pub fn row<'a>(table: &'a str, name: &str) -> &'a str {
    table.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or("")
}

/// The state a table shows for an archive; empty if it shows none.
pub fn state<'a>(table: &'a str, name: &str) -> &'a str {
    row(table, name).split_whitespace().nth(1).unwrap_or("")
}

/// A bare serial terminal in person mode.
pub struct Terminal {
    stream: UnixStream,
    received: Vec<u8>,
}

/// What the console prints when it is ready for a command.
const PROMPT: &str = "totebox> ";

impl Terminal {
    /// Connects, and waits for the prompt.
    pub fn connect(socket: &Path) -> Terminal {
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(started.elapsed() < TIMEOUT, "{}: {error}", socket.display()),
            }
            std::thread::yield_now();
        };
        let mut terminal = Terminal { stream, received: Vec::new() };
        // Whatever the last peer left behind is given up; the answer to a line of our own ends it. A machine that is
        // still starting may not hear the first tries.
        for attempt in 0.. {
            let unknown = format!("nothing-{attempt}");
            terminal.type_bytes(format!("\x03\r{unknown}\r").as_bytes());
            if terminal.wait_at_most(ATTEMPT, &format!("no command \"{unknown}\"")).is_ok() {
                break;
            }
            let heard = String::from_utf8_lossy(&terminal.received);
            assert!(started.elapsed() < TIMEOUT, "the console answers nobody:\n{heard}");
        }
        terminal.wait_for(PROMPT);
        terminal
    }

    /// Types bytes.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the line takes what is typed");
    }

    /// Waits until `text` has appeared, and returns everything up to its end.
    pub fn wait_for(&mut self, text: &str) -> String {
        self.wait_at_most(TIMEOUT, text).unwrap_or_else(|error| {
            panic!("{error} while waiting for {text:?} after:\n{}", String::from_utf8_lossy(&self.received))
        })
    }

    /// As [`Terminal::wait_for`], with an error if for so long nothing was shown.
    fn wait_at_most(&mut self, silence: Duration, text: &str) -> std::io::Result<String> {
        self.stream.set_read_timeout(Some(silence))?;
        loop {
            let found = self.received.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let rest = self.received.split_off(at + text.len());
                let shown = std::mem::replace(&mut self.received, rest);
                return Ok(String::from_utf8_lossy(&shown).replace('\r', ""));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                len => self.received.extend(&buffer[..len]),
            }
        }
    }

    /// Types a command line and returns what is shown until the next command is taken up: an event may bring
    /// a prompt of its own.
    pub fn command(&mut self, line: &str) -> String {
        self.type_bytes(format!("{line}\rend-of-answer\r").as_bytes());
        self.wait_for("no command \"end-of-answer\"")
    }

    /// Types a command line until its answer is as it should be, and returns that answer.
    pub fn command_until(&mut self, line: &str, done: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let answer = self.command(line);
            if done(&answer) {
                return answer;
            }
            assert!(started.elapsed() < TIMEOUT, "{line} never answers as it should:\n{answer}");
        }
    }
}
