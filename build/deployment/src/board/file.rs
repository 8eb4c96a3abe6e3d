//! From the text of a board file to a sound [`Board`], or to everything that is wrong with it.

use std::path::Path;

use totebox_common::problem::Problems;
use totebox_common::units::{SIZE_EXPECTED, parse_size, show_size};
use totebox_manifest::conversation::PAGE;
use totebox_manifest::{DeviceKind, Driver, Interrupt};
use totebox_shown::Quoted;

use super::{Board, Device, Memory, Qemu, Registers, Source};
use crate::read::{At, Report, Table};

pub const PAGE_SIZE: u64 = PAGE as u64;

/// Beyond every physical address of 64-bit Arm: 48 bits.
const ADDRESSES: u64 = 1 << 48;

/// The kinds of device that a board file has a table for, and the tables.
const DEVICES: [(DeviceKind, &str); 4] = [
    (DeviceKind::Disk, "[disk]"),
    (DeviceKind::Uart, "[uart]"),
    (DeviceKind::Rtc, "[rtc]"),
    (DeviceKind::Timer, "[timer]"),
];

/// How the file names the table of a kind of device.
pub fn table_of(kind: DeviceKind) -> &'static str {
    DEVICES.iter().find(|(other, _)| *other == kind).map_or("", |(_, table)| table)
}

/// Whether a board can be called that: its name stands in comments of `system.xml`, which end at two `-`.
pub fn usable_name(name: &str) -> bool {
    let usable = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !name.is_empty() && name.bytes().all(usable) && !name.contains("--")
}

pub fn parse(file: &Path, text: String) -> Result<Board, Problems> {
    let report = Report::new(file, &text);
    let tree = report.parse();
    let found = read(&report, Table::root(&report, tree.get_ref()), file);
    match found {
        Some(found) if !report.found() => {
            let Found { name, microkit, memory, devices, qemu } = found;
            let source = Source { file: file.to_owned(), text, microkit: microkit.offset };
            Ok(Board { name, microkit: microkit.value, memory, devices, qemu, source })
        }
        _ => Err(report.into_problems()),
    }
}

/// What a file says, without the file.
struct Found {
    name: String,
    microkit: At<String>,
    memory: Memory,
    devices: Vec<Device>,
    qemu: Option<Qemu>,
}

/// `None` if something without which there is no board is missing; that has been reported then.
fn read(report: &Report, root: Table, file: &Path) -> Option<Found> {
    let microkit =
        root.parsed("microkit", "qemu_virt_aarch64", NAME_RULE, |name| usable_name(name).then(|| name.to_owned()));
    let memory = root.table("memory", "[memory]");
    let devices = DEVICES.map(|(kind, table)| (kind, root.table(kind.name(), table)));
    let qemu = match root.has("qemu") {
        true => root.table("qemu", "[qemu]").map(Some),
        false => Some(None),
    };
    root.finish();

    let name = name(report, file);
    let memory = memory.and_then(|table| memory_table(report, table));
    let devices = devices.map(|(kind, table)| table.and_then(|table| device(report, table, kind)));
    let known: Vec<&Device> = devices.iter().flatten().collect();
    apart(report, &known, memory.as_ref());
    let qemu = qemu.and_then(|table| match table {
        Some(table) => qemu_table(report, table).map(Some),
        None => Some(None),
    });
    let name = name?;
    let microkit = microkit.unwrap_or_else(|| At { value: name.clone(), offset: 0 });
    let devices = devices.into_iter().collect::<Option<_>>()?;
    Some(Found { name, microkit, memory: memory?, devices, qemu: qemu? })
}

const NAME_RULE: &str = "letters, digits, `_` and single `-`";

fn name(report: &Report, file: &Path) -> Option<String> {
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if usable_name(&name) {
        return Some(name);
    }
    let message = format!("a board cannot be called {}, as this file is", Quoted(name.as_bytes()));
    report.problem(0, message, format!("a name is of {NAME_RULE}: rename the file"));
    None
}

fn memory_table(report: &Report, table: Table) -> Option<Memory> {
    let start = address(report, &table, "start", "0x6000_0000");
    let size = size(report, &table, "size", "1536 MiB");
    let reserved = size_of(&table, "reserved", "96 MiB");
    table.finish();
    let (start, size, reserved) = (start?, size?, reserved?);
    if size.value > ADDRESSES - start.value {
        let message =
            format!("memory of {} from {:#x} on ends beyond every address", show_size(size.value), start.value);
        report.problem(size.offset, message, format!("write \"{}\" or less", show_size(ADDRESSES - start.value)));
        return None;
    }
    if reserved.value >= size.value {
        let message = format!(
            "{} are reserved of {}, which leaves nothing",
            show_size(reserved.value),
            show_size(size.value)
        );
        report.problem(
            reserved.offset,
            message,
            "reserve less: kernel objects, loader and initialiser take about 96 MiB",
        );
        return None;
    }
    Some(Memory { start, size, reserved })
}

fn size_of(table: &Table, key: &'static str, example: &str) -> Option<At<u64>> {
    table.required(key, example, SIZE_EXPECTED, parse_size)
}

/// A size in whole pages, and not nothing.
fn size(report: &Report, table: &Table, key: &'static str, example: &str) -> Option<At<u64>> {
    let size = size_of(table, key, example)?;
    if size.value > 0 && size.value.is_multiple_of(PAGE_SIZE) {
        return Some(size);
    }
    let whole = show_size(size.value.next_multiple_of(PAGE_SIZE).max(PAGE_SIZE));
    let message = format!("`{key}` is {}, which is not a whole number of 4 KiB pages", show_size(size.value));
    report.problem(size.offset, message, format!("write \"{whole}\""));
    None
}

