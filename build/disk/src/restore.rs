//! What a lost superblock said, from the rest of its volume, so that its records can still be read: the
//! partition knows id and size, the first batch where `ledger/` begins, and the genesis record in it the rest.

use ledger_fmt::batch_header::{BatchHeader, STAMP_SIZE};
use ledger_fmt::layout::{
    BLOCK_SIZE, DIRECTORIES_START, INPUT_BLOCKS, Layout, NAME_LEN_MAX, Superblock, volume_name,
};
use ledger_fmt::payload::Genesis;
use ledger_fmt::record::{Kind, Record};
use zerocopy::FromBytes;

use super::image::{Image, Volume};

/// Blocks read at once in search of the first batch.
const CHUNK: usize = 256;

/// The superblock that a volume of so many blocks must have had; `lost` is what stands in its place.
pub fn restore(image: &Image, volume: &Volume, blocks: u64, lost: &[u8]) -> Option<Superblock> {
    let first = DIRECTORIES_START + INPUT_BLOCKS + 1;
    // Most likely the size of ledger/ is still right, or it is the usual one. Else look everywhere.
    let said = Superblock::read_from_prefix(lost).map_or(0, |(superblock, _)| superblock.ledger_blocks.get());
    let likely = [said, Layout::default_ledger_blocks(blocks)];
    let likely = likely.into_iter().filter_map(|ledger| blocks.checked_sub(ledger));
    let mut chunk = vec![0; CHUNK * BLOCK_SIZE];
    for start in likely.filter(|start| (first..blocks).contains(start)) {
        let bytes = &mut chunk[..BLOCK_SIZE];
        if image.read(volume, start, bytes)
            && let Some(superblock) = begins_at(bytes, volume, blocks, start)
        {
            return Some(superblock);
        }
    }
    let mut next = first;
    while next < blocks {
        // Up to the first block that cannot be read.
        let len = [(blocks - next).min(CHUNK as u64), 1]
            .into_iter()
            .find(|&len| image.read(volume, next, &mut chunk[..len as usize * BLOCK_SIZE]))?;
        let bytes = &chunk[..len as usize * BLOCK_SIZE];
        for (block, start) in bytes.chunks_exact(BLOCK_SIZE).zip(next..) {
            if let Some(superblock) = begins_at(block, volume, blocks, start) {
                return Some(superblock);
            }
        }
        next += len;
    }
    None
}

/// The superblock, if this is the first block of `ledger/`, `start` blocks into the volume.
fn begins_at(block: &[u8], volume: &Volume, blocks: u64, start: u64) -> Option<Superblock> {
    from_first_batch(block, &volume.id, &Layout::new(blocks, blocks - start)?)
}

/// The superblock that a volume with this id and layout must have, by the genesis record, if this is the first block of
/// its `ledger/`.
pub fn from_first_batch(block: &[u8], volume: &[u8; 16], layout: &Layout) -> Option<Superblock> {
    // A record fits the block its batch header begins.
    BatchHeader::find(block, volume, 0, layout.ledger.blocks, layout.assets.blocks).ok()?;
    let (record, _) = Record::decode(&block[STAMP_SIZE..]).ok()?;
    let genesis = Genesis::read(record.payload).filter(|_| record.kind == Kind::Genesis)?;
    volume_name(genesis.name.as_bytes()).filter(|&name| name == genesis.name)?;
    let mut name = [0; NAME_LEN_MAX];
    name[..genesis.name.len()].copy_from_slice(genesis.name.as_bytes());
    Some(Superblock::new(genesis.deployment, *volume, name, layout))
}
