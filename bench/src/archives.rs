//! What many archives cost: documents are appended to all of them at once, and all of them are audited, one after
//! the other.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::appliance::{Appliance, Shape};
use crate::figures::{Spread, print_table, seconds};
use crate::store::{Store, forget};

/// How many there are.
const COUNTS: [usize; 6] = [1, 2, 5, 10, 20, 40];

/// Documents each archive is given in a round.
const DOCUMENTS: u64 = 512;

/// Documents of one archive a flush.
const BATCH: u64 = 16;

/// Measures deployments of all sizes, in turns.
pub fn run(dir: &Path, rounds: u64) -> Result<Value> {
    let make = |&archives: &usize| {
        let mib = 16 + 3 * rounds;
        Appliance::new(dir.join(format!("{archives}.img")), Shape { archives, mib }, 2)
    };
    let mut appliances = COUNTS.iter().map(make).collect::<Result<Vec<_>>>()?;
    let mut times = vec![(Vec::new(), Vec::new()); COUNTS.len()];
    for round in 1..=rounds {
        for (appliance, (append, audit)) in appliances.iter_mut().zip(&mut times) {
            let archives = appliance.shape.archives;
            append.push(seconds(|| appliance.append(DOCUMENTS, BATCH))? * 1000.0 / archives as f64);
            forget(&appliance.files())?;
            let audited = seconds(|| {
                for volume in 0..archives {
                    let records = appliance.audit(volume as u8)?;
                    ensure!(records == 1 + round * DOCUMENTS, "{records} records in archive {volume}");
                }
                Ok(())
            })?;
            audit.push(audited * 1000.0 / (archives as u64 * round) as f64);
        }
    }
    let head = ["archives", "append, ms an archive", "audit, ms an archive"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut json = Vec::new();
    for (archives, (append, audit)) in COUNTS.iter().zip(times) {
        let (append, audit) = (Spread::of(append), Spread::of(audit));
        json.push(json!({ "archives": archives, "append_ms_each": append.json(), "audit_ms_each": audit.json() }));
        rows.push(vec![archives.to_string(), append.text(2), audit.text(2)]);
    }
    print_table(&format!("Archives: {DOCUMENTS} documents each"), &rows);
    Ok(json.into())
}
