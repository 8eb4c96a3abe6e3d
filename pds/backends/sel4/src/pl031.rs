//! The registers of the Arm PrimeCell real-time clock PL031 (DDI 0224C, chapter 3), as far as they are used.

use tock_registers::register_structs;
use tock_registers::registers::ReadOnly;

register_structs! {
    /// The register block.
    pub Registers {
        /// Seconds since 1970-01-01 UTC.
        (0x000 => pub dr: ReadOnly<u32>),
        (0x004 => @END),
    }
}
