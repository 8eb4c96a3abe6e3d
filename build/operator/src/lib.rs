//! The operator's side of an appliance: [`run`] starts one and joins its line to terminals and clients, and [`client`]
//! speaks with one that runs.

#![forbid(unsafe_code)]

pub mod client;
pub mod run;
