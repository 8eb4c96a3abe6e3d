//! Which domain runs in which role: the one list of the appliance's programs, for every backend. On seL4 each is an
//! image of its own, which takes its domain from here; hosted and in the simulator [`domain`] builds it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;

use totebox_domain::device::{BlockDevice, Ticker, Uart};
use totebox_domain::{Domain, SetupError};
use totebox_manifest::{Manifest, Role};
use totebox_shm::Mapped;

pub use totebox_archive::Archive;
pub use totebox_auditor::Auditor;
pub use totebox_clock::Clock;
pub use totebox_console as console;
pub use totebox_console::Console;
pub use totebox_orchestrator::Orchestrator;
pub use totebox_vault::Vault;

/// The devices of a backend, each of which one domain takes.
pub trait Devices {
    type Disk: BlockDevice + 'static;
    type Uart: Uart + 'static;
    type Ticker: Ticker + 'static;
    /// Why a device, or a domain, cannot be had.
    type Error: From<SetupError>;

    fn disk(&mut self) -> Result<Self::Disk, Self::Error>;
    fn uart(&mut self) -> Result<Self::Uart, Self::Error>;
    fn ticker(&mut self) -> Result<Self::Ticker, Self::Error>;
}

pub fn domain<D: Devices>(
    manifest: &Manifest<'_>,
    mapped: Mapped,
    devices: &mut D,
) -> Result<Box<dyn Domain>, D::Error> {
    Ok(match manifest.role() {
        Role::Archive => Box::new(Archive::new(manifest, mapped)?),
        Role::Auditor => Box::new(Auditor::new(manifest, mapped)?),
        Role::Clock => Box::new(Clock::new(manifest, mapped, devices.ticker()?)?),
        Role::Console => Box::new(Console::new(manifest, mapped, devices.uart()?)?),
        Role::Orchestrator => Box::new(Orchestrator::new(manifest, mapped)?),
        Role::Vault => Box::new(Vault::new(manifest, mapped, devices.disk()?)?),
    })
}
