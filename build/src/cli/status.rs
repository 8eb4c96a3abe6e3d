//! `totebox status`.

use anyhow::Result;
use totebox::client::status::{Status, Volume, status};
use totebox_pds::console::text::{Duration, Size, Time};

use super::appliance::{Appliance, PATIENCE, refused};
use super::{Outcome, output};

/// Shows the state of every archive.
#[derive(clap::Args)]
#[command(after_help = "Exits with 1 if an archive is out of service or does not verify.\n\
                        Example: totebox status --connect unix:target/run/console")]
pub struct Args {
    /// Print the state as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    appliance: Appliance,
}

pub fn run(args: Args) -> Result<Outcome> {
    let mut session = args.appliance.open_at_once(PATIENCE)?;
    let status = match status(&mut session)? {
        Ok(status) => status,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let outcome = if status.volumes.iter().all(sound) { Outcome::Fine } else { Outcome::Found };
    if args.json {
        output::json(&status)?;
        return Ok(outcome);
    }
    let width = status.volumes.iter().map(|volume| volume.name.len()).max().unwrap_or(0).max("archive".len());
    println!(
        "{:<width$}  {:<11}  {:<16}  {:>8}  {:>9}  {:>10}  {:>10}  {:<30}  {:>7}",
        "archive", "state", "volume", "records", "documents", "bytes", "free", "last verify", "refused"
    );
    for volume in &status.volumes {
        let Volume { name, state, volume: condition, records, documents, refused, .. } = volume;
        let (bytes, free, verified) = (Size(volume.bytes), Size(volume.free), last_verify(volume));
        println!(
            "{name:<width$}  {state:<11}  {condition:<16}  {records:>8}  {documents:>9}  {bytes:>10}  {free:>10}  \
             {verified:<30}  {refused:>7}"
        );
    }
    let durable = match status {
        Status { settled: false, .. } => "still starting",
        Status { read_only: true, .. } => "read only: the disk refuses writes",
        Status { durable: true, .. } => "durable",
        _ => "NOT DURABLE: the disk cannot flush",
    };
    println!("up {}, {durable}, {} UTC", Duration(status.uptime_ms), Time(status.time_ms));
    Ok(outcome)
}

/// Whether nothing is wrong with a volume; what is sealed, suspended or still starting is not wrong.
fn sound(volume: &Volume) -> bool {
    let in_service = matches!(volume.state.as_str(), "starting" | "active" | "suspended" | "archived");
    in_service && !matches!(volume.verdict.as_str(), "mismatch" | "unreadable")
}

fn last_verify(volume: &Volume) -> String {
    match volume.verdict.as_str() {
        _ if volume.verifying => "under way".into(),
        "none" => "never".into(),
        "mismatch" => format!("MISMATCH {}", Time(volume.verified_ms)),
        verdict => format!("{verdict} {}", Time(volume.verified_ms)),
    }
}
