//! The drivers of devices, each in a module called as board files call it. What drivers there are stands in
//! [`totebox_manifest::DRIVERS`]; which of them a device has, the board says and the manifest carries.

mod arm_generic;
mod dma;
mod pl011;
mod pl031;
mod virtio_mmio;

use alloc::boxed::Box;

use totebox_domain::SetupError;
use totebox_domain::device::{BlockDevice, Ticker, Uart};
use totebox_manifest::{DRIVERS, DeviceKind, Driver, Manifest};
use totebox_shm::Mapped;

use crate::counter;
use arm_generic::GenericTimer;
use pl011::Pl011;
use pl031::Pl031;
use virtio_mmio::VirtioBlock;

/// Makes a driver of the device the manifest gives this PD.
type Make<D> = fn(&Manifest, Mapped) -> Result<Box<D>, SetupError>;

// A table for each kind, so that a program has the drivers of its own devices and no others.
const DISKS: &[(&str, Make<dyn BlockDevice>)] =
    &[("virtio-mmio", |manifest, mapped| Ok(Box::new(VirtioBlock::new(manifest, mapped)?)))];
const UARTS: &[(&str, Make<dyn Uart>)] =
    &[("pl011", |manifest, mapped| Ok(Box::new(Pl011::new(manifest, mapped)?)))];
const RTCS: &[(&str, Make<dyn Rtc>)] =
    &[("pl031", |manifest, mapped| Ok(Box::new(Pl031::new(manifest, mapped)?)))];
const TIMERS: &[(&str, Make<dyn Timer>)] = &[("arm-generic", |_, _| Ok(Box::new(GenericTimer)))];

trait Rtc {
    /// Milliseconds since 1970-01-01 UTC.
    fn wall_ms(&mut self) -> u64;
}

/// What interrupts after a while.
trait Timer {
    /// Arms the interrupt, `ms` from now, and clears a pending one.
    fn arm(&mut self, ms: u64);
}

/// The disk, by the driver the manifest names. To be called once.
pub fn disk(manifest: &Manifest, mapped: Mapped) -> Result<impl BlockDevice + use<>, SetupError> {
    make(DISKS, DeviceKind::Disk, manifest, mapped)
}

/// The operator's serial line, by the driver the manifest names. To be called once.
pub fn uart(manifest: &Manifest, mapped: Mapped) -> Result<impl Uart + use<>, SetupError> {
    make(UARTS, DeviceKind::Uart, manifest, mapped)
}

/// The time, by the drivers the manifest names for the timer and the wall clock. To be called once.
pub fn ticker(manifest: &Manifest, mapped: Mapped) -> Result<impl Ticker + use<>, SetupError> {
    let timer = make(TIMERS, DeviceKind::Timer, manifest, mapped)?;
    let rtc = make(RTCS, DeviceKind::Rtc, manifest, mapped)?;
    Ok(Time { timer, rtc })
}

/// The CPU's counter for uptime, a timer for ticks and a wall clock.
struct Time {
    timer: Box<dyn Timer>,
    rtc: Box<dyn Rtc>,
}

impl Ticker for Time {
    fn uptime_ms(&mut self) -> u64 {
        counter::now_ms()
    }

    fn wall_ms(&mut self) -> u64 {
        self.rtc.wall_ms()
    }

    fn arm(&mut self, ms: u64) {
        self.timer.arm(ms);
    }
}

fn make<D: ?Sized>(
    drivers: &[(&str, Make<D>)],
    kind: DeviceKind,
    manifest: &Manifest,
    mapped: Mapped,
) -> Result<Box<D>, SetupError> {
    let device = manifest.device(kind).ok_or(SetupError::Device(kind))?;
    let driver = Driver::numbered(device.driver).ok_or(SetupError::Driver(kind))?;
    let (_, make) = drivers.iter().find(|(name, _)| *name == driver.name).ok_or(SetupError::Driver(kind))?;
    make(manifest, mapped)
}

// Every driver a board file can name is in the table of its kind.
const _: () = {
    let mut at = 0;
    while at < DRIVERS.len() {
        let Driver { name, kind, .. } = &DRIVERS[at];
        let found = match kind {
            DeviceKind::Disk => has(DISKS, name),
            DeviceKind::Uart => has(UARTS, name),
            DeviceKind::Rtc => has(RTCS, name),
            DeviceKind::Timer => has(TIMERS, name),
            DeviceKind::DmaMemory => false,
        };
        assert!(found, "a driver that boards can name is not here");
        at += 1;
    }
};

const fn has<D: ?Sized>(drivers: &[(&str, Make<D>)], name: &str) -> bool {
    let mut at = 0;
    while at < drivers.len() {
        if same(drivers[at].0.as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}
