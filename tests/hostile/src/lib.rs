//! A taken-over archive, for tests only. It runs in an archive's place, with an archive's rights and
//! manifest, and does one of the things an archive must not be able to do. Which one, the test says in
//! the manifest, in an entry of the device table that no honest domain looks at: see [`Attack`].

#![no_std]

mod requests;

use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_pds::proto::page::{ArchiveState, Health};
use totebox_pds::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_shm::{Mapped, PageWriter};
use zerocopy::FromZeros;

use requests::Requests;

pub use requests::FORBIDDEN_REQUESTS;

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
}

impl Attack {
    const ALL: [Attack; 3] = [Attack::Read, Attack::Write, Attack::Requests];
}

/// The taken-over archive.
#[derive(Debug)]
pub struct Hostile {
    attack: Attack,
    address: usize,
    requests: Requests,
    health: PageWriter<Health>,
    orchestrator: Option<Channel>,
}

impl Hostile {
    /// The attacker in the place of the archive with this manifest.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let (attack, device) = Attack::ALL
            .iter()
            .find_map(|attack| Some((*attack, manifest.devices().iter().find(|d| d.kind == *attack as u8)?)))
            .expect("the test says what to attack");
        let orchestrator = manifest.link(Role::Orchestrator, 0, LinkKind::Page);
        let health = orchestrator.and_then(|link| PageWriter::new(mapped, link.mine));
        Ok(Hostile {
            attack,
            address: device.region.vaddr.get() as usize,
            requests: Requests::new(manifest, mapped)?,
            health: health.ok_or(SetupError::Link(Role::Orchestrator, LinkKind::Page))?,
            orchestrator: orchestrator.and_then(Channel::of),
        })
    }

    /// Says what came of it, where the operator can see: `records` counts refusals, `documents` breaches.
    fn publish(&mut self, kernel: &mut dyn Kernel) {
        let mut health = Health::new_zeroed();
        health.state = ArchiveState::Active as u8;
        health.records = self.requests.refused().into();
        health.documents = self.requests.granted().into();
        self.health.publish(&health);
        if let Some(channel) = self.orchestrator {
            kernel.notify(channel);
        }
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
            Attack::Requests => {
                self.requests.advance(kernel);
                return self.publish(kernel);
            }
        }
        self.requests.breach();
        self.publish(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, _from: ChannelSet) {
        if self.attack == Attack::Requests {
            self.requests.advance(kernel);
            self.publish(kernel);
        }
    }
}
