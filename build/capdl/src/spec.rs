//! A capDL specification: the kernel objects a system begins with, and who holds which capability to them.
//!
//! These are the types of rust-sel4's `sel4-capdl-initializer-types` (v5.0.0, and dbe6445, which Microkit
//! 2.3.0 is built with), declared anew because that crate is in no registry. Their order is the format: in
//! an image they are an rkyv archive. That they are the right ones shows where an image is compared with
//! the JSON the Microkit tool writes beside it, which has the names of everything.

use std::num::NonZero;
use std::ops::Range;

use rkyv::{Archive, Deserialize as Unarchive, Serialize as IntoArchive};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::content::{Fill, FrameInit};

/// The index of an object.
pub type ObjectId = u32;

/// Structs that are read from an image's archive and from the Microkit tool's JSON.
macro_rules! types {
    ($($(#[$meta:meta])* pub struct $name:ident { $($fields:tt)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize, Archive, IntoArchive, Unarchive)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($fields)* }
    )*};
}

types! {
    pub struct Spec {
        pub objects: Vec<NamedObject>,
        /// The interrupts there are handlers for.
        pub irqs: Vec<Irq>,
        /// What runs when.
        pub domain_schedule: Option<Vec<ScheduleEntry>>,
        /// Which entry runs first.
        pub domain_set_start: Option<u64>,
        /// How many entries of the kernel's schedule are left out.
        pub domain_idx_shift: Option<u64>,
        pub asid_slots: Vec<ObjectId>,
        /// The objects that are not made from an untyped object of the specification.
        pub root_objects: Range<ObjectId>,
        pub untyped_covers: Vec<UntypedCover>,
        /// For the initialiser: where it keeps its own capabilities.
        #[serde(default)]
        pub cached_orig_cap_slots: Option<OrigCapSlots>,
        /// For the initialiser: how much it prints.
        #[serde(default)]
        pub log_level: Option<u8>,
    }

    pub struct Irq {
        pub irq: u64,
        pub handler: ObjectId,
    }

    pub struct ScheduleEntry {
        pub domain: u8,
        pub duration: Duration,
    }

    /// An untyped object and what is made from it.
    pub struct UntypedCover {
        pub parent: ObjectId,
        pub children: Range<ObjectId>,
    }

    /// Where the initialiser keeps its own capabilities.
    pub struct OrigCapSlots {
        pub num_occupied: u32,
        pub offsets_by_object: Vec<Option<u32>>,
    }

    pub struct NamedObject {
        /// Its name; a release image has none.
        pub name: Option<String>,
        pub object: Object,
    }

    /// A capability where it lies.
    pub struct Slot {
        /// In which slot of its object.
        pub slot: u32,
        pub cap: Cap,
    }

    /// A capability with nothing but an object.
    pub struct To {
        pub object: ObjectId,
    }

    /// A capability to an endpoint or a notification.
    pub struct BadgedCap {
        pub object: ObjectId,
        /// What the receiver is told of the sender; 0 if nothing.
        pub badge: u64,
        pub rights: Rights,
    }

    pub struct CNodeCap {
        pub object: ObjectId,
        pub guard: u64,
        pub guard_size: u8,
    }

    pub struct FrameCap {
        pub object: ObjectId,
        pub rights: Rights,
        pub cached: bool,
        pub executable: bool,
    }

    /// Memory without a use yet.
    pub struct Untyped {
        pub size_bits: u8,
        pub paddr: Option<u64>,
    }

    /// A table of capabilities.
    pub struct CNode {
        pub size_bits: u8,
        pub slots: Vec<Slot>,
    }

    pub struct Tcb {
        pub slots: Vec<Slot>,
        pub extra: Box<TcbExtra>,
    }

    /// A thread's registers and when it runs.
    pub struct TcbExtra {
        pub ipc_buffer_addr: u64,
        pub affinity: u64,
        pub prio: u8,
        pub max_prio: u8,
        pub fpu_disabled: bool,
        pub resume: bool,
        pub domain: Option<u8>,
        pub ip: u64,
        pub sp: u64,
        pub gprs: Vec<u64>,
        pub master_fault_ep: Option<u64>,
    }

    /// An object with nothing but slots.
    pub struct Slots {
        pub slots: Vec<Slot>,
    }

    /// A page of memory.
    pub struct Frame {
        /// 2 to the power of this is its size.
        pub size_bits: u8,
        /// Its physical address, if it must have one.
        pub paddr: Option<u64>,
        /// What it is filled with. JSON says it in another way; there it is left out.
        #[serde(deserialize_with = "left_out")]
        pub init: FrameInit,
    }

    pub struct PageTable {
        #[serde(default)]
        pub x86_ept: bool,
        pub is_root: bool,
        pub level: Option<u8>,
        pub slots: Vec<Slot>,
    }

    pub struct AsidPool {
        pub high: u64,
    }

    /// A device's address space (x86).
    pub struct IOSpace {
        pub slots: Vec<Slot>,
        pub domain_id: u64,
        pub pci_device: PciDevice,
    }

    /// A device on the PCI bus.
    pub struct PciDevice {
        pub bus: u8,
        pub device: u8,
        pub function: u8,
    }

    /// A table of a device's address space (x86).
    pub struct IOPageTable {
        pub slots: Vec<Slot>,
        pub level: u64,
    }

    pub struct ArmIrq {
        pub slots: Vec<Slot>,
        pub extra: Box<ArmIrqExtra>,
    }

    /// How an ARM interrupt is raised, and on which core.
    pub struct ArmIrqExtra {
        pub trigger: u8,
        pub target: u64,
    }

    pub struct IrqMsi {
        pub slots: Vec<Slot>,
        pub extra: Box<IrqMsiExtra>,
    }

    /// Whose a message-signalled interrupt is.
    pub struct IrqMsiExtra {
        pub handle: u64,
        pub pci_bus: u64,
        pub pci_dev: u64,
        pub pci_func: u64,
    }

    pub struct IrqIOApic {
        pub slots: Vec<Slot>,
        pub extra: Box<IrqIOApicExtra>,
    }

    /// How an interrupt of an I/O APIC is raised.
    pub struct IrqIOApicExtra {
        pub ioapic: u64,
        pub pin: u64,
        pub level: u64,
        pub polarity: u64,
    }

    /// A RISC-V interrupt.
    pub struct RiscvIrq {
        pub slots: Vec<Slot>,
        pub extra: RiscvIrqExtra,
    }

    /// How a RISC-V interrupt is raised.
    pub struct RiscvIrqExtra {
        pub trigger: u8,
    }

    /// A range of I/O ports (x86), both ends included.
    pub struct IOPorts {
        pub start_port: u64,
        pub end_port: u64,
    }

    /// A share of CPU time.
    pub struct SchedContext {
        pub size_bits: u8,
        pub extra: SchedContextExtra,
    }

    /// How much CPU time, in microseconds.
    pub struct SchedContextExtra {
        pub period: u64,
        pub budget: u64,
        pub badge: u64,
    }
}

/// How long a scheduling domain runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Archive, IntoArchive, Unarchive)]
pub enum Duration {
    Ticks(NonZero<u64>),
    Us(NonZero<u64>),
    EndMarker,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Archive, IntoArchive, Unarchive)]
