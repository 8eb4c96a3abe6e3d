//! The auditor between fake peers, over real shared regions and volumes in memory.

mod harness;
mod incremental;
mod record;
mod state;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::layout::{Area, HINT_BLOCKS, SUPERBLOCK};
use ledger_fmt::verify::FindingKind;
use totebox_manifest::LinkKind;
use totebox_protocol::audit::{self, Ending, NO_RECORD};
use totebox_protocol::lifecycle::ArchiveState;
use totebox_protocol::vault::VolumeState;
use totebox_shm::testing::mapped;
use totebox_testing::TestManifest;

use super::*;
use harness::{Harness, archive_volume, audit_volume, full_audit_volume, key_region, place};

/// The audit volume's number in most tests.
const AUDIT: u8 = 2;

fn verdict(report: &audit::Report) -> Option<Ending> {
    Ending::from_wire(report.verdict)
}

#[test]
fn a_clean_volume_is_reported_with_what_was_computed_and_recorded() {
    let mut harness = Harness::started();
    harness.time.publish(&Time { wall_ms: 5.into(), uptime_ms: 1000.into(), ticks: 0.into() });
    harness.ask(1, 9);
    harness.time.publish(&Time { wall_ms: 5.into(), uptime_ms: 1250.into(), ticks: 0.into() });
    harness.run();
    let (report, verified) = harness.reports()[0];
    assert_eq!((report.volume, report.tag.get(), report.audit_record.get()), (1, 9, 2));
    assert_eq!((verdict(&report), report.finding, report.findings.get()), (Some(Ending::Clean), 0, 0));
    assert_eq!((report.records.get(), report.record.get(), report.duration_ms.get()), (8, NO_RECORD, 250));
    let volume = archive_volume("finance");
    assert_eq!((verified.head, verified.root), (volume.head.hash, volume.tree.root()));
    let committed = 3 + volume.frontier.ledger_next + volume.frontier.assets_next;
    assert_eq!(report.bytes.get(), committed * 4096, "every committed byte was read, and no other, once");

    let record = harness.audit_record();
    assert_eq!(record.len(), 2);
    assert!(record[0].contains(r#""archives":2"#), "the boot record");
    assert!(
        record[1].starts_with(r#"{"to":8,"from":0,"#) && record[1].contains(r#""audit":"full""#),
        "{}",
        record[1]
    );
    assert!(
        record[1].contains(r#""batches":6,"records":8},"audit""#)
            && record[1].contains(r#""archive":"finance","verdict":"clean""#),
        "{}",
        record[1]
    );
    assert!(harness.vault.waiting_max > 2, "blocks are asked for ahead of the verifier");
    assert!(harness.kernel.notified.contains(&harness.orchestrator));
}

#[test]
fn one_flipped_bit_is_a_mismatch_with_its_place() {
    let volume = archive_volume("contracts");
    let ledger = |block, offset| volume.range(Area::Ledger, block, 1).start + offset;
    let asset = |block| volume.range(Area::Assets, block, 1).start;
    let hint = volume.range(Area::Volume, HINT_BLOCKS[1], 1).start;
    let (in_volume, in_ledger, in_assets) = (Area::Volume as u8, Area::Ledger as u8, Area::Assets as u8);
    for (byte, expected) in [
        (9, (FindingKind::Superblock, in_volume, SUPERBLOCK, None)),
        (hint + 20, (FindingKind::Hint, in_volume, HINT_BLOCKS[1], None)),
        (ledger(0, 40), (FindingKind::BatchHeader, in_ledger, 0, None)),
        (ledger(0, 256 + 140), (FindingKind::Record, in_ledger, 0, Some(0))),
        (asset(0), (FindingKind::Asset, in_assets, 0, Some(2))),
        (asset(4), (FindingKind::Asset, in_assets, 4, Some(5))),
    ] {
        let mut harness = Harness::started();
        harness.vault.disks[0].volume.bytes[byte] ^= 0x10;
        let (report, _) = harness.verify(0);
        let (kind, area, block, record) = expected;
        assert_eq!(verdict(&report), Some(Ending::Mismatch), "{kind:?}");
        assert_eq!(place(&report), (kind as u8, area, block, record));
        assert!(report.findings.get() > 0);
        assert_eq!(report.audit_record.get(), 2);
        let record = harness.audit_record();
        let text = [r#""verdict":"mismatch","findings":"#, kind.name()];
        assert!(text.iter().all(|text| record[1].contains(text)), "{}", record[1]);
        assert_eq!(verdict(&harness.verify(1).0), Some(Ending::Clean), "the sibling is whole");
    }
}

#[test]
fn a_sealed_volume_is_clean_on_a_disk_that_can_be_written_or_not() {
    for state in [VolumeState::Sealed, VolumeState::ReadOnly] {
        let mut harness = Harness::started();
        harness.vault.disks[0].volume.seal();
        harness.vault.disks[0].state = state;
        assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Clean), "{state:?}");
    }
}

#[test]
fn a_frontier_beyond_the_ledger_is_a_mismatch() {
    let mut harness = Harness::started();
    let mut claimed = harness.vault.disks[0].volume.frontier;
    (claimed.ledger_next, claimed.batches) = (claimed.ledger_next + 1, claimed.batches + 1);
    harness.vault.disks[0].claimed = Some(claimed);
    let (report, _) = harness.verify(0);
    assert_eq!(verdict(&report), Some(Ending::Mismatch));
    assert_eq!(report.area, Area::Ledger as u8);
    assert_eq!(report.block.get(), claimed.ledger_next - 1);
}

#[test]
fn an_unavailable_volume_is_unreadable() {
    let mut harness = Harness::started();
    harness.vault.disks[0].state = VolumeState::NoDisk;
    let (report, _) = harness.verify(0);
    assert_eq!(verdict(&report), Some(Ending::Unreadable));
    assert_eq!(report.finding, FindingKind::Unreadable as u8);
    assert_eq!(report.audit_record.get(), 2);
    assert_eq!(verdict(&harness.verify(1).0), Some(Ending::Clean), "the sibling can be read");
}

#[test]
fn blocks_that_cannot_be_read_are_named_one_by_one() {
    for bad in [(Area::Ledger, 2), (Area::Assets, 0), (Area::Assets, 9)] {
        let mut harness = Harness::started();
        harness.vault.disks[0].unreadable.push(bad);
        let (report, _) = harness.verify(0);
        assert_eq!(report.finding, FindingKind::Unreadable as u8, "{bad:?}");
        assert_eq!((report.area, report.block.get()), (bad.0 as u8, bad.1));
        assert_eq!(report.records.get(), if bad.0 == Area::Assets { 8 } else { report.records.get() });
    }
}

#[test]
fn a_full_audit_volume_is_reported_and_verification_goes_on() {
    let mut harness = Harness::new(vec![archive_volume("contracts"), full_audit_volume()]);
    assert_eq!(harness.start().audit_record.get(), NO_RECORD);
    let (report, _) = harness.verify(0);
    assert_eq!((verdict(&report), report.audit_record.get()), (Some(Ending::Clean), NO_RECORD));
    assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Clean), "again");
    assert_eq!(harness.vault.commits, 0, "nothing was overwritten");
    let (report, _) = harness.verify(1);
    assert_eq!(verdict(&report), Some(Ending::Clean), "the audit volume itself");
}

#[test]
fn without_an_audit_volume_verification_goes_on() {
    for state in [VolumeState::NoDisk, VolumeState::Foreign, VolumeState::ReadOnly] {
        let mut harness = Harness::new(vec![archive_volume("contracts"), audit_volume()]);
        harness.audit_disk().state = state;
        let boot = harness.start();
        assert_eq!((verdict(&boot), boot.audit_record.get()), (Some(Ending::NotRecorded), NO_RECORD));
        let (report, _) = harness.verify(0);
        assert_eq!((verdict(&report), report.audit_record.get()), (Some(Ending::Clean), NO_RECORD), "{state:?}");
    }
}

#[test]
fn an_audit_ledger_that_fails_in_use_is_reported() {
    let mut harness = Harness::started();
    assert_eq!(harness.verify(0).0.audit_record.get(), 2);
    // From here on the vault's answer to a commit is not what the writer expects.
    harness.audit_disk().volume.frontier.batches += 1;
    let (report, _) = harness.verify(0);
    assert_eq!((verdict(&report), report.audit_record.get()), (Some(Ending::Clean), NO_RECORD));
}

#[test]
fn the_next_start_continues_the_audit_record() {
    let mut harness = Harness::started();
    harness.verify(0);
    let audit = harness.audit_disk().volume.clone();
    let mut harness = Harness::new(vec![archive_volume("contracts"), archive_volume("finance"), audit]);
    let boot = harness.start();
    assert_eq!((verdict(&boot), boot.audit_record.get()), (Some(Ending::Recorded), 3));
    assert_eq!(harness.opened.records.get(), 4);
    assert_eq!(harness.verify(1).0.audit_record.get(), 4);
    assert_eq!(harness.audit_record().len(), 4);
}

#[test]
fn the_audit_volume_itself_is_verified_up_to_where_it_was_asked() {
    let mut harness = Harness::started();
    harness.verify(0);
    let (report, _) = harness.verify(AUDIT);
    assert_eq!((verdict(&report), report.records.get()), (Some(Ending::Clean), 3));
    assert_eq!(report.audit_record.get(), 3);

    let frontier = harness.audit_disk().volume.frontier;
    let range = harness.audit_disk().volume.range(Area::Ledger, frontier.ledger_next - 1, 1);
    harness.audit_disk().volume.bytes[range.start + 300] ^= 1;
    let (report, _) = harness.verify(AUDIT);
    assert_eq!((verdict(&report), report.block.get()), (Some(Ending::Mismatch), frontier.ledger_next - 1));
}

/// The health page an archive with this volume publishes when it has `records` records.
fn health(records: u64, head: ledger_fmt::Hash, root: ledger_fmt::Hash) -> Health {
    let mut health = Health::new_zeroed();
    (health.state, health.recorded) = (ArchiveState::Active as u8, ArchiveState::Active as u8);
    (health.records, health.head, health.root) = (records.into(), head, root);
    health
}

/// The hash of a record and the root of the tree up to it.
fn head_at(records: u64) -> (ledger_fmt::Hash, ledger_fmt::Hash) {
    let volume = archive_volume("contracts");
    let seen = volume.audit();
    let mut tree = ledger_fmt::tree::Edge::EMPTY;
    let mut head = ledger_fmt::ZERO_HASH;
    for &(_, block, offset) in &seen.records[..records as usize] {
        let from = volume.range(Area::Ledger, block, 1).start + offset;
        head = ledger_fmt::record::Record::decode(&volume.bytes[from..]).unwrap().0.hash;
        tree.push(&head);
    }
    (head, tree.root())
}

#[test]
fn a_true_claim_is_no_finding_however_far_it_lags() {
    for records in [0, 1, 5, 8] {
        let mut harness = Harness::started();
        let (head, root) = head_at(records);
        harness.health[0].publish(&health(records, head, root));
        assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Clean), "{records} records");
    }
}

