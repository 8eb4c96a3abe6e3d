//! The archive's signed checkpoints: with which key, and when.
//!
//! One is due when the archive is closed or comes to rest, soon after a start that found records without one,
//! after a period in which there were new records, and when the operator asks. It is signed at a moment when
//! nothing is under way: then everything below it is durable, and no power cut can make the archive sign
//! another tree of the same size. Where the last record is a checkpoint none is ever due: however often an
//! appliance starts and stops, without news nothing is added.

use ledger_fmt::note::Signer;
use ledger_fmt::record::Kind;
use totebox_ledger_writer::{CHECKPOINT_MAX, LedgerWriter, StageError, State};
use totebox_protocol::lifecycle::Standing;

use super::Purpose;

/// Milliseconds after the machine's start when records that a start found without a checkpoint get one: an
/// appliance that never runs for a whole period has to sign, too.
pub const SOON_MS: u64 = 10_000;

/// The key and the schedule.
pub struct Signing {
    signer: Signer,
    period_ms: u64,
    /// Uptime when the next one is due, if there is anything new.
    due_ms: u64,
}

impl Signing {
    pub fn new(signer: Signer, period_ms: u64) -> Signing {
        Signing { signer, period_ms, due_ms: period_ms }
    }

    /// The ledger was read. More than its first record without a checkpoint is what an earlier start left behind.
    pub fn start(&mut self, ledger: &LedgerWriter<Purpose>) {
        if ledger.totals().head.records > 1 && !ledger.is_signed() {
            self.due_ms = self.period_ms.min(SOON_MS);
        }
    }

    /// Whether a checkpoint is due.
    pub fn is_due(&self, ledger: &LedgerWriter<Purpose>, uptime_ms: u64) -> bool {
        let news = ledger.state() == State::Ready && ledger.totals().head.records > 0 && !ledger.is_signed();
        news && match ledger.totals().standing {
            Standing::Archived => true,
            Standing::Active => uptime_ms >= self.due_ms && Signing::has_room(ledger),
            Standing::Suspended => Signing::has_room(ledger),
        }
    }

    /// Whether one can be signed before the archive's end. What is left of a full ledger is kept for that.
    pub fn has_room(ledger: &LedgerWriter<Purpose>) -> bool {
        ledger.room_for(Kind::Document, CHECKPOINT_MAX) != Err(StageError::Full)
    }

    /// Signs one, at this uptime and wall-clock time; nothing is under way.
    pub fn sign(&mut self, ledger: &mut LedgerWriter<Purpose>, now: (u64, u64)) -> Result<(), StageError> {
        let (uptime_ms, time_ms) = now;
        ledger.stage_checkpoint(&self.signer, time_ms)?;
        self.due_ms = uptime_ms.saturating_add(self.period_ms);
        Ok(())
    }
}
