//! Full verification, beside reading as many bytes and hashing as many records. What is read was forgotten before.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::appliance::Appliance;
use crate::figures::{Spread, print_table, seconds};
use crate::limit::{self, Limit};
use crate::record::RECORD;
use crate::store::{Store, forget};

/// Has everything that was appended verified, in turns.
pub fn run(
    limit: &mut Limit,
    appliance: &mut Appliance,
    peers: &mut [Box<dyn Store>],
    rounds: u64,
) -> Result<Value> {
    let records = limit.verify()?;
    let mut names =
        vec!["limit: sequential read".to_owned(), "limit: BLAKE3 of each record, in memory".to_owned()];
    names.extend(["host", "auditor"].map(|who| format!("{}, {who}", appliance.name())));
    names.extend(peers.iter().map(|peer| peer.name()));
    let mut rates = vec![Vec::new(); names.len()];
    for _ in 0..rounds {
        let mut times = Vec::new();
        forget(&limit.files())?;
        times.push(seconds(|| limit.verify().map(drop))?);
        times.push(seconds(|| Ok(limit::hash(records)))?);
        forget(&appliance.files())?;
        times.push(seconds(|| found(appliance.verify()?, records))?);
        forget(&appliance.files())?;
        // The genesis record is no document.
        times.push(seconds(|| found(appliance.audit(0)? - 1, records))?);
        for peer in peers.iter_mut() {
            peer.reopen()?;
            forget(&peer.files())?;
            times.push(seconds(|| found(peer.verify()?, records))?);
        }
        for (rates, seconds) in rates.iter_mut().zip(times) {
            rates.push((records as usize * RECORD) as f64 / 1e6 / seconds);
        }
    }
    let mut rows = vec![["", "MB a second", "of the slower limit"].map(str::to_owned).to_vec()];
    let mut json = Vec::new();
    let slower: Vec<f64> = rates[0].iter().zip(&rates[1]).map(|(read, hash)| read.min(*hash)).collect();
    for (name, rates) in names.into_iter().zip(&rates) {
        let rate = Spread::of(rates.iter().copied());
        let ratio = Spread::of(rates.iter().zip(&slower).map(|(rate, slower)| rate / slower));
        json.push(json!({ "what": name, "megabytes_per_second": rate.json(), "of_slower_limit": ratio.json() }));
        rows.push(vec![name, rate.text(0), ratio.text(2)]);
    }
    print_table("Full verification", &rows);
    Ok(json.into())
}

fn found(count: u64, records: u64) -> Result<()> {
    ensure!(count == records, "{count} records were found of {records}");
    Ok(())
}
