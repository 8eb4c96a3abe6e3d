//! The verifier on whole, damaged, torn and hostile volumes.

use std::cell::Cell;

use ledger_fmt::ZERO_HASH;
use ledger_fmt::batch_header::{Frontier, STAMP_SIZE};
use ledger_fmt::checkpoint;
use ledger_fmt::hash;
use ledger_fmt::hash::ContentHash;
use ledger_fmt::layout::{Area, BLOCK_SIZE, Superblock};
use ledger_fmt::payload::{Content, DOCUMENT_NAME_MAX, Document, PAYLOAD_MAX, Stated, TreeHead};
use ledger_fmt::record::{HEADER_SIZE, Kind, Record, padded_len};
use ledger_fmt::testing::{Seen, TestVolume, verify, verify_with};
use ledger_fmt::verify::{Finding, FindingKind, Mode, Verifier, Visitor};

/// Text of `len` bytes, different for every `seed`.
fn text(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) | 1).collect()
}

/// A small volume with everything in it: batches of one and of several records and blocks, empty, short and
/// long documents, a checkpoint, a correction, blocks no record refers to, and a seal; hints up to its end.
fn reference() -> TestVolume {
    let mut volume = TestVolume::new("contracts");
    volume.document("first.txt", &text(1, 10));
    volume.document("empty", b"");
    volume.document("two blocks", &text(2, 5000));
    volume.commit();
    volume.append(&text(3, 4096));
    volume.document("a name with ünïcode", &text(4, 4096));
    volume.append(&text(5, 100));
    volume.commit();
    volume.checkpoint();
    volume.commit();
    for i in 0..40 {
        volume.transition("active", "suspended", &format!("round {i}"));
    }
    volume.commit();
    let superseding = volume.append(&text(6, 3));
    let correction = Document { name: "first.txt", content: Some(superseding), supersedes: Some(1) };
    volume.add_document(&correction);
    volume.checkpoint();
    volume.commit();
    volume.seal();
    volume.hint(0);
    volume.hint(1);
    volume
}

fn kinds(seen: &Seen) -> Vec<FindingKind> {
    seen.findings.iter().map(|finding| finding.kind).collect()
}

fn finding(kind: FindingKind, area: Area, block: u64, record: Option<u64>) -> Finding {
    Finding { kind, area, block, record }
}

#[test]
fn a_whole_volume_is_clean_and_everything_in_it_is_seen() {
    let volume = reference();
    for seen in [volume.audit(), volume.verify()] {
        assert_eq!(seen.findings, []);
        let summary = seen.summary.unwrap();
        assert_eq!(summary.frontier, volume.frontier);
        assert_eq!((summary.records, summary.head), (volume.head.records, volume.head.hash));
        assert_eq!(summary.tree.root(), volume.tree.root());
        assert_eq!((summary.documents, summary.content_bytes), (5, 10 + 5000 + 4096 + 3));
        assert_eq!(summary.tail, None);
        let sequences: Vec<u64> = seen.records.iter().map(|record| record.0).collect();
        assert_eq!(sequences, (0..volume.head.records).collect::<Vec<_>>());
        assert_eq!(seen.contents.len(), 5);
        assert_eq!(seen.contents[2], (3, text(2, 5000)));
    }
    // Superblock and hints, ledger, assets; a block whose neighbours belong to no record is read again.
    let expected = (3 + volume.frontier.ledger_next + volume.frontier.assets_next + 1) * BLOCK_SIZE as u64;
    assert_eq!(volume.audit().summary.unwrap().bytes_read, expected);
}

#[test]
fn a_listing_reads_no_assets() {
    let mut volume = reference();
    for range in volume.ranges(Area::Assets, 0, volume.frontier.assets_next) {
        volume.bytes[range].fill(0xff);
    }
    let seen = verify(&volume.bytes, &volume.superblock, None, Mode::Ledger);
    assert_eq!((seen.findings.len(), seen.records.len() as u64), (0, volume.head.records));
}

