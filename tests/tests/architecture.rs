//! docs/architecture.md has every domain, queue and page, and no other: compared with the tables of
//! `totebox-manifest`, which the build uses.

use std::fs;
use std::path::Path;

use totebox_manifest::ROLES;
use totebox_manifest::conversation::{MESSAGE_HEADER, PAGES, QUEUES};

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder has a parent");
    fs::read_to_string(root.join("docs/architecture.md")).unwrap()
}

/// The rows of the table under a heading, each cell without its blanks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = page();
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect("the page has this section");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Compares without regard to the order, and says what the page should have.
fn compare(heading: &str, mut expected: Vec<Vec<String>>) {
    let mut found = table(heading);
    found.sort();
    expected.sort();
    let rows = expected.iter().map(|row| format!("| {} |", row.join(" | "))).collect::<Vec<_>>().join("\n");
    assert_eq!(found, expected, "the rows under \"{heading}\" should be:\n{rows}");
}

#[test]
fn every_domain_is_there_with_its_priority_and_its_crate() {
    let rows = ROLES.iter().map(|info| {
        let source = format!("[`pds/{0}/`](../pds/{0}/src/lib.rs)", info.name);
        vec![format!("`{}`", info.name), info.does.to_owned(), info.cpu.priority.to_string(), source]
    });
    compare("Domains", rows.collect());
}

#[test]
fn every_queue_is_there() {
    let rows = QUEUES.iter().map(|queue| {
        let [a, b] = queue.between.map(|role| format!("`{}`", role.name()));
        let data = queue.form.slot_size - MESSAGE_HEADER;
        vec![a, b, queue.form.slots.to_string(), data.to_string()]
    });
    compare("Queues", rows.collect());
}

#[test]
fn every_page_is_there() {
    let rows = PAGES.iter().map(|page| {
        let names = |roles: &[totebox_manifest::Role]| {
            roles.iter().map(|role| format!("`{}`", role.name())).collect::<Vec<_>>().join(", ")
        };
        let each = if page.each { "one for each" } else { "one for all" };
        let says = page.says.replace("{from}", "its writer").replace("{to}", "its reader");
        let wakes = if page.wakes.is_empty() { "nobody".to_owned() } else { names(page.wakes) };
        vec![
            format!("`{}`", page.name),
            names(&[page.from]),
            names(page.to),
            each.to_owned(),
            page.size.to_string(),
            says,
            wakes,
        ]
    });
    compare("Pages", rows.collect());
}
