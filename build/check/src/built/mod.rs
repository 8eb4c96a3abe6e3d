//! What was built: a system description rebuilt from the capabilities of an image or of the Microkit tool's
//! JSON, so that the rules can be applied to it like to any other, and what no description can say: the
//! rights of each capability.

mod capabilities;
mod compare;
mod memory;
mod threads;

use std::collections::BTreeMap;

use totebox_capdl::{Duration, Error, Lowering, Object, Spec, Tcb};
use totebox_sdf::{
    Cap, Channel, Domains, End, IoPort, Irq, Place, ProtectionDomain, ScheduleEntry, Scheduling, System,
};

use crate::authority::{Authority, Edge, How};
use capabilities::{Capabilities, Half};
use memory::Memory;
use threads::{Threads, Who, bound, slot};

pub use capabilities::{Grant, Purpose};
pub use compare::{Difference, compare};

/// What was built, named as its description names it.
#[derive(Clone, Debug)]
pub struct Built {
    /// What a description of it would say. Everything has the place the description gives it, or its owner.
    pub system: System,
    /// Every capability to an endpoint or a notification.
    pub grants: Vec<Grant>,
    /// What no description can say and should not be: whom it concerns, and what.
    pub amiss: Vec<(Option<String>, String)>,
    names: Vec<String>,
}

impl Built {
    /// Rebuilds what was built from a description. What is not understood is an error.
    pub fn of(spec: &Spec, declared: &System) -> Result<Built, Error> {
        let domains: Vec<&ProtectionDomain> =
            declared.all_protection_domains().into_iter().map(|(domain, _)| domain).collect();
        if let Some(domain) = domains.iter().find(|domain| domain.virtual_machine.is_some()) {
            return Err(Error::new(
                format!("'{}' runs a virtual machine, which is not understood in what was built", domain.name),
                "check the description alone, with `totebox check`",
            ));
        }
        let names: Vec<&str> = domains.iter().map(|domain| domain.name.as_str()).collect();
        let threads = Threads::of(spec, &names)?;
        let memory = memory::rebuild(spec, &threads, &domains, declared)?;
        let found = capabilities::sort_out(spec, &threads);
        let mut amiss: Vec<(Who, String)> =
            memory.amiss.iter().map(|(domain, what)| (Some(*domain), what.clone())).collect();
        amiss.extend(found.amiss.iter().cloned());
        let mut rebuilt: Vec<ProtectionDomain> = Vec::new();
        for (number, domain) in domains.iter().enumerate() {
            match rebuild(spec, &threads, domain, number, &memory, &found, declared) {
                Ok((domain, more)) => {
                    rebuilt.push(domain);
                    amiss.extend(more.into_iter().map(|what| (Some(number), what)));
                }
                Err(what) => return Err(Error::new(format!("'{}' {what}", domain.name), "build the image anew")),
            }
        }
        let system = System {
            regions: memory.regions,
            channels: channels(&found.halves, &names, declared, &domains),
            domains: schedule(spec, declared),
            io_address_spaces: Vec::new(),
            protection_domains: nested(rebuilt, &found.parents, &mut amiss),
        };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let amiss = amiss.into_iter().map(|(who, what)| (who.map(|domain| names[domain].clone()), what)).collect();
        Ok(Built { system, grants: found.grants, amiss, names })
    }

    /// Somebody's name.
    pub fn name(&self, who: Who) -> &str {
        who.map_or("the monitor", |domain| &self.names[domain])
    }

    /// What it allows, as the rights have it.
    pub fn authority(&self) -> Authority {
        let mut authority = Authority::of(&self.system);
        let edges: Vec<Edge> = self.by_rights().collect();
        for edge in edges {
            let known = |other: &Edge| (other.from, other.to, &other.how) == (edge.from, edge.to, &edge.how);
            if edge.from != edge.to && !authority.edges.iter().any(known) {
                authority.edges.push(edge);
            }
        }
        authority
    }

