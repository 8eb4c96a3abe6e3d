//! The disk of a deployment: made, extended by a volume, recognised, and remembered.

mod add;
pub mod container;
mod contents;
mod create;
mod memory;

pub use add::{Undo, add_volume};
pub use contents::{check_belongs, laid_out_otherwise};
pub use create::Existing;
