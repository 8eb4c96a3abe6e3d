//! [`Kernel`] on Microkit.
//!
//! A protected call's bytes travel in message registers, their number in the label. (rust-sel4's
//! `sel4-microkit-simple-ipc` carries serde types in postcard's encoding; our messages have a fixed
//! layout already.)

use heapless::Vec;
use sel4_microkit::{Channel, Child, MessageInfo, with_msg_bytes, with_msg_bytes_mut};
use totebox_pds::{CALL_BYTES_MAX, Kernel};

/// This PD's kernel.
pub struct Microkit;

impl Kernel for Microkit {
    fn notify(&mut self, channel: totebox_pds::Channel) {
        Channel::new(channel.0.into()).notify();
    }

    fn call(&mut self, channel: totebox_pds::Channel, request: &[u8], reply: &mut [u8]) -> usize {
        let answer = Channel::new(channel.0.into()).pp_call(send_bytes(request));
        let answer = receive_bytes(&answer);
        let len = answer.len().min(reply.len());
        reply[..len].copy_from_slice(&answer[..len]);
        len
    }

    fn acknowledge(&mut self, interrupt: totebox_pds::Channel) {
        Channel::new(interrupt.0.into()).irq_ack().expect("an interrupt of the manifest is ours");
    }

    fn stop(&mut self, child: totebox_pds::Child) {
        Child::new(child.0.into()).tcb().tcb_suspend().expect("a child of the manifest is ours");
    }

    fn resume(&mut self, child: totebox_pds::Child) {
        Child::new(child.0.into()).tcb().tcb_resume().expect("a child of the manifest is ours");
    }
}

/// Puts bytes into the message registers, for a call or a reply.
pub fn send_bytes(bytes: &[u8]) -> MessageInfo {
    assert!(bytes.len() <= CALL_BYTES_MAX, "too long for a protected call");
    with_msg_bytes_mut(|registers| registers[..bytes.len()].copy_from_slice(bytes));
    MessageInfo::new(bytes.len() as u64, bytes.len().div_ceil(size_of::<u64>()))
}

/// Copies the bytes of a received message out, before another system call overwrites them. A length the
/// registers cannot hold is the peer's lie: what arrived counts.
pub fn receive_bytes(message: &MessageInfo) -> Vec<u8, CALL_BYTES_MAX> {
    let arrived = (message.count() * size_of::<u64>()).min(CALL_BYTES_MAX);
    let len = usize::try_from(message.label()).map_or(arrived, |len| len.min(arrived));
    with_msg_bytes(|registers| Vec::from_slice(&registers[..len]).expect("bounded above"))
}
