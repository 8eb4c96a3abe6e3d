//! The pictures: fresh, the same every time, and complete. What a picture says is read back from what
//! hovering over it shows.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use common::{deployment, with_archives};
use roxmltree::Document;
use totebox_check::authority::{Authority, How};
use totebox_check::{Waivers, check, picture};
use totebox_deployment::Deployment;
use totebox_sdf::System;

fn draw(deployment: &Deployment, xml: &str) -> (System, String, String) {
    let system = System::parse(Path::new("system.xml"), xml).unwrap_or_else(|errors| panic!("{errors}"));
    let policy = totebox_profile::policy(deployment);
    let report = check(Path::new("system.xml"), &system, Some(&policy), &mut Waivers::default());
    let pictures = [picture::svg, picture::dot].map(|draw| draw(&system, Some(&policy), &report));
    let [svg, dot] = pictures;
    (system, svg, dot)
}

/// What the boxes and lines of a picture show under the mouse.
fn titles(svg: &str) -> BTreeSet<String> {
    let document = Document::parse(svg).unwrap();
    let groups = document.descendants().filter(|node| node.has_tag_name("g"));
    groups.map(|group| group.first_element_child().unwrap().text().unwrap().to_owned()).collect()
}

/// What breaks a rule, by what it shows under the mouse.
fn red(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let broken = document.descendants().filter(|node| {
        node.attribute("class").is_some_and(|class| class.split(' ').any(|c| c == "broken"))
            && node.parent().is_some_and(|parent| parent.has_tag_name("g"))
            && !node.has_tag_name("circle")
    });
    let title = |node: roxmltree::Node| node.parent()?.first_element_child()?.text().map(str::to_owned);
    broken.map(|node| title(node).unwrap()).collect()
}

#[test]
fn the_pictures_in_the_documentation_are_not_stale() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let reference = Deployment::load(root).unwrap();
    let xml = reference.system_xml();
    let channel =
        r#"<channel><end pd="archive-finance" id="50" /><end pd="auditor" id="50" notify="false" /></channel>"#;
    let broken = xml.replace("</system>", &format!("{channel}</system>"));
    for (name, xml) in [("reference.svg", &xml), ("broken.svg", &broken)] {
        let committed = std::fs::read_to_string(root.join("docs/pictures").join(name)).unwrap();
        let (_, svg, _) = draw(&reference, xml);
        assert!(
            committed == svg,
            "stale: `totebox graph -o docs/pictures/{name} --force` of that system draws it anew"
        );
    }
}

#[test]
fn a_picture_shows_everything_and_is_the_same_every_time() {
    for archives in [1, 3, 40] {
        let deployment = deployment(&with_archives(archives));
        let (system, svg, dot) = draw(&deployment, &deployment.system_xml());
        assert_eq!(draw(&deployment, &deployment.system_xml()).1, svg);
        assert!(red(&svg).is_empty() && !dot.contains("color = red"), "{archives} archives");
        let titles = titles(&svg);
        let authority = Authority::of(&system);
        for edge in &authority.edges {
            let (from, to) = (authority.name(edge.from), authority.name(edge.to));
            let (says, region) = match &edge.how {
                How::Write(region) => (format!("{from} writes for "), region.as_str()),
                How::Signal => (format!("{from} writes for and may notify {to}: "), ""),
                How::Call => (format!("{from} may call {to}"), ""),
                How::Control(_) => (format!("{from} is the parent of {to}"), ""),
                How::Answer | How::Fault => continue,
            };
            let shown = titles.iter().any(|title| {
                title.starts_with(&says)
                    && (region.is_empty() || title.contains(&format!("{to}: ")) && title.contains(region))
            });
            assert!(shown, "{says}{to} {region}");
            assert!(dot.contains(&format!("\"{from}\" -> \"{to}\" ")), "{from} {to}");
        }
        for subject in &authority.subjects {
            assert!(
                titles.iter().any(|title| title.starts_with(&format!("{}: ", subject.name))),
                "{}",
                subject.name
            );
        }
        for device in ["console-uart", "vault-dma (DMA)", "interrupt 79", "clock-rtc"] {
            assert!(svg.contains(&format!(">{device}<")) && dot.contains(device), "{device}");
        }
    }
}

#[test]
fn what_breaks_a_rule_is_red() {
    let deployment = deployment(&with_archives(2));
    let spy = r#"<map mr="archive-a1-to-vault" vaddr="0x1200000000" perms="r" /><map mr="archive-a0-manifest""#;
    let xml = deployment.system_xml().replace(r#"<map mr="archive-a0-manifest""#, spy);
    let (_, svg, dot) = draw(&deployment, &xml);
    let red = red(&svg);
    assert_eq!(red.len(), 1, "{red:#?}");
    assert!(red[0].starts_with("archive-a1 writes for archive-a0: archive-a1-to-vault\n"), "{red:?}");
    assert!(["ISO-2", "ISO-6", "ISO-7"].iter().all(|rule| red[0].contains(rule)), "{red:?}");
    assert!(dot.contains(
        "\"archive-a1\" -> \"archive-a0\" [label = \"archive-a1-to-vault\", style = solid, color = red"
    ));
    assert!(
        svg.contains(">ISO-2: the region &apos;") || svg.contains(">ISO-2: the region 'archive-a1-to-vault'"),
        "{svg}"
    );
}

#[test]
fn any_system_can_be_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/microkit");
    let run = |system: &str, output: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
        command.arg("graph").arg(cases.join(system)).args(["-o", output]).current_dir(directory.path());
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(run("iso-05-circle.system", "circle.svg").0, 1);
    let circle = read("circle.svg");
    assert_eq!(red(&circle).len(), 9, "three calls, and the notifications of both directions beside each");
    assert_eq!(run("iso-01-machine.system", "machine.svg").0, 1);
    assert!(titles(&read("machine.svg")).iter().any(|title| title.starts_with("monitor-of-linux controls linux")));
    assert_eq!(run("iso-09-passing.system", "passing.dot").0, 0);
    assert!(read("passing.dot").contains("digraph"));
    let (code, error) = run("iso-09-passing.system", "passing.png");
    assert_eq!((code, error.as_str()), (2, "totebox: passing.png: the name of a picture ends in .svg or .dot\n"));
}
