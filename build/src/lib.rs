//! The library behind the host tool `totebox`: deployments, system descriptions, disks, and the
//! operator's console from outside.

#![forbid(unsafe_code)]

pub mod authority;
pub mod built;
pub mod check;
pub mod checkpoint;
pub mod client;
pub mod diff;
pub mod disk;
mod disk_add;
mod disk_contents;
mod disk_create;
mod disk_memory;
mod file_name;
mod files;
pub mod keys;
mod manifests;
pub mod model;
mod new;
pub mod output;
pub mod partitions;
pub mod picture;
pub mod problem;
pub mod proof;
mod provision;
pub mod report;
pub mod run;
mod system_xml;

pub use disk_add::{Undo, add_volume};
pub use disk_create::Existing;
pub use files::{keep_to_owner, secret_directory, write_atomically, write_secret};
pub use new::new_deployment;
pub use provision::provision;
