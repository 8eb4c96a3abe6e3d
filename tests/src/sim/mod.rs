//! The simulator: the domains of a deployment, unchanged, in one thread under one seed. The seed picks
//! who runs next, which disk operation completes next, how bytes clump on the serial line, and what a
//! power cut leaves on the disk.
//!
//! Domains, channels, regions and manifests come from the same model as `system.xml`.

mod appliance;
mod devices;
mod disk;
mod kernel;
mod memory;
mod seeds;
mod write_once;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use fastrand::Rng;
use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::note::{Seed, Signer};
use totebox_deployment::Deployment;
use totebox_deployment::graph::Graph;
use totebox_domain::{ChannelSet, Domain, Fault, SetupError};
use totebox_manifest::{DeviceKind, Header, Link, Manifest, Role};
use totebox_shm::{Mapped, Shared, testing};
use zerocopy::{FromBytes, IntoBytes};

pub use appliance::{SimWire, domain, operator};
pub use devices::{SimTicker, SimUart};
pub use disk::{Abilities, DiskFault, DiskHandle, Medium, SECTOR, SimDisk};
pub use kernel::Intervention;
pub use seeds::{Doing, Tally, for_each_seed};

use kernel::{Core, End, Pd};
use memory::Memory;

/// The wall clock of a simulated machine when it first starts: 2026-01-01 00:00:00 UTC.
pub const START_MS: u64 = 1_767_225_600_000;

/// One event in so many lets time pass, while there is anything else to do.
const TICK_ONE_IN: u32 = 64;

/// The devices of a simulated machine.
#[derive(Clone)]
pub struct Devices {
    /// The vault's disk.
    pub disk: DiskHandle,
    /// The console's serial line.
    pub uart: SimUart,
    /// The clock's timer.
    pub ticker: SimTicker,
}

impl totebox_programs::Devices for &Devices {
    type Disk = SimDisk;
    type Uart = SimUart;
    type Ticker = SimTicker;
    type Error = SetupError;

    fn disk(&mut self) -> Result<SimDisk, SetupError> {
        Ok(self.disk.driver())
    }

    fn uart(&mut self) -> Result<SimUart, SetupError> {
        Ok(self.uart.clone())
    }

    fn ticker(&mut self) -> Result<SimTicker, SetupError> {
        Ok(self.ticker.clone())
    }
}

/// A deployment with domains in it.
pub struct World {
    core: Core,
    devices: Devices,
    /// Where the interrupt of each kind of device arrives.
    interrupts: HashMap<u8, End>,
    manifests: Vec<Vec<u8>>,
    graph: Graph,
    random: Rng,
    steps: u64,
    /// Dropped last: the domains refer to it.
    _memory: Memory,
}

/// Something that can happen next.
#[derive(Clone, Copy, Debug)]
enum Event {
    Run(usize),
    DiskCompletes(usize),
    Interrupt(DeviceKind),
    LineDrains,
    Tick,
}

/// A domain that does nothing: for one a test plays itself.
pub struct Silent;

impl Domain for Silent {
    fn start(&mut self, _: &mut dyn totebox_domain::Kernel) {}
    fn notified(&mut self, _: &mut dyn totebox_domain::Kernel, _: ChannelSet) {}
}

/// The deployment a text describes, in the language of `totebox.toml`.
pub fn deployment(text: &str) -> Deployment {
    match Deployment::parse(Path::new("totebox.toml"), text) {
        Ok(deployment) => deployment,
        Err(problems) => panic!("{problems}"),
    }
}

/// A disk for a deployment as `totebox disk create` leaves it, without the partition table that no domain
/// reads.
pub fn blank_disk(deployment: &Deployment) -> Vec<u8> {
    let end = deployment.volumes.iter().map(|volume| volume.offset() + volume.size()).max();
    let mut content = vec![0; end.unwrap_or(0) as usize];
    for volume in &deployment.volumes {
        let superblock = volume.superblock();
        let start = volume.first_block as usize * BLOCK_SIZE;
        content[start..start + size_of_val(&superblock)].copy_from_slice(superblock.as_bytes());
    }
    content
}

