//! The Arm PrimeCell real-time clock PL031 (DDI 0224C, chapter 3) behind [`Rtc`].

use tock_registers::interfaces::Readable;
use tock_registers::register_structs;
use tock_registers::registers::ReadOnly;
use totebox_domain::SetupError;
use totebox_manifest::{DeviceKind, Manifest};
use totebox_shm::Mapped;

use super::Rtc;
use crate::pd::registers;

register_structs! {
    /// The register block, as far as it is used.
    pub Registers {
        /// Seconds since 1970-01-01 UTC.
        (0x000 => pub dr: ReadOnly<u32>),
        (0x004 => @END),
    }
}

/// The real-time clock.
pub struct Pl031 {
    registers: &'static Registers,
}

impl Pl031 {
    /// The manifest's real-time clock.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Pl031, SetupError> {
        // SAFETY: they are a PL031's registers.
        let registers = unsafe { registers::<Registers>(manifest, mapped, DeviceKind::Rtc)? };
        Ok(Pl031 { registers })
    }
}

impl Rtc for Pl031 {
    fn wall_ms(&mut self) -> u64 {
        u64::from(self.registers.dr.get()) * 1000
    }
}