#[test]
fn a_blank_volume_is_clean_and_not_searched() {
    let volume = TestVolume::blank("new", 65536);
    let summary = volume.verify().summary.unwrap();
    assert_eq!((summary.findings, summary.records, summary.tail), (0, 0, None));
    assert!(summary.bytes_read <= 11 * BLOCK_SIZE as u64);
    assert_eq!(volume.audit().findings, []);
}

/// Where a byte of the reference volume belongs, written down without the verifier: the finding that must
/// come when it changes.
fn owner(volume: &TestVolume, clean: &Seen, position: usize) -> Option<Finding> {
    let (area, block) = volume.owner((position / BLOCK_SIZE) as u64);
    let ledger = volume.layout.space.start as usize * BLOCK_SIZE;
    match area {
        Area::Volume => {
            let kind = if block == 0 { FindingKind::Superblock } else { FindingKind::Hint };
            return Some(finding(kind, Area::Volume, block, None));
        }
        Area::Input => return None,
        Area::Ledger if block >= volume.frontier.ledger_next => return None,
        Area::Ledger => {
            let at = position - ledger;
            for &(sequence, block, offset) in &clean.records {
                let start = block as usize * BLOCK_SIZE + offset;
                let (record, len) = Record::decode(&volume.bytes[ledger + start..]).unwrap();
                assert_eq!((record.header.sequence.get(), len), (sequence, padded_len(record.payload.len())));
                if (start..start + len).contains(&at) {
                    return Some(finding(FindingKind::Record, Area::Ledger, block, Some(sequence)));
                }
            }
            let starts = volume.bytes[position / BLOCK_SIZE * BLOCK_SIZE..].starts_with(b"TBXSTAMP");
            let header = starts && at % BLOCK_SIZE < STAMP_SIZE;
            let kind = if header { FindingKind::BatchHeader } else { FindingKind::Record };
            return Some(finding(kind, Area::Ledger, block, None));
        }
        Area::Assets => {}
    }
    let at = block as usize * BLOCK_SIZE + position % BLOCK_SIZE;
    for &(sequence, ledger_block, offset) in &clean.records {
        let start = volume.range(Area::Ledger, ledger_block, 1).start + offset;
        let document = Record::decode(&volume.bytes[start..]).unwrap().0.document();
        let Some(content) = document.and_then(|document| document.content) else { continue };
        let (first, len) = (content.block, content.size as usize);
        let from = first as usize * BLOCK_SIZE;
        if (from..from + len).contains(&at) {
            return Some(finding(FindingKind::Asset, Area::Assets, first, Some(sequence)));
        }
        if (from + len..from + len.next_multiple_of(BLOCK_SIZE)).contains(&at) {
            return Some(finding(FindingKind::Asset, Area::Assets, block, Some(sequence)));
        }
    }
    // Blocks 3 and 5, which no record refers to: the batch's checksum covers both, and the first is named.
    assert!(block == 3 || block == 5);
    Some(finding(FindingKind::Asset, Area::Assets, 3, None))
}

#[test]
fn one_flipped_bit_in_any_committed_byte_is_found_and_located() {
    let mut volume = reference();
    let clean = volume.audit();
    let mut covered = 0;
    for position in 0..volume.bytes.len() {
        let Some(expected) = owner(&volume, &clean, position) else { continue };
        covered += 1;
        let bit = 1 << (position % 8);
        volume.bytes[position] ^= bit;
        let seen = volume.audit();
        volume.bytes[position] ^= bit;
        assert_eq!(seen.findings, [expected], "bit flipped in byte {position}");
        // Everything else stays readable.
        let lost = usize::from(expected.kind == FindingKind::Record && expected.record.is_some());
        assert_eq!(seen.records.len(), clean.records.len() - lost, "bit flipped in byte {position}");
        let asset = expected.kind == FindingKind::Asset;
        assert!(seen.contents.len() + lost + usize::from(asset) >= clean.contents.len());
    }
    let blocks = 3 + volume.frontier.ledger_next + volume.frontier.assets_next;
    assert_eq!(covered as u64, blocks * BLOCK_SIZE as u64);
}

