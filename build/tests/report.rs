//! The report: the same bytes from the same inputs, self-contained, and true of what it is about.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::with_archives;
use totebox_check::authority::{Authority, How};
use totebox_check::{Judge, RULES, Scope};
use totebox_sdf::System;

/// Runs totebox in a directory: exit code, standard output, standard error.
fn totebox(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_totebox")).args(args).current_dir(directory).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A directory with a deployment, its description, pictures and report.
fn built(archives: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("totebox.toml"), with_archives(archives)).unwrap();
    for args in [
        &["system"][..],
        &["graph", "-o", "graph.svg"],
        &["graph", "-o", "graph.dot"],
        &["report", "-o", "r.html"],
    ] {
        let (code, _, error) = totebox(directory.path(), args);
        assert_eq!(code, 0, "{args:?}: {error}");
    }
    directory
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[test]
fn two_builds_in_two_folders_are_the_same_byte_for_byte() {
    let (one, other) = (built(3), built(3));
    for name in ["system.xml", "graph.svg", "graph.dot", "r.html"] {
        let read = |directory: &tempfile::TempDir| fs::read(directory.path().join(name)).unwrap();
        assert!(read(&one) == read(&other), "{name} differs");
        let text = String::from_utf8(read(&one)).unwrap();
        assert!(!text.contains(one.path().to_str().unwrap()), "{name} names its folder");
    }
    // Nor does it matter how the files are named.
    let absolute = one.path().join("system.xml");
    assert_eq!(totebox(other.path(), &["report", absolute.to_str().unwrap(), "-o", "a.html"]).0, 0);
    let read = |name: &str| fs::read(other.path().join(name)).unwrap();
    assert!(read("a.html") == read("r.html"));
}

#[test]
fn a_report_loads_nothing_and_runs_nothing() {
    let page = fs::read_to_string(built(2).path().join("r.html")).unwrap();
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for outside in ["<script", " src=", "http:", "https:", "@import", "javascript:", " onload", "<link", "<iframe"]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
    let links = page.split(" href=\"").skip(1);
    for target in links.map(|rest| rest.split('"').next().unwrap()) {
        let id = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} is outside"));
        assert!(page.contains(&format!(" id=\"{id}\"")), "{target} is nowhere");
    }
}

#[test]
fn a_report_says_all_that_a_description_allows() {
    for archives in [1, 40] {
        let directory = built(archives);
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let (page, xml) = (read("r.html"), read("system.xml"));
        let system = System::parse(Path::new("system.xml"), &xml).unwrap();
        let authority = Authority::of(&system);
        for rule in RULES {
            assert!(
                page.contains(&format!("<p class=\"sentence\">{}</p>", escaped(rule.sentence))),
                "{}",
                rule.id
            );
        }
        assert_eq!(page.matches("<p class=\"looked\">Looked at: ").count(), RULES.len() - 2);
        // The cells of the tables: what hovering over them shows, and what they say.
        let cells = page.split(" title=\"").skip(1).map(|rest| {
            let (title, rest) = rest.split_once("\">").unwrap();
            (title, rest.split('<').next().unwrap())
        });
        let cells: HashMap<&str, &str> = cells.collect();
        // Of two domains, by the first line.
        let acts: HashMap<&str, (&str, &str)> =
            cells.iter().map(|(title, says)| (title.lines().next().unwrap(), (*title, *says))).collect();
        for edge in &authority.edges {
            let (from, to) = (authority.name(edge.from), authority.name(edge.to));
            let letter = match &edge.how {
                How::Write(_) => 'W',
                How::Signal => 'S',
                How::Call => 'C',
                How::Control(_) => 'P',
                How::Answer | How::Fault => continue,
            };
            let (shown, letters) = acts[format!("{from} to {to}").as_str()];
            assert!(letters.contains(letter), "{from} {to} {:?}", edge.how);
            if let How::Write(region) = &edge.how {
                let (shown_to, letters) = acts[format!("{to} to {from}").as_str()];
                assert!(letters.contains('R'), "{to} reads {region} of {from}");
                assert!(shown.contains(region) && shown_to.contains(region), "{region}");
            }
            assert_eq!(cells[format!("{from} → {to}: directly").as_str()], "●", "{from} {to}");
        }
        for access in &authority.accesses {
            let (who, region) = (authority.name(access.subject), &system.regions[access.region].name);
            let says = cells[format!("{who}, {region}").as_str()];
            let told = access.vaddr.is_none();
            assert!(if told { says.contains('d') } else { says.starts_with(&access.perms.to_string()) }, "{says}");
        }
        // Archives reach each other through mediators alone.
        if archives > 1 {
            assert_eq!(cells["archive-a0 → archive-a1: only if a mediator does wrong"], "m");
        }
        let built = RULES.iter().filter(|rule| matches!(rule.judge, Judge::Built(_))).count();
        let hold = format!("{} of {} hold, {built} are not judged; ", RULES.len() - built, RULES.len());
        assert!(page.contains(&(hold + "0 findings waived, 1 note.")));
        let pairs = archives * (archives - 1);
        assert!(page.contains(&format!(
            "of {pairs} ordered pairs of archives, 0 reach the other without a mediator and {pairs} only"
        )));
    }
}

