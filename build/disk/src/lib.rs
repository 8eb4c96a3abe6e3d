//! Disk images read without an appliance and never written: which volumes are on them, whether they are
//! whole, and what is in them.

#![forbid(unsafe_code)]

mod ahead;
mod auditor;
pub mod checkpoint;
mod extract;
mod find;
mod image;
mod jsonl;
mod list;
mod log;
mod open;
mod pinned;
mod prehash;
pub mod proof;
pub mod repair;
mod report;
mod restore;
mod search;
mod table;
mod tiles;
mod walk;

pub use extract::{extract, prepare};
pub use image::{FoundBy, Image, Searching, Volume};
pub use jsonl::time;
pub use list::{RecordRow, VolumeRow, list, records};
pub use log::Log;
pub use pinned::Pinned;
pub use report::{Report, Row, VolumeReport, hex};
pub use tiles::write_tiles;
pub use walk::verify;
