//! A taken-over archive, for tests only. It runs in an archive's place, with an archive's rights and
//! manifest, and does one of the things an archive must not be able to do. Which one, the test says in
//! the manifest, in an entry of the device table that no honest domain looks at: see [`Attack`].

#![no_std]

mod failing;
mod requests;

use totebox_domain::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::page::{ArchiveState, Health};
use totebox_shm::{Mapped, PageWriter};
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
    /// seal, for nonsense; and break the queue at last.
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

/// The taken-over archive.
#[derive(Debug)]
pub struct Hostile {
    attack: Attack,
    address: usize,
    requests: Requests,
    health: PageWriter<Health>,
    orchestrator: Channel,
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
        Ok(Hostile {
            attack,
            address: device.region.vaddr.get() as usize,
            requests: Requests::new(manifest, mapped, attack == Attack::Append)?,
            health: PageWriter::new(mapped, orchestrator.mine).ok_or(missing)?,
            orchestrator: Channel::of(orchestrator).ok_or(missing)?,
            channels: manifest.links().iter().filter_map(Channel::of).take(8).collect(),
        })
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
        let target = core::ptr::with_exposed_provenance_mut::<u8>(self.address);
        match self.attack {
            // SAFETY: none is claimed. The kernel must stop this domain here; if it does not, the
            // breach shows in what is published.
            Attack::Read => drop(unsafe { core::ptr::read_volatile(target) }),
            // SAFETY: as above.
            Attack::Write => unsafe { core::ptr::write_volatile(target, 0xee) },
            Attack::Requests | Attack::Append => {
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
