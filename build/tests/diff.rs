//! What changed, in words.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{deployment, with_archives};
use totebox_check::diff::{Kind, diff};
use totebox_sdf::System;

fn system(xml: &str) -> System {
    System::parse(Path::new("system.xml"), xml).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The changes that edits make in the description of two archives, each with its sign.
fn changes(edits: &[(&str, &str)]) -> Vec<String> {
    let old = deployment(&with_archives(2)).system_xml();
    let new = edits.iter().fold(old.clone(), |xml, (from, to)| edited(&xml, from, to));
    signed(&old, &new)
}

fn edited(xml: &str, from: &str, to: &str) -> String {
    assert!(xml.contains(from), "{from}");
    xml.replacen(from, to, 1)
}

/// The changes from one description to another, each with its sign.
fn signed(old: &str, new: &str) -> Vec<String> {
    let sign = |kind| match kind {
        Kind::Gained => '+',
        Kind::Changed => '~',
        Kind::Lost => '-',
    };
    diff(&system(old), &system(new))
        .iter()
        .map(|change| format!("{} {}", sign(change.kind), change.text))
        .collect()
}

#[test]
fn what_is_only_written_differently_is_no_change() {
    let old = deployment(&with_archives(2)).system_xml();
    assert_eq!(diff(&system(&old), &system(&old)), []);
    let nothing: [&str; 0] = [];
    // A comment, an address in a domain, a stack.
    assert_eq!(
        changes(&[("<!-- clock: ", "<!-- the clock: "), (r#"stack_size="0x4000""#, r#"stack_size="0x8000""#)]),
        nothing
    );
    assert_eq!(
        changes(&[(r#"<map mr="clock-manifest" vaddr="0x11"#, r#"<map mr="clock-manifest" vaddr="0x12"#)]),
        nothing
    );
}

#[test]
fn every_change_of_authority_is_told_in_words() {
    let one = |from: &str, to: &str| {
        let changes = changes(&[(from, to)]);
        let [change] = &changes[..] else { panic!("{changes:#?}") };
        change.clone()
    };
    let channel =
        r#"<channel><end pd="archive-a1" id="50" /><end pd="auditor" id="50" notify="false" /></channel>"#;
    let told = one("</system>", &format!("{channel}</system>"));
    assert_eq!(told, "+ 'archive-a1' can now notify 'auditor'");
    let without_call = deployment(&with_archives(2)).system_xml();
    let with_call =
        edited(&without_call, r#"<end pd="console" id="2" />"#, r#"<end pd="console" id="2" pp="true" />"#);
    assert_eq!(signed(&with_call, &without_call), ["- 'console' can no longer call 'orchestrator'"]);
    let told =
        one(r#"name="archive-a0-to-vault" size="0x41000""#, r#"name="archive-a0-to-vault" size="0x200000""#);
    assert_eq!(
        told,
        "~ 'archive-a0-to-vault', which 'archive-a0' writes and 'vault' reads, grew from 260 KiB to 2 MiB"
    );
    let told = one(
        r#"mr="auditor-manifest""#,
        r#"mr="archive-a0-to-vault" vaddr="0x1400000000" perms="r" /><map mr="auditor-manifest""#,
    );
    assert_eq!(told, "+ 'auditor' can now read 'archive-a0-to-vault', which 'archive-a0' writes");
    let told = one(
        r#"mr="clock-manifest" vaddr="0x1104001000" perms="r""#,
        r#"mr="clock-manifest" vaddr="0x1104001000" perms="rw""#,
    );
    assert_eq!(told, "~ 'clock' can now read and write 'clock-manifest', and could only read");
    let told = one(r#"priority="120""#, r#"priority="130""#);
    assert_eq!(told, "~ the priority of 'auditor' rose from 120 to 130");
    let told = one(r#"priority="120" budget="1500""#, r#"priority="120" budget="500""#);
    assert_eq!(told, "~ the CPU share of 'auditor' shrank from 15 % to 5 %, 500 us in every 10000 us");
    let told = one(r#"<program_image path="auditor.elf" />"#, r#"<program_image path="other.elf" />"#);
    assert_eq!(told, "~ 'auditor' now runs other.elf, and ran auditor.elf");
    let told = one(r#"<irq irq="33""#, r#"<irq irq="40" id="60" /><irq irq="33""#);
    assert_eq!(told, "+ 'console' now gets interrupt 40");
    let told = one(r#"phys_addr="0x9000000""#, r#"phys_addr="0x9001000""#);
    assert_eq!(told, "~ 'console-uart' is now at the physical address 0x9001000, and was at 0x9000000");
    let told = one(r#"prefill_path="clock.manifest""#, r#"prefill_path="vault.manifest""#);
    assert_eq!(told, "~ 'clock-manifest' is now filled from vault.manifest, and was from clock.manifest");
    let told = one(r#"<setvar symbol="dma_paddr" region_paddr="vault-dma" />"#, "");
    assert_eq!(told, "- 'vault' is no longer told the physical address of 'vault-dma'");
    let told = one(r#"cached="false""#, r#"cached="true""#);
    assert_eq!(told, "~ 'clock' maps 'clock-rtc' as before, now through the cache");
    let told = one(r#"<protection_domain name="clock" "#, r#"<protection_domain name="clock" smc="true" "#);
    assert_eq!(told, "+ 'clock' can now make secure monitor calls");
    let told = one(r#"<protection_domain name="clock" "#, r#"<protection_domain name="clock" passive="true" "#);
    assert_eq!(told, "+ 'clock' now runs on the time of its callers only");
    let cspace = r#"<cspace><cap_tcb slot="1" pd="vault" /></cspace><irq irq="30""#;
    assert_eq!(one(r#"<irq irq="30""#, cspace), "+ 'clock' can now stop 'vault' and set its registers");
    let ports = r#"<ioport id="50" addr="0x3f8" size="8" /><irq irq="30""#;
    assert_eq!(one(r#"<irq irq="30""#, ports), "+ 'clock' can now use the I/O ports 0x3f8 to 0x3ff");
}

#[test]
fn a_new_archive_is_told_with_all_it_can_do() {
    let [two, three] = [2, 3].map(|archives| system(&deployment(&with_archives(archives)).system_xml()));
    let changes = diff(&two, &three);
    let told = |kind, text: &str| {
        assert!(changes.iter().any(|c| c.kind == kind && c.text == text), "{text}: {changes:#?}")
    };
    told(Kind::Gained, "'archive-a2' is new");
    told(Kind::Gained, "'archive-a2' can now notify 'vault'");
    told(Kind::Gained, "'archive-a2' can now read and write 'archive-a2-to-vault', which 'vault' reads");
    told(Kind::Gained, "'orchestrator' can now control 'archive-a2' as its parent, and gets its faults");
    told(Kind::Changed, "the CPU share of 'archive-a0' shrank from 17.5 % to 11.66 %, 1166 us in every 10000 us");
    assert!(changes.iter().all(|c| c.kind != Kind::Lost), "{changes:#?}");
    let back = diff(&three, &two);
    assert!(back.iter().any(|c| c.kind == Kind::Lost && c.text == "'archive-a2' is gone"));
    assert!(back.iter().all(|c| c.kind != Kind::Gained), "{back:#?}");
}

#[test]
fn the_command_prints_for_people_programs_and_pull_requests() {
    let directory = tempfile::tempdir().unwrap();
    let old = deployment(&with_archives(1)).system_xml();
    fs::write(directory.path().join("old.xml"), &old).unwrap();
    fs::write(directory.path().join("new.xml"), old.replace(r#"priority="120""#, r#"priority="121""#)).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
        let output = command.arg("diff").args(args).current_dir(directory.path()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["old.xml", "old.xml"]), (0, "no authority changed\n".into()));
    assert_eq!(run(&["old.xml", "new.xml"]), (1, "~ the priority of 'auditor' rose from 120 to 121\n".into()));
    let markdown = "## Authority\n\n**Changed**\n\n- the priority of `auditor` rose from 120 to 121\n\n";
    assert_eq!(run(&["old.xml", "new.xml", "--markdown"]), (1, markdown.into()));
    let (code, json) = run(&["old.xml", "new.xml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, json[0]["kind"].as_str(), json[0]["subject"].as_str()),
        (1, Some("changed"), Some("auditor"))
    );
    assert_eq!(run(&["old.xml", "nowhere.xml"]).0, 2);
    assert!(run(&["--help"]).1.contains("Example: totebox diff"));
}
