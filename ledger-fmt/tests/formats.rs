//! Superblock, batch header, hint and record: there and back, and every way in which they are refused.

use ledger_fmt::batch_header::{
    BATCH_PAYLOAD_MAX, Batch, BatchHeader, BatchHeaderError, BatchKind, Frontier, Hint, STAMP_SIZE,
};
use ledger_fmt::hash::{self, Domain};
use ledger_fmt::layout::{
    Area, BLOCK_SIZE, Layout, Superblock, SuperblockError, VOLUME_BLOCKS_MAX, VOLUME_BLOCKS_MIN,
};
use ledger_fmt::payload::PAYLOAD_MAX;
use ledger_fmt::record::{
    CHECK_SIZE, Draft, HEADER_SIZE, Head, Header, Kind, RECORD_MAX, Record, RecordError, padded_len,
};
use ledger_fmt::testing::padded_name;
use ledger_fmt::{Hash, ZERO_HASH};
use zerocopy::{FromBytes, IntoBytes};

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn content_hashes_are_blake3s_published_ones() {
    let pattern: Vec<u8> = (0..1025).map(|i| (i % 251) as u8).collect();
    for (len, expected) in [
        (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
        (1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"),
    ] {
        assert_eq!(hex(&hash::content(&pattern[..len]).blake3), expected, "{len} bytes");
    }
}

#[test]
fn the_same_bytes_hash_differently_in_every_domain() {
    let domains = [
        Domain::Record,
        Domain::BatchHeader,
        Domain::Superblock,
        Domain::Hint,
        Domain::Snapshot,
        Domain::Position,
    ];
    let mut hashes: Vec<Hash> = domains.iter().map(|domain| domain.hash(b"same")).collect();
    let content = hash::content(b"same");
    hashes.extend([content.blake3, content.sha256]);
    let count = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn layouts_cover_their_volume_without_overlap_or_are_refused() {
    for (blocks, input, chunk) in [
        (VOLUME_BLOCKS_MIN, 61, 8),
        (1023, 61, 32),
        (1984, 62, 64),
        (4096, 128, 128),
        (8192, 256, 256),
        (1 << 20, 1 << 15, 256),
        (VOLUME_BLOCKS_MAX, 1 << 27, 256),
    ] {
        let layout = Layout::new(blocks).unwrap();
        assert_eq!((layout.input.start, layout.input.blocks, layout.chunk), (3, input, chunk), "{blocks} blocks");
        assert_eq!((layout.space.start, layout.space.end()), (layout.input.end(), blocks));
    }
    for blocks in [0, 255, VOLUME_BLOCKS_MAX + 1, u64::MAX] {
        assert_eq!(Layout::new(blocks), None, "{blocks} blocks");
    }
}

/// Every block of the space, for every border between the two directories: none belongs to both.
#[test]
fn ledger_and_assets_share_the_space_and_never_meet() {
    for blocks in [256, 300, 511, 1024] {
        let layout = Layout::new(blocks).unwrap();
        let Layout { space, chunk, .. } = layout;
        for taken in 0..=space.blocks {
            let assets = layout.assets_end(taken);
            assert!(layout.ledger_end(assets) >= taken, "{taken} blocks of ledger/ and {assets} of assets/");
            assert!(space.blocks - taken - assets < chunk, "all whole chunks are assets/");
            let ledger = layout.ledger_end(taken);
            assert!(ledger <= space.blocks.saturating_sub(taken) && ledger + taken + chunk > space.blocks);
        }
        let mut owners = vec![0; space.blocks as usize];
        for ledger in [0, 1, 9, space.blocks / 2] {
            owners.fill(0);
            for (area, count) in [(Area::Ledger, ledger), (Area::Assets, layout.assets_end(ledger))] {
                for range in ledger_fmt::testing::ranges(&layout, area, 0, count) {
                    assert!(area == Area::Ledger || range.len() as u64 <= chunk * BLOCK_SIZE as u64);
                    for at in (range.start..range.end).step_by(BLOCK_SIZE) {
                        owners[at / BLOCK_SIZE - space.start as usize] += 1;
                    }
                }
            }
            assert!(owners.iter().all(|&owners| owners <= 1), "{blocks} blocks, {ledger} of them ledger/");
        }
    }
    let layout = Layout::new(256).unwrap();
    let place = |area, block, blocks| layout.place(area, block, blocks).map(|extent| extent.start);
    assert_eq!(place(Area::Assets, 0, 8), Some(248), "the first chunk is the last of the volume");
    assert_eq!(place(Area::Assets, 8, 1), Some(240));
    assert_eq!((place(Area::Assets, 7, 1), place(Area::Assets, 7, 2)), (Some(255), None), "not in one piece");
    assert_eq!((place(Area::Ledger, 0, 192), place(Area::Ledger, 1, 192)), (Some(64), None));
    assert_eq!((place(Area::Input, 60, 1), place(Area::Input, 61, 1)), (Some(63), None));
    for area in Area::ALL {
        for block in [layout.blocks_of(area), u64::MAX] {
            assert_eq!((layout.run(area, block).blocks, layout.place(area, block, 1)), (0, None), "{area:?}");
        }
    }
    assert_eq!((layout.ledger_end(u64::MAX), layout.assets_end(u64::MAX)), (0, 0));
}

fn superblock() -> Superblock {
    Superblock::new([1; 16], [2; 16], padded_name("contracts"), 1024)
}

/// A superblock changed by `change`, its check made to fit again.
fn resigned(change: impl Fn(&mut Superblock)) -> Vec<u8> {
    let mut block = superblock();
    change(&mut block);
    let end = size_of::<Superblock>() - 32;
    block.check = Domain::Superblock.hash(&block.as_bytes()[..end]);
    block.as_bytes().to_vec()
}

#[test]
fn superblocks_there_and_back_and_refused() {
    let good = superblock();
    let (read, layout) = Superblock::decode(good.as_bytes()).unwrap();
    assert_eq!((read, Some(layout)), (good, Layout::new(1024)));
    assert_eq!(read.matches(&good), Ok(()));

    assert_eq!(Superblock::decode(&[0; BLOCK_SIZE]), Err(SuperblockError::Foreign));
    assert_eq!(Superblock::decode(&good.as_bytes()[..100]), Err(SuperblockError::Foreign));
    for byte in 8..size_of::<Superblock>() {
        let mut bytes = good.as_bytes().to_vec();
        bytes[byte] ^= 0x80;
        assert_eq!(Superblock::decode(&bytes), Err(SuperblockError::Damaged), "byte {byte}");
    }
    assert_eq!(Superblock::decode(&resigned(|b| b.version = 1.into())), Err(SuperblockError::Version(1)));
    let inconsistent: [fn(&mut Superblock); 7] = [
        |b| b.block_shift = 9.into(),
        |b| b.blocks = 255.into(),
        |b| b.blocks = u64::MAX.into(),
        |b| b.reserved = 1.into(),
        |b| b.reserved_tail[31] = 1,
        |b| b.name = [0; 32],
        |b| b.name = padded_name("con\0tracts"),
    ];
    for change in inconsistent {
        assert_eq!(Superblock::decode(&resigned(change)), Err(SuperblockError::Inconsistent));
    }

    let other = Superblock::new([9; 16], [2; 16], good.name, 1024);
    assert_eq!(other.matches(&good), Err(SuperblockError::OtherDeployment));
    let other = Superblock::new([1; 16], [9; 16], good.name, 1024);
    assert_eq!(other.matches(&good), Err(SuperblockError::OtherVolume));
    let other = Superblock::new([1; 16], [2; 16], good.name, 1023);
    assert_eq!(other.matches(&good), Err(SuperblockError::OtherVolume));
}

const VOLUME: [u8; 16] = [7; 16];
/// 192 blocks of space in chunks of 8.
const LAYOUT: Layout = Layout::new(256).unwrap();
const AT: Frontier =
    Frontier { batches: 3, ledger_next: 10, assets_next: 20, last_header: [5; 32], sealed: false };

fn batch(payload_len: u32) -> Batch {
    Batch {
        kind: BatchKind::Commit,
        volume: VOLUME,
        payload_len,
        assets_to: 24,
        assets_durable: 22,
        ledger_checksum: [1; 16],
        assets_checksum: [2; 16],
    }
}

fn decode(header: &BatchHeader, at: &Frontier) -> Result<BatchHeader, BatchHeaderError> {
    BatchHeader::decode(header.as_bytes(), &VOLUME, at, &LAYOUT)
}

/// A batch header changed by `change`, its check made to fit again.
fn with_new_header(change: impl Fn(&mut BatchHeader)) -> BatchHeader {
    let mut header = BatchHeader::new(&AT, &batch(1000));
    change(&mut header);
    header.check = Domain::BatchHeader.hash(&header.as_bytes()[..STAMP_SIZE - 32]);
    header
}

#[test]
fn headers_there_and_back_at_every_boundary() {
    for (payload, blocks) in
        [(0, 1), (1, 1), (3840, 1), (3841, 2), (7936, 2), (7937, 3), (BATCH_PAYLOAD_MAX as u32, 8)]
    {
        let header = BatchHeader::new(&AT, &batch(payload));
        assert_eq!(decode(&header, &AT), Ok(header), "{payload} bytes");
        assert_eq!(header.ledger_blocks.get(), blocks);
        let after = header.frontier_after();
        assert_eq!((after.batches, after.ledger_next, after.assets_next), (4, 10 + u64::from(blocks), 24));
        assert_eq!((after.last_header, after.sealed), (header.check, false));
        assert_eq!(header.frontier_before(), AT);
        assert_eq!(BatchHeader::find(header.as_bytes(), &VOLUME, 10, &LAYOUT), Ok(header));
    }
    let seal = Batch { kind: BatchKind::Seal, payload_len: 0, assets_to: 20, assets_durable: 20, ..batch(0) };
    let seal = BatchHeader::new(&AT, &seal);
    assert!(decode(&seal, &AT).unwrap().frontier_after().sealed);
}

#[test]
fn headers_that_do_not_continue_are_refused() {
    use BatchHeaderError::{Absent, Damaged, Inconsistent, Stray};
    let good = BatchHeader::new(&AT, &batch(1000));
    assert_eq!(BatchHeader::decode(&[0; BLOCK_SIZE], &VOLUME, &AT, &LAYOUT), Err(Absent));
    assert_eq!(BatchHeader::decode(&good.as_bytes()[..255], &VOLUME, &AT, &LAYOUT), Err(Absent));
    for byte in 8..STAMP_SIZE {
        let mut bytes = good.as_bytes().to_vec();
        bytes[byte] ^= 1;
        assert_eq!(BatchHeader::decode(&bytes, &VOLUME, &AT, &LAYOUT), Err(Damaged), "byte {byte}");
    }
    assert_eq!(BatchHeader::decode(good.as_bytes(), &[8; 16], &AT, &LAYOUT), Err(Stray));
    for other in [
        Frontier { batches: 4, ..AT },
        Frontier { ledger_next: 11, ..AT },
        Frontier { last_header: ZERO_HASH, ..AT },
    ] {
        assert_eq!(decode(&good, &other), Err(Stray));
    }
    assert_eq!(decode(&with_new_header(|s| s.version = 1.into()), &AT), Err(Stray));
    assert_eq!(decode(&good, &Frontier { assets_next: 19, ..AT }), Err(Inconsistent));
    assert_eq!(decode(&good, &Frontier { sealed: true, ..AT }), Err(Inconsistent));
    let inconsistent: [fn(&mut BatchHeader); 11] = [
        |s| s.kind = 0.into(),
        |s| s.kind = 2.into(), // a seal with payload
        |s| s.ledger_blocks = 2.into(),
        |s| s.payload_len = (BATCH_PAYLOAD_MAX as u32 + 1).into(),
        |s| s.payload_len = u32::MAX.into(),
        |s| s.assets_from = 23.into(),
        |s| s.assets_durable = 25.into(),
        |s| s.assets_to = 21.into(),
        |s| s.assets_to = 177.into(),
        |s| s.reserved = 1.into(),
        |s| s.reserved_tail[79] = 1,
    ];
    for change in inconsistent {
        let header = with_new_header(change);
        assert_eq!(decode(&header, &AT), Err(Inconsistent), "{header:?}");
    }
    // Its ledger reaches into the last chunk, which is free of content; and into one that is not.
    for (ledger_next, assets_to, expected) in
        [(183, 8, Ok(())), (184, 8, Err(Inconsistent)), (176, 9, Err(Inconsistent))]
    {
        let at = Frontier { ledger_next, assets_next: 8, ..AT };
        let header = BatchHeader::new(&at, &Batch { assets_to, assets_durable: 8, ..batch(1000) });
        assert_eq!(decode(&header, &at).map(|_| ()), expected, "block {ledger_next}, {assets_to} of content");
    }
}

#[test]
fn hints_there_and_back_and_refused() {
    let find = |bytes: &[u8]| Hint::find(bytes, &VOLUME, &LAYOUT);
    for frontier in [Frontier::EMPTY, AT, Frontier { sealed: true, ..AT }] {
        let last = frontier.ledger_next.saturating_sub(1);
        let hint = Hint::new(VOLUME, &frontier, last, 41);
        assert_eq!(find(hint.as_bytes()), Some(hint));
        assert_eq!((hint.frontier(), hint.last_header_block.get()), (frontier, last));
        assert_eq!(hint.ledger_limit(&LAYOUT), 144, "below the chunk of block 40");
        assert_eq!(Hint::find(hint.as_bytes(), &[8; 16], &LAYOUT), None);
        assert_eq!(find(&hint.as_bytes()[..135]), None);
        for byte in 0..size_of::<Hint>() {
            let mut bytes = hint.as_bytes().to_vec();
            bytes[byte] ^= 0x20;
            assert_eq!(find(&bytes), None, "byte {byte}");
        }
    }
    let contradicting: [fn(&mut Hint); 11] = [
        |h| h.version = 1.into(),
        |h| h.sealed = 2.into(),
        |h| h.batches = 0.into(),
        |h| h.ledger_next = 0.into(),
        |h| h.last_header_block = 10.into(),
        |h| h.last_header_block = 1.into(),
        |h| h.reserved = 1.into(),
        |h| h.batches = 11.into(),
        |h| h.assets_written = 19.into(),
        |h| h.assets_written = 193.into(),
        |h| h.assets_written = 183.into(), // content where batches are
    ];
    let refused = |mut hint: Hint, change: fn(&mut Hint)| {
        change(&mut hint);
        let end = size_of::<Hint>() - 32;
        hint.check = Domain::Hint.hash(&hint.as_bytes()[..end]);
        assert_eq!(find(hint.as_bytes()), None, "{hint:?}");
    };
    for change in contradicting {
        refused(Hint::new(VOLUME, &AT, 9, 20), change);
    }
    let of_no_batches: [fn(&mut Hint); 5] = [
        |h| h.sealed = 1.into(),
        |h| h.ledger_next = 1.into(),
        |h| h.assets_next = 1.into(),
        |h| h.last_header_block = 1.into(),
        |h| h.last_header[31] = 1,
    ];
    for change in of_no_batches {
        refused(Hint::new(VOLUME, &Frontier::EMPTY, 0, 0), change);
    }
    assert_eq!(find(&[0; BLOCK_SIZE]), None);
}

const HEAD: Head = Head { records: 41, hash: [3; 32] };

fn encode(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [0xee; RECORD_MAX];
    let (len, head) = Draft { kind, time_ms: 5, payload }.encode(&HEAD, &mut bytes).unwrap();
    assert_eq!(head.records, 42);
    bytes[..len].to_vec()
}

#[test]
fn records_there_and_back_at_every_boundary() {
    for len in [0, 1, 7, 8, 9, 255, PAYLOAD_MAX - 1, PAYLOAD_MAX] {
        let payload = vec![b'p'; len];
        let mut bytes = encode(Kind::Document, &payload);
        assert_eq!(bytes.len(), padded_len(len));
        bytes.extend_from_slice(b"whatever follows");
        let (record, taken) = Record::decode(&bytes).unwrap();
        assert_eq!((taken, record.payload, record.kind), (padded_len(len), &payload[..], Kind::Document));
        let header = &record.header;
        assert_eq!((header.sequence.get(), header.time_ms.get(), header.previous), (41, 5, HEAD.hash));
        assert_eq!(record.continues(&HEAD), Ok(Head { records: 42, hash: record.hash }));
    }
    let mut out = [0; RECORD_MAX];
    let draft = Draft { kind: Kind::Flag, time_ms: 0, payload: &[0; PAYLOAD_MAX + 1] };
    assert_eq!(draft.encode(&HEAD, &mut out), None);
    let draft = Draft { payload: b"x", ..draft };
    assert_eq!(draft.encode(&HEAD, &mut out[..HEADER_SIZE]), None);
}

#[test]
fn records_that_are_not_whole_are_refused() {
    let good = encode(Kind::Document, b"12345");
    for byte in 0..good.len() {
        let mut bytes = good.clone();
        bytes[byte] ^= 4;
        assert!(Record::decode(&bytes).is_err(), "byte {byte}");
    }
    for len in 0..good.len() {
        assert_eq!(Record::decode(&good[..len]).unwrap_err(), RecordError::Length, "{len} bytes");
    }
    let error = |change: &dyn Fn(&mut Header)| {
        let (mut header, payload) = Header::read_from_prefix(&good).unwrap();
        change(&mut header);
        let mut hasher = Domain::Record.hasher();
        hasher.update(&header.as_bytes()[..HEADER_SIZE - CHECK_SIZE]);
        hasher.update(&payload[..5]);
        header.check.copy_from_slice(&hasher.finish()[..CHECK_SIZE]);
        let bytes = [header.as_bytes(), payload].concat();
        Record::decode(&bytes).map(|_| ()).unwrap_err()
    };
    assert_eq!(error(&|h| h.magic = *b"TBXS"), RecordError::NotARecord);
    assert_eq!(error(&|h| h.version = 0.into()), RecordError::Version);
    assert_eq!(error(&|h| h.kind = u16::MAX.into()), RecordError::Kind);
    assert_eq!(error(&|h| h.reserved = 1.into()), RecordError::Malformed);
    assert_eq!(error(&|h| h.payload_len = (PAYLOAD_MAX as u32 + 1).into()), RecordError::Length);
    assert_eq!(error(&|h| h.payload_len = u32::MAX.into()), RecordError::Length);
    assert_eq!(error(&|h| h.payload_len = 4.into()), RecordError::Malformed, "padding that is not zero");
    assert_eq!(error(&|h| h.payload_len = 6.into()), RecordError::Damaged);

    let (record, _) = Record::decode(&good).unwrap();
    assert_eq!(record.continues(&Head { records: 40, ..HEAD }), Err(RecordError::Sequence));
    assert_eq!(record.continues(&Head { hash: ZERO_HASH, ..HEAD }), Err(RecordError::Chain));
}

#[test]
fn kinds_and_their_numbers_agree() {
    let kinds: Vec<Kind> = (0..=u16::MAX).filter_map(Kind::from_u16).collect();
    assert_eq!(kinds, Kind::ALL);
    assert!(kinds.iter().all(|&kind| Kind::from_u16(kind as u16) == Some(kind) && !kind.name().is_empty()));
    let areas: Vec<Area> = (0..=u8::MAX).filter_map(Area::from_u8).collect();
    assert_eq!(areas, [Area::Input, Area::Assets, Area::Ledger, Area::Volume]);
}
