//! A virtio block device (Virtual I/O Device 1.2, section 5.2) behind [`BlockDevice`]: several requests in
//! flight, completions by interrupt, never waiting.
//!
//! The transport and the ring are those of `virtio-drivers`; its `VirtIOBlk` is not used because its flush
//! spins until the disk is done. Each transfer buffer has a request of its own: a header the device reads,
//! the data, and a status byte the device writes, three descriptors in the ring.

use core::ptr::NonNull;

use bitflags::bitflags;
use heapless::Vec;
use ledger_fmt::layout::BLOCK_SIZE;
use sel4_microkit::var;
use totebox_domain::SetupError;
use totebox_domain::device::{BlockDevice, IoError, Operation, TRANSFER_SIZE};
use totebox_manifest::{DeviceKind, Manifest, Region};
use totebox_shm::Mapped;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, IntoBytes};

use super::dma::Dma;
use crate::pd::region;

/// The device's only ring.
const QUEUE: u16 = 0;

/// Descriptors in the ring; QEMU offers 256.
const QUEUE_SIZE: usize = 128;

const DESCRIPTORS: usize = 3;

/// Requests in flight at most.
const REQUESTS_MAX: usize = QUEUE_SIZE / DESCRIPTORS;

/// The device's unit of addressing, in bytes, whatever its block size.
const SECTOR_SIZE: u64 = 512;

const SECTORS_PER_BLOCK: u64 = BLOCK_SIZE as u64 / SECTOR_SIZE;

bitflags! {
    /// The features this driver knows of.
    #[derive(Clone, Copy, Debug)]
    struct Feature: u64 {
        /// The device refuses writes.
        const RO = 1 << 5;
        /// The device can flush.
        const FLUSH = 1 << 9;
        /// The device is not a legacy one.
        const VERSION_1 = 1 << 32;
    }
}

/// What surrounds the data of a request: `struct virtio_blk_req`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    kind: U32,
    reserved: U32,
    sector: U64,
}

/// The fixed part of a request, in DMA memory.
#[repr(C)]
struct Envelope {
    header: Header,
    status: u8,
}

const KIND_READ: u32 = 0;
const KIND_WRITE: u32 = 1;
const KIND_FLUSH: u32 = 4;
const STATUS_OK: u8 = 0;

/// A transfer buffer and its envelope, both in DMA memory.
struct Request {
    data: NonNull<u8>,
    envelope: NonNull<Envelope>,
    flight: Option<Flight>,
}

/// A request the device has.
#[derive(Clone, Copy)]
struct Flight {
    operation: Operation,
    /// The ring's name for it.
    token: u16,
}

/// A device that was found, and what was negotiated with it.
struct Device {
    queue: VirtQueue<Dma, QUEUE_SIZE>,
    transport: MmioTransport<'static>,
    features: Feature,
    blocks: u64,
}

/// The disk, or its absence.
pub struct VirtioBlock {
    device: Option<Device>,
    requests: Vec<Request, REQUESTS_MAX>,
}

impl VirtioBlock {
    /// Looks for a block device in the manifest's virtio-mmio slot and takes the whole of its DMA memory
    /// for the ring and as many transfer buffers as fit. Without a device there that can be used, the disk
    /// is one of no blocks. To be called once.
    pub fn new(manifest: &Manifest, _: Mapped) -> Result<VirtioBlock, SetupError> {
        let (slot, dma) = (region(manifest, DeviceKind::Disk)?, region(manifest, DeviceKind::DmaMemory)?);
        let dma_paddr = *var!(dma_paddr: u64 = 0);
        // SAFETY: the manifest's regions are mapped; the build gives this one one physical address, which
        // it writes into the symbol, and nobody else uses it.
        unsafe { Dma::init(dma, dma_paddr) };
        // SAFETY: the manifest's regions are mapped, and this one is the device's registers.
        let device = unsafe { Device::new(slot) }.ok();
        let mut requests = Vec::new();
        if let Some(envelopes) = Dma::take(REQUESTS_MAX * size_of::<Envelope>()).map(NonNull::cast) {
            while let (false, Some(data)) = (requests.is_full(), Dma::take(TRANSFER_SIZE)) {
                // SAFETY: REQUESTS_MAX of them were taken.
                let envelope = unsafe { envelopes.add(requests.len()) };
                let _ = requests.push(Request { data, envelope, flight: None });
            }
        }
        if requests.is_empty() {
            Err(SetupError::Device(DeviceKind::DmaMemory))
        } else {
            Ok(VirtioBlock { device, requests })
        }
    }
}

