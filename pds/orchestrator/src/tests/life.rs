//! Signs of life: of the vault, its disk and the console, judged by the CPU's counter.

use super::*;

/// The flag that is entered: what, and how.
fn lost(harness: &mut Harness) -> Vec<(u8, u64)> {
    harness.record_all().iter().map(|entry| (entry.flag_what, entry.detail.get())).collect()
}

#[test]
fn everybody_is_asked_once_a_second() {
    let mut harness = Harness::settled();
    for round in 1..5 {
        harness.kernel.notified.clear();
        harness.seconds(1);
        harness.tick(round * 1000 + 100);
        let asked = |channel| harness.kernel.notified.iter().filter(|&&woken| woken == channel).count();
        assert_eq!((asked(harness.vault_channel), asked(harness.archives[0])), (1, 1));
        harness.time.uptime_ms = (round * 1000).into();
    }
}

#[test]
fn a_silent_vault_is_shown_at_once_and_recorded_when_it_is_back() {
    let mut harness = Harness::settled();
    assert_eq!(harness.status_page().durable, 1);
    harness.vault_lives = false;
    harness.seconds(15);
    assert_eq!(harness.status_page().degraded, 0, "not yet");
    harness.seconds(1);
    let status_page = harness.status_page();
    assert_eq!(
        (status_page.degraded, status_page.durable),
        (degraded::VAULT_SILENT, 0),
        "nothing can be recorded now, and nothing is known of what was"
    );
    assert_eq!((harness.flagged(), status_page.flags_open.get()), (vec![(FlagKind::Degraded, NO_VOLUME)], 1));
    assert_eq!((harness.flags()[0].audit_record.get(), status_page.unrecorded.get()), (NO_RECORD, 1));
    // The auditor cannot enter anything, and is not blamed for it.
    for _ in 0..200 {
        harness.seconds(1);
        harness.jobs();
    }
    assert_eq!(harness.status_page().degraded, degraded::VAULT_SILENT);
    // What happens to an archive meanwhile is shown, too.
    harness.fault(1);
    assert_eq!(harness.state(1), Some(ArchiveState::Faulted));
    assert!(harness.flagged().contains(&(FlagKind::Fault, 1)));

    harness.vault_lives = true;
    harness.seconds(2);
    assert!(lost(&mut harness).contains(&(Role::Vault as u8, Loss::Silent as u64)));
    let status_page = harness.status_page();
    assert_eq!((status_page.degraded, status_page.durable), (0, 1));
    assert!(harness.flagged().contains(&(FlagKind::Degraded, NO_VOLUME)), "the history tells it");
    assert!(harness.flags().iter().all(|row| row.audit_record.get() != NO_RECORD));
    assert_eq!(status_page.unrecorded.get(), 0);
}

#[test]
fn a_disk_is_not_judged_while_its_vault_says_nothing() {
    let mut harness = Harness::settled();
    // The vault dies with an operation under way.
    harness.vault.in_flight = 1.into();
    harness.seconds(1);
    harness.vault_lives = false;
    for second in 0..40 {
        harness.seconds(1);
        assert_eq!(harness.status_page().degraded & !degraded::VAULT_SILENT, 0, "after {second} s");
    }
    assert_eq!(harness.status_page().degraded, degraded::VAULT_SILENT);
    harness.vault_lives = true;
    harness.seconds(1);
    assert_eq!(harness.status_page().degraded, 0, "the disk has its time anew");
    harness.seconds(16);
    assert_eq!(harness.status_page().degraded, degraded::DISK);
    // What was known of the disk is known still.
    harness.vault_lives = false;
    harness.seconds(30);
    assert_eq!(harness.status_page().degraded, degraded::DISK | degraded::VAULT_SILENT);
}

#[test]
fn a_disk_that_completes_nothing_is_shown_as_that() {
    let mut harness = Harness::settled();
    harness.vault.in_flight = 2.into();
    for completed in 0..40 {
        harness.vault.completed = completed.into();
        harness.seconds(1);
        assert_eq!(harness.status_page().degraded, 0, "a slow disk");
    }
    harness.seconds(16);
    let status_page = harness.status_page();
    assert_eq!((status_page.degraded, status_page.durable), (degraded::DISK, 0));
    harness.vault.completed += 1;
    harness.seconds(1);
    assert_eq!(lost(&mut harness), [(Role::Vault as u8, Loss::Device as u64)]);
    assert_eq!((harness.status_page().degraded, harness.status_page().durable), (0, 1));
    harness.vault.in_flight = 0.into();
    for _ in 0..100 {
        harness.seconds(1);
        harness.jobs();
    }
    assert_eq!(harness.status_page().degraded, 0, "a disk with nothing to do completes nothing");
}

#[test]
fn a_console_that_asks_no_more_leaves_a_trace() {
    let mut harness = Harness::settled();
    harness.seconds(1);
    harness.console_lives = false;
    harness.seconds(17);
    assert_eq!(lost(&mut harness), [(Role::Console as u8, Loss::Silent as u64)]);
    assert_eq!(harness.status_page().degraded, degraded::CONSOLE);
    harness.console_lives = true;
    harness.seconds(1);
    assert_eq!(harness.status_page().degraded, 0);
}

#[test]
fn a_vault_that_is_lost_while_the_clock_stands_is_noticed_when_the_console_asks() {
    let mut harness = Harness::settled();
    harness.seconds(1);
    let ping = Request { op: Op::Ping as u8, ..Request::new_zeroed() };
    // What the last tick asked for comes; after that nothing is due that was asked for by a tick.
    harness.vault.heartbeat += 1;
    harness.publish_vault();
    harness.vault_lives = false;
    // Each time the operator asks; the clock does not tick any more.
    for _ in 0..2 {
        harness.jobs();
        harness.kernel.counter_ms += SILENT_MS;
        harness.call(ping, &[]).unwrap();
    }
    assert_eq!(harness.status_page().degraded, degraded::VAULT_SILENT | degraded::CLOCK);
}

#[test]
fn nobody_is_called_silent_for_time_in_which_the_orchestrator_did_not_run() {
    let mut harness = Harness::settled();
    harness.seconds(3);
    // All are well meanwhile, and have left their signs of life.
    harness.kernel.counter_ms += 600_000;
    harness.time.ticks += 6_000;
    harness.time.uptime_ms = (harness.time.uptime_ms.get() + 600_000).into();
    harness.publish_time();
    assert_eq!((harness.status_page().degraded, harness.entries().len()), (0, 0));
    // A clock that was stopped has not woken the console either: its first tick comes before the console's.
    harness.kernel.counter_ms += 600_000;
    harness.console_lives = false;
    harness.time.ticks += 1;
    harness.publish_time();
    let recorded = lost(&mut harness);
    assert!(!recorded.contains(&(Role::Console as u8, Loss::Silent as u64)), "{recorded:?}");
    assert_eq!(harness.status_page().degraded & degraded::CONSOLE, 0);
}
