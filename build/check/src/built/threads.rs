//! Which thread of a specification is which domain's. Names are not asked: release images have none. The
//! monitor is the one thread that holds all the others, in the order of the description.

use std::collections::BTreeSet;

use totebox_capdl::{Cap, Error, Object, ObjectId, Spec, Tcb};

/// Who holds something: a domain, by its number in the description; `None` is Microkit's own monitor.
pub type Who = Option<usize>;

pub mod slot {
    pub const CSPACE: u32 = 0;
    pub const VSPACE: u32 = 1;
    pub const IPC_BUFFER: u32 = 4;
    pub const FAULT_ENDPOINT: u32 = 5;
    pub const TIME: u32 = 6;
    pub const NOTIFICATION: u32 = 8;
}

/// Where the monitor holds the threads: from this slot, so many.
const MONITOR_THREADS: std::ops::Range<u32> = 10..74;

const OTHER: &str = "it was built from another description: give its own, or build it anew with `make image`";

pub struct Threads {
    monitor: ObjectId,
    domains: Vec<ObjectId>,
}

impl Threads {
    /// Finds the threads of the domains with these names.
    pub fn of(spec: &Spec, names: &[&str]) -> Result<Threads, Error> {
        understood(spec)?;
        let all: BTreeSet<ObjectId> = threads(spec).map(|(id, _)| id).collect();
        let held = |(id, tcb): (ObjectId, &Tcb)| {
            let Some(Object::CNode(cspace)) = bound(tcb, slot::CSPACE).and_then(|cap| spec.object(cap.object()))
            else {
                return None;
            };
            let mut held: Vec<(u32, ObjectId)> = Vec::new();
            for slot in &cspace.slots {
                if let Cap::Tcb(to) = &slot.cap {
                    held.push((slot.slot, to.object));
                }
            }
            let mut others = held.iter().map(|&(_, thread)| thread).collect::<BTreeSet<_>>();
            others.insert(id);
            (others == all && held.len() + 1 == all.len()).then_some((id, held))
        };
        let mut monitors = threads(spec).filter_map(held);
        let (Some((monitor, mut held)), None) = (monitors.next(), monitors.next()) else {
            return Err(Error::new(
                "no thread, or more than one, holds all the others as Microkit's monitor does",
                OTHER,
            ));
        };
        held.sort_unstable();
        let count = held.len();
        if count != names.len() {
            return Err(Error::new(
                format!("it has {count} protection domains, and the description {}", names.len()),
                OTHER,
            ));
        }
        for ((slot, thread), (number, name)) in held.iter().zip(MONITOR_THREADS.zip(names)) {
            let built = spec.name(*thread).map(|name| name.strip_prefix("tcb_").unwrap_or(name));
            if *slot != number || built.is_some_and(|built| built != *name) {
                let built = built.map_or("in another place".into(), |built| format!("'{built}'"));
                return Err(Error::new(format!("where the description has '{name}', it has {built}"), OTHER));
            }
        }
        Ok(Threads { monitor, domains: held.into_iter().map(|(_, thread)| thread).collect() })
    }

    pub fn all(&self) -> impl Iterator<Item = Who> {
        (0..self.domains.len()).map(Some).chain([None])
    }

    pub fn id(&self, who: Who) -> ObjectId {
        who.map_or(self.monitor, |domain| self.domains[domain])
    }

    pub fn domain(&self, thread: ObjectId) -> Option<usize> {
        self.domains.iter().position(|&id| id == thread)
    }
}

pub fn bound(tcb: &Tcb, number: u32) -> Option<&Cap> {
    tcb.slots.iter().find(|slot| slot.slot == number).map(|slot| &slot.cap)
}

fn threads(spec: &Spec) -> impl Iterator<Item = (ObjectId, &Tcb)> {
    spec.all().filter_map(|(id, object)| match object {
        Object::Tcb(tcb) => Some((id, tcb)),
        _ => None,
    })
}

/// Refuses what is not read here.
fn understood(spec: &Spec) -> Result<(), Error> {
    for (id, object) in spec.all() {
        let what = match object {
            Object::VCpu => "a virtual machine",
            Object::IOSpace(_) | Object::IOPageTable(_) => "an I/O address space",
            Object::Untyped(_) => "untyped memory",
            Object::AsidPool(_) => "an ASID pool",
            Object::DomainSet => "the domain schedule",
            _ => {
                let count = u32::try_from(spec.objects.len()).unwrap_or(u32::MAX);
                if object.slots().iter().any(|slot| slot.cap.object() >= count) {
                    return Err(Error::new(
                        format!(
                            "object {id}, a {}, holds a capability to an object that does not exist",
                            object.kind()
                        ),
                        "build the image anew with `make image`",
                    ));
                }
                continue;
            }
        };
        return Err(Error::new(
            format!("object {id} is {what}, which is not understood in what was built"),
            "check the description alone, with `totebox check`",
        ));
    }
    Ok(())
}
