//! What the orchestrator has entered into the audit record, and what is read back from it.

use ledger_fmt::record::Kind;
use totebox_domain::FaultKind;
use totebox_manifest::conversation::AUDIT_DATA;
use totebox_protocol::audit::{EntryRow, EventRow, HistoryEnd, Op, Opened, Report};
use totebox_protocol::flag::{Acknowledged, FLAGS_MAX, FlagKind, NO_VOLUME};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{Cause, HISTORY_MAX};
use zerocopy::{FromBytes, IntoBytes};

use super::*;

fn flag(id: u32, kind: FlagKind, volume: u8) -> EntryRow {
    let mut entry = EntryRow::new_zeroed();
    (entry.kind, entry.flag_kind, entry.volume, entry.flag) = (Kind::Flag as u8, kind.number(), volume, id.into());
    entry.record = NO_RECORD.into();
    entry
}

fn acknowledgement(id: u32, kind: FlagKind, volume: u8, reason: &str) -> EntryRow {
    let mut entry = EntryRow { kind: Kind::Acknowledgement as u8, ..flag(id, kind, volume) };
    entry.reason[..reason.len()].copy_from_slice(reason.as_bytes());
    entry.reason_len = reason.len() as u8;
    entry
}

fn transition(volume: u8, from: Standing, to: Standing) -> EntryRow {
    let mut entry = EntryRow::new_zeroed();
    (entry.kind, entry.volume) = (Kind::Lifecycle as u8, volume);
    (entry.from, entry.to, entry.cause) = (from.state() as u8, to.state() as u8, Cause::Operator as u8);
    entry.record = NO_RECORD.into();
    entry
}

fn offer(harness: &mut Harness, entry: &EntryRow, tag: u32) {
    let mut request = audit::Request::new_zeroed();
    (request.op, request.volume, request.tag) = (Op::Record as u8, entry.volume, tag.into());
    request.len = (size_of::<EntryRow>() as u32).into();
    assert!(harness.requests.send(request.as_bytes(), entry.as_bytes()).unwrap());
    harness.notify(harness.orchestrator);
}

/// Has an entry made, and returns the report on it.
fn enter(harness: &mut Harness, entry: &EntryRow) -> Report {
    offer(harness, entry, 4);
    harness.run();
    let (report, _) = harness.reports()[0];
    assert_eq!((report.op, report.tag.get()), (Op::Record as u8, 4));
    report
}

fn restart(harness: Harness) -> Harness {
    let mut again = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    again.start();
    again
}

/// The records from `number` on, at most `count`, and how many the record has.
fn history(harness: &mut Harness, number: u64, count: u32) -> (Vec<EventRow>, u64) {
    let mut request = audit::Request::new_zeroed();
    (request.op, request.tag) = (Op::History as u8, 8.into());
    (request.number, request.count) = (number.into(), count.into());
    harness.send(&request);
    harness.run();
    let mut messages = harness.messages();
    let (complete, end) = messages.pop().unwrap();
    let end = HistoryEnd::read_from_prefix(&end).unwrap().0;
    assert_eq!((verdict(&complete), end.sent.get()), (Some(Ending::Complete), messages.len() as u32));
    let event = |(report, body): &(Report, [u8; AUDIT_DATA])| {
        assert_eq!((verdict(report), report.tag.get()), (Some(Ending::Event), 8));
        EventRow::read_from_prefix(body).unwrap().0
    };
    (messages.iter().map(event).collect(), end.records.get())
}

