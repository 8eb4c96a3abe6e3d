//! A walk that is read ahead for tells what one tells that is not, of whole volumes, damaged ones and hostile ones.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ledger_fmt::cbor;
use ledger_fmt::hash;
use ledger_fmt::layout::{Area, HINT_BLOCKS};
use ledger_fmt::payload::{Content, Document};
use ledger_fmt::record::{Draft, Head, Kind, Record};
use ledger_fmt::testing::TestVolume;
use ledger_fmt::verify::{Finding, FindingKind};

use super::*;

/// Everything a visitor is told.
#[derive(Default, PartialEq, Debug)]
struct Told {
    events: Vec<String>,
    kinds: Vec<FindingKind>,
}

impl Visitor for Told {
    fn finding(&mut self, finding: &Finding) {
        self.events.push(format!("{finding:?}"));
        self.kinds.push(finding.kind);
    }

    fn record(&mut self, record: &Record<'_>, block: u64, offset: usize) {
        self.events.push(format!("record {:?} at {block}, {offset}", record.header.sequence));
    }

    fn content(&mut self, sequence: u64, offset: u64, bytes: &[u8]) {
        self.events.push(format!("content {sequence}, {offset}: {:?}", hash::content(bytes)));
    }

    fn content_end(&mut self, sequence: u64, sound: bool) {
        self.events.push(format!("content {sequence}: {sound}"));
    }
}

/// What a walk tells.
fn walk(reader: Reader, superblock: &Superblock, mode: Mode) -> Told {
    let mut told = Told::default();
    let mut walk = Walk::with(reader, superblock, mode);
    while walk.step(&mut told) {}
    told.events.push(format!("{:?}", walk.summary()));
    told
}

/// What the verifier tells when it is given what it wants and nothing is read ahead.
fn plain(reader: &Reader, superblock: &Superblock, mode: Mode) -> Told {
    let mut told = Told::default();
    let mut verifier = Verifier::new(superblock, None, mode);
    while let Some(want) = verifier.want() {
        let mut bytes = vec![0; want.blocks * BLOCK_SIZE];
        match read_area(reader, verifier.layout(), want.area, want.block, &mut bytes) {
            true => verifier.feed(&bytes, &mut told),
            false => verifier.unreadable(&mut told),
        }
    }
    told.events.push(format!("{:?}", verifier.summary()));
    told
}

/// Reads a volume in memory, but for these blocks.
fn reader(bytes: &Arc<Vec<u8>>, unreadable: &[Range<u64>]) -> Reader {
    let (bytes, unreadable) = (bytes.clone(), unreadable.to_vec());
    Arc::new(move |block, out| {
        let blocks = block..block + (out.len() / BLOCK_SIZE) as u64;
        let from = block as usize * BLOCK_SIZE;
        let held = bytes.get(from..from + out.len());
        let held =
            held.filter(|_| unreadable.iter().all(|bad| bad.end <= blocks.start || blocks.end <= bad.start));
        held.map(|held| out.copy_from_slice(held)).is_some()
    })
}

/// Both walks tell the same; this.
fn compare(volume: &TestVolume, bytes: &Arc<Vec<u8>>, unreadable: &[Range<u64>]) -> Told {
    let reader = reader(bytes, unreadable);
    for mode in [Mode::Ledger, Mode::Full] {
        let told = walk(reader.clone(), &volume.superblock, mode);
        assert!(told == plain(&reader, &volume.superblock, mode), "{mode:?} without {unreadable:?}");
        if mode == Mode::Full {
            return told;
        }
    }
    unreachable!("both modes were tried")
}

