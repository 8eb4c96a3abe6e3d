//! [`Kernel`] on Microkit.

use sel4_microkit::{Channel, Child};
use totebox_domain::Kernel;

use crate::counter;

pub struct Microkit;

impl Kernel for Microkit {
    fn notify(&mut self, channel: totebox_domain::Channel) {
        Channel::new(channel.0.into()).notify();
    }

    fn counter_ms(&mut self) -> u64 {
        counter::now_ms()
    }

    fn acknowledge(&mut self, interrupt: totebox_domain::Channel) {
        Channel::new(interrupt.0.into()).irq_ack().expect("an interrupt of the manifest is ours");
    }

    fn stop(&mut self, child: totebox_domain::Child) {
        Child::new(child.0.into()).tcb().tcb_suspend().expect("a child of the manifest is ours");
    }

    fn resume(&mut self, child: totebox_domain::Child) {
        Child::new(child.0.into()).tcb().tcb_resume().expect("a child of the manifest is ours");
    }
}
