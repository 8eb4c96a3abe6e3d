//! Every domain stands still in turn, in the simulator: that is shown within its limit, what does not need the domain
//! goes on, and when it goes on itself, that is shown too.

use ledger_fmt::record::Kind;
use totebox_manifest::Role;
use totebox_tests::operator::{Operator, number, value};
use totebox_tests::orchestration::{NAMES, SCHEDULED, audit_record};
use totebox_tests::sim::{DiskHandle, SimWire, blank_disk, deployment, operator};

/// More than any domain may be silent unseen.
const LONG_MS: u64 = 30_000;

/// An operator at a settled machine.
fn at_work(seed: u64) -> (DiskHandle, Operator<SimWire>) {
    let deployment = deployment(SCHEDULED);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut operator = operator(&deployment, disk.clone(), seed, None);
    operator.connect_settled().unwrap();
    (disk, operator)
}

/// Lets so much time pass.
fn pass(operator: &mut Operator<SimWire>, ms: u64) {
    let ticker = operator.wire.world.devices().ticker.clone();
    let until_ms = ticker.passed_ms() + ms;
    let world = &mut operator.wire.world;
    assert!(world.run_until(20_000_000, |_| ticker.passed_ms() >= until_ms), "time does not pass");
    world.settle();
}

/// What is degraded, how old what is shown is, and whether it is called durable, as far as that is known.
fn status(operator: &mut Operator<SimWire>) -> (String, u64, Option<String>) {
    let end = operator.ask("status").unwrap().end;
    let text = |key| value(&end, key).unwrap_or_else(|| panic!("no {key} in {end}")).to_string();
    (text("degraded"), number(&end, "age_ms"), value(&end, "durable").map(str::to_string))
}

fn put_everywhere(operator: &mut Operator<SimWire>) {
    for name in NAMES {
        assert!(operator.put(name, "goes on", b"x").unwrap().is_ok(), "{name}");
    }
}

/// The domains that flags tell of, and whether that is recorded.
fn flags(operator: &mut Operator<SimWire>) -> Vec<String> {
    let rows = operator.ask("flags").unwrap().rows;
    let unrecorded = |row: &str| if value(row, "audit_record").is_none() { ", not recorded" } else { "" };
    let degraded = rows.iter().filter(|row| value(row, "kind") == Some("degraded"));
    degraded.map(|row| format!("{}{}", value(row, "what").unwrap(), unrecorded(row))).collect()
}

/// The flags about domains in the audit record: which, and how.
fn recorded(disk: &DiskHandle) -> Vec<(String, u64)> {
    let records = audit_record(&deployment(SCHEDULED), disk.borrow().seen());
    let flags = records.into_iter().filter(|(kind, flag)| *kind == Kind::Flag && flag["kind"] == "degraded");
    flags
        .map(|(_, flag)| (flag["what"].as_str().unwrap().to_string(), flag["detail"].as_u64().unwrap_or(0)))
        .collect()
}

/// What stands still.
enum Lost {
    Domain(Role),
    /// It completes nothing it is given.
    Disk,
}

/// Something stands still at a settled machine, `meanwhile` looks, and it goes on: then everything is as before. The
/// flags that were recorded, and the operator.
fn stands_still(
    seed: u64,
    lost: Lost,
    meanwhile: impl FnOnce(&mut Operator<SimWire>),
) -> (Vec<(String, u64)>, Operator<SimWire>) {
    let (disk, mut operator) = at_work(seed);
    let world = &mut operator.wire.world;
    let pd = match lost {
        Lost::Domain(role) => Some(world.pd(role, 0)),
        Lost::Disk => None,
    };
    match pd {
        Some(pd) => world.freeze(pd),
        None => disk.borrow_mut().hold_while(|_| true),
    }
    meanwhile(&mut operator);
    match pd {
        Some(pd) => operator.wire.world.thaw(pd),
        None => disk.borrow_mut().hold_while(|_| false),
    }
    pass(&mut operator, 5_000);
    let (degraded, age_ms, durable) = status(&mut operator);
    assert_eq!((&*degraded, durable.as_deref()), ("none", Some("yes")));
    assert!(age_ms < 15_000, "{age_ms}");
    put_everywhere(&mut operator);
    (recorded(&disk), operator)
}

