//! Who maps which frame, rebuilt from the page tables. The frames of a declared region are those that the
//! first domain declared to map it maps there; whatever else is mapped is a program's, a stack, an IPC
//! buffer, or nothing the description knows of.

use std::collections::{BTreeMap, HashMap, HashSet};

use totebox_capdl::{Cap, Error, Object, ObjectId, Spec, Tcb};
use totebox_sdf::{Map, MemoryRegion, Perms, Place, ProtectionDomain, System};

use super::threads::{Threads, Who, bound, slot};

/// The smallest page, and the entries of a page table, as powers of two, on every 64-bit architecture.
const PAGE_BITS: u32 = 12;
const TABLE_BITS: u32 = 9;
/// No architecture has more levels of page tables.
const LEVELS_MAX: u8 = 4;

#[derive(Clone, Copy)]
struct Page {
    frame: ObjectId,
    bytes: u64,
    perms: Perms,
    cached: bool,
}

/// Everything mapped in one address space.
type Space = BTreeMap<u64, Page>;

/// The memory of a system as it was built.
pub struct Memory {
    /// The regions of the description, and more for what it does not say.
    pub regions: Vec<MemoryRegion>,
    pub maps: Vec<Vec<Map>>,
    pub stacks: Vec<u64>,
    /// What is amiss: the domain, and what.
    pub amiss: Vec<(usize, String)>,
}

/// Whether a region is one a program has without declaring it. No other one is called so: what the image
/// calls its frames comes behind a number.
pub fn is_own(region: &str, declared: &System) -> bool {
    let own = ["program of ", "stack of ", "IPC buffer of "].iter().any(|start| region.starts_with(start));
    own && declared.region(region).is_none()
}

pub fn rebuild(
    spec: &Spec,
    threads: &Threads,
    domains: &[&ProtectionDomain],
    system: &System,
) -> Result<Memory, Error> {
    let leaf = spec.all().filter_map(|(_, object)| match object {
        Object::PageTable(table) => table.level,
        _ => None,
    });
    let leaf = leaf.max().unwrap_or(0).min(LEVELS_MAX);
    let mut spaces: HashMap<Who, Space> = HashMap::new();
    let mut users: HashMap<ObjectId, Vec<Who>> = HashMap::new();
    let mut tables = HashSet::new();
    for who in threads.all() {
        let mut space = Space::new();
        if let Some(root) = tcb(spec, threads, who).and_then(|tcb| bound(tcb, slot::VSPACE)) {
            walk(spec, root.object(), leaf, (0, 0), &mut space, &mut tables)?;
        }
        space.values().for_each(|page| users.entry(page.frame).or_default().push(who));
        spaces.insert(who, space);
    }
    let mut rebuilt = Rebuilt {
        spec,
        system,
        users,
        home: HashMap::new(),
        memory: Memory { regions: Vec::new(), maps: Vec::new(), stacks: Vec::new(), amiss: Vec::new() },
    };
    rebuilt.regions(domains, &spaces);
    for (number, domain) in domains.iter().enumerate() {
        let who = Some(number);
        rebuilt.domain(number, domain, tcb(spec, threads, who), &spaces[&who]);
    }
    Ok(rebuilt.memory)
}

/// Somebody's thread.
fn tcb<'a>(spec: &'a Spec, threads: &Threads, who: Who) -> Option<&'a Tcb> {
    match spec.object(threads.id(who)) {
        Some(Object::Tcb(tcb)) => Some(tcb),
        _ => None,
    }
}

