//! The host tool `totebox`. Every command's exit code is 0 (fine), 1 (found something) or 2 (could not
//! run); an error is printed once, with its causes.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            eprintln!("totebox: {error:#}");
            ExitCode::from(2)
        }
    }
}
