//! The graph of a deployment: protection domains, the regions and channels that join them, and devices.
//! `system.xml` and the manifests are both written from it. What flows between whom comes from
//! [`totebox_manifest::conversation`] alone.

use totebox_manifest::conversation::{PAGE, Page, TRACE_READER, TRACE_SIZE, channel, page, queue};
use totebox_manifest::{DeviceKind, Driver, LinkKind, MANIFEST_SIZE, OnMismatch, Role, RoleInfo, SERVICES};

use super::Archive;
use super::board::{self, Board};
use super::cpu::{self, Schedule};

/// Bytes of the memory the disk may access: 64 transfer buffers of 32 KiB, the queue of the virtio
/// device, and as much again; whole large pages, so that it is contiguous.
const DMA_SIZE: u64 = 4 << 20;

const PAGE_SIZE: u64 = PAGE as u64;
const LARGE_PAGE: u64 = 2 << 20;

/// Where the windows of the archives begin, a large page each, and those of the service domains. Far
/// above any program image, and below the stack at the top of the address space. One region has the same
/// address in every domain, so that an address in a fault names it.
const ARCHIVE_WINDOWS: u64 = 0x10_0000_0000;
const ARCHIVE_WINDOW: u64 = LARGE_PAGE;
const SERVICE_WINDOWS: u64 = 0x11_0000_0000;
const SERVICE_WINDOW: u64 = 8 * LARGE_PAGE;

/// Bytes of memory a program takes besides its stack and the regions: its pages, its heap, its copy in
/// the image, and its kernel objects.
const PROGRAM_MEMORY: u64 = 4 << 20;

/// An index into [`Graph::pds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PdIndex(pub usize);

/// An index into [`Graph::regions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegionIndex(pub usize);

#[derive(Clone, Debug)]
pub struct Pd {
    pub role: Role,
    /// Among archives its index, else 0.
    pub index: u8,
    /// `archive-NAME`, `vault`, ...
    pub name: String,
    pub schedule: Schedule,
    /// Bytes.
    pub stack_size: u64,
    pub stack_reason: &'static str,
    pub manifest: RegionIndex,
    pub signing_key: Option<RegionIndex>,
    pub links: Vec<Link>,
    pub devices: Vec<Device>,
}

#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub peer: PdIndex,
    pub kind: LinkKind,
    /// The channel's id here.
    pub channel: Option<u8>,
    /// The peer's id as a child of this domain.
    pub child: Option<u8>,
    /// The region written here.
    pub mine: Option<RegionIndex>,
    /// The region read here.
    pub theirs: Option<RegionIndex>,
}

/// A device and how its driver reaches it.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub kind: DeviceKind,
    /// Which driver drives it; none drives memory.
    pub driver: Option<&'static Driver>,
    /// Its interrupt, and the channel id it arrives on.
    pub irq: Option<Irq>,
    /// Its memory, and where in that its registers begin.
    pub region: Option<(RegionIndex, u64)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Irq {
    pub number: u64,
    pub channel: u8,
}

#[derive(Clone, Debug)]
pub struct Region {
    /// Its name: the writer's, then what for.
    pub name: String,
    /// Where every domain that maps it maps it.
    pub vaddr: u64,
    /// Bytes.
    pub size: u64,
    pub purpose: String,
    /// The one domain that writes it; nobody writes what the build fills.
    pub writer: Option<PdIndex>,
    pub readers: Vec<PdIndex>,
    pub kind: RegionKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionKind {
    Memory,
    /// Memory the build fills from this file.
    Prefilled(String),
    /// Memory a device accesses: its physical address goes to the driver.
    Dma,
    /// A device's registers, at this physical address.
    Registers(u64),
}

#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// The two ends: domain and channel id there.
    pub ends: [(PdIndex, u8); 2],
    /// Which ends may notify the other: those that write something for it.
    pub notifies: [bool; 2],
}

/// A deployment's domains and what joins them.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The archives in their order, then the services.
    pub pds: Vec<Pd>,
    /// In no order that means anything.
    pub regions: Vec<Region>,
    /// In the order of their first ends.
    pub channels: Vec<Channel>,
}

