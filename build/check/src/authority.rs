//! Who may do what: a system description reduced to its subjects (domains, virtual machines, devices) and
//! what each can do to memory and to the others. The rules, the graph, the diff and the report all read
//! this, and only this, of how a description puts it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use totebox_sdf::{CapKind, Map, Perms, Place, ProtectionDomain, System};

/// Something that can act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    pub kind: SubjectKind,
    /// The domain that controls it.
    pub parent: Option<usize>,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    Domain,
    Machine,
    /// A device with an address space of its own.
    Device,
}

/// A subject that can access a region by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub subject: usize,
    /// The region's index in the description.
    pub region: usize,
    pub perms: Perms,
    pub cached: bool,
    /// Where it is mapped; `None` if the subject only knows its physical address, to tell a device.
    pub vaddr: Option<u64>,
    pub place: Place,
}

/// What one subject can do to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// Write memory the other maps: the region's name.
    Write(String),
    Signal,
    Call,
    Answer,
    /// Control its thread, its CPU time or its memory.
    Control(Control),
    Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// As its parent, or as the monitor of a virtual machine.
    Parent,
    Thread,
    Time,
    Memory,
}

/// One way in which one subject can do something to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Who acts.
    pub from: usize,
    /// Who is acted on.
    pub to: usize,
    pub how: How,
    /// Where the description gives it to the one who acts, and where to the other.
    pub places: [Place; 2],
}

/// Subjects, what they can access, and what they can do to each other.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The domains in the order of the file, then virtual machines, then devices.
    pub subjects: Vec<Subject>,
    pub accesses: Vec<Access>,
    pub edges: Vec<Edge>,
    /// Of each region, the class of those that are the same memory: its lowest region.
    pub classes: Vec<usize>,
}

impl Authority {
    /// What a description allows.
    pub fn of(system: &System) -> Authority {
        let classes = classes(system);
        let mut authority = Authority { subjects: vec![], accesses: vec![], edges: vec![], classes };
        authority.subjects(system);
        authority.memory(system);
        authority.channels(system);
        authority.control(system);
        let mut seen = BTreeSet::new();
        authority.edges.retain(|edge| edge.from != edge.to && seen.insert((edge.from, edge.to, edge.how.clone())));
        authority
    }

    pub fn subject(&self, name: &str) -> Option<usize> {
        self.subjects.iter().position(|subject| subject.name == name)
    }

    /// A subject's name.
    pub fn name(&self, subject: usize) -> &str {
        &self.subjects[subject].name
    }

    /// The domain a subject is, or is controlled by if it is a virtual machine.
    pub fn domain(&self, subject: usize) -> usize {
        match self.subjects[subject] {
            Subject { kind: SubjectKind::Machine, parent: Some(parent), .. } => parent,
            _ => subject,
        }
    }

    /// The accesses to each class of memory, in the order of the file.
    pub fn by_memory(&self) -> BTreeMap<usize, Vec<&Access>> {
        let mut memory: BTreeMap<usize, Vec<&Access>> = BTreeMap::new();
        for access in &self.accesses {
            memory.entry(self.classes[access.region]).or_default().push(access);
        }
        memory.values_mut().for_each(|accesses| accesses.sort_by_key(|access| access.place));
        memory
    }

    /// The edges along which a subject influences another.
    pub fn influence(&self) -> Reach {
        self.reach(|edge| vec![(edge.from, edge.to)])
    }

    /// The edges along which a subject comes to know something of another. A notification carries
    /// nothing; who controls a thread or its memory can also read them.
    pub fn knowledge(&self) -> Reach {
        self.reach(|edge| match edge.how {
            How::Signal | How::Control(Control::Time) => vec![],
            How::Control(_) => vec![(edge.from, edge.to), (edge.to, edge.from)],
            _ => vec![(edge.from, edge.to)],
        })
    }

