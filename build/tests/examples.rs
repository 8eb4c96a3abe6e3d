//! Microkit's own examples, which nobody here wrote: each is read without an error, and what is found in it is
//! what a person finds who goes through it. Six come with the SDK, the others are in Microkit's source, which
//! MICROKIT_SDK may point to as well. Those that are not there are reported as ignored, with the reason; they
//! never count as passed.

#![allow(clippy::disallowed_methods, reason = "the paths are the test's own")]
#![allow(clippy::disallowed_macros, reason = "a test program's own output")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use totebox_check::{Waivers, check};
use totebox_sdf::System;

/// An example, and all that breaks a rule in it.
type Example = (&'static str, &'static [&'static str]);

const EXAMPLES: [Example; 14] = [
    ("arm_smc", &["8:5: ISO-9: 'arm_smc' may make secure monitor calls, which the kernel does not check"]),
    ("bootinfo", &[]),
    (
        "cap_sharing",
        // Both have the default budget, which is all of the core.
        &[
            "8:5: ISO-15: on core 0 the budgets of priority 1 and above add up to 200 %: 'primary' can be starved, and \
             everybody below it",
            "13:13: ISO-9: 'primary' is given the CPU time of 'secondary', and can take it away",
            "14:13: ISO-9: 'primary' is given the thread of 'secondary', and can stop it and set its registers",
            "17:13: ISO-9: 'primary' is given its own CPU time",
            "18:13: ISO-9: 'primary' is given its own thread",
        ],
    ),
    (
        "domains",
        &["18:9: ISO-17: the scheduling domain 'collector' has no id: the tool chooses one, not always the same"],
    ),
    (
        "ethernet",
        // Both drivers program a device that reads memory by itself, and share the clock controller's
        // registers; the packets' buffers are written from both sides.
        &[
            "67:9: ISO-12: 'eth_outer' is told the physical address of 'ring_buffer_outer' and 'packet_buffer_outer': \
             its device can reach all memory, and it must be trusted",
            "76:9: ISO-11: the device memory 'eth_clk' is mapped by 'eth_outer' and 'eth_inner'",
            "83:9: ISO-12: 'eth_inner' is told the physical address of 'ring_buffer_inner' and 'packet_buffer_inner': \
             its device can reach all memory, and it must be trusted",
            "87:5: ISO-15: on core 0 the budgets of priority 100 and above add up to 200 %: 'pass' can be starved, and \
             everybody below it",
            "90:9: ISO-1: the region 'eth_outer_output' has 2 writers: 'eth_outer' and 'pass'",
            "91:9: ISO-1: the region 'eth_outer_input' has 2 writers: 'eth_outer' and 'pass'",
            "92:9: ISO-1: the region 'eth_inner_output' has 2 writers: 'eth_inner' and 'pass'",
            "93:9: ISO-1: the region 'eth_inner_input' has 2 writers: 'eth_inner' and 'pass'",
            "107:5: ISO-3: 'eth_outer' and 'pass' are joined twice, first in line 102",
            "117:5: ISO-3: 'eth_inner' and 'pass' are joined twice, first in line 112",
        ],
    ),
    ("hello", &[]),
    (
        "hierarchy",
        &[
            "10:9: ISO-15: on core 0 the budgets of priority 253 and above add up to 200 %: 'crasher' can be starved, \
           and everybody below it",
        ],
    ),
    ("mr_prefill", &[]),
    ("passive_server", &[]),
    ("rust", &[]),
    (
        "setvar",
        // It only prints the addresses, which a description cannot tell.
        &[
            "21:9: ISO-11: 'setvar' maps the device memory 'mr_with_paddr' through the cache",
            "22:9: ISO-12: 'setvar' is told the physical address of 'mr_with_paddr', 'small_mr_no_paddr', \
             'large_mr_no_paddr' and 'pl011': its device can reach all memory, and it must be trusted",
        ],
    ),
    ("timer", &[]),
    (
        // The IOMMU confines its device: no ISO-12.
        "x86_64_iommu_dma_test",
        &["18:9: ISO-9: 'x86_64_iommu_dma_test' may use the I/O ports 0xcf8 to 0xcff"],
    ),
    ("x86_64_ioport", &["10:9: ISO-9: 'x86_64_ioport' may use the I/O ports 0x3f8 to 0x3ff"]),
];

/// Where the examples are, if there is an SDK.
fn directory() -> PathBuf {
    let default = || Some(PathBuf::from(std::env::var_os("HOME")?).join("microkit-sdk-2.3.0"));
    std::env::var_os("MICROKIT_SDK").map(PathBuf::from).or_else(default).unwrap_or_default().join("example")
}

/// The file of an example.
fn file(examples: &Path, name: &str) -> PathBuf {
    examples.join(name).join(name).with_extension("system")
}

fn read(file: &Path) -> System {
    System::parse(file, &fs::read_to_string(file).unwrap()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn is_judged((name, expected): Example, examples: &Path) {
    let file = file(examples, name);
    let report = check(&file, &read(&file), None, &mut Waivers::default());
    let findings = report.findings.iter().filter(|finding| finding.counts());
    let found: Vec<String> =
        findings.map(|f| format!("{}:{}: {}: {}", f.line, f.column, f.rule, f.message)).collect();
    assert_eq!(found, expected, "{name}");
}

/// Every description there is one of those above, and is read whole.
fn all_are_known(examples: &Path) {
    let directories = examples.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let files = directories.flat_map(|path| path.read_dir().unwrap()).map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "system")) {
        let known = EXAMPLES.iter().any(|(name, _)| path == file(examples, name));
        assert!(known, "{} is not in the list above", path.display());
    }
    let find = |name: &str| read(&file(examples, name));
    assert_eq!(find("hierarchy").all_protection_domains().len(), 3);
    assert_eq!(find("ethernet").channels.len(), 5);
    assert_eq!(find("domains").domains.unwrap().schedule.len(), 4);
    assert!(find("passive_server").protection_domain("server").unwrap().passive);
    assert_eq!(find("timer").region("timer").unwrap().phys_addr, Some(0xffd0f000));
}

fn main() -> ExitCode {
    let examples = directory();
    let mut missing = 0;
    let mut trial = |name: String, is_there: bool, test: Box<dyn Fn(&Path) + Send>| {
        missing += usize::from(!is_there);
        let examples = examples.clone();
        let run = move || {
            test(&examples);
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!is_there)
    };
    let mut trials = vec![trial("all_are_known".into(), examples.is_dir(), Box::new(all_are_known))];
    trials.extend(EXAMPLES.into_iter().map(|example| {
        let is_there = file(&examples, example.0).is_file();
        trial(format!("{}_is_judged", example.0), is_there, Box::new(move |examples| is_judged(example, examples)))
    }));
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    if missing > 0 {
        println!("SKIPPED: {missing} tests on Microkit's examples: they are not in {}\n", examples.display());
    }
    conclusion.exit_code()
}
