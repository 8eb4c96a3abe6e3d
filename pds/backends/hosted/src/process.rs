//! The process of one protection domain (PD): takes what the supervisor grants, builds the domain, and
//! drives it with what arrives.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::retry_on_intr;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::time::{ClockId, Timespec, clock_gettime};
use totebox_domain::{Channel, ChannelSet, Child, Domain, Kernel};
use totebox_manifest::{CHANNELS_MAX, Manifest};

use crate::control::{self, Grant, Report};
use crate::fault;
use crate::mapping::Mappings;
use crate::world::{Line, Program, World};

/// Events taken at a time.
const EVENTS: usize = 64;

/// Where an event comes from; its number in epoll is the variant's base plus the channel.
enum Source {
    Notification(usize),
    Interrupt(Channel),
    Supervisor,
}

const NOTIFICATION: u64 = 0;
const INTERRUPT: u64 = 0x100;
const SUPERVISOR: u64 = 0x200;

impl Source {
    fn of(event: &Event) -> Source {
        let data = event.data.u64();
        let channel = data as u8;
        match data & !0xff {
            NOTIFICATION => Source::Notification(channel.into()),
            INTERRUPT => Source::Interrupt(Channel(channel)),
            _ => Source::Supervisor,
        }
    }
}

/// One channel of this PD.
#[derive(Debug, Default)]
struct Wires {
    arriving: Option<OwnedFd>,
    /// Notifications to the peer, if this PD may make them.
    waking: Option<OwnedFd>,
}

struct Granted {
    supervisor: BorrowedFd<'static>,
    wires: [Wires; CHANNELS_MAX],
}

/// Runs a PD until it faults or the supervisor is gone. Standard input is the socket to the supervisor.
pub fn run(name: &str, program: Program) -> Result<()> {
    close_inherited();
    // If the supervisor died before this, the socket is closed and the first grant does not come.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    let supervisor = rustix::stdio::stdin();
    fault::report_to(supervisor);
    let prefix = name.to_owned();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("{prefix}: {panic}");
        std::process::abort();
    }));

    let Some((mut world, mut granted)) = take_grants(supervisor)? else { return Ok(()) };
    let mut domain = program(&mut world)?;
    let events = granted.subscribe(&world)?;
    domain.start(&mut granted);
    granted.serve(domain.as_mut(), &events)
}

