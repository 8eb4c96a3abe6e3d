//! Reads the capabilities a Microkit system begins with, and lowers their rights: from the JSON the Microkit
//! tool writes (`--capdl-json`), and from the finished image, which is the ground truth.
//!
//! This crate knows the formats and judges nothing. What capabilities mean in a system, and which rights
//! they need, is said by `totebox`.

#![forbid(unsafe_code)]

mod boot;
mod content;
mod elf;
mod image;
mod json;
mod spec;
#[cfg(feature = "testing")]
pub mod testing;

use std::fmt;

use totebox_shown::Shown;

pub use boot::{Difference, Programs};
pub use content::*;
pub use image::Image;
pub use json::Json;
pub use spec::*;

/// Why a file is not what it was taken for, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Where in the file, and what.
    pub message: String,
    pub help: String,
}

impl Error {
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Error {
        Error { message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    {}", Shown(&self.message), Shown(&self.help))
    }
}

impl std::error::Error for Error {}

/// A place where a capability lies: the object, and the how-manieth of its slots that are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub object: ObjectId,
    /// The index among its filled slots.
    pub entry: usize,
}

/// The rights a capability is to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lowering {
    /// Where the capability lies.
    pub place: Place,
    /// What it keeps.
    pub rights: Rights,
}

impl Spec {
    pub fn object(&self, id: ObjectId) -> Option<&Object> {
        Some(&self.objects.get(usize::try_from(id).ok()?)?.object)
    }

    /// The name of an object, if the specification has one.
    pub fn name(&self, id: ObjectId) -> Option<&str> {
        self.objects.get(usize::try_from(id).ok()?)?.name.as_deref()
    }

    pub fn all(&self) -> impl Iterator<Item = (ObjectId, &Object)> {
        (0..).zip(self.objects.iter().map(|named| &named.object))
    }

    /// The same with lower rights. Nothing else differs, and nothing more is allowed.
    fn lowered(mut self, lowerings: &[Lowering]) -> Result<Spec, Error> {
        for &Lowering { place, rights } in lowerings {
            let object = usize::try_from(place.object).ok().and_then(|index| self.objects.get_mut(index));
            let slot = object.and_then(|named| named.object.slots_mut()?.get_mut(place.entry));
            let old = slot.and_then(|slot| slot.cap.rights_mut());
            let old = old.filter(|old| old.includes(rights)).ok_or_else(|| {
                Error::new(
                    format!("there are no rights to lower at entry {} of object {}", place.entry, place.object),
                    "this is a mistake of the program: please report it",
                )
            })?;
            *old = rights;
        }
        Ok(self)
    }
}

impl Object {
    pub fn slots(&self) -> &[Slot] {
        match self {
            Object::CNode(CNode { slots, .. })
            | Object::Tcb(Tcb { slots, .. })
            | Object::Irq(Slots { slots })
            | Object::PageTable(PageTable { slots, .. })
            | Object::IOSpace(IOSpace { slots, .. })
            | Object::IOPageTable(IOPageTable { slots, .. })
            | Object::ArmIrq(ArmIrq { slots, .. })
            | Object::IrqMsi(IrqMsi { slots, .. })
            | Object::IrqIOApic(IrqIOApic { slots, .. })
            | Object::RiscvIrq(RiscvIrq { slots, .. }) => slots,
            _ => &[],
        }
    }

    fn slots_mut(&mut self) -> Option<&mut Vec<Slot>> {
        match self {
            Object::CNode(CNode { slots, .. })
            | Object::Tcb(Tcb { slots, .. })
            | Object::Irq(Slots { slots })
            | Object::ArmIrq(ArmIrq { slots, .. })
            | Object::IrqMsi(IrqMsi { slots, .. })
            | Object::IrqIOApic(IrqIOApic { slots, .. })
            | Object::RiscvIrq(RiscvIrq { slots, .. }) => Some(slots),
            _ => None, // Page tables and devices' address spaces hold frames, whose rights stay.
        }
    }

