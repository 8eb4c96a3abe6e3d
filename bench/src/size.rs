//! What must not grow with a ledger: the memory verifying it takes, and the time of a start after a cut.
//!
//! Both take processes of their own: one that tells its peak memory, and one that is killed while it appends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::appliance::{Appliance, Shape, verify_disk};
use crate::figures::{Spread, print_table, seconds};
use crate::record::RECORD;
use crate::store::{Store, forget};

/// MiB of content, and of the volume it stands in.
const SIZES: [(u64, u64); 2] = [(64, 128), (1024, 1280)];

/// How often the larger one is killed.
const CUTS: u32 = 9;

/// Documents a flush while it is killed.
const BATCH: u64 = 16;

/// Measures both.
pub fn run(dir: &Path) -> Result<Value> {
    let mut rows = vec![
        ["content", "records", "peak memory of `disk verify`", "and of an audit", "start after a cut"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut json = Vec::new();
    for (content, volume) in SIZES {
        let image = dir.join(format!("{content}.img"));
        let shape = Shape { archives: 1, mib: volume };
        let records = (content << 20) / RECORD as u64;
        Appliance::new(image.clone(), shape, 2)?.append(records, 239)?;
        let (verifying, auditing) = peaks(&image, shape)?;
        let mut starts = Vec::new();
        for cut in 0..CUTS {
            kill_while_appending(&image, shape, Duration::from_micros(u64::from(cut) * 3700))?;
            forget(&image)?;
            starts.push(seconds(|| Appliance::start(image.clone(), shape, 1).map(drop))? * 1000.0);
        }
        ensure!(verify_disk(&image, &shape.deployment())? >= records, "records were lost");
        let starts = Spread::of(starts);
        json.push(json!({
            "content_mib": content, "records": records, "verify_peak_kib": verifying, "audit_peak_kib": auditing,
            "cuts": CUTS, "start_ms": starts.json(),
        }));
        rows.push(vec![
            format!("{content} MiB"),
            records.to_string(),
            format!("{:.1} MiB", verifying as f64 / 1024.0),
            format!("{:.1} MiB", auditing as f64 / 1024.0),
            format!("{} ms", starts.text(0)),
        ]);
    }
    print_table("Memory and recovery, by size", &rows);
    Ok(json.into())
}

/// Another process of this program, with a task of its own.
fn task(name: &str, image: &Path, shape: Shape) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name).arg(image).arg(shape.mib.to_string()).stdout(Stdio::piped());
    Ok(command)
}

/// Peak memory of verifying and then auditing, in KiB.
fn peaks(image: &Path, shape: Shape) -> Result<(u64, u64)> {
    let output = task("peak", image, shape)?.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the process that verifies has failed");
    let text = String::from_utf8(output.stdout)?;
    let mut figures = text.split_whitespace().map(str::parse);
    let mut next = || figures.next().context("two figures are due")?.context("not a figure");
    Ok((next()?, next()?))
}

/// The task `peak`: verifies, audits, and prints its own peak memory after each, in KiB.
pub fn peak(image: PathBuf, shape: Shape) -> Result<()> {
    verify_disk(&image, &shape.deployment())?;
    println!("{}", peak_kib()?);
    Appliance::start(image, shape, 1)?.audit(0)?;
    println!("{}", peak_kib()?);
    Ok(())
}

fn peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the system tells no peak")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Kills an appliance that appends, some time after its first receipts.
fn kill_while_appending(image: &Path, shape: Shape, after: Duration) -> Result<()> {
    let mut child = task("load", image, shape)?.spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("the child has an output")?).read_line(&mut line)?;
    ensure!(!line.is_empty(), "the process that appends has failed");
    std::thread::sleep(after);
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The task `load`: appends until it is killed. Prints a line once it has its first receipts.
pub fn load(image: PathBuf, shape: Shape) -> Result<()> {
    let mut appliance = Appliance::start(image, shape, 2)?;
    appliance.append(BATCH, BATCH)?;
    println!("appending");
    appliance.append(u64::MAX / 2, BATCH)
}
