//! Orchestration in the simulator: whatever changes on a disk is flagged within an audit period, recorded
//! before it is shown, and leads to what the deployment wants; archives go through their lifecycle.

mod findings;
mod trouble;

use ledger_fmt::record::Kind;
use totebox_deployment::Deployment;
use totebox_manifest::Role;
use totebox_tests::operator::{Operator, number, value};
use totebox_tests::orchestration::{NAMES, SCHEDULED, audit_record, row, state};
use totebox_tests::sim::{DiskHandle, SimWire, blank_disk, deployment, operator};
use totebox_tests::vault_harness::bytes;

/// Documents in each archive of a machine at work.
const DOCUMENTS: usize = 3;

/// The content of a document, by its number.
fn content(number: usize) -> Vec<u8> {
    bytes(5000 + number, number as u8)
}

/// An operator at a settled machine, and some documents in each archive.
fn at_work(deployment: &Deployment, seed: u64) -> (DiskHandle, Operator<SimWire>) {
    at_work_on(blank_disk(deployment), deployment, seed)
}

/// The same, on a disk that holds this.
fn at_work_on(held: Vec<u8>, deployment: &Deployment, seed: u64) -> (DiskHandle, Operator<SimWire>) {
    let disk = DiskHandle::new(held);
    let mut operator = operator(deployment, disk.clone(), seed, None);
    operator.connect_settled().unwrap();
    for name in NAMES {
        for number in 0..DOCUMENTS {
            operator.put(name, &format!("{name} {number}"), &content(number)).unwrap().unwrap();
        }
    }
    (disk, operator)
}

/// Fetches the document with this number. Checkpoints may stand between the documents.
fn fetch(operator: &mut Operator<SimWire>, name: &str, document: usize) -> Result<Vec<u8>, String> {
    let ls = operator.ask(&format!("ls {name}")).unwrap();
    let row = ls.rows.iter().find(|row| row.ends_with(&format!("name=\"{name} {document}\"")));
    let sequence = number(row.expect("the document is there"), "seq");
    operator.get(name, sequence).unwrap()
}

/// Milliseconds since the machine started.
fn uptime(operator: &mut Operator<SimWire>) -> u64 {
    number(&operator.ask("status").unwrap().end, "uptime_ms")
}

/// Waits for an event.
fn await_event(operator: &mut Operator<SimWire>, beginning: &str) -> String {
    let event = operator.await_event(beginning, 200).unwrap();
    event.unwrap_or_else(|| panic!("no {beginning}: {:?}", operator.ask("flags")))
}

/// Waits for an archive to come into a state.
fn await_state(operator: &mut Operator<SimWire>, name: &str, wanted: &str) {
    let limit = operator.wire.world.steps() + 1_000_000;
    while state(operator, name) != wanted {
        assert!(operator.wire.world.steps() < limit, "{name} is not {wanted}: {:?}", operator.ask("status"));
    }
}

/// Lets time pass until every volume was audited after now.
fn a_round(operator: &mut Operator<SimWire>) {
    let begun = number(&operator.ask("status").unwrap().end, "time");
    let limit = operator.wire.world.steps() + 1_000_000;
    loop {
        let status = operator.ask("status").unwrap();
        if status.rows.iter().all(|row| number(row, "verified_ms") > begun) {
            return;
        }
        assert!(operator.wire.world.steps() < limit, "audits do not come: {status:?}");
    }
}

#[test]
fn an_archive_goes_through_its_lifecycle() {
    let deployment = deployment(SCHEDULED);
    let (disk, mut operator) = at_work(&deployment, 1);
    let finance = operator.wire.world.pd(Role::Archive, 1);
    assert_eq!(operator.ask("suspend finance").unwrap().end, "+suspend archive=finance state=suspended");
    assert!(operator.wire.world.stopped(finance), "its thread does not run");
    assert_eq!(state(&mut operator, "finance"), "suspended");
    assert_eq!(operator.put("finance", "more", b"x").unwrap(), Err("not-active".to_owned()));
    assert_eq!(operator.ask("suspend finance").unwrap().error(), Some("already-there"));
    assert_eq!(operator.ask("audit finance").unwrap().end, "+audit clean volumes=1", "it is audited all the same");

    operator.wire.world.settle();
    drop(operator);
    let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2, None);
    operator.connect_settled().unwrap();
    assert_eq!(state(&mut operator, "finance"), "suspended", "also after a restart");
    assert_eq!(operator.ask("resume finance").unwrap().end, "+resume archive=finance state=active");
    assert!(!operator.wire.world.stopped(finance));
    operator.put("finance", "more", b"x").unwrap().unwrap();

    assert_eq!(operator.ask("archive finance final").unwrap().end, "+archive archive=finance state=archived");
    assert_eq!(state(&mut operator, "finance"), "archived");
    for command in ["resume finance", "suspend finance"] {
        assert_eq!(operator.ask(command).unwrap().error(), Some("impossible-transition"), "{command}");
    }
    assert_eq!(operator.ask("archive finance final").unwrap().error(), Some("already-there"));
    assert!(operator.put("finance", "after", b"x").unwrap().is_err());
    assert!(fetch(&mut operator, "finance", 0) == Ok(content(0)), "what is archived can be read");
    assert_eq!(operator.ask("audit finance").unwrap().end, "+audit clean volumes=1");
    operator.wire.world.settle();
    drop(operator);
    let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), 3, None);
    let status = operator.connect_settled().unwrap();
    let finance = row(&status, "finance");
    assert_eq!((value(finance, "state"), value(finance, "volume")), (Some("archived"), Some("sealed")));
    assert_eq!(number(finance, "refused"), 0, "the start asked for nothing that it may not");
    assert_eq!(operator.ask("flags").unwrap().end, "+flags open=0 hidden=0");
    let moves: Vec<_> = audit_record(&deployment, disk.borrow().seen())
        .into_iter()
        .filter(|(kind, _)| *kind == Kind::Lifecycle)
        .map(|(_, payload)| format!("{} {} {}", payload["from"], payload["to"], payload["cause"]).replace('"', ""))
        .collect();
    assert_eq!(moves, ["active suspended operator", "suspended active operator", "active archived operator"]);
}