    /// What the rights allow, whatever they are for.
    fn by_rights(&self) -> impl Iterator<Item = Edge> {
        let mut senders: BTreeMap<u32, Vec<&Grant>> = BTreeMap::new();
        for grant in self.grants.iter().filter(|grant| grant.rights.write) {
            senders.entry(grant.object).or_default().push(grant);
        }
        self.grants.iter().flat_map(move |grant| {
            let sends = |grant: &Grant| match (grant.endpoint, grant.purpose) {
                (false, _) => How::Signal,
                (true, Purpose::Fault) => How::Fault,
                (true, _) => How::Call,
            };
            let mut edges = Vec::new();
            if let (true, Some(Some(owner))) = (grant.rights.write, grant.owner) {
                edges.extend(self.edge(grant.holder, Some(owner), sends(grant)));
            }
            if grant.can_steal() {
                for sender in senders.get(&grant.object).into_iter().flatten() {
                    edges.extend(self.edge(sender.holder, grant.holder, sends(sender)));
                    if grant.endpoint {
                        edges.extend(self.edge(grant.holder, sender.holder, How::Answer));
                    }
                }
            }
            edges
        })
    }

    /// An edge between two domains; what the monitor does is in no graph. Domains come first among the
    /// subjects of an [`Authority`], in their order.
    fn edge(&self, from: Who, to: Who, how: How) -> Option<Edge> {
        let (from, to) = (self.subject(from?)?, self.subject(to?)?);
        let all = self.system.all_protection_domains();
        Some(Edge { from, to, how, places: [all[from].0.place, all[to].0.place] })
    }

    fn subject(&self, domain: usize) -> Option<usize> {
        self.system.all_protection_domains().iter().position(|(pd, _)| pd.name == self.names[domain])
    }

    /// Whether every capability can do what it is for, and no more.
    pub fn has_minimal_rights(&self) -> bool {
        self.grants
            .iter()
            .all(|grant| grant.purpose != Purpose::Nothing && grant.purpose.needs().includes(grant.rights))
    }

    /// What is to be lowered for the rights to be minimal.
    pub fn lowerings(&self) -> Vec<(&Grant, Lowering)> {
        let higher = self.grants.iter().filter(|grant| !grant.purpose.needs().includes(grant.rights));
        let lower =
            |grant: &Grant| Lowering { place: grant.place, rights: grant.rights.both(grant.purpose.needs()) };
        higher.map(|grant| (grant, lower(grant))).collect()
    }
}

/// One domain, without its children, and what is amiss with it.
fn rebuild(
    spec: &Spec,
    threads: &Threads,
    declared: &ProtectionDomain,
    number: usize,
    memory: &Memory,
    found: &Capabilities,
    system: &System,
) -> Result<(ProtectionDomain, Vec<String>), String> {
    let Some(Object::Tcb(tcb)) = spec.object(threads.id(Some(number))) else { return Err("has no thread".into()) };
    let Tcb { extra, .. } = tcb;
    let mut amiss = Vec::new();
    if extra.max_prio != extra.prio {
        amiss.push(format!("may raise its priority to {}", extra.max_prio));
    }
    if !extra.resume {
        amiss.push("is never started".into());
    }
    let time = bound(tcb, slot::TIME).and_then(|cap| spec.object(cap.object()));
    let Some(Object::SchedContext(time)) = time else { return Err("has no CPU time of its own".into()) };
    let place = declared.place;
    let of = |holder: usize| holder == number;
    let name = |domain: usize| {
        system.all_protection_domains().get(domain).map_or(String::new(), |(domain, _)| domain.name.clone())
    };
    let domain = match extra.domain {
        Some(id) => system.domains.iter().flat_map(|all| &all.domains).find(|domain| domain.id == Some(id)),
        None => None,
    };
    let rebuilt = ProtectionDomain {
        id: found.parents.get(&number).map(|&(_, id)| id),
        scheduling: Scheduling {
            priority: extra.prio,
            budget_us: time.extra.budget,
            period_us: time.extra.period,
        },
        passive: found.passive.contains(&number),
        stack_size: memory.stacks[number],
        smc: found.smc.contains(&number),
        cpu: u8::try_from(extra.affinity).map_err(|_| format!("runs on core {}", extra.affinity))?,
        domain: match (domain, extra.domain) {
            (Some(domain), _) => Some(domain.name.clone()),
            // A domain without an id of its own is given one by the tool.
            (None, Some(_)) => declared.domain.clone(),
            (None, None) => None,
        },
        fpu: !extra.fpu_disabled,
        maps: memory.maps[number].clone(),
        irqs: found
            .irqs
            .iter()
            .filter(|irq| of(irq.0))
            .map(|(_, id, source)| Irq { id: *id, source: source.clone(), setvar_id: None, place })
            .collect(),
        ioports: found
            .ports
            .iter()
            .filter(|ports| of(ports.0))
            .map(|&(_, id, addr, size)| IoPort { id, addr, size, setvar_id: None, setvar_addr: None, place })
            .collect(),
        caps: found
            .caps
            .iter()
            .filter(|cap| of(cap.0))
            .map(|&(_, kind, other, slot)| Cap { kind, pd: name(other), slot, place })
            .collect(),
        virtual_machine: None,
        children: Vec::new(),
        ..declared.clone()
    };
    Ok((rebuilt, amiss))
}

