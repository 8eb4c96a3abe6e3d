//! The shared memory of a simulated deployment: one run of words in which every region has its place.

use std::collections::HashMap;

use totebox_deployment::graph::{Graph, RegionIndex, RegionKind};
use totebox_manifest::Region;
use totebox_manifest::conversation::PAGE;
use totebox_shm::testing;

/// All regions two domains share, and the keys.
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
        Memory { whole: testing::region(size as usize), offsets }
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
        testing::give_back([self.whole]);
    }
}
