//! What a program finds when its process starts: its manifest, its mapped regions, its devices.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result, bail, ensure};
use totebox_domain::{Channel, Domain, SetupError};
use totebox_manifest::{CHANNELS_MAX, DeviceKind, Manifest, NO_CHANNEL};
use totebox_programs::Devices;
use totebox_shm::Mapped;

use crate::device::{FileDisk, SocketUart, SystemTicker};

/// A program: it builds the domain that the backend then drives. One stands for each `program_image`.
pub type Program = fn(&mut World) -> Result<Box<dyn Domain>>;

/// What a program builds its domain from.
#[derive(Debug)]
pub struct World {
    pub manifest: Manifest<'static>,
    /// Proof that the manifest's regions are mapped.
    pub mapped: Mapped,
    pub(crate) disk: Option<(File, bool)>,
    pub(crate) line: Option<Line>,
    pub(crate) interrupts: Vec<(Channel, OwnedFd)>,
}

/// The operator's line as the supervisor hands it out.
#[derive(Debug)]
pub(crate) enum Line {
    Listening(UnixListener),
    Connected(UnixStream),
}

impl Devices for World {
    type Disk = FileDisk;
    type Uart = SocketUart;
    type Ticker = SystemTicker;
    type Error = anyhow::Error;

    /// A disk without blocks if there is no disk image.
    fn disk(&mut self) -> Result<FileDisk> {
        let (file, read_only) = self.disk.take().map_or((None, false), |(file, ro)| (Some(file), ro));
        let disk = FileDisk::new(file, read_only)?;
        self.connect(DeviceKind::Disk, disk.interrupt())?;
        Ok(disk)
    }

    fn uart(&mut self) -> Result<SocketUart> {
        let uart = match self.line.take() {
            Some(Line::Listening(listener)) => SocketUart::listening(listener)?,
            Some(Line::Connected(peer)) => SocketUart::connected(peer)?,
            None => bail!("the serial line is another domain's"),
        };
        self.connect(DeviceKind::Uart, uart.interrupt())?;
        Ok(uart)
    }

    fn ticker(&mut self) -> Result<SystemTicker> {
        let ticker = SystemTicker::new()?;
        self.connect(DeviceKind::Timer, ticker.interrupt())?;
        Ok(ticker)
    }
}

impl World {
    /// Makes `interrupt` arrive on the channel the manifest gives the device.
    fn connect(&mut self, kind: DeviceKind, interrupt: BorrowedFd) -> Result<()> {
        let device = self.manifest.device(kind).ok_or(SetupError::Device(kind))?;
        ensure!(device.irq_channel != NO_CHANNEL, "the manifest's {kind:?} has no interrupt");
        ensure!((device.irq_channel as usize) < CHANNELS_MAX, "no channel has number {}", device.irq_channel);
        let interrupt = interrupt.as_fd().try_clone_to_owned().context("cannot keep an interrupt")?;
        self.interrupts.push((Channel(device.irq_channel), interrupt));
        Ok(())
    }
}
