//! Rules about memory: ISO-1, ISO-2, ISO-13, ISO-14.

use std::collections::{BTreeMap, BTreeSet};

use totebox_sdf::Place;

use super::evidence::{isolated_domains, isolated_role};
use crate::authority::{Access, SubjectKind};
use crate::{Case, Found, Judge, Rule, Scope, list};
use totebox_common::units::count;

pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-1",
        title: "one writer",
        sentence: "Every memory region that is mapped has exactly one writer, unless a waiver names it; virtual \
                   machines count, and so do devices that access memory by themselves. A region the build fills \
                   needs no writer.",
        scope: Scope::Any,
        waivable: true,
        judge: Judge::Description(one_writer, regions_mapped),
    },
    Rule {
        id: "ISO-2",
        title: "no frame in two archives",
        sentence: "No memory is mapped by two archives, in whatever way: as one region, as two regions with \
                   overlapping physical addresses, or through a virtual machine.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Description(no_frame_in_two_archives, regions_of_archives),
    },
    Rule {
        id: "ISO-13",
        title: "writable or executable",
        sentence: "No memory is writable and executable, be it in one mapping or by two mappings of the same \
                   memory, in one domain or in several. (Program segments are judged by what was built.)",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(writable_or_executable, mappings),
    },
    Rule {
        id: "ISO-14",
        title: "guard pages",
        sentence: "In every domain the page at address 0 and the page below the stack are unmapped.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(guard_pages, addresses_mapped),
    },
];

/// Bytes of a page.
const PAGE: u64 = 0x1000;

/// The last address of a user's address space by the 64-bit kernel configurations Microkit 2.3 has
/// (`seL4_UserTop`): AArch64 with 40 and 44 bits of physical addresses, AArch64 without hypervisor,
/// RISC-V Sv39, x86-64. The IPC buffer is in the last page, a page is left out below it, and the stack is below that.
const USER_TOPS: [u64; 5] = [0xff_ffff_ffff, 0xfff_ffff_ffff, 0x7fff_ffff_ffff, 0x3f_ffff_f000, 0x7fff_ffff_f000];

fn one_writer(case: &Case, found: &mut Found) {
    let authority = case.authority;
    for (class, accesses) in authority.by_memory() {
        let region = &case.system.regions[class];
        if region.phys_addr.is_some() {
            continue; // A device's registers: ISO-11.
        }
        let mappers: Vec<usize> = {
            let maps = |access: &&&Access| is_mapped_by_program(case, access);
            let mut mappers: Vec<usize> = accesses.iter().filter(maps).map(|access| access.subject).collect();
            mappers.sort_unstable();
            mappers.dedup();
            mappers
        };
        let mut writers: BTreeMap<usize, &Access> = BTreeMap::new();
        for access in accesses.iter().filter(|access| access.perms.write) {
            // A device writes in the name of its driver, if nobody else maps the memory.
            let device = authority.subjects[access.subject].kind == SubjectKind::Device;
            let who = match mappers[..] {
                [driver] if device => driver,
                _ => access.subject,
            };
            writers.entry(who).or_insert(access);
        }
        let mut writers: Vec<(&str, Place)> =
            writers.iter().map(|(&who, access)| (authority.name(who), access.place)).collect();
        writers.sort_by_key(|&(_, place)| place);
        let who: Vec<&str> = writers.iter().map(|&(name, _)| name).collect();
        let name = region.name.as_str();
        let names: Vec<&str> = [name].into_iter().chain(who.iter().copied()).collect();
        match writers[..] {
            [_] => {}
            [] if region.prefill_path.is_some() || region.prefill_bootinfo.is_some() => {}
            [] => found.error(
                accesses[0].place,
                &names,
                format!("the region '{name}' is mapped and nobody writes it"),
                "give one domain perms=\"rw\", or fill the region with prefill_path",
            ),
            [_, (_, second), ..] => found.error(
                second,
                &names,
                format!("the region '{name}' has {} writers: {}", who.len(), list(&who)),
                "make a region for each direction, with perms=\"rw\" for one domain and perms=\"r\" for the others",
            ),
        }
    }
}

fn regions_mapped(case: &Case) -> String {
    let (system, authority) = (case.system, case.authority);
    let memory = authority.by_memory();
    let (devices, rest): (Vec<_>, Vec<_>) =
        memory.keys().map(|&class| &system.regions[class]).partition(|region| region.phys_addr.is_some());
    let filled = rest.iter().filter(|r| r.prefill_path.is_some() || r.prefill_bootinfo.is_some()).count();
    format!(
        "{} that somebody maps, {filled} of them filled by the build; {} at a physical address {} left to \
         ISO-11",
        count(rest.len(), "region"),
        devices.len(),
        if devices.len() == 1 { "is" } else { "are" }
    )
}

