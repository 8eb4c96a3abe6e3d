//! The parent of the thief and the victim, whose faults and calls it gets, and the one with a serial line:
//! it prints what became of the attack.

#![no_std]
#![no_main]

use sel4_microkit::{Channel, ChannelSet, Child, Handler, Infallible, MessageInfo, protection_domain, var};
use totebox_sel4_attacks::{FORGED, HONEST};

/// The thief's number as a child; the victim has another.
const THIEF: usize = 1;

struct Watcher;

#[protection_domain]
fn init() -> impl Handler {
    Watcher
}

impl Handler for Watcher {
    type Error = Infallible;

    fn notified(&mut self, _: ChannelSet) -> Result<(), Infallible> {
        print("ATTACK: the thief received it\n");
        Ok(())
    }

    fn protected(&mut self, _: Channel, message: MessageInfo) -> Result<MessageInfo, Infallible> {
        match message.label() {
            HONEST => print("ATTACK: the victim has the watcher's answer\n"),
            FORGED => print("ATTACK: the victim has a forged answer\n"),
            _ => {}
        }
        Ok(MessageInfo::new(HONEST, 0))
    }

    fn fault(&mut self, child: Child, _: MessageInfo) -> Result<Option<MessageInfo>, Infallible> {
        print(match child.index() {
            THIEF => "ATTACK: the thief may not receive\n",
            _ => "ATTACK: the watcher has the victim's fault\n",
        });
        Ok(None)
    }
}

/// Prints on the serial line, a PL011. QEMU's takes what it is given at once.
fn print(text: &str) {
    let data = core::ptr::with_exposed_provenance_mut::<u32>(*var!(uart_vaddr: usize = 0));
    for byte in text.bytes() {
        // SAFETY: the system maps the device's registers there, whose first is for data, into no other domain.
        unsafe { data.write_volatile(byte.into()) };
    }
}