#[test]
fn a_claim_the_ledger_does_not_bear_out_is_a_head_disagreement() {
    let (head, root) = head_at(8);
    let other = [1; 32];
    for (claim, record) in [
        (health(8, other, root), 7),
        (health(8, head, other), 7),
        (health(9, head, root), 8),
        (health(u64::MAX, head, root), u64::MAX - 1),
        (health(5, head, root), 4),
    ] {
        let mut harness = Harness::started();
        harness.health[0].publish(&claim);
        let (report, _) = harness.verify(0);
        assert_eq!(verdict(&report), Some(Ending::Mismatch), "{claim:?}");
        assert_eq!((report.finding, report.findings.get()), (FindingKind::HeadDisagreement as u8, 1));
        assert_eq!(report.record.get(), record);

        harness.health[0].publish(&Health { state: ArchiveState::Starting as u8, ..claim });
        assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Clean), "no claim before it is in service");
    }
}

#[test]
fn commits_that_happen_meanwhile_are_no_finding() {
    let mut harness = Harness::started();
    let (head, root) = head_at(8);
    harness.health[0].publish(&health(8, head, root));
    harness.ask(0, 5);
    let mut commits = 0;
    while harness.reports.available() == Ok(0) {
        assert!(harness.step());
        if commits < 20 {
            let volume = &mut harness.vault.disks[0].volume;
            volume.document("meanwhile", b"more");
            volume.commit();
            volume.hint(commits % 2);
            let claim = health(volume.head.records, volume.head.hash, volume.tree.root());
            harness.health[0].publish(&claim);
            commits += 1;
        }
    }
    let (report, _) = harness.reports()[0];
    assert!(commits > 5, "the verification took several steps");
    assert_eq!(verdict(&report), Some(Ending::Clean), "{:?}", place(&report));
    harness.run();
    assert_eq!(harness.verify(0).0.records.get(), 8 + commits as u64);
}

