//! What was built against what is declared: both are said as statements with values, and compared.

use std::collections::BTreeMap;

use totebox_sdf::{CapKind, IrqSource, Map, MemoryRegion, Place, ProtectionDomain, ScheduleEntry, System};

use super::Built;
use super::memory::is_own;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Who and what is involved.
    pub names: Vec<String>,
    /// The difference, as a sentence without its full stop.
    pub message: String,
    /// Where the description speaks of it, or of its owner.
    pub place: Place,
}

/// Something a description says: whose, what of it, how it stands.
struct Statement {
    names: Vec<String>,
    value: String,
    place: Place,
}

/// Every difference between what was built and its description.
pub fn compare(built: &Built, declared: &System) -> Vec<Difference> {
    let (is, says) = (statements(&built.system, declared), statements(declared, declared));
    let mut differences = Vec::new();
    let mut add = |statement: &Statement, message: String| {
        differences.push(Difference { names: statement.names.clone(), message, place: statement.place });
    };
    let with =
        |what: &str, value: &str| if value.is_empty() { what.to_owned() } else { format!("{what} {value}") };
    for (what, statement) in &is {
        match says.get(what) {
            None => add(statement, format!("{}, which is not declared", with(what, &statement.value))),
            Some(declared) if declared.value != statement.value => {
                add(declared, format!("{}, and {} is declared", with(what, &statement.value), declared.value));
            }
            Some(_) => {}
        }
    }
    for (what, statement) in says.iter().filter(|(what, _)| !is.contains_key(*what)) {
        add(statement, format!("what is declared was not built: {}", with(what, &statement.value)));
    }
    for (who, what) in &built.amiss {
        let domain = who.as_ref().and_then(|who| declared.protection_domain(who));
        let message = who.as_ref().map_or(format!("the monitor {what}"), |who| format!("'{who}' {what}"));
        let place = domain.map_or(Place::default(), |domain| domain.place);
        differences.push(Difference { names: who.iter().cloned().collect(), message, place });
    }
    differences
}

/// Everything a description says that capabilities can show.
fn statements(system: &System, declared: &System) -> BTreeMap<String, Statement> {
    let mut all = BTreeMap::new();
    let mut say = |names: &[&str], place: Place, what: String, value: String| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        all.insert(what, Statement { names, value, place });
    };
    for (domain, parent) in system.all_protection_domains() {
        of_domain(domain, declared, &mut say);
        if let (Some(parent), Some(id)) = (parent, domain.id) {
            let what = format!("'{}' controls '{}' as its parent", parent.name, domain.name);
            say(&[&parent.name, &domain.name], domain.place, what, format!("by number {id}"));
        }
    }
    let mapped = |region: &&MemoryRegion| {
        let mut domains = system.all_protection_domains().into_iter();
        domains.any(|(domain, _)| domain.maps.iter().any(|map| map.region == region.name))
    };
    // Of what is no declared region its maps are told.
    for region in system.regions.iter().filter(mapped) {
        let name = region.name.as_str();
        let Some(declared) = declared.region(name) else { continue };
        if let (Some(size), Some(_)) = (region.size, declared.size) {
            say(&[name], region.place, format!("the region '{name}' has"), format!("{size:#x} bytes"));
        }
        if let Some(address) = region.phys_addr {
            say(
                &[name],
                region.place,
                format!("the region '{name}' lies at the physical address"),
                format!("{address:#x}"),
            );
        }
    }
    for channel in &system.channels {
        let [a, b] = &channel.ends;
        for (from, to) in [(a, b), (b, a)] {
            for (may, verb) in [(from.notify, "notify"), (from.pp, "call")] {
                if may {
                    let what = format!("'{}' can {verb} '{}' by channel {}", from.pd, to.pd, from.id);
                    say(&[&from.pd, &to.pd], from.place, what, format!("as channel {}", to.id));
                }
            }
        }
    }
    if let Some(domains) = &system.domains {
        let entry = |entry: &ScheduleEntry| {
            let unit = if entry.ticks { "ticks" } else { "us" };
            entry.domain.as_ref().map_or("end".into(), |domain| format!("{domain} {} {unit}", entry.duration))
        };
        let schedule: Vec<String> = domains.schedule.iter().map(entry).collect();
        let (start, shift) = (domains.start_index, domains.index_shift.unwrap_or(0));
        let value = format!("{}, from {start}, shifted by {shift}", schedule.join(", "));
        say(&[], domains.place, "the schedule of scheduling domains is".into(), value);
    }
    all
}

fn of_domain(domain: &ProtectionDomain, declared: &System, say: &mut impl FnMut(&[&str], Place, String, String)) {
    let (name, place) = (domain.name.as_str(), domain.place);
    let mut of = |what: String, value: String| say(&[name], place, format!("'{name}' {what}"), value);
    let scheduling = domain.scheduling;
    of("has the priority".into(), scheduling.priority.to_string());
    of("may run".into(), format!("{} us in every {} us", scheduling.budget_us, scheduling.period_us));
    of("runs on core".into(), domain.cpu.to_string());
    of("has a stack of".into(), format!("{:#x} bytes", domain.stack_size));
    for (has, what) in [
        (domain.passive, "runs on its callers' time only"),
        (domain.smc, "may make secure monitor calls"),
        (domain.fpu, "may use the floating point unit"),
    ] {
        if has {
            of(what.into(), String::new());
        }
    }
    if let Some(scheduling_domain) = &domain.domain {
        of("runs in the scheduling domain".into(), format!("'{scheduling_domain}'"));
    }
    for irq in &domain.irqs {
        let what = match &irq.source {
            IrqSource::Line { irq, .. } => format!("gets interrupt {irq}"),
            IrqSource::IoApic { vector, .. } | IrqSource::Msi { vector, .. } => format!("gets interrupt {vector}"),
        };
        let how = match &irq.source {
            IrqSource::Line { edge, .. } => if *edge { "on its edge" } else { "on its level" }.into(),
            IrqSource::IoApic { ioapic, pin, edge, low, .. } => {
                let (edge, low) = (if *edge { "edge" } else { "level" }, if *low { "low" } else { "high" });
                format!("from pin {pin} of I/O APIC {ioapic}, {edge}, {low}")
            }
            IrqSource::Msi { pci_device, handle, .. } => format!("from {pci_device}, handle {handle}"),
        };
        of(what, format!("{how}, as channel {}", irq.id));
    }
    for port in &domain.ioports {
        let last = port.addr.saturating_add(port.size.saturating_sub(1));
        of(format!("may use the I/O ports {:#x} to {last:#x}", port.addr), format!("by number {}", port.id));
    }
    for Map { region, vaddr, perms, cached, place, .. } in &domain.maps {
        if !is_own(region, declared) {
            let cache = if *cached { "" } else { ", past the cache" };
            let what = format!("'{name}' maps '{region}' at {vaddr:#x}");
            say(&[name, region], *place, what, format!("as {perms}{cache}"));
        }
    }
    for cap in &domain.caps {
        let kind = match cap.kind {
            CapKind::Tcb => "thread",
            CapKind::Sc => "CPU time",
            CapKind::VSpace => "address space",
        };
        let what = format!("'{name}' holds the {kind} of '{}'", cap.pd);
        say(&[name, &cap.pd], cap.place, what, format!("in slot {}", cap.slot));
    }
}
