//! Rules about time: ISO-15, ISO-17.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use totebox_sdf::{Place, ProtectionDomain, Scheduling};

use super::evidence::some;
use crate::{Case, Found, Judge, Rule, Scope};
use totebox_common::units::{count, share_ppm, show_share};

pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-15",
        title: "CPU time",
        sentence: "Every domain that runs on its own time has a budget above zero, and on every core the budgets \
                   from the highest priority down to the lowest add up to no more than the core, so that nobody \
                   can starve another; in a deployment, no domain has more than its share.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(budgets, cores),
    },
    Rule {
        id: "ISO-17",
        title: "domain schedule",
        sentence: "Every scheduling domain has an explicit id and a place in the schedule, and domain 0 is the \
                   monitor's own.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(domain_schedule, scheduling_domains),
    },
];

/// A whole CPU in parts per million.
const CPU_PPM: u64 = 1_000_000;

/// What a thread may use of its core.
fn share(scheduling: &Scheduling) -> u64 {
    share_ppm(scheduling.budget_us, scheduling.period_us)
}

/// A thread with its own time: its name, when it runs, on which core, and where it is declared.
struct Thread<'a> {
    name: &'a str,
    scheduling: &'a Scheduling,
    cpu: u8,
    place: Place,
}

fn threads<'a>(case: &Case<'a>) -> Vec<(Option<String>, Thread<'a>)> {
    let (mut threads, x86) = (Vec::new(), case.system.is_for_x86());
    for (pd, _) in case.system.all_protection_domains() {
        let ProtectionDomain { name, scheduling, cpu, place, domain, .. } = pd;
        if !pd.passive {
            threads.push((domain.clone(), Thread { name, scheduling, cpu: *cpu, place: *place }));
        }
        // On x86 a virtual CPU runs as its monitor's thread.
        if let Some(machine) = pd.virtual_machine.as_ref().filter(|_| !x86) {
            for vcpu in &machine.vcpus {
                let cpu = vcpu.cpu.unwrap_or(*cpu);
                let thread =
                    Thread { name: &machine.name, scheduling: &machine.scheduling, cpu, place: machine.place };
                threads.push((domain.clone(), thread));
            }
        }
    }
    threads
}

fn budgets(case: &Case, found: &mut Found) {
    // Scheduling domains have their own time: they cannot starve each other.
    let mut cores: BTreeMap<(Option<String>, u8), Vec<Thread>> = BTreeMap::new();
    for (domain, thread) in threads(case) {
        if thread.scheduling.budget_us == 0 {
            found.error(
                thread.place,
                &[thread.name],
                format!("'{}' has no budget: it never runs", thread.name),
                "give it a budget, or make it passive=\"true\" if it only serves calls",
            );
        }
        cores.entry((domain, thread.cpu)).or_default().push(thread);
    }
    for ((_, core), mut threads) in cores {
        threads.sort_by_key(|thread| (Reverse(thread.scheduling.priority), thread.place));
        let total = |priority: u8| -> u64 {
            threads.iter().filter(|t| t.scheduling.priority >= priority).map(|t| share(t.scheduling)).sum()
        };
        // A thread alone on its core may have all of it.
        let starved = threads.iter().find(|thread| total(thread.scheduling.priority) > CPU_PPM);
        if let Some(thread) = starved {
            let priority = thread.scheduling.priority;
            found.error(
                thread.place,
                &[thread.name],
                format!(
                    "on core {core} the budgets of priority {priority} and above add up to {}: '{}' can be starved, \
                     and everybody below it",
                    show_share(total(priority)),
                    thread.name
                ),
                "bound the budgets above it, with budget=\"...\" and period=\"...\"",
            );
        }
    }
    let Some(policy) = case.policy else { return };
    for (pd, _) in case.system.all_protection_domains() {
        let Some(declared) = policy.domain(&pd.name) else { continue };
        let share = share(&pd.scheduling);
        let allowed = share_ppm(declared.budget_us, declared.period_us);
        if share > allowed {
            found.error(
                pd.place,
                &[&pd.name],
                format!(
                    "'{}' has {} of the CPU; its share is {}",
                    pd.name,
                    show_share(share),
                    show_share(allowed)
                ),
                "write the description anew with `totebox system`",
            );
        }
    }
}

fn cores(case: &Case) -> String {
    let domains = case.system.all_protection_domains();
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

fn domain_schedule(case: &Case, found: &mut Found) {
    let Some(domains) = &case.system.domains else { return };
    let scheduled: BTreeSet<&str> = domains.schedule.iter().filter_map(|entry| entry.domain.as_deref()).collect();
    for domain in &domains.domains {
        let name = domain.name.as_str();
        if !scheduled.contains(name) {
            let message =
                format!("the scheduling domain '{name}' is not in the schedule: what is in it never runs");
            found.error(domain.place, &[name], message, "add a <schedule_entry>, or remove the domain");
        }
        if domain.id.is_none() {
            let message =
                format!("the scheduling domain '{name}' has no id: the tool chooses one, not always the same");
            found.error(domain.place, &[name], message, "write id=\"...\"");
        }
    }
    let Some(monitor) = domains.domains.iter().find(|domain| domain.id == Some(0)) else {
        let message = "no scheduling domain has the id 0, which is the monitor's: it never runs".to_owned();
        found.error(domains.place, &[], message, "declare a <domain> with id=\"0\" and schedule it");
        return;
    };
    for (pd, _) in case.system.all_protection_domains() {
        if pd.domain.as_ref() == Some(&monitor.name) {
            found.error(
                pd.place,
                &[&pd.name, &monitor.name],
                format!("'{}' runs in '{}', the scheduling domain of the monitor", pd.name, monitor.name),
                "give it a scheduling domain of its own",
            );
        }
    }
}

fn scheduling_domains(case: &Case) -> String {
    let system = case.system;
    let scheduling_domains = system.domains.iter().flat_map(|domains| &domains.domains);
    some("scheduling domain", scheduling_domains.map(|domain| format!("'{}'", domain.name)))
}
