//! `totebox disk ls`.

use anyhow::Result;
use indicatif::BinaryBytes;
use totebox_common::output::OutputError;
use totebox_common::{errln, outln};
use totebox_disk::{Image, RecordRow, Report, Volume, VolumeReport, VolumeRow};

use super::{Source, outcome};
use crate::cli::{Outcome, output};

/// Lists the volumes of a disk, or the records of one, without reading the documents.
#[derive(clap::Args)]
#[command(
    after_help = "Examples: totebox disk ls target/disk.img\n          totebox disk ls target/disk.img contracts"
)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// List the records of this volume.
    volume: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    let image = args.source.open()?;
    match &args.volume {
        Some(name) => records(&image, image.volume(name)?, args.json),
        None => volumes(&image, args.json),
    }
}

fn volumes(image: &Image, json: bool) -> Result<Outcome> {
    let rows: Vec<VolumeRow> = image.volumes.iter().map(|volume| totebox_disk::list(image, volume)).collect();
    if json {
        output::json(&rows)?;
    } else {
        outln!("{HEADINGS}")?;
        rows.iter().try_for_each(print_volume)?;
    }
    complain(Report::new(image, rows.into_iter().map(|row| row.report).collect()))
}

const HEADINGS: &str = "volume                         size   records documents     content        free";

fn print_volume(row: &VolumeRow) -> Result<(), OutputError> {
    let VolumeReport { name, records, documents, content_bytes, sealed, .. } = &row.report;
    let bytes = |bytes| BinaryBytes(bytes).to_string();
    let (size, content) = (bytes(row.size), bytes(*content_bytes));
    let free = bytes(row.free);
    let state = if *sealed { "  sealed" } else { "" };
    outln!("{name:<24} {size:>10} {records:>9} {documents:>9} {content:>11} {free:>11}{state}")
}

fn records(image: &Image, volume: &Volume, json: bool) -> Result<Outcome> {
    let mut rows = Vec::new();
    let mut printed = Ok(());
    let mut each = |row: RecordRow| match json {
        true => rows.push(row),
        false if printed.is_ok() => printed = print_record(&row),
        false => {}
    };
    if !json {
        outln!("{:>9}  {:<24}  {:<15} {:>12}  name", "record", "time", "kind", "bytes")?;
    }
    let row = totebox_disk::records(image, volume, &mut each);
    printed?;
    if json {
        output::json(&rows)?;
    }
    complain(Report::new(image, vec![row.report]))
}

fn print_record(row: &RecordRow) -> Result<(), OutputError> {
    let time = row.time.as_deref().unwrap_or("-");
    let size = row.size.map_or(String::new(), |size| size.to_string());
    let name = row.name.as_deref().unwrap_or_default();
    outln!("{:>9}  {time:<24}  {:<15} {size:>12}  {name}", row.sequence, row.kind)
}

/// Tells what is wrong apart from the listing.
fn complain(report: Report) -> Result<Outcome> {
    for stretch in report.stretches() {
        errln!("{stretch}");
    }
    Ok(outcome(&report))
}
