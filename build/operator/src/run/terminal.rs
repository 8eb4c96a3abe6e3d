//! The operator's terminal in raw mode: every key goes to the appliance, Ctrl-C too.

use std::io::{IsTerminal, stdin};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcsetattr};

/// Standard input in raw mode; dropping it restores what was before.
#[derive(Debug)]
pub struct RawTerminal(Termios);

impl RawTerminal {
    /// Makes standard input raw; `None` if it is no terminal.
    pub fn enter() -> Result<Option<RawTerminal>> {
        if !stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(stdin()).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        // Our own messages end lines the usual way.
        raw.output_modes |= OutputModes::OPOST;
        tcsetattr(stdin(), OptionalActions::Now, &raw).context("cannot change the terminal's settings")?;
        Ok(Some(RawTerminal(before)))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Fails only if the terminal is gone. What it was to show need not be waited for: nobody may read it.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// A way of its own to a terminal, on which writing never waits; `None` if that is none, or cannot be opened anew. That
/// a terminal is ready does not say for how much, and one nobody reads would hold up whoever writes to it; and what
/// standard output and error are is shared with other processes, so that they cannot be made not to wait.
pub fn without_waiting(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    if !isatty(fd) {
        return None;
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).ok()
}