    /// What it is, in a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            Object::Untyped(_) => "untyped memory",
            Object::Endpoint => "endpoint",
            Object::Notification => "notification",
            Object::CNode(_) => "CNode",
            Object::Tcb(_) => "thread",
            Object::Irq(_)
            | Object::ArmIrq(_)
            | Object::IrqMsi(_)
            | Object::IrqIOApic(_)
            | Object::RiscvIrq(_) => "interrupt",
            Object::VCpu => "virtual CPU",
            Object::Frame(_) => "frame",
            Object::PageTable(_) => "page table",
            Object::AsidPool(_) => "ASID pool",
            Object::IOSpace(_) => "I/O address space",
            Object::IOPageTable(_) => "I/O page table",
            Object::IOPorts(_) => "I/O ports",
            Object::SchedContext(_) => "scheduling context",
            Object::Reply => "reply object",
            Object::ArmSmc => "secure monitor",
            Object::DomainSet => "domain schedule",
        }
    }
}

impl Cap {
    pub fn object(&self) -> ObjectId {
        match self {
            Cap::Endpoint(cap) | Cap::Notification(cap) => cap.object,
            Cap::CNode(cap) => cap.object,
            Cap::Frame(cap) => cap.object,
            Cap::Untyped(cap)
            | Cap::Tcb(cap)
            | Cap::IrqHandler(cap)
            | Cap::VCpu(cap)
            | Cap::PageTable(cap)
            | Cap::AsidPool(cap)
            | Cap::IOSpace(cap)
            | Cap::IOPageTable(cap)
            | Cap::ArmIrqHandler(cap)
            | Cap::IrqMsiHandler(cap)
            | Cap::IrqIOApicHandler(cap)
            | Cap::RiscvIrqHandler(cap)
            | Cap::IOPorts(cap)
            | Cap::SchedContext(cap)
            | Cap::Reply(cap)
            | Cap::ArmSmc(cap)
            | Cap::DomainSet(cap) => cap.object,
        }
    }

    fn rights_mut(&mut self) -> Option<&mut Rights> {
        match self {
            Cap::Endpoint(cap) | Cap::Notification(cap) => Some(&mut cap.rights),
            _ => None,
        }
    }
}

impl Rights {
    pub const NONE: Rights = Rights { read: false, write: false, grant: false, grant_reply: false };
    /// Receiving.
    pub const READ: Rights = Rights { read: true, ..Rights::NONE };
    /// Sending, or notifying.
    pub const WRITE: Rights = Rights { write: true, ..Rights::NONE };
    pub const CALL: Rights = Rights { write: true, grant_reply: true, ..Rights::NONE };

    fn named(self) -> [(&'static str, bool); 4] {
        [("read", self.read), ("write", self.write), ("grant", self.grant), ("grant_reply", self.grant_reply)]
    }

    /// What the kernel makes of it: who may pass capabilities on may also get an answer.
    fn effective(self) -> Rights {
        Rights { grant_reply: self.grant_reply || self.grant, ..self }
    }

    /// Whether it allows everything that `other` allows.
    pub fn includes(self, other: Rights) -> bool {
        let (mine, theirs) = (self.effective().named(), other.effective().named());
        mine.into_iter().zip(theirs).all(|((_, mine), (_, theirs))| mine || !theirs)
    }

    pub fn both(self, other: Rights) -> Rights {
        let (mine, theirs) = (self.effective(), other.effective());
        Rights {
            read: mine.read && theirs.read,
            write: mine.write && theirs.write,
            grant: mine.grant && theirs.grant,
            grant_reply: mine.grant_reply && theirs.grant_reply,
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has: Vec<String> =
            self.named().iter().filter(|(_, has)| *has).map(|(name, _)| name.replace('_', "-")).collect();
        f.write_str(if has.is_empty() { "nothing" } else { "" })?;
        f.write_str(&has.join("+"))
    }
}
