//! What a reading of a disk tells: findings in words, and figures; for a person and as JSON.

use std::fmt::{self, Write};

use ledger_fmt::layout::Area;
use ledger_fmt::verify::{Finding, FindingKind, Summary, Visitor};
use serde::Serialize;
use totebox_shown::Shown;
use uuid::Uuid;

use super::image::{FoundBy, Image, Volume};

/// Findings of one volume that are kept; the rest is counted.
const KEPT_MAX: usize = 10_000;

#[derive(Debug, Serialize)]
pub struct Report {
    /// Nothing was found.
    pub clean: bool,
    /// What is wrong, the disk as a whole first.
    pub findings: Vec<Row>,
    pub volumes: Vec<VolumeReport>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    /// The volume; none if it concerns the disk.
    pub volume: Option<String>,
    /// [`FindingKind::name`], `partition-table`, or `signature`.
    pub kind: &'static str,
    /// Where blocks are counted: a directory, or `volume`.
    pub area: Option<&'static str>,
    pub block: Option<u64>,
    pub record: Option<u64>,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub struct VolumeReport {
    pub name: String,
    pub id: String,
    /// The byte of the disk it begins at.
    pub offset: u64,
    pub found_by: FoundBy,
    pub findings: u64,
    pub batches: u64,
    pub records: u64,
    /// Documents and corrections among them.
    pub documents: u64,
    pub content_bytes: u64,
    pub bytes_read: u64,
    pub sealed: bool,
    pub head: String,
    /// RFC 6962 root over all records.
    pub root: String,
    /// The block of `ledger/` with a commit that was never acknowledged. No damage: the next start forgets it.
    pub unacknowledged: Option<u64>,
    /// Checkpoints on it whose signature is good; none if no key was given for it.
    pub signatures: Option<u64>,
    #[serde(skip)]
    rows: Vec<Row>,
}

impl Report {
    pub fn new(image: &Image, mut volumes: Vec<VolumeReport>) -> Report {
        let of_disk = image.troubles.iter().map(|text| Row {
            volume: None,
            kind: "partition-table",
            area: None,
            block: None,
            record: None,
            text: text.clone(),
        });
        let mut findings: Vec<Row> = of_disk.collect();
        findings.extend(volumes.iter_mut().flat_map(|volume| std::mem::take(&mut volume.rows)));
        Report { clean: findings.is_empty(), findings, volumes }
    }
}

/// Findings that say the same of neighbouring blocks: to a person the thousands a short disk lacks are one thing.
pub struct Stretch<'a> {
    row: &'a Row,
    last: Option<u64>,
}

impl Report {
    /// The findings, as a person is told of them.
    pub fn stretches(&self) -> impl Iterator<Item = Stretch<'_>> {
        let stretches = self.findings.chunk_by(Row::goes_on_in);
        stretches.map(|rows| Stretch { row: &rows[0], last: rows[rows.len() - 1].block })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stretch in self.stretches() {
            writeln!(f, "{stretch}")?;
        }
        for volume in &self.volumes {
            writeln!(f, "{volume}")?;
        }
        Ok(())
    }
}

impl Row {
    /// Whether another says the same of the next block.
    fn goes_on_in(&self, next: &Row) -> bool {
        let says = |row: &Row| (row.volume.clone(), row.kind, row.area, row.record, row.text.clone());
        let follows = self.block.zip(next.block).is_some_and(|(a, b)| a.checked_add(1) == Some(b));
        follows && says(self) == says(next)
    }
}

impl fmt::Display for Stretch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { volume, kind, area, block, record, text } = self.row;
        write!(f, "{}: {kind}: ", Shown(volume.as_deref().unwrap_or("disk")))?;
        match (area, block, self.last) {
            (Some(area), Some(first), Some(last)) if *first < last => {
                write!(f, "{area} blocks {first} to {last}, ")?
            }
            (Some(area), Some(block), _) => write!(f, "{area} block {block}, ")?,
            _ => {}
        }
        if let Some(record) = record {
            write!(f, "record {record}, ")?;
        }
        write!(f, "{}", Shown(text))
    }
}

