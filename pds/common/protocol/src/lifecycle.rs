//! An archive's lifecycle: `active` ⇄ `suspended`, and from both to `archived`, which is final; and the payload of its
//! records.

use ledger_fmt::payload::{LIFECYCLE_MAX, Lifecycle};

use crate::wire_enum;

wire_enum! {
    /// What an archive is to be, and what it says it is.
    #[derive(Default)]
    ArchiveState: u8 {
        /// Not yet recovered.
        #[default]
        Starting = 0, "starting";
        /// In service.
        Active = 1, "active";
        /// Quiesced: readable on disk, takes nothing.
        Suspended = 2, "suspended";
        /// Final.
        Archived = 3, "archived";
        Unavailable = 4, "unavailable";
        /// It cannot continue its ledger: a read or write failed, or the vault contradicts itself.
        Failed = 5, "failed";
        /// Stopped by a fault (said by the orchestrator alone).
        Faulted = 6, "faulted";
        /// Its ledger is not whole, so it cannot be continued. What is whole of it can be read.
        Damaged = 7, "damaged";
    }
}

wire_enum! {
    /// Why an archive is to change its state.
    Cause: u8 {
        /// It starts, and is what the audit record says it was.
        Restart = 0, "restart";
        Operator = 1, "operator";
        /// An audit found a mismatch, and the deployment says that then it is suspended.
        Mismatch = 2, "mismatch";
    }
}

/// What an archive is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    #[default]
    Active,
    /// At rest: it takes nothing, and its thread is stopped.
    Suspended,
    /// Closed for good.
    Archived,
}

impl Standing {
    pub const fn of(state: ArchiveState) -> Option<Standing> {
        Some(match state {
            ArchiveState::Active => Standing::Active,
            ArchiveState::Suspended => Standing::Suspended,
            ArchiveState::Archived => Standing::Archived,
            _ => return None,
        })
    }

    pub const fn from_wire(n: u8) -> Option<Standing> {
        match ArchiveState::from_wire(n) {
            Some(state) => Standing::of(state),
            None => None,
        }
    }

    pub const fn state(self) -> ArchiveState {
        match self {
            Standing::Active => ArchiveState::Active,
            Standing::Suspended => ArchiveState::Suspended,
            Standing::Archived => ArchiveState::Archived,
        }
    }

    pub const fn name(self) -> &'static str {
        self.state().name()
    }

    pub fn from_name(name: &str) -> Option<Standing> {
        [Standing::Active, Standing::Suspended, Standing::Archived].into_iter().find(|s| s.name() == name)
    }
}

/// The payload of a lifecycle record.
pub fn payload(from: Standing, to: Standing, cause: Cause) -> heapless::Vec<u8, LIFECYCLE_MAX> {
    let mut payload = heapless::Vec::new();
    payload.resize_default(LIFECYCLE_MAX).expect("its capacity");
    let words = Lifecycle { from: from.name(), to: to.name(), cause: cause.name() };
    let len = words.write(&mut payload).expect("LIFECYCLE_MAX is the longest there is");
    payload.truncate(len);
    payload
}

/// Where the transition in a lifecycle record's payload leads; `None` if it is not one.
pub fn destination(payload: &[u8]) -> Option<Standing> {
    let Lifecycle { from, to, .. } = Lifecycle::read(payload)?;
    Standing::from_name(from)?;
    Standing::from_name(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_payload_tells_where_the_transition_leads() {
        let standings = [Standing::Active, Standing::Suspended, Standing::Archived];
        for from in standings {
            for to in standings {
                for cause in [Cause::Restart, Cause::Operator, Cause::Mismatch] {
                    assert_eq!(destination(&payload(from, to, cause)), Some(to), "{from:?} {to:?} {cause:?}");
                }
            }
        }
        let written = |from, to| {
            let mut out = [0; LIFECYCLE_MAX];
            let len = Lifecycle { from, to, cause: "mismatch" }.write(&mut out).unwrap();
            out[..len].to_vec()
        };
        let suspended = written("active", "suspended");
        assert_eq!(payload(Standing::Active, Standing::Suspended, Cause::Mismatch)[..], suspended[..]);
        for other in [&written("active", "gone")[..], &written("gone", "active"), b"\xa0", b""] {
            assert_eq!(destination(other), None);
        }
    }
}
