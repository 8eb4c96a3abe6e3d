//! From XML elements to the values of a system description, with the Microkit tool's defaults. A value
//! whose attributes are wrong is reported and left out; reading goes on.

use std::cell::RefCell;
use std::path::Path;

use roxmltree::Document;
use totebox_shown::Shown;

use crate::element::{Element, Source};
use crate::resolve::resolve;
use crate::*;

/// Microseconds of a thread's budget, and of its period, if the description does not say.
const BUDGET_US: u64 = 1000;
/// Bytes of a stack if the description does not say.
const STACK_SIZE: u64 = 0x2000;
const PRIORITY_MAX: u8 = 254;
/// No deeper nesting of protection domains has a meaning.
const DEPTH_MAX: usize = DOMAINS_MAX - 1;

/// Bytes from one `<` to the next at most: a tag and the text, or the comment, behind it. The attributes of one tag are
/// compared with each other, which takes as long as the square of how many they are.
const TAG_MAX: usize = 32 * 1024;

pub fn system(file: &Path, xml: &str) -> Result<System, Errors> {
    let places = Places::new(xml);
    let unreadable = |place, message| Errors(vec![Error { file: file.to_owned(), place, message }]);
    let mut tag = 0;
    for text in xml.split('<') {
        if text.len() > TAG_MAX {
            let message =
                format!("more than {TAG_MAX} bytes without a `<`; make the tag, text or comment shorter");
            return Err(unreadable(places.of(tag), message));
        }
        tag += text.len() + 1;
    }
    let document = Document::parse(xml).map_err(|error| {
        let position = error.pos();
        let message = Shown(format_args!("not well-formed XML: {error}")).to_string();
        unreadable(Place { line: position.row, column: position.col }, message)
    })?;
    let source = Source { file, places, errors: RefCell::default() };
    let root = Element::new(document.root_element(), &source);
    let mut system = System::default();
    if root.name() != "system" {
        root.error(format!("the root element is <{}>; expected <system>", root.name()));
        return source.finish(system);
    }
    root.attributes(&[]);
    for child in root.children() {
        match child.name() {
            "memory_region" => system.regions.extend(memory_region(child)),
            "protection_domain" => system.protection_domains.extend(protection_domain(child, 0)),
            "channel" => system.channels.extend(channel(child)),
            "io_address_space" => system.io_address_spaces.extend(io_address_space(child)),
            "domains" if system.domains.is_some() => child.error("<domains> may stand only once"),
            "domains" => system.domains = Some(domains(child)),
            "virtual_machine" => child.error("<virtual_machine> must stand in a <protection_domain>"),
            _ => child.unexpected("system"),
        }
    }
    resolve(&system, &source);
    source.finish(system)
}

fn memory_region(e: Element) -> Option<MemoryRegion> {
    e.attributes(&["name", "size", "page_size", "phys_addr", "prefill_path", "prefill_bootinfo"]);
    e.no_children();
    let region = MemoryRegion {
        size: e.number("size"),
        page_size: e.number("page_size"),
        phys_addr: e.number("phys_addr"),
        prefill_path: e.optional("prefill_path"),
        prefill_bootinfo: e.optional("prefill_bootinfo"),
        name: e.required("name")?,
        place: e.place(),
    };
    let prefilled = region.prefill_path.is_some() || region.prefill_bootinfo.is_some();
    if region.prefill_path.is_some() && region.prefill_bootinfo.is_some() {
        e.error("a region is filled from prefill_path or from prefill_bootinfo, not from both");
    }
    if e.optional("size").is_none() && !prefilled {
        e.error("<memory_region> lacks the attribute 'size' (only a prefilled region may)");
    }
    Some(region)
}

fn scheduling(e: Element) -> Option<Scheduling> {
    let budget_us = e.optional("budget").map_or(Some(BUDGET_US), |_| e.number("budget"));
    let period_us = e.optional("period").map_or(budget_us, |_| e.number("period"));
    let priority = e.optional("priority").map_or(Some(0), |_| e.small_number("priority", PRIORITY_MAX));
    let scheduling = Scheduling { priority: priority?, budget_us: budget_us?, period_us: period_us? };
    if scheduling.budget_us > scheduling.period_us {
        let Scheduling { budget_us, period_us, .. } = scheduling;
        e.error(format!("budget ({budget_us}) is larger than period ({period_us})"));
    }
    Some(scheduling)
}

