//! Calls the watcher, if it can, or else commits a fault, which goes to the watcher too.

#![no_std]
#![no_main]

use sel4_microkit::{Handler, MessageInfo, NullHandler, protection_domain};
use totebox_sel4_attacks::call_channel;

#[protection_domain]
fn init() -> impl Handler {
    if let Some(channel) = call_channel() {
        let answer = channel.pp_call(MessageInfo::new(0, 0));
        // What it was told, so that the watcher can say whether it was a lie.
        channel.pp_call(MessageInfo::new(answer.label(), 0));
    } else {
        // SAFETY: nothing is mapped there, which is the point: it faults.
        unsafe { core::ptr::null::<u8>().with_addr(8).read_volatile() };
    }
    NullHandler::new()
}