impl Graph {
    pub fn new(archives: &[Archive], board: &Board) -> Graph {
        let mut builder = Builder::new(archives);
        for a in 0..builder.graph.pds.len() {
            for b in a + 1..builder.graph.pds.len() {
                builder.join(PdIndex(a), PdIndex(b));
            }
        }
        builder.devices(board);
        builder.traces();
        builder.place();
        builder.graph
    }

    pub fn pd(&self, index: PdIndex) -> &Pd {
        &self.pds[index.0]
    }

    pub fn region(&self, index: RegionIndex) -> &Region {
        &self.regions[index.0]
    }

    pub fn service(&self, role: Role) -> PdIndex {
        let service = self.pds.iter().position(|pd| pd.role == role && role != Role::Archive);
        PdIndex(service.expect("every graph has every service"))
    }

    /// Bytes of the board's memory it takes, by a cautious estimate of the program images.
    pub fn memory(&self) -> u64 {
        let regions = self.regions.iter().filter(|region| !matches!(region.kind, RegionKind::Registers(_)));
        let programs = self.pds.iter().map(|pd| pd.stack_size + PROGRAM_MEMORY);
        regions.map(|region| region.size).chain(programs).sum()
    }
}

/// The largest number of archives on a board, and what bounds it.
pub fn archives_max(board: &Board) -> (usize, String) {
    let available = board.memory.size.value - board.memory.reserved.value;
    let fits = |&archives: &usize| {
        let archive = |index| Archive { name: format!("a{index}"), on_mismatch: OnMismatch::Flag, share_ppm: 1 };
        Graph::new(&(0..archives).map(archive).collect::<Vec<_>>(), board).memory() <= available
    };
    let most = totebox_manifest::ARCHIVES_MAX;
    match (0..=most).rev().find(fits) {
        Some(archives) if archives == most => {
            let (pds, services) = (totebox_manifest::PDS_MAX, totebox_manifest::SERVICE_PDS);
            let reason = format!("Microkit has {pds} protection domains, and {services} of them are no archives");
            (most, reason)
        }
        archives => {
            let reason = format!("the board {} has {} MiB of memory for them", board.name, available >> 20);
            (archives.unwrap_or(0), reason)
        }
    }
}

struct Builder {
    graph: Graph,
    next_channel: Vec<u8>,
}

impl Builder {
    fn new(archives: &[Archive]) -> Builder {
        let mut graph = Graph { pds: Vec::new(), regions: Vec::new(), channels: Vec::new() };
        let archive = |(index, archive): (usize, &Archive)| {
            (Role::Archive, index as u8, format!("archive-{}", archive.name), cpu::archive(archive.share_ppm))
        };
        let service = |&role: &Role| (role, 0, role.name().to_owned(), cpu::service(role));
        let pds = archives.iter().enumerate().map(archive).chain(SERVICES.iter().map(service));
        for (role, index, name, schedule) in pds {
            let manifest = RegionIndex(graph.regions.len());
            graph.regions.push(Region {
                name: format!("{name}-manifest"),
                vaddr: 0,
                size: MANIFEST_SIZE as u64,
                purpose: format!("what {name} is told about itself"),
                writer: None,
                readers: vec![PdIndex(graph.pds.len())],
                kind: RegionKind::Prefilled(format!("{name}.manifest")),
            });
            let signing_key = role.info().signs.then(|| {
                graph.regions.push(Region {
                    name: format!("{name}-key"),
                    vaddr: 0,
                    size: PAGE_SIZE,
                    purpose: format!("what {name} signs with"),
                    writer: None,
                    readers: vec![PdIndex(graph.pds.len())],
                    kind: RegionKind::Prefilled(format!("{name}.key")),
                });
                RegionIndex(graph.regions.len() - 1)
            });
            let (links, devices) = (Vec::new(), Vec::new());
            let RoleInfo { stack_size, stack_reason, .. } = *role.info();
            graph.pds.push(Pd {
                role,
                index,
                name,
                schedule,
                stack_size,
                stack_reason,
                manifest,
                signing_key,
                links,
                devices,
            });
        }
        Builder { next_channel: vec![0; graph.pds.len()], graph }
    }

