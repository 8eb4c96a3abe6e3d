//! What of a system description the hosted backend carries out: which region goes where with which right,
//! which channel joins whom. Device and DMA memory is left out, hosted devices stand in for it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use totebox_sdf::{Error, Errors, System};

/// The symbol a program's manifest address is patched into.
const MANIFEST_SYMBOL: &str = "manifest_vaddr";

/// A system, with PDs referred to by their index.
#[derive(Debug)]
pub struct Plan {
    pub pds: Vec<Pd>,
    pub regions: Vec<Region>,
    pub channels: Vec<[End; 2]>,
}

#[derive(Debug)]
pub struct Pd {
    pub name: String,
    /// Its program image, as the description names it.
    pub program: String,
    /// The PD that gets its faults, and its number there.
    pub parent: Option<(usize, u8)>,
    /// The file its manifest region is filled with.
    pub manifest_file: String,
    pub manifest_vaddr: u64,
    /// Bytes of its manifest region.
    pub manifest_size: u64,
}

#[derive(Debug)]
pub struct Region {
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// The file its first bytes come from.
    pub prefill: Option<String>,
    pub writer: Option<Mapped>,
    pub readers: Vec<Mapped>,
}

/// A region in the address space of a PD.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    pub pd: usize,
    pub vaddr: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct End {
    pub pd: usize,
    pub id: u8,
    pub notifies: bool,
}

impl Plan {
    /// The plan of a system description, or all of it that cannot be carried out. `file` is for errors.
    pub fn new(file: &Path, system: &System) -> Result<Plan, Errors> {
        let mut errors = Vec::new();
        let mut error = |place, message| errors.push(Error { file: file.to_owned(), place, message });
        let pds = system.all_protection_domains();
        let numbers: HashMap<&str, usize> = pds.iter().enumerate().map(|(n, (pd, _))| (&*pd.name, n)).collect();
        let dma: HashSet<&str> =
            pds.iter().flat_map(|(pd, _)| &pd.setvars).map(|setvar| &*setvar.region_paddr).collect();

        let mut plan = Plan { pds: Vec::new(), regions: Vec::new(), channels: Vec::new() };
        for region in &system.regions {
            if region.phys_addr.is_some() || dma.contains(&*region.name) {
                continue;
            }
            let maps = pds.iter().enumerate().flat_map(|(pd, (domain, _))| {
                domain.maps.iter().filter(|map| map.region == region.name).map(move |map| (pd, map))
            });
            let (mut writer, mut readers): (Option<Mapped>, _) = (None, Vec::new());
            for (pd, map) in maps {
                let mapped = Mapped { pd, vaddr: map.vaddr };
                let name = &region.name;
                match writer {
                    _ if map.perms.execute => {
                        error(map.place, format!("region '{name}' is mapped executable; only programs are"))
                    }
                    _ if !map.perms.write => readers.push(mapped),
                    None => writer = Some(mapped),
                    Some(first) => error(
                        map.place,
                        format!(
                            "region '{name}' is writable by '{}' and by '{}'; every region has one writer: \
                             make this map perms=\"r\", or give each writer a region of its own",
                            pds[first.pd].0.name, pds[pd].0.name,
                        ),
                    ),
                }
            }
            let Some(size) = region.size.filter(|&size| size > 0) else {
                error(region.place, format!("region '{}' needs a size", region.name));
                continue;
            };
            if writer.is_some() || !readers.is_empty() {
                let (name, prefill) = (region.name.clone(), region.prefill_path.clone());
                plan.regions.push(Region { name, size, prefill, writer, readers });
            }
        }

        for (pd, parent) in &pds {
            let map = pd.maps.iter().find(|map| map.setvar_vaddr.as_deref() == Some(MANIFEST_SYMBOL));
            let region = map.and_then(|map| plan.regions.iter().find(|region| region.name == map.region));
            let (Some(map), Some(Region { prefill: Some(file), size, .. })) = (map, region) else {
                let message = format!(
                    "'{}' has no manifest: a region with prefill_path, mapped with setvar_vaddr=\"{MANIFEST_SYMBOL}\"",
                    pd.name
                );
                error(pd.place, message);
                continue;
            };
            plan.pds.push(Pd {
                name: pd.name.clone(),
                program: pd.program_image.clone(),
                parent: parent.and_then(|parent| Some((numbers[&*parent.name], pd.id?))),
                manifest_file: file.clone(),
                manifest_vaddr: map.vaddr,
                manifest_size: *size,
            });
        }

        for end in system.channels.iter().flat_map(|channel| &channel.ends).filter(|end| end.pp) {
            let message = format!("'{}' may make protected calls, which this backend does not carry out", end.pd);
            error(end.place, message);
        }

        let end = |end: &totebox_sdf::End| End { pd: numbers[&*end.pd], id: end.id, notifies: end.notify };
        plan.channels = system.channels.iter().map(|channel| channel.ends.each_ref().map(end)).collect();
        if errors.is_empty() { Ok(plan) } else { Err(Errors(errors)) }
    }
}
