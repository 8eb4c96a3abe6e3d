//! Which crate may use which, and what of others: docs/code-map.md and docs/dependencies.md, held against what
//! `cargo metadata` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates of this repository that each uses, by the folder it is in.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder has a parent").to_owned()
}

/// As the code map has them: a heading "### `folder/`", then text, then "Uses: `crate`, ... ." or "Uses: nothing."
fn allowed() -> Uses {
    let map = fs::read_to_string(root().join("docs/code-map.md")).unwrap();
    let sections = map.split("\n### `").skip(1).map(|section| section.split("\n## ").next().unwrap());
    let folder_and_uses = sections.filter_map(|section| {
        let (folder, text) = section.split_once("/`\n").expect("a heading names a folder");
        let (_, uses) = text.split_once("\nUses: ")?;
        let names = uses.split(".\n").next()?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((folder.to_owned(), names))
    });
    folder_and_uses.collect()
}

/// What cargo says of the crates of this workspace.
fn packages() -> Vec<serde_json::Value> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// As they are built.
fn actual() -> Uses {
    let packages = packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let uses = packages.iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap();
        let normal = package["dependencies"].as_array().unwrap().iter().filter(|edge| edge["kind"].is_null());
        let names = normal.map(|edge| edge["name"].as_str().unwrap()).filter(|name| names.contains(name));
        (folder.to_str().unwrap().to_owned(), names.map(str::to_owned).collect())
    });
    uses.collect()
}

#[test]
fn crates_use_what_the_code_map_allows() {
    let (allowed, actual) = (allowed(), actual());
    let folders = |uses: &Uses| uses.keys().cloned().collect::<Vec<_>>();
    assert_eq!(folders(&actual), folders(&allowed), "each crate has a paragraph in docs/code-map.md");
    for (folder, uses) in &actual {
        let forbidden: Vec<_> = uses.difference(&allowed[folder]).collect();
        assert!(forbidden.is_empty(), "{folder} uses {forbidden:?}, which docs/code-map.md does not allow");
        let unused: Vec<_> = allowed[folder].difference(uses).collect();
        assert!(unused.is_empty(), "{folder} no longer uses {unused:?}: docs/code-map.md should say so");
    }
}

#[test]
fn each_dependency_is_accounted_for() {
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    // The first cell of each row has the names.
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let told: BTreeSet<&str> =
        cells.flat_map(|cell| cell.split(['`', ',', ' '])).filter(|name| !name.is_empty()).collect();
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let edges = packages.iter().flat_map(|package| package["dependencies"].as_array().unwrap());
    let used: BTreeSet<&str> =
        edges.map(|edge| edge["name"].as_str().unwrap()).filter(|name| !ours.contains(name)).collect();
    let untold: Vec<_> = used.difference(&told).collect();
    assert!(untold.is_empty(), "docs/dependencies.md does not say what for: {untold:?}");
    // The workspace for seL4 has a lock of its own; the names of its crates are in its manifest.
    let sel4 = fs::read_to_string(root().join("pds/backends/sel4/Cargo.toml")).unwrap();
    let unused: Vec<_> = told
        .difference(&used)
        .filter(|name| !sel4.contains(&format!("\n{name} = ")) && !sel4.contains(&format!("\n{name}.")))
        .collect();
    assert!(unused.is_empty(), "docs/dependencies.md tells of what nobody uses: {unused:?}");
}

#[test]
fn the_code_map_names_files_that_are_there() {
    let map = fs::read_to_string(root().join("docs/code-map.md")).unwrap();
    let links: Vec<&str> = map.split("](../").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 15);
    links.iter().for_each(|link| assert!(root().join(link).is_file(), "{link} is not there"));
}