/// Closes everything but the standard streams: whoever started the supervisor may have left more open.
#[allow(unsafe_code)]
fn close_inherited() {
    // SAFETY: nothing in this process has opened a descriptor yet, so none is closed under its owner. On
    // kernels before 5.9 this fails, and what was left open stays open.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// Takes grants until the start; `None` if the supervisor gave up.
fn take_grants(supervisor: BorrowedFd<'static>) -> Result<Option<(World, Granted)>> {
    let mut mappings = Mappings::default();
    let mut granted = Granted { supervisor, wires: std::array::from_fn(|_| Wires::default()) };
    let (mut disk, mut line) = (None, None);
    while let Some((grant, descriptors)) = control::next_grant(supervisor)? {
        let mut descriptors = descriptors.into_iter();
        let mut descriptor = || descriptors.next().ok_or_else(|| anyhow!("{grant:?} without its descriptor"));
        match grant {
            Grant::Region { vaddr, size, access } => mappings.map(descriptor()?.as_fd(), vaddr, size, access)?,
            Grant::Channel { id } => {
                let wires = granted.wires(id)?;
                (wires.arriving, wires.waking) = (Some(descriptor()?), descriptor().ok());
            }
            Grant::Disk { read_only } => disk = Some((File::from(descriptor()?), read_only)),
            Grant::Line { listening: true } => line = Some(Line::Listening(UnixListener::from(descriptor()?))),
            Grant::Line { listening: false } => line = Some(Line::Connected(UnixStream::from(descriptor()?))),
            Grant::Checkpoint => control::report(supervisor, Report::Reached)?,
            Grant::Start { manifest, size } => {
                let bytes = mappings.constant(manifest, size).context("the manifest is not mapped")?;
                let manifest = Manifest::parse(bytes).map_err(|error| anyhow!("bad manifest: {error:?}"))?;
                let mapped = mappings.prove(&manifest)?;
                return Ok(Some((World { manifest, mapped, disk, line, interrupts: Vec::new() }, granted)));
            }
            Grant::Fault { .. } => bail!("a fault before the start"),
        }
    }
    Ok(None)
}

impl Granted {
    fn wires(&mut self, id: u8) -> Result<&mut Wires> {
        self.wires.get_mut(usize::from(id)).with_context(|| format!("no channel has number {id}"))
    }

    /// An epoll over everything that can wake this PD.
    fn subscribe(&self, world: &World) -> Result<OwnedFd> {
        let events = epoll::create(CreateFlags::CLOEXEC)?;
        let add = |source: BorrowedFd, data| epoll::add(&events, source, EventData::new_u64(data), EventFlags::IN);
        add(self.supervisor, SUPERVISOR)?;
        for (id, wires) in self.wires.iter().enumerate() {
            if let Some(arriving) = &wires.arriving {
                add(arriving.as_fd(), NOTIFICATION + id as u64)?;
            }
        }
        for (Channel(id), interrupt) in &world.interrupts {
            let taken = self.wires[usize::from(*id)].arriving.is_some();
            ensure!(
                !taken,
                "channel {id} is an interrupt in the manifest and a channel in the system description"
            );
            add(interrupt.as_fd(), INTERRUPT + u64::from(*id))?;
        }
        Ok(events)
    }

    /// Drives the domain until the supervisor is gone.
    fn serve(&mut self, domain: &mut dyn Domain, events: &OwnedFd) -> Result<()> {
        let mut ready: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            ready.clear();
            retry_on_intr(|| epoll::wait(events, spare_capacity(&mut ready), None))?;
            let mut from = ChannelSet::default();
            for event in &ready {
                match Source::of(event) {
                    Source::Notification(id) => {
                        if let Some(arriving) = &self.wires[id].arriving {
                            // Fails only if there is nothing to clear.
                            let _ = rustix::io::read(arriving, &mut [0; 8]);
                        }
                        from.insert(Channel(id as u8));
                    }
                    Source::Interrupt(channel) => from.insert(channel),
                    Source::Supervisor => {
                        let Some((grant, _)) = control::next_grant(self.supervisor)? else { return Ok(()) };
                        let Grant::Fault { child, fault } = grant else {
                            bail!("{grant:?} after the start");
                        };
                        domain.fault(self, Child(child), fault);
                    }
                }
            }
            if from != ChannelSet::default() {
                domain.notified(self, from);
            }
        }
    }

    fn ask_supervisor(&self, report: Report) {
        // Fails only if the supervisor is gone, which the next event says.
        let _ = control::report(self.supervisor, report);
    }
}

impl Kernel for Granted {
    fn notify(&mut self, Channel(id): Channel) {
        let peer = self.wires.get(usize::from(id)).and_then(|wires| wires.waking.as_ref());
        let peer = peer.expect("a domain notifies only where the system description lets it");
        // Fails only if the counter is full, and then the notification is pending already.
        let _ = rustix::io::write(peer, &1u64.to_ne_bytes());
    }

    fn counter_ms(&mut self) -> u64 {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
        tv_sec as u64 * 1000 + tv_nsec as u64 / 1_000_000
    }

    fn acknowledge(&mut self, _: Channel) {
        // Devices here are readable until they have been attended to; nothing is masked meanwhile.
    }

    fn stop(&mut self, Child(child): Child) {
        self.ask_supervisor(Report::Stop { child });
    }

    fn resume(&mut self, Child(child): Child) {
        self.ask_supervisor(Report::Resume { child });
    }
}
