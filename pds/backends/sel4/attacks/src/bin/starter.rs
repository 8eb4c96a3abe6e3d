//! Holds its child back, before it has run at all, until it is notified: so that whom the child is to watch
//! comes first although it has to have lower priorities.

#![no_std]
#![no_main]

use sel4_microkit::{ChannelSet, Child, Handler, Infallible, protection_domain};

const CHILD: Child = Child::new(1);

struct Starter;

#[protection_domain]
fn init() -> impl Handler {
    CHILD.tcb().tcb_suspend().expect("the child is ours");
    Starter
}

impl Handler for Starter {
    type Error = Infallible;

    fn notified(&mut self, _: ChannelSet) -> Result<(), Infallible> {
        CHILD.tcb().tcb_resume().expect("the child is ours");
        Ok(())
    }
}
