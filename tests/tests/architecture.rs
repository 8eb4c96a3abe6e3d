//! docs/architecture.md has every domain, queue and page, and no other: compared with the tables of
//! `totebox-manifest`, which the build uses. And what any document names is there.

use std::fs;
use std::path::{Path, PathBuf};

use totebox_manifest::ROLES;
use totebox_manifest::conversation::{MESSAGE_HEADER, PAGES, QUEUES};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder has a parent")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/architecture.md")).unwrap()
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

/// The folders of the repository that documents name files in.
const FOLDERS: [&str; 7] = ["bench/", "build/", "docs/", "fuzz/", "ledger-fmt/", "pds/", "tests/"];

/// Every document for people, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(|name| root().join(name));
    docs.chain(top).map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Whether a path that a document names is there. One with a placeholder is only as good as what comes before that.
fn is_there(path: &str) -> bool {
    let is_name = |part: &&str| !part.contains(|c: char| c.is_ascii_uppercase() || "*…{".contains(c));
    let known = path.split('/').take_while(is_name).collect::<PathBuf>();
    root().join(if root().join(path).exists() { Path::new(path) } else { &known }).exists()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    for (document, text) in documents() {
        let quoted = text.split('`').skip(1).step_by(2).filter(|word| !word.contains(char::is_whitespace));
        let named = quoted.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
        missing.extend(named.filter(|path| !is_there(path)).map(|path| format!("{}: {path}", document.display())));
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let files = links.filter(|link| !link.is_empty() && !link.contains("://"));
        let lost = files.filter(|link| !document.with_file_name(link).exists());
        missing.extend(lost.map(|link| format!("{}: {link}", document.display())));
    }
    assert!(missing.is_empty(), "there is no\n{}", missing.join("\n"));
}
