//! What is on a disk, without reading the documents themselves.

use ledger_fmt::batch_header::Frontier;
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
    /// Bytes of `assets/` in use.
    pub assets_used: u64,
    /// Bytes of `ledger/` in use.
    pub ledger_used: u64,
    /// Bytes of the room they share that are left to both.
    pub free: u64,
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
    let Frontier { assets_next, ledger_next, .. } = summary.map_or(Frontier::EMPTY, |summary| summary.frontier);
    let bytes = |blocks: u64| blocks * BLOCK_SIZE as u64;
    let taken = assets_next.saturating_add(ledger_next);
    VolumeRow {
        size: layout.map_or(0, |layout| bytes(layout.blocks)),
        assets_used: bytes(assets_next),
        ledger_used: bytes(ledger_next),
        free: layout.map_or(0, |layout| bytes(layout.space.blocks.saturating_sub(taken))),
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
