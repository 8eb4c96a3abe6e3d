//! The vault: the one domain that reaches the disk, and the write-once gate over every volume.
//!
//! `docs/architecture.md` ("Storage") is the specification. The vault works in *passes*: take what the
//! disk has done, take at most [`REQUESTS_PER_PASS`] requests of every client, submit what has gathered,
//! start a flush if one is due, send replies. It makes passes until one changes nothing, and then sleeps
//! until the disk's interrupt or a client's notification.
//!
//! | module | what |
//! |---|---|
//! | `disk` | transfer buffers and what is in flight |
//! | `client` | rights, rings, replies in order |
//! | `volume` | frontier, durability, hints, failure of one volume |
//! | `accept` | the write-once rules; accepted bytes on their way to the disk |
//! | `sharing`, `border` | how far `ledger/` and `assets/` may come in the room they share |
//! | `start` | a volume on its way into service |
//! | `recovery` | finding the frontier, sans I/O |
//!
//! **Group commit.** When a commit waits and no flush is under way, the vault notes the last write
//! submitted so far and flushes as soon as all writes up to it have completed. Every commit whose writes
//! have completed when the flush starts shares it, so one slow disk cannot make commits wait for more than
//! the operations that were under way before them.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod accept;
mod border;
mod client;
mod disk;
pub mod recovery;
mod sharing;
mod start;
mod starting;
mod volume;

use alloc::vec::Vec;

use totebox_domain::device::BlockDevice;
use totebox_domain::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_link::{Endpoint, Tracer, page_writer};
use totebox_manifest::{DeviceKind, LinkKind, Manifest, Role, VOLUMES_MAX};
use totebox_protocol::page::{VaultPage, VaultReport};
use totebox_protocol::trace;
use totebox_protocol::vault::{Area, Asked, Request, Status, VolumeState};
use totebox_shm::{Mapped, PageWriter};

use self::accept::Refusal;
use self::client::{Client, Decision, Rights};
use self::disk::{Disk, Event, Ticket, Waiter};
use self::volume::Volume;

/// Requests of one client in one pass, at most: its ring, so that what waits together goes together.
const REQUESTS_PER_PASS: usize = 8;

#[derive(Debug)]
pub struct Vault<D> {
    disk: Disk<D>,
    volumes: Vec<Volume>,
    clients: Vec<Client>,
    /// The client that is served first in the next pass.
    turn: usize,
    flush: Flush,
    interrupt: Option<Channel>,
    /// Told when a volume's state changes.
    orchestrator: Option<Channel>,
    page: PageWriter<VaultPage>,
    published: VaultReport,
    /// The page is out of date.
    stale: bool,
    tracer: Tracer,
}

#[derive(Clone, Copy, Debug)]
enum Flush {
    Idle,
    /// Waits until every write up to this one has completed.
    Gathering(Ticket),
    UnderWay,
}

