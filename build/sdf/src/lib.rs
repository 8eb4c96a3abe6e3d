//! Reads a Microkit 2.3 system description (`system.xml`) into plain values that know where they stand.
//!
//! The description is read as the Microkit tool reads it, with its defaults, for every architecture. What
//! is unknown, missing, malformed, named twice or refers to nothing is an error, and all errors are
//! reported. What depends on a board or on other files (page sizes, address space limits, overlaps,
//! program images) is not judged here. Values are printable and without quotes, so that whoever speaks of a
//! description can quote its names as they are.

#![forbid(unsafe_code)]

mod element;
mod places;
mod read;
mod resolve;

use std::fmt;
use std::path::{Path, PathBuf};

use totebox_shown::ShowPath;

pub use places::Places;

/// The largest channel, interrupt, I/O port and child id of a protection domain.
pub const ID_MAX: u8 = 61;

/// Protection domains of a system at most, and virtual machines: the Microkit tool's `MAX_PDS` and `MAX_VMS`.
pub const DOMAINS_MAX: usize = 63;

/// Devices with an address space of their own at most. The Microkit tool has no such limit; a board has no more.
pub const IO_SPACES_MAX: usize = 256;

/// A place in the file, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file, as it was named to the reader.
    pub file: PathBuf,
    pub place: Place,
    pub message: String,
}

/// Everything wrong in a system description, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "{}:{line}:{column}: {}", self.file.shown(), self.message)
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
impl std::error::Error for Errors {}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// The memory regions, in the order of the file.
    pub regions: Vec<MemoryRegion>,
    /// The protection domains that are nobody's child; their children are inside them.
    pub protection_domains: Vec<ProtectionDomain>,
    pub channels: Vec<Channel>,
    pub domains: Option<Domains>,
    /// The address spaces of devices behind an IOMMU.
    pub io_address_spaces: Vec<IoAddressSpace>,
}

/// Memory that can be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRegion {
    pub name: String,
    /// Bytes. `None`: what the file it is filled with has, in whole pages.
    pub size: Option<u64>,
    /// Bytes of a page, if the description insists.
    pub page_size: Option<u64>,
    /// Its physical address, if it must have one: a device, or memory shared with one.
    pub phys_addr: Option<u64>,
    /// The file its first bytes come from.
    pub prefill_path: Option<String>,
    /// The kernel's boot information its first bytes come from.
    pub prefill_bootinfo: Option<String>,
    pub place: Place,
}

/// What a mapping allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Perms {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

impl fmt::Display for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, allowed) in [("r", self.read), ("w", self.write), ("x", self.execute)] {
            f.write_str(if allowed { letter } else { "" })?;
        }
        Ok(())
    }
}

/// A region mapped into a protection domain or a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub region: String,
    pub vaddr: u64,
    /// What is allowed; `rw` if the description does not say.
    pub perms: Perms,
    /// Whether through the cache; true if the description does not say.
    pub cached: bool,
    /// The symbol that is given the address.
    pub setvar_vaddr: Option<String>,
    /// The symbol that is given the region's size.
    pub setvar_size: Option<String>,
    /// The symbol that is given the size of the file the region is filled with.
    pub setvar_prefill_size: Option<String>,
    pub place: Place,
}

/// When a thread runs. Defaults are the Microkit tool's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// 0 to 254; the highest runs.
    pub priority: u8,
    /// Microseconds of CPU it may use in a period.
    pub budget_us: u64,
    /// Microseconds.
    pub period_us: u64,
}

