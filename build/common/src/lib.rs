//! What the host side's crates share: files written whole or not at all, and read up to a limit; problems with a place
//! and a way out, the one way to print, and sizes as people write them.

#![forbid(unsafe_code)]

pub mod file_name;
pub mod files;
pub mod output;
pub mod problem;
pub mod read;
pub mod units;
