//! Proofs: every one over small trees, those of Certificate Transparency, and altered ones.

use ledger_fmt::Hash;
use ledger_fmt::hash::content_blake3;
use ledger_fmt::proof::{check_consistency, check_inclusion, consistency, inclusion};
use ledger_fmt::tree::{Edge, empty_root};

/// Sizes up to which everything is tried.
const SIZES: u64 = 40;

fn records(count: u64) -> Vec<Hash> {
    (0..count).map(|i| content_blake3(&i.to_le_bytes())).collect()
}

fn root(records: &[Hash]) -> Hash {
    Edge::over(records).root()
}

/// Every proof that differs a little.
fn altered(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut others = Vec::new();
    for i in 0..proof.len() {
        let mut other = proof.to_vec();
        other[i][7] ^= 1;
        others.push(other.clone());
        other.remove(i);
        others.push(other);
        let mut other = proof.to_vec();
        other.swap(0, i);
        others.extend((other != proof).then_some(other));
    }
    others.push([proof, &[[0; 32]]].concat());
    others
}

#[test]
fn every_record_of_every_tree_is_proved_and_nothing_else() {
    let records = records(SIZES);
    for size in 1..=SIZES {
        let (records, root) = (&records[..size as usize], root(&records[..size as usize]));
        for index in 0..size {
            let record = &records[index as usize];
            let proof = inclusion(records, index).unwrap();
            assert!(check_inclusion(record, index, size, &root, &proof), "{index} of {size}");
            for other in altered(&proof) {
                assert!(!check_inclusion(record, index, size, &root, &other), "{index} of {size}");
            }
            for other in (0..=size).filter(|&other| other != index) {
                assert!(!check_inclusion(record, other, size, &root, &proof), "{index} as {other} of {size}");
            }
            assert!(!check_inclusion(&[9; 32], index, size, &root, &proof));
            assert!(!check_inclusion(record, index, size, &[9; 32], &proof));
        }
        assert_eq!(inclusion(records, size), None);
    }
    assert!(!check_inclusion(&records[0], 0, 0, &empty_root(), &[]), "there is nothing in an empty tree");
}

#[test]
fn every_growth_is_proved_and_nothing_else() {
    let records = records(SIZES);
    let root = |size: u64| root(&records[..size as usize]);
    for new in 0..=SIZES {
        for old in 0..=new {
            let proof = consistency(&records[..new as usize], old).unwrap();
            assert!(check_consistency((old, &root(old)), (new, &root(new)), &proof), "{old} to {new}");
            for other in altered(&proof) {
                assert!(!check_consistency((old, &root(old)), (new, &root(new)), &other), "{old} to {new}");
            }
            assert!(!check_consistency((old, &[9; 32]), (new, &root(new)), &proof), "another beginning");
            if old > 0 {
                assert!(!check_consistency((old, &root(old)), (new, &[9; 32]), &proof), "another tree");
            }
            if old < new {
                assert!(
                    !check_consistency((new, &root(new)), (old, &root(old)), &proof),
                    "a tree does not shrink"
                );
            }
        }
        assert_eq!(consistency(&records[..new as usize], new + 1), None);
    }
}

/// A tree that begins otherwise is not proved to extend the first one.
#[test]
fn another_history_has_no_proof() {
    let (kept, mut forged) = (records(9), records(20));
    forged[4] = [4; 32];
    let proof = consistency(&forged, 9).unwrap();
    assert!(!check_consistency((9, &root(&kept)), (20, &root(&forged)), &proof));
}

fn unhex(hex: &str) -> Hash {
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

/// Consistency proofs of `merkletree/testdata` of certificate-transparency: sizes and roots of both trees, hashes.
const CERTIFICATE_TRANSPARENCY: [(u64, &str, u64, &str, &[&str]); 4] = [
    (
        1,
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        8,
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        2,
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        5,
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        6,
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        8,
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        6,
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        7,
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
];

#[test]
fn the_proofs_of_certificate_transparency_hold() {
    for (old, old_root, new, new_root, hashes) in CERTIFICATE_TRANSPARENCY {
        let hashes: Vec<Hash> = hashes.iter().map(|hash| unhex(hash)).collect();
        assert!(check_consistency((old, &unhex(old_root)), (new, &unhex(new_root)), &hashes), "{old} to {new}");
        assert!(!check_consistency((old, &unhex(old_root)), (new, &unhex(new_root)), &hashes[1..]));
    }
}
