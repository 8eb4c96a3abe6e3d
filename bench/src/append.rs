//! Durable appends, store beside store.

use anyhow::Result;
use serde_json::{Value, json};

use crate::figures::{Spread, print_table, seconds};
use crate::store::Store;

/// Records a flush, and records a round: enough of them for a round to take some tenths of a second.
const LOADS: [(u64, u64); 3] = [(1, 1000), (16, 8000), (256, 24_576)];

/// Records a store has been given when so many rounds are over, and one more to warm up.
pub const fn records(rounds: u64) -> u64 {
    (LOADS[0].1 + LOADS[1].1 + LOADS[2].1) * (rounds + 1)
}

/// Has all stores append the same loads in turns. The first is the limit.
pub fn run(stores: &mut [&mut dyn Store], rounds: u64) -> Result<Value> {
    let mut rates = vec![vec![Vec::new(); LOADS.len()]; stores.len()];
    let mut flushes = vec![[0; LOADS.len()]; stores.len()];
    for round in 0..=rounds {
        for (load, &(batch, records)) in LOADS.iter().enumerate() {
            for turn in 0..stores.len() {
                // Nobody always comes behind the same neighbour.
                let number = (turn + round as usize) % stores.len();
                let store = &mut stores[number];
                let before = store.flushes();
                let seconds = seconds(|| store.append(records, batch))?;
                if round > 0 {
                    rates[number][load].push(records as f64 / seconds);
                    flushes[number][load] +=
                        store.flushes().zip(before).map_or(0, |(after, before)| after - before);
                }
            }
        }
    }
    let mut head = vec!["records a second".to_owned()];
    head.extend(LOADS.iter().map(|(batch, _)| format!("{batch} a flush")));
    head.extend(LOADS.iter().map(|(batch, _)| format!("of the limit, {batch}")));
    let mut rows = vec![head];
    let mut json = Vec::new();
    for ((store, of_store), flushes) in stores.iter().zip(&rates).zip(flushes) {
        let (mut absolute, mut relative) = (Vec::new(), Vec::new());
        for (((rates, limits), (batch, records)), flushes) in
            of_store.iter().zip(&rates[0]).zip(LOADS).zip(flushes)
        {
            let rate = Spread::of(rates.iter().copied());
            let ratio = Spread::of(rates.iter().zip(limits).map(|(rate, limit)| rate / limit));
            absolute.push(rate.text(0));
            relative.push(ratio.text(2));
            json.push(json!({
                "store": store.name(), "records_per_flush": batch,
                "records_per_second": rate.json(), "of_limit": ratio.json(),
                // As the store itself counts flushes.
                "measured_records_per_flush": (flushes > 0).then(|| (records * rounds) as f64 / flushes as f64),
            }));
        }
        rows.push([vec![store.name()], absolute, relative].concat());
    }
    print_table("Durable append of 4 KiB records", &rows);
    Ok(json.into())
}