    /// Everything two domains have in common.
    fn join(&mut self, a: PdIndex, b: PdIndex) {
        let (role_a, role_b) = (self.graph.pd(a).role, self.graph.pd(b).role);
        if let (Some(forth), Some(back)) = (queue(role_a, role_b), queue(role_b, role_a)) {
            let forth = self.queue_region(a, b, forth.region_size() as u64);
            let back = self.queue_region(b, a, back.region_size() as u64);
            self.link(a, b, LinkKind::Queue, Some(forth), Some(back));
        }
        let forth = page(role_a, role_b).map(|page| self.page_region(a, b, page));
        let back = page(role_b, role_a).map(|page| self.page_region(b, a, page));
        if forth.is_some() || back.is_some() {
            self.link(a, b, LinkKind::Page, forth, back);
        }
    }

    fn link(
        &mut self,
        a: PdIndex,
        b: PdIndex,
        kind: LinkKind,
        forth: Option<RegionIndex>,
        back: Option<RegionIndex>,
    ) {
        let (role_a, role_b) = (self.graph.pd(a).role, self.graph.pd(b).role);
        let [channel_a, channel_b] = if channel(role_a, role_b, kind) {
            let ids = [a, b].map(|pd| self.channel_id(pd));
            let notifies = [forth.is_some(), back.is_some()];
            self.graph.channels.push(Channel { ends: [(a, ids[0]), (b, ids[1])], notifies });
            ids.map(Some)
        } else {
            [None; 2]
        };
        let child = |parent: PdIndex, child: PdIndex| {
            let (parent, child) = (self.graph.pd(parent), self.graph.pd(child));
            (parent.role == Role::Orchestrator && child.role == Role::Archive && kind == LinkKind::Page)
                .then_some(child.index)
        };
        let (child_of_a, child_of_b) = (child(a, b), child(b, a));
        let forth_link = Link { peer: b, kind, channel: channel_a, child: child_of_a, mine: forth, theirs: back };
        let back_link = Link { peer: a, kind, channel: channel_b, child: child_of_b, mine: back, theirs: forth };
        self.graph.pds[a.0].links.push(forth_link);
        self.graph.pds[b.0].links.push(back_link);
    }

    fn channel_id(&mut self, pd: PdIndex) -> u8 {
        let next = &mut self.next_channel[pd.0];
        *next += 1;
        *next - 1
    }

    fn queue_region(&mut self, writer: PdIndex, reader: PdIndex, size: u64) -> RegionIndex {
        let (from, to) = (&self.graph.pd(writer).name, &self.graph.pd(reader).name);
        let (name, purpose) = (format!("{from}-to-{to}"), format!("messages from {from} to {to}"));
        self.region(name, size, purpose, Some(writer), vec![reader], RegionKind::Memory)
    }

    /// The page `writer` publishes for `reader`, and perhaps for others who read it already.
    fn page_region(&mut self, writer: PdIndex, reader: PdIndex, page: &Page) -> RegionIndex {
        let (from, to) = (&self.graph.pd(writer).name, &self.graph.pd(reader).name);
        let name = match page.each {
            true => format!("{from}-{}-{to}", page.name),
            false => format!("{from}-{}", page.name),
        };
        let purpose = page.says.replace("{from}", from).replace("{to}", to);
        if let Some(index) = self.graph.regions.iter().position(|region| region.name == name) {
            self.graph.regions[index].readers.push(reader);
            return RegionIndex(index);
        }
        self.region(name, page.size as u64, purpose, Some(writer), vec![reader], RegionKind::Memory)
    }

