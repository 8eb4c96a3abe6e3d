//! The Merkle tree against a slow reference taken word by word from RFC 6962, and that against the vectors
//! of the Certificate Transparency project.

use ledger_fmt::Hash;
use ledger_fmt::tree::{Edge, empty_root, leaf, node};
use sha2::{Digest, Sha256};

fn sha256(parts: &[&[u8]]) -> Hash {
    parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize().into()
}

/// RFC 6962 §2.1: MTH of these inputs.
fn reference(inputs: &[Vec<u8>]) -> Hash {
    match inputs {
        [] => sha256(&[]),
        [input] => sha256(&[&[0], input]),
        _ => {
            let split = (inputs.len().next_power_of_two() / 2).max(1);
            sha256(&[&[1], &reference(&inputs[..split]), &reference(&inputs[split..])])
        }
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// Inputs and roots of `merkletree/testdata` of certificate-transparency.
const INPUTS: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn the_reference_is_that_of_certificate_transparency() {
    let inputs: Vec<Vec<u8>> = INPUTS.iter().map(|hex| unhex(hex)).collect();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(reference(&inputs[..size]).as_slice(), unhex(root), "{size} leaves");
    }
}

#[test]
fn the_edge_agrees_with_the_reference_at_every_size() {
    assert_eq!(Edge::EMPTY.root(), empty_root());
    let mut edge = Edge::EMPTY;
    let mut inputs = Vec::new();
    for size in 0..300u64 {
        assert_eq!((edge.size(), edge.root()), (size, reference(&inputs)), "{size} leaves");
        let record: Hash = sha256(&[&size.to_le_bytes()]);
        edge.push(&record);
        inputs.push(record.to_vec());
    }
}

#[test]
fn leaves_and_nodes_are_kept_apart() {
    let (a, b) = ([1; 32], [2; 32]);
    assert_eq!(leaf(&a), sha256(&[&[0], &a]));
    assert_eq!(node(&a, &b), sha256(&[&[1], &a, &b]));
}

#[test]
fn an_edge_is_made_again_from_its_subtrees() {
    let mut edge = Edge::EMPTY;
    for size in 0..70u64 {
        let subtrees: Vec<Hash> = edge.subtrees().copied().collect();
        assert_eq!(subtrees.len() as u32, size.count_ones());
        let mut again = Edge::of(size, subtrees.iter().copied()).unwrap();
        assert_eq!((again.size(), again.root()), (size, edge.root()));
        assert_eq!(Edge::of(size, subtrees.iter().copied().chain([[0; 32]])), None, "too many");
        if size > 0 {
            assert_eq!(Edge::of(size, subtrees[1..].iter().copied()), None, "too few");
        }
        edge.push(&[size as u8; 32]);
        again.push(&[size as u8; 32]);
        assert_eq!(again.root(), edge.root(), "and grows as the first did");
    }
    assert_eq!(Edge::of(u64::MAX, [[0; 32]; 64]), None, "more levels than there are");
}
