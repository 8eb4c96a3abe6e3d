//! What was built, judged and hardened. The corpus in `built/` is one system as the Microkit tool wrote it
//! (`one-of-each.json`, made from `one-of-each.system`), hardened, and cases that change something in it:
//! what is then found must be all there is. Every case is judged as JSON and as an image.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use totebox_capdl::testing::{booting_image_of, image_of, sdk};
use totebox_capdl::{Image, Json, Lowering, Spec};
use totebox_check::built::Built;
use totebox_check::{Judge, Level, Made, RULES, Report, Scope, Verdict, Waivers, check_built};
use totebox_sdf::System;

/// A case of the corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "about")]
    _about: String,
    edits: Vec<Edit>,
    found: Vec<String>,
}

/// A change to the specification. Where a capability names its object, that is put in place of its id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// The object that is changed, by name.
    object: Option<String>,
    /// The slot whose capability is merged with `cap`; null removes it.
    slot: Option<u64>,
    cap: Option<Value>,
    /// Merged with the object.
    merge: Option<Value>,
    /// The object's new name.
    name: Option<String>,
    /// A new object.
    add: Option<Value>,
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/built")
}

fn stock() -> String {
    fs::read_to_string(corpus().join("one-of-each.json")).unwrap()
}

fn system() -> System {
    let path = corpus().join("one-of-each.system");
    System::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The corpus's system, hardened.
fn hardened() -> Value {
    let mut json = Json::parse(stock()).unwrap();
    let built = Built::of(&json.spec().unwrap(), &system()).unwrap();
    let lowerings: Vec<Lowering> = built.lowerings().into_iter().map(|(_, lowering)| lowering).collect();
    json.lower(&lowerings).unwrap();
    serde_json::from_str(json.text()).unwrap()
}

/// RFC 7396, but for null, which stays.
fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            change.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, change) => *into = change,
    }
}

fn edit(spec: &mut Value, edit: Edit) {
    let objects = spec["objects"].as_array_mut().unwrap();
    let id = |name: &str| objects.iter().position(|object| object["name"] == name).unwrap();
    let target = edit.object.as_deref().map(id);
    let mut cap = edit.cap;
    if let Some(Value::Object(cap)) = &mut cap {
        for to in cap.values_mut().filter_map(Value::as_object_mut) {
            if let Some(name) = to.get("object").and_then(Value::as_str).map(str::to_owned) {
                to.insert("object".into(), id(&name).into());
            }
        }
    }
    objects.extend(edit.add);
    let Some(object) = target.map(|id| &mut objects[id]) else { return };
    if let Some(name) = edit.name {
        object["name"] = name.into();
    }
    if let Some(change) = edit.merge {
        merge(&mut object["object"], change);
    }
    let Some(number) = edit.slot else { return };
    let slots = object["object"].as_object_mut().and_then(|object: &mut Map<_, _>| object.values_mut().next());
    let slots = slots.unwrap()["slots"].as_array_mut().unwrap();
    let at = slots.iter().position(|slot| slot["slot"] == number);
    match (at, cap) {
        (Some(at), None) => _ = slots.remove(at),
        (Some(at), Some(cap)) => merge(&mut slots[at]["cap"], cap),
        (None, cap) => slots.push(json!({ "slot": number, "cap": cap.unwrap() })),
    }
}

fn report(spec: &Spec) -> Result<Report, String> {
    let system = system();
    let built = Built::of(spec, &system).map_err(|error| error.message)?;
    let made = Made { built: &built, declared: &system };
    Ok(check_built(Path::new("image"), Path::new("system"), &made, None, &mut Waivers::default()))
}

fn found(spec: &Spec) -> Vec<String> {
    let report = match report(spec) {
        Ok(report) => report,
        Err(message) => return vec![message],
    };
    let breaks = report.findings.iter().filter(|finding| finding.level == Level::Error);
    breaks.map(|f| format!("{} {}:{}: {}", f.rule, f.line, f.column, f.message)).collect()
}

/// Every case: its name, what is found, and what should be.
fn cases() -> Vec<(String, Spec, Vec<String>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json") && !path.ends_with("one-of-each.json"));
    files.sort();
    let base = hardened();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let case: Case = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut spec = base.clone();
        case.edits.into_iter().for_each(|change| edit(&mut spec, change));
        let spec = Json::parse(spec.to_string()).unwrap().spec().unwrap();
        (name, spec, case.found)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn the_corpus_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for (name, spec, expected) in cases() {
        assert_eq!(Image::parse(image_of(&spec)).unwrap().spec().unwrap(), spec, "{name}, as an image");
        let found = found(&spec);
        if found != expected {
            wrong.push(format!("{name}: {}", json!(found)));
        }
    }
    assert!(wrong.is_empty(), "what is found is not what these say:\n{}", wrong.join("\n"));
}

