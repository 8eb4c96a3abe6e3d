//! The host tool `totebox`. Every command's exit code is 0 (fine), 1 (found something) or 2 (could not
//! run); an error is printed once, with its causes. A command whose reader has gone (`totebox ls | head`)
//! ends quietly with 141, as SIGPIPE ends a command in a shell.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use totebox_common::output::{self, OutputError};

/// 128 and the number of SIGPIPE.
const READER_GONE: u8 = 141;

fn main() -> ExitCode {
    // Also what a command printed before it failed is to arrive.
    let (ended, printed) = (cli::run(), output::flush());
    match ended.and_then(|code| Ok(printed.map(|()| code)?)) {
        Ok(code) => code,
        Err(error) if error.downcast_ref().is_some_and(OutputError::is_closed_pipe) => READER_GONE.into(),
        Err(error) => {
            output::error(&error);
            ExitCode::from(2)
        }
    }
}