impl<D: BlockDevice> Vault<D> {
    /// The vault of a manifest. Nothing happens before [`Domain::start`].
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped, device: D) -> Result<Self, SetupError> {
        if manifest.role() != Role::Vault {
            return Err(SetupError::Role(manifest.role()));
        }
        let volumes = volumes(manifest)?;
        let clients = clients(manifest, mapped)?;
        let orchestrator = manifest.link(Role::Orchestrator, 0, LinkKind::Queue).and_then(Channel::of);
        let page = page_writer(manifest, mapped, Role::Orchestrator, 0)?;
        let block_device = manifest.device(DeviceKind::Disk).ok_or(SetupError::Device(DeviceKind::Disk))?;
        Ok(Vault {
            disk: Disk::new(device).ok_or(SetupError::Device(DeviceKind::DmaMemory))?,
            volumes,
            clients,
            turn: 0,
            flush: Flush::Idle,
            interrupt: Channel::of_interrupt(block_device),
            orchestrator,
            page,
            published: VaultReport::nothing(manifest.volumes().len()),
            stale: true,
            tracer: Tracer::open(manifest, mapped)?,
        })
    }

    /// Whether an acknowledged commit is durable.
    fn durable(&self) -> bool {
        let device = self.disk.device();
        device.capacity() > 0 && device.can_flush() && !device.read_only()
    }

    /// Passes until one changes nothing.
    fn work(&mut self, kernel: &mut dyn Kernel) {
        loop {
            let mut changed = self.take_completions();
            for volume in &mut self.volumes {
                volume.advance_start(&mut self.disk);
            }
            changed |= self.take_requests();
            for volume in &mut self.volumes {
                volume.advance_border(&mut self.disk);
                volume.submit_tails(&mut self.disk);
            }
            changed |= self.advance_flush();
            changed |= self.send_replies();
            let idle = !changed && matches!(self.flush, Flush::Idle) && self.disk.idle_enough();
            for volume in &mut self.volumes {
                volume.prepare(idle);
                volume.refresh_hint(&mut self.disk, idle);
            }
            self.publish(kernel);
            self.clients.iter_mut().for_each(|client| client.notify(kernel));
            if !changed {
                return;
            }
        }
    }

    fn take_completions(&mut self) -> bool {
        let mut changed = false;
        while let Some(event) = self.disk.completed() {
            changed = true;
            match event {
                Event::Flush(result) => self.flush_ended(result.is_ok()),
                Event::Transfer(buffer, transfer, result) => match transfer.purpose {
                    Waiter::Recovery => {
                        let volume = &mut self.volumes[transfer.volume];
                        volume.recovered(&mut self.disk, buffer, transfer.write.is_none(), result);
                        self.stale = true;
                    }
                    Waiter::Read { client, serial, .. } => {
                        let unwanted = self.clients[client].read_ended(serial, buffer, result.is_ok());
                        unwanted.into_iter().for_each(|buffer| self.disk.give_back(buffer));
                    }
                    Waiter::Hint => {
                        let volume = &mut self.volumes[transfer.volume];
                        self.stale |= volume.hint_read(&mut self.disk, buffer, result.is_ok());
                    }
                    Waiter::Write => {
                        self.disk.give_back(buffer);
                        if result.is_err() {
                            self.stale |= self.volumes[transfer.volume].fail(&mut self.disk);
                        }
                    }
                },
            }
        }
        changed
    }

    // ---- flushes ----

    fn advance_flush(&mut self) -> bool {
        if matches!(self.flush, Flush::Idle) && self.volumes.iter().any(Volume::wants_flush) {
            self.flush = Flush::Gathering(self.disk.last_ticket());
        }
        let Flush::Gathering(target) = self.flush else { return false };
        if self.disk.completed_to() < target {
            return false;
        }
        for (number, volume) in self.volumes.iter_mut().enumerate() {
            volume.flush_begins(self.disk.volume_completed_to(number));
        }
        if self.disk.device().can_flush() {
            self.flush = Flush::UnderWay;
            self.disk.flush();
        } else {
            // Completed is the most this disk can promise; `durable` says that it is not enough.
            self.flush_ended(true);
        }
        true
    }

    fn flush_ended(&mut self, ok: bool) {
        self.flush = Flush::Idle;
        self.stale = true;
        self.tracer.note(if ok { trace::Event::Flushed } else { trace::Event::FlushFailed });
        for volume in &mut self.volumes {
            if ok {
                volume.flush_ended();
            } else {
                volume.fail(&mut self.disk);
            }
        }
    }

    // ---- clients ----

    fn take_requests(&mut self) -> bool {
        let mut changed = false;
        let count = self.clients.len();
        for i in 0..count {
            let number = (self.turn + i) % count;
            for _ in 0..REQUESTS_PER_PASS {
                if !self.take_request(number) {
                    break;
                }
                changed = true;
            }
        }
        self.turn = (self.turn + 1) % count.max(1);
        changed
    }

    /// Takes one request of a client; false if there is none or it must wait.
    fn take_request(&mut self, number: usize) -> bool {
        let client = &mut self.clients[number];
        let request = match client.request() {
            Ok(Some(request)) => request,
            Ok(None) => return false,
            Err(_) => {
                self.close(number);
                return false;
            }
        };
        let rights = client.rights();
        let target = rights.target(request.volume, self.volumes.len());
        let outcome = match self.accept(number, &request, target) {
            Ok(outcome) => outcome,
            Err(Refusal::Later) => return false,
            Err(Refusal::Status(status, area)) => {
                if status.breaks_a_rule() {
                    let volume = target.unwrap_or(rights.home());
                    self.volumes[volume].count_refused();
                    self.tracer.note(trace::Event::Refused { volume: volume as u8, status });
                    self.stale = true;
                }
                Decision::Status(status, area)
            }
        };
        let positions = target.map(|target| self.volumes[target].positions()).unwrap_or_default();
        self.clients[number].taken(request, target, outcome, positions);
        true
    }

    /// Decides on a request and starts what it takes.
    fn accept(&mut self, number: usize, request: &Request, target: Option<usize>) -> Result<Decision, Refusal> {
        let (client, disk) = (&self.clients[number], &mut self.disk);
        let asked = request.decode(client.data_max()).ok_or(Status::BadRequest)?;
        let target = target.filter(|&target| client.rights().permit(asked.number(), target));
        let target = target.ok_or(Status::Forbidden)?;
        let volume = &mut self.volumes[target];
        if volume.state() == VolumeState::Recovering {
            return Err(Refusal::Later);
        }
        let done = Decision::Status(Status::Ok, Area::Volume);
        match asked {
            Asked::Hello => Ok(Decision::Hello),
            Asked::Read { area, block, len, background } => {
                if !client.rights().can_read(volume) {
                    return Err(Status::Unavailable.into());
                }
                let busy = !matches!(self.flush, Flush::Idle) || !disk.idle();
                if background && busy && !client.has_more() {
                    return Err(Refusal::Later);
                }
                let purpose = Waiter::Read { client: number, serial: client.next_serial(), background };
                volume.read(disk, purpose, area, block, len).map(|()| Decision::Reading(len))
            }
            Asked::WriteInput(block, len) => volume.write_input(disk, block, &client.payload(len)).map(|()| done),
            Asked::Append(block, len) => volume.append(disk, block, &client.payload(len)).map(|()| done),
            Asked::Abandon => volume.abandon(disk).map(|()| done),
            Asked::Commit(block, len) => volume.commit(disk, block, &client.payload(len)).map(Decision::Batch),
            Asked::Seal => volume.seal(disk).map(Decision::Batch),
        }
    }

    fn send_replies(&mut self) -> bool {
        let mut sent = false;
        for number in 0..self.clients.len() {
            match self.clients[number].reply(&mut self.disk, &self.volumes) {
                Ok(some) => sent |= some,
                Err(_) => self.close(number),
            }
        }
        sent
    }

    fn close(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.close(&mut self.disk);
        let volume = client.rights().home();
        self.volumes[volume].count_refused();
        self.tracer.note(trace::Event::CutOff { volume: volume as u8 });
        self.stale = true;
    }

    // ---- the page ----

    fn publish(&mut self, kernel: &mut dyn Kernel) {
        if !core::mem::take(&mut self.stale) {
            return;
        }
        let durable = Some(self.durable());
        let report = &mut self.published;
        (report.durable, report.read_only) = (durable, self.disk.device().read_only());
        (report.in_flight, report.completed) = (self.disk.in_flight(), self.disk.completed_operations());
        let mut news = false;
        for (reported, volume) in report.volumes.iter_mut().zip(&self.volumes) {
            news |= reported.state != volume.state();
            *reported = volume.report();
        }
        for client in self.clients.iter().filter(|client| client.closed()) {
            report.volumes[client.rights().home()].closed = true;
        }
        self.page.publish(&report.encode());
        if let (true, Some(channel)) = (news, self.orchestrator) {
            kernel.notify(channel);
        }
    }
}

