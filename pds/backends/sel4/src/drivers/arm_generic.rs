//! The CPU's generic timer behind [`Timer`]: its comparator, which this kernel leaves open to user level
//! (`KernelArmExportPTMRUser`).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTP_CTL_EL0, CNTP_CVAL_EL0};
use tock_registers::interfaces::Writeable;

use super::Timer;
use crate::counter;

pub struct GenericTimer;

impl Timer for GenericTimer {
    fn arm(&mut self, ms: u64) {
        // The interrupt is pending while the counter is past the comparator: a later one clears it.
        CNTP_CVAL_EL0.set(counter::now() + ms * counter::per_second() / 1000);
        CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::SET + CNTP_CTL_EL0::IMASK::CLEAR);
        barrier::isb(barrier::SY);
    }
}
