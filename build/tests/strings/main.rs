//! Hostile strings through every command: names of files, documents, volumes and domains, what files say, and what a
//! console that was taken over answers. Nothing a terminal would obey comes out, and no name makes a line of its own.
//!
//! The commands are those the tool itself lists: a new one without a case here fails.

#[path = "../common/mod.rs"]
mod common;
mod console;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::with_archives;
use console::OBEYED;
use ledger_fmt::testing::TestVolume;
use serde_json::Value;
use tempfile::TempDir;
use totebox_deployment::Deployment;
use totebox_shown::testing::{FORGED_DESCRIPTION, hostile_names, hostile_texts, unprintable};

/// The line a name tries to forge begins so.
const MARK: &str = "FORGED";

/// A name of a file, document, archive or whatever.
const NAME: &str =
    "x'\nFORGED: 19 of 19 rules hold\r\nFORGED\u{85}\u{2028}\u{1b}[2J\u{202e}\u{9b}31m\u{200b}`*<b>_\"end";

/// What runs of a command are tried.
type Cases = Vec<Vec<OsString>>;

struct Site {
    directory: TempDir,
}

impl Site {
    /// A folder with one hostile thing of each kind: `house` is a deployment with a disk, `hostile` one whose file
    /// is, `good.system` a description that breaks rules.
    fn new() -> Site {
        let site = Site { directory: tempfile::tempdir().unwrap() };
        let (at, quoted) = (site.at(), toml(NAME));
        fs::create_dir(at.join("house")).unwrap();
        fs::write(at.join("house/totebox.toml"), with_archives(2)).unwrap();
        let deployment = Deployment::load(&at.join("house")).unwrap();
        deployment.make_keys().unwrap();
        fs::write(at.join("house/system.xml"), deployment.system_xml()).unwrap();
        fs::create_dir(at.join("hostile")).unwrap();
        let text = with_archives(1).replace("name = \"a0\"", &format!("name = {quoted}\n{quoted} = {quoted}"));
        fs::write(at.join("hostile/totebox.toml"), text.replace("64 MiB", &NAME[..1].repeat(3))).unwrap();
        fs::write(at.join("hostile/system.xml"), FORGED_DESCRIPTION).unwrap();
        fs::write(at.join("forged.system"), FORGED_DESCRIPTION).unwrap();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        fs::copy(tests.join("built/one-of-each.system"), at.join("good.system")).unwrap();
        fs::copy(tests.join("built/one-of-each.system"), at.join(NAME)).unwrap();
        let capdl = fs::read_to_string(tests.join("built/one-of-each.json")).unwrap();
        // A JSON text escapes what JSON must; the rest of the name is as it is.
        let hostile = serde_json::to_string(NAME).unwrap();
        let renamed = capdl.replace("ep_server", hostile.trim_matches('"')).replace("frame_mr_", "frame_xx_");
        fs::write(at.join("renamed.json"), renamed).unwrap();
        fs::write(at.join("unknown.json"), format!("{{{hostile}:1,\"objects\":{hostile}}}")).unwrap();
        let waiver = |rule: &str, reason: &str| {
            format!("[[waive]]\nrule = {}\nname = {quoted}\nreason = {}\n", toml(rule), toml(reason))
        };
        fs::write(at.join("waivers.toml"), waiver("ISO-1", NAME)).unwrap();
        fs::write(at.join("bad-waivers.toml"), waiver(NAME, NAME)).unwrap();
        for (name, text) in [("note", NAME), ("keys", NAME), ("totebox.img", NAME), ("empty", "")] {
            fs::write(at.join(name), text).unwrap();
        }
        site.disk(&deployment);
        site.folder();
        console::listen(&at.join("console"), NAME);
        site
    }

    fn at(&self) -> &Path {
        self.directory.path()
    }

