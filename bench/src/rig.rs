//! The product's domains, unchanged, in one thread over a disk image in a file: shared memory and channels are the
//! simulator's, the block device is the hosted backend's. As on one core of seL4, the domain that runs next is that
//! of the highest priority that has something to do.
//!
//! Not across processes: how fast Linux switches between those says nothing of the product, which does not run on
//! it.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use totebox_archive::Archive;
use totebox_auditor::Auditor;
use totebox_clock::Clock;
use totebox_deployment::Deployment;
use totebox_hosted::FileDisk;
use totebox_manifest::{DeviceKind, LinkKind, Role};
use totebox_protocol::page::{ArchiveState, Health};
use totebox_shm::{PageReader, testing};
use totebox_tests::sim::{DiskHandle, Silent, World};
use totebox_vault::Vault;
use zerocopy::FromZeros;

use crate::counting::Counting;

/// Longer than any disk takes for anything.
const TIMEOUT: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
/// Longer than a disk takes for what nobody waits for.
const A_WHILE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// A machine.
pub struct Rig {
    /// What joins the domains.
    pub world: World,
    interrupt: OwnedFd,
    /// All domains, highest priority first.
    order: Vec<usize>,
    /// Those of them the benchmark plays.
    played: [usize; 2],
    /// Flushes the vault has asked for.
    flushes: Rc<Cell<u64>>,
    health: Vec<PageReader<Health>>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A domain of the product ran.
    Ran,
    /// This domain, which the benchmark plays, was notified.
    Notified(usize),
    /// None had anything to do; the disk has done something meanwhile.
    Waited,
}

impl Rig {
    /// A machine just switched on. Console and orchestrator are played by the benchmark.
    pub fn new(deployment: &Deployment, image: File) -> Result<Rig> {
        let disk = FileDisk::new(Some(image), false)?;
        let interrupt = disk.interrupt().try_clone_to_owned()?;
        let (disk, flushes) = Counting::new(disk);
        let mut disk = Some(disk);
        // The simulated disk is nobody's.
        let world = World::new(deployment, DiskHandle::new(Vec::new()), 0, |manifest, mapped, devices| {
            match manifest.role() {
                Role::Vault => {
                    let disk = disk.take().expect("one vault");
                    Box::new(Vault::new(manifest, mapped, disk).expect("a vault's manifest"))
                }
                Role::Clock => {
                    Box::new(Clock::new(manifest, mapped, devices.ticker.clone()).expect("a clock's manifest"))
                }
                Role::Archive => Box::new(Archive::new(manifest, mapped).expect("an archive's manifest")),
                Role::Auditor => Box::new(Auditor::new(manifest, mapped).expect("an auditor's manifest")),
                Role::Orchestrator | Role::Console => Box::new(Silent),
            }
        });
        let fixed = [Role::Clock, Role::Vault, Role::Orchestrator, Role::Console, Role::Auditor];
        let mut order: Vec<usize> = fixed.map(|role| world.pd(role, 0)).into();
        order.extend((0..deployment.archives.len()).map(|index| world.pd(Role::Archive, index as u8)));
        let played = [Role::Orchestrator, Role::Console].map(|role| world.pd(role, 0));
        let orchestrator = world.manifest(played[0]);
        let health = (0..deployment.archives.len() as u8).map(|index| {
            let page = orchestrator.link(Role::Archive, index, LinkKind::Page).context("archives have pages")?;
            PageReader::new(testing::mapped(), page.theirs).context("archives have pages")
        });
        let health = health.collect::<Result<_>>()?;
        Ok(Rig { world, interrupt, order, played, flushes, health })
    }

    /// Lets things happen until every archive is in service.
    pub fn wait_until_active(&mut self) -> Result<()> {
        let mut health = Health::new_zeroed();
        while !self.health.iter().all(|page| page.read(&mut health) && health.state == ArchiveState::Active as u8)
        {
            self.step()?;
        }
        Ok(())
    }

    /// Lets one thing happen.
    pub fn step(&mut self) -> Result<Step> {
        let idle = !self.order.iter().any(|&pd| self.world.ready(pd));
        let timeout = if idle { &TIMEOUT } else { &AT_ONCE };
        if poll(&mut [PollFd::new(&self.interrupt, PollFlags::IN)], Some(timeout))? > 0 {
            self.world.interrupt(DeviceKind::Disk);
        } else if idle {
            anyhow::bail!("everything waits, and nothing is under way");
        }
        if idle {
            return Ok(Step::Waited);
        }
        let next = self.order.iter().copied().find(|&pd| self.world.ready(pd)).expect("seen above");
        self.world.run(next);
        Ok(if self.played.contains(&next) { Step::Notified(next) } else { Step::Ran })
    }

    /// Lets things happen until nothing has for a while.
    pub fn settle(&mut self) -> Result<()> {
        let ready = |rig: &Rig| rig.order.iter().any(|&pd| rig.world.ready(pd));
        while ready(self) || poll(&mut [PollFd::new(&self.interrupt, PollFlags::IN)], Some(&A_WHILE))? > 0 {
            self.step()?;
        }
        Ok(())
    }

    /// Flushes the vault has had so far.
    pub fn flushes(&self) -> u64 {
        self.flushes.get()
    }
}
