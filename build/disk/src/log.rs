//! A volume as a transparency log: the hashes of its records, its newest signed checkpoint, and the proofs
//! and tiles that follow from them. Nothing is proved that the disk does not bear out.

use anyhow::{Context, Result, bail, ensure};
use ledger_fmt::Hash;
use ledger_fmt::proof::{consistency, inclusion};
use ledger_fmt::record::Record;
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::{Finding, Mode, Visitor};
use totebox_common::units::count;
use totebox_deployment::volume::AUDIT;
use zerocopy::IntoBytes;

use super::auditor::AuditorState;
use super::image::{Image, Volume};
use super::walk::Walk;
use crate::checkpoint::{SignedCheckpoint, note, origin};
use crate::proof::{Consistency, Inclusion};

/// When an archive signs.
const ARCHIVE_SIGNS: &str = "an archive signs one soon after a start with new records, once an audit period, when it is \
                             suspended or archived, and on `totebox sign`";

/// When the auditor does.
const AUDITOR_SIGNS: &str = "the auditor signs one whenever the audit record has grown";

/// What a volume's ledger holds for others.
#[derive(Debug)]
pub struct Log {
    volume: String,
    /// Whose checkpoints it has.
    pub origin: String,
    /// The hashes of its records from the first one on, without a gap.
    pub records: Vec<Hash>,
    newest: Option<SignedCheckpoint>,
    /// The record that was asked for, as it stands in the ledger.
    record: Option<Vec<u8>>,
}

impl Log {
    /// Reads a volume's ledger and keeps the record with this number. `progress` gets bytes read and expected.
    pub fn read(
        image: &Image,
        volume: &Volume,
        record: Option<u64>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Log> {
        let name = &volume.name;
        let superblock = volume.superblock.as_ref();
        let superblock =
            superblock.map_err(|error| anyhow::anyhow!("the volume {name} cannot be read: {error}"))?;
        let origin =
            origin(superblock).with_context(|| format!("the volume {name} has a name that no volume can have"))?;
        let published = AuditorState::read(image, volume, superblock);
        let mut reader = Reader { wanted: record, records: Vec::new(), newest: None, record: None };
        let mut walk = Walk::new(image, volume, superblock, Mode::Ledger);
        while walk.step(&mut reader) {
            let (done, expected) = walk.progress();
            progress(done, expected);
        }
        let Reader { records, newest, record, .. } = reader;
        let mut log = Log { volume: name.clone(), origin, records, newest, record };
        // The auditor's checkpoints are no records. One that a power cut has spoilt is passed by.
        let published = published.checkpoints(None);
        let sound = published.iter().find(|checkpoint| log.bears_out(checkpoint).is_ok());
        if let Some(checkpoint) = sound.or(published.first()) {
            log.newest = Some(checkpoint.clone());
        }
        Ok(log)
    }

    /// The newest signed checkpoint, if its tree is that of the records.
    pub fn newest(&self) -> Result<&SignedCheckpoint> {
        let newest = self.newest.as_ref().with_context(|| {
            format!(
                "{} has no signed checkpoint yet: {}",
                self.volume,
                if self.volume == AUDIT { AUDITOR_SIGNS } else { ARCHIVE_SIGNS }
            )
        })?;
        self.bears_out(newest)?;
        Ok(newest)
    }

    /// Checks that a checkpoint is of this log and that its tree is that of the first records.
    pub fn bears_out(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        let SignedCheckpoint { origin, size, root, .. } = checkpoint;
        let (volume, records) = (&self.volume, self.records.len());
        ensure!(*origin == self.origin, "the checkpoint is of {origin}, and {volume} is {}", self.origin);
        let under = usize::try_from(*size).ok().and_then(|size| self.records.get(..size));
        let Some(under) = under else {
            bail!(
                "the checkpoint is over {}, and {volume} has only {records} in one piece",
                count(*size, "record")
            );
        };
        let same = Edge::over(under).root() == *root;
        ensure!(same, "the first {size} records of {volume} are not those under the checkpoint");
        Ok(())
    }

    fn under(&self, checkpoint: &SignedCheckpoint) -> Result<&[Hash]> {
        self.bears_out(checkpoint)?;
        Ok(&self.records[..checkpoint.size as usize])
    }

    /// The proof that the record which was asked for, number `index`, is under a checkpoint.
    pub fn prove_record(&self, index: u64, checkpoint: &SignedCheckpoint) -> Result<Inclusion> {
        let (size, volume) = (checkpoint.size, &self.volume);
        let records = self.records.len();
        if index >= records as u64 {
            bail!(
                "{volume} has no record {index}: it has {}, numbered from 0 on",
                count(records as u64, "record")
            );
        }
        let hashes = inclusion(self.under(checkpoint)?, index).with_context(|| {
            format!("record {index} is not under the checkpoint, which is over the first {size}; take a later one")
        })?;
        let record = self
            .record
            .clone()
            .with_context(|| format!("record {index} of {volume} is damaged; `totebox disk verify` says where"))?;
        Ok(Inclusion { index, record, hashes: hashes.to_vec(), checkpoint: checkpoint.clone() })
    }

    /// The proof that one checkpoint's tree extends another's.
    pub fn prove_growth(&self, old: &SignedCheckpoint, new: &SignedCheckpoint) -> Result<Consistency> {
        self.bears_out(old).context("the earlier checkpoint does not fit the disk")?;
        let records = self.under(new).context("the later checkpoint does not fit the disk")?;
        let (from, to) = (old.size, new.size);
        let hashes = consistency(records, from)
            .with_context(|| format!("the earlier checkpoint is over {from} records, the later one over {to}"))?;
        Ok(Consistency { old: from, hashes: hashes.to_vec(), checkpoint: new.clone() })
    }
}

struct Reader {
    wanted: Option<u64>,
    records: Vec<Hash>,
    newest: Option<SignedCheckpoint>,
    record: Option<Vec<u8>>,
}

impl Visitor for Reader {
    /// What is damaged matters only where the tree depends on it, and then its root says so.
    fn finding(&mut self, _: &Finding) {}

    fn record(&mut self, record: &Record<'_>, _: u64, _: usize) {
        let sequence = record.header.sequence.get();
        let next = self.records.len() as u64;
        // The hash of one damaged record is known from the next.
        if sequence == next + 1 {
            self.records.push(record.header.previous);
        }
        if sequence == self.records.len() as u64 {
            self.records.push(record.hash);
        }
        if let Some(note) = note(record).and_then(|note| SignedCheckpoint::parse(note).ok()) {
            self.newest = Some(note);
        }
        if self.wanted == Some(sequence) {
            let mut bytes = [record.header.as_bytes(), record.payload].concat();
            bytes.resize(ledger_fmt::record::padded_len(record.payload.len()), 0);
            self.record = Some(bytes);
        }
    }
}
