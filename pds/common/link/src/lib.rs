//! A domain's ends of its links, as its manifest describes them: an [`Endpoint`] for a queue, a reader or a
//! writer for a page, a [`Tracer`] for what it notes, and its [keys](signer). The two ends of a queue notify each other by
//! the same rule, and cut each other off for the same reason.

#![no_std]
#![forbid(unsafe_code)]

mod endpoint;
mod key;
mod page;
mod trace;

pub use endpoint::Endpoint;
pub use key::{signer, verifier};
pub use page::{page_channel, page_reader, page_writer};
pub use trace::{Tracer, trace_reader};