/// `depth` is the number of protection domains around it.
fn protection_domain(e: Element, depth: usize) -> Option<ProtectionDomain> {
    let is_child = depth > 0;
    let mut known = vec!["name", "priority", "budget", "period", "passive", "stack_size", "smc", "cpu"];
    known.extend(["domain", "fpu"]);
    known.extend(if is_child { &["id", "setvar_id"][..] } else { &[] });
    e.attributes(&known);

    let mut pd = ProtectionDomain {
        name: e.required("name").unwrap_or_default(),
        id: None,
        setvar_id: e.optional("setvar_id"),
        scheduling: scheduling(e).unwrap_or(Scheduling { priority: 0, budget_us: 0, period_us: 0 }),
        passive: e.boolean("passive", false).unwrap_or_default(),
        stack_size: e.number("stack_size").unwrap_or(STACK_SIZE),
        smc: e.boolean("smc", false).unwrap_or_default(),
        cpu: e.small_number("cpu", u8::MAX).unwrap_or_default(),
        domain: e.optional("domain"),
        fpu: e.boolean("fpu", true).unwrap_or_default(),
        program_image: String::new(),
        program_image_for_symbols: None,
        maps: Vec::new(),
        irqs: Vec::new(),
        ioports: Vec::new(),
        setvars: Vec::new(),
        caps: Vec::new(),
        virtual_machine: None,
        children: Vec::new(),
        place: e.place(),
    };
    if is_child && e.required("id").is_some() {
        pd.id = e.small_number("id", ID_MAX);
    }
    let (mut images, mut cspaces) = (0, 0);
    for child in e.children() {
        match child.name() {
            "program_image" => {
                images += 1;
                child.attributes(&["path", "path_for_symbols"]);
                child.no_children();
                pd.program_image = child.required("path").unwrap_or_default();
                pd.program_image_for_symbols = child.optional("path_for_symbols");
            }
            "map" => pd.maps.extend(map(child, true)),
            "irq" => pd.irqs.extend(irq(child)),
            "ioport" => pd.ioports.extend(ioport(child)),
            "setvar" => pd.setvars.extend(setvar(child)),
            "protection_domain" if depth == DEPTH_MAX => {
                child.error(format!("protection domains are nested more than {DEPTH_MAX} deep"));
            }
            "protection_domain" => pd.children.extend(protection_domain(child, depth + 1)),
            "virtual_machine" if pd.virtual_machine.is_some() => {
                child.error("a protection domain has one <virtual_machine> at most");
            }
            "virtual_machine" => pd.virtual_machine = virtual_machine(child),
            "cspace" => {
                cspaces += 1;
                child.attributes(&[]);
                pd.caps.extend(child.children().filter_map(cap));
            }
            _ => child.unexpected("protection_domain"),
        }
    }
    if images != 1 {
        e.error(format!("protection domain '{}' has {images} <program_image>; expected one", pd.name));
    }
    if cspaces > 1 {
        e.error(format!("protection domain '{}' has {cspaces} <cspace>; expected one at most", pd.name));
    }
    Some(pd)
}

fn map(e: Element, setvars: bool) -> Option<Map> {
    let mut known = vec!["mr", "vaddr", "perms", "cached"];
    known.extend(if setvars { &["setvar_vaddr", "setvar_size", "setvar_prefill_size"][..] } else { &[] });
    e.attributes(&known);
    e.no_children();
    let (region, vaddr) = (e.required("mr"), e.required_number("vaddr"));
    let (perms, cached) = (e.perms("rwx"), e.boolean("cached", true));
    let perms = perms?;
    if perms == (Perms { write: true, ..Perms::default() }) {
        e.error("perms 'w': a mapping that can be written can be read; write 'rw'");
    }
    Some(Map {
        region: region?,
        vaddr: vaddr?,
        perms,
        cached: cached?,
        setvar_vaddr: e.optional("setvar_vaddr"),
        setvar_size: e.optional("setvar_size"),
        setvar_prefill_size: e.optional("setvar_prefill_size"),
        place: e.place(),
    })
}

