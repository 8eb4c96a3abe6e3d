//! The rules against the corpus in `check/`: of every rule at least one description that keeps it and one
//! that breaks it. What is found in a description stands in comments at its end, and must be all there is. A rule's
//! descriptions are files of their own, `iso-01-two-writers.system`, or one behind the other in a file `iso-17.cases`,
//! each after a line `=== NAME`; what keeps the rule is called `passing`.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{deployment, with_archives};
use serde_json::Value;
use totebox_check::{Judge, Level, Policy, RULES, Report, Verdict, Waivers, check, sarif};
use totebox_deployment::Deployment;
use totebox_sdf::System;
use totebox_shown::testing::FORGED_DESCRIPTION;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn report(file: &Path, xml: &str, policy: Option<&Policy>) -> Report {
    let system = System::parse(file, xml).unwrap_or_else(|errors| panic!("{errors}"));
    check(file, &system, policy, &mut Waivers::default())
}

/// Every description of the corpus, in order: its name, its text, and what the rules say about it.
fn reports(profile: &str) -> Vec<(String, String, Report)> {
    let directory = corpus().join(profile);
    let policy = (profile == "totebox").then(|| totebox_profile::policy(&Deployment::load(&directory).unwrap()));
    let mut files: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let judged = |(name, xml): (String, String)| {
        let report = report(Path::new(&name), &xml, policy.as_ref());
        (name, xml, report)
    };
    files.iter().flat_map(|path| descriptions(path)).map(judged).collect()
}

/// The descriptions in a file of the corpus. Their lines are the file's.
fn descriptions(path: &Path) -> Vec<(String, String)> {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("system") => vec![(name, fs::read_to_string(path).unwrap())],
        Some("cases") => {
            let mut cases: Vec<(String, String)> = Vec::new();
            for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
                if let Some(case) = line.strip_prefix("=== ") {
                    cases.push((format!("{name}-{case}"), "\n".repeat(number)));
                }
                let (_, case) = cases.last_mut().expect("the first line names a case");
                if !line.starts_with("=== ") {
                    *case += line;
                }
                *case += "\n";
            }
            cases
        }
        _ => Vec::new(),
    }
}

/// What breaks a rule, as the corpus has it.
fn found(report: &Report) -> Vec<String> {
    let breaks = report.findings.iter().filter(|finding| finding.level == Level::Error);
    breaks.map(|f| format!("{} {}:{}: {}", f.rule, f.line, f.column, f.message)).collect()
}

#[test]
fn the_corpus_is_judged_as_it_says() {
    for (name, xml, report) in ["microkit", "totebox"].into_iter().flat_map(reports) {
        let (_, expected) = xml.split_once("</system>").unwrap();
        let expected: Vec<&str> =
            expected.lines().filter_map(|line| line.strip_prefix("<!-- ")?.strip_suffix(" -->")).collect();
        assert_eq!(found(&report), expected, "{name}");
        for finding in &report.findings {
            assert!(!finding.help.is_empty(), "{name}: {finding:?}");
            assert!(finding.line > 0 && finding.column > 0, "{name}: {finding:?}");
        }
    }
}

#[test]
fn every_rule_has_a_case_that_keeps_it_and_one_that_breaks_it() {
    let reports: Vec<_> = ["microkit", "totebox"].into_iter().flat_map(reports).collect();
    for (number, rule) in (1..).zip(RULES) {
        assert_eq!(rule.id, format!("ISO-{number}"));
        if matches!(rule.judge, Judge::Built(_)) {
            continue;
        }
        let of_rule = |name: &str| name.starts_with(&format!("iso-{number:02}-"));
        let verdicts = |kept: bool| {
            let cases = reports.iter().filter(|(name, ..)| of_rule(name) && name.ends_with("-passing") == kept);
            cases.map(|(.., report)| &report.verdicts[number - 1].1).collect::<Vec<_>>()
        };
        let (kept, broken) = (verdicts(true), verdicts(false));
        assert!(!kept.is_empty() && kept.iter().all(|verdict| **verdict == Verdict::Holds), "{}", rule.id);
        assert!(!broken.is_empty(), "{}", rule.id);
        assert!(broken.iter().all(|verdict| matches!(verdict, Verdict::Broken(_))), "{}", rule.id);
    }
}

