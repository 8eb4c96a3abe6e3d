//! The shared memory of a simulated deployment: one run of words in which every region has its place.

use std::cell::RefCell;
use std::collections::HashMap;

use totebox::model::graph::{Graph, RegionIndex, RegionKind};
use totebox_manifest::Region;
use totebox_manifest::conversation::PAGE;
use totebox_shm::{Shared, testing};

thread_local! {
    /// Memory of earlier deployments, to be used again: it lives for ever once it was made.
    static POOL: RefCell<Vec<Region>> = const { RefCell::new(Vec::new()) };
}

/// All regions two domains share, and the archives' keys.
#[derive(Debug)]
pub struct Memory {
    whole: Region,
    /// Where in `whole` each region is, by the address `system.xml` gives it.
    offsets: HashMap<u64, u64>,
}

impl Memory {
    /// Zeroed memory for the regions of a graph.
    pub fn new(graph: &Graph) -> Memory {
        let mut offsets = HashMap::new();
        let mut size = 0;
        let keys: Vec<RegionIndex> = graph.pds.iter().filter_map(|pd| pd.signing_key).collect();
        for (index, region) in graph.regions.iter().enumerate() {
            if region.kind != RegionKind::Memory && !keys.contains(&RegionIndex(index)) {
                continue;
            }
            offsets.insert(region.vaddr, size);
            // The page between two regions belongs to neither.
            size += region.size + PAGE as u64;
        }
        Memory { whole: take(size as usize), offsets }
    }

    /// Where a region of a manifest is here; no region if it is a device's.
    pub fn place(&self, region: Region) -> Region {
        match self.offsets.get(&region.vaddr.get()) {
            Some(offset) => Region { vaddr: (self.whole.vaddr.get() + offset).into(), size: region.size },
            None => Region::default(),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        POOL.with_borrow_mut(|pool| pool.push(self.whole));
    }
}

fn take(size: usize) -> Region {
    let used = POOL.with_borrow_mut(|pool| {
        let fits = pool.iter().position(|region| region.size.get() >= size as u64);
        fits.map(|index| pool.swap_remove(index))
    });
    let Some(region) = used else { return testing::region(size) };
    let shared = Shared::new(testing::mapped(), region).expect("a region of `testing`");
    let zeros = [0; PAGE];
    for offset in (0..shared.size()).step_by(PAGE) {
        shared.write(offset, &zeros[..PAGE.min(shared.size() - offset)]);
    }
    region
}