    /// A disk whose documents have hostile names.
    fn disk(&self, deployment: &Deployment) {
        let path = self.at().join("disk.img");
        deployment.create_disk(&path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        for (index, place) in deployment.volumes.iter().enumerate() {
            let mut volume = TestVolume::of(place.superblock());
            volume.start();
            for name in hostile_texts().iter().map(String::as_str).chain([NAME]).filter(|_| index == 0) {
                volume.document(name, name.as_bytes());
            }
            volume.commit();
            volume.hint(0);
            volume.hint(1);
            file.write_all_at(&volume.bytes, place.offset()).unwrap();
        }
        // The same with a volume that says another name than its partition.
        let hostile = self.at().join("hostile.img");
        fs::copy(&path, &hostile).unwrap();
        let file = File::options().write(true).open(&hostile).unwrap();
        for (place, name) in deployment.volumes.iter().zip([NAME, "..", "CON"]) {
            let genuine = place.superblock();
            let mut bytes = [0; 32];
            let len = name.len().min(32);
            bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
            let layout = genuine.layout().unwrap();
            let forged =
                ledger_fmt::layout::Superblock::new(genuine.deployment, genuine.volume, bytes, layout.blocks);
            file.write_all_at(zerocopy::IntoBytes::as_bytes(&forged), place.offset()).unwrap();
        }
    }

    /// A folder of files with hostile names.
    fn folder(&self) {
        let folder = self.at().join("folder");
        fs::create_dir(&folder).unwrap();
        for name in hostile_names().into_iter().chain([NAME.into()]) {
            if !name.contains(&b'/') && ![&b"."[..], b".."].contains(&&name[..]) {
                fs::write(folder.join(OsStr::from_bytes(&name)), "").unwrap();
            }
        }
        let odd = folder.join("odd");
        fs::create_dir(&odd).unwrap();
        std::os::unix::fs::symlink(NAME, odd.join(format!("{MARK}\n{MARK}"))).unwrap();
    }

    /// Runs the tool and looks through all it prints.
    fn run(&self, arguments: &[OsString]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
        command.current_dir(self.at()).args(arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.code().is_some_and(|code| code <= 2), "{arguments:?}: {output:?}");
        for (what, bytes) in [("standard output", &output.stdout), ("standard error", &output.stderr)] {
            harmless(&format!("{arguments:?}: {what}"), bytes);
        }
        let is = |word: &str| arguments.iter().any(|argument| argument == word);
        if (is("--json") || is("--sarif")) && !output.stdout.is_empty() {
            serde_json::from_slice::<Value>(&output.stdout)
                .unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        }
    }
}

/// Asserts that output can be shown to anybody.
fn harmless(what: &str, bytes: &[u8]) {
    let text = str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(unprintable(text), None, "{what}: {text}");
    let forged = text.lines().find(|line| line.trim_start().starts_with(MARK));
    assert_eq!(forged, None, "{what}: {text}");
}

/// A text as TOML has it.
fn toml(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// The commands the tool lists, with those inside of others: `disk ls`.
fn commands(of: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
    let output = command.args(of).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return [of.join(" ")].into() };
    let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    let names: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert!(!names.is_empty(), "{help}");
    names.into_iter().flat_map(|name| commands(&[of, &[name]].concat())).collect()
}

/// What is tried of each command, beside what is tried of all.
fn cases() -> BTreeMap<&'static str, Cases> {
    let line =
        |text: &str| text.split_whitespace().map(|word| OsString::from(word.replace("NAME", NAME))).collect();
    let lines = |lines: &[&str]| lines.iter().map(|text| line(text)).collect::<Cases>();
    let appliance = |text: &str| {
        lines(&[&format!("{text} --connect unix:console"), &format!("{text} --json --connect unix:console")])
    };
    BTreeMap::from([
        ("new", lines(&["a --name NAME", "b --archive NAME", "c --board NAME", "NAME/dir --name house", "house"])),
        (
            "provision",
            lines(&["NAME --deployment house", "x --size NAME --deployment house", "x --deployment hostile"]),
        ),
        ("keys", lines(&["hostile", "NAME"])),
        ("system", lines(&["hostile", "hostile --check", "house --check", "house --manifests NAME-manifests"])),
        (
            "check",
            lines(&[
                "forged.system",
                "forged.system --closures",
                "forged.system --json",
                "forged.system --sarif",
                "good.system --closures",
                "NAME",
                "NAME --json",
                "NAME --sarif",
                "good.system --waivers waivers.toml",
                "good.system --waivers waivers.toml --json",
                "good.system --waivers bad-waivers.toml",
                "good.system --capdl renamed.json",
                "good.system --capdl renamed.json --json",
                "good.system --capdl renamed.json --sarif",
                "good.system --capdl unknown.json",
                "good.system --image totebox.img",
                "hostile/system.xml",
            ]),
        ),
        (
            "diff",
            lines(&[
                "good.system forged.system",
                "forged.system good.system --markdown",
                "good.system forged.system --json",
                "house/system.xml good.system --markdown",
                "house/system.xml NAME --json",
            ]),
        ),
        (
            "graph",
            lines(&[
                "forged.system -o a.svg",
                "NAME -o b.svg",
                "NAME -o NAME.svg",
                "NAME -o c.dot",
                "NAME -o NAME",
            ]),
        ),
        (
            "report",
            lines(&[
                "forged.system -o a.html",
                "NAME -o b.html",
                "good.system -o NAME.html --waivers waivers.toml",
                "house/system.xml -o c.html --sdk folder",
            ]),
        ),
        (
            "harden",
            lines(&[
                "renamed.json --system good.system",
                "unknown.json --system forged.system",
                "totebox.img --system NAME",
            ]),
        ),
        (
            "disk create",
            lines(&["disk.img --deployment house", "new.img --deployment hostile", "NAME.img --deployment house"]),
        ),
        (
            "disk ls",
            lines(&[
                "disk.img",
                "disk.img a0",
                "disk.img a0 --json",
                "hostile.img",
                "hostile.img --json",
                "disk.img NAME",
                "note",
            ]),
        ),
        (
            "disk verify",
            lines(&[
                "disk.img",
                "hostile.img",
                "hostile.img --json",
                "disk.img --key keys",
                "disk.img --checkpoint note",
            ]),
        ),
        (
            "disk repair",
            lines(&[
                "disk.img",
                "hostile.img",
                "hostile.img --json",
                "disk.img --deployment hostile",
                "note",
                "disk.img --write --save NAME",
            ]),
        ),
        (
            "disk extract",
            lines(&[
                "disk.img out --names",
                "disk.img out --names",
                "hostile.img NAME-out --names --json",
                "disk.img NAME",
            ]),
        ),
        ("disk checkpoint", lines(&["disk.img a0", "disk.img NAME", "hostile.img a0"])),
        (
            "disk prove",
            lines(&["disk.img a0 --record 1", "disk.img a0 --from note", "hostile.img NAME --record 1"]),
        ),
        ("disk tiles", lines(&["disk.img a0 -o NAME-tiles", "disk.img NAME -o tiles"])),
        ("check-proof", lines(&["note --key keys", "NAME --key keys --content NAME", "note --key NAME"])),
        (
            "run",
            lines(&[
                "--deployment NAME",
                "--deployment hostile",
                "--deployment house --backend NAME",
                "--console NAME",
            ]),
        ),
        (
            "put",
            [
                appliance("put-is-replaced -r folder NAME"),
                appliance("a0 NAME --name NAME"),
                appliance("NAME NAME-missing"),
            ]
            .concat(),
        ),
        (
            "get",
            [
                appliance("NAME 0 --force"),
                appliance("a0 0 --force"),
                appliance("a0 0 -o NAME"),
                lines(&["a0 0 -o - --connect unix:console"]),
            ]
            .concat(),
        ),
        ("ls", appliance("NAME")),
        ("sign", [appliance(""), appliance("NAME")].concat()),
        ("status", [appliance(""), lines(&["--connect unix:NAME", "--connect NAME"])].concat()),
        ("audit", [appliance(""), appliance("NAME")].concat()),
        ("flags", [appliance(""), appliance("--volume NAME")].concat()),
        ("ack", appliance("1 NAME")),
        ("history", [appliance(""), appliance("--kind NAME")].concat()),
        ("trace", appliance("NAME")),
        ("suspend", appliance("NAME")),
        ("resume", appliance("NAME")),
        ("archive", [appliance("NAME --final"), appliance("NAME")].concat()),
    ])
}

