//! Paths, whose names anybody may have chosen.

use std::path::Path;

use crate::ShownBytes;

/// Shows paths instead of `Path::display`, which leaves line feeds, escapes and the like in them.
pub trait ShowPath {
    /// The path on one line of a terminal.
    fn shown(&self) -> ShownBytes<'_>;
}

impl ShowPath for Path {
    fn shown(&self) -> ShownBytes<'_> {
        ShownBytes(self.as_os_str().as_encoded_bytes())
    }
}
