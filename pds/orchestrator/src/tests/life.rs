//! Signs of life: of the vault, its disk and the console, judged by the CPU's counter.

use super::*;

/// The flag that is entered: what, and how.
fn lost(bench: &mut Bench) -> Vec<(u8, u64)> {
    bench.record_all().iter().map(|entry| (entry.flag_what, entry.detail.get())).collect()
}

#[test]
fn everybody_is_asked_once_a_second() {
    let mut bench = Bench::settled();
    for round in 1..5 {
        bench.kernel.notified.clear();
        bench.seconds(1);
        bench.tick(round * 1000 + 100);
        let asked = |channel| bench.kernel.notified.iter().filter(|&&woken| woken == channel).count();
        assert_eq!((asked(bench.vault_channel), asked(bench.archives[0])), (1, 1));
        bench.time.uptime_ms = (round * 1000).into();
    }
}

#[test]
fn a_silent_vault_is_shown_at_once_and_recorded_when_it_is_back() {
    let mut bench = Bench::settled();
    assert_eq!(bench.surface().durable, 1);
    bench.vault_lives = false;
    bench.seconds(15);
    assert_eq!(bench.surface().degraded, 0, "not yet");
    bench.seconds(1);
    let surface = bench.surface();
    assert_eq!((surface.degraded, surface.durable), (degraded::VAULT_SILENT, 0), "nothing can be recorded now");
    assert_eq!((bench.flagged(), surface.flags_open.get()), (vec![(FlagKind::Degraded, NO_VOLUME)], 1));
    assert_eq!((bench.flags()[0].audit_record.get(), surface.unrecorded.get()), (NO_RECORD, 1));
    // The auditor cannot enter anything, and is not blamed for it.
    for _ in 0..200 {
        bench.seconds(1);
        bench.jobs();
    }
    assert_eq!(bench.surface().degraded, degraded::VAULT_SILENT);
    // What happens to an archive meanwhile is shown, too.
    bench.fault(1);
    assert_eq!(bench.state(1), Some(ArchiveState::Faulted));
    assert!(bench.flagged().contains(&(FlagKind::Fault, 1)));

    bench.vault_lives = true;
    bench.seconds(2);
    assert!(lost(&mut bench).contains(&(Role::Vault as u8, Loss::Silent as u64)));
    let surface = bench.surface();
    assert_eq!((surface.degraded, surface.durable), (0, 1));
    assert!(bench.flagged().contains(&(FlagKind::Degraded, NO_VOLUME)), "the history tells it");
    assert!(bench.flags().iter().all(|row| row.audit_record.get() != NO_RECORD));
    assert_eq!(surface.unrecorded.get(), 0);
}

#[test]
fn a_disk_is_not_judged_while_its_vault_says_nothing() {
    let mut bench = Bench::settled();
    // The vault dies with an operation under way.
    bench.vault.in_flight = 1.into();
    bench.seconds(1);
    bench.vault_lives = false;
    for second in 0..40 {
        bench.seconds(1);
        assert_eq!(bench.surface().degraded & !degraded::VAULT_SILENT, 0, "after {second} s");
    }
    assert_eq!(bench.surface().degraded, degraded::VAULT_SILENT);
    bench.vault_lives = true;
    bench.seconds(1);
    assert_eq!(bench.surface().degraded, 0, "the disk has its time anew");
    bench.seconds(16);
    assert_eq!(bench.surface().degraded, degraded::DISK);
    // What was known of the disk is known still.
    bench.vault_lives = false;
    bench.seconds(30);
    assert_eq!(bench.surface().degraded, degraded::DISK | degraded::VAULT_SILENT);
}

#[test]
fn a_disk_that_completes_nothing_is_shown_as_that() {
    let mut bench = Bench::settled();
    bench.vault.in_flight = 2.into();
    for completed in 0..40 {
        bench.vault.completed = completed.into();
        bench.seconds(1);
        assert_eq!(bench.surface().degraded, 0, "a slow disk");
    }
    bench.seconds(16);
    let surface = bench.surface();
    assert_eq!((surface.degraded, surface.durable), (degraded::DISK, 0));
    bench.vault.completed += 1;
    bench.seconds(1);
    assert_eq!(lost(&mut bench), [(Role::Vault as u8, Loss::Device as u64)]);
    assert_eq!((bench.surface().degraded, bench.surface().durable), (0, 1));
    bench.vault.in_flight = 0.into();
    for _ in 0..100 {
        bench.seconds(1);
        bench.jobs();
    }
    assert_eq!(bench.surface().degraded, 0, "a disk with nothing to do completes nothing");
}

#[test]
fn a_console_that_asks_no_more_leaves_a_trace() {
    let mut bench = Bench::settled();
    bench.seconds(1);
    bench.console_lives = false;
    bench.seconds(17);
    assert_eq!(lost(&mut bench), [(Role::Console as u8, Loss::Silent as u64)]);
    assert_eq!(bench.surface().degraded, degraded::CONSOLE);
    bench.console_lives = true;
    bench.seconds(1);
    assert_eq!(bench.surface().degraded, 0);
}

#[test]
fn a_vault_that_is_lost_while_the_clock_stands_is_noticed_when_the_console_asks() {
    let mut bench = Bench::settled();
    bench.seconds(1);
    let ping = Request { op: Op::Ping as u8, ..Request::new_zeroed() };
    // What the last tick asked for comes; after that nothing is due that was asked for by a tick.
    bench.vault.heartbeat += 1;
    bench.publish_vault();
    bench.vault_lives = false;
    // Each time the operator asks; the clock does not tick any more.
    for _ in 0..2 {
        bench.jobs();
        bench.kernel.counter_ms += SILENT_MS;
        bench.call(ping, &[]).unwrap();
    }
    assert_eq!(bench.surface().degraded, degraded::VAULT_SILENT | degraded::CLOCK);
}

#[test]
fn nobody_is_called_silent_for_time_in_which_the_orchestrator_did_not_run() {
    let mut bench = Bench::settled();
    bench.seconds(3);
    // All are well meanwhile, and have left their signs of life.
    bench.kernel.counter_ms += 600_000;
    bench.time.ticks += 6_000;
    bench.time.uptime_ms = (bench.time.uptime_ms.get() + 600_000).into();
    bench.publish_time();
    assert_eq!((bench.surface().degraded, bench.entries().len()), (0, 0));
    // A clock that was stopped has not woken the console either: its first tick comes before the console's.
    bench.kernel.counter_ms += 600_000;
    bench.console_lives = false;
    bench.time.ticks += 1;
    bench.publish_time();
    let recorded = lost(&mut bench);
    assert!(!recorded.contains(&(Role::Console as u8, Loss::Silent as u64)), "{recorded:?}");
    assert_eq!(bench.surface().degraded & degraded::CONSOLE, 0);
}
