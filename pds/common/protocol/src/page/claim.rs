//! What an archive says of itself, on its health page.

use ledger_fmt::Hash;
use ledger_fmt::layout::Area;
use totebox_manifest::conversation::PAGE;
use zerocopy::little_endian::U64;

use crate::flag::Place;
use crate::lifecycle::{ArchiveState, Standing};
use crate::row::{Crosses, row};
use crate::wire_enum;

wire_enum! {
    #[derive(Default)]
    Check: u8 {
        /// There was none yet.
        #[default]
        None = 0, "none";
        /// Everything it has committed is what it was.
        Clean = 1, "clean";
        /// Something is not.
        Mismatch = 2, "mismatch";
        Unreadable = 3, "unreadable";
    }
}

impl Check {
    /// Whether the pass found something.
    pub const fn found(self) -> bool {
        matches!(self, Check::Mismatch | Check::Unreadable)
    }
}

/// What came of an archive's own scrubs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnCheck {
    /// Scrubs completed since its start.
    pub passes: u64,
    /// How the last one did, or what was found since.
    pub result: Check,
    /// The place of the first thing found, if something was.
    pub place: Option<Place>,
    pub records: u64,
    /// When it ended, in milliseconds since 1970-01-01 UTC; 0 if there was none.
    pub ended_ms: u64,
}

row! {
    /// What an archive says of itself. A claim, not a fact: the auditor compares.
    #[derive(Default)]
    Claim as Health if Claim::is_possible {
        /// Counts up whenever the archive is scheduled by a lifecycle command or finishes work.
        heartbeat: u64,
        state: ArchiveState,
        /// The last [`Command`](super::Command) obeyed: its sequence number.
        obeyed: u64,
        records: u64,
        documents: u64,
        /// Content bytes committed.
        bytes: u64,
        head: Hash,
        /// The RFC 6962 root over all records.
        root: Hash,
        /// Where its own ledger's last lifecycle record leads; `Active` if it has none.
        recorded: Standing,
    } spread {
        check: OwnCheck => (
            checks: U64, check: u8, check_area: u8, check_block: U64, check_record: U64, checked_records: U64,
            checked_ms: U64
        ),
    }
}

const _: () = assert!(size_of::<Health>() + 8 <= PAGE);

impl Claim {
    /// That it has faulted the orchestrator alone can say.
    fn is_possible(&self) -> bool {
        self.state != ArchiveState::Faulted
    }
}

impl Crosses for OwnCheck {
    type Row = (U64, u8, u8, U64, U64, U64, U64);

    fn row(&self) -> Self::Row {
        let OwnCheck { passes, result, place, records, ended_ms } = self;
        let Place { area, block, record } = place.unwrap_or(Place { area: Area::Input, block: 0, record: None });
        (passes.row(), result.row(), area.row(), block.row(), record.row(), records.row(), ended_ms.row())
    }

    fn of((passes, result, area, block, record, records, ended_ms): &Self::Row) -> Option<OwnCheck> {
        let place = Place { area: Crosses::of(area)?, block: Crosses::of(block)?, record: Crosses::of(record)? };
        let result: Check = Crosses::of(result)?;
        let place = result.found().then_some(place);
        Some(OwnCheck { passes: passes.get(), result, place, records: records.get(), ended_ms: ended_ms.get() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use zerocopy::{FromBytes, IntoBytes};

    fn claims() -> Vec<Claim> {
        let mut claims = Vec::from([Claim::default()]);
        for state in (0..=u8::MAX).filter_map(ArchiveState::from_wire).filter(|&s| s != ArchiveState::Faulted) {
            for recorded in [Standing::Active, Standing::Suspended, Standing::Archived] {
                claims.push(Claim { state, recorded, ..Claim::default() });
            }
        }
        for result in (0..=u8::MAX).filter_map(Check::from_wire) {
            for (area, record) in Area::ALL.into_iter().flat_map(|area| [(area, None), (area, Some(7))]) {
                let place = result.found().then_some(Place { area, block: 9, record });
                let check = OwnCheck { passes: 1, result, place, records: 2, ended_ms: 3 };
                claims.push(Claim {
                    check,
                    heartbeat: 4,
                    obeyed: 5,
                    records: 6,
                    head: [7; 32],
                    ..Claim::default()
                });
            }
        }
        claims
    }

    #[test]
    fn every_claim_comes_out_of_its_page_as_it_went_in() {
        for claim in claims() {
            assert_eq!(Health::read_from_bytes(claim.encode().as_bytes()).unwrap().decode(), Some(claim));
        }
    }

    /// Every value of every byte: what is taken for a claim is one.
    #[test]
    fn what_is_no_claim_is_refused() {
        for at in 0..size_of::<Health>() {
            for value in 0..=u8::MAX {
                let mut health = Claim::default().encode();
                health.as_mut_bytes()[at] = value;
                if let Some(claim) = health.decode() {
                    assert_eq!(claim.encode().decode(), Some(claim));
                }
            }
        }
        let good = Claim::default().encode();
        for number in 0..=u8::MAX {
            let refused = |health: Health| health.decode().is_none();
            let states = ArchiveState::from_wire(number).filter(|&state| state != ArchiveState::Faulted);
            assert_eq!(refused(Health { state: number, ..good }), states.is_none());
            assert_eq!(refused(Health { recorded: number, ..good }), Standing::from_wire(number).is_none());
            assert_eq!(refused(Health { check: number, ..good }), Check::from_wire(number).is_none());
            assert_eq!(refused(Health { check_area: number, ..good }), Area::from_u8(number).is_none());
        }
    }
}
