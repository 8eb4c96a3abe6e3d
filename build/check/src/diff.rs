//! `totebox diff`: what authority changed between two system descriptions, in words. What only moved (an
//! address in a domain, a channel's id, an order, a comment) changed nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use totebox_sdf::{IrqSource, MemoryRegion, Perms, System};

use crate::authority::{Authority, Control, How, SubjectKind};
use crate::list;
use totebox_common::units::{share_ppm, show_share, show_size};

/// In which direction something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Somebody can do something they could not.
    Gained,
    /// Something is larger, smaller or otherwise different.
    Changed,
    /// Somebody can no longer do something.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub kind: Kind,
    /// Whom or which region it concerns.
    pub subject: String,
    /// The change, as a sentence without its full stop.
    pub text: String,
}

/// What may change. The order is that of the changes of one direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Exists(String),
    Program(String),
    Acts(String, String, How),
    Access { who: String, region: String, by_device: bool },
    Interrupt(String, String),
    Ports(String, String),
    SecureMonitor(String),
    Priority(String),
    Cpu(String),
    Core(String),
    SchedulingDomain(String),
    Passive(String),
    Size(String),
    Address(String),
    Content(String),
    Schedule,
}

/// How a fact stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Yes,
    Number(u64),
    Text(String),
    Access(Perms, bool),
    /// Microseconds in a period of so many.
    Budget(u64, u64),
}

/// What changed from one description to another: first what was gained, then what changed, then what was lost.
pub fn diff(old: &System, new: &System) -> Vec<Change> {
    let (authority, was) = (Authority::of(new), Authority::of(old));
    let (before, after) = (facts(old, &was), facts(new, &authority));
    let mut changes = Vec::new();
    let mut add = |kind, fact: &Fact, text: Option<String>| {
        changes.extend(text.map(|text| Change { kind, subject: subject(fact).to_owned(), text }));
    };
    for (fact, value) in &after {
        match before.get(fact) {
            None => add(Kind::Gained, fact, gained(fact, value, new, &authority)),
            Some(old) if old != value => add(Kind::Changed, fact, changed(fact, old, value, new, &authority)),
            Some(_) => {}
        }
    }
    for (fact, value) in before.iter().filter(|(fact, _)| !after.contains_key(fact)) {
        add(Kind::Lost, fact, lost(fact, value, new));
    }
    changes.sort_by_key(|change| change.kind);
    changes
}

fn facts(system: &System, authority: &Authority) -> BTreeMap<Fact, Value> {
    let mut facts = BTreeMap::new();
    let name = |subject: usize| authority.name(subject).to_owned();
    for subject in &authority.subjects {
        facts.insert(Fact::Exists(subject.name.clone()), Value::Yes);
    }
    for edge in &authority.edges {
        // Writing is told by the accesses, answers and faults by calls and parents.
        if matches!(edge.how, How::Signal | How::Call | How::Control(_)) {
            facts.insert(Fact::Acts(name(edge.from), name(edge.to), edge.how.clone()), Value::Yes);
        }
    }
    for access in &authority.accesses {
        let region = system.regions[access.region].name.clone();
        let fact = Fact::Access { who: name(access.subject), region, by_device: access.vaddr.is_none() };
        let value = facts.entry(fact).or_insert(Value::Access(Perms::default(), true));
        if let Value::Access(perms, cached) = value {
            perms.read |= access.perms.read;
            perms.write |= access.perms.write;
            perms.execute |= access.perms.execute;
            *cached &= access.cached;
        }
    }
    for (pd, _) in system.all_protection_domains() {
        let who = || pd.name.clone();
        facts.insert(Fact::Program(who()), Value::Text(pd.program_image.clone()));
        facts.insert(Fact::Priority(who()), Value::Number(pd.scheduling.priority.into()));
        facts.insert(Fact::Cpu(who()), Value::Budget(pd.scheduling.budget_us, pd.scheduling.period_us));
        facts.insert(Fact::Core(who()), Value::Number(pd.cpu.into()));
        facts.insert(Fact::SchedulingDomain(who()), Value::Text(pd.domain.clone().unwrap_or("none".into())));
        if pd.passive {
            facts.insert(Fact::Passive(who()), Value::Yes);
        }
        if pd.smc {
            facts.insert(Fact::SecureMonitor(who()), Value::Yes);
        }
        for irq in &pd.irqs {
            let interrupt = match &irq.source {
                IrqSource::Line { irq, .. } => format!("{irq}"),
                IrqSource::IoApic { ioapic, pin, .. } => format!("pin {pin} of I/O APIC {ioapic}"),
                IrqSource::Msi { pci_device, handle, .. } => format!("MSI {handle} of {pci_device}"),
            };
            facts.insert(Fact::Interrupt(who(), interrupt), Value::Yes);
        }
        for port in &pd.ioports {
            let last = port.addr.saturating_add(port.size.saturating_sub(1));
            facts.insert(Fact::Ports(who(), format!("{:#x} to {last:#x}", port.addr)), Value::Yes);
        }
    }
    for MemoryRegion { name, size, phys_addr, prefill_path, prefill_bootinfo, .. } in &system.regions {
        facts.extend(size.map(|size| (Fact::Size(name.clone()), Value::Number(size))));
        facts.extend(phys_addr.map(|address| (Fact::Address(name.clone()), Value::Number(address))));
        let content = prefill_path.clone().or(prefill_bootinfo.clone());
        facts.extend(content.map(|content| (Fact::Content(name.clone()), Value::Text(content))));
    }
    if let Some(domains) = &system.domains {
        let entry = |entry: &totebox_sdf::ScheduleEntry| {
            let unit = if entry.ticks { "ticks" } else { "us" };
            format!("{} {} {unit}", entry.domain.as_deref().unwrap_or("end"), entry.duration)
        };
        let schedule: Vec<String> = domains.schedule.iter().map(entry).collect();
        facts.insert(Fact::Schedule, Value::Text(schedule.join(", ")));
    }
    facts
}

