//! What is spoken on the console's line (docs/console-protocol.md), for both of its ends: the console domain
//! and the operator's tool.
//!
//! | module | what |
//! |---|---|
//! | [`control`] | bytes that are no text: who holds the line, and the end of an input |
//! | [`words`], [`data`] | words of a command, and data lines with their checksums |
//! | [`text`] | how hashes, sizes and times are written |
//! | [`table`], [`views`] | tables for a person, and the lines of each view |
//! | [`change`] | what can become of an archive |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod change;
pub mod control;
pub mod data;
pub mod table;
pub mod text;
pub mod views;
pub mod words;

pub use totebox_protocol::audit::FINDINGS_MAX;
pub use totebox_protocol::page::degraded;
