//! No files of the domains or the host side import each other in a circle: a reader can begin at the bottom.
//!
//! A file is a module; what it imports is read from its text: `use` items, and paths in the code that begin with
//! `crate` or `super`. A module that only gathers others (`lib.rs`, `mod.rs`) is no file of its own here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of a crate by their paths: `["vault", "recovery"]`.
type Modules = BTreeMap<Vec<String>, PathBuf>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder has a parent")
}

/// The sources of every crate under a folder.
fn crates(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() && name == "src" {
            found.push(entry);
        } else if entry.is_dir() && !["target", "tests", "examples", "attacks", "hostile"].contains(&name.as_str())
        {
            crates(&entry, found);
        }
    }
}

fn modules(folder: &Path, path: &[String], found: &mut Modules) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner = [path, std::slice::from_ref(&name)].concat();
        let is_test = name.contains("test");
        if entry.is_dir() && !is_test && name != "bin" {
            modules(&entry, &inner, found);
        } else if entry.extension().is_some_and(|kind| kind == "rs") && !is_test {
            let gathers = ["lib", "mod", "main"].contains(&name.as_str());
            found.insert(if gathers { path.to_vec() } else { inner }, entry);
        }
    }
}

/// The code of a file, without comments and without its tests, which stand at its end.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `crate`, `super` or `self`, with what stands in braces behind it.
fn paths(code: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in code.match_indices(is_name) {
        let starts = !code[..at].ends_with(|c: char| is_name(c) || c == ':' || c == '$');
        let rest = &code[at..];
        if starts && ["crate::", "super::", "self::"].iter().any(|first| rest.starts_with(first)) {
            tree(rest, &[], &mut found);
        }
    }
    found
}

/// The paths at the beginning of `text`, each behind `before`. Returns what follows.
fn tree<'a>(text: &'a str, before: &[String], found: &mut BTreeSet<Vec<String>>) -> &'a str {
    let (mut path, mut rest) = (before.to_vec(), text);
    loop {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        path.extend((end > 0).then(|| rest[..end].to_owned()));
        rest = &rest[end..];
        let Some(next) = rest.strip_prefix("::") else { break };
        rest = next;
        if let Some(mut inner) = rest.strip_prefix('{') {
            while !inner.trim_start().starts_with('}') && !inner.trim_start().is_empty() {
                let behind = tree(inner.trim_start(), &path, found).trim_start();
                // What was no path, "as x" for example, is passed over.
                let end = behind.find([',', '}']).unwrap_or(behind.len());
                inner = behind[end..].strip_prefix(',').unwrap_or(&behind[end..]);
            }
            return inner.trim_start().strip_prefix('}').unwrap_or("");
        }
    }
    found.insert(path);
    rest
}

/// The module that a path of a module leads to: the deepest there is.
fn target(modules: &Modules, from: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut at = from.to_vec();
    let mut words = path.iter().peekable();
    match words.next()?.as_str() {
        "crate" => at.clear(),
        "super" => _ = at.pop(),
        _ => {}
    }
    while words.next_if(|word| *word == "super").is_some() {
        at.pop();
    }
    for word in words {
        let inner = [&at[..], std::slice::from_ref(word)].concat();
        let leads_on = modules.keys().any(|module| module.starts_with(&inner));
        if !leads_on {
            break;
        }
        at = inner;
    }
    modules.contains_key(&at).then_some(at)
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut sources = Vec::new();
    ["ledger-fmt", "pds", "build"].iter().for_each(|folder| crates(&root().join(folder), &mut sources));
    assert!(sources.len() > 15, "{sources:?}");
    let (mut edges, mut circles) = (0, Vec::new());
    for source in &sources {
        let mut all = Modules::new();
        modules(source, &[], &mut all);
        let gathers = |file: &Path| ["lib.rs", "mod.rs", "main.rs"].iter().any(|name| file.ends_with(name));
        let mut next: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for (module, file) in all.iter().filter(|(_, file)| !gathers(file)) {
            for path in paths(&code(file)) {
                let to = target(&all, module, &path).map(|module| all[&module].as_path());
                if let Some(to) = to.filter(|to| !gathers(to) && to != file) {
                    next.entry(file).or_default().insert(to);
                    edges += 1;
                }
            }
        }
        for &from in next.keys() {
            let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(at) = open.pop() {
                open.extend(next.get(at).into_iter().flatten().filter(|to| reached.insert(**to)));
            }
            if reached.contains(from) {
                circles.push(from.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    assert!(edges > 100, "what files import was not read: {edges}");
    assert!(circles.is_empty(), "each of these imports itself through others: {circles:#?}");
}
