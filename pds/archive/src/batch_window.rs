//! When a staged batch goes to the vault: group commit saves flushes, waiting leaves the disk idle.

/// Commits under way at most, but for batches that are full: one is being flushed, the next is being written.
pub const COMMITS_AHEAD: usize = 2;

/// Blocks of content that wait for others to share a flush with, at most. A flush costs about as much as transferring
/// 64 KiB: with more than that, sharing one saves less than what the idle disk could have done meanwhile.
pub const BATCH_WINDOW_BLOCKS: u64 = 16;

/// How long a staged batch waits for more when it could be committed: until the console has sent nothing
/// for the time the vault takes to answer a question, which is short beside a flush. A console that stops
/// half way through a submission so holds up nobody's receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchWindow {
    /// The question is still to be asked.
    Full,
    /// It is under way; `renewed` if the console has sent something since.
    Waiting { renewed: bool },
    /// The console has paused.
    Spent,
}

impl BatchWindow {
    /// It begins anew. A question that is under way is still to be answered.
    pub fn renew(&mut self) {
        *self = match self {
            BatchWindow::Waiting { .. } => BatchWindow::Waiting { renewed: true },
            BatchWindow::Full | BatchWindow::Spent => BatchWindow::Full,
        };
    }

    /// The question was answered.
    pub fn answered(&mut self) {
        *self =
            if *self == (BatchWindow::Waiting { renewed: true }) { BatchWindow::Full } else { BatchWindow::Spent };
    }
}
