//! How the tool speaks: results on standard output, everything else on standard error.
//!
//! Nothing else here writes to either (`clippy.toml` forbids the standard library's macros, which panic when
//! nobody reads any more). What standard output does not take is an error of the command, and its exit code;
//! what standard error does not take there is nobody left to tell.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints to standard output; the error is the command's: `out!(...)?`.
#[macro_export]
macro_rules! out {
    ($($text:tt)*) => { $crate::output::out(format_args!($($text)*)) };
}

/// Prints a line to standard output; the error is the command's: `outln!(...)?`.
#[macro_export]
macro_rules! outln {
    () => { $crate::output::out(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Prints a line to standard error, if that can be written.
#[macro_export]
macro_rules! errln {
    ($($text:tt)*) => { $crate::output::error_line(format_args!($($text)*)) };
}

/// Standard output did not take what was written.
#[derive(Debug)]
pub struct OutputError(pub io::Error);

impl OutputError {
    /// Its reader has gone, and wants no more: `totebox ls | head`.
    pub fn is_closed_pipe(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write to standard output: {}", self.0)
    }
}

impl std::error::Error for OutputError {}

/// Prints to standard output.
pub fn out(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    io::stdout().write_fmt(text).map_err(OutputError)
}

/// Prints a line to standard output.
pub fn line(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    out(format_args!("{text}\n"))
}

/// Prints bytes as they are to standard output.
pub fn bytes(bytes: &[u8]) -> Result<(), OutputError> {
    io::stdout().write_all(bytes).map_err(OutputError)
}

/// Hands over what was printed: all of it, or there is an error.
pub fn flush() -> Result<(), OutputError> {
    io::stdout().flush().map_err(OutputError)
}

/// Prints a line to standard error, if that can be written.
pub fn error_line(text: fmt::Arguments<'_>) {
    // In one piece, so that lines of several processes do not mix.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
