//! The CPU's physical counter, which this kernel leaves open to user level (`KernelArmExportPCNTUser`): every
//! domain can read it, without any other.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTPCT_EL0};
use tock_registers::interfaces::Readable;

/// Counts since the machine started.
pub fn now() -> u64 {
    // The counter must not be read ahead of time.
    barrier::isb(barrier::SY);
    CNTPCT_EL0.get()
}

pub fn per_second() -> u64 {
    CNTFRQ_EL0.get()
}

/// Milliseconds since the machine started.
pub fn now_ms() -> u64 {
    let (counter, per_second) = (now(), per_second());
    let (seconds, rest) = (counter / per_second, counter % per_second);
    seconds * 1000 + rest * 1000 / per_second
}