    fn reach(&self, arrows: impl Fn(&Edge) -> Vec<(usize, usize)>) -> Reach {
        let mut next = vec![BTreeSet::new(); self.subjects.len()];
        for (from, to) in self.edges.iter().flat_map(arrows) {
            next[from].insert(to);
        }
        Reach { next }
    }

    fn subjects(&mut self, system: &System) {
        let all = system.all_protection_domains();
        let index: HashMap<&str, usize> =
            all.iter().enumerate().map(|(i, (pd, _))| (pd.name.as_str(), i)).collect();
        let domain = |(pd, parent): &(&ProtectionDomain, Option<&ProtectionDomain>)| Subject {
            name: pd.name.clone(),
            kind: SubjectKind::Domain,
            parent: parent.map(|parent| index[parent.name.as_str()]),
            place: pd.place,
        };
        self.subjects.extend(all.iter().map(domain));
        for (index, (pd, _)) in all.iter().enumerate() {
            self.subjects.extend(pd.virtual_machine.iter().map(|machine| Subject {
                name: machine.name.clone(),
                kind: SubjectKind::Machine,
                parent: Some(index),
                place: machine.place,
            }));
        }
        self.subjects.extend(system.io_address_spaces.iter().map(|space| Subject {
            name: space.name.clone(),
            kind: SubjectKind::Device,
            parent: None,
            place: space.place,
        }));
    }

    fn memory(&mut self, system: &System) {
        let regions: HashMap<&str, usize> =
            system.regions.iter().enumerate().map(|(index, region)| (region.name.as_str(), index)).collect();
        let mapped = |subject: usize, map: &Map| Access {
            subject,
            region: regions[map.region.as_str()],
            perms: map.perms,
            cached: map.cached,
            vaddr: Some(map.vaddr),
            place: map.place,
        };
        let all = system.all_protection_domains();
        for (subject, (pd, _)) in all.iter().enumerate() {
            self.accesses.extend(pd.maps.iter().map(|map| mapped(subject, map)));
            self.accesses.extend(pd.setvars.iter().map(|setvar| Access {
                subject,
                region: regions[setvar.region_paddr.as_str()],
                perms: Perms { read: true, write: true, execute: false },
                cached: true,
                vaddr: None,
                place: setvar.place,
            }));
        }
        let machines = all.iter().filter_map(|(pd, _)| pd.virtual_machine.as_ref());
        for (machine, subject) in machines.zip(all.len()..) {
            self.accesses.extend(machine.maps.iter().map(|map| mapped(subject, map)));
        }
        let first = self.subjects.len() - system.io_address_spaces.len();
        for (space, subject) in system.io_address_spaces.iter().zip(first..) {
            self.accesses.extend(space.maps.iter().map(|map| Access {
                subject,
                region: regions[map.region.as_str()],
                perms: map.perms,
                cached: true,
                vaddr: Some(map.iovaddr),
                place: map.place,
            }));
        }
        let mut edges = Vec::new();
        for accesses in self.by_memory().values() {
            // Of one subject the first is as good as all: it may map the same memory thousands of times.
            let (mut wrote, mut mapped) = (BTreeSet::new(), BTreeSet::new());
            let writes = |access: &&&Access| access.perms.write && wrote.insert((access.subject, access.region));
            let maps = |access: &&&Access| access.vaddr.is_some() && mapped.insert(access.subject);
            let writers: Vec<&&Access> = accesses.iter().filter(writes).collect();
            let readers: Vec<&&Access> = accesses.iter().filter(maps).collect();
            for writer in &writers {
                for reader in &readers {
                    let how = How::Write(system.regions[writer.region].name.clone());
                    let places = [writer.place, reader.place];
                    edges.push(Edge { from: writer.subject, to: reader.subject, how, places });
                }
            }
        }
        self.edges.extend(edges);
    }