impl Device {
    /// Finds and resets the device.
    ///
    /// # Safety
    ///
    /// `registers` must be a virtio-mmio slot, mapped uncached, that nothing else in this program uses.
    unsafe fn new(registers: Region) -> Result<Device, virtio_drivers::Error> {
        let unusable = virtio_drivers::Error::Unsupported;
        let slot = core::ptr::with_exposed_provenance_mut(registers.vaddr.get() as usize);
        let slot = NonNull::new(slot).ok_or(unusable)?;
        // SAFETY: by the caller's promise.
        let transport = unsafe { MmioTransport::new(slot, registers.size.get() as usize) };
        let mut transport = transport.map_err(|_| unusable)?;
        if transport.device_type() != DeviceType::Block {
            return Err(unusable);
        }
        let features = transport.begin_init(Feature::all());
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            return Err(unusable);
        }
        let sectors = transport.read_consistent(|| {
            let low: u32 = transport.read_config_space(0)?;
            let high: u32 = transport.read_config_space(4)?;
            Ok(u64::from(high) << 32 | u64::from(low))
        })?;
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false)?;
        transport.finish_init();
        Ok(Device { queue, transport, features, blocks: sectors / SECTORS_PER_BLOCK })
    }
}

impl Request {
    /// Hands `f` the request's parts in the order the ring wants them: what the device reads, and what it
    /// writes.
    ///
    /// # Safety
    ///
    /// The device must not have the request, or must have finished it.
    unsafe fn with_parts<R>(
        &mut self,
        operation: Operation,
        f: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
    ) -> R {
        // SAFETY: the memory is this request's alone, and the device's only while it has the request.
        let (data, Envelope { header, status }) = unsafe {
            (core::slice::from_raw_parts_mut(self.data.as_ptr(), TRANSFER_SIZE), self.envelope.as_mut())
        };
        let (header, status) = (header.as_bytes(), status.as_mut_bytes());
        match operation {
            Operation::Read { blocks, .. } => f(&[header], &mut [&mut data[..blocks * BLOCK_SIZE], status]),
            Operation::Write { blocks, .. } => f(&[header, &data[..blocks * BLOCK_SIZE]], &mut [status]),
            Operation::Flush => f(&[header], &mut [status]),
        }
    }
}

impl BlockDevice for VirtioBlock {
    fn capacity(&self) -> u64 {
        self.device.as_ref().map_or(0, |device| device.blocks)
    }

    fn read_only(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.features.contains(Feature::RO))
    }

    fn can_flush(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.features.contains(Feature::FLUSH))
    }

    fn buffers(&self) -> usize {
        self.requests.len()
    }

    fn buffer(&mut self, index: usize) -> &mut [u8] {
        let request = &mut self.requests[index];
        assert!(request.flight.is_none(), "the device has this buffer");
        // SAFETY: the memory is this request's alone, and the device does not have it.
        unsafe { core::slice::from_raw_parts_mut(request.data.as_ptr(), TRANSFER_SIZE) }
    }

    fn submit(&mut self, index: usize, operation: Operation) -> Result<(), IoError> {
        let request = &mut self.requests[index];
        assert!(request.flight.is_none(), "the device has this buffer");
        let device = self.device.as_mut().ok_or(IoError)?;
        let (kind, block, blocks) = match operation {
            Operation::Read { block, blocks } => (KIND_READ, block, blocks),
            Operation::Write { block, blocks } => (KIND_WRITE, block, blocks),
            Operation::Flush => (KIND_FLUSH, 0, 0),
        };
        if block.saturating_add(blocks as u64) > device.blocks {
            return Err(IoError);
        }
        let header = Header { kind: kind.into(), reserved: 0.into(), sector: (block * SECTORS_PER_BLOCK).into() };
        // SAFETY: the envelope is this request's alone, and the device does not have it.
        unsafe { request.envelope.write(Envelope { header, status: !STATUS_OK }) };
        // SAFETY: the device does not have the request; nothing touches its parts until it is popped.
        let token = unsafe { request.with_parts(operation, |read, written| device.queue.add(read, written)) };
        let token = token.expect("the ring has room for every request");
        request.flight = Some(Flight { operation, token });
        if device.queue.should_notify() {
            device.transport.notify(QUEUE);
        }
        Ok(())
    }

    fn completed(&mut self) -> Option<(usize, Result<(), IoError>)> {
        let Some(device) = &mut self.device else {
            // Nobody will complete what a device had that was given up below.
            let index = self.requests.iter().position(|request| request.flight.is_some())?;
            self.requests[index].flight = None;
            return Some((index, Err(IoError)));
        };
        let token = device.queue.peek_used()?;
        let in_flight = |request: &Request| request.flight.filter(|flight| flight.token == token);
        let found =
            self.requests.iter().enumerate().find_map(|(index, request)| Some((index, in_flight(request)?)));
        let Some((index, flight)) = found else {
            // It completed what it was not asked: reset it (by dropping it) and use it no more.
            self.device = None;
            return self.completed();
        };
        let request = &mut self.requests[index];
        // SAFETY: the device has finished the request, and these are the parts that were added.
        let popped = unsafe {
            request.with_parts(flight.operation, |read, written| device.queue.pop_used(token, read, written))
        };
        popped.expect("the token was the next one");
        request.flight = None;
        // SAFETY: the device has finished the request; volatile, because it wrote the byte.
        let status = unsafe { (&raw const (*request.envelope.as_ptr()).status).read_volatile() };
        Some((index, if status == STATUS_OK { Ok(()) } else { Err(IoError) }))
    }

    fn acknowledge(&mut self) {
        if let Some(device) = &mut self.device {
            device.transport.ack_interrupt();
        }
    }
}