fn address(report: &Report, table: &Table, key: &'static str, example: &str) -> Option<At<u64>> {
    let expected = "a physical address, of at most 48 bits";
    let address = table.required_number(key, example, expected, |address| address < ADDRESSES)?;
    let rest = address.value % PAGE_SIZE;
    if rest == 0 {
        return Some(address);
    }
    let page = address.value - rest;
    let message = format!("`{key}` is {:#x}, which is not the address of a page", address.value);
    let help = match key {
        "page" => format!("write page = {page:#x} and offset = {rest:#x}"),
        _ => format!("write {key} = {page:#x} or {:#x}", page + PAGE_SIZE),
    };
    report.problem(address.offset, message, help);
    None
}

/// A device: its driver, and what that one needs to find it.
fn device(report: &Report, table: Table, kind: DeviceKind) -> Option<Device> {
    let names: Vec<&str> = Driver::of(kind).map(|driver| driver.name).collect();
    let expected = format!("one of the drivers for it: {}", names.join(", "));
    let example = names.first().copied().unwrap_or_default();
    let named = |name: &str| Driver::of(kind).find(|driver| driver.name == name);
    let driver = table.required("driver", example, &expected, named);
    let Some(At { value: driver, .. }) = driver else {
        // Whether it is to have these is not known.
        for key in ["page", "offset", "irq"] {
            table.number(key, "0", "a whole number", |_| true);
        }
        table.finish();
        return None;
    };
    let registers = match driver.registers {
        0 => Some(None),
        _ => registers(report, &table, driver).map(Some),
    };
    let interrupt = |example: &str, expected: &str, from: u64, to: u64| {
        table.required_number("irq", example, expected, |number| (from..=to).contains(&number)).map(Some)
    };
    let irq = match driver.interrupt {
        Interrupt::None => Some(None),
        Interrupt::Private => {
            interrupt("30", "the number of an interrupt of the CPU's own, from 16 to 31", 16, 31)
        }
        Interrupt::Shared => {
            interrupt("33", "the number of an interrupt of the board's, from 32 to 1019", 32, 1019)
        }
    };
    table.finish();
    Some(Device { driver, registers: registers?, irq: irq? })
}

/// A device's registers, which lie in one page.
fn registers(report: &Report, table: &Table, driver: &Driver) -> Option<Registers> {
    let page = address(report, table, "page", "0x0900_0000");
    let last = PAGE_SIZE - driver.registers;
    let expected = match last {
        0 => format!("0, and the registers of \"{}\" fill the page", driver.name),
        _ => {
            format!("a multiple of 4 from 0 to {last:#x}: so the registers of \"{}\" end in the page", driver.name)
        }
    };
    let fits = |offset: u64| offset.is_multiple_of(4) && offset <= last;
    let offset = table.number("offset", "0", &expected, fits);
    let offset = if table.has("offset") { offset?.value } else { 0 };
    Some(Registers { page: page?, offset })
}

/// Reports devices that share a page or an interrupt, and those whose registers would be memory.
fn apart(report: &Report, devices: &[&Device], memory: Option<&Memory>) {
    for (at, device) in devices.iter().enumerate() {
        let table = table_of(device.driver.kind);
        let before = &devices[..at];
        if let Some(Registers { page, .. }) = device.registers {
            let same = |other: &&&Device| other.registers.is_some_and(|other| other.page.value == page.value);
            if let Some(other) = before.iter().find(same) {
                let message =
                    format!("{table} and {} have the same page, {:#x}", table_of(other.driver.kind), page.value);
                report.problem(
                    page.offset,
                    message,
                    "a page is one domain's: no device can share it with another",
                );
            }
            let in_memory = |memory: &&Memory| {
                page.value >= memory.start.value && page.value - memory.start.value < memory.size.value
            };
            if let Some(memory) = memory.filter(in_memory) {
                let (start, end) = (memory.start.value, memory.start.value + memory.size.value);
                let message =
                    format!("the page of {table}, {:#x}, is in the memory, {start:#x} to {end:#x}", page.value);
                report.problem(page.offset, message, "write the address of the device, or mend [memory]");
            }
        }
        if let Some(irq) = device.irq {
            let same = |other: &&&Device| other.irq.is_some_and(|other| other.value == irq.value);
            if let Some(other) = before.iter().find(same) {
                let message =
                    format!("{table} and {} have the same interrupt, {}", table_of(other.driver.kind), irq.value);
                report.problem(irq.offset, message, "an interrupt is one device's: look up the number of each");
            }
        }
    }
}

fn qemu_table(report: &Report, table: Table) -> Option<Qemu> {
    let example = "[\"qemu-system-aarch64\", \"-serial\", \"{serial}\"]";
    let words = table.required_texts("command", example);
    let offset = table.offset;
    table.finish();
    let words = words?;
    if words.is_empty() {
        report.problem(offset, "the `command` of [qemu] is empty", format!("for example: command = {example}"));
    }
    for word in &words {
        for blank in blanks(word.value).filter(|blank| !Qemu::BLANKS.contains(blank)) {
            let known = Qemu::BLANKS.join(", ");
            report.problem(
                word.offset,
                format!("nothing is known to fill in for {blank}"),
                format!("known: {known}"),
            );
        }
    }
    Some(Qemu { command: words.iter().map(|word| word.value.to_owned()).collect() })
}

/// What of a word is to be filled in: `{image}`.
fn blanks(word: &str) -> impl Iterator<Item = &str> {
    word.match_indices('{').filter_map(|(at, _)| {
        let end = at + word[at..].find('}')? + 1;
        let inner = &word[at + 1..end - 1];
        let is_blank =
            !word[..at].ends_with('$') && !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_lowercase());
        is_blank.then_some(&word[at..end])
    })
}