#[test]
fn what_totebox_generates_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let reference = Deployment::load(root).unwrap();
    for deployment in [reference, deployment(&with_archives(40)), deployment(&with_archives(58))] {
        let report =
            report(Path::new("system.xml"), &deployment.system_xml(), Some(&totebox_profile::policy(&deployment)));
        assert_eq!(found(&report), [""; 0], "{} archives", deployment.archives.len());
        // What must be trusted is said all the same.
        let notes: Vec<&str> = report.findings.iter().map(|finding| finding.rule).collect();
        assert_eq!(notes, ["ISO-12"]);
        // Nobody acts on the clock, and an archive reaches its siblings through mediators alone.
        for (name, reached) in &report.influence.all {
            assert!(!reached.contains(&"clock".to_owned()), "{name}");
        }
        for (name, reached) in report.influence.unmediated.iter().chain(&report.knowledge.unmediated) {
            let archives = reached.iter().filter(|other| other.starts_with("archive-")).count();
            assert!(archives == 0 || !name.starts_with("archive-"), "{name}: {reached:?}");
        }
    }
}

#[test]
fn waivers_accept_what_they_name_and_nothing_else() {
    let file = corpus().join("microkit/iso-09-smc-ioport.system");
    let system = System::parse(&file, &fs::read_to_string(&file).unwrap()).unwrap();
    let text = "[[waive]]\nrule = \"ISO-9\"\nname = \"serial\"\nreason = \"a PC's serial line\"\n\n\
                [[waive]]\nrule = \"ISO-1\"\nname = \"serial\"\nreason = \"gone\"\n";
    let mut waivers = Waivers::parse(Path::new("waivers.toml"), text, true).unwrap();
    let report = check(&file, &system, None, &mut waivers);
    assert_eq!(report.broken(), 1);
    assert_eq!(report.findings[1].waived.as_deref(), Some("a PC's serial line"));
    assert_eq!(waivers.unused().collect::<Vec<_>>(), [("ISO-1", "serial")]);

    let errors = |text: &str, has_policy| match Waivers::parse(Path::new("w.toml"), text, has_policy) {
        Ok(_) => panic!("no error in {text}"),
        Err(problems) => problems.to_string(),
    };
    let waiver =
        |rule: &str, reason: &str| format!("[[waive]]\nrule = \"{rule}\"\nname = \"x\"\nreason = \"{reason}\"\n");
    let error = errors(&waiver("ISO-99", "y"), false);
    assert!(error.starts_with("w.toml:2:8: there is no rule ISO-99"), "{error}");
    let error = errors(&waiver("ISO-9", " "), false);
    assert!(error.starts_with("w.toml:4:10: the waiver of ISO-9 has no reason"), "{error}");
    let error = errors(&waiver("ISO-2", "y"), true);
    assert!(error.starts_with("w.toml:2:8: ISO-2 cannot be waived in a Totebox deployment"), "{error}");
    assert!(errors("[[waive]]\nrule = \"ISO-9\"\n", false).contains("missing field `name`"));
}

#[test]
fn sarif_names_rules_places_and_waivers() {
    let file = corpus().join("microkit/iso-09-smc-ioport.system");
    let system = System::parse(&file, &fs::read_to_string(&file).unwrap()).unwrap();
    let text = "[[waive]]\nrule = \"ISO-9\"\nname = \"serial\"\nreason = \"needed\"\n";
    let mut waivers = Waivers::parse(Path::new("waivers.toml"), text, false).unwrap();
    let log = sarif::sarif(&check(Path::new("a b.system"), &system, None, &mut waivers));
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), RULES.len());
    let [first, second] = &run["results"].as_array().unwrap()[..] else { panic!("{log}") };
    assert_eq!(
        (&first["ruleId"], &first["level"], &first["ruleIndex"]),
        (&"ISO-9".into(), &"error".into(), &8.into())
    );
    let location = &first["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "a%20b.system");
    assert_eq!(location["region"], serde_json::json!({ "startLine": 3, "startColumn": 5 }));
    assert_eq!(first["suppressions"], Value::Null);
    assert_eq!(second["suppressions"][0]["justification"], "needed");
}

