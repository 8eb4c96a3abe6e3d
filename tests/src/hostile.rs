//! Archives that are taken over: booted honest first, then as [`totebox_hostile`] on the same disk, then
//! honest again.

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use ledger_fmt::layout::{Area, BLOCK_SIZE};
use serde_json::Value;
use totebox_hostile::{APPENDING_REQUESTS, Attack, FORBIDDEN_REQUESTS};
use totebox_manifest::{Device, Header, LinkKind, Manifest, NO_CHANNEL, Region, Role, encode};

use crate::appliance::{Appliance, Site, row, state};
use crate::orchestrated::{audited, call_until, flag_rows, has_flag, of_volume};
use crate::place::offset;

/// What each archive of [`DEPLOYMENT`] does when it is hostile, and whose memory it goes for.
const ATTACKS: [(&str, Attack, Target); 4] = [
    ("reads-sibling", Attack::Read, Target::Sibling),
    ("reads-vault", Attack::Read, Target::Vault),
    ("writes-replies", Attack::Write, Target::OwnReplies),
    ("asks-vault", Attack::Requests, Target::Nothing),
];

#[derive(Clone, Copy)]
enum Target {
    /// The queue the honest archive writes for the vault.
    Sibling,
    /// The page the vault writes for the orchestrator.
    Vault,
    /// The region the vault writes for this archive, which it may only read.
    OwnReplies,
    Nothing,
}

/// Four archives to be taken over, and an honest one.
pub const DEPLOYMENT: &str = r#"
[deployment]
name = "hostile"
id = "0d9a3be25a6c4f8d170674f1e0b0b95c"
board = "qemu_virt_aarch64"
[disk]
size = "64 MiB"
[audit]
volume = "4 MiB"
period = "15 min"
[[archive]]
name = "reads-sibling"
size = "8 MiB"
on_mismatch = "flag"
[[archive]]
name = "reads-vault"
size = "8 MiB"
on_mismatch = "flag"
[[archive]]
name = "writes-replies"
size = "8 MiB"
on_mismatch = "flag"
[[archive]]
name = "asks-vault"
size = "8 MiB"
on_mismatch = "flag"
[[archive]]
name = "honest"
size = "8 MiB"
on_mismatch = "flag"
"#;

/// Every attempt faults or is refused, the siblings go on, and nothing that was committed has changed.
/// `changed` is told when the system description is another.
pub fn taken_over_archives_reach_nothing<A: Appliance>(appliance: &mut A, changed: impl Fn(&mut A)) {
    let document = appliance.site().folder.path().join("document");
    let content = "a document that was committed before the break-in";
    fs::write(&document, content).expect("the folder can be written");
    let document = document.to_str().expect("made of UTF-8").to_owned();

    appliance.start();
    appliance.wait_until_active();
    for archive in &appliance.site().archives {
        appliance.tool().call(&["put", archive, &document]).expect(0);
    }
    appliance.power_cut();
    let honest = take_over(appliance.site(), &ATTACKS);
    changed(appliance);

    appliance.start();
    let mut terminal = appliance.terminal();
    let status = terminal.command_until("status", |status| {
        let faulted = |name| state(status, name) == "faulted";
        let asked = row(status, "asks-vault").ends_with(&format!(" {}", FORBIDDEN_REQUESTS + 1));
        ATTACKS[..3].iter().all(|(name, ..)| faulted(name)) && asked && state(status, "honest") == "active"
    });
    // What the attacker says of itself: every request refused, none granted.
    let columns: Vec<&str> = row(&status, "asks-vault").split_whitespace().collect();
    assert_eq!(columns[2..4], [&*FORBIDDEN_REQUESTS.to_string(), "0"], "{status}");
    drop(terminal);
    evidence_of_each_fault(appliance);
    // The sibling works while they are there, and so does the auditor.
    appliance.tool().call(&["put", "honest", &document]).expect(0);
    audited(appliance, &["honest"], 0);
    appliance.power_cut();

    give_back(honest);
    changed(appliance);
    appliance.start();
    appliance.wait_until_active();
    audited(appliance, &[], 0);
    let output = appliance.site().folder.path().join("output");
    for archive in &appliance.site().archives {
        let path = output.to_str().expect("made of UTF-8");
        appliance.tool().call(&["get", archive, "1", "-o", path, "--force"]).expect(0);
        assert_eq!(fs::read_to_string(&output).expect("it was written"), content, "{archive}");
    }
}

