//! `system.xml`: any system description, and every judgement and picture of one that can be read.

use std::path::Path;

use totebox_check::authority::Authority;
use totebox_check::diff::diff;
use totebox_check::picture::{dot, svg};
use totebox_check::{Waivers, check};
use totebox_sdf::System;
use totebox_shown::testing::{FORGED_DESCRIPTION, unprintable};

use crate::{Target, assert_place, repository};

/// The target. Who can reach whom is kept for every pair of domains.
pub const TARGET: Target =
    Target { name: "description", run, memory: 16 << 20, memory_per_byte: 4096, mutations: 1000, seeds };

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let file = Path::new("system.xml");
    let system = match System::parse(file, text) {
        Ok(system) => system,
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused for nothing");
            assert_eq!(unprintable(&errors.to_string()), None);
            assert_eq!(errors.to_string().lines().count(), errors.0.len(), "a name makes a line: {errors}");
            for error in &errors.0 {
                assert_place(text, error.place.line as usize, error.place.column as usize, &error.message);
            }
            return;
        }
    };
    let report = check(file, &system, None, &mut Waivers::default());
    for finding in &report.findings {
        assert_place(text, finding.line as usize, finding.column as usize, &finding.message);
    }
    for finding in &report.findings {
        assert_eq!(unprintable(&format!("{}{}", finding.message, finding.help)), None);
        assert!(!finding.message.contains('\n'), "a name makes a line: {}", finding.message);
    }
    for picture in [svg(&system, None, &report), dot(&system, None, &report)] {
        assert_eq!(unprintable(&picture), None);
    }
    for subject in &Authority::of(&system).subjects {
        assert!(!subject.name.contains(['\n', '\'']), "a name ends its quotes: {}", subject.name);
    }
    assert_eq!(diff(&system, &system), []);
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![repository::file("system.xml"), repository::file("build/tests/built/one-of-each.system")];
    seeds.push(FORGED_DESCRIPTION.into());
    let cases = |file: Vec<u8>| String::from_utf8(file).expect("cases are text");
    for file in repository::files("build/tests/check/microkit", ".cases").into_iter().map(cases) {
        // Before each description stands a line `=== NAME`.
        let descriptions = file.split("=== ").filter_map(|case| case.split_once('\n'));
        seeds.extend(descriptions.map(|(_, description)| description.as_bytes().to_vec()));
    }
    seeds.extend(repository::files("build/tests/check/microkit", ".system"));
    seeds.extend(repository::files("build/tests/check/totebox", ".system"));
    seeds
}
