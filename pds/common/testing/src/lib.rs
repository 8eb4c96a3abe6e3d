//! What the domains' unit tests share: manifests made by hand, and a kernel that only remembers what it was asked.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use ledger_fmt::layout::{NAME_LEN_MAX, Superblock};
use totebox_domain::{Channel, Child, Kernel};
use totebox_manifest::conversation::{self, TRACE_READER};
use totebox_manifest::{Device, DeviceKind, Header, Link, LinkKind, NO_CHANNEL, Region, Role, Volume};
use totebox_shm::testing::{End, wire};
use zerocopy::FromZeros;

/// A manifest under construction; [`TestManifest::bytes`] is what `Manifest::parse` takes.
pub struct TestManifest {
    pub role: Role,
    pub index: u8,
    pub tick_hz: u32,
    pub audit_period_s: u32,
    pub audit_full_every: u32,
    pub deployment: [u8; 16],
    pub links: Vec<Link>,
    pub volumes: Vec<Volume>,
    pub devices: Vec<Device>,
    pub signing_key: Region,
}

impl TestManifest {
    /// A manifest with nothing but the trace that every domain keeps.
    pub fn new(role: Role) -> Self {
        let (volumes, devices) = (Vec::new(), Vec::new());
        let end = |role| End { role, index: 0, channel: NO_CHANNEL };
        let (mut trace, _) = wire(LinkKind::Trace, end(role), end(TRACE_READER));
        if role == TRACE_READER {
            // Its own is for itself.
            trace.theirs = trace.mine;
        }
        let links = Vec::from([trace]);
        TestManifest {
            role,
            index: 0,
            tick_hz: 10,
            audit_period_s: 0,
            audit_full_every: 0,
            deployment: [7; 16],
            links,
            volumes,
            devices,
            signing_key: Region::default(),
        }
    }

    /// Adds a link over fresh regions, on the next free channel if it has one; returns both ends of it.
    pub fn link(&mut self, peer: Role, peer_index: u8, kind: LinkKind) -> (Link, Link) {
        let channel = match conversation::channel(self.role, peer, kind) {
            true => self.next_channel(),
            false => NO_CHANNEL,
        };
        let own = End { role: self.role, index: self.index, channel };
        let (link, other) = wire(kind, own, End { role: peer, index: peer_index, channel: 0 });
        self.links.push(link);
        (link, other)
    }

    /// Adds a device without registers; returns its interrupt's channel.
    pub fn device(&mut self, kind: DeviceKind) -> Channel {
        let irq_channel = self.next_channel();
        let region = Region::default();
        self.devices.push(Device { kind: kind as u8, irq_channel, driver: 0, reserved: [0; 5], region });
        Channel(irq_channel)
    }

    /// Adds a volume of 1 MiB.
    pub fn volume(&mut self, name: &str) {
        let mut padded = [0; NAME_LEN_MAX];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        let id = [self.volumes.len() as u8 + 1; 16];
        let superblock = Superblock::new(self.deployment, id, padded, 256);
        let first_block = (256 * (self.volumes.len() as u64 + 1)).into();
        self.volumes.push(Volume { first_block, superblock, on_mismatch: 0, reserved: [0; 7] });
    }

    /// The manifest's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = Header::new_zeroed();
        header.magic = Header::MAGIC;
        header.role = self.role as u8;
        header.index = self.index;
        header.archives = self.volumes.len().saturating_sub(1) as u8;
        header.deployment = self.deployment;
        header.deployment_name[..4].copy_from_slice(b"test");
        header.tick_hz = self.tick_hz.into();
        header.audit_period_s = self.audit_period_s.into();
        header.audit_full_every = self.audit_full_every.into();
        header.signing_key = self.signing_key;
        let mut out = Vec::new();
        totebox_manifest::encode(&header, &self.links, &self.volumes, &self.devices, |bytes| out.extend(bytes));
        out
    }

    fn next_channel(&self) -> u8 {
        (self.links.iter().filter(|link| link.channel != NO_CHANNEL).count() + self.devices.len()) as u8
    }
}

/// A kernel that remembers what it was asked. Its counter stands still until a test moves it.
#[derive(Default)]
pub struct TestKernel {
    pub notified: Vec<Channel>,
    pub acknowledged: Vec<Channel>,
    pub stopped: Vec<Child>,
    pub resumed: Vec<Child>,
    pub counter_ms: u64,
}

impl Kernel for TestKernel {
    fn notify(&mut self, channel: Channel) {
        self.notified.push(channel);
    }

    fn counter_ms(&mut self) -> u64 {
        self.counter_ms
    }

    fn acknowledge(&mut self, interrupt: Channel) {
        self.acknowledged.push(interrupt);
    }

    fn stop(&mut self, child: Child) {
        self.stopped.push(child);
    }

    fn resume(&mut self, child: Child) {
        self.resumed.push(child);
    }
}

/// Pseudo-random numbers from a seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.number() as u8);
    }
}
