//! Archives that are taken over: booted honest first, then as [`totebox_hostile`] on the same disk, then
//! honest again.

use std::fs;
use std::path::PathBuf;

use totebox_hostile::{Attack, FORBIDDEN_REQUESTS};
use totebox_manifest::{Device, Header, LinkKind, Manifest, NO_CHANNEL, Region, Role, encode};

use crate::appliance::{Appliance, Site, row, state};

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
    let honest = take_over(appliance.site());
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
    // The sibling works while they are there, and so does the auditor.
    appliance.tool().call(&["put", "honest", &document]).expect(0);
    appliance.tool().call(&["verify", "honest"]).expect(0);
    appliance.power_cut();

    for (path, bytes) in honest {
        fs::write(path, bytes).expect("the folder can be written");
    }
    changed(appliance);
    appliance.start();
    appliance.wait_until_active();
    appliance.tool().call(&["verify"]).expect(0);
    let output = appliance.site().folder.path().join("output");
    for archive in &appliance.site().archives {
        let path = output.to_str().expect("made of UTF-8");
        appliance.tool().call(&["get", archive, "1", "-o", path, "--force"]).expect(0);
        assert_eq!(fs::read_to_string(&output).expect("it was written"), content, "{archive}");
    }
}

/// Puts the hostile program in the place of four archives, each told what to attack. Returns the files
/// as they were.
fn take_over(site: &Site) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: &PathBuf| fs::read(path).expect("the file is there");
    let mut before = vec![(site.system.clone(), read(&site.system))];
    let manifest = |pd: &str| read(&site.manifest(pd));
    let of = |pd: &str, role, mine: bool| {
        let bytes = manifest(pd);
        let manifest = Manifest::parse(&bytes).expect("a manifest of the model");
        let kind = if role == Role::Orchestrator { LinkKind::Page } else { LinkKind::Queue };
        let link = manifest.link(role, 0, kind).expect("the link is there");
        if mine { link.mine } else { link.theirs }
    };
    let mut system = String::from_utf8(before[0].1.clone()).expect("XML is UTF-8");
    for (name, attack, target) in ATTACKS {
        let pd = format!("archive-{name}");
        let region = match target {
            Target::Sibling => of("archive-honest", Role::Vault, true),
            Target::Vault => of("vault", Role::Orchestrator, true),
            Target::OwnReplies => of(&pd, Role::Vault, false),
            Target::Nothing => Region::default(),
        };
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

/// The manifest with one more entry in its device table.
fn with_attack(bytes: &[u8], attack: Attack, region: Region) -> Vec<u8> {
    let manifest = Manifest::parse(bytes).expect("a manifest of the model");
    let header: &Header = manifest.header();
    let device = Device { kind: attack as u8, irq_channel: NO_CHANNEL, reserved: [0; 6], region };
    let mut changed = Vec::new();
    encode(header, manifest.links(), manifest.volumes(), &[device], |part| changed.extend_from_slice(part));
    changed.resize(bytes.len(), 0);
    changed
}
