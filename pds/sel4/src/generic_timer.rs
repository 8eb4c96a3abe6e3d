//! The time behind [`Ticker`]: the CPU's generic timer for ticks and uptime, a PL031 for the wall clock.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTPCT_EL0};
use tock_registers::interfaces::{Readable, Writeable};
use totebox_manifest::{DeviceKind, Manifest};
use totebox_pds::SetupError;
use totebox_pds::device::Ticker;
use totebox_shm::Mapped;

use crate::pd::registers;
use crate::pl031::Registers;

/// The generic timer's physical counter and comparator, which this kernel leaves open to user level
/// (`KernelArmExportPCNTUser`, `KernelArmExportPTMRUser`), and the real-time clock.
pub struct GenericTimer {
    rtc: &'static Registers,
    counts_per_second: u64,
}

impl GenericTimer {
    /// The timer, and the manifest's real-time clock.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<GenericTimer, SetupError> {
        // SAFETY: they are a PL031's registers.
        let rtc = unsafe { registers::<Registers>(manifest, mapped, DeviceKind::Rtc)? };
        Ok(GenericTimer { rtc, counts_per_second: CNTFRQ_EL0.get() })
    }

    fn counter(&self) -> u64 {
        // The counter must not be read ahead of time.
        barrier::isb(barrier::SY);
        CNTPCT_EL0.get()
    }
}

impl Ticker for GenericTimer {
    fn uptime_ms(&mut self) -> u64 {
        let counter = self.counter();
        let (seconds, rest) = (counter / self.counts_per_second, counter % self.counts_per_second);
        seconds * 1000 + rest * 1000 / self.counts_per_second
    }

    fn wall_ms(&mut self) -> u64 {
        u64::from(self.rtc.dr.get()) * 1000
    }

    fn arm(&mut self, ms: u64) {
        // The interrupt is pending while the counter is past the comparator: a later one clears it.
        CNTP_CVAL_EL0.set(self.counter() + ms * self.counts_per_second / 1000);
        CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::SET + CNTP_CTL_EL0::IMASK::CLEAR);
        barrier::isb(barrier::SY);
    }
}