impl World {
    /// A machine that has just been switched on. `domain` makes the domain of each manifest.
    pub fn new(
        deployment: &Deployment,
        disk: DiskHandle,
        seed: u64,
        mut domain: impl FnMut(&Manifest<'_>, Mapped, &Devices) -> Box<dyn Domain>,
    ) -> World {
        let graph = deployment.graph();
        let memory = Memory::new(&graph);
        let mut manifests = deployment.manifests();
        let ticker = SimTicker::new(disk.borrow().wall_ms());
        disk.borrow_mut().hold_to_write_once(deployment);
        let devices = Devices { disk, uart: SimUart::new(seed), ticker };
        let seeds = (1..=deployment.volumes.len() as u8).map(|number| [number; size_of::<Seed>()]);
        let keys = seeds.map(|seed| Signer::new("any", &seed).expect("a name")).collect::<Vec<_>>();
        let mut keys = Deployment::key_regions(&keys).into_iter();
        let mut pds = Vec::new();
        for (name, manifest) in &mut manifests {
            place_regions(manifest, &memory);
            fill_key(manifest, &mut keys);
            let manifest = Manifest::parse(manifest).expect("a manifest of the model");
            pds.push(Pd {
                name: name.clone(),
                domain: Some(domain(&manifest, testing::mapped(), &devices)),
                pending: ChannelSet::default(),
                faults: VecDeque::new(),
                started: false,
                stopped: false,
            });
        }
        let mut interrupts = HashMap::new();
        for (number, pd) in graph.pds.iter().enumerate() {
            for device in &pd.devices {
                if let Some(irq) = device.irq {
                    interrupts.insert(device.kind as u8, (number, irq.channel));
                }
            }
        }
        World {
            core: core(pds, &graph, devices.ticker.clone()),
            devices,
            interrupts,
            manifests: manifests.into_iter().map(|(_, bytes)| bytes).collect(),
            graph,
            random: Rng::with_seed(seed),
            steps: 0,
            _memory: memory,
        }
    }

    /// The devices.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The manifest of a domain, as it sees it.
    pub fn manifest(&self, pd: usize) -> Manifest<'_> {
        Manifest::parse(&self.manifests[pd]).expect("a manifest of the model")
    }

    /// The number of a domain (`index` among archives, else 0).
    pub fn pd(&self, role: Role, index: u8) -> usize {
        let pd = self.graph.pds.iter().position(|pd| pd.role == role && pd.index == index);
        pd.unwrap_or_else(|| panic!("there is no {role:?} {index}"))
    }

    /// Events so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The simulation's source of chance.
    pub fn random(&mut self) -> &mut Rng {
        &mut self.random
    }

    /// Whether a domain is stopped.
    pub fn stopped(&self, pd: usize) -> bool {
        self.core.pds[pd].stopped
    }

    /// What parents did to their children, by name, in order.
    pub fn interventions(&self) -> &[(String, Intervention)] {
        &self.core.interventions
    }

    /// Notifies the other end of a channel on behalf of a domain.
    pub fn notify(&mut self, pd: usize, channel: u8) {
        let (peer, id) = self.core.peers[&(pd, channel)];
        self.core.pds[peer].pending.insert(totebox_domain::Channel(id));
    }

    /// Has the kernel stop a domain for a fault, and tell its parent.
    pub fn fault(&mut self, pd: usize, fault: Fault) {
        self.core.pds[pd].stopped = true;
        let parent = self.core.children.iter().find(|(_, child)| **child == pd).map(|(end, _)| *end);
        if let Some((parent, child)) = parent {
            self.core.pds[parent].faults.push_back((totebox_domain::Child(child), fault));
        }
    }

    /// Has a domain (`index` among archives) do nothing any more, whatever happens.
    pub fn hang(&mut self, role: Role, index: u8) {
        let pd = self.pd(role, index);
        self.core.pds[pd].domain = Some(Box::new(Silent));
    }

    /// Has a domain stand still where it is, as a stopped process or one that spins does for everybody else.
    pub fn freeze(&mut self, pd: usize) {
        self.core.pds[pd].stopped = true;
    }

    /// Lets it go on, with all that has come meanwhile.
    pub fn thaw(&mut self, pd: usize) {
        self.core.pds[pd].stopped = false;
    }

    /// Whether a domain has something to do.
    pub fn ready(&self, pd: usize) -> bool {
        self.core.pds[pd].ready()
    }

    /// Delivers an interrupt on behalf of a device that is not the simulator's.
    pub fn interrupt(&mut self, kind: DeviceKind) {
        self.core.interrupt(self.interrupts[&(kind as u8)]);
    }

