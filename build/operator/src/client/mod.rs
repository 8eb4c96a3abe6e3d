//! The operator's console from outside: the programs' end of docs/console-protocol.md.
//!
//! | module | what |
//! |---|---|
//! | [`connection`] | the serial line: lines in and out |
//! | [`lines`] | what the lines say |
//! | [`session`] | handshake, commands, recovery from noise |
//! | [`put`], [`get`], [`ls`] | documents |
//! | [`status`], [`audit`], [`flags`], [`history`], [`trace`], [`lifecycle`], [`sign`] | the appliance |
//! | [`news`] | what has changed between two looks at it |

use std::fmt;

use totebox_shown::Quoted;

pub mod audit;
pub mod connection;
pub mod content;
pub mod flags;
pub mod get;
pub mod history;
pub mod lifecycle;
pub mod lines;
pub mod ls;
pub mod news;
pub mod progress;
pub mod put;
pub mod session;
pub mod sign;
pub mod sources;
pub mod status;
pub mod trace;

pub use connection::{Address, Connection, Interrupted};
pub use session::{NoAnswer, Session, Timing};

/// A word of a command: as it is if it is plain, else in quotes, so that it stays one word whatever it is.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match self.0 {
            word if !word.is_empty() && word.bytes().all(is_plain) => f.write_str(word),
            word => write!(f, "{}", Quoted(word.as_bytes())),
        }
    }
}
