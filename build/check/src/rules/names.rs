//! ISO-16: the names of kernel objects, as Microkit 2.3 makes them (tool/microkit/src/capdl/builder.rs).

use std::collections::HashMap;

use totebox_sdf::{IrqSource, Place};

use crate::{Case, Found, Judge, Rule, Scope};
use totebox_common::units::count;

pub const RULES: &[Rule] = &[Rule {
    id: "ISO-16",
    title: "unambiguous names",
    sentence: "No two kernel objects get the same capDL name: names of domains, regions and virtual machines \
                   are joined to prefixes and suffixes by '_', so that an unlucky '_' makes one name of two \
                   objects.",
    scope: Scope::Any,
    waivable: false,
    judge: Judge::Description(injective, names_there),
}];

/// A kernel object, or a row of them that differ in a running number.
struct Object<'a> {
    /// Its capDL name; a running number is '#'.
    name: String,
    what: String,
    /// Whose name is in it.
    of: &'a str,
    place: Place,
}

fn injective(case: &Case, found: &mut Found) {
    let mut taken: HashMap<String, &Object> = HashMap::new();
    let objects = objects(case);
    for object in &objects {
        let Some(first) = taken.insert(object.name.clone(), object) else { continue };
        found.error(
            object.place,
            &[first.of, object.of],
            format!("{} and {} are both called '{}' in capDL", first.what, object.what, object.name),
            "rename one of them; a name without '_' is never ambiguous",
        );
    }
}

fn names_there(case: &Case) -> String {
    let (system, authority) = (case.system, case.authority);
    let names = system
        .regions
        .iter()
        .map(|region| region.name.as_str())
        .chain(authority.subjects.iter().map(|subject| subject.name.as_str()));
    let all = names.clone().count();
    format!("{}, {} of them with '_'", count(all, "name"), names.filter(|name| name.contains('_')).count())
}

fn objects<'a>(case: &Case<'a>) -> Vec<Object<'a>> {
    let mut objects = Vec::new();
    let mut add = |name: String, what: String, of: &'a str, place: Place| {
        objects.push(Object { name: numbered(name), what, of, place });
    };
    for region in &case.system.regions {
        let of = region.name.as_str();
        add(format!("frame_mr_{of}_#"), format!("the memory of the region '{of}'"), of, region.place);
    }
    let monitor = "monitor";
    add("ep_fault_monitor".into(), "the monitor's endpoint".into(), monitor, Place::default());
    add("frame_monitor_stack".into(), "the monitor's stack".into(), monitor, Place::default());
    for (pd, _) in case.system.all_protection_domains() {
        let of = pd.name.as_str();
        let mut add = |name: String, what: &str| add(name, format!("{what} of '{of}'"), of, pd.place);
        add(format!("frame_elf_{of}_#"), "the program");
        add(format!("frame_ipcbuf_{of}"), "the IPC buffer");
        add(format!("frame_{of}_stack_#"), "the stack");
        add(format!("tcb_{of}"), "the thread");
        add(format!("ep_{of}"), "the endpoint");
        add(format!("ntfn_{of}"), "the notification");
        add(format!("reply_{of}"), "the reply object");
        add(format!("sched_context_{of}"), "the CPU time");
        add(format!("cnode_{of}"), "the capabilities");
        add(format!("cnode_{of}_root"), "the root of the capabilities");
        for irq in &pd.irqs {
            let number = match irq.source {
                IrqSource::Line { irq, .. } => irq,
                IrqSource::IoApic { vector, .. } | IrqSource::Msi { vector, .. } => vector,
            };
            add(format!("irq_{number}_{of}"), &format!("interrupt {number}"));
        }
        for port in &pd.ioports {
            add(format!("ioports_0x{:x}_{of}", port.addr), &format!("the I/O ports {:#x}", port.addr));
        }
        if let Some(machine) = &pd.virtual_machine {
            for vcpu in &machine.vcpus {
                let of = format!("{}_{}", machine.name, vcpu.id);
                let mut add = |name: String, what: &str| add(name, &format!("{what} of the virtual CPU '{of}'"));
                add(format!("frame_ipcbuf_{of}"), "the IPC buffer");
                add(format!("tcb_{of}"), "the thread");
                add(format!("sched_context_{of}"), "the CPU time");
                add(format!("cnode_{of}"), "the capabilities");
                add(format!("vcpu_{of}"), "the registers");
            }
        }
    }
    objects
}

/// Writes a running number of nine digits at the end of a name as '#'.
fn numbered(name: String) -> String {
    match name.rsplit_once('_') {
        Some((start, end)) if end.len() == 9 && end.bytes().all(|b| b.is_ascii_digit()) => format!("{start}_#"),
        _ => name,
    }
}
