//! The operator's console from outside: the programs' end of docs/console-protocol.md.
//!
//! | module | what |
//! |---|---|
//! | [`connection`] | the serial line: lines in and out |
//! | [`lines`] | what the lines say |
//! | [`session`] | handshake, commands, recovery from noise |
//! | [`put`], [`get`], [`ls`] | documents |
//! | [`status`], [`audit`], [`flags`], [`history`], [`lifecycle`], [`sign`] | the appliance |
//! | [`news`] | what has changed between two looks at it |

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
pub mod put;
pub mod session;
pub mod sign;
pub mod sources;
pub mod status;

pub use connection::{Address, Connection, Interrupted};
pub use session::{NoAnswer, Session, Timing};
