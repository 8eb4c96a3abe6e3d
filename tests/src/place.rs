//! Where the blocks of a volume are on a disk, and which of them may be written.

use std::ops::Range;

use ledger_fmt::batch_header::Frontier;
use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout};
use ledger_fmt::testing::ranges;
use totebox_deployment::Deployment;
use totebox_deployment::volume::Volume;

/// Where a block of a volume's area is on the disk, in bytes.
pub fn offset(deployment: &Deployment, volume: usize, area: Area, block: u64) -> usize {
    let volume = &deployment.volumes[volume];
    (volume.first_block + volume.layout.run(area, block).start) as usize * BLOCK_SIZE
}

/// The bytes of blocks of a volume's area, on the disk with this content.
pub fn bytes_of(disk: &[u8], volume: &Volume, area: Area, block: u64, blocks: u64) -> Vec<u8> {
    let bytes = &disk[volume.first_block as usize * BLOCK_SIZE..];
    ranges(&volume.layout, area, block, blocks).flat_map(|range| bytes[range].iter().copied()).collect()
}

/// Whether blocks of a volume of this layout, from `at` on, may be written when it is committed up to this frontier.
pub fn may_be_written(layout: &Layout, frontier: &Frontier, at: u64, blocks: u64) -> bool {
    let within = |start: u64, end: u64| start <= at && at + blocks <= end;
    let free = within(layout.space.start + frontier.ledger_next, layout.space.end());
    let is_committed = |range: Range<usize>| {
        let (start, end) = (range.start / BLOCK_SIZE, range.end / BLOCK_SIZE);
        (start as u64) < at + blocks && at < end as u64
    };
    within(layout.input.start, layout.input.end())
        || (free && !ranges(layout, Area::Assets, 0, frontier.assets_next).any(is_committed))
}
