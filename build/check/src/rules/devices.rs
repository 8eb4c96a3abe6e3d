//! Rules about devices: ISO-10, ISO-11, ISO-12.

use std::collections::{BTreeMap, HashMap};

use totebox_sdf::{IrqSource, Place};

use super::evidence::some;
use crate::authority::SubjectKind;
use crate::{Case, Found, Judge, Rule, Scope, list, picture};
use totebox_common::units::count;

pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-10",
        title: "one owner per interrupt",
        sentence: "Every interrupt has one owner; in a deployment, it is on the board's list, and its owner is the \
                   driver of that device.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(interrupts, interrupts_owned),
    },
    Rule {
        id: "ISO-11",
        title: "device memory",
        sentence: "Memory at a fixed physical address is taken for a device's: it is mapped by one domain and not \
                   through the cache; in a deployment, it is on the board's list, and it is mapped by the driver \
                   of that device.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(registers, device_regions),
    },
    Rule {
        id: "ISO-12",
        title: "DMA",
        sentence: "A domain that is told a physical address can have its device reach all memory, unless an I/O \
                   address space confines the device; in a deployment, only the vault is, and it is trusted.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(dma, told_addresses),
    },
];

/// An interrupt as the machine knows it, and as a person does.
fn show(source: &IrqSource) -> String {
    match source {
        IrqSource::Line { irq, .. } => format!("{irq}"),
        IrqSource::IoApic { ioapic, pin, .. } => format!("pin {pin} of I/O APIC {ioapic}"),
        IrqSource::Msi { pci_device, handle, .. } => format!("MSI {handle} of {pci_device}"),
    }
}

fn interrupts(case: &Case, found: &mut Found) {
    let mut owners: HashMap<String, (&str, Place)> = HashMap::new();
    for (pd, _) in case.system.all_protection_domains() {
        for irq in &pd.irqs {
            let interrupt = show(&irq.source);
            if let Some((first, place)) = owners.get(&interrupt) {
                found.error(
                    irq.place,
                    &[first, &pd.name],
                    format!("interrupt {interrupt} of '{}' is taken by '{first}' in line {}", pd.name, place.line),
                    "let one domain handle the interrupt and notify the other",
                );
                continue;
            }
            owners.insert(interrupt.clone(), (&pd.name, irq.place));
            let Some(policy) = case.policy else { continue };
            let number = match irq.source {
                IrqSource::Line { irq, .. } => Some(irq),
                _ => None,
            };
            let on_board =
                number.and_then(|number| policy.domains.iter().find(|domain| domain.interrupts.contains(&number)));
            let (message, help) = match on_board {
                Some(owner) if owner.name == pd.name => continue,
                Some(owner) => (
                    format!("'{}' has interrupt {interrupt}, which is for '{}'", pd.name, owner.name),
                    format!("move <irq> to '{}'", owner.name),
                ),
                None => (
                    format!("'{}' has interrupt {interrupt}, which is not on the list of the board", pd.name),
                    format!("remove <irq>; the list is {} of the board", policy.board_file),
                ),
            };
            found.error(irq.place, &[&pd.name], message, help);
        }
    }
}

fn interrupts_owned(case: &Case) -> String {
    let domains = case.system.all_protection_domains();
    some(
        "interrupt",
        domains.iter().flat_map(|(pd, _)| {
            pd.irqs.iter().map(|irq| format!("{} of '{}'", picture::interrupt(&irq.source), pd.name))
        }),
    )
}

fn registers(case: &Case, found: &mut Found) {
    for (class, accesses) in case.authority.by_memory() {
        let region = &case.system.regions[class];
        let Some(paddr) = region.phys_addr else { continue };
        let mapped = accesses.iter().filter(|access| access.vaddr.is_some());
        let mut mappers: BTreeMap<usize, Place> = BTreeMap::new();
        for access in mapped {
            let who = case.authority.name(access.subject);
            let name = case.system.regions[access.region].name.as_str();
            mappers.entry(access.subject).or_insert(access.place);
            if access.cached && case.authority.subjects[access.subject].kind != SubjectKind::Device {
                found.error(
                    access.place,
                    &[who, name],
                    format!("'{who}' maps the device memory '{name}' through the cache"),
                    "write cached=\"false\"",
                );
            }
            let Some(policy) = case.policy else { continue };
            let owner = policy.domains.iter().find(|domain| {
                domain.registers.iter().any(|&(start, size)| start == paddr && region.size == Some(size))
            });
            let (message, help) = match owner {
                Some(owner) if owner.name == who => continue,
                Some(owner) => (
                    format!("'{who}' maps '{name}', the device at {paddr:#x}, which is for '{}'", owner.name),
                    format!("move <map> to '{}'", owner.name),
                ),
                None => (
                    format!("'{who}' maps '{name}' at {paddr:#x}, which is not on the list of the board"),
                    format!("remove <map>; the list is {} of the board", policy.board_file),
                ),
            };
            found.error(access.place, &[who, name], message, help);
        }
        let mut mappers: Vec<(Place, &str)> =
            mappers.into_iter().map(|(who, place)| (place, case.authority.name(who))).collect();
        mappers.sort_unstable();
        if let [_, (second, _), ..] = mappers[..] {
            let who: Vec<&str> = mappers.iter().map(|&(_, name)| name).collect();
            let names: Vec<&str> = [region.name.as_str()].into_iter().chain(who.iter().copied()).collect();
            found.error(
                second,
                &names,
                format!("the device memory '{}' is mapped by {}", region.name, list(&who)),
                "let one domain drive the device and serve the others",
            );
        }
    }
}

fn device_regions(case: &Case) -> String {
    let system = case.system;
    some(
        "device region",
        system.regions.iter().filter_map(|r| r.phys_addr.map(|at| format!("'{}' at {at:#x}", r.name))),
    )
}

fn dma(case: &Case, found: &mut Found) {
    let confined = |region: &str| {
        case.system.io_address_spaces.iter().flat_map(|space| &space.maps).any(|map| map.region == region)
    };
    for (pd, _) in case.system.all_protection_domains() {
        let unconfined = pd.setvars.iter().filter(|setvar| !confined(&setvar.region_paddr));
        let regions: Vec<_> = unconfined.collect();
        let Some(first) = regions.first() else { continue };
        let told: Vec<&str> = regions.iter().map(|setvar| setvar.region_paddr.as_str()).collect();
        let names: Vec<&str> = [pd.name.as_str()].into_iter().chain(told.iter().copied()).collect();
        let reach = format!(
            "'{}' is told the physical address of {}: its device can reach all memory, and it must be trusted",
            pd.name,
            list(&told)
        );
        if case.policy.and_then(|policy| policy.domain(&pd.name)).is_some_and(|domain| domain.dma) {
            found.note(first.place, &names, reach, "an IOMMU, on a board that has one, would confine it");
        } else {
            let help = "confine the device with an <io_address_space>, or take the address away and copy instead";
            found.error(first.place, &names, reach, help);
        }
    }
}

fn told_addresses(case: &Case) -> String {
    let system = case.system;
    let domains = system.all_protection_domains();
    let told = domains.iter().filter(|(pd, _)| !pd.setvars.is_empty());
    let told: Vec<&str> = told.map(|(pd, _)| pd.name.as_str()).collect();
    let spaces = count(system.io_address_spaces.len(), "I/O address space");
    format!("who is told a physical address: {}; {spaces}", list(&told))
}