fn irq(e: Element) -> Option<Irq> {
    e.no_children();
    let id = e.id();
    let source = if e.optional("irq").is_some() {
        e.attributes(&["irq", "id", "setvar_id", "trigger"]);
        let (irq, edge) = (e.decimal("irq"), e.choice("trigger", "edge", "level", false));
        IrqSource::Line { irq: irq?, edge: edge? }
    } else if e.optional("pin").is_some() {
        e.attributes(&["id", "setvar_id", "ioapic", "pin", "trigger", "polarity", "vector"]);
        let ioapic = e.optional("ioapic").map_or(Some(0), |_| e.decimal("ioapic"));
        let (pin, vector) = (e.decimal("pin"), e.required_decimal("vector"));
        let (edge, low) =
            (e.choice("trigger", "edge", "level", false), e.choice("polarity", "low", "high", false));
        IrqSource::IoApic { ioapic: ioapic?, pin: pin?, vector: vector?, edge: edge?, low: low? }
    } else if let Some(pci_device) = e.optional("pcidev") {
        e.attributes(&["id", "setvar_id", "pcidev", "handle", "vector"]);
        let (handle, vector) = (e.required_decimal("handle"), e.required_decimal("vector"));
        IrqSource::Msi { pci_device, handle: handle?, vector: vector? }
    } else {
        e.error("<irq> says no interrupt: it lacks 'irq' (ARM, RISC-V), or 'pin' or 'pcidev' (x86)");
        return None;
    };
    Some(Irq { id: id?, source, setvar_id: e.optional("setvar_id"), place: e.place() })
}

fn ioport(e: Element) -> Option<IoPort> {
    e.attributes(&["id", "setvar_id", "setvar_addr", "addr", "size"]);
    e.no_children();
    let (id, addr, size) = (e.id(), e.required_number("addr"), e.required_decimal("size"));
    Some(IoPort {
        id: id?,
        addr: addr?,
        size: size?,
        setvar_id: e.optional("setvar_id"),
        setvar_addr: e.optional("setvar_addr"),
        place: e.place(),
    })
}

fn setvar(e: Element) -> Option<SetVar> {
    e.attributes(&["symbol", "region_paddr"]);
    e.no_children();
    let (symbol, region_paddr) = (e.required("symbol"), e.required("region_paddr"));
    Some(SetVar { symbol: symbol?, region_paddr: region_paddr?, place: e.place() })
}

fn cap(e: Element) -> Option<Cap> {
    let kind = match e.name() {
        "cap_tcb" => CapKind::Tcb,
        "cap_sc" => CapKind::Sc,
        "cap_vspace" => CapKind::VSpace,
        _ => {
            e.unexpected("cspace");
            return None;
        }
    };
    e.attributes(&["slot", "pd"]);
    e.no_children();
    let (pd, slot) = (e.required("pd"), e.required_number("slot"));
    Some(Cap { kind, pd: pd?, slot: slot?, place: e.place() })
}

fn virtual_machine(e: Element) -> Option<VirtualMachine> {
    e.attributes(&["name", "budget", "period", "priority"]);
    let (name, scheduling) = (e.required("name"), scheduling(e));
    let (mut vcpus, mut maps) = (Vec::new(), Vec::new());
    for child in e.children() {
        match child.name() {
            "vcpu" => vcpus.extend(vcpu(child)),
            "map" => maps.extend(map(child, false)),
            _ => child.unexpected("virtual_machine"),
        }
    }
    if vcpus.is_empty() {
        e.error("<virtual_machine> has no <vcpu>");
    }
    Some(VirtualMachine { name: name?, scheduling: scheduling?, vcpus, maps, place: e.place() })
}

fn vcpu(e: Element) -> Option<Vcpu> {
    e.attributes(&["id", "setvar_id", "cpu"]);
    e.no_children();
    let cpu = e.small_number("cpu", u8::MAX);
    Some(Vcpu { id: e.id()?, cpu, setvar_id: e.optional("setvar_id"), place: e.place() })
}

