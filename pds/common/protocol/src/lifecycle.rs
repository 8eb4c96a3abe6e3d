//! An archive's lifecycle: `active` ⇄ `suspended`, and from both to `archived`, which is final; and the text
//! of its records.

use core::fmt::Write;

use heapless::String;

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

/// Bytes of a lifecycle record's payload at most.
pub const TEXT_MAX: usize = 32;

/// The payload of a lifecycle record: `FROM TO REASON`.
pub fn text(from: Standing, to: Standing, cause: Cause) -> String<TEXT_MAX> {
    let mut text = String::new();
    write!(text, "{} {} {}", from.name(), to.name(), cause.name()).expect("TEXT_MAX is the longest there is");
    text
}

/// Where the transition in a lifecycle record's payload leads; `None` if it is not one.
pub fn destination(payload: &[u8]) -> Option<Standing> {
    let mut words = core::str::from_utf8(payload).ok()?.split(' ');
    Standing::from_name(words.next()?)?;
    Standing::from_name(words.next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_text_tells_where_the_transition_leads() {
        let standings = [Standing::Active, Standing::Suspended, Standing::Archived];
        for from in standings {
            for to in standings {
                for cause in [Cause::Restart, Cause::Operator, Cause::Mismatch] {
                    let text = text(from, to, cause);
                    assert_eq!(destination(text.as_bytes()), Some(to), "{text}");
                }
            }
        }
        let text = text(Standing::Active, Standing::Suspended, Cause::Mismatch);
        assert_eq!(text, "active suspended mismatch");
        for no_text in [&b""[..], b"active", b"active gone operator", b"gone active", b"\xff active", b"{}"] {
            assert_eq!(destination(no_text), None);
        }
    }
}
