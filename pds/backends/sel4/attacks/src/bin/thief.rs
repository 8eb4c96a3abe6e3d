//! Receives where it may not, and answers what it got.

#![no_std]
#![no_main]

use sel4::cap::{Endpoint, Reply};
use sel4_microkit::{Handler, NullHandler, protection_domain};
use totebox_sel4_attacks::{FORGED, TOLD, call_channel};

/// Where Microkit leaves a copy of the fault endpoint, and the object that holds a pending call.
const FAULT_ENDPOINT_SLOT: u64 = 2;
const REPLY_SLOT: u64 = 4;

#[protection_domain]
fn init() -> impl Handler {
    let endpoint = call_channel().map_or(Endpoint::from_bits(FAULT_ENDPOINT_SLOT), |channel| channel.endpoint());
    let reply = Reply::from_bits(REPLY_SLOT);
    endpoint.recv(reply);
    TOLD.notify();
    if call_channel().is_some() {
        reply.send(sel4::MessageInfo::new(FORGED, 0, 0, 0));
    }
    NullHandler::new()
}
