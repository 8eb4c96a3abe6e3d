//! The power is cut before, during and after every transition of an archive's lifecycle: at every event of the
//! simulated machine from the command on. After the restart the archive is what it was or what it was to
//! become, and the audit record and the archive's own ledger say so.

use fastrand::Rng;
use ledger_fmt::payload::Lifecycle;
use ledger_fmt::record::Kind;
use totebox_deployment::Deployment;
use totebox_tests::archive_harness::verify;
use totebox_tests::operator::{Gone, value};
use totebox_tests::orchestration::{SCHEDULED, records, row};
use totebox_tests::sim::{DiskHandle, blank_disk, deployment, operator};
use totebox_tests::vault_harness::bytes;

const FINANCE: usize = 1;

/// Events after the end of the command at which the power is still cut.
const AFTER: u64 = 60;

/// The commands that lead to the state a transition begins in, the command of the transition, and where it
/// leads from and to.
const TRANSITIONS: [(&[&str], &str, &str, &str); 4] = [
    (&[], "suspend finance", "active", "suspended"),
    (&["suspend finance"], "resume finance", "suspended", "active"),
    (&[], "archive finance final", "active", "archived"),
    (&["suspend finance"], "archive finance final", "suspended", "archived"),
];

/// A disk with a document, and the archive in the state a transition begins in.
fn prepared(deployment: &Deployment, commands: &[&str]) -> DiskHandle {
    let disk = DiskHandle::new(blank_disk(deployment));
    let mut operator = operator(deployment, disk.clone(), 1, None);
    operator.connect_settled().unwrap();
    operator.put("finance", "kept", &bytes(5000, 1)).unwrap().unwrap();
    for command in commands {
        assert!(operator.ask(command).unwrap().ok(), "{command}");
    }
    operator.wire.world.settle();
    drop(operator);
    disk
}

/// Where the last lifecycle record of a ledger leads to.
fn recorded(deployment: &Deployment, disk: &DiskHandle, volume: usize) -> String {
    let word = |payload: &[u8]| Lifecycle::read(payload).expect("a transition").to.to_owned();
    let records = records(deployment, disk.borrow().seen(), volume);
    let last = records.iter().rfind(|(kind, _)| *kind == Kind::Lifecycle);
    last.map_or("active".to_owned(), |(_, payload)| word(payload))
}

/// Cuts the power at event `cut_at`, and looks at what there is afterwards.
fn cut(deployment: &Deployment, prepared: &DiskHandle, transition: usize, cut_at: u64, tally: &mut [u32; 2]) {
    let (_, command, from, to) = TRANSITIONS[transition];
    let what = format!("{command} from {from}, cut at event {cut_at}");
    let disk = prepared.copy();
    let mut at_work = operator(deployment, disk.clone(), 7, Some(cut_at));
    let answer = match at_work.connect_settled() {
        Ok(_) => at_work.ask(command),
        Err(Gone) => Err(Gone),
    };
    if let Ok(answer) = &answer {
        assert!(answer.ok(), "{what}: {answer:?}");
        while at_work.wire.world.steps() < cut_at {
            at_work.wire.world.step();
        }
    }
    drop(at_work);
    disk.borrow_mut().cut_power(&mut Rng::with_seed(cut_at));

    let mut operator = operator(deployment, disk.clone(), 8 + cut_at, None);
    operator.connect_settled().unwrap();
    operator.wire.world.settle();
    let status = operator.ask("status").unwrap();
    let state = value(row(&status, "finance"), "state").unwrap().to_owned();
    assert!(state == from || state == to, "{what}: {state}");
    assert!(answer.is_err() || state == to, "{what}: it was done, and is {state}");
    tally[usize::from(state == to)] += 1;
    let flags = operator.ask("flags").unwrap();
    assert_eq!(flags.end, "+flags open=0 hidden=0", "{what}: {flags:?}");
    for (volume, whose) in [(FINANCE, "archive"), (deployment.volumes.len() - 1, "audit record")] {
        assert_eq!(recorded(deployment, &disk, volume), state, "{what}: the {whose}'s ledger");
        assert_eq!(verify(deployment, &disk, volume).findings, [], "{what}");
    }
    let sealed = value(row(&operator.ask("status").unwrap(), "finance"), "volume") == Some("sealed");
    assert_eq!(sealed, state == "archived", "{what}");
    // What was not done can be done now.
    if state == from {
        assert!(operator.ask(command).unwrap().ok(), "{what}: a second time");
    }
    assert_eq!(operator.ask("audit").unwrap().end, "+audit clean volumes=4", "{what}");
}

#[test]
fn after_a_power_cut_the_state_is_the_old_or_the_new_one() {
    let deployment = deployment(SCHEDULED);
    for (transition, (before, command, from, to)) in TRANSITIONS.into_iter().enumerate() {
        let prepared = prepared(&deployment, before);
        // The event at which the command is given: the same each time, for the seed is.
        let mut rehearsal = operator(&deployment, prepared.copy(), 7, None);
        rehearsal.connect_settled().unwrap();
        let begun = rehearsal.wire.world.steps();
        assert!(rehearsal.ask(command).unwrap().ok(), "{command}");
        let ended = rehearsal.wire.world.steps();
        drop(rehearsal);
        let mut tally = [0; 2];
        for cut_at in begun..=ended + AFTER {
            cut(&deployment, &prepared, transition, cut_at, &mut tally);
        }
        let [old, new] = tally;
        assert!(old > 0 && new > 0, "{command}: {old} times {from}, {new} times {to}");
        println!(
            "sim_transitions, {command} from {from}: {} power cuts, afterwards {old} times {from}, {new} times {to}",
            old + new
        );
    }
}