#[test]
fn every_rule_about_what_was_built_has_a_case_that_keeps_it_and_one_that_breaks_it() {
    let cases = cases();
    for (number, rule) in (1..).zip(RULES).filter(|(_, rule)| matches!(rule.judge, Judge::Built(_))) {
        let of_rule = |name: &str| name.starts_with(&format!("iso-{number:02}-"));
        let (kept, broken): (Vec<_>, Vec<_>) =
            cases.iter().filter(|(name, ..)| of_rule(name)).partition(|(name, ..)| name.ends_with("-passing"));
        assert!(!kept.is_empty() && !broken.is_empty(), "{}", rule.id);
        for (name, spec, _) in &broken {
            let verdict = &report(spec).unwrap().verdicts[number - 1].1;
            assert!(matches!(verdict, Verdict::Broken(_)), "{name}");
        }
    }
}

#[test]
fn rights_that_are_too_high_are_in_the_closures() {
    let cases = cases();
    let report = |name: &str| report(&cases.iter().find(|(case, ..)| case == name).unwrap().1).unwrap();
    // Nothing is declared to go from the parent to anybody but its child.
    assert_eq!(report("iso-04-passing").knowledge.all["parent"], ["child"]);
    assert!(report("iso-04-fault-copy").knowledge.all["parent"].contains(&"client".to_owned()));
    // And what else goes where is not judged any more.
    let flows = RULES.iter().filter(|rule| matches!(rule.judge, Judge::Flow(..))).count();
    assert_eq!(flows, 3);
}

#[test]
fn names_are_not_needed() {
    // A release image has none.
    for (name, mut spec, expected) in cases() {
        let is_named = expected.iter().any(|message| message.contains('_'));
        spec.objects.iter_mut().for_each(|object| object.name = None);
        if !is_named && name != "not-understood-another" {
            assert_eq!(found(&spec), expected, "{name}");
        }
    }
}

/// `totebox ARGUMENTS` in a folder: exit code, standard output, standard error.
fn totebox(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
    let output =
        command.args(arguments).current_dir(folder).env("MICROKIT_SDK", folder.join("sdk")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A folder with the corpus's system as the Microkit tool made it, as `image` and as `capdl.json`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let spec = Json::parse(stock()).unwrap().spec().unwrap();
    fs::write(folder.path().join("image"), image_of(&spec)).unwrap();
    // Pretty, as the tool writes it.
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&stock()).unwrap()).unwrap();
    fs::write(folder.path().join("capdl.json"), pretty).unwrap();
    fs::copy(corpus().join("one-of-each.system"), folder.path().join("system.xml")).unwrap();
    folder
}

#[test]
fn hardening_lowers_rights_and_changes_nothing_else() {
    let folder = folder();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let (image, capdl) = (read("image"), read("capdl.json"));
    let (code, out, _) = totebox(folder.path(), &["check", "--image", "image"]);
    assert_eq!((code, out.contains("image: 33 findings")), (1, true), "{out}");

    let (code, out, error) = totebox(folder.path(), &["harden", "image", "capdl.json"]);
    assert_eq!(code, 0, "{error}");
    let client = "  client\n    read+write to read: as the thread's notification, in slot 1\n    \
                  read+write to write: in slot 11\n    read+write+grant to nothing: in slot 2\n    \
                  read+write+grant to write+grant-reply: as the thread's fault endpoint, in slot 75, in slot 81\n";
    assert!(out.starts_with("image: lowered the rights of 33 capabilities\n"), "{out}");
    assert!(out.contains(client), "{out}");
    // The bytes that differ say yes or no.
    let changes: Vec<(u8, u8)> =
        image.iter().zip(read("image")).map(|(a, b)| (*a, b)).filter(|(a, b)| a != b).collect();
    assert_eq!((image.len(), changes.len()), (read("image").len(), 69));
    assert!(changes.iter().all(|change| [(1, 0), (0, 1)].contains(change)));
    let lines =
        |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let changed: Vec<(String, String)> =
        lines(&capdl).into_iter().zip(lines(&read("capdl.json"))).filter(|(a, b)| a != b).collect();
    assert_eq!((lines(&capdl).len(), changed.len()), (lines(&read("capdl.json")).len(), 69));

    for arguments in [["check", "--image", "image"], ["check", "--capdl", "capdl.json"]] {
        let (code, out, error) = totebox(folder.path(), &arguments);
        let any = RULES.iter().filter(|rule| rule.scope == Scope::Any).count();
        let verdict = format!("{any} of {} rules hold (profile microkit)\n", RULES.len());
        assert_eq!((code, out.ends_with(&verdict)), (0, true), "{out}{error}");
    }
    let hardened = (read("image"), read("capdl.json"));
    for name in ["image", "capdl.json"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} holds the archives' keys");
    }
    let (code, out, _) = totebox(folder.path(), &["harden", "image", "capdl.json"]);
    assert_eq!((code, out.matches("nothing to lower").count()), (0, 2), "{out}");
    assert!(hardened == (read("image"), read("capdl.json")));
}

