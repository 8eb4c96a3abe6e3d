//! The whole appliance on a simulated machine: every domain, and an operator at its line.

use totebox_deployment::Deployment;
use totebox_domain::Domain;
use totebox_manifest::Manifest;
use totebox_shm::Mapped;

use super::{Devices, DiskHandle, World};
use crate::operator::{Gone, Operator, Wire};

/// Events without a byte on the line after which nothing is to be expected for a while.
const SILENCE: u64 = 2_000;

/// The domain of a manifest, as the appliance has it.
pub fn domain(manifest: &Manifest<'_>, mapped: Mapped, devices: &Devices) -> Box<dyn Domain> {
    totebox_programs::domain(manifest, mapped, &mut &*devices).expect("the model's manifests fit the domains")
}

/// Events after which a machine must have done what any of the tests wants of it.
const STEPS_MAX: u64 = 20_000_000;

/// The line to a simulated appliance. Things happen while the operator waits.
pub struct SimWire {
    /// The machine.
    pub world: World,
    /// The event before which the power is cut.
    cut_at: Option<u64>,
}

impl SimWire {
    /// The line to a machine whose power is not cut.
    pub fn new(world: World) -> SimWire {
        SimWire { world, cut_at: None }
    }

    /// Whether the power is gone.
    fn is_without_power(&self) -> bool {
        self.cut_at.is_some_and(|step| self.world.steps() >= step)
            || self.world.devices().disk.borrow().is_without_power()
    }
}

impl Wire for SimWire {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.world.devices().uart.send(bytes);
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<u8>, Gone> {
        for _ in 0..SILENCE {
            if self.is_without_power() {
                return Err(Gone);
            }
            assert!(self.world.steps() < STEPS_MAX, "this never ends");
            self.world.step();
            let bytes = self.world.devices().uart.take_received();
            if !bytes.is_empty() {
                return Ok(bytes);
            }
        }
        Ok(Vec::new())
    }
}

/// An operator at a machine just switched on, whose power is cut before event `cut_at`, if that is given.
pub fn operator(deployment: &Deployment, disk: DiskHandle, seed: u64, cut_at: Option<u64>) -> Operator<SimWire> {
    let world = World::new(deployment, disk, seed, domain);
    Operator::new(SimWire { world, cut_at })
}