#[test]
fn offline_the_same_bits_are_found_as_the_hints_cover_all() {
    let mut volume = reference();
    let clean = volume.verify();
    for position in (0..volume.bytes.len()).step_by(61) {
        if owner(&volume, &clean, position).is_none() {
            continue;
        }
        volume.bytes[position] ^= 0x10;
        let (offline, audited) = (volume.verify(), volume.audit());
        volume.bytes[position] ^= 0x10;
        assert_eq!(offline.findings, audited.findings, "bit flipped in byte {position}");
        assert_eq!(offline.findings.len(), 1);
    }
}

/// A volume with three batches behind its newest hint.
fn hinted_behind() -> TestVolume {
    let mut volume = TestVolume::new("finance");
    volume.hint(1);
    for i in 0..3 {
        volume.document(&format!("{i}"), &text(i, 9000));
        volume.commit();
    }
    volume
}

#[test]
fn a_torn_batch_behind_the_hint_is_a_tail_offline_and_damage_for_who_knows_better() {
    let whole = hinted_behind();
    assert_eq!(whole.verify().findings, []);
    assert_eq!(whole.verify().summary.unwrap().records, 4);
    let torn_places = [
        whole.range(Area::Ledger, 3, 1).start,
        whole.range(Area::Ledger, 3, 1).start + STAMP_SIZE,
        whole.range(Area::Assets, 7, 1).start,
    ];
    for place in torn_places {
        let mut volume = whole.clone();
        volume.bytes[place] ^= 1;
        let seen = volume.verify();
        let summary = seen.summary.unwrap();
        assert_eq!((seen.findings.len(), summary.records, summary.tail), (0, 3, Some(3)));
        assert_eq!(seen.contents.len(), 2);
        assert_eq!(volume.audit().findings.len(), 1);
    }
    // The middle one of several batches in flight: the last is not believed without it.
    let mut volume = whole.clone();
    volume.bytes[whole.range(Area::Assets, 4, 1).start] ^= 1;
    let summary = volume.verify().summary.unwrap();
    assert_eq!((summary.findings, summary.records, summary.tail), (0, 2, Some(2)));
    let mut volume = whole.clone();
    volume.document("never committed", b"content");
    assert_eq!(volume.verify().summary.unwrap().tail, None);
}

#[test]
fn asset_bytes_flushed_before_the_header_are_checked_by_their_record() {
    let mut volume = TestVolume::new("finance");
    let content = text(9, 5 * BLOCK_SIZE);
    volume.append(&content[..3 * BLOCK_SIZE]);
    volume.flush_assets();
    volume.append(&content[3 * BLOCK_SIZE..]);
    let whole = Content { size: content.len() as u64, hash: hash::content(&content), block: 0 };
    volume.add_document(&Document { name: "long", content: Some(whole), supersedes: None });
    volume.commit();
    assert_eq!(volume.verify().findings, []);
    assert_eq!(volume.audit().contents, [(1, content)]);
    let place = volume.range(Area::Assets, 1, 1).start;
    volume.bytes[place] ^= 1;
    // Durable before the batch header: the batch is whole, and the damage is damage.
    let expected = finding(FindingKind::Asset, Area::Assets, 0, Some(1));
    assert_eq!(volume.verify().findings, [expected]);
    assert_eq!(volume.audit().findings, [expected]);
}