#[test]
fn verifications_wait_for_their_turn() {
    let mut harness = Harness::started();
    for volume in 0..3 {
        harness.ask(volume, 100 + u32::from(volume));
    }
    harness.run();
    let reports = harness.reports();
    let order: Vec<_> = reports.iter().map(|(report, _)| (report.volume, report.tag.get())).collect();
    assert_eq!(order, [(0, 100), (1, 101), (2, 102)]);
    let recorded: Vec<_> = reports.iter().map(|(report, _)| report.audit_record.get()).collect();
    assert_eq!(recorded, [2, 3, 4]);
    assert!(reports.iter().all(|(report, _)| verdict(report) == Some(Ending::Clean)));
}

#[test]
fn requests_that_are_not_served_say_so() {
    let mut plain = audit::Request::new_zeroed();
    (plain.op, plain.tag) = (audit::Op::VerifyFull as u8, 6.into());
    for request in [
        audit::Request { op: audit::Op::RestoreVolume as u8, ..plain },
        audit::Request { op: audit::Op::RestoreFlag as u8, ..plain },
        audit::Request { op: audit::Op::History as u8, len: 8.into(), ..plain },
        audit::Request { op: audit::Op::Record as u8, ..plain },
        audit::Request { op: 0, ..plain },
        audit::Request { volume: 3, ..plain },
        audit::Request { volume: 255, ..plain },
        audit::Request { len: 1.into(), ..plain },
        audit::Request { reserved_tail: [9; 40], ..plain },
    ] {
        let mut harness = Harness::started();
        harness.send(&request);
        let (report, _) = harness.reports()[0];
        assert_eq!(verdict(&report), Some(Ending::NotVerified), "{request:?}");
        assert_eq!((report.op, report.volume, report.tag.get()), (request.op, request.volume, 6));
        assert_eq!((report.audit_record.get(), report.findings.get()), (NO_RECORD, 0));
        assert_eq!(verdict(&harness.verify(0).0), Some(Ending::Clean), "the next request is served");
    }
}

