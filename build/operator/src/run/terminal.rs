//! The operator's terminal in raw mode: every key goes to the appliance, Ctrl-C too.

use std::io::{IsTerminal, stdin};

use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};

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
        // Fails only if the terminal is gone.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.0);
    }
}