/// Of each archive that faulted flag and audit record say where and how, and its trace what it noted before. The trace of
/// one that writes nonsense there is shown as that.
fn evidence_of_each_fault(appliance: &dyn Appliance) {
    let faulted = &ATTACKS[..3];
    let flags = call_until(appliance, &["flags", "--json"], 1, |flags| {
        faulted.iter().all(|(name, ..)| has_flag(flags, name, "fault"))
    });
    let history = call_until(appliance, &["history", "--json", "--from", "0"], 0, |_| true);
    for &(name, attack, target) in faulted {
        let flag = flag_rows(&flags).iter().find(|row| row["archive"] == name && row["kind"] == "fault");
        let flag = flag.expect("it is flagged");
        assert_eq!(
            (&flag["what"], &flag["detail"]),
            (&"memory".into(), &region(appliance.site(), name, target).vaddr.get().into())
        );
        let (instruction, status) = (flag["instruction"].as_u64(), flag["status"].as_u64());
        let (instruction, status) = (instruction.expect("it is known"), status.expect("it is known"));
        assert_ne!(instruction, 0);
        match appliance.backend() {
            // The code of a SIGSEGV: nothing is mapped there, or what is there is not to be written.
            "hosted" => assert_eq!(status, if attack == Attack::Write { 2 } else { 1 }, "{flag}"),
            // AArch64's syndrome: a data abort of a less privileged level, and whether it was a write.
            _ => assert_eq!((status >> 26, status >> 6 & 1 == 1), (0x24, attack == Attack::Write), "{flag}"),
        }
        let events = history["events"].as_array().expect("a history has events");
        let record = events.iter().find(|event| event["kind"] == "fault" && event["archive"] == name);
        let record = record.expect("it is recorded");
        let said = ["address", "instruction", "status"].map(|key| record[key].as_u64());
        assert_eq!(said, [flag["detail"].as_u64(), Some(instruction), Some(status)], "{record}");
        assert_eq!(noted(appliance, name), ["started", "committed 77 records"], "{name}");
    }
    let nonsense = noted(appliance, "asks-vault");
    let unreadable = |note: &String| note.starts_with("an event that cannot be read");
    assert!(!nonsense.is_empty() && nonsense.iter().all(unreadable), "{nonsense:?}");
    let refused = |note: &String| note.starts_with("refused a request about asks-vault: ");
    assert!(noted(appliance, "vault").iter().any(refused));
}

/// What a domain noted, by `totebox trace`.
fn noted(appliance: &dyn Appliance, domain: &str) -> Vec<String> {
    let trace = call_until(appliance, &["trace", domain, "--json"], 0, |_| true);
    let notes = trace["notes"].as_array().expect("a trace has notes");
    notes.iter().map(|note| note["text"].as_str().expect("a note is a text").to_owned()).collect()
}

/// What each archive of [`MISBEHAVING`] does when it is hostile, and the kind of flag that tells of it.
const MISDEEDS: [(&str, Attack, &str); 5] = [
    ("spins", Attack::Spin, "hung"),
    ("floods", Attack::Flood, "hung"),
    ("garbage", Attack::Garbage, "protocol"),
    ("panics", Attack::Panic, "fault"),
    ("closed", Attack::Append, "refused"),
];

/// Archives that misbehave in every way, and an honest one; audited every ten seconds.
pub const MISBEHAVING: &str = r#"
[deployment]
name = "misbehaving"
id = "9a3be25a6c4f0d8d170674f1e0b0b95c"
board = "qemu_virt_aarch64"
[disk]
size = "64 MiB"
[audit]
volume = "4 MiB"
period = "10 s"
[[archive]]
name = "spins"
size = "2 MiB"
on_mismatch = "flag"
[[archive]]
name = "floods"
size = "2 MiB"
on_mismatch = "flag"
[[archive]]
name = "garbage"
size = "2 MiB"
on_mismatch = "flag"
[[archive]]
name = "panics"
size = "2 MiB"
on_mismatch = "flag"
[[archive]]
name = "closed"
size = "2 MiB"
on_mismatch = "flag"
[[archive]]
name = "honest"
size = "32 MiB"
on_mismatch = "flag"
"#;

