//! Images for tests (feature `testing`).

use crate::Spec;

/// A loader image around a specification, put together as the Microkit tool does it.
pub fn image_of(spec: &Spec) -> Vec<u8> {
    let spec = rkyv::to_bytes::<rkyv::rancor::Error>(spec).expect("a specification can be archived");
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let (kernel_at, spec_at, table_at, pv_offset) = (0x1000_u64, 0x20_0000, 0x40_0000, 0x6000_0000);
    let header = |kind: u32, vaddr: u64, size: usize| {
        let mut header = kind.to_le_bytes().to_vec();
        header.extend(4_u32.to_le_bytes());
        header.extend(words(&[0, vaddr, vaddr, size as u64, size as u64, 0]));
        header
    };
    let headers = [(1, spec_at, spec.len()), (0x64c3_4003, spec_at, spec.len()), (6, table_at, 3 * 56)];
    let table: Vec<u8> = headers.into_iter().flat_map(|(kind, vaddr, size)| header(kind, vaddr, size)).collect();
    let kernel = vec![0; 0x123];
    let regions: [(u64, &[u8]); 3] =
        [(kernel_at, &kernel), (spec_at + pv_offset, &spec), (table_at + pv_offset, &table)];
    let size: usize = 64 + regions.iter().map(|(_, bytes)| 32 + bytes.len()).sum::<usize>();
    // The loader's code has the magic number too.
    const MAGIC: u64 = 0x5e14_dead_14de_5ead;
    let mut image = words(&[0, MAGIC, 0]);
    image.extend(words(&[MAGIC, size as u64, 0, 0, 0, pv_offset, 0, 3]));
    let mut offset = 0;
    for (address, bytes) in regions {
        image.extend(words(&[address, bytes.len() as u64, offset, 1]));
        offset += bytes.len() as u64;
    }
    regions.into_iter().for_each(|(_, bytes)| image.extend(bytes));
    image
}