fn nested(
    domains: Vec<ProtectionDomain>,
    parents: &BTreeMap<usize, (usize, u8)>,
    amiss: &mut Vec<(Who, String)>,
) -> Vec<ProtectionDomain> {
    let parent = |domain: usize| parents.get(&domain).map(|&(parent, _)| parent);
    let count = domains.len();
    let in_circle = |domain: usize| {
        let line = std::iter::successors(Some(domain), |&at| parent(at));
        line.take(count + 1).count() > count
    };
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut roots = Vec::new();
    for domain in 0..count {
        match parent(domain).filter(|_| !in_circle(domain)) {
            Some(parent) => children[parent].push(domain),
            None => roots.push(domain),
        }
        if in_circle(domain) {
            amiss.push((Some(domain), "is its own parent, by way of others".into()));
        }
    }
    let mut domains: Vec<Option<ProtectionDomain>> = domains.into_iter().map(Some).collect();
    fn take(
        domain: usize,
        domains: &mut [Option<ProtectionDomain>],
        children: &[Vec<usize>],
    ) -> Option<ProtectionDomain> {
        let mut taken = domains[domain].take()?;
        taken.children = children[domain].iter().filter_map(|&child| take(child, domains, children)).collect();
        Some(taken)
    }
    roots.into_iter().filter_map(|root| take(root, &mut domains, &children)).collect()
}

/// Puts the two directions of channels together.
fn channels(halves: &[Half], names: &[&str], declared: &System, domains: &[&ProtectionDomain]) -> Vec<Channel> {
    let mut channels: BTreeMap<[(usize, u8); 2], Channel> = BTreeMap::new();
    for half in halves {
        let mut ends = [half.from, half.to];
        ends.sort_unstable();
        let known = declared.channels.iter().find(|channel| {
            let mut known = channel.ends.each_ref().map(|end| (end.pd.as_str(), end.id));
            let mut built = ends.map(|(domain, id)| (names[domain], id));
            known.sort_unstable();
            built.sort_unstable();
            known == built
        });
        let end = |(domain, id): (usize, u8)| {
            let known = known.and_then(|known| known.ends.iter().find(|end| end.pd == names[domain]));
            let place = known.map_or(domains[domain].place, |end| end.place);
            End { pd: names[domain].to_owned(), id, pp: false, notify: false, setvar_id: None, place }
        };
        let channel = channels.entry(ends).or_insert_with(|| Channel {
            ends: ends.map(end),
            place: known.map_or(domains[ends[0].0].place, |known| known.place),
        });
        let from = usize::from(ends[0] != half.from);
        let from = &mut channel.ends[from];
        if half.call {
            from.pp = true;
        } else {
            from.notify = true;
        }
    }
    channels.into_values().collect()
}

/// The schedule of scheduling domains. Where the tool chooses their ids the description's is taken.
fn schedule(spec: &Spec, declared: &System) -> Option<Domains> {
    let built = spec.domain_schedule.as_ref()?;
    let known = declared.domains.as_ref();
    if known.is_some_and(|known| known.domains.iter().any(|domain| domain.id.is_none())) {
        return known.cloned();
    }
    let place = known.map_or(Place::default(), |known| known.place);
    let name = |id: u8| {
        let domain = known.and_then(|known| known.domains.iter().find(|domain| domain.id == Some(id)));
        domain.map_or(format!("domain {id}"), |domain| domain.name.clone())
    };
    let entry = |entry: &totebox_capdl::ScheduleEntry| {
        let (duration, ticks) = match entry.duration {
            Duration::Ticks(ticks) => (ticks.get(), true),
            Duration::Us(us) => (us.get(), false),
            Duration::EndMarker => (0, false),
        };
        let domain = (entry.duration != Duration::EndMarker).then(|| name(entry.domain));
        ScheduleEntry { domain, duration, ticks, place }
    };
    Some(Domains {
        domains: known.map_or(Vec::new(), |known| known.domains.clone()),
        schedule: built.iter().map(entry).collect(),
        start_index: spec.domain_set_start.unwrap_or(0),
        index_shift: spec.domain_idx_shift,
        place,
    })
}