#[test]
fn an_entry_is_durable_before_it_is_reported() {
    let mut harness = Harness::started();
    offer(&mut harness, &flag(1, FlagKind::Hung, 1), 9);
    assert!(harness.reports().is_empty());
    let commits = harness.vault.commits;
    harness.run();
    let (report, _) = harness.reports()[0];
    assert_eq!((verdict(&report), report.tag.get(), report.audit_record.get()), (Some(Ending::Recorded), 9, 2));
    assert_eq!(harness.vault.commits, commits + 1);
    assert_eq!(harness.audit_record()[1], r#"{"flag":1,"kind":"hung","archive":"finance"}"#);
}

#[test]
fn entries_do_not_wait_for_verifications() {
    let mut harness = Harness::started();
    for volume in 0..3 {
        harness.ask(volume, 100);
    }
    offer(&mut harness, &flag(1, FlagKind::Hung, 1), 9);
    while harness.reports.available() == Ok(0) {
        assert!(harness.step());
    }
    assert_eq!(harness.reports()[0].0.op, Op::Record as u8);
}

#[test]
fn without_room_an_entry_is_reported_as_not_recorded() {
    let mut harness = Harness::new(vec![archive_volume("contracts"), full_audit_volume()]);
    harness.start();
    let report = enter(&mut harness, &flag(1, FlagKind::Hung, 0));
    assert_eq!((verdict(&report), report.audit_record.get()), (Some(Ending::NotRecorded), NO_RECORD));
    assert_eq!(harness.vault.commits, 0, "nothing was overwritten");
}

#[test]
fn the_last_room_is_kept_for_flags_and_for_what_an_operator_does() {
    let mut harness = Harness::started();
    let room = |harness: &mut Harness| {
        let volume = &harness.audit_disk().volume;
        volume.layout.space.blocks - volume.frontier.ledger_next
    };
    let kept_out = loop {
        let (report, _) = harness.verify(0);
        assert_eq!(verdict(&report), Some(Ending::Clean));
        if report.audit_record == NO_RECORD {
            break report.kept_out;
        }
    };
    assert_eq!(kept_out, 1);
    assert!(room(&mut harness) >= totebox_ledger_writer::audit_room::kept_blocks(192));
    let mut harness = restart(harness);
    assert_eq!(harness.boot.kept_out, 1, "starts are kept out, too");
    let mut entered = 0;
    loop {
        let entry = match entered % 3 {
            0 => flag(entered, FlagKind::Hung, 1),
            1 => acknowledgement(entered, FlagKind::Hung, 1, "seen"),
            _ => transition(0, Standing::Active, Standing::Suspended),
        };
        let report = enter(&mut harness, &entry);
        if verdict(&report) == Some(Ending::NotRecorded) {
            assert_eq!(report.kept_out, 0);
            break;
        }
        entered += 1;
    }
    assert!(entered >= 4, "{entered} entries");
    assert_eq!(harness.verify(0).0.kept_out, 0, "nothing is taken any more");
    assert_eq!(restart(harness).boot.kept_out, 0);
}

#[test]
fn an_entry_that_comes_late_says_so_and_is_told_as_of_its_time() {
    let mut harness = Harness::started();
    harness.time.publish(&Time { wall_ms: 5000.into(), uptime_ms: 1.into(), ticks: 0.into() });
    let late = flag(1, FlagKind::Hung, 1).with(|entry| entry.late_ms = 3000.into());
    enter(&mut harness, &late);
    assert_eq!(harness.audit_record()[1], r#"{"flag":1,"kind":"hung","archive":"finance","late_ms":3000}"#);
    let (events, _) = history(&mut harness, 2, 1);
    assert_eq!(events[0].entry.late_ms.get(), 3000);
    assert_eq!(restart(harness).flags[0].raised_ms.get(), 2000);
}

#[test]
fn entries_without_a_meaning_are_refused() {
    let mut harness = Harness::started();
    for entry in [
        flag(1, FlagKind::Hung, 0).with(|entry| entry.flag_kind = 99),
        transition(7, Standing::Active, Standing::Suspended),
        transition(0, Standing::Active, Standing::Suspended).with(|entry| entry.to = 0),
        flag(1, FlagKind::Hung, 0).with(|entry| entry.kind = Kind::AuditResult as u8),
        flag(1, FlagKind::Hung, 0).with(|entry| entry.kind = Kind::Boot as u8),
        acknowledgement(1, FlagKind::Hung, 0, "ok").with(|entry| entry.reason_len = 255),
    ] {
        assert_eq!(verdict(&enter(&mut harness, &entry)), Some(Ending::NotVerified), "{entry:?}");
    }
    assert_eq!(harness.audit_record().len(), 1, "the boot record");
}

trait With: Sized {
    fn with(self, change: impl FnOnce(&mut Self)) -> Self;
}

impl With for EntryRow {
    fn with(mut self, change: impl FnOnce(&mut EntryRow)) -> EntryRow {
        change(&mut self);
        self
    }
}

#[test]
fn what_was_recorded_is_told_at_the_next_start() {
    let mut harness = Harness::started();
    harness.time.publish(&Time { wall_ms: 5000.into(), uptime_ms: 1.into(), ticks: 0.into() });
    let asset = flag(3, FlagKind::Finding(FindingKind::Asset), 1).with(|entry| {
        (entry.area, entry.block, entry.record) = (Area::Assets as u8, 33.into(), 3.into());
    });
    let fault = flag(4, FlagKind::Fault, 0).with(|entry| {
        (entry.flag_what, entry.detail) = (FaultKind::Memory as u8, 4096.into());
    });
    for entry in [asset, fault, flag(5, FlagKind::Degraded, NO_VOLUME).with(|entry| entry.flag_what = 6)] {
        assert_eq!(verdict(&enter(&mut harness, &entry)), Some(Ending::Recorded));
    }
    enter(&mut harness, &acknowledgement(3, FlagKind::Finding(FindingKind::Asset), 1, "restored from the copy"));
    enter(&mut harness, &transition(1, Standing::Active, Standing::Suspended));
    enter(&mut harness, &transition(0, Standing::Active, Standing::Suspended));
    enter(&mut harness, &transition(0, Standing::Suspended, Standing::Active));
    harness.verify(0);

    let mut harness = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    harness.start();
    assert_eq!(harness.opened.last_ms.get(), 5000, "the time of the last record");
    let states: Vec<_> = harness.restored.iter().map(|(_, volume)| Standing::from_wire(volume.state)).collect();
    assert_eq!(states, [Some(Standing::Active), Some(Standing::Suspended), Some(Standing::Active)]);
    let before: Vec<_> = harness.restored.iter().map(|(_, volume)| Standing::from_wire(volume.before)).collect();
    assert_eq!(before, [Some(Standing::Suspended), Some(Standing::Active), Some(Standing::Active)]);
    assert_eq!(
        (harness.opened.last_flag.get(), harness.opened.flags_hidden.get()),
        (5, 0),
        "the highest id, and no flag is left out"
    );
    let (report, remembered) = harness.restored[0];
    assert_eq!((remembered.verified, remembered.verified_ms.get()), (Op::VerifyFull as u8, 5000));
    assert_eq!((verdict(&report), report.records.get(), report.audit_record.get()), (Some(Ending::Clean), 8, 9));
    assert_eq!(harness.restored[1].1.verified, 0);
    let flags: Vec<_> =
        harness.flags.iter().map(|row| (row.id.get(), row.acknowledged, row.audit_record.get())).collect();
    assert_eq!(
        flags,
        [(4, Acknowledged::No as u8, 3), (5, Acknowledged::No as u8, 4), (3, Acknowledged::Yes as u8, 2)]
    );
    let row = harness.flags[2];
    assert_eq!(
        (row.kind, row.volume, row.area, row.block.get()),
        (FlagKind::Finding(FindingKind::Asset).number(), 1, Area::Assets as u8, 33)
    );
    assert_eq!((row.record.get(), row.raised_ms.get()), (3, 5000));
    let row = harness.flags[0];
    assert_eq!((row.what, row.detail.get(), row.record.get()), (FaultKind::Memory as u8, 4096, NO_RECORD));
    assert_eq!((harness.flags[1].volume, harness.flags[1].what), (NO_VOLUME, 6));
}

#[test]
fn more_is_told_than_the_ring_holds() {
    let mut harness = Harness::new(vec![archive_volume("contracts"), audit_volume()]);
    harness.start();
    for id in 1..=FLAGS_MAX as u32 + 10 {
        enter(&mut harness, &flag(id, FlagKind::Refused, 0));
    }
    let mut harness = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    harness.auditor.start(&mut harness.kernel);
    harness.run();
    let mut told = Vec::new();
    let boot = loop {
        let messages = harness.messages();
        assert!(!messages.is_empty());
        told.extend(messages);
        match told.last() {
            Some((report, body)) if report.op == Op::Record as u8 => {
                break Opened::read_from_prefix(body).unwrap().0;
            }
            _ => harness.notify(harness.orchestrator),
        }
    };
    assert_eq!(told.iter().filter(|(report, _)| report.op == Op::RestoreFlag as u8).count(), FLAGS_MAX);
    let (last_id, hidden) = (FLAGS_MAX as u32 + 10, 10);
    assert_eq!((boot.last_flag.get(), boot.flags_hidden.get()), (last_id, hidden), "what is not told is counted");
}

#[test]
fn an_acknowledged_flag_that_was_never_recorded_has_its_id_all_the_same() {
    let mut harness = Harness::started();
    enter(&mut harness, &flag(3, FlagKind::Hung, 1));
    enter(&mut harness, &acknowledgement(9, FlagKind::AuditVolume, 2, "a new disk"));
    let mut harness = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    harness.start();
    assert_eq!(harness.opened.last_flag.get(), 9);
    assert_eq!(harness.flags.len(), 1);
}

#[test]
fn a_ping_is_taken_and_not_reported() {
    let mut harness = Harness::started();
    let room = harness.requests.free().unwrap();
    harness.kernel.notified.clear();
    let mut ping = audit::Request::new_zeroed();
    ping.op = Op::Ping as u8;
    for _ in 0..3 {
        harness.send(&ping);
    }
    assert_eq!(harness.requests.free(), Ok(room));
    assert!(harness.kernel.notified.contains(&harness.orchestrator), "that it is taken is told");
    harness.run();
    assert!(harness.messages().is_empty());
    harness.send(&audit::Request { tag: 4.into(), ..ping });
    assert_eq!(verdict(&harness.reports()[0].0), Some(Ending::NotVerified), "who wants an answer gets one");
}

#[test]
fn a_ping_is_taken_while_the_audit_record_is_read() {
    let mut harness = Harness::new(vec![archive_volume("contracts"), audit_volume()]);
    harness.audit_disk().state = VolumeState::Recovering;
    harness.auditor.start(&mut harness.kernel);
    let room = harness.requests.free().unwrap();
    harness.send(&audit::Request { op: Op::Ping as u8, ..audit::Request::new_zeroed() });
    harness.run();
    assert_eq!((harness.requests.free(), harness.messages().len()), (Ok(room), 0));
    harness.audit_disk().state = VolumeState::Ready;
    harness.run();
    assert_eq!(harness.boot_report().audit_record.get(), 1);
}

#[test]
fn the_record_can_be_read_from_anywhere() {
    let mut harness = Harness::started();
    for id in 1..=30 {
        enter(&mut harness, &flag(id, FlagKind::Hung, 1));
    }
    enter(&mut harness, &acknowledgement(3, FlagKind::Hung, 1, r#"a "word" with \"#));
    harness.verify(0);
    for restarted in [false, true] {
        if restarted {
            harness = restart(harness);
        }
        let records = if restarted { 35 } else { 34 };
        let (events, end) = history(&mut harness, 0, 3);
        let kinds: Vec<_> = events.iter().map(|event| (event.sequence.get(), event.entry.kind)).collect();
        let expected = [(0, Kind::Genesis as u8), (1, Kind::Boot as u8), (2, Kind::Flag as u8)];
        assert_eq!((kinds, end), (expected.to_vec(), records));
        assert_eq!((events[2].entry.flag.get(), events[2].entry.volume), (1, 1));

        let (events, _) = history(&mut harness, 31, 3);
        let [flag, acknowledgement, result] = &events[..] else { panic!("{events:?}") };
        assert_eq!((flag.sequence.get(), flag.entry.flag.get()), (31, 30));
        let entry = &acknowledgement.entry;
        assert_eq!((entry.kind, entry.flag.get()), (Kind::Acknowledgement as u8, 3));
        assert_eq!(&entry.reason[..entry.reason_len.into()], br#"a "word" with \"#);
        let entry = &result.entry;
        assert_eq!((entry.kind, entry.verdict), (Kind::AuditResult as u8, Ending::Clean as u8));
        assert_eq!((entry.verified, entry.records.get(), entry.volume), (Op::VerifyFull as u8, 8, 0));

        let (latest, _) = history(&mut harness, NO_RECORD, u32::MAX);
        assert_eq!((latest.len(), latest.last().unwrap().sequence.get()), (HISTORY_MAX, records - 1));
        assert_eq!(history(&mut harness, 1000, 5).0, []);
        assert_eq!(history(&mut harness, 0, 0).0, []);
    }
}

#[test]
fn a_damaged_or_missing_record_ends_a_history() {
    let mut harness = Harness::started();
    for id in 1..=10 {
        enter(&mut harness, &flag(id, FlagKind::Hung, 1));
    }
    let byte = harness.audit_disk().volume.range(Area::Ledger, 6, 1).start + 10;
    harness.audit_disk().volume.bytes[byte] ^= 1;
    let (events, end) = history(&mut harness, 0, 24);
    assert_eq!((events.len(), end), (7, 12), "those before it");
    harness.audit_disk().unreadable.push((Area::Ledger, 0));
    assert_eq!(history(&mut harness, 0, 24).0, []);
    let mut harness = Harness::new(vec![archive_volume("contracts"), audit_volume()]);
    harness.audit_disk().state = VolumeState::NoDisk;
    harness.start();
    assert_eq!(history(&mut harness, NO_RECORD, 24), (Vec::new(), 0));
}

#[test]
fn a_damaged_audit_record_tells_what_comes_before_the_damage() {
    let mut harness = Harness::started();
    for id in 1..=10 {
        enter(&mut harness, &flag(id, FlagKind::Hung, 1));
    }
    let byte = harness.audit_disk().volume.range(Area::Ledger, 10, 1).start + 300;
    harness.audit_disk().volume.bytes[byte] ^= 1;
    let mut harness = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    let boot = harness.start();
    assert_eq!((verdict(&boot), boot.audit_record.get()), (Some(Ending::NotRecorded), NO_RECORD));
    assert!(!harness.flags.is_empty() && harness.flags.len() < 10, "{} flags", harness.flags.len());
    assert_eq!(harness.vault.commits, 0, "nothing is added to it");
}