#[test]
fn the_command_prints_and_exits_as_it_says() {
    let run = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_totebox")).arg("check").args(args).current_dir(corpus()).output();
        let output = output.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, out, _) = run(&["microkit/iso-01-two-writers.system"]);
    assert_eq!(code, 1);
    let first =
        "microkit/iso-01-two-writers.system:10:9: ISO-1: the region 'ring' has 2 writers: 'a' and 'b'\n    make";
    assert!(out.starts_with(first), "{out}");
    assert!(out.ends_with("1 finding (profile microkit)\n"), "{out}");
    let (code, out, _) = run(&["totebox/iso-02-passing.system"]);
    assert_eq!(code, 0);
    let (count, built) = (RULES.len(), RULES.iter().filter(|rule| matches!(rule.judge, Judge::Built(_))).count());
    assert!(out.ends_with(&format!("{} of {count} rules hold (profile totebox)\n", count - built)), "{out}");
    assert!(out.contains("ISO-4: not judged: needs what was built"), "{out}");
    // The same file without its policy, and with one from elsewhere.
    let (code, out, _) = run(&["totebox/iso-02-one-region.system", "--profile", "microkit"]);
    assert_eq!((code, out.contains("ISO-2: not judged: needs a policy")), (0, true), "{out}");
    assert_eq!(run(&["microkit/iso-09-passing.system", "--deployment", "totebox"]).0, 1);

    let (code, out, _) = run(&["totebox/iso-06-stranger.system", "--json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, json["findings"].as_array().unwrap().len()), (1, 7));
    assert!(json["influence"]["unmediated"]["helper"].as_array().unwrap().contains(&"archive-b".into()));
    let (code, out, _) = run(&["totebox/iso-06-stranger.system", "--sarif"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()["version"].as_str()), (1, Some("2.1.0")));
    let (code, out, _) = run(&["totebox/iso-06-stranger.system", "--closures"]);
    assert_eq!(code, 1);
    assert!(out.contains("helper can influence: "), "{out}");

    let (code, _, error) = run(&["nowhere.xml"]);
    assert_eq!((code, error.contains("cannot read nowhere.xml")), (2, true), "{error}");
    let (code, _, error) = run(&["totebox/totebox.toml"]);
    assert_eq!((code, error.starts_with("totebox: totebox/totebox.toml:1:1: ")), (2, true), "{error}");
    assert!(run(&["--help"]).1.contains("Example: totebox check"));
}

#[test]
fn the_published_rules_are_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/isolation-rules.md");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let published = words(&fs::read_to_string(path).unwrap());
    assert_eq!(published.matches("## ISO-").count(), RULES.len());
    for rule in RULES {
        let expected = words(&format!("## {}: {} {}", rule.id, rule.title, rule.sentence));
        assert!(published.contains(&expected), "docs/isolation-rules.md does not say: {expected}");
    }
}

#[test]
fn no_name_forges_a_line_of_the_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("forged-name.system"), FORGED_DESCRIPTION).unwrap();
    fs::copy(corpus().join("microkit/iso-01-passing.system"), at("good.system")).unwrap();
    let commands: [&[&str]; 6] = [
        &["check", "forged-name.system"],
        &["check", "forged-name.system", "--json"],
        &["check", "forged-name.system", "--sarif"],
        &["diff", "good.system", "forged-name.system"],
        &["diff", "good.system", "forged-name.system", "--markdown"],
        &["graph", "forged-name.system", "-o", "forged.svg"],
    ];
    for arguments in commands {
        let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
        let output = command.args(arguments).current_dir(directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said,
            "totebox: forged-name.system:4:24: attribute 'name' of <protection_domain> is 'a\\x0aforged-name.system: 19 \
             of 19 rules hold (profile totebox)\\x0a\\xe2\\x80\\xae'; expected printable characters other than ' \" and `\n"
        );
    }
}
