//! A taken-over archive, for tests only. It runs in an archive's place, with an archive's rights and
//! manifest, and does one of the things an archive must not be able to do. Which one, the test says in
//! the manifest, in an entry of the device table that no honest domain looks at: see [`Attack`].

#![no_std]

mod failing;
mod requests;

use totebox_domain::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_link::Tracer;
use totebox_manifest::conversation::{TRACE_READER, TRACE_ROW, TRACE_SIZE};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::page::{ArchiveState, Health};
use totebox_protocol::trace::Event;
use totebox_shm::{Mapped, PageWriter, Shared};
use zerocopy::FromZeros;

use requests::Requests;

pub use failing::{Failing, Failure};
pub use requests::{APPENDING_REQUESTS, FORBIDDEN_REQUESTS};

/// What a taken-over archive tries, as the `kind` of a device entry; its region's `vaddr` is the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Attack {
    /// Read a byte at the address.
    Read = 0x80,
    /// Write a byte at the address.
    Write = 0x81,
    /// Ask the vault for other volumes, for blocks below the frontier and beyond the directories, for a
    /// seal, for nonsense; and break the queue at last. Its trace is nonsense, too.
    Requests = 0x82,
    /// Run at full speed, and never look at what comes.
    Spin = 0x83,
    /// Wake everybody it has a channel to, without end.
    Flood = 0x84,
    /// Publish what cannot be.
    Garbage = 0x85,
    /// Panic.
    Panic = 0x86,
    /// Append to its own volume, as if it were in service.
    Append = 0x87,
}

impl Attack {
    const ALL: [Attack; 8] = [
        Attack::Read,
        Attack::Write,
        Attack::Requests,
        Attack::Spin,
        Attack::Flood,
        Attack::Garbage,
        Attack::Panic,
        Attack::Append,
    ];
}

/// What it notes before it attacks: whatever it likes.
pub const BEFORE: Event = Event::Committed { records: 77 };

/// The taken-over archive.
#[derive(Debug)]
pub struct Hostile {
    attack: Attack,
    address: usize,
    requests: Requests,
    health: PageWriter<Health>,
    orchestrator: Channel,
    /// What it notes, as an archive does, and where that stands.
    tracer: Tracer,
    trace: Shared,
    /// Every channel it has, as far as this crate is told.
    channels: heapless::Vec<Channel, 8>,
}

impl Hostile {
    /// The attacker in the place of the archive with this manifest.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let (attack, device) = Attack::ALL
            .iter()
            .find_map(|attack| Some((*attack, manifest.devices().iter().find(|d| d.kind == *attack as u8)?)))
            .expect("the test says what to attack");
        let missing = SetupError::Link(Role::Orchestrator, LinkKind::Page);
        let orchestrator = manifest.link(Role::Orchestrator, 0, LinkKind::Page).ok_or(missing)?;
        let missing_trace = SetupError::Link(TRACE_READER, LinkKind::Trace);
        let trace = manifest.link(TRACE_READER, 0, LinkKind::Trace).ok_or(missing_trace)?;
        Ok(Hostile {
            attack,
            address: device.region.vaddr.get() as usize,
            requests: Requests::new(manifest, mapped, attack == Attack::Append)?,
            health: PageWriter::new(mapped, orchestrator.mine).ok_or(missing)?,
            orchestrator: Channel::of(orchestrator).ok_or(missing)?,
            tracer: Tracer::open(manifest, mapped)?,
            trace: Shared::new(mapped, trace.mine).ok_or(missing_trace)?,
            channels: manifest.links().iter().filter_map(Channel::of).take(8).collect(),
        })
    }

    /// Fills its trace with what no domain notes: every second row is believed to be one.
    fn spoil_trace(&self) {
        for word in 0..TRACE_SIZE / 8 {
            let slot = word / (TRACE_ROW / 8);
            let stamp = if slot.is_multiple_of(2) { (1 << 40) + slot as u64 + 1 } else { u64::MAX };
            self.trace.store(word * 8, if word.is_multiple_of(TRACE_ROW / 8) { stamp } else { u64::MAX });
        }
    }

    /// Says what came of it, where the operator can see: `records` counts refusals, `documents` breaches.
    fn publish(&mut self, kernel: &mut dyn Kernel) {
        let mut health = Health::new_zeroed();
        (health.state, health.recorded) = (ArchiveState::Active as u8, ArchiveState::Active as u8);
        health.records = self.requests.refused().into();
        health.documents = self.requests.granted().into();
        if self.attack == Attack::Garbage {
            health.records = u64::MAX.into();
        }
        self.health.publish(&health);
        kernel.notify(self.orchestrator);
    }
}

impl Domain for Hostile {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.tracer.wake(kernel.counter_ms());
        self.tracer.note(Event::Started);
        self.tracer.note(BEFORE);
        let target = core::ptr::with_exposed_provenance_mut::<u8>(self.address);
        match self.attack {
            // SAFETY: none is claimed. The kernel must stop this domain here; if it does not, the
            // breach shows in what is published.
            Attack::Read => drop(unsafe { core::ptr::read_volatile(target) }),
            // SAFETY: as above.
            Attack::Write => unsafe { core::ptr::write_volatile(target, 0xee) },
            Attack::Requests | Attack::Append => {
                if self.attack == Attack::Requests {
                    self.spoil_trace();
                }
                self.requests.advance(kernel);
                return self.publish(kernel);
            }
            Attack::Garbage => return self.publish(kernel),
            Attack::Spin => {
                self.publish(kernel);
                loop {
                    core::hint::spin_loop();
                }
            }
            Attack::Flood => {
                self.publish(kernel);
                loop {
                    self.channels.iter().for_each(|channel| kernel.notify(*channel));
                }
            }
            Attack::Panic => panic!("an archive that panics"),
        }
        self.requests.breach();
        self.publish(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, _from: ChannelSet) {
        if matches!(self.attack, Attack::Requests | Attack::Append) {
            self.requests.advance(kernel);
            self.publish(kernel);
        }
    }
}