    /// Has a domain run now, whether or not it was notified.
    pub fn run(&mut self, pd: usize) {
        self.core.run(pd);
    }

    /// Lets one thing happen; false if nothing can but the passing of time.
    pub fn step(&mut self) -> bool {
        let events = self.events();
        let idle = events.is_empty();
        let tick = idle || self.random.u32(..TICK_ONE_IN) == 0;
        let event = if tick { Event::Tick } else { events[self.random.usize(..events.len())] };
        self.steps += 1;
        self.happen(event);
        !idle
    }

    /// Everything that can happen next, but the passing of time.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let ready = self.core.pds.iter().enumerate().filter(|(_, pd)| pd.ready());
        events.extend(ready.map(|(number, _)| Event::Run(number)));
        let mut disk = self.devices.disk.borrow_mut();
        events.extend(disk.completable().into_iter().map(Event::DiskCompletes));
        let lines = [
            (DeviceKind::Disk, disk.interrupt()),
            (DeviceKind::Uart, self.devices.uart.interrupt()),
            (DeviceKind::Timer, self.devices.ticker.interrupt()),
        ];
        for (kind, raised) in lines {
            let masked = self.interrupts.get(&(kind as u8)).is_none_or(|end| self.core.masked.contains(end));
            if raised && !masked {
                events.push(Event::Interrupt(kind));
            }
        }
        if self.devices.uart.can_drain() {
            events.push(Event::LineDrains);
        }
        events
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Run(number) => self.core.run(number),
            Event::DiskCompletes(position) => self.devices.disk.borrow_mut().complete(position),
            Event::Interrupt(kind) => self.core.interrupt(self.interrupts[&(kind as u8)]),
            Event::LineDrains => self.devices.uart.drain(),
            Event::Tick => self.devices.ticker.pass(),
        }
    }

    /// Lets things happen until nothing can any more but the passing of time.
    pub fn settle(&mut self) {
        let limit = self.steps + 10_000_000;
        while self.step() {
            assert!(self.steps < limit, "this never ends");
        }
    }

    /// Lets things happen until `done` says so, at most `steps` of them. Returns whether it did.
    pub fn run_until(&mut self, steps: u64, mut done: impl FnMut(&mut World) -> bool) -> bool {
        for _ in 0..steps {
            if done(self) {
                return true;
            }
            self.step();
        }
        done(self)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.devices.disk.borrow_mut().left_at(self.devices.ticker.wall_ms());
    }
}

/// Rewrites the regions of a manifest to where they are in this process.
fn place_regions(manifest: &mut [u8], memory: &Memory) {
    let (header, rest) = Header::mut_from_prefix(manifest).expect("a manifest has a header");
    let (links, _) =
        <[Link]>::mut_from_prefix_with_elems(rest, header.links.into()).expect("a manifest has its links");
    for link in links {
        link.mine = memory.place(link.mine);
        link.theirs = memory.place(link.theirs);
    }
    header.signing_key = memory.place(header.signing_key);
}

/// Fills the key region of a domain that signs: the archives come first, and the auditor is the last.
fn fill_key(manifest: &[u8], mut keys: impl Iterator<Item = Vec<u8>>) {
    let header = Manifest::parse(manifest).expect("a manifest of the model").header();
    if let Some(region) = Shared::new(testing::mapped(), header.signing_key) {
        region.write(0, &keys.next().expect("a key for each that signs"));
    }
}

fn core(pds: Vec<Pd>, graph: &Graph, ticker: SimTicker) -> Core {
    let mut core = Core {
        pds,
        peers: HashMap::new(),
        notifiers: HashSet::new(),
        children: HashMap::new(),
        masked: HashSet::new(),
        interventions: Vec::new(),
        ticker,
    };
    for channel in &graph.channels {
        let ends = channel.ends.map(|(pd, id)| (pd.0, id));
        for (own, other) in [(0, 1), (1, 0)] {
            core.peers.insert(ends[own], ends[other]);
            if channel.notifies[own] {
                core.notifiers.insert(ends[own]);
            }
        }
    }
    for (number, pd) in graph.pds.iter().enumerate() {
        for link in &pd.links {
            if let Some(child) = link.child {
                core.children.insert((number, child), link.peer.0);
            }
        }
    }
    core
}
