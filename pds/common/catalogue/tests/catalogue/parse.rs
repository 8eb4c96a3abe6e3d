//! Reads a block as `docs/catalogue.md` describes it, without the crate: a leaf's names, and what kind a block is.

fn number(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return number;
        }
        shift += 7;
    }
}

/// The level of a block: 0 for a leaf.
pub fn level(block: &[u8]) -> u8 {
    block[36]
}

/// Names and sequence numbers of a leaf.
pub fn leaf(block: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let from = u64::from_le_bytes(block[16..24].try_into().unwrap());
    let count = u16::from_le_bytes([block[38], block[39]]);
    let (mut at, mut name, mut entries) = (44, Vec::new(), Vec::new());
    for _ in 0..count {
        let (shared, len) = (number(block, &mut at) as usize, number(block, &mut at) as usize);
        name.truncate(shared);
        name.extend_from_slice(&block[at..at + len]);
        at += len;
        let sequence = from + number(block, &mut at);
        // Place, size, time.
        (0..3).for_each(|_| _ = number(block, &mut at));
        let flags = block[at];
        at += 1;
        if flags & 0x40 != 0 {
            number(block, &mut at);
        }
        at += usize::from(flags & 0x1F);
        entries.push((name.clone(), sequence));
    }
    assert_eq!(at, usize::from(u16::from_le_bytes([block[40], block[41]])));
    assert!(block[at..].iter().all(|&byte| byte == 0));
    entries
}