/// Archives that spin, flood everybody, publish nonsense, panic, or go on appending though they are closed are
/// flagged, and stopped or starved; an honest one works among them, and audits go on.
pub fn misbehaving_archives_are_contained<A: Appliance>(appliance: &mut A, changed: impl Fn(&mut A)) {
    let document = appliance.site().folder.path().join("document");
    fs::write(&document, "a document").expect("the folder can be written");
    let document = document.to_str().expect("made of UTF-8").to_owned();
    appliance.start();
    appliance.wait_until_active();
    for archive in &appliance.site().archives {
        appliance.tool().call(&["put", archive, &document]).expect(0);
    }
    appliance.tool().call(&["archive", "closed", "--final"]).expect(0);
    appliance.power_cut();
    let closed = append_only(appliance.site(), "closed");
    let attacks = MISDEEDS.map(|(name, attack, _)| (name, attack, Target::Nothing));
    let honest = take_over(appliance.site(), &attacks);
    changed(appliance);

    appliance.start();
    let flags = call_until(appliance, &["flags", "--json"], 1, |flags| {
        MISDEEDS.iter().all(|(name, _, kind)| has_flag(flags, name, kind))
    });
    let accused = flag_rows(&flags).iter().any(|row| row["archive"] == "honest");
    assert!(!accused, "{flags}");
    appliance.tool().call(&["put", "honest", &document]).expect(0);
    audited(appliance, &["honest"], 0);
    // The attacker in its place claims a ledger of its own, which is found, too.
    audited(appliance, &["closed"], 1);
    let mut terminal = appliance.terminal();
    let status = terminal.command("status");
    for (name, wanted) in
        [("garbage", "failed"), ("panics", "faulted"), ("closed", "archived"), ("honest", "active")]
    {
        assert_eq!(state(&status, name), wanted, "{status}");
    }
    drop(terminal);
    // What does not come to rest is stopped all the same.
    appliance.tool().call(&["suspend", "spins"]).expect(1);
    let mut terminal = appliance.terminal();
    let status = terminal.command("status");
    assert_eq!(state(&status, "spins"), "suspended", "{status}");
    drop(terminal);
    let status = appliance.tool().call(&["status", "--json"]).expect(1);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(of_volume(&status, "closed")["refused"], APPENDING_REQUESTS, "each attempt is counted");
    appliance.power_cut();
    assert!(append_only(appliance.site(), "closed") == closed, "nothing is appended to what is archived");

    give_back(honest);
    changed(appliance);
    appliance.start();
    appliance.terminal().command_until("status", |status| {
        let actives = ["floods", "garbage", "panics", "honest"];
        actives.iter().all(|name| state(status, name) == "active")
            && state(status, "closed") == "archived"
            && state(status, "spins") == "suspended"
    });
    audited(appliance, &[], 0);
}

/// The append-only bytes of a volume: `assets/` and `ledger/`.
fn append_only(site: &Site, name: &str) -> Vec<u8> {
    let number = site.archives.iter().position(|archive| archive == name).expect("the archive is there");
    let disk = fs::File::open(&site.disk).expect("there is a disk");
    let layout = &site.deployment.volumes[number].layout;
    let mut bytes = vec![0; layout.space.blocks as usize * BLOCK_SIZE];
    let offset = offset(&site.deployment, number, Area::Ledger, 0) as u64;
    disk.read_exact_at(&mut bytes, offset).expect("the disk can be read");
    bytes
}

/// Documents in a batch whose rate is measured.
const BATCH: usize = 48;
/// Batches of each kind at least and at most. The best of each counts: what else the machine does can only slow a
/// batch down, so one that falls short is measured again, and only what no batch reaches is what the archive takes.
const ROUNDS: RangeInclusive<usize> = 3..=10;

