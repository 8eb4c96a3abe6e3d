//! What is on a disk, without reading the documents themselves.

use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use ledger_fmt::record::Record;
use ledger_fmt::verify::{Finding, Mode, Visitor};
use serde::Serialize;

use super::image::{Image, Volume};
use super::jsonl::time;
use super::report::{Findings, VolumeReport, hex};
use super::walk::Walk;

#[derive(Debug, Serialize)]
pub struct VolumeRow {
    pub size: u64,
    /// Bytes of `assets/` in use, and in all.
    pub assets_used: u64,
    /// See above.
    pub assets_total: u64,
    /// Bytes of `ledger/` in use, and in all.
    pub ledger_used: u64,
    /// See above.
    pub ledger_total: u64,
    #[serde(flatten)]
    pub report: VolumeReport,
}

#[derive(Debug, Serialize)]
pub struct RecordRow {
    pub sequence: u64,
    pub kind: &'static str,
    /// RFC 3339; none where no calendar has it.
    pub time: Option<String>,
    pub name: Option<String>,
    /// Bytes of content.
    pub size: Option<u64>,
    /// Its BLAKE3.
    pub hash: Option<String>,
}

/// Reads a volume's ledger and tells each whole record to `each`.
pub fn records(image: &Image, volume: &Volume, each: &mut dyn FnMut(RecordRow)) -> VolumeRow {
    let mut reader = Reader { findings: Findings::new(volume), each };
    let Ok(superblock) = &volume.superblock else {
        return row(volume, None, None, reader.findings);
    };
    let mut walk = Walk::new(image, volume, superblock, Mode::Ledger);
    while walk.step(&mut reader) {}
    row(volume, superblock.layout(), Some(&walk.summary()), reader.findings)
}

/// Reads a volume's ledger for what it adds up to.
pub fn list(image: &Image, volume: &Volume) -> VolumeRow {
    records(image, volume, &mut |_| {})
}

fn row(
    volume: &Volume,
    layout: Option<Layout>,
    summary: Option<&ledger_fmt::verify::Summary>,
    findings: Findings,
) -> VolumeRow {
    let total = |of: fn(&Layout) -> u64| layout.as_ref().map_or(0, of) * BLOCK_SIZE as u64;
    let frontier = summary.map(|summary| summary.frontier);
    VolumeRow {
        size: total(|layout| layout.blocks),
        assets_used: frontier.map_or(0, |frontier| frontier.assets_next) * BLOCK_SIZE as u64,
        assets_total: total(|layout| layout.assets.blocks),
        ledger_used: frontier.map_or(0, |frontier| frontier.ledger_next) * BLOCK_SIZE as u64,
        ledger_total: total(|layout| layout.ledger.blocks),
        report: VolumeReport::new(volume, summary, findings),
    }
}

struct Reader<'a> {
    findings: Findings,
    each: &'a mut dyn FnMut(RecordRow),
}

impl Visitor for Reader<'_> {
    fn finding(&mut self, finding: &Finding) {
        self.findings.finding(finding);
    }

    fn record(&mut self, record: &Record<'_>, _block: u64, _offset: usize) {
        let header = &record.header;
        let document = record.document();
        let content = document.and_then(|document| document.content);
        (self.each)(RecordRow {
            sequence: header.sequence.get(),
            kind: record.kind.name(),
            time: time(header.time_ms.get()),
            name: document.map(|document| document.name.to_owned()),
            size: content.map(|content| content.size),
            hash: content.map(|content| hex(&content.hash.blake3)),
        });
    }
}