fn subject(fact: &Fact) -> &str {
    match fact {
        Fact::Exists(who) | Fact::Program(who) | Fact::Acts(who, ..) | Fact::Access { who, .. } => who,
        Fact::Interrupt(who, _) | Fact::Ports(who, _) | Fact::SecureMonitor(who) | Fact::Priority(who) => who,
        Fact::Cpu(who) | Fact::Core(who) | Fact::SchedulingDomain(who) | Fact::Passive(who) => who,
        Fact::Size(region) | Fact::Address(region) | Fact::Content(region) => region,
        Fact::Schedule => "schedule",
    }
}

fn gained(fact: &Fact, value: &Value, new: &System, authority: &Authority) -> Option<String> {
    Some(match (fact, value) {
        (Fact::Exists(who), _) => format!("'{who}' is new"),
        (Fact::Acts(from, to, how), _) => format!("'{from}' can now {}", does(how, to)),
        (Fact::Access { who, region, by_device: true }, _) => {
            format!("'{who}' is now told the physical address of '{region}', to tell its device")
        }
        (Fact::Access { who, region, .. }, Value::Access(perms, _)) => {
            let peers = peers(who, region, *perms, new, authority);
            format!("'{who}' can now {} '{region}'{peers}", verbs(*perms))
        }
        (Fact::Interrupt(who, interrupt), _) => format!("'{who}' now gets interrupt {interrupt}"),
        (Fact::Ports(who, ports), _) => format!("'{who}' can now use the I/O ports {ports}"),
        (Fact::SecureMonitor(who), _) => format!("'{who}' can now make secure monitor calls"),
        (Fact::Passive(who), _) if was_there(who, new) => {
            format!("'{who}' now runs on the time of its callers only")
        }
        (Fact::Address(region), Value::Number(address)) => {
            format!("'{region}' is now at the physical address {address:#x}")
        }
        (Fact::Content(region), Value::Text(content)) => format!("'{region}' is now filled from {content}"),
        (Fact::Schedule, Value::Text(schedule)) => format!("scheduling domains now run by a schedule: {schedule}"),
        _ => return None, // Told by what it belongs to.
    })
}

fn was_there(who: &str, system: &System) -> bool {
    system.protection_domain(who).is_some()
}

fn lost(fact: &Fact, value: &Value, new: &System) -> Option<String> {
    Some(match (fact, value) {
        (Fact::Exists(who), _) => format!("'{who}' is gone"),
        (Fact::Acts(from, to, how), _) => format!("'{from}' can no longer {}", does(how, to)),
        (Fact::Access { who, region, by_device: true }, _) => {
            format!("'{who}' is no longer told the physical address of '{region}'")
        }
        (Fact::Access { who, region, .. }, Value::Access(perms, _)) => {
            format!("'{who}' can no longer {} '{region}'", verbs(*perms))
        }
        (Fact::Interrupt(who, interrupt), _) => format!("'{who}' no longer gets interrupt {interrupt}"),
        (Fact::Ports(who, ports), _) => format!("'{who}' can no longer use the I/O ports {ports}"),
        (Fact::SecureMonitor(who), _) => format!("'{who}' can no longer make secure monitor calls"),
        (Fact::Passive(who), _) if was_there(who, new) => format!("'{who}' now runs on its own time"),
        (Fact::Address(region), _) if new.region(region).is_some() => {
            format!("'{region}' no longer has a physical address of its own")
        }
        (Fact::Content(region), _) if new.region(region).is_some() => format!("'{region}' is no longer filled"),
        (Fact::Schedule, _) => "there is no schedule of scheduling domains any more".into(),
        _ => return None,
    })
}