#[test]
fn findings_and_waivers_are_told_with_their_reasons() {
    let directory = tempfile::tempdir().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/microkit");
    fs::copy(corpus.join("iso-09-smc-ioport.system"), directory.path().join("pc.system")).unwrap();
    let (code, out, _) = totebox(directory.path(), &["report", "pc.system", "-o", "r.html"]);
    assert_eq!((code, out.as_str()), (1, "wrote r.html\n"));
    let page = fs::read_to_string(directory.path().join("r.html")).unwrap();
    let judged =
        RULES.iter().filter(|rule| rule.scope == Scope::Any && !matches!(rule.judge, Judge::Built(_))).count();
    let (hold, not_judged) = (judged - 1, RULES.len() - judged);
    let hold = format!("1 rule is broken. {hold} of {} hold, {not_judged} are not judged; ", RULES.len());
    assert!(page.contains(&format!("{hold}0 findings waived, 0 notes.")), "{page}");
    assert!(page.contains("Not judged: needs a policy"));
    assert!(page.contains("totebox report pc.system --profile microkit -o report.html"));

    let waivers = "[[waive]]\nrule = \"ISO-9\"\nname = \"serial\"\nreason = \"a <PC> has ports\"\n\n\
                   [[waive]]\nrule = \"ISO-1\"\nname = \"old\"\nreason = \"gone\"\n";
    fs::write(directory.path().join("w.toml"), waivers).unwrap();
    totebox(directory.path(), &["report", "pc.system", "--waivers", "w.toml", "-o", "r.html", "--force"]);
    let page = fs::read_to_string(directory.path().join("r.html")).unwrap();
    assert!(page.contains(&format!("{hold}1 finding waived")));
    assert!(page.contains("a &lt;PC&gt; has ports") && !page.contains("<PC>"));
    assert!(page.contains("none that names 'old'"));
}

#[test]
fn files_are_told_by_their_hashes() {
    let directory = built(1);
    let at = |name: &str| directory.path().join(name);
    for under in ["bin", "board/qemu_virt_aarch64/debug/elf", "board/other/debug/elf"] {
        fs::create_dir_all(at("sdk").join(under)).unwrap();
    }
    fs::create_dir_all(at("sdk/board/qemu_virt_aarch64/debug/lib")).unwrap();
    for name in ["bin/microkit", "board/qemu_virt_aarch64/debug/elf/sel4.elf", "board/other/debug/elf/sel4.elf"] {
        fs::write(at("sdk").join(name), "abc").unwrap();
    }
    let args = ["report", "-o", "r.html", "--force", "--sdk", "sdk"];
    let (code, _, error) = totebox(directory.path(), &args);
    assert_eq!((code, error.as_str()), (0, ""));
    let page = fs::read_to_string(at("r.html")).unwrap();
    let row = |name: &str, size: usize, hash: &str| {
        let row = format!("<td>{name}</td><td class=\"number\">{size}</td><td class=\"hash\">{hash}");
        assert!(page.contains(&row), "{row}");
    };
    // FIPS 180-2, appendix B.1.
    row("SDK: bin/microkit", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    row("SDK: board/qemu_virt_aarch64/debug/elf/sel4.elf", 3, "ba7816bf");
    row("totebox.toml", fs::read(at("totebox.toml")).unwrap().len(), "");
    assert!(!page.contains("board/other"), "another board's files are no part of it");
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = built(1);
    let error = |args: &[&str]| {
        let (code, _, error) = totebox(directory.path(), &[&["report", "-o", "x.html"], args].concat());
        assert_eq!(code, 2, "{error}");
        assert!(!directory.path().join("x.html").exists());
        error
    };
    assert!(error(&["nowhere.xml"]).contains("cannot read nowhere.xml"));
    assert!(error(&["--image", "no.img"]).contains("cannot read no.img"));
    fs::write(directory.path().join("empty.img"), "").unwrap();
    assert!(error(&["--image", "empty.img"]).contains("empty.img"), "it is no image");
    let of_sdk = error(&["--sdk", "no-sdk"]);
    assert!(of_sdk.contains("cannot read no-sdk/board/qemu_virt_aarch64 (is it a Microkit SDK?)"), "{of_sdk}");
    assert!(error(&["--waivers", "no.toml"]).contains("cannot read no.toml"));
    assert!(totebox(directory.path(), &["report", "--help"]).1.contains("Example: totebox report"));
}
