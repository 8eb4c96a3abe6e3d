//! The product on seL4, in QEMU, counted in instructions, domain by domain.
//!
//! The kernel says whose memory is in force by writing a register (`VTTBR_EL2`). At a breakpoint on each instruction
//! that does, the instructions since the one before belong to the domain that was in force: its own, and the kernel's
//! on its behalf. Which register value is which domain is told by the manifest it maps.

mod qemu;

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use totebox_manifest::Header;
use totebox_tests::appliance::{Site, workspace};
use totebox_tests::image;

use crate::appliance::Shape;
use crate::console::Console;
use crate::figures::print_table;
use crate::record::{RECORD, Records};
use crate::rig::Rig;
use qemu::Qemu;

/// Documents every archive has before: what is audited.
const BEFORE: u64 = 1024;

/// Documents put through the serial line: few, and more. The difference is what one costs.
const PUTS: [u64; 2] = [2, 10];

/// How long the appliance may take to come up.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Instructions, by what is in [`Counter::names`].
type Counts = HashMap<String, u64>;

/// Measures what a record and an audit cost each domain.
pub fn run() -> Result<Value> {
    let site = Site::new(&Shape { archives: 2, mib: 64 }.text());
    fill(&site)?;
    let folder = site.folder.path();
    let boot = folder.join("totebox.img");
    let board = &site.deployment.board;
    image::put_together(&site.system, &site.manifests, &board.microkit, "release", &boot);
    image::harden(&site.system, &boot);
    let serial = format!("unix:{},server=on,wait=off", site.socket.display());
    let emulator = board.qemu.as_ref().context("the board can be emulated")?;
    let mut qemu = Qemu::start(&emulator.command(&boot, &site.disk, &serial), folder)?;
    // Nothing is refused any more, and nothing is left to be done, once all volumes have been audited.
    qemu.resume()?;
    let started = Instant::now();
    while !tool(&site, &["audit"], &[])?.wait()?.success() {
        ensure!(started.elapsed() < TIMEOUT, "the appliance does not come up");
    }
    qemu.stop()?;
    let mut counter = Counter::new(qemu, &site)?;

    let mut files = Vec::new();
    let mut records = Records::new();
    for number in 0..PUTS.iter().sum() {
        let path = folder.join(format!("document-{number}"));
        std::fs::write(&path, records.get(BEFORE + number))?;
        files.push(path);
    }
    let (few, more) = files.split_at(PUTS[0] as usize);
    let few = counter.count(tool(&site, &["put", "archive-1"], few)?)?;
    let more = counter.count(tool(&site, &["put", "archive-1"], more)?)?;
    let audit = counter.count(tool(&site, &["audit", "archive-2"], &[])?)?;

    let mib = (BEFORE as usize * RECORD) as f64 / f64::from(1 << 20);
    let of = |counts: &Counts, name: &str| counts.get(name).copied().unwrap_or(0) as f64;
    let mut names: Vec<&String> = more.keys().chain(audit.keys()).collect();
    names.sort();
    names.dedup();
    let mut rows = vec![["domain", "a committed record", "an audited MiB"].map(str::to_owned).to_vec()];
    let mut json = Vec::new();
    let mut total = (0.0, 0.0);
    for name in names {
        let record = (of(&more, name) - of(&few, name)) / (PUTS[1] - PUTS[0]) as f64;
        let audited = of(&audit, name) / mib;
        total = (total.0 + record, total.1 + audited);
        json.push(json!({ "domain": name, "per_record": record, "per_audited_mib": audited }));
        rows.push(vec![name.clone(), format!("{record:.0}"), format!("{audited:.0}")]);
    }
    rows.push(vec!["all".to_owned(), format!("{:.0}", total.0), format!("{:.0}", total.1)]);
    print_table("Instructions on seL4 (AArch64)", &rows);
    Ok(json.into())
}

/// Gives every archive of a site documents, by the domains on this machine.
fn fill(site: &Site) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(&site.disk)?;
    let mut rig = Rig::new(&site.deployment, file)?;
    rig.wait_until_active()?;
    Console::new(&rig.world)?.submit(&mut rig, BEFORE, 16, 1)?;
    rig.settle()
}