impl<D: BlockDevice> Domain for Vault<D> {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.tracer.wake(kernel.counter_ms());
        self.tracer.note(trace::Event::Started);
        self.work(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        self.tracer.wake(kernel.counter_ms());
        if let Some(interrupt) = self.interrupt.filter(|&interrupt| from.contains(interrupt)) {
            self.disk.acknowledge();
            kernel.acknowledge(interrupt);
        }
        if self.orchestrator.is_some_and(|orchestrator| from.contains(orchestrator)) {
            self.published.heartbeat += 1;
            self.stale = true;
        }
        self.work(kernel);
    }
}

/// The volumes of a manifest. Two that share a block would break every promise, so they are refused.
fn volumes(manifest: &Manifest<'_>) -> Result<Vec<Volume>, SetupError> {
    let entries = manifest.volumes();
    if entries.is_empty() || entries.len() > VOLUMES_MAX {
        return Err(SetupError::Volumes);
    }
    let mut ends = Vec::with_capacity(entries.len());
    for entry in entries {
        let (start, blocks) = (entry.first_block.get(), entry.superblock.blocks.get());
        let end = start.checked_add(blocks).ok_or(SetupError::Volumes)?;
        if ends.iter().any(|&(other_start, other_end)| start < other_end && other_start < end) {
            return Err(SetupError::Volumes);
        }
        ends.push((start, end));
    }
    let numbered = entries.iter().enumerate();
    let volumes = numbered.map(|(number, entry)| Some(Volume::new(number, entry, entry.layout()?)));
    volumes.collect::<Option<_>>().ok_or(SetupError::Volumes)
}

/// The clients of a manifest: every queue link there is.
fn clients(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Vec<Client>, SetupError> {
    let mut clients = Vec::new();
    for link in manifest.links().iter().filter(|link| link.kind == LinkKind::Queue as u8) {
        let role = Role::from_u8(link.peer).expect("checked by the manifest's parser");
        let broken = SetupError::Link(role, LinkKind::Queue);
        let rights = Rights::of(role, link.peer_index.into(), manifest.volumes().len()).ok_or(broken)?;
        let link = Endpoint::over(Role::Vault, link, mapped).ok_or(broken)?;
        clients.push(Client::new(link, rights));
    }
    Ok(clients)
}