    /// Gives every domain a region for its trace, which the orchestrator reads.
    fn traces(&mut self) {
        let reader = self.graph.service(TRACE_READER);
        for pd in (0..self.graph.pds.len()).map(PdIndex) {
            let name = &self.graph.pd(pd).name;
            let (name, purpose) = (format!("{name}-trace"), format!("what {name} did last"));
            let readers = if pd == reader { vec![] } else { vec![reader] };
            let trace = self.region(name, TRACE_SIZE as u64, purpose, Some(pd), readers, RegionKind::Memory);
            let link =
                Link { peer: reader, kind: LinkKind::Trace, channel: None, child: None, mine: None, theirs: None };
            let mine = Some(trace);
            if pd == reader {
                self.graph.pds[pd.0].links.push(Link { mine, theirs: mine, ..link });
            } else {
                self.graph.pds[pd.0].links.push(Link { mine, ..link });
                self.graph.pds[reader.0].links.push(Link { peer: pd, theirs: mine, ..link });
            }
        }
    }

    fn region(
        &mut self,
        name: String,
        size: u64,
        purpose: String,
        writer: Option<PdIndex>,
        readers: Vec<PdIndex>,
        kind: RegionKind,
    ) -> RegionIndex {
        self.graph.regions.push(Region { name, vaddr: 0, size, purpose, writer, readers, kind });
        RegionIndex(self.graph.regions.len() - 1)
    }

    fn devices(&mut self, board: &Board) {
        for device in &board.devices {
            self.device(device);
        }
    }

    fn device(&mut self, device: &board::Device) {
        let kind = device.driver.kind;
        let owner = self.graph.service(driven_by(kind));
        let region = device.registers.map(|registers| {
            let purpose = format!("the registers of the {}", kind.name());
            let behind = RegionKind::Registers(registers.page.value);
            (self.device_region(owner, kind, PAGE_SIZE, purpose, behind), registers.offset)
        });
        let irq = device.irq.map(|irq| Irq { number: irq.value, channel: self.channel_id(owner) });
        self.graph.pds[owner.0].devices.push(Device { kind, driver: Some(device.driver), irq, region });
        if kind == DeviceKind::Disk {
            let kind = DeviceKind::DmaMemory;
            let purpose = "transfer buffers and queues the disk reads and writes by itself".into();
            let region = Some((self.device_region(owner, kind, DMA_SIZE, purpose, RegionKind::Dma), 0));
            self.graph.pds[owner.0].devices.push(Device { kind, driver: None, irq: None, region });
        }
    }

    fn device_region(
        &mut self,
        owner: PdIndex,
        kind: DeviceKind,
        size: u64,
        purpose: String,
        behind: RegionKind,
    ) -> RegionIndex {
        let name = format!("{}-{}", self.graph.pd(owner).name, kind.name());
        self.region(name, size, purpose, Some(owner), vec![], behind)
    }

    /// Gives every region its address: those that concern one archive lie in its window, the others in
    /// the window of the service that writes them. An unmapped page lies before each region and behind it.
    fn place(&mut self) {
        let graph = &mut self.graph;
        let archives = graph.pds.len() - SERVICES.len();
        let home = |region: &Region| {
            let parties = region.writer.iter().chain(&region.readers);
            match region.writer {
                Some(writer) if region.readers.len() != 1 => writer,
                _ => *parties.min_by_key(|pd| pd.0).expect("every region is mapped"),
            }
        };
        for pd in 0..graph.pds.len() {
            let (start, size) = match pd.checked_sub(archives) {
                None => (ARCHIVE_WINDOWS + pd as u64 * ARCHIVE_WINDOW, ARCHIVE_WINDOW),
                Some(service) => (SERVICE_WINDOWS + service as u64 * SERVICE_WINDOW, SERVICE_WINDOW),
            };
            let mut next = start + PAGE_SIZE;
            for region in graph.regions.iter_mut().filter(|region| home(region) == PdIndex(pd)) {
                let large = region.size.is_multiple_of(LARGE_PAGE);
                region.vaddr = if large { next.next_multiple_of(LARGE_PAGE) } else { next };
                next = region.vaddr + region.size + PAGE_SIZE;
            }
            assert!(next <= start + size, "the regions of a domain overflow its window");
        }
    }
}

fn driven_by(kind: DeviceKind) -> Role {
    match kind {
        DeviceKind::Disk | DeviceKind::DmaMemory => Role::Vault,
        DeviceKind::Uart => Role::Console,
        DeviceKind::Rtc | DeviceKind::Timer => Role::Clock,
    }
}