/// The host tool at the appliance of a site.
fn tool(site: &Site, words: &[&str], files: &[PathBuf]) -> Result<Child> {
    let mut command = Command::new(workspace().join("target/release/totebox"));
    command.args(words).args(files).arg("--connect").arg(format!("unix:{}", site.socket.display()));
    // Every instruction is waited for.
    command.args(["--timeout", "600"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("cannot start target/release/totebox (`make build` makes it)")
}

/// Counts instructions by domain.
struct Counter {
    qemu: Qemu,
    /// The kernel's instructions that change whose memory is in force, and the register each takes it from.
    switches: HashMap<u64, u32>,
    /// Whose memory is in force, and since which instruction.
    current: u64,
    since: u64,
    /// Where each domain's manifest is in its memory, and whose it is.
    manifests: Vec<(u64, String)>,
    names: HashMap<u64, String>,
}

impl Counter {
    fn new(mut qemu: Qemu, site: &Site) -> Result<Counter> {
        let sdk = std::env::var_os("MICROKIT_SDK").map(PathBuf::from).context("MICROKIT_SDK is not set")?;
        let kernel = sdk.join("board").join(&site.deployment.board.microkit).join("release/elf/sel4.elf");
        let switches = switches(&kernel).with_context(|| format!("cannot use {}", kernel.display()))?;
        for &address in switches.keys() {
            qemu.set_breakpoint(address)?;
        }
        let graph = site.deployment.graph();
        let manifests = graph.pds.iter().map(|pd| (graph.regions[pd.manifest.0].vaddr, pd.name.clone())).collect();
        let register = qemu.system_register("VTTBR_EL2")?;
        let (current, since) = (qemu.register(register)?, qemu.instructions()?);
        Ok(Counter { qemu, switches, current, since, manifests, names: HashMap::new() })
    }

    /// Lets the machine run until `process` has ended, and tells what each domain has done.
    fn count(&mut self, mut process: Child) -> Result<Counts> {
        let mut counts: HashMap<u64, u64> = HashMap::new();
        self.since = self.qemu.instructions()?;
        loop {
            self.qemu.resume()?;
            let mut ended = false;
            while !self.qemu.has_stopped()? {
                if let Some(status) = process.try_wait()? {
                    ensure!(status.success(), "`totebox` has failed: {status}");
                    self.qemu.stop()?;
                    ended = true;
                    break;
                }
            }
            let now = self.qemu.instructions()?;
            *counts.entry(self.current).or_default() += now - self.since;
            self.since = now;
            let pc = self.qemu.pc()?;
            if let Some(&register) = self.switches.get(&pc) {
                self.current = self.qemu.register(register)?;
                self.qemu.step_over(pc)?;
            } else if !ended {
                bail!("the machine has stopped at {pc:#x}");
            }
            if ended {
                break;
            }
        }
        let mut named = Counts::new();
        for (value, count) in counts {
            *named.entry(self.name(value)?).or_default() += count;
        }
        Ok(named)
    }

    /// Whose memory a value of the register stands for.
    fn name(&mut self, value: u64) -> Result<String> {
        if let Some(name) = self.names.get(&value) {
            return Ok(name.clone());
        }
        let mut found = "no domain".to_owned();
        for (address, name) in self.manifests.clone() {
            if self.maps_manifest(value, address)? {
                found = name;
            }
        }
        self.names.insert(value, found.clone());
        Ok(found)
    }
}

impl Counter {
    /// Whether the memory a register value stands for has the manifest of `name` at `address`.
    fn maps_manifest(&mut self, value: u64, address: u64) -> Result<bool> {
        // The value's upper 16 bits are the identifier of the memory in the TLB.
        let root = value & ADDRESS;
        for shift in ROOT_SHIFTS {
            if let Some(physical) = self.translate(root, shift, address)?
                && self.qemu.physical(physical, Header::MAGIC.len())? == Header::MAGIC
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Follows a tree of translation tables (Arm ARM, D8.3: 4 KiB granule) to where an address is in physical memory.
    fn translate(&mut self, root: u64, root_shift: u32, address: u64) -> Result<Option<u64>> {
        let mut table = root;
        for shift in (12..=root_shift).rev().step_by(9) {
            let place = table + (address >> shift & 0x1ff) * 8;
            let entry = self.qemu.physical(place, 8)?;
            let entry = u64::from_le_bytes(entry.try_into().ok().context("memory is short")?);
            let within = (1 << shift) - 1;
            match (entry & 3, shift) {
                (3, 12) | (1, 21 | 30) => return Ok(Some((entry & ADDRESS & !within) | (address & within))),
                (3, _) => table = entry & ADDRESS,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// The bits of a table's or a page's address.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// What the first table translates: 1 GiB an entry, or 512 GiB. It depends on the processor.
const ROOT_SHIFTS: [u32; 2] = [30, 39];

/// Where a kernel writes VTTBR_EL2, and from which register: `msr vttbr_el2, xN`, in what of the file is loaded.
fn switches(kernel: &Path) -> Result<HashMap<u64, u32>> {
    const MSR: u32 = 0xd51c_2100;
    const LOAD: u32 = 1;
    let elf = std::fs::read(kernel)?;
    let number = |at: usize, len: usize| -> Result<u64> {
        let bytes = elf.get(at..at + len).context("the file is too short")?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    };
    let (table, entry, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let mut switches = HashMap::new();
    for header in (0..count).map(|index| (table + index * entry) as usize) {
        let (offset, address, len) = (number(header + 8, 8)?, number(header + 16, 8)?, number(header + 32, 8)?);
        if number(header, 4)? != u64::from(LOAD) {
            continue;
        }
        for at in (0..len & !3).step_by(4) {
            let instruction = number((offset + at) as usize, 4)? as u32;
            if instruction & !31 == MSR {
                switches.insert(address + at, instruction & 31);
            }
        }
    }
    ensure!(!switches.is_empty(), "it never changes whose memory is in force");
    Ok(switches)
}
