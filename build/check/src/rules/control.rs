//! Rules about who controls whom and what else a domain is given: ISO-8, ISO-9.

use std::collections::BTreeMap;

use totebox_sdf::{CapKind, Place};

use super::evidence::some;
use crate::{Case, Found, Judge, Policy, Role, Rule, Scope, sentence};
use totebox_common::units::count;

pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-8",
        title: "parents",
        sentence: "A parent controls its child: only the orchestrator is a parent, its children are the archives, \
                   every archive is one of them, and no archive is a parent or runs a virtual machine.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Description(parents, children),
    },
    Rule {
        id: "ISO-9",
        title: "no raw capabilities",
        sentence: "No domain has a <cspace>, may make secure monitor calls (smc) or use I/O ports, unless a waiver \
                   names it and gives a reason.",
        scope: Scope::Any,
        waivable: true,
        judge: Judge::Description(no_raw_capabilities, capabilities_given),
    },
];

fn parents(case: &Case, found: &mut Found) {
    let Some(policy) = case.policy else { return };
    for (pd, parent) in case.system.all_protection_domains() {
        let role = policy.role(&pd.name);
        let meant = role.and_then(|role| role.parent);
        if let Some(machine) = &pd.virtual_machine {
            let message = format!("'{}' runs the virtual machine '{}' and controls it", pd.name, machine.name);
            found.error(machine.place, &[&pd.name, &machine.name], message, "remove the virtual machine");
        }
        match (parent, role, meant) {
            (None, Some(role), Some(meant)) => found.error(
                pd.place,
                &[&pd.name],
                format!("the {} '{}' is nobody's child: its faults go to the monitor", role.name, pd.name),
                format!("declare it inside the {meant}"),
            ),
            (Some(parent), _, _) if !is_parent(policy, &parent.name) => found.error(
                pd.place,
                &[&parent.name, &pd.name],
                format!(
                    "'{}' is the parent of '{}'; only the {} may be a parent",
                    parent.name,
                    pd.name,
                    sentence(families(policy).map(|(_, parent)| parent), "or the")
                ),
                format!(
                    "declare the child inside the {}, else at the top",
                    sentence(
                        families(policy).map(|(role, parent)| format!("{parent} if it is {}", role.one)),
                        "or the"
                    )
                ),
            ),
            (Some(parent), _, None) => found.error(
                pd.place,
                &[&parent.name, &pd.name],
                format!(
                    "'{}' is a child of '{}' and no {}",
                    pd.name,
                    parent.name,
                    sentence(families(policy).map(|(role, _)| role.name), "or the")
                ),
                "declare it at the top",
            ),
            _ => {}
        }
    }
}

fn children(case: &Case) -> String {
    let authority = case.authority;
    let of_subject = |subject: usize| authority.name(subject);
    let mut children: BTreeMap<usize, usize> = BTreeMap::new();
    for parent in authority.subjects.iter().filter_map(|subject| subject.parent) {
        *children.entry(parent).or_default() += 1;
    }
    let show = |(&parent, &n): (&usize, &usize)| {
        format!("'{}' of {}", of_subject(parent), if n == 1 { "1 child".into() } else { format!("{n} children") })
    };
    some("parent", children.iter().map(show))
}

/// The roles that have a parent, and the role of that.
fn families(policy: &Policy) -> impl Iterator<Item = (&Role, &'static str)> {
    policy.roles.iter().filter_map(|role| Some((role, role.parent?)))
}

/// Whether a domain is of a role that has children.
fn is_parent(policy: &Policy, domain: &str) -> bool {
    policy.role(domain).is_some_and(|role| families(policy).any(|(_, parent)| parent == role.name))
}

fn no_raw_capabilities(case: &Case, found: &mut Found) {
    for (pd, _) in case.system.all_protection_domains() {
        let mut raw = |place: Place, with: Option<&str>, what: String, help: &str| {
            let names: Vec<&str> = [pd.name.as_str()].into_iter().chain(with).collect();
            found.error(place, &names, format!("'{}' {what}", pd.name), help);
        };
        for cap in &pd.caps {
            let (kind, can) = match cap.kind {
                CapKind::Tcb => ("thread", "stop it and set its registers"),
                CapKind::Sc => ("CPU time", "take it away"),
                CapKind::VSpace => ("address space", "map into it and unmap from it"),
            };
            let what = if cap.pd == pd.name {
                format!("is given its own {kind}")
            } else {
                format!("is given the {kind} of '{}', and can {can}", cap.pd)
            };
            raw(cap.place, Some(&cap.pd), what, "remove it from <cspace>, or waive it with a reason");
        }
        if pd.smc {
            let what = "may make secure monitor calls, which the kernel does not check".to_owned();
            raw(pd.place, None, what, "remove smc=\"true\", or waive it with a reason");
        }
        for port in &pd.ioports {
            let last = port.addr.saturating_add(port.size.saturating_sub(1));
            let what = format!("may use the I/O ports {:#x} to {last:#x}", port.addr);
            raw(port.place, None, what, "remove <ioport>, or waive it with a reason");
        }
    }
}

fn capabilities_given(case: &Case) -> String {
    let domains = case.system.all_protection_domains();
    let caps = domains.iter().filter(|(pd, _)| !pd.caps.is_empty()).count();
    let smc = domains.iter().filter(|(pd, _)| pd.smc).count();
    let ports = domains.iter().filter(|(pd, _)| !pd.ioports.is_empty()).count();
    let all = count(domains.len(), "domain");
    format!("{all}, of which {caps} have a <cspace>, {smc} smc and {ports} I/O ports")
}
