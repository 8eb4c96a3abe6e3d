//! Notifies the starter. Its priority is the lowest, so that it runs when nobody else can.

#![no_std]
#![no_main]

use sel4_microkit::{Channel, Handler, NullHandler, protection_domain};

#[protection_domain]
fn init() -> impl Handler {
    Channel::new(0).notify();
    NullHandler::new()
}