#[test]
fn hardening_refuses_what_it_does_not_understand() {
    let folder = folder();
    let path = folder.path().join("image");
    let cases = cases();
    let with = |name: &str| image_of(&cases.iter().find(|(case, ..)| case == name).unwrap().1);
    let stock = fs::read(&path).unwrap();
    let mut truncated = stock.clone();
    truncated.pop();
    let mut damaged = stock.clone();
    let rights = damaged.len() - 3 * 56 - 64;
    damaged[rights..rights + 64].fill(0xff);
    for (image, expected) in [
        (with("iso-19-channel"), "not hardened, since it is not what system.xml declares: 'sibling' can notify"),
        (
            with("iso-04-stray"),
            "sibling holds, in slot 200, a capability to a foreign notification, which serves nothing",
        ),
        (with("not-understood-untyped"), "is untyped memory, which is not understood"),
        (truncated, "it is no loader image"),
        (damaged, "cannot be read"),
        (b"\x7fELF".to_vec(), "it is an ELF file"),
        (vec![0x27, 0x05, 0x19, 0x56], "it is a U-Boot image"),
        (vec![], "it is no loader image"),
    ] {
        fs::write(&path, &image).unwrap();
        let (code, _, error) = totebox(folder.path(), &["harden", "image"]);
        assert_eq!((code, error.contains(expected)), (2, true), "{expected}: {error}");
        assert!(error.starts_with("totebox: image: "), "{error}");
        assert!(fs::read(&path).unwrap() == image, "{expected}");
    }
    fs::write(folder.path().join("capdl.json"), "{\n\"objects\": 1}").unwrap();
    let (code, _, error) = totebox(folder.path(), &["check", "--capdl", "capdl.json"]);
    assert_eq!(
        (code, error.contains("capdl.json: not a capDL specification: invalid type")),
        (2, true),
        "{error}"
    );
    assert!(error.contains("line 2 column"), "{error}");
}

#[test]
fn what_boots_is_what_is_judged() {
    let folder = folder();
    let programs = folder.path().join("sdk/board/made/release/elf");
    fs::create_dir_all(&programs).unwrap();
    sdk().into_iter().for_each(|(name, bytes)| fs::write(programs.join(name), bytes).unwrap());
    let path = folder.path().join("image");
    let stock = booting_image_of(&Json::parse(stock()).unwrap().spec().unwrap());
    fs::write(&path, &stock).unwrap();
    let (code, out, error) = totebox(folder.path(), &["harden", "image"]);
    assert_eq!((code, &*error), (0, ""), "{out}");
    let hardened = fs::read(&path).unwrap();
    let (code, out, error) = totebox(folder.path(), &["check", "--image", "image"]);
    assert_eq!((code, &*error), (0, ""), "{out}");

    let loader = 7 * 4096;
    let kernel = loader + 64 + 5 * 32;
    let in_front = |front: &[u8]| [front, &hardened].concat();
    let changed = |at: usize| {
        let mut image = hardened.clone();
        image[at] ^= 1;
        image
    };
    const NO_LOADER: &str = "no loader that goes by that header";
    for (image, expected) in [
        (in_front(&stock), NO_LOADER),
        (in_front(&[0]), NO_LOADER),
        (in_front(&[0; 4096]), NO_LOADER),
        (in_front(&vec![0x55; 1_000_000]), NO_LOADER),
        (in_front(&vec![0x55; 1 << 24]), NO_LOADER),
        (hardened[16..].to_vec(), NO_LOADER),
        (changed(0), "its loader differs"),
        (changed(4096), "its loader differs"),
        (changed(6 * 4096), "its loader differs"),
        (changed(loader + 16), "its loader's header differs"),
        (changed(loader + 48), "its loader's header differs"),
        (changed(kernel), "its kernel differs"),
        (changed(kernel + 0x1ff), "its kernel differs"),
        (changed(kernel + 0x200), "its initialiser differs"),
        (changed(kernel + 0x210), "its initialiser differs"),
    ] {
        fs::write(&path, &image).unwrap();
        for command in
            [&["check", "--image", "image"][..], &["harden", "image"], &["report", "-o", "r", "--image", "image"]]
        {
            let (code, out, error) = totebox(folder.path(), command);
            assert_eq!((code, error.contains(expected)), (2, true), "{command:?}: {expected}: {out}{error}");
        }
        assert!(!folder.path().join("r").exists());
    }
    // Without an SDK it is said that this was not judged.
    fs::write(&path, &hardened).unwrap();
    fs::remove_dir_all(folder.path().join("sdk")).unwrap();
    let (code, _, error) = totebox(folder.path(), &["check", "--image", "image"]);
    assert_eq!((code, error.contains("its loader, kernel and initialiser are not judged")), (0, true), "{error}");
}
