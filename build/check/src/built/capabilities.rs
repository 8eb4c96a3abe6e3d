//! Who holds which capability, and what it is for. What a capability is for is told by where it lies and
//! what it leads to; what its holder can do with it, by its rights.

use std::collections::{BTreeMap, HashMap};

use totebox_capdl::{BadgedCap, Cap, Object, ObjectId, Place, Rights, Spec};
use totebox_sdf::{CapKind, IrqSource};

use super::threads::{Threads, Who, bound, slot};

/// The badge of a fault message, and of a protected call.
const FAULT_BADGE: u64 = 1 << 62;
const CALL_BADGE: u64 = 1 << 63;

/// Where a capability lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a slot of what Microkit calls a domain's capability space.
    Slot(u32),
    /// In a slot of the root above it, where <cspace> puts capabilities.
    Root(u32),
    Thread(u32),
}

/// What a capability to an endpoint or a notification is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Receiving what is sent to its holder.
    Receive,
    /// Being told of notifications while receiving.
    Bound,
    Notify,
    Call,
    /// Sending its holder's faults; the kernel uses it.
    Fault,
    /// Nothing: Microkit leaves a copy of the capability above in the holder's reach.
    FaultCopy,
    /// Telling the monitor that a passive domain is ready.
    Ready,
    /// Notifying of an interrupt; the kernel uses it.
    Interrupt,
    /// Giving a passive domain's time to whoever notifies it; the monitor's.
    Time,
    Nothing,
}

impl Purpose {
    pub fn needs(self) -> Rights {
        match self {
            Purpose::Receive | Purpose::Bound => Rights::READ,
            Purpose::Notify | Purpose::Ready | Purpose::Interrupt => Rights::WRITE,
            Purpose::Call | Purpose::Fault => Rights::CALL,
            Purpose::FaultCopy | Purpose::Time | Purpose::Nothing => Rights::NONE,
        }
    }
}

/// A capability to an endpoint or a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub holder: Who,
    /// Where it lies, as a program finds it.
    pub place: Place,
    pub lies: String,
    pub purpose: Purpose,
    /// Whether to an endpoint rather than to a notification.
    pub endpoint: bool,
    pub object: ObjectId,
    /// Who receives there; `None` if nobody does.
    pub owner: Option<Who>,
    pub rights: Rights,
}

impl Grant {
    /// Whether its holder could receive by it what is another's: not by one only the kernel uses.
    pub fn can_steal(&self) -> bool {
        let kernels = matches!(self.purpose, Purpose::Fault | Purpose::Bound | Purpose::Interrupt);
        self.rights.read && self.owner != Some(self.holder) && !kernels
    }

    pub fn kind(&self) -> &'static str {
        if self.endpoint { "endpoint" } else { "notification" }
    }
}

/// One direction of a channel: the ends' domains and ids, and whether it is a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    pub from: (usize, u8),
    pub to: (usize, u8),
    pub call: bool,
}

#[derive(Default)]
pub struct Capabilities {
    pub grants: Vec<Grant>,
    pub halves: Vec<Half>,
    /// Of each domain that has one: its parent, and its number for it.
    pub parents: BTreeMap<usize, (usize, u8)>,
    /// Threads, time and address spaces of others: holder, kind, whose, slot.
    pub caps: Vec<(usize, CapKind, usize, u64)>,
    /// Interrupts: holder, id, which.
    pub irqs: Vec<(usize, u8, IrqSource)>,
    /// I/O ports: holder, id, first, how many.
    pub ports: Vec<(usize, u8, u64, u64)>,
    /// Who may make secure monitor calls.
    pub smc: Vec<usize>,
    /// Whose time the monitor gives away.
    pub passive: Vec<usize>,
    pub amiss: Vec<(Who, String)>,
}

