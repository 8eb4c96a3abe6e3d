//! A whole small volume that somebody has changed, checks and all, before the verifier.

use std::ops::Range;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, BatchHeader, Frontier, Hint, STAMP_SIZE};
use ledger_fmt::hash::{Domain, checksum};
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Superblock};
use ledger_fmt::note::Seed;
use ledger_fmt::payload::Document;
use ledger_fmt::record::Record;
use ledger_fmt::testing::TestVolume;
use ledger_fmt::verify::{Finding, Mode, Verifier, Visitor};
use zerocopy::FromBytes;

use crate::structures::{mend, mend_record};
use crate::{Target, noise};

/// The target. The verifier allocates nothing; what is counted is the volume, as it was and changed.
pub const TARGET: Target =
    Target { name: "volume", run, memory: 2200 * 1024, memory_per_byte: 64, mutations: 400, seeds: noise };

/// Changes of one input at most.
const CHANGES_MAX: usize = 64;

/// What is done to the volume. Blocks are counted from its start, modulo its size.
#[derive(Arbitrary, Clone, Debug)]
enum Change {
    /// Other bytes.
    Bytes { block: u8, at: u16, bytes: Vec<u8> },
    /// One block becomes like another.
    Copy { from: u8, to: u8 },
    /// It cannot be read any more.
    Unreadable { block: u8 },
    /// The superblock's check is made right.
    MendSuperblock,
    /// A hint's check is made right.
    MendHint { second: bool },
    /// The digest of a batch's records, and its batch header's check, are made right.
    MendHeader { block: u8 },
    /// A record's check is made right.
    MendRecord { block: u8, at: u16 },
}

fn base() -> &'static TestVolume {
    static BASE: OnceLock<TestVolume> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut volume = TestVolume::new("contracts");
        volume.document("lease.pdf", &[1; 5000]);
        volume.document("empty", b"");
        volume.commit();
        volume.signed_checkpoint(&Seed::default());
        volume.commit();
        let long = volume.append(&[2; 9000]);
        volume.flush_assets();
        volume.add_document(&Document { name: "long", content: Some(long), supersedes: None });
        volume.append(&[3; 100]);
        volume.document("letter", &[4; 4096]);
        volume.commit();
        volume.hint(1);
        volume.document("not hinted at", b"content");
        volume.commit();
        volume
    })
}

fn run(input: &[u8]) {
    let base = base();
    let mut bytes = base.bytes.clone();
    let mut unreadable = [false; 256];
    let mut mended = false;
    let changes = Unstructured::new(input).arbitrary_take_rest_iter::<Change>();
    for change in changes.expect("bytes are always changes").flatten().take(CHANGES_MAX) {
        match change {
            Change::Unreadable { block } => unreadable[usize::from(block)] = true,
            Change::Bytes { .. } | Change::Copy { .. } => apply(&change, &mut bytes),
            _ => {
                mended = true;
                apply(&change, &mut bytes);
            }
        }
    }
    let read = |range: Range<usize>| {
        let blocks = range.start / BLOCK_SIZE..range.end / BLOCK_SIZE;
        (!blocks.clone().any(|block| unreadable[block])).then(|| &bytes[range])
    };
    let found = walk(Some(base.frontier), Mode::Full, read);
    walk(None, Mode::Full, read);
    walk(None, Mode::Ledger, read);
    if !mended {
        let committed = committed();
        let changed = committed.clone().any(|block| unreadable[block] || differs(block, &bytes));
        assert_eq!(found > 0, changed || hints_amiss(found, &bytes, &unreadable), "{found} findings");
    }
}

/// The blocks in which no byte may change.
fn committed() -> impl Iterator<Item = usize> + Clone {
    let Frontier { assets_next, ledger_next, .. } = base().frontier;
    let directory = |area, blocks| {
        base().ranges(area, 0, blocks).flat_map(|range| range.start / BLOCK_SIZE..range.end / BLOCK_SIZE)
    };
    let all = directory(Area::Assets, assets_next).chain(directory(Area::Ledger, ledger_next));
    std::iter::once(0).chain(all).collect::<Vec<_>>().into_iter()
}