#[test]
fn reports_nobody_takes_are_kept_and_nothing_is_lost() {
    let mut harness = Harness::started();
    let mut request = audit::Request::new_zeroed();
    for tag in 0..90u32 {
        request.tag = tag.into();
        while !harness.requests.send(zerocopy::IntoBytes::as_bytes(&request), &[]).unwrap() {
            harness.notify(harness.orchestrator);
        }
    }
    harness.notify(harness.orchestrator);
    let mut tags = Vec::new();
    while tags.len() < 90 {
        let reports = harness.reports();
        assert!(!reports.is_empty(), "after {} reports", tags.len());
        tags.extend(reports.iter().map(|(report, _)| report.tag.get()));
        harness.notify(harness.orchestrator);
    }
    assert_eq!(tags, (0..90).collect::<Vec<_>>());
}

#[test]
fn a_volume_still_recovering_is_waited_for() {
    let mut harness = Harness::new(vec![archive_volume("contracts"), audit_volume()]);
    for disk in &mut harness.vault.disks {
        disk.state = VolumeState::Recovering;
    }
    harness.auditor.start(&mut harness.kernel);
    harness.ask(0, 3);
    harness.run();
    assert!(harness.reports().is_empty());

    for disk in &mut harness.vault.disks {
        disk.state = VolumeState::Ready;
    }
    harness.notify(harness.vault_channel);
    harness.run();
    let reports = harness.reports();
    let verdicts: Vec<_> = reports.iter().map(|(report, _)| verdict(report)).collect();
    assert_eq!(verdicts[2..], [Some(Ending::Recorded), Some(Ending::Clean)], "behind what is told of each volume");
}

#[test]
fn a_vault_that_breaks_its_protocol_ends_every_verification_with_a_verdict() {
    let mut harness = Harness::started();
    harness.ask(0, 1);
    assert!(harness.step());
    harness.vault.region.store(0, u64::MAX);
    harness.notify(harness.vault_channel);
    harness.ask(1, 2);
    let reports = harness.reports();
    assert_eq!(reports.len(), 2);
    for (report, _) in reports {
        assert_eq!(verdict(&report), Some(Ending::Unreadable));
        assert_eq!((report.finding, report.audit_record.get()), (FindingKind::Unreadable as u8, NO_RECORD));
    }
}

