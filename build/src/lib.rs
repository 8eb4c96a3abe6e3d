//! The library behind the host tool `totebox`: deployments, system descriptions, disks, and the
//! operator's console from outside.

#![forbid(unsafe_code)]

mod files;
mod manifests;
pub mod model;
pub mod problem;
mod system_xml;

pub use files::write_atomically;
