//! The write-once rule as the disk sees it, from the format alone and whoever writes: a batch that stands whole
//! where no power cut can take it is never written again, nor is anything before it; a hint names nothing
//! else; and of the two hints one is always out of danger. Every write of every simulated machine is held to it.

use ledger_fmt::batch_header::{BatchHeader, Frontier, Hint, STAMP_SIZE};
use ledger_fmt::hash::checksum;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use totebox_deployment::Deployment;
use totebox_deployment::volume::Volume;

use crate::place::{bytes_of, may_be_written};

/// What is known of the disk of a deployment.
pub(super) struct WriteOnce(Vec<Place>);

struct Place {
    volume: Volume,
    /// The frontier behind each batch that is whole on the medium, and the block of that batch's header.
    batches: Vec<(Frontier, u64)>,
}

impl WriteOnce {
    /// A disk with this content.
    pub fn new(deployment: &Deployment, stable: &[u8]) -> WriteOnce {
        let place = |volume: &Volume| Place { volume: volume.clone(), batches: Vec::new() };
        let mut rule = WriteOnce(deployment.volumes.iter().map(place).collect());
        rule.advance(stable);
        // Behind damage the walk goes on where the vault's does: at the newest hint.
        for place in &mut rule.0 {
            let newest = place.newest_hint(stable);
            place
                .batches
                .extend(newest.filter(|(frontier, _)| frontier.batches > place_frontier(&place.batches).batches));
        }
        rule.advance(stable);
        rule
    }

    /// Forgets the batches it knew: somebody has put other bytes in their place.
    pub fn begin_anew(&mut self, stable: &[u8]) {
        self.0.iter_mut().for_each(|place| place.batches.clear());
        self.advance(stable);
    }

    /// Takes in the batches that have become whole on the medium.
    pub fn advance(&mut self, stable: &[u8]) {
        for place in &mut self.0 {
            while let Some(batch) = place.next_batch(stable) {
                place.batches.push(batch);
            }
        }
    }

    /// Judges a write that is submitted. `is_stable` tells whether nothing is under way to a block.
    pub fn judge(&self, block: u64, bytes: &[u8], is_stable: impl Fn(u64) -> bool) {
        let blocks = (bytes.len() / BLOCK_SIZE) as u64;
        let place = self.0.iter().find(|Place { volume, .. }| {
            volume.first_block <= block && block + blocks <= volume.first_block + volume.layout.blocks
        });
        let Place { volume, batches } = place.expect("every write lies in one volume");
        let at = block - volume.first_block;
        let name = &volume.name;
        if HINT_BLOCKS.contains(&at) && blocks == 1 {
            let hint = Hint::find(bytes, &volume.id, &volume.layout).expect("the vault writes valid hints");
            let hint = names(&hint);
            let durable = hint == (Frontier::EMPTY, 0) || batches.contains(&hint);
            assert!(durable, "a hint of {name} names what is not durable: {hint:?}");
            let other = HINT_BLOCKS.into_iter().find(|&hint| hint != at).expect("there are two");
            assert!(is_stable(volume.first_block + other), "both hints of {name} are at risk together");
            return;
        }
        let frontier = place_frontier(batches);
        assert!(
            may_be_written(&volume.layout, &frontier, at, blocks),
            "a write to block {at} of {name}, where nothing may be written any more: {frontier:?}"
        );
    }
}

/// The frontier behind these batches.
fn place_frontier(batches: &[(Frontier, u64)]) -> Frontier {
    batches.last().map_or(Frontier::EMPTY, |(frontier, _)| *frontier)
}

/// The frontier a hint names, and the block of its last batch header.
fn names(hint: &Hint) -> (Frontier, u64) {
    (hint.frontier(), hint.last_header_block.get())
}

impl Place {
    /// What the newest hint on the medium names.
    fn newest_hint(&self, stable: &[u8]) -> Option<(Frontier, u64)> {
        let Volume { id, layout, .. } = &self.volume;
        let block = |hint: u64| &stable[(self.volume.first_block + hint) as usize * BLOCK_SIZE..][..BLOCK_SIZE];
        let hints = HINT_BLOCKS.into_iter().filter_map(|hint| Hint::find(block(hint), id, layout));
        hints.map(|hint| names(&hint)).max_by_key(|(frontier, _)| frontier.batches)
    }

    /// The batch at the frontier, if it is whole.
    fn next_batch(&self, stable: &[u8]) -> Option<(Frontier, u64)> {
        let Volume { id, layout, .. } = &self.volume;
        let frontier = place_frontier(&self.batches);
        if frontier.ledger_next >= layout.ledger_end(frontier.assets_next) {
            return None;
        }
        let bytes = |area, from: u64, to: u64| bytes_of(stable, &self.volume, area, from, to - from);
        let at = frontier.ledger_next;
        let block = bytes(Area::Ledger, at, at + 1);
        let header = BatchHeader::decode(&block, id, &frontier, layout).ok()?;
        let after = header.frontier_after();
        let records =
            &bytes(Area::Ledger, at, after.ledger_next)[STAMP_SIZE..][..header.payload_len.get() as usize];
        let assets = bytes(Area::Assets, header.assets_durable.get(), header.assets_to.get());
        let whole = checksum(records) == header.ledger_checksum && checksum(&assets) == header.assets_checksum;
        whole.then_some((after, at))
    }
}
