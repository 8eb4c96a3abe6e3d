//! A service domain that does its work and then, some time after its start, stands still or faults, for tests only.
//! When and how, the test says in its manifest, in an entry of the device table that no honest domain looks at.

use totebox_domain::{ChannelSet, Child, Domain, Fault, Kernel};
use totebox_manifest::Manifest;

/// How it fails, as the `kind` of a device entry; its region's `vaddr` is after how many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// It runs at full speed, and never looks at what comes.
    Spin = 0x90,
    /// It panics.
    Panic = 0x91,
}

/// A domain that fails.
#[derive(Debug)]
pub struct Failing<D> {
    domain: D,
    failure: Failure,
    after_ms: u64,
    /// When it started, by the CPU's counter.
    started_ms: u64,
}

impl<D: Domain> Failing<D> {
    /// The domain with this manifest, failing as that says.
    pub fn new(manifest: &Manifest<'_>, domain: D) -> Self {
        let (failure, device) = [Failure::Spin, Failure::Panic]
            .into_iter()
            .find_map(|failure| Some((failure, manifest.devices().iter().find(|d| d.kind == failure as u8)?)))
            .expect("the test says how to fail");
        Failing { domain, failure, after_ms: device.region.vaddr.get(), started_ms: 0 }
    }
}

impl<D: Domain> Domain for Failing<D> {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.started_ms = kernel.counter_ms();
        self.domain.start(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        if kernel.counter_ms().saturating_sub(self.started_ms) >= self.after_ms {
            match self.failure {
                Failure::Spin => loop {
                    core::hint::spin_loop();
                },
                Failure::Panic => panic!("a domain that panics"),
            }
        }
        self.domain.notified(kernel, from);
    }

    fn fault(&mut self, kernel: &mut dyn Kernel, child: Child, fault: Fault) {
        self.domain.fault(kernel, child, fault);
    }
}
