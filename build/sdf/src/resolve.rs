//! Names: each declared once, each reference to something declared, each id used once in its domain.

use std::collections::HashMap;

use crate::element::Source;
use crate::{DOMAINS_MAX, IO_SPACES_MAX, Place, ProtectionDomain, System};

/// Where each name of one kind is declared.
struct Names<'a> {
    kind: &'static str,
    places: HashMap<&'a str, Place>,
}

impl<'a> Names<'a> {
    fn new(kind: &'static str, names: impl IntoIterator<Item = (&'a str, Place)>, source: &Source) -> Names<'a> {
        let mut places = HashMap::new();
        for (name, place) in names {
            let first = *places.entry(name).or_insert(place);
            if first != place {
                source.error(place, format!("the {kind} name '{name}' is taken by line {}", first.line));
            }
        }
        Names { kind, places }
    }

    fn check(&self, name: &str, place: Place, source: &Source) {
        if !self.places.contains_key(name) {
            source.error(place, format!("there is no {} named '{name}'", self.kind));
        }
    }
}

/// Reports every name that is taken twice or refers to nothing, and every id that is used twice.
pub fn resolve(system: &System, source: &Source) {
    let all = system.all_protection_domains();
    let pds: Vec<&ProtectionDomain> = all.iter().map(|&(pd, _)| pd).collect();

    let regions = system.regions.iter().map(|region| (region.name.as_str(), region.place));
    let regions = Names::new("memory region", regions, source);
    let names = pds.iter().map(|pd| (pd.name.as_str(), pd.place));
    let pd_names = Names::new("protection domain", names, source);
    let machines: Vec<_> = pds.iter().filter_map(|pd| pd.virtual_machine.as_ref()).collect();
    Names::new("virtual machine", machines.iter().map(|vm| (vm.name.as_str(), vm.place)), source);
    let domains = system.domains.iter().flat_map(|domains| &domains.domains);
    let domains = Names::new("scheduling domain", domains.map(|d| (d.name.as_str(), d.place)), source);

    at_most(DOMAINS_MAX, "protection domain", pds.iter().map(|pd| pd.place), source);
    at_most(DOMAINS_MAX, "virtual machine", machines.iter().map(|vm| vm.place), source);
    at_most(IO_SPACES_MAX, "IO address space", system.io_address_spaces.iter().map(|space| space.place), source);

    for pd in &pds {
        let vm_maps = pd.virtual_machine.iter().flat_map(|vm| &vm.maps);
        pd.maps.iter().chain(vm_maps).for_each(|map| regions.check(&map.region, map.place, source));
        pd.setvars.iter().for_each(|setvar| regions.check(&setvar.region_paddr, setvar.place, source));
        pd.caps.iter().for_each(|cap| pd_names.check(&cap.pd, cap.place, source));
        pd.domain.iter().for_each(|domain| domains.check(domain, pd.place, source));
        children_ids(pd, source);
    }
    for space in &system.io_address_spaces {
        space.maps.iter().for_each(|map| regions.check(&map.region, map.place, source));
    }
    let schedule = system.domains.iter().flat_map(|domains| &domains.schedule);
    for entry in schedule {
        entry.domain.iter().for_each(|domain| domains.check(domain, entry.place, source));
    }
    for end in system.channels.iter().flat_map(|channel| &channel.ends) {
        pd_names.check(&end.pd, end.place, source);
    }
    channel_ids(system, &pds, source);
}

/// Reports the first that is one too many.
fn at_most(max: usize, kind: &str, mut places: impl Iterator<Item = Place>, source: &Source) {
    if let Some(place) = places.nth(max) {
        source.error(place, format!("too many {kind}s: a system has {max} at most"));
    }
}

/// Channels and interrupts of a protection domain share their ids.
fn channel_ids(system: &System, pds: &[&ProtectionDomain], source: &Source) {
    let irqs = pds.iter().flat_map(|pd| pd.irqs.iter().map(|irq| (pd.name.as_str(), irq.id, irq.place)));
    let ends = system.channels.iter().flat_map(|channel| &channel.ends);
    let mut taken = HashMap::new();
    for (pd, id, place) in irqs.chain(ends.map(|end| (end.pd.as_str(), end.id, end.place))) {
        if let Some(first) = taken.insert((pd, id), place) {
            source.error(place, format!("channel id {id} of '{pd}' is taken by line {}", first.line));
        }
    }
}

/// Children and virtual processors share their ids.
fn children_ids(pd: &ProtectionDomain, source: &Source) {
    let vcpus = pd.virtual_machine.iter().flat_map(|vm| vm.vcpus.iter().map(|vcpu| (vcpu.id, vcpu.place)));
    let children = pd.children.iter().filter_map(|child| Some((child.id?, child.place)));
    let mut taken = HashMap::new();
    for (id, place) in vcpus.chain(children) {
        if let Some(first) = taken.insert(id, place) {
            source.error(place, format!("child id {id} of '{}' is taken by line {}", pd.name, first.line));
        }
    }
}
