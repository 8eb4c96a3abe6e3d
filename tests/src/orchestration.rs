//! A small deployment whose archives are audited on a schedule, and what a test wants to know of it: where
//! its committed structures are on the disk, and what the audit record says.

use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use ledger_fmt::record::{HEADER_SIZE, Kind, Record};
use ledger_fmt::testing::shown;
use serde_json::Value;
use totebox_deployment::Deployment;

use crate::archive_harness::verify_content;
use crate::operator::{Answer, Operator, Wire, value};
use crate::place::offset;

/// Three archives, audited every ten seconds, in full every third time. A mismatch suspends two of them.
pub const SCHEDULED: &str = r#"
[deployment]
name = "scheduled"
id = "000102030405060708090a0b0c0d0e0f"
board = "qemu_virt_aarch64"

[disk]
size = "16 MiB"

[audit]
volume = "2 MiB"
period = "10 s"
full_every = 3

[[archive]]
name = "contracts"
size = "1 MiB"
on_mismatch = "suspend"

[[archive]]
name = "finance"
size = "1 MiB"
on_mismatch = "suspend"

[[archive]]
name = "correspondence"
size = "1 MiB"
on_mismatch = "flag"
"#;

/// The period of [`SCHEDULED`], in milliseconds.
pub const PERIOD_MS: u64 = 10_000;

/// The archives of [`SCHEDULED`].
pub const NAMES: [&str; 3] = ["contracts", "finance", "correspondence"];

/// A committed structure of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Block 0.
    Superblock,
    /// A frontier hint.
    Hint,
    /// The batch header ahead of a run.
    BatchHeader,
    /// The header of a record.
    RecordHeader,
    /// The payload of a record.
    RecordPayload,
    /// A document's content.
    Asset,
}

impl Structure {
    /// All of them.
    pub const ALL: [Structure; 6] = [
        Structure::Superblock,
        Structure::Hint,
        Structure::BatchHeader,
        Structure::RecordHeader,
        Structure::RecordPayload,
        Structure::Asset,
    ];

    /// The kind of flag that names it.
    pub const fn flag(self) -> &'static str {
        match self {
            Structure::Superblock => "superblock",
            Structure::Hint => "hint",
            Structure::BatchHeader => "batch",
            Structure::RecordHeader | Structure::RecordPayload => "record",
            Structure::Asset => "asset",
        }
    }

    /// The area its block is counted in.
    pub const fn area(self) -> &'static str {
        match self {
            Structure::Superblock | Structure::Hint => "volume",
            Structure::BatchHeader | Structure::RecordHeader | Structure::RecordPayload => "ledger",
            Structure::Asset => "assets",
        }
    }
}

/// A byte on a disk, and the block and record that a finding there names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// From the start of the disk.
    pub byte: usize,
    /// In the structure's area.
    pub block: u64,
    /// The document it is of.
    pub record: u64,
}

/// Where a structure of a volume is that holds its first document. `disk` is the disk's content.
pub fn spot(deployment: &Deployment, disk: &[u8], volume: usize, structure: Structure) -> Spot {
    let seen = verify_content(deployment, disk, volume);
    let decode = |block: u64, at: usize| {
        let start = offset(deployment, volume, Area::Ledger, block) + at;
        Record::decode(&disk[start..]).expect("a sound record").0
    };
    let is_document = |(_, block, at): &&(u64, u64, usize)| decode(*block, *at).kind == Kind::Document;
    let (record, block, at) = *seen.records.iter().find(is_document).expect("a document is there");
    let run = offset(deployment, volume, Area::Ledger, block);
    let base = deployment.volumes[volume].offset() as usize;
    let is_blank = |block: u64| {
        let start = base + block as usize * BLOCK_SIZE;
        disk[start..start + BLOCK_SIZE].iter().all(|byte| *byte == 0)
    };
    let (byte, block) = match structure {
        Structure::Superblock => (base + 70, 0),
        Structure::Hint => {
            let hint = HINT_BLOCKS.iter().find(|block| !is_blank(**block));
            let block = *hint.expect("a volume in service has a hint");
            (base + block as usize * BLOCK_SIZE + 20, block)
        }
        Structure::BatchHeader => (run + 20, block),
        Structure::RecordHeader => (run + at + 20, block),
        Structure::RecordPayload => (run + at + HEADER_SIZE, block),
        Structure::Asset => {
            let document = decode(block, at).document().expect("a document is one");
            let block = document.content.expect("it has content").block;
            (offset(deployment, volume, Area::Assets, block) + 100, block)
        }
    };
    Spot { byte, block, record }
}

/// Kind and payload of every record of a volume on the disk with this content.
pub fn records(deployment: &Deployment, disk: &[u8], volume: usize) -> Vec<(Kind, Vec<u8>)> {
    let read = |&(_, block, at): &(u64, u64, usize)| {
        let start = offset(deployment, volume, Area::Ledger, block) + at;
        let (record, _) = Record::decode(&disk[start..]).expect("a sound record");
        (record.kind, record.payload.to_vec())
    };
    verify_content(deployment, disk, volume).records.iter().map(read).collect()
}

/// Every record of the audit record on the disk with this content: its kind, and its payload as JSON.
pub fn audit_record(deployment: &Deployment, disk: &[u8]) -> Vec<(Kind, Value)> {
    let records = records(deployment, disk, deployment.volumes.len() - 1);
    let json = |payload: &[u8]| serde_json::from_str(&shown(payload)).unwrap_or(Value::Null);
    records.into_iter().map(|(kind, payload)| (kind, json(&payload))).collect()
}

/// The row of the volume with this name.
pub fn row<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let row = answer.rows.iter().find(|row| value(row, "name") == Some(name));
    row.unwrap_or_else(|| panic!("there is no row of {name} in {answer:?}"))
}

/// The state of an archive by `status`.
pub fn state<W: Wire>(operator: &mut Operator<W>, name: &str) -> String {
    let status = operator.ask("status").expect("the appliance is there");
    value(row(&status, name), "state").expect("a row has a state").to_owned()
}
