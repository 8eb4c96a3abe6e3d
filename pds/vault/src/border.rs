//! What is being done for the border between `ledger/` and `assets/`: see `sharing`.

use super::disk::Ticket;

#[derive(Clone, Copy, Debug)]
pub enum Border {
    AtRest,
    /// Zeros are written to `ledger/` from block `next` to `end`.
    Clearing {
        next: u64,
        end: u64,
    },
    /// They were written up to `end`, the last of them with this ticket.
    Cleared {
        end: u64,
        ticket: Ticket,
    },
    /// Both hints are to say what `HintState::assets_written` says.
    Raising {
        /// Somebody waits for it, so that it is worth flushes of its own.
        urgent: bool,
    },
}
