//! Superblocks, hints, batch headers and records, as they come from a disk: as they are, and with their check mended,
//! so that what lies behind it is reached.

use ledger_fmt::batch_header::{Batch, BatchHeader, Hint, STAMP_SIZE};
use ledger_fmt::cbor::{self, Map, MapWriter};
use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{BLOCK_SIZE, Layout, Superblock, VOLUME_BLOCKS_MAX};
use ledger_fmt::note::Seed;
use ledger_fmt::payload::{DOCUMENT_NAME_MAX, Document, Genesis, Lifecycle, Stated};
use ledger_fmt::record::{CHECK_SIZE, Draft, HEADER_SIZE, Head, Header, Kind, Record};
use ledger_fmt::testing::TestVolume;
use zerocopy::{FromBytes, IntoBytes};

use crate::Target;

/// The target.
pub const TARGET: Target =
    Target { name: "structures", run, memory: 8 * 1024, memory_per_byte: 2, mutations: 20000, seeds };

fn run(input: &[u8]) {
    superblock(input);
    hint(input);
    header(input);
    record(input);
    let mut mended = input.to_vec();
    mend(&mut mended, size_of::<Superblock>(), Domain::Superblock);
    superblock(&mended);
    mended.copy_from_slice(input);
    mend(&mut mended, size_of::<Hint>(), Domain::Hint);
    hint(&mended);
    mended.copy_from_slice(input);
    mend(&mut mended, STAMP_SIZE, Domain::BatchHeader);
    header(&mended);
    mended.copy_from_slice(input);
    mend_record(&mut mended);
    record(&mended);
}

/// Puts the right check at the end of the structure of this size that the bytes begin with.
pub fn mend(bytes: &mut [u8], size: usize, domain: Domain) {
    if let Some((body, check)) = bytes.get_mut(..size).and_then(<[u8]>::split_last_chunk_mut::<32>) {
        *check = domain.hash(body);
    }
}

/// Puts the right check into the record that the bytes begin with.
pub fn mend_record(bytes: &mut [u8]) {
    let Ok((header, rest)) = Header::read_from_prefix(bytes) else { return };
    let Some(payload) = rest.get(..header.payload_len.get() as usize) else { return };
    let mut hasher = Domain::Record.hasher();
    hasher.update(&header.as_bytes()[..HEADER_SIZE - CHECK_SIZE]);
    hasher.update(payload);
    bytes[HEADER_SIZE - CHECK_SIZE..HEADER_SIZE].copy_from_slice(&hasher.finish()[..CHECK_SIZE]);
}

/// In it every structure may stand that may stand in any volume.
const LARGEST: Layout = Layout::new(VOLUME_BLOCKS_MAX).expect("a possible size");

fn superblock(bytes: &[u8]) {
    let Ok((superblock, layout)) = Superblock::decode(bytes) else { return };
    let again = Superblock::new(superblock.deployment, superblock.volume, superblock.name, layout.blocks);
    assert_eq!(again.as_bytes(), &bytes[..size_of::<Superblock>()]);
    assert_eq!(superblock.matches(&again), Ok(()));
    assert_eq!(layout.space.end(), layout.blocks);
}

fn hint(bytes: &[u8]) {
    let Ok((read, _)) = Hint::read_from_prefix(bytes) else { return };
    let Some(hint) = Hint::find(bytes, &read.volume, &LARGEST) else { return };
    let (last_header_block, written) = (hint.last_header_block.get(), hint.assets_written.get());
    let again = Hint::new(read.volume, &hint.frontier(), last_header_block, written);
    assert_eq!(again.as_bytes(), &bytes[..size_of::<Hint>()]);
}

fn header(bytes: &[u8]) {
    let Ok((read, _)) = BatchHeader::read_from_prefix(bytes) else { return };
    let found = BatchHeader::find(bytes, &read.volume, read.ledger_block.get(), &LARGEST);
    let Ok(header) = found else { return };
    let batch = Batch {
        kind: header.kind().expect("an accepted batch header has a kind"),
        volume: header.volume,
        payload_len: header.payload_len.get(),
        assets_to: header.assets_to.get(),
        assets_durable: header.assets_durable.get(),
        ledger_checksum: header.ledger_checksum,
        assets_checksum: header.assets_checksum,
    };
    let before = header.frontier_before();
    assert_eq!(BatchHeader::new(&before, &batch).as_bytes(), &bytes[..STAMP_SIZE]);
    assert_eq!(BatchHeader::decode(bytes, &header.volume, &before, &LARGEST), Ok(header));
    let after = header.frontier_after();
    assert!(after.ledger_next > before.ledger_next && after.assets_next >= before.assets_next);
    assert!(after.is_within(&LARGEST));
}

fn record(bytes: &[u8]) {
    let Ok((record, len)) = Record::decode(bytes) else { return };
    let Record { header, kind, payload, hash } = record;
    let head = Head { records: header.sequence.get(), hash: header.previous };
    let after = record.continues(&head).expect("it continues what it says it continues");
    assert_eq!(after.hash, hash);
    if head.records < u64::MAX {
        let mut again = [0; BLOCK_SIZE];
        let draft = Draft { kind, time_ms: header.time_ms.get(), payload };
        assert_eq!(draft.encode(&head, &mut again), Some((len, after)));
        assert_eq!(again[..len], bytes[..len]);
    }
    self::payload(payload);
    assert!(record.document().is_none() || kind == Kind::Document);
    let _ = record.has_form();
}

/// What can be read of a payload is in the one form there is.
fn payload(bytes: &[u8]) {
    let Some(map) = Map::read(bytes) else { return };
    let mut again = [0; BLOCK_SIZE];
    let all = |out: &mut MapWriter<'_, '_>| map.iter().for_each(|(key, value)| out.value(key, value));
    // A longer map is read, and never written.
    if map.iter().count() < 24 {
        assert_eq!(cbor::write(&mut again, all), Some(bytes.len()));
        assert_eq!(again[..bytes.len()], *bytes);
    }
    let _ = (Genesis::read(bytes), Lifecycle::read(bytes), Stated::read(bytes));
    if let Some(document) = Document::read(bytes) {
        assert!((1..=DOCUMENT_NAME_MAX).contains(&document.name.len()));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut volume = TestVolume::new("contracts");
    volume.document("lease.pdf", b"what was agreed on");
    volume.signed_checkpoint(&Seed::default());
    volume.commit();
    volume.hint(1);
    volume.seal();
    let block = |number: usize| &volume.bytes[number * BLOCK_SIZE..];
    let ledger = &block(volume.layout.space.start as usize)[..volume.frontier.ledger_next as usize * BLOCK_SIZE];
    let mut seeds = vec![block(0)[..size_of::<Superblock>()].to_vec(), block(2)[..size_of::<Hint>()].to_vec()];
    for batch in ledger.chunks(BLOCK_SIZE) {
        seeds.push(batch[..STAMP_SIZE].to_vec());
        let mut rest = &batch[STAMP_SIZE..];
        while let Ok((_, len)) = Record::decode(rest) {
            seeds.push(rest[..len].to_vec());
            rest = &rest[len..];
        }
    }
    seeds
}