pub fn sort_out(spec: &Spec, threads: &Threads) -> Capabilities {
    let mut sorter = Sorter {
        spec,
        threads,
        notifications: HashMap::new(),
        endpoints: HashMap::new(),
        once: HashMap::new(),
        children: Vec::new(),
        handlers: HashMap::new(),
        found: Capabilities::default(),
    };
    let held: Vec<(Who, At, Place, &Cap)> = threads.all().flat_map(|who| sorter.held(who)).collect();
    // The monitor first: whoever else receives where it does is a thief.
    let (domains, monitor): (Vec<_>, Vec<_>) = held.iter().partition(|(who, ..)| who.is_some());
    for &&(who, at, _, cap) in monitor.iter().chain(&domains) {
        sorter.owners(who, at, cap);
    }
    for &(who, at, place, cap) in &held {
        sorter.sort(who, at, place, cap);
    }
    sorter.interrupts();
    sorter.families();
    sorter.found
}

struct Sorter<'a> {
    spec: &'a Spec,
    threads: &'a Threads,
    /// Who is told of a notification.
    notifications: HashMap<ObjectId, Who>,
    /// Who receives at an endpoint.
    endpoints: HashMap<ObjectId, Who>,
    /// Who holds a thing that only one may hold.
    once: HashMap<ObjectId, Who>,
    /// Threads where a parent has its children's: parent, id, child.
    children: Vec<(usize, u8, usize)>,
    /// Who handles an interrupt, and by which id.
    handlers: HashMap<ObjectId, (usize, u8)>,
    found: Capabilities,
}

impl<'a> Sorter<'a> {
    /// Everything in somebody's reach.
    fn held(&mut self, who: Who) -> Vec<(Who, At, Place, &'a Cap)> {
        let thread = self.threads.id(who);
        let mut held = self.slots(who, thread, At::Thread);
        let root =
            self.slots_of(thread).iter().find(|slot| slot.slot == slot::CSPACE).map(|slot| slot.cap.object());
        let Some(root) = root else { return held };
        if who.is_none() {
            held.extend(self.slots(who, root, At::Slot));
            return held;
        }
        held.extend(self.slots(who, root, At::Root));
        let inner = self.slots_of(root).iter().find(|slot| slot.slot == 0).map(|slot| slot.cap.object());
        held.extend(inner.into_iter().flat_map(|inner| self.slots(who, inner, At::Slot)));
        held
    }

