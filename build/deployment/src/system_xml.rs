//! Writes `system.xml`: the same text for the same deployment, and a reason beside everything in it.

use std::fmt::{self, Write};

use crate::graph::{Channel, Graph, Pd, PdIndex, Region, RegionIndex, RegionKind, archives_max};
use crate::{Deployment, cpu};
use totebox_common::units::{share_ppm, show_share};
use totebox_manifest::{DeviceKind, Role};

/// The symbol every program has for the address of its manifest.
const MANIFEST_SYMBOL: &str = "manifest_vaddr";
/// The symbol the vault has for the physical address of the memory its disk accesses.
const DMA_SYMBOL: &str = "dma_paddr";

impl Deployment {
    /// The system description of this deployment, for the Microkit tool and for the hosted backend.
    pub fn system_xml(&self) -> String {
        let mut out = Writer { out: String::new(), depth: 0, graph: self.graph() };
        out.system(self).expect("writing to a string");
        out.out
    }
}

struct Writer {
    out: String,
    /// Elements around the line being written.
    depth: usize,
    graph: Graph,
}

impl Writer {
    fn line(&mut self, line: fmt::Arguments) -> fmt::Result {
        if !line.to_string().is_empty() {
            write!(self.out, "{:1$}", "", self.depth * 4)?;
        }
        writeln!(self.out, "{line}")
    }

    fn comment(&mut self, text: fmt::Arguments) -> fmt::Result {
        self.line(format_args!("<!-- {text} -->"))
    }

    fn system(&mut self, deployment: &Deployment) -> fmt::Result {
        self.header(deployment)?;
        self.line(format_args!("<system>"))?;
        self.depth += 1;
        self.regions()?;
        let mut roots: Vec<PdIndex> = (0..self.graph.pds.len()).map(PdIndex).collect();
        roots.retain(|&pd| self.graph.pd(pd).role != Role::Archive);
        roots.sort_by_key(|&pd| std::cmp::Reverse(self.graph.pd(pd).schedule.priority));
        for pd in roots {
            self.pd(pd, None)?;
        }
        self.channels()?;
        self.depth -= 1;
        self.line(format_args!("</system>"))
    }

    fn header(&mut self, deployment: &Deployment) -> fmt::Result {
        let Deployment { name, board, archives, .. } = deployment;
        let id = u128::from_be_bytes(deployment.id);
        let (max, reason) = archives_max(board);
        let share = show_share(cpu::ARCHIVES_SHARE_PPM.into());
        let memory = self.graph.memory().div_ceil(1 << 20);
        let count = archives.len();
        write!(
            self.out,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!--
    The system description of the deployment "{name}" ({id:032x}) on the board {}.

    Written by `totebox system` from totebox.toml. Do not edit it: change totebox.toml and write it again.

    Archives: {count}. There can be {max}: {reason}.
    Memory: about {memory} MiB, with the programs.

    Every region has one writer; manifests and keys are filled by the build and written by nobody. A region
    has the same address in every domain that maps it, and an unmapped page before it and behind it. Stacks
    are at the top of each address space, far above the regions, with nothing mapped below them.

    Budgets are microseconds of CPU in each period. Together they are the whole CPU, so that every domain
    gets its budget whatever the others do; {share} of it are the archives'.

    An end of a channel may notify the other if it writes something for it.
-->
"#,
            board.name
        )
    }