fn changed(fact: &Fact, old: &Value, value: &Value, new: &System, authority: &Authority) -> Option<String> {
    use Value::*;
    Some(match (fact, old, value) {
        (Fact::Access { who, region, .. }, Access(was, was_cached), Access(perms, cached)) => {
            let cache = match (was_cached, cached) {
                (false, true) => ", now through the cache",
                (true, false) => ", now past the cache",
                _ => "",
            };
            if was == perms {
                format!("'{who}' maps '{region}' as before{cache}")
            } else {
                let peers = peers(who, region, *perms, new, authority);
                let could = if wider(*was, *perms) { "could" } else { "could only" };
                let (now, before) = (verbs(*perms), verbs(*was));
                format!("'{who}' can now {now} '{region}'{peers}, and {could} {before}{cache}")
            }
        }
        (Fact::Program(who), Text(was), Text(is)) => format!("'{who}' now runs {is}, and ran {was}"),
        (Fact::Priority(who), Number(was), Number(is)) => {
            format!("the priority of '{who}' {} from {was} to {is}", if is > was { "rose" } else { "fell" })
        }
        (Fact::Cpu(who), Budget(was, was_period), Budget(is, period)) => {
            let (was_share, share) = (share_ppm(*was, *was_period), share_ppm(*is, *period));
            let (from, to) = (show_share(was_share), show_share(share));
            let now = format!("{is} us in every {period} us");
            match share.cmp(&was_share) {
                std::cmp::Ordering::Greater => format!("the CPU share of '{who}' grew from {from} to {to}, {now}"),
                std::cmp::Ordering::Less => format!("the CPU share of '{who}' shrank from {from} to {to}, {now}"),
                std::cmp::Ordering::Equal => format!("the CPU share of '{who}', {to}, is now {now}"),
            }
        }
        (Fact::Core(who), Number(was), Number(is)) => {
            format!("'{who}' now runs on core {is}, and ran on core {was}")
        }
        (Fact::SchedulingDomain(who), Text(was), Text(is)) => {
            format!("the scheduling domain of '{who}' is now {is}, and was {was}")
        }
        (Fact::Size(region), Number(was), Number(is)) => {
            let grew = if is > was { "grew" } else { "shrank" };
            let users = users(region, new, authority);
            format!("'{region}'{users} {grew} from {} to {}", show_size(*was), show_size(*is))
        }
        (Fact::Address(region), Number(was), Number(is)) => {
            format!("'{region}' is now at the physical address {is:#x}, and was at {was:#x}")
        }
        (Fact::Content(region), Text(was), Text(is)) => {
            format!("'{region}' is now filled from {is}, and was from {was}")
        }
        (Fact::Schedule, Text(was), Text(is)) => format!("the schedule is now {is}; it was {was}"),
        _ => return None,
    })
}

/// Whether `was` allowed something that `is` does not.
fn wider(was: Perms, is: Perms) -> bool {
    was.read && !is.read || was.write && !is.write || was.execute && !is.execute
}

fn does(how: &How, to: &str) -> String {
    match how {
        How::Signal => format!("notify '{to}'"),
        How::Call => format!("call '{to}'"),
        How::Control(Control::Parent) => format!("control '{to}' as its parent, and gets its faults"),
        How::Control(Control::Thread) => format!("stop '{to}' and set its registers"),
        How::Control(Control::Time) => format!("take the CPU time of '{to}'"),
        How::Control(Control::Memory) => format!("map into '{to}' and unmap from it"),
        How::Write(_) | How::Answer | How::Fault => unreachable!("told by accesses, calls and parents"),
    }
}

fn verbs(perms: Perms) -> String {
    let verbs = [(perms.read, "read"), (perms.write, "write"), (perms.execute, "execute")];
    let verbs: Vec<&str> = verbs.into_iter().filter(|&(allowed, _)| allowed).map(|(_, verb)| verb).collect();
    if verbs.is_empty() { "map".into() } else { verbs.join(" and ") }
}

/// ", which 'vault' writes" for somebody who reads; ", which 'vault' reads" for somebody who writes.
fn peers(who: &str, region: &str, perms: Perms, system: &System, authority: &Authority) -> String {
    let [writers, readers] = by(region, system, authority);
    let others = |names: Vec<String>| names.into_iter().filter(|name| name != who).collect::<Vec<_>>();
    let (names, verb) = if perms.write { (others(readers), "reads") } else { (others(writers), "writes") };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.len() {
        0 => String::new(),
        1 => format!(", which {} {verb}", list(&names)),
        _ => format!(", which {} {}", list(&names), verb.trim_end_matches('s')),
    }
}

/// ", which 'a' writes and 'b' reads,".
fn users(region: &str, system: &System, authority: &Authority) -> String {
    let [writers, readers] = by(region, system, authority);
    let part = |names: &[String], verb: &str| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let verb = if names.len() == 1 { format!("{verb}s") } else { verb.to_owned() };
        (!names.is_empty()).then(|| format!("{} {verb}", list(&names)))
    };
    let parts: Vec<String> = [part(&writers, "write"), part(&readers, "read")].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(", which {},", parts.join(" and ")) }
}

/// Who writes a region, and who only reads it.
fn by(region: &str, system: &System, authority: &Authority) -> [Vec<String>; 2] {
    let mut by = [vec![], vec![]];
    for access in authority.accesses.iter().filter(|access| system.regions[access.region].name == region) {
        let subject = &authority.subjects[access.subject];
        let names: &mut Vec<String> = &mut by[usize::from(!access.perms.write)];
        if !names.contains(&subject.name) && subject.kind != SubjectKind::Device {
            names.push(subject.name.clone());
        }
    }
    by
}