#[test]
fn an_orchestrator_that_breaks_its_protocol_stops_nothing() {
    let mut harness = Harness::started();
    harness.ask(0, 1);
    harness.orchestrator_region.store(0, u64::MAX);
    harness.notify(harness.orchestrator);
    harness.run();
    let record: Vec<String> = harness.audit_record().iter().map(|payload| String::from(&**payload)).collect();
    assert!(record[1].contains(r#""archive":"contracts""#), "what was asked before is recorded: {record:?}");
}

#[test]
fn a_manifest_without_a_peer_or_an_audit_volume_is_refused() {
    let mut description = TestManifest::new(Role::Auditor);
    let error = |description: &TestManifest| {
        let bytes = description.bytes();
        Auditor::new(&Manifest::parse(&bytes).unwrap(), mapped()).err()
    };
    assert_eq!(error(&description), Some(SetupError::Volumes));
    description.volume("audit");
    assert_eq!(error(&description), Some(SetupError::Link(Role::Clock, LinkKind::Page)));
    description.link(Role::Clock, 0, LinkKind::Page);
    assert_eq!(error(&description), Some(SetupError::Link(Role::Vault, LinkKind::Queue)));
    description.link(Role::Vault, 0, LinkKind::Queue);
    assert_eq!(error(&description), Some(SetupError::Link(Role::Orchestrator, LinkKind::Queue)));
    description.link(Role::Orchestrator, 0, LinkKind::Queue);
    assert_eq!(error(&description), Some(SetupError::Key));
    description.signing_key = key_region(1);
    assert_eq!(error(&description), None);
}

/// A volume with so many documents of one block each, in one batch each.
fn documents(count: u64) -> ledger_fmt::testing::TestVolume {
    let mut volume = ledger_fmt::testing::TestVolume::blank("contracts", 256);
    volume.hint(0);
    volume.genesis();
    volume.commit();
    for number in 0..count {
        volume.document("document", &[number as u8; 300]);
        volume.commit();
    }
    volume.hint(1);
    volume
}

#[test]
fn findings_beyond_the_first_eight_are_counted_told_recorded_and_remembered() {
    const DOCUMENTS: u64 = 80;
    let mut harness = Harness::new(vec![documents(DOCUMENTS), audit_volume()]);
    harness.start();
    // Every other document, so that none of them stands beside another.
    let damaged: Vec<u64> = (0..DOCUMENTS).step_by(2).collect();
    for block in &damaged {
        let byte = harness.vault.disks[0].volume.range(Area::Assets, *block, 1).start;
        harness.vault.disks[0].volume.bytes[byte] ^= 1;
    }
    let (report, verified) = harness.verify(0);
    assert_eq!((verdict(&report), report.findings.get()), (Some(Ending::Mismatch), 40));
    let first: Vec<u64> = verified.findings.iter().map(|place| place.block.get()).collect();
    assert_eq!(first, damaged[..8]);
    let more = audit::in_use(&verified.more);
    let blocks: Vec<_> = more.iter().map(|range| (range.block.get(), range.last_block.get())).collect();
    let expected: Vec<_> = damaged[8..].iter().map(|block| (*block, *block)).collect();
    assert_eq!((blocks, audit::findings_in(more)), (expected, 32), "each of the others");
    let (record, last_record) = (more[0].record.get(), more[0].last_record.get());
    assert_eq!((record, last_record), (damaged[8] + 1, damaged[8] + 1));

    let text = &harness.audit_record()[1];
    let recorded: Vec<_> = text.matches(r#"{"area":"assets","kind":"asset","block":"#).collect();
    assert_eq!(recorded.len(), 1 + 32, "the first, and each beyond the first eight: {text}");

    let mut harness = Harness::new(harness.vault.disks.into_iter().map(|disk| disk.volume).collect());
    harness.start();
    let (last, remembered) = harness.restored[0];
    assert_eq!((last.findings.get(), remembered.more), (40, verified.more));
    assert_eq!(harness.restored[1].1.more, audit::NO_RANGES);
}
