//! The drivers there are: what a board file calls each, and what it needs of the board. The seL4 backend has a module
//! for each of them; the other backends bring devices of their own and ignore drivers.

use crate::DeviceKind;
use crate::conversation::PAGE;

/// A driver, as a board file names it and a manifest carries it.
#[derive(Debug, PartialEq, Eq)]
pub struct Driver {
    pub number: u8,
    pub name: &'static str,
    pub kind: DeviceKind,
    /// Bytes of the device's registers, at most a page; 0 if it has none in memory.
    pub registers: u64,
    pub interrupt: Interrupt,
}

/// Which interrupts of Arm's generic interrupt controller can be a device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    None,
    /// One of the CPU's own, 16 to 31 (PPI).
    Private,
    /// One of the board's, 32 to 1019 (SPI).
    Shared,
}

pub const DRIVERS: &[Driver] = &[
    // A virtio block device (Virtual I/O Device 1.2) behind registers in memory.
    driver(1, "virtio-mmio", DeviceKind::Disk, 0x200, Interrupt::Shared),
    // Arm PrimeCell UART (DDI 0183G).
    driver(2, "pl011", DeviceKind::Uart, 0x1000, Interrupt::Shared),
    // Arm PrimeCell real-time clock (DDI 0224C).
    driver(3, "pl031", DeviceKind::Rtc, 0x1000, Interrupt::None),
    // The physical timer of Arm's generic timer.
    driver(4, "arm-generic", DeviceKind::Timer, 0, Interrupt::Private),
];

const fn driver(number: u8, name: &'static str, kind: DeviceKind, registers: u64, interrupt: Interrupt) -> Driver {
    Driver { number, name, kind, registers, interrupt }
}

impl Driver {
    pub fn of(kind: DeviceKind) -> impl Iterator<Item = &'static Driver> {
        DRIVERS.iter().filter(move |driver| driver.kind == kind)
    }

    pub fn numbered(number: u8) -> Option<&'static Driver> {
        DRIVERS.iter().find(|driver| driver.number == number)
    }
}

const _: () = {
    let mut at = 0;
    while at < DRIVERS.len() {
        assert!(DRIVERS[at].number as usize == at + 1, "drivers are numbered in their order, from 1");
        assert!(DRIVERS[at].registers <= PAGE as u64, "registers lie in one page");
        at += 1;
    }
};
