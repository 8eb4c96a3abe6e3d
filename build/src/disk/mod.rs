//! Disk images read without an appliance and never written: which volumes are on them, whether they are
//! whole, and what is in them.

mod extract;
mod image;
mod jsonl;
mod list;
mod report;
mod restore;
mod table;
mod walk;

pub use extract::{extract, prepare};
pub use image::{Image, Volume};
pub use list::{RecordRow, VolumeRow, list, records};
pub use report::{Report, Row, VolumeReport};
pub use walk::verify;