/// A protection domain: one thread and what it may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectionDomain {
    pub name: String,
    /// Its number for its parent, if it is a child.
    pub id: Option<u8>,
    /// The symbol in the parent that is given `id`.
    pub setvar_id: Option<String>,
    pub scheduling: Scheduling,
    /// Whether it only runs on its callers' time.
    pub passive: bool,
    /// Bytes.
    pub stack_size: u64,
    /// Whether it may make secure monitor calls.
    pub smc: bool,
    pub cpu: u8,
    pub domain: Option<String>,
    /// Whether it may use the floating point unit.
    pub fpu: bool,
    pub program_image: String,
    /// The program its symbols are looked up in, if not the same.
    pub program_image_for_symbols: Option<String>,
    pub maps: Vec<Map>,
    pub irqs: Vec<Irq>,
    pub ioports: Vec<IoPort>,
    /// Symbols that are given a region's physical address.
    pub setvars: Vec<SetVar>,
    /// Capabilities of other protection domains it is given.
    pub caps: Vec<Cap>,
    pub virtual_machine: Option<VirtualMachine>,
    /// The protection domains whose faults it gets and whose threads it controls.
    pub children: Vec<ProtectionDomain>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Irq {
    pub id: u8,
    pub source: IrqSource,
    pub setvar_id: Option<String>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IrqSource {
    /// Of the interrupt controller of an ARM or RISC-V machine.
    Line { irq: u64, edge: bool },
    IoApic {
        ioapic: u64,
        pin: u64,
        /// The vector it raises.
        vector: u64,
        edge: bool,
        /// Active low rather than high.
        low: bool,
    },
    Msi {
        /// The device, as bus:device.function.
        pci_device: String,
        handle: u64,
        /// The vector it raises.
        vector: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoPort {
    pub id: u8,
    pub addr: u64,
    pub size: u64,
    pub setvar_id: Option<String>,
    pub setvar_addr: Option<String>,
    pub place: Place,
}

/// A symbol that is given the physical address of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetVar {
    pub symbol: String,
    pub region_paddr: String,
    pub place: Place,
}

/// Which capability of a protection domain another one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CapKind {
    Tcb,
    Sc,
    VSpace,
}

/// A capability of another protection domain, in the owner's `cspace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    pub kind: CapKind,
    pub pd: String,
    pub slot: u64,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualMachine {
    pub name: String,
    /// When it runs (ARM).
    pub scheduling: Scheduling,
    pub vcpus: Vec<Vcpu>,
    pub maps: Vec<Map>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vcpu {
    /// Its number for the monitor.
    pub id: u8,
    /// The core it runs on; the monitor's if the description does not say.
    pub cpu: Option<u8>,
    pub setvar_id: Option<String>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub pd: String,
    pub id: u8,
    /// Whether it may make protected calls to the other end.
    pub pp: bool,
    /// Whether it may notify the other end; true if the description does not say.
    pub notify: bool,
    pub setvar_id: Option<String>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub ends: [End; 2],
    pub place: Place,
}

/// Scheduling domains: time partitions of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    pub domains: Vec<DomainName>,
    pub schedule: Vec<ScheduleEntry>,
    pub start_index: u64,
    /// The kernel's schedule entries to leave out before the first.
    pub index_shift: Option<u64>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainName {
    pub name: String,
    /// Its number; chosen by the Microkit tool if the description does not say.
    pub id: Option<u8>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleEntry {
    /// The scheduling domain that runs; `None` is the end marker.
    pub domain: Option<String>,
    /// For how long.
    pub duration: u64,
    /// Whether `duration` is in timer ticks rather than in microseconds.
    pub ticks: bool,
    pub place: Place,
}

/// The memory a device behind an IOMMU may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoAddressSpace {
    pub name: String,
    /// The device, as the machine's IOMMU names it.
    pub peripheral_id: String,
    /// The IOMMU's domain (x86).
    pub domain_id: Option<u64>,
    pub maps: Vec<IoMap>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoMap {
    pub region: String,
    pub iovaddr: u64,
    /// What is allowed; `rw` if the description does not say.
    pub perms: Perms,
    pub place: Place,
}

impl System {
    /// Reads a system description. `file` is only named in errors.
    pub fn parse(file: &Path, xml: &str) -> Result<System, Errors> {
        read::system(file, xml)
    }

    /// Every protection domain with its parent, in the order of the file.
    pub fn all_protection_domains(&self) -> Vec<(&ProtectionDomain, Option<&ProtectionDomain>)> {
        fn add<'a>(
            pds: &'a [ProtectionDomain],
            parent: Option<&'a ProtectionDomain>,
            all: &mut Vec<(&'a ProtectionDomain, Option<&'a ProtectionDomain>)>,
        ) {
            for pd in pds {
                all.push((pd, parent));
                add(&pd.children, Some(pd), all);
            }
        }
        let mut all = Vec::new();
        add(&self.protection_domains, None, &mut all);
        all
    }

    /// Whether it names something only x86 has. A description does not say its architecture.
    pub fn is_for_x86(&self) -> bool {
        self.all_protection_domains().iter().any(|(pd, _)| {
            !pd.ioports.is_empty() || pd.irqs.iter().any(|irq| !matches!(irq.source, IrqSource::Line { .. }))
        })
    }

    pub fn protection_domain(&self, name: &str) -> Option<&ProtectionDomain> {
        self.all_protection_domains().into_iter().map(|(pd, _)| pd).find(|pd| pd.name == name)
    }

    pub fn region(&self, name: &str) -> Option<&MemoryRegion> {
        self.regions.iter().find(|region| region.name == name)
    }
}