#[test]
fn records_in_and_behind_lost_batches_are_still_found() {
    let volume = reference();
    let clean = volume.audit();
    // Two batch headers in a row are gone, one of them with its first record.
    let mut damaged = volume.clone();
    let second = damaged.range(Area::Ledger, 1, 1).start;
    let third = damaged.range(Area::Ledger, 2, 1).start;
    damaged.bytes[second..second + STAMP_SIZE].fill(0x55);
    damaged.bytes[third..third + STAMP_SIZE + HEADER_SIZE].fill(0xaa);
    let seen = damaged.audit();
    assert_eq!(
        seen.findings,
        [
            finding(FindingKind::BatchHeader, Area::Ledger, 1, None),
            finding(FindingKind::Record, Area::Ledger, 1, Some(4)),
        ]
    );
    assert_eq!(seen.records.len(), clean.records.len() - 1);
    assert_eq!(seen.summary.unwrap().tree.root(), volume.tree.root(), "the missing hash is in the next record");
    // A whole batch is overwritten; sequence numbers say which records are missing.
    let mut damaged = volume.clone();
    let range = damaged.range(Area::Ledger, 1, 1);
    damaged.bytes[range].fill(0x55);
    let seen = damaged.audit();
    let missing: Vec<_> = seen.findings.iter().filter_map(|finding| finding.record).collect();
    assert_eq!((seen.findings.len(), missing), (4, vec![1, 2, 3]));
    assert_eq!(seen.records.len(), clean.records.len() - 3);
}

#[test]
fn a_damaged_length_does_not_swallow_the_next_record() {
    let volume = reference();
    let clean = volume.audit();
    let (sequence, block, offset) = clean.records[10];
    let at = volume.range(Area::Ledger, block, 1).start + offset;
    for len in [0u32, 8, 25, 192, 4000, u32::MAX] {
        let mut damaged = volume.clone();
        damaged.bytes[at + 8..at + 12].copy_from_slice(&len.to_le_bytes());
        let seen = damaged.audit();
        assert_eq!(seen.findings, [finding(FindingKind::Record, Area::Ledger, block, Some(sequence))]);
        assert_eq!(seen.records.len(), clean.records.len() - 1);
    }
}

#[test]
fn an_older_volume_is_a_rollback() {
    let mut volume = hinted_behind();
    let old = volume.clone();
    volume.document("later", b"later");
    volume.commit();
    let claimed = Some(volume.frontier);
    let seen = verify(&old.bytes, &old.superblock, claimed, Mode::Full);
    assert_eq!(seen.findings, [finding(FindingKind::Rollback, Area::Ledger, 4, None)]);
    assert_eq!(seen.records.len(), 4);
    // Another history of the same length.
    let mut other = old.clone();
    other.document("other", b"other");
    other.commit();
    let seen = verify(&other.bytes, &old.superblock, claimed, Mode::Full);
    assert_eq!(seen.findings, [finding(FindingKind::Rollback, Area::Ledger, 4, None)]);
    // Offline the hint is what knows.
    let mut rolled_back = volume.clone();
    rolled_back.hint(0);
    let range = rolled_back.range(Area::Ledger, 4, 1);
    rolled_back.bytes[range].fill(0);
    let seen = rolled_back.verify();
    assert_eq!(seen.findings, [finding(FindingKind::Rollback, Area::Ledger, 4, None)]);
    // A claim no volume of this size can have.
    let absurd = Frontier { batches: u64::MAX, ledger_next: u64::MAX, assets_next: u64::MAX, ..volume.frontier };
    let seen = verify(&volume.bytes, &volume.superblock, Some(absurd), Mode::Full);
    assert_eq!(kinds(&seen), [FindingKind::Rollback]);
}

#[test]
fn hints_must_agree_with_the_batches() {
    // Both blank although there are batches.
    let mut volume = hinted_behind();
    let hints = volume.range(Area::Volume, 1, 2);
    volume.bytes[hints.clone()].fill(0);
    assert_eq!(
        volume.verify().findings,
        [1, 2].map(|block| finding(FindingKind::Hint, Area::Volume, block, None))
    );
    // One that was written before must be there; the first start writes only one.
    for slot in [0, 1] {
        let mut volume = reference();
        let hint = volume.range(Area::Volume, 1 + slot, 1);
        volume.bytes[hint].fill(0);
        let expected = finding(FindingKind::Hint, Area::Volume, 1 + slot, None);
        assert_eq!((volume.verify().findings, volume.audit().findings), (vec![expected], vec![expected]));
    }
    assert_eq!(TestVolume::new("just-started").verify().findings, []);
    // A hint of another history.
    let mut volume = hinted_behind();
    let genuine = volume.frontier;
    volume.frontier.last_header = [7; 32];
    volume.hint(0);
    volume.frontier = genuine;
    let expected = [finding(FindingKind::Hint, Area::Volume, 1, None)];
    assert_eq!(volume.verify().findings, expected);
    assert_eq!(volume.audit().findings, expected);
    // One newer than what the auditor was told is the vault's, gone on meanwhile.
    let mut volume = hinted_behind();
    let claimed = Some(volume.frontier);
    volume.document("meanwhile", b"");
    volume.commit();
    volume.hint(0);
    assert_eq!(verify(&volume.bytes, &volume.superblock, claimed, Mode::Full).findings, []);
    // Beyond the volume.
    let mut volume = hinted_behind();
    volume.frontier.ledger_next = 1 << 60;
    volume.hint(0);
    assert_eq!(volume.verify().findings, expected);
}

