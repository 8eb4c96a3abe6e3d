//! How the tool speaks: results on standard output, everything else on standard error.
//!
//! Nothing else here writes to either (`clippy.toml` forbids the standard library's macros, which panic when
//! nobody reads any more). What standard output does not take is an error of the command, and its exit code;
//! what standard error does not take there is nobody left to tell.
//!
//! Nothing that a terminal would obey goes through: names, files and what an appliance says are foreign, and what is
//! not printable in them is escaped here ([`totebox_shown`]). A line is one line, whatever is in it; only [`out!`] and
//! errors have line feeds of their own, and what is foreign there is [`Shown`] before it comes here.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write};

use totebox_shown::{Lines, Shown};

use crate::problem::{Obstacle, Problems};

/// Prints text with its own lines to standard output; the error is the command's: `out!(...)?`.
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

/// Prints a line that says what was done for good to standard output; the error is the command's: `doneln!(...)?`.
/// Standard error has the line if standard output does not take it, so that nobody does it twice.
#[macro_export]
macro_rules! doneln {
    ($($text:tt)*) => { $crate::output::done(format_args!($($text)*)) };
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

impl Error for OutputError {}

/// Prints text with its own lines to standard output.
pub fn out(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    write!(io::stdout(), "{}", Lines(text)).map_err(OutputError)
}

pub fn line(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    writeln!(io::stdout(), "{}", Shown(text)).map_err(OutputError)
}

pub fn done(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    line(text).inspect_err(|error| {
        // Whoever has closed the pipe wanted to read no more.
        if !error.is_closed_pipe() {
            error_line(text);
        }
    })
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
    error_text(format_args!("{}", Shown(text)));
}

/// Prints why a command cannot run, with its causes, to standard error.
pub fn error(error: &anyhow::Error) {
    error_text(format_args!("totebox: {}", causes(error)));
}

/// Prints text with its own lines to standard error, if that can be written.
pub fn error_text(text: fmt::Arguments<'_>) {
    // In one piece, so that lines of several processes do not mix.
    let _ = io::stderr().write_all(format!("{}\n", Lines(text)).as_bytes());
}

/// An error and its causes, separated by colons. Only errors that look after their lines themselves have some.
pub fn causes(error: &anyhow::Error) -> String {
    let cause = |cause: &(dyn Error + 'static)| {
        let has_lines = cause.is::<Problems>()
            || cause.is::<Obstacle>()
            || cause.is::<totebox_sdf::Errors>()
            || cause.is::<totebox_capdl::Error>();
        if has_lines { cause.to_string() } else { Shown(cause).to_string() }
    };
    error.chain().map(cause).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_no_lines_but_its_own() {
        let foreign = anyhow::anyhow!("no \"a\n\u{202e}\"").context("b\nc");
        assert_eq!(causes(&foreign), r#"b\x0ac: no "a\x0a\xe2\x80\xae""#);
        let obstacle = Obstacle { message: "a\n".into(), help: "b\n".into() };
        assert_eq!(causes(&anyhow::Error::new(obstacle).context("c")), "c: a\\x0a\n    b\\x0a");
    }
}