    fn slots_of(&self, object: ObjectId) -> &'a [totebox_capdl::Slot] {
        self.spec.object(object).map_or(&[], Object::slots)
    }

    fn slots(&self, who: Who, object: ObjectId, at: fn(u32) -> At) -> Vec<(Who, At, Place, &'a Cap)> {
        let slots = self.slots_of(object).iter().enumerate();
        slots.map(|(entry, slot)| (who, at(slot.slot), Place { object, entry }, &slot.cap)).collect()
    }

    /// Notes who receives where. The first one does; another one is a thief.
    fn owners(&mut self, who: Who, at: At, cap: &Cap) {
        match (at, cap) {
            (At::Thread(slot::NOTIFICATION), Cap::Notification(cap)) => {
                self.notifications.entry(cap.object).or_insert(who);
            }
            (At::Slot(1), Cap::Endpoint(cap)) => {
                self.endpoints.entry(cap.object).or_insert(who);
            }
            _ => {}
        }
    }

    fn sort(&mut self, who: Who, at: At, place: Place, cap: &Cap) {
        match (cap, who) {
            (Cap::Endpoint(to), _) => self.endpoint(who, at, place, to),
            (Cap::Notification(to), _) => self.notification(who, at, place, to),
            (Cap::Tcb(to), Some(holder)) => self.thread(holder, at, to.object),
            (Cap::SchedContext(to), _) => self.time(who, at, to.object),
            (Cap::PageTable(to), _) => self.address_space(who, at, to.object),
            (Cap::Reply(to), _) => {
                let right = at == At::Slot(if who.is_some() { 4 } else { 2 });
                self.only_one(who, to.object, right, "the object that holds a pending call of", &lies(at));
            }
            (Cap::CNode(to), _) => {
                let inner = who.is_some() && at == At::Root(0);
                let right = at == At::Thread(slot::CSPACE) || inner;
                self.only_one(who, to.object, right && to.guard == 0, "the capabilities of", &lies(at));
            }
            (Cap::ArmIrqHandler(to) | Cap::RiscvIrqHandler(to), Some(holder))
            | (Cap::IrqMsiHandler(to) | Cap::IrqIOApicHandler(to), Some(holder))
                if id(at, 138).is_some() && !self.handlers.contains_key(&to.object) =>
            {
                self.handlers.insert(to.object, (holder, id(at, 138).unwrap_or_default()));
            }
            (Cap::IOPorts(to), Some(holder)) if id(at, 394).is_some() => {
                let Some(Object::IOPorts(ports)) = self.spec.object(to.object) else { return };
                let count = ports.end_port.saturating_sub(ports.start_port).saturating_add(1);
                self.found.ports.push((holder, id(at, 394).unwrap_or_default(), ports.start_port, count));
            }
            (Cap::ArmSmc(_), Some(holder)) if at == At::Slot(7) => self.found.smc.push(holder),
            // The monitor holds every thread; the frame of the IPC buffer is judged with the memory.
            (Cap::Tcb(_), None) => {}
            (Cap::Frame(_), _) if at == At::Thread(slot::IPC_BUFFER) => {}
            _ => {
                let kind = self.spec.object(cap.object()).map_or("nothing", Object::kind);
                self.amiss(
                    who,
                    format!("holds, {}, a capability to {} ({kind})", lies(at), self.called(cap.object())),
                );
            }
        }
    }

    fn endpoint(&mut self, who: Who, at: At, place: Place, cap: &BadgedCap) {
        let owner = self.endpoints.get(&cap.object).copied();
        let fault = self.threads.id(who);
        let fault = match self.spec.object(fault) {
            Some(Object::Tcb(tcb)) => bound(tcb, slot::FAULT_ENDPOINT).map(Cap::object),
            _ => None,
        };
        let purpose = match (at, who) {
            (At::Slot(1), _) if owner == Some(who) => Purpose::Receive,
            (At::Slot(2), Some(_)) if fault == Some(cap.object) => Purpose::FaultCopy,
            (At::Slot(5), Some(_)) if owner == Some(None) => Purpose::Ready,
            (At::Thread(slot::FAULT_ENDPOINT), Some(domain)) if owner.is_some() => {
                self.fault(domain, owner.flatten(), cap.badge);
                Purpose::Fault
            }
            (_, Some(from)) => {
                let called = cap.badge.checked_sub(CALL_BADGE).and_then(|id| u8::try_from(id).ok());
                match (id(at, 74), owner, called) {
                    (Some(mine), Some(Some(to)), Some(theirs)) => {
                        self.found.halves.push(Half { from: (from, mine), to: (to, theirs), call: true });
                        Purpose::Call
                    }
                    _ => Purpose::Nothing,
                }
            }
            _ => Purpose::Nothing,
        };
        self.grant(who, at, place, purpose, cap, (true, owner));
    }

    fn notification(&mut self, who: Who, at: At, place: Place, cap: &BadgedCap) {
        let owner = self.notifications.get(&cap.object).copied();
        let purpose = match (at, who) {
            (At::Slot(1), Some(_)) if owner == Some(who) => Purpose::Receive,
            (At::Thread(slot::NOTIFICATION), Some(_)) if owner == Some(who) => Purpose::Bound,
            (At::Slot(202..266), None) => Purpose::Time,
            (_, Some(from)) => match (id(at, 10), owner, cap.badge.is_power_of_two()) {
                (Some(mine), Some(Some(to)), true) => {
                    let theirs = cap.badge.trailing_zeros() as u8;
                    self.found.halves.push(Half { from: (from, mine), to: (to, theirs), call: false });
                    Purpose::Notify
                }
                _ => Purpose::Nothing,
            },
            _ => Purpose::Nothing,
        };
        self.grant(who, at, place, purpose, cap, (false, owner));
    }

    fn grant(
        &mut self,
        holder: Who,
        at: At,
        place: Place,
        purpose: Purpose,
        cap: &BadgedCap,
        (endpoint, owner): (bool, Option<Who>),
    ) {
        let &BadgedCap { object, rights, .. } = cap;
        self.found.grants.push(Grant { holder, place, lies: lies(at), purpose, endpoint, object, owner, rights });
    }

    fn fault(&mut self, domain: usize, to: Who, badge: u64) {
        let Some(parent) = to else {
            if badge != domain as u64 + 1 {
                self.amiss(Some(domain), format!("has faults that reach the monitor as number {badge}"));
            }
            return;
        };
        match badge.checked_sub(FAULT_BADGE).and_then(|id| u8::try_from(id).ok()) {
            Some(id) => _ = self.found.parents.insert(domain, (parent, id)),
            None => self
                .amiss(Some(domain), format!("has faults that reach its parent as {badge:#x}, which is no child")),
        }
    }

    fn thread(&mut self, holder: usize, at: At, thread: ObjectId) {
        match (at, self.threads.domain(thread), id(at, 202)) {
            (At::Slot(_), Some(child), Some(id)) => self.children.push((holder, id, child)),
            (At::Root(slot), Some(other), _) => self.found.caps.push((holder, CapKind::Tcb, other, slot.into())),
            _ => self.amiss(Some(holder), format!("holds, {}, the thread {}", lies(at), self.called(thread))),
        }
    }

    fn time(&mut self, who: Who, at: At, time: ObjectId) {
        let owner = self.threads.all().find(|&other| self.bound_object(other, slot::TIME) == Some(time));
        match (who, at, owner) {
            (_, At::Thread(slot::TIME), Some(owner)) if owner == who => {}
            (None, At::Slot(138..202), Some(Some(domain))) => self.found.passive.push(domain),
            (Some(holder), At::Root(slot), Some(Some(domain))) => {
                self.found.caps.push((holder, CapKind::Sc, domain, slot.into()));
            }
            _ => self.amiss(who, format!("holds, {}, the CPU time {}", lies(at), self.called(time))),
        }
    }

    fn address_space(&mut self, who: Who, at: At, root: ObjectId) {
        let owner = self.threads.all().find(|&other| self.bound_object(other, slot::VSPACE) == Some(root));
        match (who, at, owner) {
            (_, At::Thread(slot::VSPACE), Some(owner)) if owner == who => {}
            (Some(_), At::Slot(3), Some(owner)) if owner == who => {}
            (Some(holder), At::Root(slot), Some(Some(domain))) => {
                self.found.caps.push((holder, CapKind::VSpace, domain, slot.into()));
            }
            _ => self.amiss(who, format!("holds, {}, the address space {}", lies(at), self.called(root))),
        }
    }

    fn bound_object(&self, who: Who, number: u32) -> Option<ObjectId> {
        self.slots_of(self.threads.id(who)).iter().find(|slot| slot.slot == number).map(|slot| slot.cap.object())
    }

    /// What only one may hold, and only in the right place.
    fn only_one(&mut self, who: Who, object: ObjectId, right: bool, what: &str, lies: &str) {
        match self.once.insert(object, who) {
            None if right => {}
            None => self.amiss(who, format!("holds, {lies}, {what} {}", self.called(object))),
            Some(_) => self.amiss(who, format!("shares, {lies}, {what} somebody else")),
        }
    }

    /// The interrupts, each with who is notified of it.
    fn interrupts(&mut self) {
        for irq in &self.spec.irqs {
            let handler = self.handlers.remove(&irq.handler);
            let source = match self.spec.object(irq.handler) {
                Some(Object::ArmIrq(object)) => IrqSource::Line { irq: irq.irq, edge: object.extra.trigger != 0 },
                Some(Object::RiscvIrq(object)) => {
                    IrqSource::Line { irq: irq.irq, edge: object.extra.trigger != 0 }
                }
                Some(Object::IrqIOApic(object)) => IrqSource::IoApic {
                    ioapic: object.extra.ioapic,
                    pin: object.extra.pin,
                    vector: irq.irq,
                    edge: object.extra.level == 0,
                    low: object.extra.polarity != 0,
                },
                Some(Object::IrqMsi(object)) => {
                    let totebox_capdl::IrqMsiExtra { handle, pci_bus, pci_dev, pci_func } = *object.extra;
                    let pci_device = format!("{pci_bus:x}:{pci_dev:x}.{pci_func:x}");
                    IrqSource::Msi { pci_device, handle, vector: irq.irq }
                }
                _ => {
                    self.amiss(
                        handler.map(|(holder, _)| holder),
                        format!("has interrupt {} without a handler", irq.irq),
                    );
                    continue;
                }
            };
            let mut well = false;
            for (entry, slot) in self.slots_of(irq.handler).iter().enumerate() {
                let Cap::Notification(cap) = &slot.cap else { continue };
                let owner = self.notifications.get(&cap.object).copied();
                let expected = handler.map(|(holder, id)| (Some(Some(holder)), 1_u64.checked_shl(id.into())));
                well = slot.slot == 0 && expected == Some((owner, Some(cap.badge)));
                let purpose = if well { Purpose::Interrupt } else { Purpose::Nothing };
                self.found.grants.push(Grant {
                    holder: handler.map(|(holder, _)| holder),
                    place: Place { object: irq.handler, entry },
                    lies: format!("at interrupt {}", irq.irq),
                    purpose,
                    endpoint: false,
                    object: cap.object,
                    owner,
                    rights: cap.rights,
                });
            }
            match handler {
                Some((holder, id)) if well => self.found.irqs.push((holder, id, source)),
                _ => {
                    let message =
                        format!("has interrupt {}, and it is not its own notification that tells", irq.irq);
                    self.amiss(handler.map(|(holder, _)| holder), message);
                }
            }
        }
        for (object, (holder, _)) in std::mem::take(&mut self.handlers) {
            self.amiss(Some(holder), format!("handles the interrupt {}, which is none", self.called(object)));
        }
    }

    /// Parents and children: who gets faults controls the thread, and the other way round.
    fn families(&mut self) {
        for (parent, id, child) in std::mem::take(&mut self.children) {
            if self.found.parents.get(&child) != Some(&(parent, id)) {
                self.found.caps.push((parent, CapKind::Tcb, child, 202 + u64::from(id)));
            } else {
                self.once.insert(self.threads.id(Some(child)), Some(parent));
            }
        }
        let held = |child: &usize| self.once.contains_key(&self.threads.id(Some(*child)));
        let orphans: Vec<usize> = self.found.parents.keys().copied().filter(|child| !held(child)).collect();
        for child in orphans {
            self.amiss(Some(child), "sends its faults to a domain that does not control it".into());
        }
        let Capabilities { grants, passive, .. } = &mut self.found;
        for grant in grants.iter_mut().filter(|grant| grant.purpose == Purpose::Ready) {
            if !grant.holder.is_some_and(|holder| passive.contains(&holder)) {
                grant.purpose = Purpose::Nothing;
            }
        }
    }

    fn amiss(&mut self, who: Who, what: String) {
        self.found.amiss.push((who, what));
    }

    /// An object, for a person.
    fn called(&self, object: ObjectId) -> String {
        self.spec.name(object).map_or(format!("object {object}"), |name| format!("'{name}'"))
    }
}

/// The id of a channel, an interrupt and so on, where those of its kind begin at a slot.
fn id(at: At, first: u32) -> Option<u8> {
    match at {
        At::Slot(slot) if (first..first + 64).contains(&slot) => Some((slot - first) as u8),
        _ => None,
    }
}

fn lies(at: At) -> String {
    match at {
        At::Slot(slot) => format!("in slot {slot}"),
        At::Root(slot) => format!("in slot {slot} of the root"),
        At::Thread(slot::FAULT_ENDPOINT) => "as the thread's fault endpoint".into(),
        At::Thread(slot::NOTIFICATION) => "as the thread's notification".into(),
        At::Thread(slot) => format!("in slot {slot} of the thread"),
    }
}