#[test]
fn without_hints_a_later_header_makes_what_lies_before_it_damage() {
    let mut volume = hinted_behind();
    let hints = volume.range(Area::Volume, 1, 2);
    volume.bytes[hints.start] ^= 1;
    volume.bytes[hints.start + BLOCK_SIZE] ^= 1;
    let hint_findings = [1, 2].map(|block| finding(FindingKind::Hint, Area::Volume, block, None));
    assert_eq!(volume.verify().findings, hint_findings);
    let clean = volume.clone();
    let damages = [
        (clean.range(Area::Ledger, 1, 1).start, finding(FindingKind::BatchHeader, Area::Ledger, 1, None)),
        (
            clean.range(Area::Ledger, 2, 1).start + STAMP_SIZE,
            finding(FindingKind::Record, Area::Ledger, 2, Some(2)),
        ),
        (clean.range(Area::Assets, 0, 1).start, finding(FindingKind::Asset, Area::Assets, 0, Some(1))),
    ];
    for (place, expected) in damages {
        let mut volume = clean.clone();
        volume.bytes[place] ^= 1;
        let seen = volume.verify();
        assert_eq!(seen.findings, [hint_findings[0], hint_findings[1], expected]);
        assert_eq!(seen.summary.unwrap().records, 4);
    }
    // The last batch of all may be one that was never acknowledged.
    let mut volume = clean.clone();
    let place = volume.range(Area::Ledger, 3, 1).start;
    volume.bytes[place] ^= 1;
    assert_eq!(volume.verify().findings, hint_findings);
    assert_eq!(volume.verify().summary.unwrap().tail, Some(3));
}

#[test]
fn every_block_that_cannot_be_read_is_named() {
    let volume = reference();
    let clean = volume.audit();
    for block in 0..volume.layout.blocks {
        let bytes = &volume.bytes;
        let seen = verify_with(&volume.superblock, Some(volume.frontier), Mode::Full, |range| {
            let bad = block as usize * BLOCK_SIZE;
            (bad < range.start || bad >= range.end).then(|| &bytes[range])
        });
        let Some(expected) = owner(&volume, &clean, block as usize * BLOCK_SIZE) else {
            assert_eq!(seen.findings, [], "block {block} is not in use");
            continue;
        };
        let (_, in_area) = volume.owner(block);
        assert_eq!(seen.findings[0].kind, FindingKind::Unreadable);
        assert_eq!((seen.findings[0].area, seen.findings[0].block), (expected.area, in_area));
        let others = &seen.findings[1..];
        assert!(others.iter().all(|other| other.kind == FindingKind::Record), "block {block}: {others:?}");
    }
}

/// A volume whose archive, in league with nobody, committed a record that breaks the rules: headed by the
/// vault, so every checksum matches.
fn misbehaving(kind: Kind, payload: &[u8]) -> Vec<FindingKind> {
    let mut volume = TestVolume::new("rogue");
    volume.document("fine", b"fine");
    volume.add(kind, payload);
    volume.document("fine too", b"also fine");
    volume.commit();
    let seen = volume.audit();
    assert_eq!(seen.findings.iter().filter(|finding| finding.record != Some(2)).count(), 0);
    let of = |sequence| seen.contents.iter().filter(|(of, _)| *of == sequence).count();
    assert_eq!((of(1), of(3)), (1, 1));
    assert!(of(2) == 0 || !kinds(&seen).contains(&FindingKind::Asset));
    kinds(&seen)
}

