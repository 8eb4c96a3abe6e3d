//! The orchestrator: the registry of archives, the operator's commands, and the surface the operator sees.
//!
//! It is the parent of the archives: their faults arrive here, and it can stop and resume them. It keeps
//! nothing on disk. All it knows comes from pages and reports of other domains, each checked before use,
//! and from the kernel; what it makes of them it publishes as the
//! [`Surface`](crate::proto::page::Surface).
//!
//! | module | what |
//! |---|---|
//! | [`registry`] | one archive: what it was told, what it claims, whether it faulted |
//! | [`audits`] | verifications asked of the auditor, and its reports |
//! | [`surface`] | the page the operator sees |
//!
//! **Where the rest of orchestration goes.** A schedule (the manifest's `audit_period_s` and
//! `audit_full_every`) runs on [`Orchestrator::tick`] and asks through [`Audits::request`] with
//! [`NO_COMMAND`](audits::NO_COMMAND) as its tag. A flag is raised where a report is accepted
//! ([`Audits::receive`]), where an archive's claim makes no sense ([`Archive::look`]) and in
//! [`Domain::fault`], before [`Orchestrator::show`] publishes anything. Lifecycle commands are further
//! operations of [`Domain::protected`]; they reach an archive through [`Archive::command`], and its thread
//! through [`Archive::child`]. Sealing a volume needs the vault's queue, which the manifest has already.

mod audits;
mod registry;
mod surface;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;

use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_shm::{Mapped, PageReader};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::proto::operator::{ALL_VOLUMES, Op, Outcome, Reply, Request};
use crate::proto::page::{ArchiveState, Time, VaultPage};
use crate::proto::vault::VolumeState;
use crate::{Channel, ChannelSet, Child, Domain, Fault, Kernel, SetupError};
use audits::Audits;
use registry::Archive;
use surface::{Known, SurfacePage};

/// Milliseconds after the machine's start when the surface settles though some archive is still starting:
/// more than a healthy recovery takes, less than an operator waits.
const SETTLE_MS: u64 = 30_000;

/// The orchestrator's logic.
pub struct Orchestrator {
    archives: Vec<Archive>,
    audits: Audits,
    vault: PageReader<VaultPage>,
    /// The vault's page as last believed.
    vault_page: Box<VaultPage>,
    clock: Channel,
    time_page: PageReader<Time>,
    /// The time as last read.
    time: Time,
    /// Whether every archive has come up or failed to, or had its time.
    settled: bool,
    console: Channel,
    surface: SurfacePage,
}

impl Orchestrator {
    /// The orchestrator of the deployment in `manifest`.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Self, SetupError> {
        if manifest.role() != Role::Orchestrator {
            return Err(SetupError::Role(manifest.role()));
        }
        let header = manifest.header();
        if manifest.volumes().len() != usize::from(header.archives) + 1 {
            return Err(SetupError::Volumes);
        }
        let page = |peer| {
            let missing = SetupError::Link(peer, LinkKind::Page);
            manifest.link(peer, 0, LinkKind::Page).ok_or(missing).map(|link| (link, missing))
        };
        let (vault, no_vault) = page(Role::Vault)?;
        let (clock, no_clock) = page(Role::Clock)?;
        let (console, no_console) = page(Role::Console)?;
        Ok(Orchestrator {
            archives: (0..header.archives)
                .map(|index| Archive::new(manifest, mapped, index))
                .collect::<Result<_, _>>()?,
            audits: Audits::new(manifest, mapped)?,
            vault: PageReader::new(mapped, vault.theirs).ok_or(no_vault)?,
            vault_page: VaultPage::new_box_zeroed().map_err(|_| SetupError::Volumes)?,
            clock: Channel::of(clock).ok_or(no_clock)?,
            time_page: PageReader::new(mapped, clock.theirs).ok_or(no_clock)?,
            time: Time::new_zeroed(),
            settled: false,
            console: Channel::of(console).ok_or(no_console)?,
            surface: SurfacePage::new(manifest, mapped, console.mine).ok_or(no_console)?,
        })
    }

    /// What is done once per clock tick.
    fn tick(&mut self) {
        for archive in &mut self.archives {
            archive.look();
        }
    }

    fn read_time(&mut self) {
        let mut time = Time::new_zeroed();
        if self.time_page.read(&mut time) {
            self.time = time;
        }
    }

    /// Takes the vault's page over if every state in it is one.
    fn read_vault(&mut self) {
        let volumes = self.archives.len() + 1;
        let mut page = VaultPage::new_zeroed();
        let sensible = self.vault.read(&mut page)
            && page.volumes[..volumes].iter().all(|row| VolumeState::from_wire(row.state).is_some());
        if sensible {
            *self.vault_page = page;
        }
    }

    /// Publishes what there is to see, and wakes the console if it is anything but the time.
    fn show(&mut self, kernel: &mut dyn Kernel) {
        self.settled |= self.time.uptime_ms.get() >= SETTLE_MS
            || self.archives.iter().all(|archive| archive.state() != ArchiveState::Starting);
        let known = Known {
            archives: &self.archives,
            audits: &self.audits,
            vault: &self.vault_page,
            time: &self.time,
            settled: self.settled,
        };
        if self.surface.publish(&known) {
            kernel.notify(self.console);
        }
    }

    /// Carries out an operator's command. The tag names it in the surface; 0 if it was not accepted.
    fn command(&mut self, kernel: &mut dyn Kernel, request: &[u8]) -> (Outcome, u32) {
        let Ok((request, reason)) = Request::read_from_prefix(request) else {
            return (Outcome::BadRequest, 0);
        };
        if request.reserved != [0; 6] || !reason.is_empty() {
            return (Outcome::BadRequest, 0);
        }
        match Op::from_wire(request.op) {
            Some(Op::Verify) if request.number.get() == 0 => {
                let volumes = self.archives.len() + 1;
                let (first, count) = match request.volume {
                    ALL_VOLUMES => (0, volumes),
                    volume => (usize::from(volume), 1),
                };
                if first + count > volumes {
                    return (Outcome::UnknownArchive, 0);
                }
                self.audits.command(kernel, first..first + count)
            }
            _ => (Outcome::BadRequest, 0),
        }
    }
}

impl Domain for Orchestrator {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        for archive in &mut self.archives {
            archive.command(kernel, ArchiveState::Active);
        }
        self.read_time();
        self.read_vault();
        self.show(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        self.read_time();
        self.read_vault();
        if from.contains(self.clock) {
            self.tick();
        }
        for archive in self.archives.iter_mut().filter(|archive| from.contains(archive.channel())) {
            archive.look();
        }
        if from.contains(self.audits.channel()) {
            self.audits.receive(kernel, self.time.wall_ms.get());
        }
        self.show(kernel);
    }

    fn protected(&mut self, kernel: &mut dyn Kernel, from: Channel, request: &[u8], reply: &mut [u8]) -> usize {
        if from != self.console {
            return 0;
        }
        let (outcome, tag) = self.command(kernel, request);
        self.show(kernel);
        let answer = Reply { outcome: outcome as u8, reserved: [0; 3], tag: tag.into() };
        match answer.write_to_prefix(reply) {
            Ok(()) => size_of::<Reply>(),
            Err(_) => 0,
        }
    }

    fn fault(&mut self, kernel: &mut dyn Kernel, child: Child, fault: Fault) {
        if let Some(archive) = self.archives.iter_mut().find(|archive| archive.child() == child) {
            archive.faulted(kernel, fault);
        }
        self.show(kernel);
    }
}
