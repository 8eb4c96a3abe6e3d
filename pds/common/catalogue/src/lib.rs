//! The catalogue: an ordered index from a document's name to its records, the newest first, in an archive's own
//! rewritable directory. The archive uses it from ledger format 2 on.
//!
//! It is derived from the ledger and never believed without the record it points to: whatever is missing, damaged
//! or foreign is fed again. It does no I/O of its own: what it wants read or written are requests, which are answered
//! later, and its memory is constant. The format, the costs and the reasons are in `docs/catalogue.md`.
//!
//! A caller makes a [`Catalogue`], answers its [requests](Catalogue::request) until it is [open](Catalogue::found),
//! feeds it with what the ledger has after its [head](Catalogue::head), and from then on gives it every record once it
//! is durable, with a [step](Catalogue::step) after each. A flush, whenever there is one, is
//! [reported](Catalogue::durable).
//!
//! ```
//! use totebox_catalogue::{BLOCK, Catalogue, Config, Entry, Find, Found, Polled, Request};
//!
//! // A directory in memory, which answers at once. An archive sends the requests to the vault, with the ticket as what
//! // it wants to know of the reply, and answers when that comes.
//! fn serve(catalogue: &mut Catalogue, directory: &mut [u8]) {
//!     while let Some(request) = catalogue.request() {
//!         let ticket = match request {
//!             Request::Read { ticket, block, blocks } => {
//!                 let bytes = &directory[block as usize * BLOCK..][..blocks * BLOCK];
//!                 if let Some(buffer) = catalogue.reading(ticket) {
//!                     buffer.copy_from_slice(bytes);
//!                 }
//!                 ticket
//!             }
//!             Request::Write { ticket, block, data } => {
//!                 directory[block as usize * BLOCK..][..data.len()].copy_from_slice(data);
//!                 ticket
//!             }
//!         };
//!         catalogue.answered(ticket, true);
//!     }
//! }
//!
//! let config = Config {
//!     volume: [1; 16], key: [2; 32], first: 0, begin: 0, blocks: 256, table_bytes: 16 << 10, cache_blocks: 32,
//! };
//! let mut directory = vec![0; 256 * BLOCK];
//! let mut catalogue = Catalogue::new(&config);
//! while catalogue.found() == Found::Opening {
//!     serve(&mut catalogue, &mut directory);
//! }
//! assert_eq!((catalogue.found(), catalogue.head().next), (Found::Blank, 0));
//!
//! // The genesis record has no name; the second record is a document.
//! let hashes = [[3; 32], [4; 32]];
//! catalogue.pass(0, &hashes[0]).unwrap();
//! let entry = Entry { sequence: 1, size: 4096, ..Entry::default() };
//! catalogue.insert(b"lease.pdf", &entry, &hashes[1]).unwrap();
//! catalogue.step(32);
//! serve(&mut catalogue, &mut directory);
//! // Before a commit is sent, and when it has come back.
//! let written = catalogue.written();
//! catalogue.durable(written);
//!
//! let mut find = Find::newest(&catalogue, b"lease.pdf");
//! let found = loop {
//!     match find.poll(&mut catalogue).expect("nothing is damaged") {
//!         Polled::Ready(found) => break found,
//!         Polled::Waiting => serve(&mut catalogue, &mut directory),
//!         Polled::More => {}
//!     }
//! };
//! assert_eq!(found, Some(entry));
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod block;
mod build;
mod cache;
mod catalogue;
mod code;
mod config;
mod cursor;
mod entry;
mod find;
mod index;
mod job;
mod layout;
mod leaf;
mod listing;
mod manifest;
mod report;
mod requests;
mod space;
mod store;
mod table;

pub use block::BLOCK;
pub use catalogue::{Catalogue, LAG_RECORDS};
pub use config::Config;
pub use entry::{Entry, NAME_MAX, NEWEST, TAG_MAX, Tag};
pub use find::{Find, Polled};
pub use job::TRANSFER_BLOCKS;
pub use layout::{catalogue_blocks, table_bytes};
pub use listing::{After, Item, Listing, Query};
pub use manifest::Head;
pub use report::{Found, Progress, Refused, Request, Traffic};
pub use store::Damage;

#[cfg(test)]
mod tests;