/// What is found where the note of a signed checkpoint was altered.
fn noted(alter: impl Fn(&mut String)) -> Vec<FindingKind> {
    let mut volume = TestVolume::new("rogue");
    volume.document("one", b"1");
    let tree = TreeHead::of(&volume.tree);
    let mut note = checkpoint::sign(&volume.signer(&[3; 32]), &tree).to_string();
    alter(&mut note);
    let note = Some(note.as_str()).filter(|note| !note.is_empty());
    volume.write(Kind::Checkpoint, |out| Stated { tree, note }.write(out));
    volume.commit();
    kinds(&volume.audit())
}

#[test]
fn an_archive_that_breaks_the_form_is_found_out() {
    use FindingKind::{Asset, Record, Tree};
    let fine = hash::content(b"fine");
    assert_eq!(misbehaving(Kind::Document, b""), [Record]);
    assert_eq!(misbehaving(Kind::Document, b"\xff\xfe"), [Record]);
    assert_eq!(misbehaving(Kind::Genesis, b"again"), [Record]);
    assert_eq!(misbehaving(Kind::Lifecycle, b"\xff"), [Record]);
    assert_eq!(misbehaving(Kind::Checkpoint, b"short"), [Record]);
    assert_eq!(misbehaving(Kind::Checkpoint, &stated(2)), [Tree]);
    assert_eq!(noted(|_| {}), []);
    assert_eq!(noted(|note| note.clear()), [], "unsigned");
    assert_eq!(noted(|note| *note = note.replace("\n2\n", "\n1\n")), [Tree]);
    assert_eq!(noted(|note| *note = note.replace("/rogue\n", "/other\n")), [Tree]);
    assert_eq!(noted(|note| *note = note.replace("\n2\n", "\ntwo\n")), [Record]);
    assert_eq!(noted(|note| note.push_str("more")), [Record]);
    // Content of another record, outside the volume, of absurd size, of another hash, of no hash.
    let of = |size, hash, block| {
        let content = Some(Content { size, hash, block });
        misbehaving(Kind::Document, &document(&Document { name: "n", content, supersedes: None }))
    };
    assert_eq!(of(4, fine, 0), [Record]);
    assert_eq!(of(4, fine, u64::MAX), [Record]);
    assert_eq!(of(u64::MAX, fine, 1), [Record]);
    assert_eq!(of(3 * BLOCK_SIZE as u64, fine, 1), [Record]);
    assert_eq!(of(0, fine, 0), [Asset]);
    assert_eq!(of(0, ContentHash { sha256: [0; 32], ..hash::content(b"") }, 0), [Asset]);
    assert_eq!(of(0, hash::content(b""), 0), []);
    // A name that is too long, a correction of itself.
    let named = |name: &str, supersedes| {
        let content = Some(Content { size: 0, hash: hash::content(b""), block: 0 });
        misbehaving(Kind::Document, &document(&Document { name, content, supersedes }))
    };
    assert_eq!(named(&"n".repeat(DOCUMENT_NAME_MAX), Some(1)), []);
    assert_eq!(named(&"n".repeat(DOCUMENT_NAME_MAX + 1), None), [Record]);
    assert_eq!(named("", None), [Record]);
    assert_eq!(named("itself", Some(2)), [Record]);
}

fn document(document: &Document<'_>) -> Vec<u8> {
    let mut payload = [0; PAYLOAD_MAX];
    let len = document.write(&mut payload).unwrap();
    payload[..len].to_vec()
}

/// The payload of a checkpoint of so many records that has the wrong root.
fn stated(size: u64) -> Vec<u8> {
    let mut payload = [0; PAYLOAD_MAX];
    let len = Stated { tree: TreeHead { size, root: ZERO_HASH }, note: None }.write(&mut payload).unwrap();
    payload[..len].to_vec()
}

