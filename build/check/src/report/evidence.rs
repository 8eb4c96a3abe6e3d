//! What each rule looked at, in numbers and names: a rule that holds because there was nothing to break it
//! should be seen to.

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::{Access, Control, How, Reach};
use crate::picture;
use crate::{Case, list};
use totebox_common::units::{count, share_ppm, show_share};

/// What a rule judged by the description looked at, as a clause without its full stop.
pub fn looked_at(rule: &str, case: &Case) -> String {
    let (system, authority) = (case.system, case.authority);
    let domains = system.all_protection_domains();
    let of_subject = |subject: usize| authority.name(subject);
    let edges = |is: fn(&How) -> bool| authority.edges.iter().filter(move |edge| is(&edge.how));
    match rule {
        "ISO-1" => {
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
        "ISO-2" => {
            let isolated = |access: &&Access| case.is_isolated(access.subject);
            let mapped: BTreeSet<usize> = authority.accesses.iter().filter(isolated).map(|a| a.region).collect();
            let domains = count(isolated_domains(case).len(), isolated_role(case).0);
            format!("{domains}, which map {}", count(mapped.len(), "region"))
        }
        "ISO-3" => {
            let declared = case.policy.map(|policy| policy.channels.len());
            let declared = declared.map_or(String::new(), |n| format!("; the manifests declare {n}"));
            format!("{}{declared}", count(system.channels.len(), "channel"))
        }
        "ISO-5" => {
            let priority = |name: &str| system.protection_domain(name).map_or(0, |pd| pd.scheduling.priority);
            let show = |name: &str| format!("'{name}' ({})", priority(name));
            let calls = edges(|how| *how == How::Call).map(|edge| [edge.from, edge.to].map(of_subject));
            some("protected call", calls.map(|[from, to]| format!("{} calls {}", show(from), show(to))))
        }
        "ISO-6" => {
            format!("direct ways to act: {}; {}", authority.edges.len(), pairs(case, &authority.influence()))
        }
        "ISO-7" => {
            let tells = edges(|how| !matches!(how, How::Signal | How::Control(Control::Time))).count();
            format!("direct ways to learn: {tells}; {}", pairs(case, &authority.knowledge()))
        }
        "ISO-8" => {
            let mut children: BTreeMap<usize, usize> = BTreeMap::new();
            for parent in authority.subjects.iter().filter_map(|subject| subject.parent) {
                *children.entry(parent).or_default() += 1;
            }
            let show = |(&parent, &n): (&usize, &usize)| {
                format!(
                    "'{}' of {}",
                    of_subject(parent),
                    if n == 1 { "1 child".into() } else { format!("{n} children") }
                )
            };
            some("parent", children.iter().map(show))
        }
        "ISO-9" => {
            let caps = domains.iter().filter(|(pd, _)| !pd.caps.is_empty()).count();
            let smc = domains.iter().filter(|(pd, _)| pd.smc).count();
            let ports = domains.iter().filter(|(pd, _)| !pd.ioports.is_empty()).count();
            let all = count(domains.len(), "domain");
            format!("{all}, of which {caps} have a <cspace>, {smc} smc and {ports} I/O ports")
        }
        "ISO-10" => some(
            "interrupt",
            domains.iter().flat_map(|(pd, _)| {
                pd.irqs.iter().map(|irq| format!("{} of '{}'", picture::interrupt(&irq.source), pd.name))
            }),
        ),
        "ISO-11" => some(
            "device region",
            system.regions.iter().filter_map(|r| r.phys_addr.map(|at| format!("'{}' at {at:#x}", r.name))),
        ),
        "ISO-12" => {
            let told = domains.iter().filter(|(pd, _)| !pd.setvars.is_empty());
            let told: Vec<&str> = told.map(|(pd, _)| pd.name.as_str()).collect();
            let spaces = count(system.io_address_spaces.len(), "I/O address space");
            format!("who is told a physical address: {}; {spaces}", list(&told))
        }
        "ISO-13" => {
            let executable = authority.accesses.iter().filter(|access| access.perms.execute).count();
            format!("{}, {executable} of them executable", count(authority.accesses.len(), "mapping"))
        }
        "ISO-14" => {
            let addresses = || domains.iter().flat_map(|(pd, _)| pd.maps.iter().map(|map| map.vaddr));
            match (addresses().min(), addresses().max()) {
                (Some(lowest), Some(highest)) => {
                    format!(
                        "{}, at addresses from {lowest:#x} to {highest:#x}",
                        count(addresses().count(), "mapping")
                    )
                }
                _ => count(0, "mapping"),
            }
        }
        "ISO-15" => {
            let mut cores: BTreeMap<u8, (usize, u64)> = BTreeMap::new();
            for (pd, _) in domains.iter().filter(|(pd, _)| !pd.passive) {
                let (threads, share) = cores.entry(pd.cpu).or_default();
                *threads += 1;
                *share = share.saturating_add(share_ppm(pd.scheduling.budget_us, pd.scheduling.period_us));
            }
            some(
                "core",
                cores.iter().map(|(core, (threads, share))| {
                    format!("core {core} has {} with {} of it", count(*threads, "domain"), show_share(*share))
                }),
            )
        }
        "ISO-16" => {
            let names = system
                .regions
                .iter()
                .map(|region| region.name.as_str())
                .chain(authority.subjects.iter().map(|subject| subject.name.as_str()));
            let all = names.clone().count();
            format!("{}, {} of them with '_'", count(all, "name"), names.filter(|name| name.contains('_')).count())
        }
        "ISO-17" => {
            let scheduling_domains = system.domains.iter().flat_map(|domains| &domains.domains);
            some("scheduling domain", scheduling_domains.map(|domain| format!("'{}'", domain.name)))
        }
        "ISO-18" => {
            let Some(judge) = case.policy.and_then(|policy| Some(policy.reporting.as_ref()?.from)) else {
                return "nobody judges others".into();
            };
            let judges = |subject: usize| case.role(subject).is_some_and(|role| role.name == judge);
            let acted_on = authority.edges.iter().filter(|edge| judges(edge.from)).map(|edge| edge.to);
            let acts = authority.edges.iter().filter(|edge| judges(edge.to)).map(|edge| edge.from);
            let names = |subjects: BTreeSet<usize>| {
                let (isolated, rest): (Vec<usize>, Vec<usize>) =
                    subjects.into_iter().partition(|&subject| case.is_isolated(subject));
                let rest = list(&rest.into_iter().map(of_subject).collect::<Vec<_>>());
                match isolated.len() {
                    0 => rest,
                    several => format!("{rest}; {}", count(several, isolated_role(case).0)),
                }
            };
            format!("the {judge} acts on {}; on it act {}", names(acted_on.collect()), names(acts.collect()))
        }
        other => unreachable!("no rule {other} is judged by the description"),
    }
}

/// How many there are, and which, if they do not fill the page.
fn some(what: &str, names: impl Iterator<Item = String>) -> String {
    const NAMES_MAX: usize = 12;
    let names: Vec<String> = names.collect();
    let count = count(names.len(), what);
    if names.is_empty() || names.len() > NAMES_MAX { count } else { format!("{count}: {}", names.join(", ")) }
}

fn isolated_domains(case: &Case) -> Vec<usize> {
    (0..case.authority.subjects.len()).filter(|&subject| case.is_isolated(subject)).collect()
}

/// What one isolated domain is called, and several.
fn isolated_role(case: &Case) -> (&'static str, &'static str) {
    let role = case.policy.and_then(|policy| policy.isolated());
    role.map_or(("isolated domain", "isolated domains"), |role| (role.name, role.many))
}

/// How many isolated domains reach each other, and how.
fn pairs(case: &Case, reach: &Reach) -> String {
    let domains = isolated_domains(case);
    let reached = |may_pass: &dyn Fn(usize) -> bool| {
        let others =
            |&from: &usize| reach.closure(from, may_pass).into_iter().filter(|to| domains.contains(to)).count();
        domains.iter().map(others).sum::<usize>()
    };
    let all = domains.len() * domains.len().saturating_sub(1);
    let (any, unmediated) = (reached(&|_| true), reached(&|subject| !case.is_mediator(subject)));
    let (mediated, many) = (any - unmediated, isolated_role(case).1);
    format!(
        "of {all} ordered pairs of {many}, {unmediated} reach the other without a mediator and {mediated} only \
         if one does wrong"
    )
}
