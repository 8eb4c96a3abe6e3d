//! `totebox.toml`, and everything the build makes of one it accepts.

use std::path::Path;

use totebox_check::{Waivers, check};
use totebox_deployment::Deployment;
use totebox_manifest::Manifest;
use totebox_sdf::System;

use crate::{Target, assert_place, repository};

/// The target. A deployment may have as many archives as the board bears, and each is compared with each.
pub const TARGET: Target =
    Target { name: "deployment", run, memory: 16 << 20, memory_per_byte: 2048, mutations: 1000, seeds };

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let deployment = match Deployment::parse(Path::new("totebox.toml"), text) {
        Ok(deployment) => deployment,
        Err(problems) => {
            assert!(!problems.0.is_empty(), "refused for nothing");
            for problem in &problems.0 {
                assert_place(text, problem.line, problem.column, &problem.message);
            }
            return;
        }
    };
    let xml = deployment.system_xml();
    let system = System::parse(Path::new("system.xml"), &xml).unwrap_or_else(|errors| panic!("{errors}"));
    let policy = totebox_profile::policy(&deployment);
    let report = check(Path::new("system.xml"), &system, Some(&policy), &mut Waivers::default());
    assert_eq!(report.broken(), 0, "{:#?}", report.findings);
    for (name, bytes) in deployment.manifests() {
        assert!(Manifest::parse(&bytes).is_ok(), "{name} cannot read its manifest");
    }
    assert!(deployment.free() <= deployment.disk_size);
}

fn seeds() -> Vec<Vec<u8>> {
    vec![repository::file("totebox.toml"), repository::file("build/tests/check/totebox/totebox.toml")]
}