#[test]
fn bytes_that_are_no_records_are_found_under_a_matching_checksum() {
    let mut volume = TestVolume::new("rogue");
    let start = volume.head;
    volume.document("one", b"1");
    // A chain that forks: the second record continues the first one's predecessor.
    volume.head = start;
    volume.document("two", b"2");
    volume.commit();
    let seen = volume.audit();
    assert_eq!(seen.findings, [finding(FindingKind::Chain, Area::Ledger, 1, Some(1))]);
    assert_eq!(seen.records.len(), 3);
    // A ledger that begins without genesis.
    let mut volume = TestVolume::blank("rogue", 256);
    volume.hint(0);
    volume.hint(1);
    volume.document("no genesis", b"");
    volume.commit();
    assert_eq!(volume.audit().findings, [finding(FindingKind::Record, Area::Ledger, 0, Some(0))]);
}

/// A small generator of hostile bytes: xorshift64.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn noise_of_every_size_ends_with_findings_and_without_a_panic() {
    let volume = reference();
    let mut noise = Noise(0x746f_7465_626f_7821);
    let used: Vec<_> = [
        (Area::Volume, 3),
        (Area::Ledger, volume.frontier.ledger_next),
        (Area::Assets, volume.frontier.assets_next),
    ]
    .into_iter()
    .flat_map(|(area, blocks)| volume.ranges(area, 0, blocks))
    .collect();
    for round in 0..1500 {
        let mut bytes = volume.bytes.clone();
        for _ in 0..1 + noise.next() % 12 {
            let range = &used[noise.next() as usize % used.len()];
            let start = range.start + noise.next() as usize % range.len();
            let len = 1 + noise.next() as usize % [1, 8, 300, 9000][round % 4];
            for byte in &mut bytes[start..(start + len).min(range.end)] {
                *byte = noise.next() as u8;
            }
        }
        for claimed in [None, Some(volume.frontier)] {
            let seen = verify(&bytes, &volume.superblock, claimed, Mode::Full);
            assert_eq!(seen.findings.is_empty(), bytes == volume.bytes, "round {round}");
            assert!(seen.summary.unwrap().bytes_read < 4 * volume.bytes.len() as u64);
        }
    }
}

/// A disk that fails and then does not: what was read first is what counts, and the walk ends.
#[test]
fn a_verification_ends_whatever_reads_fail_in_passing() {
    let volume = reference();
    let (blocks, one_by_one) = (volume.bytes.len() / BLOCK_SIZE, 1 + 8);
    for claimed in [Some(volume.frontier), None] {
        let mut first = 0;
        let mut reached = true;
        while reached {
            for failing in 1..=one_by_one {
                let reads = Cell::new(0);
                let seen = verify_with(&volume.superblock, claimed, Mode::Full, |range| {
                    let number = reads.replace(reads.get() + 1);
                    assert!(number < 2 * blocks, "this never ends: {failing} failed reads from {first} on");
                    (number < first || number >= first + failing).then(|| &volume.bytes[range])
                });
                let kind = seen.findings.first().map(|finding| finding.kind);
                assert!(kind.is_none_or(|kind| kind == FindingKind::Unreadable), "{:?}", seen.findings);
                reached = reads.get() > first;
            }
            first += 1;
        }
    }
}

#[test]
fn a_truncated_disk_is_unreadable_where_it_ends() {
    let volume = reference();
    for blocks in [0, 1, 2, 3, 64, 68, volume.layout.space.start + 2] {
        let bytes = &volume.bytes[..blocks as usize * BLOCK_SIZE];
        let seen = verify(bytes, &volume.superblock, Some(volume.frontier), Mode::Full);
        assert!(kinds(&seen).contains(&FindingKind::Unreadable));
        assert!(seen.findings.iter().all(|finding| finding.kind != FindingKind::Rollback));
    }
}

