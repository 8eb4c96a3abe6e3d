//! Inclusion and consistency proofs over the tree (RFC 6962 §2.1.1 and §2.1.2): made from all record hashes,
//! checked (RFC 9162 §2.1.3.2 and §2.1.4.2) without any.

use crate::Hash;
use crate::tree::{Edge, LEVELS, leaf, node};

/// Hashes of a proof at most: one for each level, and one to begin with.
pub const HASHES_MAX: usize = LEVELS + 1;

/// The hashes of a proof, in the order of RFC 6962.
pub type Hashes = heapless::Vec<Hash, HASHES_MAX>;

/// Proves that record `index` is among these; `None` if it is not.
pub fn inclusion(records: &[Hash], index: u64) -> Option<Hashes> {
    let mut index = usize::try_from(index).ok().filter(|&index| index < records.len())?;
    let (mut records, mut proof) = (records, Hashes::new());
    // From the root down; RFC 6962 lists it the other way round.
    while records.len() > 1 {
        let (left, right) = split(records);
        let sibling = if index < left.len() {
            records = left;
            right
        } else {
            index -= left.len();
            records = right;
            left
        };
        proof.push(root(sibling)).ok()?;
    }
    proof.reverse();
    Some(proof)
}

/// Proves that the tree over the first `old` of these records is the beginning of the tree over all; `None` if
/// there are fewer. Nothing is to be proved, and the proof is empty, if there are none or just as many.
pub fn consistency(records: &[Hash], old: u64) -> Option<Hashes> {
    let mut old = usize::try_from(old).ok().filter(|&old| old <= records.len())?;
    let (mut records, mut proof) = (records, Hashes::new());
    if old == 0 {
        return Some(proof);
    }
    // Whether the old tree is the one on the left all the way, whose root the checker knows.
    let mut known = true;
    while old < records.len() {
        let (left, right) = split(records);
        let sibling = if old <= left.len() {
            records = left;
            right
        } else {
            (old, known) = (old - left.len(), false);
            records = right;
            left
        };
        proof.push(root(sibling)).ok()?;
    }
    if !known {
        proof.push(root(records)).ok()?;
    }
    proof.reverse();
    Some(proof)
}

/// Checks that the record with this hash is number `index` in the tree of this size and root.
pub fn check_inclusion(record: &Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut first, mut last, mut hash) = (index, size - 1, leaf(record));
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if first & 1 == 1 || first == last {
            hash = node(sibling, &hash);
            up_to_right_child(&mut first, &mut last);
        } else {
            hash = node(&hash, sibling);
        }
        (first, last) = (first >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Checks that the first of these trees is the beginning of the second. Trees are given by size and root.
pub fn check_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old, old_root), (new, new_root)) = (old, new);
    if old > new {
        return false;
    }
    if old == 0 || old == new {
        let same = if old == 0 { *old_root == crate::tree::empty_root() } else { old_root == new_root };
        return same && proof.is_empty();
    }
    // A perfect old tree is itself where the proof begins.
    let (start, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some((start, rest)) => (start, rest),
        None => return false,
    };
    let (mut first, mut last) = (old - 1, new - 1);
    while first & 1 == 1 {
        (first, last) = (first >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if first & 1 == 1 || first == last {
            old_hash = node(sibling, &old_hash);
            new_hash = node(sibling, &new_hash);
            up_to_right_child(&mut first, &mut last);
        } else {
            new_hash = node(&new_hash, sibling);
        }
        (first, last) = (first >> 1, last >> 1);
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// The levels at which a node without a right sibling is passed up as it is.
fn up_to_right_child(first: &mut u64, last: &mut u64) {
    while *first & 1 == 0 && *first != 0 {
        (*first, *last) = (*first >> 1, *last >> 1);
    }
}

/// The records of the two subtrees of a tree of more than one.
fn split(records: &[Hash]) -> (&[Hash], &[Hash]) {
    records.split_at(records.len().next_power_of_two() / 2)
}

fn root(records: &[Hash]) -> Hash {
    Edge::over(records).root()
}