/// A sibling of an archive that spins at full speed commits at no less than four fifths of the rate it has
/// without, and audits come to their end.
pub fn a_spinning_archive_takes_nothing<A: Appliance>(appliance: &mut A, changed: impl Fn(&mut A)) {
    let folder = appliance.site().folder.path().to_owned();
    let documents: Vec<String> = (0..BATCH)
        .map(|number| {
            let path = folder.join(format!("document-{number}"));
            fs::write(&path, format!("document {number}")).expect("the folder can be written");
            path.to_str().expect("made of UTF-8").to_owned()
        })
        .collect();
    let mut put = vec!["put", "honest"];
    put.extend(documents.iter().map(String::as_str));
    let batch = |appliance: &mut A| {
        appliance.start();
        appliance.terminal().command_until("status", |status| state(status, "honest") == "active");
        appliance.tool().call(&put[..3]).expect(0);
        let started = Instant::now();
        appliance.tool().call(&put).expect(0);
        let rate = BATCH as f64 / started.elapsed().as_secs_f64();
        audited(appliance, &["honest"], 0);
        appliance.power_cut();
        rate
    };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let best = |rates: &[f64]| rates.iter().copied().fold(0.0, f64::max);
    let mut ratio = 0.0;
    for round in 1..=*ROUNDS.end() {
        alone.push(batch(appliance));
        let honest = take_over(appliance.site(), &[("spins", Attack::Spin, Target::Nothing)]);
        changed(appliance);
        beside.push(batch(appliance));
        give_back(honest);
        changed(appliance);
        ratio = best(&beside) / best(&alone);
        if ratio >= 0.8 && ROUNDS.contains(&round) {
            break;
        }
    }
    println!(
        "{}: {alone:.1?} documents/s without, {beside:.1?} beside an archive that spins; {:.0} %",
        appliance.backend(),
        100.0 * ratio
    );
    assert!(ratio >= 0.8, "a spinning archive takes {:.0} % of its sibling's rate", 100.0 * (1.0 - ratio));
}

/// Puts the hostile program in the place of archives, each told what to attack. Returns the files
/// as they were.
fn take_over(site: &Site, attacks: &[(&str, Attack, Target)]) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: &PathBuf| fs::read(path).expect("the file is there");
    let mut before = vec![(site.system.clone(), read(&site.system))];
    let mut system = String::from_utf8(before[0].1.clone()).expect("XML is UTF-8");
    for &(name, attack, target) in attacks {
        let pd = format!("archive-{name}");
        let region = region(site, name, target);
        let path = site.manifest(&pd);
        let bytes = read(&path);
        fs::write(&path, with_attack(&bytes, attack, region)).expect("the folder can be written");
        before.push((path, bytes));
        let start = system.find(&format!("<protection_domain name=\"{pd}\"")).expect("the archive is there");
        let program = start + system[start..].find("archive.elf").expect("it has a program");
        system.replace_range(program..program + "archive.elf".len(), "hostile.elf");
    }
    fs::write(&site.system, system).expect("the folder can be written");
    before
}

/// The memory that an archive goes for.
fn region(site: &Site, name: &str, target: Target) -> Region {
    let of = |pd: &str, role, mine: bool| {
        let bytes = fs::read(site.manifest(pd)).expect("the file is there");
        let manifest = Manifest::parse(&bytes).expect("a manifest of the model");
        let kind = if role == Role::Orchestrator { LinkKind::Page } else { LinkKind::Queue };
        let link = manifest.link(role, 0, kind).expect("the link is there");
        if mine { link.mine } else { link.theirs }
    };
    match target {
        Target::Sibling => of("archive-honest", Role::Vault, true),
        Target::Vault => of("vault", Role::Orchestrator, true),
        Target::OwnReplies => of(&format!("archive-{name}"), Role::Vault, false),
        Target::Nothing => Region::default(),
    }
}

/// Puts the files back as they were.
fn give_back(honest: Vec<(PathBuf, Vec<u8>)>) {
    for (path, bytes) in honest {
        fs::write(path, bytes).expect("the folder can be written");
    }
}

/// The manifest with one more entry in its device table.
fn with_attack(bytes: &[u8], attack: Attack, region: Region) -> Vec<u8> {
    let manifest = Manifest::parse(bytes).expect("a manifest of the model");
    let header: &Header = manifest.header();
    let device = Device { kind: attack as u8, irq_channel: NO_CHANNEL, driver: 0, reserved: [0; 5], region };
    let mut changed = Vec::new();
    encode(header, manifest.links(), manifest.volumes(), &[device], |part| changed.extend_from_slice(part));
    changed.resize(bytes.len(), 0);
    changed
}