    fn regions(&mut self) -> fmt::Result {
        let mut order: Vec<usize> = (0..self.graph.regions.len()).collect();
        order.sort_by_key(|&region| self.graph.regions[region].vaddr);
        for region in order {
            let Region { name, size, purpose, kind, .. } = self.graph.regions[region].clone();
            let access = self.access(&self.graph.regions[region]);
            self.comment(format_args!("{purpose}; {access}"))?;
            let more = match kind {
                RegionKind::Memory | RegionKind::Dma => String::new(),
                RegionKind::Prefilled(file) => format!(r#" prefill_path="{file}""#),
                RegionKind::Registers(paddr) => format!(r#" phys_addr="{paddr:#x}""#),
            };
            self.line(format_args!(r#"<memory_region name="{name}" size="{size:#x}"{more} />"#))?;
        }
        self.line(format_args!(""))
    }

    fn access(&self, region: &Region) -> String {
        let name = |pd: &PdIndex| self.graph.pd(*pd).name.as_str();
        let readers: Vec<&str> = region.readers.iter().map(name).collect();
        let readers = readers.join(", ");
        match &region.writer {
            None => format!("read by {readers}"),
            Some(owner) if readers.is_empty() => format!("of {} alone", name(owner)),
            Some(writer) => format!("written by {}, read by {readers}", name(writer)),
        }
    }

    /// A domain, and its children in it. `id` is its own as a child.
    fn pd(&mut self, index: PdIndex, id: Option<u8>) -> fmt::Result {
        let Pd { role, name, schedule, stack_size, stack_reason, links, devices, .. } =
            self.graph.pd(index).clone();
        let share = share_ppm(schedule.budget_us.into(), schedule.period_us.into());
        let (does, share) = (role.info().does, show_share(share));
        self.comment(format_args!("{name}: {does}."))?;
        self.comment(format_args!("Priority and {share} of the CPU: {}.", schedule.reason))?;
        self.comment(format_args!("Stack: {stack_reason}."))?;
        let id = id.map_or(String::new(), |id| format!(r#" id="{id}""#));
        self.line(format_args!(
            r#"<protection_domain name="{name}"{id} priority="{}" budget="{}" period="{}" stack_size="{stack_size:#x}">"#,
            schedule.priority, schedule.budget_us, schedule.period_us
        ))?;
        self.depth += 1;
        self.line(format_args!(r#"<program_image path="{}.elf" />"#, role.name()))?;
        self.maps(index)?;
        for device in &devices {
            if let Some(irq) = device.irq {
                self.line(format_args!(r#"<irq irq="{}" id="{}" />"#, irq.number, irq.channel))?;
            }
            if let (DeviceKind::DmaMemory, Some((region, _))) = (device.kind, device.region) {
                let region = self.graph.region(region).name.clone();
                self.line(format_args!(r#"<setvar symbol="{DMA_SYMBOL}" region_paddr="{region}" />"#))?;
            }
        }
        for link in links {
            if let Some(id) = link.child {
                self.line(format_args!(""))?;
                self.pd(link.peer, Some(id))?;
            }
        }
        self.depth -= 1;
        self.line(format_args!("</protection_domain>"))?;
        if role == Role::Archive { Ok(()) } else { self.line(format_args!("")) }
    }

    /// Everything a domain maps, in ascending addresses.
    fn maps(&mut self, pd: PdIndex) -> fmt::Result {
        let all = self.graph.regions.iter().enumerate();
        let mapped = all.filter(|(_, region)| region.writer == Some(pd) || region.readers.contains(&pd));
        let mut mapped: Vec<RegionIndex> = mapped.map(|(index, _)| RegionIndex(index)).collect();
        mapped.sort_by_key(|&index| self.graph.region(index).vaddr);
        for index in mapped {
            let region = self.graph.region(index);
            let perms = if region.writer == Some(pd) { "rw" } else { "r" };
            let (name, vaddr) = (region.name.clone(), region.vaddr);
            let mut more = String::new();
            if matches!(region.kind, RegionKind::Registers(_)) {
                more += r#" cached="false""#;
            }
            if self.graph.pd(pd).manifest == index {
                write!(more, r#" setvar_vaddr="{MANIFEST_SYMBOL}""#)?;
            }
            self.line(format_args!(r#"<map mr="{name}" vaddr="{vaddr:#x}" perms="{perms}"{more} />"#))?;
        }
        Ok(())
    }

    fn channels(&mut self) -> fmt::Result {
        for Channel { ends, notifies } in self.graph.channels.clone() {
            self.line(format_args!("<channel>"))?;
            for (end, (pd, id)) in ends.into_iter().enumerate() {
                let name = self.graph.pd(pd).name.clone();
                let notify = if notifies[end] { "" } else { r#" notify="false""# };
                self.line(format_args!(r#"    <end pd="{name}" id="{id}"{notify} />"#))?;
            }
            self.line(format_args!("</channel>"))?;
        }
        Ok(())
    }
}
