//! The time behind [`Ticker`]: the CPU's generic timer for ticks and uptime, a PL031 for the wall clock.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTP_CTL_EL0, CNTP_CVAL_EL0};
use tock_registers::interfaces::{Readable, Writeable};
use totebox_domain::SetupError;
use totebox_domain::device::Ticker;
use totebox_manifest::{DeviceKind, Manifest};
use totebox_shm::Mapped;

use crate::counter;
use crate::pd::registers;
use crate::pl031::Registers;

/// The generic timer's comparator, which this kernel leaves open to user level (`KernelArmExportPTMRUser`), its
/// counter, and the real-time clock.
pub struct GenericTimer {
    rtc: &'static Registers,
}

impl GenericTimer {
    /// The timer, and the manifest's real-time clock.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<GenericTimer, SetupError> {
        // SAFETY: they are a PL031's registers.
        let rtc = unsafe { registers::<Registers>(manifest, mapped, DeviceKind::Rtc)? };
        Ok(GenericTimer { rtc })
    }
}

impl Ticker for GenericTimer {
    fn uptime_ms(&mut self) -> u64 {
        counter::now_ms()
    }

    fn wall_ms(&mut self) -> u64 {
        u64::from(self.rtc.dr.get()) * 1000
    }

    fn arm(&mut self, ms: u64) {
        // The interrupt is pending while the counter is past the comparator: a later one clears it.
        CNTP_CVAL_EL0.set(counter::now() + ms * counter::per_second() / 1000);
        CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::SET + CNTP_CTL_EL0::IMASK::CLEAR);
        barrier::isb(barrier::SY);
    }
}