/// Documents of all lengths, in so many chunks that not all of them are in memory at a time; a commit behind the
/// hints, too.
fn volume() -> TestVolume {
    let mut volume = TestVolume::blank("big", 8192);
    volume.start();
    let content: Vec<u8> = (0..70_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    for batch in 0..400 {
        for number in 0..batch % 5 {
            let from = batch * 5 + number;
            let len = [1, 4096, 4096, 4000, 9000, 0, 32_768, 32_769][(batch * 3 + number) % 8];
            volume.document(&format!("{batch}-{number}"), &content[from..from + len]);
        }
        volume.commit();
        if batch == 390 {
            (0..2).for_each(|slot| volume.hint(slot));
        }
    }
    volume
}

#[test]
fn a_whole_volume_is_read_ahead_and_its_documents_hashed() {
    let volume = volume();
    let bytes = Arc::new(volume.bytes.clone());
    assert_eq!(compare(&volume, &bytes, &[]).kinds, []);

    // The first chunk's documents are hashed for certain: the threads know of them before the walk does.
    let reader = reader(&bytes, &[]);
    let mut walk = Walk::with(reader, &volume.superblock, Mode::Full);
    while walk.verifier.want().is_some_and(|want| want.area != Area::Assets) {
        walk.step(&mut Told::default());
    }
    let want = walk.verifier.want().unwrap();
    let (read, hash) = walk.ahead[1].get(want, volume.frontier.assets_next).unwrap();
    assert_eq!(hash, Some(hash::content(&read[..want.content.unwrap() as usize])));
}

#[test]
fn a_small_volume_is_as_good_as_a_large_one() {
    let mut blank = TestVolume::blank("blank", 256);
    assert_eq!(compare(&blank, &Arc::new(blank.bytes.clone()), &[]).kinds, []);
    blank.hint(0);
    assert_eq!(compare(&blank, &Arc::new(blank.bytes.clone()), &[]).kinds, []);
    let started = TestVolume::new("started");
    assert_eq!(compare(&started, &Arc::new(started.bytes.clone()), &[]).kinds, []);
}

#[test]
fn what_cannot_be_read_is_named_as_without_reading_ahead() {
    let volume = volume();
    let bytes = Arc::new(volume.bytes.clone());
    let assets = [0, 63, 64, 255, 256, 500].map(|block| volume.layout.run(Area::Assets, block).start);
    let ledger = [0, 63, 64, 300].map(|block| volume.layout.run(Area::Ledger, block).start);
    for block in assets.into_iter().chain(ledger) {
        for blocks in [1, 3, 200] {
            let told = compare(&volume, &bytes, std::slice::from_ref(&(block..block + blocks)));
            assert!(told.kinds.contains(&FindingKind::Unreadable), "{block}, {blocks}");
        }
    }
    let every_tenth: Vec<Range<u64>> = (0..8192).step_by(10).map(|block| block..block + 1).collect();
    compare(&volume, &bytes, &every_tenth);
    compare(&volume, &bytes, std::slice::from_ref(&(0..8192)));
}

#[test]
fn a_volume_that_ends_too_early_is_read_as_far_as_it_goes() {
    let volume = volume();
    let assets = volume.layout.run(Area::Assets, volume.frontier.assets_next - 1).start / 256 * 256;
    let ledger = volume.layout.space.start;
    for blocks in [0, 1, assets, assets + 1, assets + 100, ledger, ledger + 1, ledger + 64, ledger + 130] {
        let mut bytes = volume.bytes.clone();
        bytes.truncate(blocks as usize * BLOCK_SIZE + 17);
        let told = compare(&volume, &Arc::new(bytes), &[]);
        assert!(told.kinds.contains(&FindingKind::Unreadable), "{blocks}");
    }
}

#[test]
fn damage_is_named_as_without_reading_ahead() {
    let volume = volume();
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let used = [(Area::Ledger, volume.frontier.ledger_next), (Area::Assets, volume.frontier.assets_next)];
    for round in 0..15 {
        let mut bytes = volume.bytes.clone();
        for _ in 0..=random(20) {
            let (area, blocks) = used[random(2) as usize];
            let piece = |block, blocks: u64| {
                let run = volume.layout.run(area, block);
                volume.range(area, block, blocks.min(run.blocks))
            };
            let range = piece(random(blocks), 1 + random(3));
            match random(3) {
                // A flipped bit, perhaps in a batch header; a lost stretch; one that is found a second time.
                0 => bytes[range.start + random(4096) as usize] ^= 4,
                1 => bytes[range].fill(0),
                _ => bytes.copy_within(range, piece(random(blocks), 1).start),
            }
        }
        for hint in &HINT_BLOCKS[..round % 3] {
            bytes[*hint as usize * BLOCK_SIZE..][..BLOCK_SIZE].fill(0);
        }
        assert_ne!(compare(&volume, &Arc::new(bytes), &[]).kinds, []);
    }
}

#[test]
fn records_that_lie_about_where_their_documents_are_are_found_out() {
    let mut volume = TestVolume::blank("liar", 2048);
    volume.start();
    let content = [9; 10_000];
    for number in 0..300 {
        let content @ Content { size, block, .. } = volume.append(&content);
        let told = match number % 5 {
            0 => Content { block: block + 1, ..content },
            1 => Content { block: block.saturating_sub(200), ..content },
            2 => Content { size: u64::MAX, block: u64::MAX, ..content },
            3 => Content { size: size - 1, ..content },
            _ => content,
        };
        volume.add_document(&Document { name: "name", content: Some(told), supersedes: None });
        volume.commit();
    }
    (0..2).for_each(|slot| volume.hint(slot));
    let told = compare(&volume, &Arc::new(volume.bytes.clone()), &[]);
    assert!(told.kinds.contains(&FindingKind::Record) && told.kinds.contains(&FindingKind::Asset));
}

#[test]
fn a_record_inside_a_record_leads_nobody_astray() {
    let mut volume = TestVolume::blank("liar", 256);
    volume.start();
    // It says of the document's first block that a shorter one is there.
    let content = Some(Content { size: 100, hash: hash::content(b""), block: 0 });
    let mut payload = [0; 200];
    let len = Document { name: "inside", content, supersedes: None }.write(&mut payload).unwrap();
    let mut record = [0; 400];
    let draft = Draft { kind: Kind::Document, time_ms: 0, payload: &payload[..len] };
    let (len, _) = draft.encode(&Head::EMPTY, &mut record).unwrap();
    volume.write(Kind::Boot, |out| {
        cbor::write(out, |map| {
            // As the record begins at a multiple of 8.
            map.bytes("also", &record[..len]);
            map.uint("archives", 2);
            map.bytes("deployment", &[7; 16]);
        })
    });
    volume.document("name", &[9; 4096]);
    volume.commit();
    (0..2).for_each(|slot| volume.hint(slot));
    assert_eq!(compare(&volume, &Arc::new(volume.bytes.clone()), &[]).kinds, []);
}

#[test]
fn nothing_is_read_ahead_that_is_not_committed() {
    let volume = volume();
    let inner = reader(&Arc::new(volume.bytes.clone()), &[]);
    let read: Arc<Mutex<Vec<Range<u64>>>> = Arc::default();
    let log = read.clone();
    let reader: Reader = Arc::new(move |block, out| {
        log.lock().unwrap().push(block..block + (out.len() / BLOCK_SIZE) as u64);
        inner(block, out)
    });
    assert_eq!(walk(reader, &volume.superblock, Mode::Full).kinds, []);
    let in_use = |block: u64| match volume.owner(block) {
        (Area::Volume | Area::Assets, _) => true,
        (Area::Input, _) => false,
        // The verifier itself looks ahead for a batch.
        (Area::Ledger, block) => block < volume.frontier.ledger_next + BATCH_BLOCKS_MAX as u64,
    };
    assert!(read.lock().unwrap().iter().cloned().flatten().all(in_use));
}

#[test]
fn a_volume_cut_short_meanwhile_is_unreadable_from_there_on() {
    let volume = volume();
    let inner = reader(&Arc::new(volume.bytes.clone()), &[]);
    for reads in 1..40 {
        let (left, inner) = (AtomicU64::new(reads), inner.clone());
        let reader: Reader = Arc::new(move |block, out| {
            let more = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            more.is_ok() && inner(block, out)
        });
        let kinds = walk(reader, &volume.superblock, Mode::Full).kinds;
        assert!(kinds.contains(&FindingKind::Unreadable), "after {reads} reads");
        assert!(!kinds.contains(&FindingKind::Asset), "nothing is made up: {kinds:?}");
    }
}
