//! What a lost superblock said, from the rest of its volume, so that its records can still be read: the
//! partition knows id and size, so it is known where `ledger/` begins, and the genesis record there knows the rest.

use ledger_fmt::batch_header::{BatchHeader, STAMP_SIZE};
use ledger_fmt::layout::{BLOCK_SIZE, Layout, NAME_LEN_MAX, Superblock, volume_name};
use ledger_fmt::payload::Genesis;
use ledger_fmt::record::{Kind, Record};

use super::image::{Image, Volume};

/// The superblock that a volume of so many blocks must have had.
pub fn restore(image: &Image, volume: &Volume, blocks: u64) -> Option<Superblock> {
    let layout = Layout::new(blocks)?;
    let mut block = [0; BLOCK_SIZE];
    let read = image.read(volume, layout.space.start, &mut block);
    from_first_batch(&block, &volume.id, &layout).filter(|_| read)
}

/// The superblock that a volume with this id and layout must have, by the genesis record, if this is the first block of
/// its `ledger/`.
pub fn from_first_batch(block: &[u8], volume: &[u8; 16], layout: &Layout) -> Option<Superblock> {
    // A record fits the block its batch header begins.
    BatchHeader::find(block, volume, 0, layout).ok()?;
    let (record, _) = Record::decode(&block[STAMP_SIZE..]).ok()?;
    let genesis = Genesis::read(record.payload).filter(|_| record.kind == Kind::Genesis)?;
    volume_name(genesis.name.as_bytes()).filter(|&name| name == genesis.name)?;
    let mut name = [0; NAME_LEN_MAX];
    name[..genesis.name.len()].copy_from_slice(genesis.name.as_bytes());
    Some(Superblock::new(genesis.deployment, *volume, name, layout.blocks))
}