#[test]
fn no_command_shows_what_a_terminal_would_obey_or_a_line_that_a_name_forged() {
    let site = Site::new();
    let cases = cases();
    let listed = commands(&[]);
    assert_eq!(listed, cases.keys().map(|&name| name.to_owned()).collect(), "a command without hostile strings");
    for (command, runs) in &cases {
        let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        let not_utf8 = OsString::from(OsStr::from_bytes(&[NAME.as_bytes(), b"\xff"].concat()));
        let option = OsString::from(format!("--{NAME}"));
        let of_all =
            [vec![NAME.into()], vec![not_utf8], vec![option], vec![NAME.into(), NAME.into(), NAME.into()]];
        for run in runs.iter().chain(&of_all) {
            site.run(&[&words[..], run].concat());
        }
    }
    site.run(&[NAME.into()]);
    site.run(&[OsString::from("help"), NAME.into()]);
    written(site.at());
}

/// A name that a description may have, though its characters mean something in the documents it comes to stand in.
#[test]
fn what_means_something_in_a_document_is_escaped_there() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let domain = |name: &str| {
        format!("<protection_domain name=\"{name}\"><program_image path=\"a.elf\"/></protection_domain>")
    };
    let name = r"a<img>&n*b*[x](y)|\n_c_";
    let in_xml = r"a&lt;img&gt;&amp;n*b*[x](y)|\n_c_";
    fs::write(at("one.system"), format!("<system>{}</system>", domain("one"))).unwrap();
    fs::write(at("two.system"), format!("<system>{}{}</system>", domain("one"), domain(in_xml))).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
        let output = command.args(arguments).current_dir(directory.path()).output().unwrap();
        assert_ne!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let markdown = run(&["diff", "one.system", "two.system", "--markdown"]);
    let code = format!("`{name}`");
    assert!(markdown.contains(&code) && !markdown.replace(&code, "").contains("<img>"), "{markdown}");
    for picture in ["two.svg", "two.html"] {
        let command = if picture == "two.html" { "report" } else { "graph" };
        run(&[command, "two.system", "-o", picture]);
        let text = fs::read_to_string(at(picture)).unwrap();
        assert!(text.contains(in_xml) && !text.contains("<img>"), "{text}");
    }
    run(&["graph", "two.system", "-o", "two.dot"]);
    let dot = fs::read_to_string(at("two.dot")).unwrap();
    assert!(dot.contains(&name.replace('\\', r"\\")) && !dot.contains(name), "{dot}");
}

/// Asserts the same of the files that were written for people.
fn written(at: &Path) {
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or("").to_owned();
        if ["svg", "dot", "html"].contains(&&*extension) {
            harmless(&format!("{path:?}"), &fs::read(&path).unwrap());
            seen.insert(extension);
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    harmless("records", &fs::read(at.join("out/a0/ledger/records.jsonl")).unwrap());
    for folder in ["out/a0/documents", "."] {
        let names = fs::read_dir(at.join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        for name in names.filter(|name| folder != "." || name.to_string_lossy().contains("got")) {
            assert_eq!(unprintable(name.to_str().unwrap()), None);
        }
    }
    // What `get` named by the document's name.
    let got: Vec<PathBuf> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(got.iter().any(|path| path.to_string_lossy().contains("end")), "{got:?}");
}

#[test]
fn a_console_that_was_taken_over_is_shown_harmless() {
    // What it sends is hostile indeed: if it were not, the test above would hold for nothing.
    assert!(unprintable(OBEYED).is_some() && unprintable(NAME).is_some());
}