fn channel(e: Element) -> Option<Channel> {
    e.attributes(&[]);
    let mut ends = Vec::new();
    for child in e.children() {
        match child.name() {
            "end" => ends.push(end(child)),
            _ => child.unexpected("channel"),
        }
    }
    let Ok([a, b]) = <[_; 2]>::try_from(ends) else {
        e.error("a <channel> has exactly two <end>");
        return None;
    };
    let ends = [a?, b?];
    if ends[0].pp && ends[1].pp {
        e.error("protected calls can go one way only: 'pp' on one end at most");
    }
    Some(Channel { ends, place: e.place() })
}

fn end(e: Element) -> Option<End> {
    e.attributes(&["pd", "id", "pp", "notify", "setvar_id"]);
    e.no_children();
    let (pd, id) = (e.required("pd"), e.id());
    let (pp, notify) = (e.boolean("pp", false), e.boolean("notify", true));
    let setvar_id = e.optional("setvar_id");
    Some(End { pd: pd?, id: id?, pp: pp?, notify: notify?, setvar_id, place: e.place() })
}

fn domains(e: Element) -> Domains {
    e.attributes(&[]);
    let mut domains = Domains { place: e.place(), ..Domains::default() };
    let mut schedules = 0;
    for child in e.children() {
        match child.name() {
            "domain" => {
                child.attributes(&["name", "id"]);
                child.no_children();
                let (name, id) = (child.required("name"), child.small_number("id", u8::MAX));
                domains.domains.extend(name.map(|name| DomainName { name, id, place: child.place() }));
            }
            "domain_schedule" => {
                schedules += 1;
                child.attributes(&["index_shift", "start_index"]);
                domains.start_index = child.number("start_index").unwrap_or(0);
                domains.index_shift = child.number("index_shift");
                domains.schedule.extend(child.children().filter_map(schedule_entry));
            }
            _ => child.unexpected("domains"),
        }
    }
    if schedules != 1 {
        e.error(format!("<domains> has {schedules} <domain_schedule>; expected one"));
    }
    domains
}

fn schedule_entry(e: Element) -> Option<ScheduleEntry> {
    e.no_children();
    match e.name() {
        "schedule_end_marker" => {
            e.attributes(&[]);
            Some(ScheduleEntry { domain: None, duration: 0, ticks: false, place: e.place() })
        }
        "schedule_entry" => {
            e.attributes(&["domain", "duration"]);
            let (domain, duration) = (e.required("domain"), e.required("duration"));
            let duration = duration?;
            let parsed = duration.split_once(' ').and_then(|(number, unit)| {
                let number = number.replace('_', "").parse().ok().filter(|&n: &u64| n > 0)?;
                let ticks = match unit {
                    "us" => false,
                    "ticks" => true,
                    _ => return None,
                };
                Some((number, ticks))
            });
            let Some((duration, ticks)) = parsed else {
                e.error(format!("duration '{duration}'; expected for example '1000 us' or '1000 ticks'"));
                return None;
            };
            Some(ScheduleEntry { domain: Some(domain?), duration, ticks, place: e.place() })
        }
        _ => {
            e.unexpected("domain_schedule");
            None
        }
    }
}

fn io_address_space(e: Element) -> Option<IoAddressSpace> {
    e.attributes(&["name", "peripheral_id", "domain_id"]);
    let (name, peripheral_id) = (e.required("name"), e.required("peripheral_id"));
    let mut maps = Vec::new();
    for child in e.children() {
        match child.name() {
            "iomap" => maps.extend(iomap(child)),
            _ => child.unexpected("io_address_space"),
        }
    }
    let domain_id = e.number("domain_id");
    Some(IoAddressSpace { name: name?, peripheral_id: peripheral_id?, domain_id, maps, place: e.place() })
}

fn iomap(e: Element) -> Option<IoMap> {
    e.attributes(&["mr", "iovaddr", "perms"]);
    e.no_children();
    let (region, iovaddr, perms) = (e.required("mr"), e.required_number("iovaddr"), e.perms("rw"));
    Some(IoMap { region: region?, iovaddr: iovaddr?, perms: perms?, place: e.place() })
}
