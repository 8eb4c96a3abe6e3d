//! What of a foreign string reaches a person: one classification of characters, [`is_printable`], and one type
//! for each place where a string is shown. Names of documents, system descriptions, disks, and what the other end
//! of the line sends may hold anything: what a terminal obeys, what reorders a line, what cannot be seen.
//!
//! | type | where | line feeds |
//! |---|---|---|
//! | [`Shown`], [`ShownBytes`] | one line on a terminal | escaped |
//! | [`Lines`] | text of several lines that are the program's own | stay |
//! | [`Quoted`], [`QuotedText`] | a word in quotes on the operator's line; reading it gives the same bytes | escaped |
//! | [`Json`] | a JSON text; reading it gives the same strings | stay between values |
//! | [`Xml`] | text and attributes in HTML and SVG | stay |
//! | [`Dot`] | a string in Graphviz's language, quotes included | written as `\n` |
//! | [`Markdown`], [`MarkdownCode`] | running text and code on one line | escaped |
//!
//! What is not printable is written as `\xNN` for each byte of its UTF-8, but in JSON as `\uNNNN`.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod documents;
#[cfg(feature = "std")]
mod path;
mod printable;
mod terminal;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use documents::{Dot, Json, Markdown, MarkdownCode, Xml};
#[cfg(feature = "std")]
pub use path::ShowPath;
pub use printable::is_printable;
pub use terminal::{Lines, Quoted, QuotedText, Shown, ShownBytes};
