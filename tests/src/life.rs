//! A domain beside the archives is lost: stopped or killed from outside on the hosted backend, spinning or faulting by
//! itself on seL4 ([`totebox_hostile::Failing`]). It is shown within its limit, and what does not need it goes on.

use std::fs;

use ledger_fmt::record::Kind;
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use totebox_hostile::Failure;
use totebox_manifest::{Device, Manifest, NO_CHANNEL, Region, encode};

use crate::appliance::{Appliance, Hosted, Site};
use crate::orchestrated::call_until;
use crate::orchestration::audit_record;

/// A deployment that is quick to start.
pub const DEPLOYMENT: &str = r#"
[deployment]
name = "mortal"
id = "0f9a3be25a6c4f8d170674f1e0b0b95d"
board = "qemu_virt_aarch64"
[disk]
size = "16 MiB"
[audit]
volume = "4 MiB"
period = "15 min"
[[archive]]
name = "contracts"
size = "8 MiB"
on_mismatch = "flag"
"#;

/// The domains that are lost in turn.
pub const DOMAINS: [&str; 3] = ["vault", "clock", "orchestrator"];

/// Milliseconds in which a domain that fails by itself does its work first: a start on a busy machine, and a document.
const WORKS_MS: u64 = 30_000;

/// A document's file.
fn document(site: &Site) -> String {
    let path = site.folder.path().join("document");
    fs::write(&path, "a document").expect("the folder can be written");
    path.to_str().expect("made of UTF-8").to_owned()
}

fn degraded(status: &Value) -> Vec<&str> {
    status["degraded"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The loss of this domain is shown, a document is put or refused by name, and the tool says so by its exit code.
fn is_shown(appliance: &dyn Appliance, domain: &str) {
    let status = call_until(appliance, &["status", "--json"], 1, |status| degraded(status) == [domain]);
    assert_eq!(status["durable"], domain != "vault", "{status}");
    let age_ms = status["age_ms"].as_u64().expect("a number");
    assert_eq!(age_ms > 10_000, domain == "orchestrator", "{status}");
    let text = appliance.tool().call(&["status"]).expect(1).stdout;
    assert!(text.contains(&format!("the {domain} ")), "{text}");
    let put = appliance.tool().call(&["put", "contracts", &document(appliance.site())]);
    match domain {
        "vault" => assert!(put.code != 0 && put.stderr.contains("has not answered in its time"), "{put:?}"),
        _ => drop(put.expect(0)),
    }
    if domain == "orchestrator" {
        let refused = appliance.tool().call(&["suspend", "contracts"]).expect(2);
        assert!(refused.stderr.contains("the orchestrator has not answered for "), "{refused:?}");
        appliance.tool().call(&["flags"]).expect(1);
    }
}

fn starts(appliance: &mut dyn Appliance) {
    appliance.start();
    appliance.wait_until_active();
    appliance.tool().call(&["put", "contracts", &document(appliance.site())]).expect(0);
}

/// The domain's process is killed.
pub fn killed(appliance: &mut Hosted, domain: &str) {
    starts(appliance);
    kill_process(appliance.process(domain), Signal::KILL).expect("it runs");
    is_shown(appliance, domain);
    appliance.power_cut();
    starts(appliance);
    // The flag of a dead clock was recorded before it was shown. A vault that is dead records nothing.
    let code = i32::from(domain == "clock");
    let status = call_until(appliance, &["status", "--json"], code, |status| degraded(status).is_empty());
    assert_eq!(status["durable"], true, "{status}");
}

/// The domain's process is stopped, and goes on later: then that is shown, and what it was is recorded.
pub fn stopped(appliance: &mut Hosted, domain: &str) {
    starts(appliance);
    let process = appliance.process(domain);
    kill_process(process, Signal::STOP).expect("it runs");
    is_shown(appliance, domain);
    kill_process(process, Signal::CONT).expect("it runs");
    let is_well = |status: &Value| degraded(status).is_empty() && status["durable"] == true;
    // That it was lost is a flag. Nobody could flag the orchestrator's loss but itself.
    let code = i32::from(domain != "orchestrator");
    let status = call_until(appliance, &["status", "--json"], code, is_well);
    assert!(status["age_ms"].as_u64().is_some_and(|age_ms| age_ms < 10_000), "{status}");
    appliance.tool().call(&["put", "contracts", &document(appliance.site())]).expect(0);
    appliance.power_cut();
    let recorded = losses(appliance.site());
    match domain {
        "orchestrator" => assert!(recorded.is_empty(), "{recorded:?}"),
        _ => assert_eq!(recorded, [domain]),
    }
}

/// A console that is stopped shows nothing, but leaves its trace.
pub fn a_stopped_console_leaves_a_trace(appliance: &mut Hosted) {
    starts(appliance);
    let process = appliance.process("console");
    kill_process(process, Signal::STOP).expect("it runs");
    let started = std::time::Instant::now();
    while losses(appliance.site()).is_empty() {
        assert!(started.elapsed() < crate::appliance::PATIENCE, "nothing is recorded");
    }
    kill_process(process, Signal::CONT).expect("it runs");
    call_until(appliance, &["status", "--json"], 1, |status| degraded(status).is_empty());
    assert_eq!(losses(appliance.site()), ["console"]);
}

/// The flags about lost domains in the audit record on the disk: which.
fn losses(site: &Site) -> Vec<String> {
    let disk = fs::read(&site.disk).expect("there is a disk");
    let records = audit_record(&site.deployment, &disk);
    let flags = records.into_iter().filter(|(kind, flag)| *kind == Kind::Flag && flag["kind"] == "degraded");
    flags.filter_map(|(_, flag)| flag["what"].as_str().map(str::to_owned)).collect()
}

/// The domain fails by itself, in an image in which it was replaced. `changed` is told when the system description is
/// another.
pub fn fails<A: Appliance>(appliance: &mut A, domain: &str, failure: Failure, changed: impl Fn(&mut A)) {
    let site = appliance.site();
    let path = site.manifest(domain);
    let bytes = fs::read(&path).expect("the manifest is there");
    fs::write(&path, with_failure(&bytes, failure)).expect("the folder can be written");
    let system = fs::read_to_string(&site.system).expect("the description is there");
    let system = system.replace(&format!("\"{domain}.elf\""), &format!("\"failing-{domain}.elf\""));
    fs::write(&site.system, system).expect("the folder can be written");
    changed(appliance);
    starts(appliance);
    is_shown(appliance, domain);
}

/// The manifest with one more entry in its device table.
fn with_failure(bytes: &[u8], failure: Failure) -> Vec<u8> {
    let manifest = Manifest::parse(bytes).expect("a manifest of the model");
    let region = Region { vaddr: WORKS_MS.into(), size: 0.into() };
    let mut devices = manifest.devices().to_vec();
    devices.push(Device { kind: failure as u8, irq_channel: NO_CHANNEL, reserved: [0; 6], region });
    let mut changed = Vec::new();
    encode(manifest.header(), manifest.links(), manifest.volumes(), &devices, |part| {
        changed.extend_from_slice(part);
    });
    changed.resize(bytes.len(), 0);
    changed
}
