//! A disk with everything on it that the format has.

use std::ops::Range;

use ledger_fmt::auditor_state::{COPIES, COPY_SIZE};
use ledger_fmt::batch_header::STAMP_SIZE;
use ledger_fmt::cbor;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use ledger_fmt::note::{Seed, Verifier};
use ledger_fmt::payload::{Document, PAYLOAD_MAX};
use ledger_fmt::record::{HEADER_SIZE, Kind};
use ledger_fmt::testing::TestVolume;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use totebox_deployment::volume::Volume;
use totebox_disk::{Image, Log, Pinned};
use totebox_tests::appliance::Site;

use crate::python::{Python, agreed};

/// Three archives.
pub const DEPLOYMENT: &str = r#"
[deployment]
name = "seen-twice"
id = "5a6c4f0d9a3be2c8d170674f1e0b0b95"
board = "qemu_virt_aarch64"
[disk]
size = "10 MiB"
[audit]
volume = "2 MiB"
period = "off"
[[archive]]
name = "contracts"
size = "2 MiB"
on_mismatch = "flag"
[[archive]]
name = "finance"
size = "2 MiB"
on_mismatch = "flag"
[[archive]]
name = "correspondence"
size = "2 MiB"
on_mismatch = "flag"
"#;

/// Records on [`Disk::new`].
pub const RECORDS: u64 = 12 + 3 + 9 + 3;

/// The archives' keys are of this seed.
const SEED: Seed = [7; 32];

/// A disk in memory.
#[derive(Clone)]
pub struct Disk {
    pub bytes: Vec<u8>,
    pub volumes: Vec<Volume>,
}

impl Disk {
    /// An archive in use, one that was sealed, one whose batches are as long as they can be, an audit record.
    pub fn new() -> Disk {
        Disk::with(in_use)
    }

    /// The same, with something else in `contracts`.
    pub fn with(contracts: fn(&mut TestVolume)) -> Disk {
        let site = Site::new(DEPLOYMENT);
        let bytes = std::fs::read(&site.disk).expect("there is a disk");
        let mut disk = Disk { bytes, volumes: site.deployment.volumes.clone() };
        disk.fill("audit", in_use_by_the_auditor);
        disk.fill("contracts", contracts);
        disk.fill("finance", sealed);
        disk.fill("correspondence", long_batches);
        disk
    }

    fn fill(&mut self, name: &str, write: fn(&mut TestVolume)) {
        let volume = self.volume(name);
        let start = volume.offset() as usize;
        let mut written = TestVolume::of(volume.superblock());
        written.start();
        write(&mut written);
        self.bytes[start..start + written.bytes.len()].copy_from_slice(&written.bytes);
    }

    /// The same, with something else on the audit volume.
    pub fn with_audit_record(mut self, write: fn(&mut TestVolume)) -> Disk {
        self.fill("audit", write);
        self
    }

    fn volume(&self, name: &str) -> &Volume {
        self.volumes.iter().find(|volume| volume.name == name).expect("a volume of the deployment")
    }

    /// The bytes of both copies of the auditor's state.
    pub fn auditor_state(&self) -> Range<usize> {
        let start = |copy: usize| self.at("audit", Area::Input, COPIES[copy]);
        start(0)..start(1) + COPY_SIZE
    }

    /// The byte at which a block of a volume begins.
    fn at(&self, name: &str, area: Area, block: u64) -> usize {
        let volume = self.volume(name);
        volume.offset() as usize + volume.layout.run(area, block).start as usize * BLOCK_SIZE
    }

    /// It, in a file.
    pub fn file(&self) -> NamedTempFile {
        let file = NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), &self.bytes).expect("the file can be written");
        file
    }

    /// What both verifiers say of it, held against what was kept.
    pub fn agreed(&self, python: &Python, kept: &Pinned) -> Option<Value> {
        agreed(python, self.file().path(), kept)
    }

    /// The public key of an archive with the seed.
    pub fn key(&self, name: &str, seed: &Seed) -> Verifier {
        TestVolume::of(self.volume(name).superblock()).signer(seed).verifier().clone()
    }

    /// What an auditor keeps of it: its checkpoints of `contracts`, `finance` and the audit record, and their keys.
    pub fn kept(&self) -> Pinned {
        let file = self.file();
        let image = Image::open(file.path(), None).expect("a disk");
        let names = ["contracts", "finance", "audit"];
        let newest = |name: &&str| log(&image, name, None).newest().expect("it has signed one").clone();
        Pinned {
            checkpoints: names.iter().map(newest).collect(),
            keys: names.iter().map(|name| self.key(name, &SEED)).collect(),
        }
    }

    /// A byte of each structure, and what must be found if a bit of it is wrong: volume, kind, area, block and
    /// record.
    pub fn structures(&self) -> Vec<(usize, Value)> {
        let volume = |block: u64| self.at("contracts", Area::Volume, block);
        let ledger = |block: u64| self.at("contracts", Area::Ledger, block);
        let assets = |block: u64| self.at("contracts", Area::Assets, block);
        let of = |kind: &str, area: &str, block: u64, record: Option<u64>| {
            json!(["contracts", kind, area, block, record])
        };
        let record = STAMP_SIZE;
        let table = json!([null, "partition-table", null, null, null]);
        vec![
            (512 + 60, table.clone()),
            (1024 + 60, table.clone()),
            (self.bytes.len() - 512 + 60, table.clone()),
            (self.bytes.len() - 33 * 512 + 60, table),
            (volume(0) + 50, of("superblock", "volume", 0, None)),
            (volume(0) + 4000, of("superblock", "volume", 0, None)),
            (volume(HINT_BLOCKS[0]) + 40, of("hint", "volume", 1, None)),
            (volume(HINT_BLOCKS[1]) + 100, of("hint", "volume", 2, None)),
            (volume(HINT_BLOCKS[1]) + 4000, of("hint", "volume", 2, None)),
            (ledger(1), of("batch", "ledger", 1, None)),
            (ledger(1) + 90, of("batch", "ledger", 1, None)),
            (ledger(1) + 250, of("batch", "ledger", 1, None)),
            (ledger(1) + record, of("record", "ledger", 1, Some(1))),
            (ledger(1) + record + 70, of("record", "ledger", 1, Some(1))),
            (ledger(1) + record + HEADER_SIZE, of("record", "ledger", 1, Some(1))),
            // Behind the name in its 8 bytes.
            (ledger(1) + record + HEADER_SIZE + 7, of("record", "ledger", 1, Some(1))),
            (ledger(1) + 4000, of("record", "ledger", 1, None)),
            (assets(0), of("asset", "assets", 0, Some(1))),
            (assets(0) + 1000, of("asset", "assets", 0, Some(1))),
            (assets(2) + 500, of("asset", "assets", 1, Some(2))),
            (assets(2) + 1000, of("asset", "assets", 2, Some(2))),
            (assets(UNREFERENCED), of("asset", "assets", UNREFERENCED, None)),
        ]
    }

    /// The last batch of an archive, behind the older hint and before the newer.
    pub fn last_batch(&self) -> Range<usize> {
        let start = self.at("contracts", Area::Ledger, 4);
        start..start + BLOCK_SIZE
    }
}

