//! Proofs: made from the hashes of all records, checked from a few.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use ledger_fmt::Hash;
use ledger_fmt::proof::{check_consistency, check_inclusion, consistency, inclusion};
use ledger_fmt::tree::Edge;
use serde_json::{Value, json};

use crate::figures::{Spread, print_table, seconds};

/// Records of the ledgers.
const SIZES: [u64; 4] = [1 << 10, 1 << 14, 1 << 18, 1 << 20];

/// Record hashes made a proof of in one round, at most, so that each round takes about as long.
const HASHES: u64 = 1 << 20;

/// Proofs checked in one round.
const CHECKS: u64 = 2000;

/// Makes and checks proofs over ledgers of all sizes.
pub fn run(rounds: u64) -> Result<Value> {
    let mut rows =
        vec![["records", "proof", "made in ms", "hashes", "checked a second"].map(str::to_owned).to_vec()];
    let mut json = Vec::new();
    for size in SIZES {
        let records: Vec<Hash> = (0..size).map(|number| *blake3::hash(&number.to_le_bytes()).as_bytes()).collect();
        let root = Edge::over(&records).root();
        // Somewhere in the middle, where proofs are long.
        let at = size / 3;
        let before = Edge::over(&records[..at as usize]).root();
        let included = inclusion(&records, at).context("the record is in the ledger")?;
        let consistent = consistency(&records, at).context("the tree was smaller once")?;
        let makes = (HASHES / size).max(1);
        let kinds: [(&str, usize, &dyn Fn() -> bool, &dyn Fn() -> bool); 2] = [
            ("inclusion", included.len(), &|| inclusion(black_box(&records), at).is_some(), &|| {
                check_inclusion(&records[at as usize], at, size, &root, black_box(&included))
            }),
            ("consistency", consistent.len(), &|| consistency(black_box(&records), at).is_some(), &|| {
                check_consistency((at, &before), (size, &root), black_box(&consistent))
            }),
        ];
        for (kind, hashes, make, check) in kinds {
            let (mut made_ms, mut checked) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                made_ms.push(repeat(makes, make)? / makes as f64 * 1000.0);
                checked.push(CHECKS as f64 / repeat(CHECKS, check)?);
            }
            let (made_ms, checked) = (Spread::of(made_ms), Spread::of(checked));
            json.push(json!({
                "records": size, "proof": kind, "hashes": hashes,
                "made_ms": made_ms.json(), "checked_per_second": checked.json(),
            }));
            rows.push(vec![
                size.to_string(),
                kind.to_owned(),
                made_ms.text(2),
                hashes.to_string(),
                checked.text(0),
            ]);
        }
    }
    print_table("Proofs", &rows);
    Ok(json.into())
}

/// How long so many successes take.
fn repeat(times: u64, work: &dyn Fn() -> bool) -> Result<f64> {
    seconds(|| {
        ensure!((0..times).all(|_| work()), "a proof was not made, or does not hold");
        Ok(())
    })
}
