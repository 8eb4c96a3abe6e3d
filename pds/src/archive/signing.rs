//! The archive's signed checkpoints: with which key, and when.
//!
//! One is due when the archive is closed, and otherwise after a period in which there were new records. It is
//! signed at a moment when nothing is under way: then everything below it is durable, and no power cut can
//! make the archive sign another tree of the same size.

use ledger_fmt::checkpoint;
use ledger_fmt::layout::Superblock;
use ledger_fmt::note::{Seed, Signer};
use ledger_fmt::record::Kind;
use totebox_manifest::Region;
use totebox_shm::{Mapped, Shared};

use super::Purpose;
use crate::SetupError;
use crate::ledger_writer::{CHECKPOINT_MAX, LedgerWriter, StageError, State};
use crate::lifecycle::Standing;

/// The key and the schedule.
pub struct Signing {
    signer: Signer,
    period_ms: u64,
    /// Uptime when the last one was signed.
    signed_ms: u64,
}

impl Signing {
    /// With the key in this region, for the archive of this volume.
    pub fn new(
        mapped: Mapped,
        key: Region,
        superblock: &Superblock,
        period_ms: u64,
    ) -> Result<Signing, SetupError> {
        let region = Shared::new(mapped, key).filter(|region| region.size() >= size_of::<Seed>());
        let mut seed = Seed::default();
        region.ok_or(SetupError::Key)?.read(0, &mut seed);
        let origin = checkpoint::origin(&superblock.deployment, &superblock.name);
        // Zeros are a region nobody has filled.
        let origin = origin.filter(|_| seed != Seed::default()).ok_or(SetupError::Key)?;
        let signer = Signer::new(&origin, &seed).map_err(|_| SetupError::Key)?;
        Ok(Signing { signer, period_ms, signed_ms: 0 })
    }

    /// Whether a checkpoint is due.
    pub fn is_due(&self, ledger: &LedgerWriter<Purpose>, uptime_ms: u64) -> bool {
        let news = ledger.state() == State::Ready && ledger.totals().head.records > 0 && !ledger.is_signed();
        let late = uptime_ms >= self.signed_ms.saturating_add(self.period_ms);
        news && match ledger.totals().standing {
            Standing::Archived => true,
            // What is left of a full ledger is kept for its end.
            Standing::Active => late && ledger.room_for(Kind::Document, CHECKPOINT_MAX) != Err(StageError::Full),
            Standing::Suspended => false,
        }
    }

    /// Signs one, at this uptime and wall-clock time; nothing is under way.
    pub fn sign(&mut self, ledger: &mut LedgerWriter<Purpose>, now: (u64, u64)) -> Result<(), StageError> {
        let (uptime_ms, time_ms) = now;
        ledger.stage_checkpoint(&self.signer, time_ms)?;
        self.signed_ms = uptime_ms;
        Ok(())
    }
}
