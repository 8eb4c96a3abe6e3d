//! A domain as a Microkit protection domain: found by its manifest, driven by the events of its endpoint.

use sel4_microkit::{ChannelSet, Child, Handler, Infallible, MessageInfo, var};
use totebox_domain::{Domain, SetupError};
use totebox_manifest::{DeviceKind, MANIFEST_SIZE, Manifest, Region};
use totebox_shm::Mapped;

use crate::fault;
use crate::kernel::Microkit;

/// A domain and its kernel.
pub struct Pd<D> {
    domain: D,
    kernel: Microkit,
}

/// Builds the domain from this PD's manifest and starts it. To be called once.
///
/// # Panics
///
/// If the manifest is not one, or not this domain's: the image was put together wrongly.
pub fn start<D: Domain>(build: impl FnOnce(&Manifest, Mapped) -> Result<D, SetupError>) -> Pd<D> {
    // SAFETY: the system description maps MANIFEST_SIZE bytes here, read-only and prefilled, so that
    // nobody writes them while the system runs.
    let bytes = unsafe {
        let start = core::ptr::with_exposed_provenance::<u8>(*var!(manifest_vaddr: usize = 0));
        core::slice::from_raw_parts(start, MANIFEST_SIZE)
    };
    let manifest = Manifest::parse(bytes).expect("no manifest");
    // SAFETY: the host tool writes the manifest and the system description from the same regions, and
    // the kernel maps them for ever before the first instruction of this PD. Only the domain's links
    // and key become `Shared` memory; device regions are handed to the one driver that owns them.
    let mapped = unsafe { Mapped::assert() };
    let mut domain = build(&manifest, mapped).expect("image and manifest do not belong together");
    let mut kernel = Microkit;
    domain.start(&mut kernel);
    Pd { domain, kernel }
}

/// The memory of a device the manifest gives this PD.
pub fn region(manifest: &Manifest, kind: DeviceKind) -> Result<Region, SetupError> {
    manifest.device(kind).map(|device| device.region).ok_or(SetupError::Device(kind))
}

/// The registers of a device the manifest gives this PD, laid out as `R`.
///
/// # Safety
///
/// `R` must be the register block of that kind of device.
pub unsafe fn registers<R>(manifest: &Manifest, _: Mapped, kind: DeviceKind) -> Result<&'static R, SetupError> {
    let region = region(manifest, kind)?;
    let start = core::ptr::with_exposed_provenance::<R>(region.vaddr.get() as usize);
    if start.is_null() || !start.is_aligned() || (region.size.get() as usize) < size_of::<R>() {
        return Err(SetupError::Device(kind));
    }
    // SAFETY: `Mapped` says that it is mapped, the manifest that it is this kind of device, and the caller
    // that its registers are these.
    Ok(unsafe { &*start })
}

impl<D: Domain> Handler for Pd<D> {
    type Error = Infallible;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), Infallible> {
        let mut from = totebox_domain::ChannelSet::default();
        for channel in channels.iter() {
            from.insert(totebox_domain::Channel(channel.index() as u8));
        }
        self.domain.notified(&mut self.kernel, from);
        Ok(())
    }

    /// Takes the child's thread off its pending reply and leaves it stopped: answering nothing would
    /// keep it blocked on our reply object only until the next event, with a complaint of the kernel.
    fn fault(&mut self, child: Child, message: MessageInfo) -> Result<Option<MessageInfo>, Infallible> {
        let fault = fault::decode(&message);
        let child = totebox_domain::Child(child.index() as u8);
        totebox_domain::Kernel::stop(&mut self.kernel, child);
        self.domain.fault(&mut self.kernel, child, fault);
        Ok(None)
    }
}