fn differs(block: usize, bytes: &[u8]) -> bool {
    let range = block * BLOCK_SIZE..(block + 1) * BLOCK_SIZE;
    bytes[range.clone()] != base().bytes[range]
}

/// Whether findings may come from the hints alone: one may be like the other, or blank, and nothing is wrong.
fn hints_amiss(found: u64, bytes: &[u8], unreadable: &[bool; 256]) -> bool {
    found > 0 && HINT_BLOCKS.iter().any(|&block| unreadable[block as usize] || differs(block as usize, bytes))
}

fn apply(change: &Change, bytes: &mut [u8]) {
    let start = |block: u8| usize::from(block) * BLOCK_SIZE;
    let within = |at: u16| usize::from(at) % BLOCK_SIZE;
    match *change {
        Change::Bytes { block, at, bytes: ref new } => {
            let room = &mut bytes[start(block) + within(at)..];
            let len = new.len().min(room.len());
            room[..len].copy_from_slice(&new[..len]);
        }
        Change::Copy { from, to } => bytes.copy_within(start(from)..start(from) + BLOCK_SIZE, start(to)),
        Change::Unreadable { .. } => {}
        Change::MendSuperblock => mend(bytes, size_of::<Superblock>(), Domain::Superblock),
        Change::MendHint { second } => {
            let block = HINT_BLOCKS[usize::from(second)] as usize;
            mend(&mut bytes[block * BLOCK_SIZE..], size_of::<Hint>(), Domain::Hint);
        }
        Change::MendHeader { block } => mend_header(&mut bytes[start(block)..]),
        Change::MendRecord { block, at } => mend_record(&mut bytes[start(block) + within(at)..]),
    }
}

fn mend_header(batch: &mut [u8]) {
    let (head, records) = batch.split_at_mut(STAMP_SIZE);
    let Ok(header) = BatchHeader::mut_from_bytes(head) else { return };
    if let Some(records) = records.get(..header.payload_len.get() as usize) {
        header.ledger_checksum = checksum(records);
    }
    mend(batch, STAMP_SIZE, Domain::BatchHeader);
}

/// Verifies the volume, and asserts that no more is read than there is, nor endlessly. Returns the findings.
fn walk<'a>(claimed: Option<Frontier>, mode: Mode, read: impl Fn(Range<usize>) -> Option<&'a [u8]>) -> u64 {
    let TestVolume { superblock, layout, .. } = base();
    let mut verifier = Verifier::new(superblock, claimed, mode);
    let mut sane = Sane::default();
    let mut wants = 0;
    while let Some(want) = verifier.want() {
        wants += 1;
        // Each step of a search behind lost batch headers may read on to the ledger's end.
        assert!(wants <= layout.blocks * layout.space.blocks, "it never ends");
        assert!((1..=BATCH_BLOCKS_MAX).contains(&want.blocks));
        let place =
            layout.place(want.area, want.block, want.blocks as u64).expect("what is wanted is in one piece");
        let start = place.start as usize * BLOCK_SIZE;
        match read(start..start + want.blocks * BLOCK_SIZE) {
            Some(bytes) => verifier.feed(bytes, &mut sane),
            None => verifier.unreadable(&mut sane),
        }
    }
    let summary = verifier.summary();
    assert_eq!(summary.findings, sane.findings);
    assert!(summary.frontier.is_within(layout));
    summary.findings
}

/// Asserts that what is told makes sense.
#[derive(Default)]
struct Sane {
    findings: u64,
    content: u64,
}

impl Visitor for Sane {
    fn finding(&mut self, finding: &Finding) {
        let layout = base().layout;
        assert!(finding.block <= layout.blocks_of(finding.area), "{finding:?}");
        self.findings += 1;
    }

    fn record(&mut self, _: &Record<'_>, block: u64, offset: usize) {
        assert!(block < base().layout.blocks_of(Area::Ledger) && offset < BLOCK_SIZE);
        self.content = 0;
    }

    fn content(&mut self, _: u64, offset: u64, bytes: &[u8]) {
        assert_eq!(offset, self.content, "content comes in order");
        self.content += bytes.len() as u64;
    }
}