impl fmt::Display for VolumeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VolumeReport { name, records, documents, content_bytes, root, .. } = self;
        let name = Shown(name);
        match self.findings {
            0 => write!(f, "{name}: clean")?,
            1 => write!(f, "{name}: 1 finding")?,
            n => write!(f, "{name}: {n} findings")?,
        }
        write!(f, "; records {records}, documents {documents}, content {content_bytes} bytes")?;
        if self.sealed {
            f.write_str(", sealed")?;
        }
        if self.findings == 0 {
            write!(f, ", root {root}")?;
        }
        if let Some(signatures) = self.signatures {
            write!(f, ", good signatures {signatures}")?;
        }
        if let Some(block) = self.unacknowledged {
            write!(f, "; behind them, at ledger block {block}, a commit that was never acknowledged")?;
        }
        Ok(())
    }
}

impl VolumeReport {
    /// From a finished verification, or of a volume that cannot be read at all.
    pub(super) fn new(volume: &Volume, summary: Option<&Summary>, findings: Findings) -> VolumeReport {
        let count = |of: fn(&Summary) -> u64| summary.map_or(0, of);
        VolumeReport {
            name: volume.name.clone(),
            id: Uuid::from_bytes(volume.id).to_string(),
            offset: volume.start,
            found_by: volume.found_by,
            findings: findings.count,
            batches: count(|summary| summary.frontier.batches),
            records: count(|summary| summary.records),
            documents: count(|summary| summary.documents),
            content_bytes: count(|summary| summary.content_bytes),
            bytes_read: count(|summary| summary.bytes_read),
            sealed: summary.is_some_and(|summary| summary.frontier.sealed),
            head: summary.map_or(String::new(), |summary| hex(&summary.head)),
            root: summary.map_or(String::new(), |summary| hex(&summary.tree.root())),
            unacknowledged: summary.and_then(|summary| summary.tail),
            signatures: None,
            rows: findings.into_rows(),
        }
    }
}

pub(super) struct Findings {
    volume: String,
    count: u64,
    rows: Vec<Row>,
}

impl Findings {
    /// Begins with what is wrong with the volume's superblock.
    pub fn new(volume: &Volume) -> Findings {
        let mut findings = Findings { volume: volume.name.clone(), count: 0, rows: Vec::new() };
        let unusable = volume.superblock.as_ref().err().map(|error| {
            format!("{error}, and the volume has no records that say what it was: it cannot be read")
        });
        for text in unusable.iter().chain(&volume.contradiction) {
            let finding = Finding { kind: FindingKind::Superblock, area: Area::Volume, block: 0, record: None };
            findings.add(&finding, text.clone());
        }
        findings
    }

    fn add(&mut self, finding: &Finding, text: String) {
        let Finding { kind, area, block, record } = finding;
        self.add_row(kind.name(), *area, *block, *record, text);
    }

    /// The ledger does not fit what was kept of it elsewhere.
    pub fn kept(&mut self, kind: &'static str, block: u64, record: Option<u64>, text: String) {
        self.add_row(kind, Area::Ledger, block, record, text);
    }

    /// What the auditor has published does not fit what was kept elsewhere.
    pub fn published(&mut self, kind: &'static str, block: u64, text: String) {
        self.add_row(kind, Area::Input, block, None, text);
    }

    fn add_row(&mut self, kind: &'static str, area: Area, block: u64, record: Option<u64>, text: String) {
        self.count += 1;
        if self.rows.len() < KEPT_MAX {
            let (volume, area, block) = (Some(self.volume.clone()), Some(area.name()), Some(block));
            self.rows.push(Row { volume, kind, area, block, record, text });
        }
    }

    fn into_rows(mut self) -> Vec<Row> {
        if let Some(last) = self.rows.last_mut()
            && self.count > KEPT_MAX as u64
        {
            write!(last.text, "; and {} more findings", self.count - KEPT_MAX as u64).expect("into a string");
        }
        self.rows
    }
}

impl Visitor for Findings {
    fn finding(&mut self, finding: &Finding) {
        self.add(finding, finding.kind.text().to_owned());
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}
