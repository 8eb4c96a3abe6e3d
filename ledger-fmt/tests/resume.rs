//! Walks that do not begin at the first run: what came after a point, and stretches of what came before.

use ledger_fmt::batch_header::Frontier;
use ledger_fmt::layout::{Area, BLOCK_SIZE};
use ledger_fmt::testing::{Seen, TestVolume, batch};
use ledger_fmt::verify::{Finding, FindingKind, Mode, Point, Verifier};

/// A volume with this many batches of one document behind the genesis.
fn volume(documents: usize) -> TestVolume {
    let mut volume = TestVolume::new("contracts");
    grow(&mut volume, documents, 1);
    volume
}

fn grow(volume: &mut TestVolume, documents: usize, seed: u8) {
    for i in 0..documents {
        volume.document("a document", &vec![seed + i as u8; 3000 * (1 + i % 3)]);
        if i % 4 == 3 {
            volume.checkpoint();
        }
        volume.commit();
    }
    volume.hint(0);
    volume.hint(1);
}

fn see(volume: &TestVolume, verifier: Verifier) -> Seen {
    batch(verifier, |range| volume.bytes.get(range))
}

fn resume(volume: &TestVolume, claimed: Frontier, point: &Point) -> Seen {
    see(volume, Verifier::resume(&volume.superblock, claimed, Mode::Full, point))
}

/// The point at which a clean volume ends.
fn end(volume: &TestVolume) -> Point {
    let seen = volume.audit();
    assert_eq!(seen.findings, []);
    seen.point.unwrap()
}

/// All of a volume in stretches of at least `bytes`: the findings, and how many stretches there were.
fn stretches(volume: &TestVolume, upto: &Point, bytes: u64) -> (Vec<Finding>, usize) {
    let (mut point, mut findings, mut count) = (Point { tree: None, ..Point::START }, Vec::new(), 0);
    while point.frontier.ledger_next < upto.frontier.ledger_next {
        let seen = see(volume, Verifier::sample(&volume.superblock, upto.frontier, &point, bytes));
        let next = seen.point.unwrap();
        assert!(next.frontier.ledger_next > point.frontier.ledger_next, "it moves on");
        (point, count) = (next, count + 1);
        findings.extend(seen.findings);
    }
    (findings, count)
}

#[test]
fn what_came_later_leads_to_the_same_end_as_a_walk_over_everything() {
    let mut volume = volume(5);
    let first = end(&volume);
    let seen = resume(&volume, volume.frontier, &first);
    assert_eq!(seen.findings, []);
    assert_eq!(seen.point, Some(first));
    assert_eq!(seen.summary.unwrap().bytes_read, 3 * BLOCK_SIZE as u64, "superblock and hints");

    grow(&mut volume, 7, 100);
    let seen = resume(&volume, volume.frontier, &first);
    assert_eq!(seen.findings, []);
    assert_eq!(seen.records.first().unwrap().0, first.head.records);
    assert_eq!(seen.point, Some(end(&volume)));
    volume.seal();
    assert_eq!(resume(&volume, volume.frontier, &first).findings, []);
}

#[test]
fn an_older_hint_is_no_finding_behind_a_point() {
    let mut volume = volume(3);
    volume.hint(0);
    grow(&mut volume, 2, 50);
    let point = end(&volume);
    // Slot 0 now names a frontier from before the point.
    let mut old = self::volume(3);
    old.hint(0);
    let range = old.range(Area::Volume, 1, 1);
    volume.bytes[range.clone()].copy_from_slice(&old.bytes[range]);
    assert_eq!(resume(&volume, volume.frontier, &point).findings, []);
}

#[test]
fn every_stretch_together_is_the_whole_volume() {
    let volume = volume(12);
    let upto = end(&volume);
    for (bytes, at_least) in [(1, 12), (20_000, 3), (u64::MAX, 1)] {
        let (findings, count) = stretches(&volume, &upto, bytes);
        assert_eq!(findings, []);
        assert!(count >= at_least && (bytes < u64::MAX || count == 1), "{count} stretches of {bytes} bytes");
    }
    for (area, blocks) in
        [(Area::Ledger, volume.frontier.ledger_next), (Area::Assets, volume.frontier.assets_next)]
    {
        for block in 0..blocks {
            let mut damaged = volume.clone();
            let byte = damaged.range(area, block, 1).start + 77;
            damaged.bytes[byte] ^= 4;
            let (findings, _) = stretches(&damaged, &upto, 20_000);
            assert!(
                findings.iter().any(|finding| finding.area == area && finding.block <= block),
                "{area:?} {block}"
            );
        }
    }
}

#[test]
fn a_volume_that_lost_what_was_seen_of_it_is_a_rollback() {
    let old = volume(4);
    let mut newer = old.clone();
    grow(&mut newer, 3, 40);
    let seen_at = end(&newer);
    let block = seen_at.frontier.ledger_next - 1;
    let rollback = [Finding { kind: FindingKind::Rollback, area: Area::Ledger, block, record: None }];
    // The vault claims the older frontier: all of it is sound.
    let mut verifier = Verifier::new(&old.superblock, Some(old.frontier), Mode::Full);
    verifier.remember(&seen_at);
    assert_eq!(see(&old, verifier).findings, rollback);
    let seen = resume(&old, old.frontier, &seen_at);
    assert_eq!(seen.findings.first().map(|finding| finding.kind), Some(FindingKind::Rollback));
    // Since then it has another history, as long as the one seen, or longer.
    for (documents, place) in [(3, block), (5, seen_at.frontier.ledger_next)] {
        let mut other = old.clone();
        grow(&mut other, documents, 90);
        let mut verifier = Verifier::new(&other.superblock, Some(other.frontier), Mode::Full);
        verifier.remember(&seen_at);
        let seen = see(&other, verifier);
        assert_eq!(seen.findings.first(), rollback.first(), "{documents} documents");
        let seen = resume(&other, other.frontier, &seen_at);
        assert_eq!(
            seen.findings.first().map(|found| (found.kind, found.block)),
            Some((FindingKind::Rollback, place))
        );
    }
    let mut verifier = Verifier::new(&newer.superblock, Some(newer.frontier), Mode::Full);
    verifier.remember(&end(&old));
    assert_eq!(see(&newer, verifier).findings, [], "it goes through what was seen");
    // The batch headers are those seen, the records under their checksums are not.
    let mut other = end(&old);
    other.head.hash[0] ^= 1;
    for volume in [&old, &newer] {
        let mut verifier = Verifier::new(&volume.superblock, Some(volume.frontier), Mode::Full);
        verifier.remember(&other);
        let block = old.frontier.ledger_next - 1;
        let rollback = [Finding { kind: FindingKind::Rollback, area: Area::Ledger, block, record: None }];
        assert_eq!(see(volume, verifier).findings, rollback);
    }
}