pub enum Object {
    Untyped(Untyped),
    Endpoint,
    Notification,
    CNode(CNode),
    Tcb(Tcb),
    Irq(Slots),
    VCpu,
    Frame(Frame),
    PageTable(PageTable),
    AsidPool(AsidPool),
    IOSpace(IOSpace),
    IOPageTable(IOPageTable),
    ArmIrq(ArmIrq),
    IrqMsi(IrqMsi),
    IrqIOApic(IrqIOApic),
    RiscvIrq(RiscvIrq),
    IOPorts(IOPorts),
    SchedContext(SchedContext),
    Reply,
    ArmSmc,
    DomainSet,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Archive, IntoArchive, Unarchive)]
pub enum Cap {
    Untyped(To),
    Endpoint(BadgedCap),
    Notification(BadgedCap),
    CNode(CNodeCap),
    Tcb(To),
    IrqHandler(To),
    VCpu(To),
    Frame(FrameCap),
    PageTable(To),
    AsidPool(To),
    IOSpace(To),
    IOPageTable(To),
    ArmIrqHandler(To),
    IrqMsiHandler(To),
    IrqIOApicHandler(To),
    RiscvIrqHandler(To),
    IOPorts(To),
    SchedContext(To),
    Reply(To),
    ArmSmc(To),
    DomainSet(To),
}

/// What a capability allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Archive, IntoArchive, Unarchive)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// Receiving or reading.
    pub read: bool,
    /// Sending or writing.
    pub write: bool,
    /// Passing capabilities on.
    pub grant: bool,
    /// Getting an answer.
    pub grant_reply: bool,
}

fn left_out<'de, D: Deserializer<'de>>(from: D) -> Result<FrameInit, D::Error> {
    IgnoredAny::deserialize(from).map(|_| FrameInit::Fill(Fill { entries: Vec::new() }))
}