/// Goes through a page table that lies so deep and begins at this address. A table is in one place: so the kernel has
/// it, and so the walk ends soon whatever the tables say of each other.
fn walk(
    spec: &Spec,
    table: ObjectId,
    leaf: u8,
    (depth, base): (u8, u64),
    space: &mut Space,
    tables: &mut HashSet<ObjectId>,
) -> Result<(), Error> {
    let broken = |what: &str| {
        Err(Error::new(
            format!("page table {table} {what}, which is not understood"),
            "build the image anew with `make image`",
        ))
    };
    let Some(Object::PageTable(object)) = spec.object(table) else { return broken("is none") };
    let level = object.level.unwrap_or(depth);
    if object.x86_ept {
        return broken("is a virtual machine's");
    }
    if level > leaf || depth > LEVELS_MAX {
        return broken("lies deeper than the machine's");
    }
    if !tables.insert(table) {
        return broken("is in two places");
    }
    let shift = PAGE_BITS + TABLE_BITS * u32::from(leaf - level);
    for entry in &object.slots {
        let bytes = 1_u64 << shift;
        let address = bytes.checked_mul(entry.slot.into()).and_then(|offset| base.checked_add(offset));
        let Some(address) = address.filter(|address| address.checked_add(bytes).is_some()) else {
            return broken("has an entry for no address there is");
        };
        match &entry.cap {
            Cap::PageTable(to) => walk(spec, to.object, leaf, (depth + 1, address), space, tables)?,
            Cap::Frame(cap) => {
                let Some(Object::Frame(frame)) = spec.object(cap.object) else { return broken("maps no frame") };
                if u32::from(frame.size_bits) != shift {
                    return broken("maps a frame of another size than its entries have");
                }
                let perms = Perms { read: cap.rights.read, write: cap.rights.write, execute: cap.executable };
                let page = Page { frame: cap.object, bytes, perms, cached: cap.cached };
                space.insert(address, page);
            }
            _ => return broken("holds what is neither a page nor a page table"),
        }
    }
    Ok(())
}

struct Rebuilt<'a> {
    spec: &'a Spec,
    system: &'a System,
    /// Who maps a frame, once for each mapping.
    users: HashMap<ObjectId, Vec<Who>>,
    /// Of a frame: its region, and where in it.
    home: HashMap<ObjectId, (usize, u64)>,
    memory: Memory,
}