/// The ledger of an archive, with the record that was asked for.
pub fn log(image: &Image, archive: &str, record: Option<u64>) -> Log {
    let volume = image.volumes.iter().find(|volume| volume.name == archive).expect("an archive");
    Log::read(image, volume, record, |_, _| ()).expect("a ledger")
}

/// An asset block of [`in_use`] that no record refers to.
const UNREFERENCED: u64 = 6;

/// As it is when more was put in it and signed since [`in_use`].
pub fn in_use_since(volume: &mut TestVolume) {
    in_use(volume);
    volume.document("a later one", b"later");
    volume.signed_checkpoint(&SEED);
    volume.commit();
}

/// The same, but for the later document: [`in_use`] put back, and filled again.
pub fn in_use_otherwise(volume: &mut TestVolume) {
    in_use(volume);
    volume.document("a later one", b"another");
    volume.signed_checkpoint(&SEED);
    volume.commit();
}

pub fn in_use(volume: &mut TestVolume) {
    volume.document("abcdef", b"short");
    volume.document("two blocks", &[7; 5000]);
    volume.commit();
    volume.document("nothing in it", b"");
    volume.add_document(&Document { name: "without content", content: None, supersedes: None });
    volume.signed_checkpoint(&SEED);
    volume.document("a whole block", &[9; BLOCK_SIZE]);
    volume.commit();
    // A long upload, the first of it flushed before, and what a given-up submission left.
    volume.append(&[1; 100]);
    volume.document("flushed before", &[2; 100]);
    volume.flush_assets();
    volume.append(&[3; 100]);
    volume.document("flushed with it", &[4; 9000]);
    volume.signed_checkpoint(&SEED);
    volume.commit();
    volume.hint(0);
    let content = Some(volume.append(b"better"));
    volume.add_document(&Document { name: "abcdef, better", content, supersedes: Some(1) });
    volume.transition("active", "suspended", "test");
    volume.commit();
    volume.hint(1);
}

fn sealed(volume: &mut TestVolume) {
    volume.document("the last one", &[5; 20_000]);
    volume.signed_checkpoint(&SEED);
    volume.commit();
    volume.hint(1);
    volume.seal();
    volume.hint(0);
}

fn long_batches(volume: &mut TestVolume) {
    for n in 0..7 {
        volume.write(Kind::Document, |out| {
            cbor::write(out, |map| {
                map.text("name", "long");
                map.bytes("padding", &[b'a' + n; PAYLOAD_MAX - 22]);
            })
        });
    }
    volume.checkpoint();
    volume.commit();
}

/// An audit record of two starts, both published.
fn in_use_by_the_auditor(volume: &mut TestVolume) {
    starts(volume, 2);
}

/// So many starts of the appliance, each published in its turn.
fn starts(volume: &mut TestVolume, count: u64) {
    for generation in 1..=count {
        volume.write(Kind::Boot, |out| {
            cbor::write(out, |map| {
                map.uint("archives", 3);
                map.bytes("deployment", &[generation as u8; 16]);
            })
        });
        volume.commit();
        volume.publish(generation as usize % 2, generation, &SEED);
    }
    volume.hint(1);
}

/// The ledger of an audit record that is behind what was published of it.
fn put_back(volume: &mut TestVolume) {
    let older = volume.clone();
    starts(volume, 4);
    let state = volume.range(Area::Input, 0, volume.layout.input.blocks);
    let published = volume.bytes[state.clone()].to_vec();
    *volume = older;
    volume.bytes[state].copy_from_slice(&published);
}

/// An audit volume on which somebody else has published.
fn signed_by_another(volume: &mut TestVolume) {
    starts(volume, 2);
    (0..2).for_each(|copy| volume.publish(copy, 9, &[8; 32]));
}

/// What may stand on the audit volume, beside [`Disk::new`]'s: nothing, more, less than was published, another's.
pub const AUDIT_RECORDS: [fn(&mut TestVolume); 4] =
    [|_| (), |volume| starts(volume, 3), put_back, signed_by_another];