#[test]
fn nothing_is_called_unreadable_that_was_only_read_ahead() {
    let volume = hinted_behind();
    let end = volume.layout.space.start + volume.frontier.ledger_next;
    // Whether there is a batch behind the last one, only the block behind it can say.
    for (behind, findings) in [(0, 1), (1, 0)] {
        let unreadable = (end + behind) as usize * BLOCK_SIZE..(end + 8) as usize * BLOCK_SIZE;
        let seen = verify_with(&volume.superblock, None, Mode::Full, |range| {
            let readable = range.end <= unreadable.start || range.start >= unreadable.end;
            readable.then(|| &volume.bytes[range])
        });
        assert_eq!(seen.findings.len(), findings);
    }
    // Behind a seal there is none.
    let sealed = reference();
    let end = (sealed.layout.space.start + sealed.frontier.ledger_next) as usize * BLOCK_SIZE;
    let seen = verify_with(&sealed.superblock, None, Mode::Full, |range| {
        let readable = range.end <= end || range.start >= end + 8 * BLOCK_SIZE;
        readable.then(|| &sealed.bytes[range])
    });
    assert_eq!(seen.findings, []);
}

/// What stands behind the last batch of a volume that is full is content, and no commit that was given up.
#[test]
fn behind_the_batches_of_a_full_volume_there_is_no_tail() {
    let mut volume = TestVolume::new("full");
    // Content that begins as a batch does, down to block 8 of ledger/.
    let begin = volume.bytes[volume.range(Area::Ledger, 0, 1)].to_vec();
    let content = begin.repeat(volume.layout.assets_end(8) as usize);
    volume.document("headers", &content);
    while volume.frontier.ledger_next < 7 {
        volume.checkpoint();
        volume.commit();
    }
    volume.seal();
    assert_eq!(volume.frontier.ledger_next, volume.layout.ledger_end(volume.frontier.assets_next));
    for hints in [true, false] {
        if hints {
            (0..2).for_each(|slot| volume.hint(slot));
        } else {
            let hints = volume.range(Area::Volume, 1, 2);
            volume.bytes[hints].fill(0xa5);
        }
        let seen = volume.verify();
        assert_eq!(seen.findings.len(), if hints { 0 } else { 2 }, "{:?}", seen.findings);
        let summary = seen.summary.unwrap();
        assert_eq!((summary.frontier, summary.tail), (volume.frontier, None));
    }
}

#[test]
fn a_hash_that_was_made_before_is_compared_like_the_verifiers_own() {
    let volume = reference();
    for forged in [None, Some(0), Some(1)] {
        let (mut verifier, mut kinds) = (Verifier::new(&volume.superblock, None, Mode::Full), Kinds::default());
        let mut hashed = Vec::new();
        while let Some(want) = verifier.want() {
            let bytes = &volume.bytes[volume.range(want.area, want.block, want.blocks as u64)];
            let Some(len) = want.content else {
                verifier.feed(bytes, &mut kinds);
                continue;
            };
            hashed.push(len);
            let mut hash = hash::content(&bytes[..len as usize]);
            match forged {
                Some(0) => hash.blake3[31] ^= 1,
                Some(_) => hash.sha256[0] ^= 1,
                None => {}
            }
            verifier.feed_hashed(bytes, hash, &mut kinds);
        }
        assert_eq!(hashed, [10, 5000, 4096, 3]);
        assert_eq!(kinds.0, vec![FindingKind::Asset; if forged.is_some() { 4 } else { 0 }]);
    }
}

#[derive(Default)]
struct Kinds(Vec<FindingKind>);

impl Visitor for Kinds {
    fn finding(&mut self, finding: &Finding) {
        self.0.push(finding.kind);
    }
}

#[test]
fn another_volumes_superblock_is_a_finding() {
    let volume = reference();
    let mut other = volume.superblock;
    other.volume[0] ^= 1;
    let other = Superblock::new(other.deployment, other.volume, other.name, volume.layout.blocks);
    let seen = verify(&volume.bytes, &other, None, Mode::Full);
    assert_eq!(kinds(&seen)[0], FindingKind::Superblock);
    assert_eq!(seen.records.len(), 0);
}
