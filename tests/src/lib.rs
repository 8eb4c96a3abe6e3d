//! What the tests of the whole appliance stand on. Nothing here is part of the product.
//!
//! | module | what |
//! |---|---|
//! | [`appliance`] | an appliance that runs, on whichever backend |
//! | [`scripts`] | what an operator does at one |
//! | [`orchestrated`] | what orchestration does at one |
//! | [`checkpoints`] | an auditor who keeps checkpoints |
//! | [`hostile`] | archives that are taken over |
//! | [`image`] | images for seL4, put together and hardened |
//! | [`attacks`] | attacks by rights a domain should not have |
//! | [`life`] | domains beside the archives that are lost |
//! | [`kills`] | an appliance killed at random moments of an operator's work |
//! | [`repaired`] | a volume out of service, repaired offline and in service again, on every backend |
//! | [`oracle`] | what such an operator knows, and what must hold |
//! | [`operator`] | the operator's side of the line protocol, over any wire |
//! | [`sim`] | the simulator: unchanged domains, one thread, one seed, a hostile disk |
//! | [`archive_harness`] | archives and the vault, with the console played by the test |
//! | [`vault_harness`] | a vault alone, with its clients played by the test |
//! | [`place`] | where the blocks of a volume are on a disk, and which may be written |
//! | [`orchestration`] | where committed structures are on a disk, and what the audit record on it says |
//! | [`vault_load`] | archives that keep a vault busy, and what it owes them |

#![forbid(unsafe_code)]

pub mod appliance;
pub mod archive_harness;
pub mod attacks;
pub mod checkpoints;
pub mod hostile;
pub mod image;
pub mod kills;
pub mod life;
pub mod operator;
pub mod oracle;
pub mod orchestrated;
pub mod orchestration;
pub mod place;
pub mod repaired;
pub mod scripts;
pub mod sim;
pub mod vault_harness;
pub mod vault_load;