impl Rebuilt<'_> {
    /// Finds the frames of the declared regions.
    fn regions(&mut self, domains: &[&ProtectionDomain], spaces: &HashMap<Who, Space>) {
        for region in &self.system.regions {
            let index = self.memory.regions.len();
            let mappers = domains.iter().enumerate().flat_map(|(number, domain)| {
                domain.maps.iter().filter(|map| map.region == region.name).map(move |map| (number, map))
            });
            let mut size = 0;
            let mut address = None;
            for (number, map) in mappers {
                let space = &spaces[&Some(number)];
                // Without a size it is as large as what is mapped there in one piece, up to the next map.
                let next = domains[number].maps.iter().map(|other| other.vaddr).filter(|&other| other > map.vaddr);
                let limit = region.size.or(next.min().map(|next| next - map.vaddr)).unwrap_or(u64::MAX);
                while let Some(page) = map.vaddr.checked_add(size).and_then(|at| space.get(&at)) {
                    if size >= limit || self.home.contains_key(&page.frame) {
                        break;
                    }
                    address = address.or(self.paddr(page.frame).map(|paddr| paddr.wrapping_sub(size)));
                    if self.paddr(page.frame) != address.map(|address| address.wrapping_add(size)) {
                        let what =
                            format!("maps '{}', whose pages are not where they belong in memory", region.name);
                        self.memory.amiss.push((number, what));
                    }
                    self.home.insert(page.frame, (index, size));
                    size += page.bytes;
                }
                if size > 0 {
                    break;
                }
            }
            // The tool chooses a place for memory a domain is told the address of.
            let told = domains.iter().flat_map(|domain| &domain.setvars);
            let is_told = told.into_iter().any(|setvar| setvar.region_paddr == region.name);
            let phys_addr = if size == 0 || is_told { region.phys_addr } else { address };
            let size = if size == 0 { region.size } else { Some(size) };
            self.memory.regions.push(MemoryRegion { size, phys_addr, ..region.clone() });
        }
    }

    fn paddr(&self, frame: ObjectId) -> Option<u64> {
        match self.spec.object(frame) {
            Some(Object::Frame(frame)) => frame.paddr,
            _ => None,
        }
    }

    fn domain(&mut self, number: usize, domain: &ProtectionDomain, tcb: Option<&Tcb>, space: &Space) {
        let name = &domain.name;
        let buffer = tcb.map_or(0, |tcb| tcb.extra.ipc_buffer_addr);
        let bound_buffer = tcb.and_then(|tcb| bound(tcb, slot::IPC_BUFFER)).map(Cap::object);
        if space.get(&buffer).map(|page| page.frame) != bound_buffer || !space.contains_key(&buffer) {
            self.memory.amiss.push((number, "has an IPC buffer that is not the page it sees as such".into()));
        }
        let stack = self.stack(tcb.map_or(0, |tcb| tcb.extra.sp), space);
        // Whole maps of regions, by where the region would begin; and the bytes seen of each.
        let mut maps: BTreeMap<(u64, usize, [bool; 4]), (&Page, u64)> = BTreeMap::new();
        let mut end = None;
        for (&address, page) in space {
            let declared = self.home.get(&page.frame).copied();
            let (region, offset) = match declared {
                Some(home) => home,
                None if self.users[&page.frame] != [Some(number)] || self.paddr(page.frame).is_some() => {
                    self.undeclared(number, domain, page)
                }
                None => {
                    let own = if address == buffer {
                        format!("IPC buffer of {name}")
                    } else if stack.contains(&address) {
                        format!("stack of {name}")
                    } else {
                        format!("program of {name}")
                    };
                    self.own(domain, own, page, (address, end))
                }
            };
            end = declared.is_none().then_some((address + page.bytes, page.perms));
            let Perms { read, write, execute } = page.perms;
            let key = (address.wrapping_sub(offset), region, [read, write, execute, page.cached]);
            maps.entry(key).or_insert((page, 0)).1 += page.bytes;
        }
        let mut rebuilt = Vec::new();
        for ((vaddr, index, _), (&Page { perms, cached, .. }, bytes)) in maps {
            let region = &self.memory.regions[index];
            let is_declared = index < self.system.regions.len();
            let declared = domain.maps.iter().find(|map| map.region == region.name && map.vaddr == vaddr);
            if is_declared && region.size.is_some_and(|size| size != bytes) {
                let what = format!("maps {bytes:#x} bytes of '{}' at {vaddr:#x}, and not all of it", region.name);
                self.memory.amiss.push((number, what));
            }
            let place = declared.map_or(domain.place, |map| map.place);
            let map = Map {
                region: region.name.clone(),
                vaddr,
                perms,
                cached,
                setvar_vaddr: None,
                setvar_size: None,
                setvar_prefill_size: None,
                place,
            };
            rebuilt.push(map);
        }
        self.memory.maps.push(rebuilt);
        self.memory.stacks.push(stack.end - stack.start);
    }

    /// The pages right below where the stack begins that are nobody else's and can be written.
    fn stack(&self, top: u64, space: &Space) -> std::ops::Range<u64> {
        let mut bottom = top;
        for (&address, page) in space.range(..top).rev() {
            let writable = Perms { read: true, write: true, execute: false };
            if address + page.bytes != bottom || page.perms != writable || self.home.contains_key(&page.frame) {
                break;
            }
            bottom = address;
        }
        bottom..top
    }

    /// A frame that is shared or at a fixed place, and in no declared region: a region of its own.
    fn undeclared(&mut self, number: usize, domain: &ProtectionDomain, page: &Page) -> (usize, u64) {
        if self.users[&page.frame].contains(&None) {
            self.memory.amiss.push((number, "maps memory of the monitor".into()));
        }
        let called = self.spec.name(page.frame).map_or(String::new(), |name| format!(", {name}"));
        let name = format!("frame {}{called}", page.frame);
        let place = domain.place;
        self.add(name, page.bytes, self.paddr(page.frame), None, place);
        let home = (self.memory.regions.len() - 1, 0);
        self.home.insert(page.frame, home);
        home
    }

    /// A page of a domain's own: part of the region before it, if it goes on.
    fn own(
        &mut self,
        domain: &ProtectionDomain,
        name: String,
        page: &Page,
        (address, end): (u64, Option<(u64, Perms)>),
    ) -> (usize, u64) {
        let next = self.memory.regions.len();
        if let Some(region) = self.memory.regions.last_mut()
            && end == Some((address, page.perms))
            && region.name.starts_with(&name)
        {
            let offset = region.size.unwrap_or(0);
            region.size = Some(offset + page.bytes);
            return (next - 1, offset);
        }
        let name = format!("{name}, at {address:#x}");
        self.add(name, page.bytes, None, Some(domain.program_image.clone()), domain.place);
        (next, 0)
    }

    fn add(&mut self, name: String, size: u64, phys_addr: Option<u64>, prefill: Option<String>, place: Place) {
        self.memory.regions.push(MemoryRegion {
            name,
            size: Some(size),
            page_size: None,
            phys_addr,
            prefill_path: prefill,
            prefill_bootinfo: None,
            place,
        });
    }
}
