//! The rules, in their order.

mod built;
mod channels;
mod control;
mod cpu;
mod devices;
mod flow;
mod memory;
mod names;

use super::{Judge, Rule, Scope};

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-1",
        title: "one writer",
        sentence: "Every memory region that is mapped has exactly one writer, unless a waiver names it; virtual \
                   machines count, and so do devices that access memory by themselves. A region the build fills \
                   needs no writer.",
        scope: Scope::Any,
        waivable: true,
        judge: Judge::Description(memory::one_writer),
    },
    Rule {
        id: "ISO-2",
        title: "no frame in two archives",
        sentence: "No memory is mapped by two archives, in whatever way: as one region, as two regions with \
                   overlapping physical addresses, or through a virtual machine.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Description(memory::no_frame_in_two_archives),
    },
    Rule {
        id: "ISO-3",
        title: "the manifest's channels",
        sentence: "Every channel joins two different domains, is the only one between them, and has an effect; in \
                   a deployment, every channel is in the manifests, with the same ends, ids and directions.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(channels::of_the_manifest),
    },
    Rule {
        id: "ISO-4",
        title: "minimal rights",
        sentence: "A receiver's capability can read, a notifier's can write, a caller's can write and grant a \
                   reply, and none can do more: nobody can receive on another's endpoint, and no domain holds a \
                   capability to the endpoint its faults go to. (Decided by what was built, not by the \
                   description.)",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Built(built::minimal_rights),
    },
    Rule {
        id: "ISO-5",
        title: "calls go upward",
        sentence: "Protected calls form no circle and go to a strictly higher priority; in a deployment, every \
                   domain's priority lies in the band of its role.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(channels::calls_go_upward),
    },
    Rule {
        id: "ISO-6",
        title: "influence",
        sentence: "Nobody can write, signal, call or control another domain beyond what the roles of both are \
                   declared to need, and every path from one archive to another leads through a named mediator: \
                   orchestrator, vault, console or auditor.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Flow(flow::influence),
    },
    Rule {
        id: "ISO-7",
        title: "knowledge",
        sentence: "Nobody can read what another domain writes, or its registers, beyond what the roles of both are \
                   declared to need, or what the build fills for another, and every path from one archive's data to another archive leads through a \
                   named mediator.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Flow(flow::knowledge),
    },
    Rule {
        id: "ISO-8",
        title: "parents",
        sentence: "A parent controls its child: only the orchestrator is a parent, its children are the archives, \
                   every archive is one of them, and no archive is a parent or runs a virtual machine.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Description(control::parents),
    },
    Rule {
        id: "ISO-9",
        title: "no raw capabilities",
        sentence: "No domain has a <cspace>, may make secure monitor calls (smc) or use I/O ports, unless a waiver \
                   names it and gives a reason.",
        scope: Scope::Any,
        waivable: true,
        judge: Judge::Description(control::no_raw_capabilities),
    },
    Rule {
        id: "ISO-10",
        title: "one owner per interrupt",
        sentence: "Every interrupt has one owner; in a deployment, it is on the board's list, and its owner is the \
                   driver of that device.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(devices::interrupts),
    },
    Rule {
        id: "ISO-11",
        title: "device memory",
        sentence: "Memory at a fixed physical address is taken for a device's: it is mapped by one domain and not \
                   through the cache; in a deployment, it is on the board's list, and it is mapped by the driver \
                   of that device.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(devices::registers),
    },
    Rule {
        id: "ISO-12",
        title: "DMA",
        sentence: "A domain that is told a physical address can have its device reach all memory, unless an I/O \
                   address space confines the device; in a deployment, only the vault is, and it is trusted.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(devices::dma),
    },
    Rule {
        id: "ISO-13",
        title: "writable or executable",
        sentence: "No memory is writable and executable, be it in one mapping or by two mappings of the same \
                   memory, in one domain or in several. (Program segments are judged by what was built.)",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(memory::writable_or_executable),
    },
    Rule {
        id: "ISO-14",
        title: "guard pages",
        sentence: "In every domain the page at address 0 and the page below the stack are unmapped.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(memory::guard_pages),
    },
    Rule {
        id: "ISO-15",
        title: "CPU time",
        sentence: "Every domain that runs on its own time has a budget above zero, and on every core the budgets \
                   from the highest priority down to the lowest add up to no more than the core, so that nobody \
                   can starve another; in a deployment, no domain has more than its share.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(cpu::budgets),
    },
    Rule {
        id: "ISO-16",
        title: "unambiguous names",
        sentence: "No two kernel objects get the same capDL name: names of domains, regions and virtual machines \
                   are joined to prefixes and suffixes by '_', so that an unlucky '_' makes one name of two \
                   objects.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(names::injective),
    },
    Rule {
        id: "ISO-17",
        title: "domain schedule",
        sentence: "Every scheduling domain has an explicit id and a place in the schedule, and domain 0 is the \
                   monitor's own.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(cpu::domain_schedule),
    },
    Rule {
        id: "ISO-18",
        title: "audit findings",
        sentence: "The operator learns of an audit finding only through the orchestrator: nothing joins the auditor \
                   directly to the console or to an archive, except that it reads what an archive publishes of \
                   its own health; and every other path from the auditor to them leads through the vault, which \
                   carries requests and disk contents, and no findings.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Flow(flow::audit_findings),
    },
    Rule {
        id: "ISO-19",
        title: "built as declared",
        sentence: "What was built allows exactly what the description declares: who maps which memory and how, \
                   channels with their directions and ids, parents, interrupts, time, and no other capability. \
                   (Decided by what was built.)",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Built(built::as_declared),
    },
];
