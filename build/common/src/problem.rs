//! What is wrong with a file a person wrote: all of it, each with its place and the way out. The lines of these errors
//! are their own: what is foreign in them is on one line.

use std::fmt;
use std::path::{Path, PathBuf};

use totebox_sdf::Place;
use totebox_shown::{ShowPath, Shown};

pub use totebox_sdf::Places;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    pub message: String,
    /// What was expected and how to mend it.
    pub help: String,
}

/// Why something cannot be done, and the way out on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub message: String,
    pub help: String,
}

/// Everything wrong with a file, in its order. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    pub fn at(
        file: &Path,
        source: &Places,
        offset: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let Place { line, column } = source.of(offset);
        Problem {
            file: file.to_owned(),
            line: line as usize,
            column: column as usize,
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.shown(), self.line, self.column, Shown(&self.message))?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n    {}", Shown(&self.help)) }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    {}", Shown(&self.message), Shown(&self.help))
    }
}

impl std::error::Error for Obstacle {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = &self.0[..] {
            return problem.fmt(f);
        }
        write!(f, "{} problems:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for Problems {}