    fn channels(&mut self, system: &System) {
        for channel in &system.channels {
            for (mine, theirs) in [(0, 1), (1, 0)].map(|(a, b)| (&channel.ends[a], &channel.ends[b])) {
                let (Some(from), Some(to)) = (self.subject(&mine.pd), self.subject(&theirs.pd)) else { continue };
                let places = [mine.place, theirs.place];
                if mine.notify {
                    self.edges.push(Edge { from, to, how: How::Signal, places });
                }
                if mine.pp {
                    self.edges.push(Edge { from, to, how: How::Call, places });
                    let places = [theirs.place, mine.place];
                    self.edges.push(Edge { from: to, to: from, how: How::Answer, places });
                }
            }
        }
    }

    fn control(&mut self, system: &System) {
        for (child, subject) in self.subjects.iter().enumerate() {
            let Some(parent) = subject.parent else { continue };
            let places = [self.subjects[parent].place, subject.place];
            self.edges.push(Edge { from: parent, to: child, how: How::Control(Control::Parent), places });
            let places = [subject.place, self.subjects[parent].place];
            self.edges.push(Edge { from: child, to: parent, how: How::Fault, places });
        }
        for (from, (pd, _)) in system.all_protection_domains().into_iter().enumerate() {
            for cap in &pd.caps {
                let Some(to) = self.subject(&cap.pd) else { continue };
                let how = How::Control(match cap.kind {
                    CapKind::Tcb => Control::Thread,
                    CapKind::Sc => Control::Time,
                    CapKind::VSpace => Control::Memory,
                });
                self.edges.push(Edge { from, to, how, places: [cap.place, self.subjects[to].place] });
            }
        }
    }
}

/// Of each region, the lowest region that shares physical memory with it, directly or through others.
fn classes(system: &System) -> Vec<usize> {
    let range = |region: &totebox_sdf::MemoryRegion| {
        region.phys_addr.map(|start| (start, start.saturating_add(region.size.unwrap_or(1).max(1))))
    };
    let mut fixed: Vec<(u64, u64, usize)> = system
        .regions
        .iter()
        .enumerate()
        .filter_map(|(index, region)| range(region).map(|(start, end)| (start, end, index)))
        .collect();
    fixed.sort_unstable();
    let mut classes: Vec<usize> = (0..system.regions.len()).collect();
    let mut rest = &fixed[..];
    while let [(_, mut end, _), ..] = *rest {
        // Those that begin before all of them have ended.
        let touching = rest.iter().take_while(|&&(start, its_end, _)| {
            let touches = start < end;
            end = end.max(if touches { its_end } else { 0 });
            touches
        });
        let (run, after) = rest.split_at(touching.count());
        let lowest = run.iter().map(|&(_, _, index)| index).min();
        run.iter().for_each(|&(_, _, index)| classes[index] = lowest.unwrap_or(index));
        rest = after;
    }
    classes
}

/// Which subjects act on which, directly.
#[derive(Clone, Debug)]
pub struct Reach {
    next: Vec<BTreeSet<usize>>,
}

impl Reach {
    /// Everybody a subject reaches, directly or through subjects that `may_pass`, without itself.
    pub fn closure(&self, from: usize, may_pass: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            let new: Vec<usize> = self.next[at].iter().copied().filter(|&to| reached.insert(to)).collect();
            queue.extend(new.into_iter().filter(|&to| may_pass(to)));
        }
        reached.remove(&from);
        reached
    }

    /// The shortest way from one subject to one that `is_end`, both included, only through those that `may_pass`.
    pub fn path(
        &self,
        from: usize,
        is_end: impl Fn(usize) -> bool,
        may_pass: impl Fn(usize) -> bool,
    ) -> Option<Vec<usize>> {
        let mut before: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for &to in &self.next[at] {
                if to == from || before.contains_key(&to) {
                    continue;
                }
                before.insert(to, at);
                if is_end(to) {
                    let mut path: Vec<usize> =
                        std::iter::successors(Some(to), |subject| before.get(subject).copied()).collect();
                    path.reverse();
                    return Some(path);
                }
                if may_pass(to) {
                    queue.push_back(to);
                }
            }
        }
        None
    }
}