#[test]
fn a_vault_that_stands_still_is_shown_and_recorded_when_it_goes_on() {
    let (recorded, _) = stands_still(1, Lost::Domain(Role::Vault), |operator| {
        pass(operator, LONG_MS);
        assert_eq!(status(operator), ("vault".into(), 0, None));
        assert_eq!(flags(operator), ["vault, not recorded"]);
        // Not even after minutes is the auditor blamed for it.
        pass(operator, 150_000);
        assert_eq!(status(operator).0, "vault");
    });
    assert_eq!(recorded, [("vault".into(), 1)]);
}

#[test]
fn a_disk_that_completes_nothing_is_shown_as_that() {
    let (recorded, _) = stands_still(2, Lost::Disk, |operator| {
        operator.submit("finance", "waits", b"x").unwrap().unwrap();
        pass(operator, LONG_MS);
        assert_eq!(status(operator), ("disk".into(), 0, None));
    });
    assert_eq!(recorded, [("vault".into(), 2)]);
}

#[test]
fn an_orchestrator_that_stands_still_is_shown_with_the_age_of_the_page() {
    let (recorded, mut operator) = stands_still(3, Lost::Domain(Role::Orchestrator), |operator| {
        put_everywhere(operator);
        pass(operator, 150_000);
        put_everywhere(operator);
        let (degraded, age_ms, _) = status(operator);
        assert_eq!(degraded, "orchestrator");
        assert!(age_ms >= 150_000, "{age_ms}");
        assert_eq!(operator.ask("suspend finance").unwrap().error(), Some("not-answering"));
        assert_eq!(operator.ask("flags").unwrap().error(), Some("not-answering"));
    });
    assert_eq!(recorded, [], "nobody could flag it but itself");
    assert!(operator.ask("suspend finance").unwrap().ok());
}

#[test]
fn a_clock_that_stands_still_is_shown_at_the_next_look() {
    let (recorded, _) = stands_still(4, Lost::Domain(Role::Clock), |operator| {
        put_everywhere(operator);
        pass(operator, 150_000);
        assert_eq!(status(operator), ("clock".into(), 0, Some("yes".into())));
        put_everywhere(operator);
        assert_eq!(operator.ask("audit").unwrap().end, "+audit clean volumes=4");
        // Whoever is lost after the clock is found at the next look but one: the first one asks.
        let vault = operator.wire.world.pd(Role::Vault, 0);
        operator.wire.world.freeze(vault);
        pass(operator, LONG_MS);
        status(operator);
        pass(operator, LONG_MS);
        assert_eq!(status(operator).0, "vault,clock");
        operator.wire.world.thaw(vault);
    });
    assert_eq!(recorded, [("clock".into(), 0), ("vault".into(), 1)]);
}

#[test]
fn a_console_that_stands_still_leaves_a_trace_in_the_audit_record() {
    let (recorded, _) = stands_still(5, Lost::Domain(Role::Console), |operator| pass(operator, LONG_MS));
    assert_eq!(recorded, [("console".into(), 1)]);
}

/// An idle auditor is asked for nothing but signs of life.
#[test]
fn an_auditor_that_stands_still_is_shown_and_recorded_when_it_goes_on() {
    let (recorded, mut operator) = stands_still(6, Lost::Domain(Role::Auditor), |operator| {
        pass(operator, LONG_MS);
        assert_eq!(status(operator), ("auditor".into(), 0, Some("yes".into())));
        assert_eq!(flags(operator), ["auditor, not recorded"]);
        assert_eq!(operator.ask("audit").unwrap().error(), Some("unavailable"));
        put_everywhere(operator);
    });
    assert_eq!(recorded, [("auditor".into(), 1)]);
    assert_eq!(flags(&mut operator), ["auditor"]);
    assert_eq!(operator.ask("audit").unwrap().end, "+audit clean volumes=4");
}

#[test]
fn an_auditor_that_stands_still_for_long_is_cut_off_and_nobody_else_is() {
    let (_, mut operator) = at_work(7);
    let auditor = operator.wire.world.pd(Role::Auditor, 0);
    operator.wire.world.freeze(auditor);
    pass(&mut operator, 90_000);
    assert_eq!(status(&mut operator).0, "auditor");
    put_everywhere(&mut operator);
}
