//! A domain beside the archives is lost: stopped or killed from outside on the hosted backend, spinning or faulting by
//! itself on seL4 ([`totebox_hostile::Failing`]). It is shown within its limit, and what does not need it goes on.

use std::fs;
use std::time::Instant;

use ledger_fmt::record::Kind;
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use totebox_hostile::Failure;
use totebox_manifest::{Device, Manifest, NO_CHANNEL, Region, encode};

use crate::appliance::{Appliance, Hosted, Site, TIMEOUT};
use crate::orchestrated::{audited, call_until};
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
pub const DOMAINS: [&str; 5] = ["vault", "clock", "orchestrator", "auditor", "console"];

/// What becomes of a loss, as a test's name has it: a console cannot show its own.
pub fn outcome(domain: &str) -> &'static str {
    if domain == "console" { "leaves_a_trace" } else { "is_shown" }
}

/// Milliseconds in which a domain that fails by itself does its work first: a start on a busy machine, and a document.
const WORKS_MS: u64 = 30_000;

/// What every document says.
const CONTENT: &str = "a document";

/// A document's file.
fn document(site: &Site) -> String {
    let path = site.folder.path().join("document");
    fs::write(&path, CONTENT).expect("the folder can be written");
    path.to_str().expect("made of UTF-8").to_owned()
}

fn degraded(status: &Value) -> Vec<&str> {
    status["degraded"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The loss of this domain is known as far as it can be, and what does not need it goes on.
fn is_known(appliance: &dyn Appliance, domain: &str) {
    match domain {
        "console" => leaves_a_trace(appliance),
        _ => is_shown(appliance, domain),
    }
}

/// The loss of this domain is shown, a document is put or refused by name, and the tool says so by its exit code.
fn is_shown(appliance: &dyn Appliance, domain: &str) {
    let status = call_until(appliance, &["status", "--json"], 1, |status| degraded(status) == [domain]);
    // Of what a lost vault has made durable nothing is known.
    assert_eq!(status.get("durable"), (domain != "vault").then_some(&Value::Bool(true)), "{status}");
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
    if domain != "orchestrator" {
        // What cannot be recorded for now is a flag all the same.
        let flags = appliance.tool().call(&["flags"]).expect(1).stdout;
        assert!(flags.contains(&format!("degraded: the {domain}")), "{flags}");
    }
    if domain == "auditor" {
        let refused = appliance.tool().call(&["audit"]).expect(2);
        assert!(refused.stderr.contains("the auditor cannot be asked"), "{refused:?}");
    }
}

/// Without a console nothing is shown: the tool says so in its time, and the others record it.
fn leaves_a_trace(appliance: &dyn Appliance) {
    let started = Instant::now();
    let lost = loop {
        let answer = appliance.tool().call(&["status", "--timeout", "5"]);
        if answer.code == 2 {
            break answer;
        }
        assert!(started.elapsed() < TIMEOUT, "the console is there: {answer:?}");
    };
    // With a process its socket goes, too.
    let says = |what, way_out| lost.stderr.contains(what) && lost.stderr.contains(way_out);
    let told = says("the console does not answer", "restart") || says("cannot connect to", "`totebox run`");
    assert!(told, "{lost:?}");
    while losses(appliance.site()).is_empty() {
        assert!(started.elapsed() < TIMEOUT, "nothing is recorded");
    }
    assert_eq!(losses(appliance.site()), ["console"]);
}

fn starts(appliance: &mut dyn Appliance) {
    appliance.start();
    appliance.wait_until_active();
    appliance.tool().call(&["put", "contracts", &document(appliance.site())]).expect(0);
}

/// The appliance starts anew with the domain whole: nothing is lost but it, and what was committed is there.
fn restarts(appliance: &mut dyn Appliance, domain: &str) {
    appliance.start();
    appliance.wait_until_active();
    // A loss that could be recorded was so before it was shown. Without vault or auditor nothing is recorded, and
    // nobody could flag the orchestrator's but itself.
    let code = i32::from(matches!(domain, "clock" | "console"));
    let status = call_until(appliance, &["status", "--json"], code, |status| degraded(status).is_empty());
    assert_eq!(status["durable"], true, "{status}");
    // One was put before, and one beside the loss where that can be.
    let documents = if matches!(domain, "vault" | "console") { 1 } else { 2 };
    assert_eq!(status["volumes"][0]["documents"], documents, "{status}");
    audited(appliance, &[], 0);
    for record in 1..=documents {
        let read = appliance.tool().call(&["get", "contracts", &record.to_string(), "-o", "-"]).expect(0);
        assert_eq!(read.stdout, CONTENT);
    }
}

/// The domain's process is killed.
pub fn killed(appliance: &mut Hosted, domain: &str) {
    starts(appliance);
    kill_process(appliance.process(domain), Signal::KILL).expect("it runs");
    is_known(appliance, domain);
    appliance.power_cut();
    restarts(appliance, domain);
}

/// The domain's process is stopped, and goes on later: then that is shown, and what it was is recorded.
pub fn stopped(appliance: &mut Hosted, domain: &str) {
    starts(appliance);
    let process = appliance.process(domain);
    kill_process(process, Signal::STOP).expect("it runs");
    is_known(appliance, domain);
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

/// The flags about lost domains in the audit record on the disk: which.
fn losses(site: &Site) -> Vec<String> {
    let disk = fs::read(&site.disk).expect("there is a disk");
    let records = audit_record(&site.deployment, &disk);
    let flags = records.into_iter().filter(|(kind, flag)| *kind == Kind::Flag && flag["kind"] == "degraded");
    flags.filter_map(|(_, flag)| flag["what"].as_str().map(str::to_owned)).collect()
}

/// The domain fails by itself, in an image in which it was replaced, and is whole again in the next one. `changed` is
/// told when the system description is another.
pub fn fails<A: Appliance>(appliance: &mut A, domain: &str, failure: Failure, changed: impl Fn(&mut A)) {
    let site = appliance.site();
    let (path, system) = (site.manifest(domain), site.system.clone());
    let manifest = fs::read(&path).expect("the manifest is there");
    let description = fs::read_to_string(&system).expect("the description is there");
    let replaced = description.replace(&format!("\"{domain}.elf\""), &format!("\"failing-{domain}.elf\""));
    let put_together = |appliance: &mut A, manifest: &[u8], description: &str| {
        fs::write(&path, manifest).expect("the folder can be written");
        fs::write(&system, description).expect("the folder can be written");
        changed(appliance);
    };
    put_together(appliance, &with_failure(&manifest, failure), &replaced);
    starts(appliance);
    is_known(appliance, domain);
    appliance.power_cut();
    put_together(appliance, &manifest, &description);
    restarts(appliance, domain);
}

/// The manifest with one more entry in its device table.
fn with_failure(bytes: &[u8], failure: Failure) -> Vec<u8> {
    let manifest = Manifest::parse(bytes).expect("a manifest of the model");
    let region = Region { vaddr: WORKS_MS.into(), size: 0.into() };
    let mut devices = manifest.devices().to_vec();
    devices.push(Device { kind: failure as u8, irq_channel: NO_CHANNEL, driver: 0, reserved: [0; 5], region });
    let mut changed = Vec::new();
    encode(manifest.header(), manifest.links(), manifest.volumes(), &devices, |part| {
        changed.extend_from_slice(part);
    });
    changed.resize(bytes.len(), 0);
    changed
}