/// Whether a program sees the memory, rather than a device.
fn is_mapped_by_program(case: &Case, access: &Access) -> bool {
    access.vaddr.is_some() && case.authority.subjects[access.subject].kind != SubjectKind::Device
}

fn no_frame_in_two_archives(case: &Case, found: &mut Found) {
    let Some(policy) = case.policy else { return };
    let Some(isolated) = policy.isolated() else { return };
    for (_, accesses) in case.authority.by_memory() {
        let mut archives: BTreeMap<&str, &Access> = BTreeMap::new();
        for access in accesses {
            let name = case.authority.name(case.authority.domain(access.subject));
            if policy.role(name).is_some_and(|role| role.isolated) {
                archives.entry(name).or_insert(access);
            }
        }
        let mut archives: Vec<(&str, &Access)> = archives.into_iter().collect();
        archives.sort_by_key(|(_, access)| access.place);
        let [(_, first), (_, second), ..] = archives[..] else { continue };
        let who: Vec<&str> = archives.iter().map(|&(name, _)| name).collect();
        let [a, b] = [first, second].map(|access| case.system.regions[access.region].name.as_str());
        let what = if a == b {
            format!("the region '{a}' is")
        } else {
            format!("the regions '{a}' and '{b}' have overlapping physical addresses and are")
        };
        let names: Vec<&str> =
            [a, b].into_iter().take(1 + usize::from(a != b)).chain(who.iter().copied()).collect();
        found.error(
            second.place,
            &names,
            format!("{what} mapped by the {} {}", isolated.many, list(&who)),
            format!("give each {} a region of its own", isolated.name),
        );
    }
}

fn regions_of_archives(case: &Case) -> String {
    let authority = case.authority;
    let isolated = |access: &&Access| case.is_isolated(access.subject);
    let mapped: BTreeSet<usize> = authority.accesses.iter().filter(isolated).map(|a| a.region).collect();
    let domains = count(isolated_domains(case).len(), isolated_role(case).0);
    format!("{domains}, which map {}", count(mapped.len(), "region"))
}

fn writable_or_executable(case: &Case, found: &mut Found) {
    for (_, accesses) in case.authority.by_memory() {
        let executed = accesses.iter().find(|access| access.perms.execute);
        let written = accesses.iter().find(|access| access.perms.write);
        let (Some(executed), Some(written)) = (executed, written) else { continue };
        let name = |access: &Access| case.system.regions[access.region].name.as_str();
        let (by, from) = (case.authority.name(written.subject), case.authority.name(executed.subject));
        let names = [name(written), name(executed), by, from];
        found.error(
            executed.place,
            &names,
            format!(
                "'{}' is written by '{by}' and executed by '{from}'{}",
                name(executed),
                if name(written) == name(executed) { "" } else { ", through another region at its address" },
            ),
            "map code perms=\"rx\" everywhere, and fill it by the build with prefill_path",
        );
    }
}

fn mappings(case: &Case) -> String {
    let authority = case.authority;
    let executable = authority.accesses.iter().filter(|access| access.perms.execute).count();
    format!("{}, {executable} of them executable", count(authority.accesses.len(), "mapping"))
}

fn guard_pages(case: &Case, found: &mut Found) {
    for access in &case.authority.accesses {
        let subject = &case.authority.subjects[access.subject];
        let (SubjectKind::Domain, Some(start)) = (subject.kind, access.vaddr) else { continue };
        let region = &case.system.regions[access.region];
        let end = start.saturating_add(region.size.unwrap_or(PAGE).max(PAGE));
        let names = [subject.name.as_str(), region.name.as_str()];
        if start < PAGE {
            found.error(
                access.place,
                &names,
                format!("'{}' maps '{}' at address 0, where a null pointer points", subject.name, region.name),
                "map it anywhere else",
            );
        }
        let Some(pd) = case.system.protection_domain(&subject.name) else { continue };
        let below_stack = |top: &u64| {
            let bottom = ((top & !(PAGE - 1)) - PAGE).saturating_sub(pd.stack_size);
            start < bottom && end > bottom.saturating_sub(PAGE)
        };
        if USER_TOPS.iter().any(below_stack) {
            found.error(
                access.place,
                &names,
                format!(
                    "'{}' maps '{}' right below its stack, so that an overflow goes unnoticed",
                    subject.name, region.name
                ),
                "leave a page free below the stack",
            );
        }
    }
}

fn addresses_mapped(case: &Case) -> String {
    let domains = case.system.all_protection_domains();
    let addresses = || domains.iter().flat_map(|(pd, _)| pd.maps.iter().map(|map| map.vaddr));
    match (addresses().min(), addresses().max()) {
        (Some(lowest), Some(highest)) => {
            format!("{}, at addresses from {lowest:#x} to {highest:#x}", count(addresses().count(), "mapping"))
        }
        _ => count(0, "mapping"),
    }
}
