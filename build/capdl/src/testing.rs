//! Images for tests (feature `testing`).

use crate::{Programs, Spec};

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
    // The loader's code has the magic number too, and where it finds the header.
    const MAGIC: u64 = 0x5e14_dead_14de_5ead;
    let mut image = words(&[0, MAGIC, 0x7000_0000 + 24]);
    image.extend(words(&[MAGIC, size as u64, 0, 0, 0, pv_offset, 0, 3]));
    let mut offset = 0;
    for (address, bytes) in regions {
        image.extend(words(&[address, bytes.len() as u64, offset, 1]));
        offset += bytes.len() as u64;
    }
    regions.into_iter().for_each(|(_, bytes)| image.extend(bytes));
    image
}

/// The files of a small SDK for a board: `loader.elf`, `sel4.elf` and `initialiser.elf`.
pub fn sdk() -> [(&'static str, Vec<u8>); 3] {
    const LOADER: u64 = 0x7000_0000;
    const TABLES: [&str; 6] = [
        "boot_lvl0_lower",
        "boot_lvl1_lower",
        "boot_lvl2_lower",
        "boot_lvl0_upper",
        "boot_lvl1_upper",
        "boot_lvl2_upper",
    ];
    let end = LOADER + 7 * 4096;
    let mut symbols: Vec<(&str, u64)> = TABLES.into_iter().zip((1..).map(|page| LOADER + page * 4096)).collect();
    symbols.extend([("_loader_start", LOADER), ("_loader_end", end)]);
    let code: Vec<u8> = [0x1400_0000, end].iter().flat_map(|word| word.to_le_bytes()).collect();
    let initialiser = [("sel4_phdrs_patched__vaddr", 0x20_0010), ("sel4_phdrs_patched__phnum", 0x20_0018)];
    [
        ("loader.elf", elf(LOADER, LOADER, &code, 7 * 4096, &symbols)),
        ("sel4.elf", elf(0x80_6000_0000, 0x6000_0000, &[0xaa; 0x123], 0x200, &[])),
        ("initialiser.elf", elf(0x20_0000, 0x20_0000, &[0xbb; 0x40], 0x1234, &initialiser)),
    ]
}

/// The image the Microkit tool makes with [`sdk`].
pub fn booting_image_of(spec: &Spec) -> Vec<u8> {
    let spec = rkyv::to_bytes::<rkyv::rancor::Error>(spec).expect("a specification can be archived");
    let [loader, kernel, initialiser] = sdk().map(|(_, bytes)| bytes);
    let programs = Programs::parse(&loader, &kernel, &initialiser).expect("they are ELF files");
    let made = programs.put_together(0x6004_2000, &spec, &[0xcc; 4096]).expect("the programs are as the tool's");
    made.parts.into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// An ELF file of one segment, whose first byte is its entry.
fn elf(vaddr: u64, paddr: u64, content: &[u8], memsz: u64, symbols: &[(&str, u64)]) -> Vec<u8> {
    let half = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let names: Vec<u8> = symbols.iter().flat_map(|(name, _)| name.bytes().chain([0])).collect();
    let content_at = 64 + 56 + 2 * 64;
    let names_at = content_at + content.len();
    let table_at = names_at + names.len();
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(half(&[183 << 16 | 2, 1]));
    file.extend(words(&[vaddr, 64, 64 + 56]));
    file.extend(half(&[0, 56 << 16 | 64, 64 << 16 | 1, 2]));
    file.extend(half(&[1, 7]));
    file.extend(words(&[content_at as u64, vaddr, paddr, content.len() as u64, memsz, 4096]));
    for (kind, at, size, link) in [(3, names_at, names.len(), 0), (2, table_at, 24 * symbols.len(), 0)] {
        file.extend(half(&[0, kind]));
        file.extend(words(&[0, 0, at as u64, size as u64]));
        file.extend(half(&[link, 0]));
        file.extend(words(&[1, 24]));
    }
    file.extend(content);
    file.extend(names);
    let mut name = 0_u32;
    for (symbol, address) in symbols {
        file.extend(half(&[name, 0]));
        file.extend(words(&[*address, 0]));
        name += symbol.len() as u32 + 1;
    }
    file
}
