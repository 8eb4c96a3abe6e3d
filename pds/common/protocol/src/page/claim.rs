//! What an archive says of itself, on its health page.

use ledger_fmt::Hash;
use ledger_fmt::layout::Area;
use totebox_manifest::conversation::PAGE;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::audit::NO_RECORD;
use crate::flag::Place;
use crate::lifecycle::{ArchiveState, Standing};
use crate::vault::VolumeState;
use crate::wire_enum;

wire_enum! {
    /// What an archive's own scrub came to.
    #[derive(Default)]
    Check: u8 {
        /// There was none yet.
        #[default]
        None = 0,
        /// Everything it has committed is what it was.
        Clean = 1,
        /// Something is not.
        Mismatch = 2,
        /// Something could not be read.
        Unreadable = 3,
    }
}

impl Check {
    /// Whether the pass found something.
    pub const fn found(self) -> bool {
        matches!(self, Check::Mismatch | Check::Unreadable)
    }

    /// The name `status` shows.
    pub const fn name(self) -> &'static str {
        match self {
            Check::None => "none",
            Check::Clean => "clean",
            Check::Mismatch => "mismatch",
            Check::Unreadable => "unreadable",
        }
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

/// What an archive says of itself. A claim, not a fact: the auditor compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Counts up whenever the archive is scheduled by a lifecycle command or finishes work.
    pub heartbeat: u64,
    pub state: ArchiveState,
    /// Its volume's state, as the vault last said.
    pub volume_state: VolumeState,
    /// The last [`Command`](super::Command) obeyed: its sequence number.
    pub obeyed: u64,
    pub records: u64,
    pub documents: u64,
    /// Content bytes committed.
    pub bytes: u64,
    pub assets_used: u64,
    pub assets_total: u64,
    /// The hash of the last record.
    pub head: Hash,
    /// The RFC 6962 root over all records.
    pub root: Hash,
    /// Where its own ledger's last lifecycle record leads; `Active` if it has none.
    pub recorded: Standing,
    pub check: OwnCheck,
}

impl Claim {
    /// Nothing yet, of an archive that starts.
    pub const NOTHING: Claim = Claim {
        heartbeat: 0,
        state: ArchiveState::Starting,
        volume_state: VolumeState::Recovering,
        obeyed: 0,
        records: 0,
        documents: 0,
        bytes: 0,
        assets_used: 0,
        assets_total: 0,
        head: [0; 32],
        root: [0; 32],
        recorded: Standing::Active,
        check: OwnCheck { passes: 0, result: Check::None, place: None, records: 0, ended_ms: 0 },
    };

    pub fn encode(&self) -> Health {
        let &Claim { heartbeat, obeyed, records, documents, bytes, assets_used, assets_total, .. } = self;
        let OwnCheck { passes, result, place, records: checked, ended_ms } = self.check;
        let record = place.and_then(|place| place.record).unwrap_or(NO_RECORD);
        Health {
            heartbeat: heartbeat.into(),
            state: self.state as u8,
            volume_state: self.volume_state as u8,
            reserved: [0; 6],
            obeyed: obeyed.into(),
            records: records.into(),
            documents: documents.into(),
            bytes: bytes.into(),
            assets_used: assets_used.into(),
            assets_total: assets_total.into(),
            head: self.head,
            root: self.root,
            recorded: self.recorded.state() as u8,
            check: result as u8,
            check_area: place.map_or(Area::Input, |place| place.area) as u8,
            reserved_check: [0; 5],
            check_block: place.map_or(0, |place| place.block).into(),
            check_record: record.into(),
            checked_records: checked.into(),
            checked_ms: ended_ms.into(),
            checks: passes.into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Health {
    /// [`Claim::heartbeat`].
    pub heartbeat: U64,
    /// [`ArchiveState`].
    pub state: u8,
    /// [`VolumeState`].
    pub volume_state: u8,
    pub reserved: [u8; 6],
    /// [`Claim::obeyed`].
    pub obeyed: U64,
    /// [`Claim::records`].
    pub records: U64,
    /// [`Claim::documents`].
    pub documents: U64,
    /// [`Claim::bytes`].
    pub bytes: U64,
    /// [`Claim::assets_used`].
    pub assets_used: U64,
    /// [`Claim::assets_total`].
    pub assets_total: U64,
    /// [`Claim::head`].
    pub head: Hash,
    /// [`Claim::root`].
    pub root: Hash,
    /// The [`ArchiveState`] that [`Claim::recorded`] is.
    pub recorded: u8,
    /// [`Check`].
    pub check: u8,
    /// The [`Area`] of the first thing that was found.
    pub check_area: u8,
    pub reserved_check: [u8; 5],
    /// Its block, in its area.
    pub check_block: U64,
    /// The record it concerns; all ones if none.
    pub check_record: U64,
    /// [`OwnCheck::records`].
    pub checked_records: U64,
    /// [`OwnCheck::ended_ms`].
    pub checked_ms: U64,
    /// [`OwnCheck::passes`].
    pub checks: U64,
}

const _: () = assert!(size_of::<Health>() + 8 <= PAGE);

impl Health {
    /// What the archive says; `None` if no archive says that.
    pub fn decode(&self) -> Option<Claim> {
        let record = Some(self.check_record.get()).filter(|&record| record != NO_RECORD);
        let place = Place { area: Area::from_u8(self.check_area)?, block: self.check_block.get(), record };
        let result = Check::from_wire(self.check)?;
        Some(Claim {
            heartbeat: self.heartbeat.get(),
            // That it has faulted the orchestrator alone can say.
            state: ArchiveState::from_wire(self.state).filter(|&state| state != ArchiveState::Faulted)?,
            volume_state: VolumeState::from_wire(self.volume_state)?,
            obeyed: self.obeyed.get(),
            records: self.records.get(),
            documents: self.documents.get(),
            bytes: self.bytes.get(),
            assets_used: self.assets_used.get(),
            assets_total: self.assets_total.get(),
            head: self.head,
            root: self.root,
            recorded: Standing::from_wire(self.recorded)?,
            check: OwnCheck {
                passes: self.checks.get(),
                result,
                place: result.found().then_some(place),
                records: self.checked_records.get(),
                ended_ms: self.checked_ms.get(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn claims() -> Vec<Claim> {
        let mut claims = Vec::from([Claim::NOTHING]);
        for state in (0..=u8::MAX).filter_map(ArchiveState::from_wire).filter(|&s| s != ArchiveState::Faulted) {
            for volume_state in (0..=u8::MAX).filter_map(VolumeState::from_wire) {
                for recorded in [Standing::Active, Standing::Suspended, Standing::Archived] {
                    claims.push(Claim { state, volume_state, recorded, ..Claim::NOTHING });
                }
            }
        }
        for result in (0..=u8::MAX).filter_map(Check::from_wire) {
            for (area, record) in Area::ALL.into_iter().flat_map(|area| [(area, None), (area, Some(7))]) {
                let place = result.found().then_some(Place { area, block: 9, record });
                let check = OwnCheck { passes: 1, result, place, records: 2, ended_ms: 3 };
                claims.push(Claim { check, heartbeat: 4, obeyed: 5, records: 6, head: [7; 32], ..Claim::NOTHING });
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
                let mut health = Claim::NOTHING.encode();
                health.as_mut_bytes()[at] = value;
                if let Some(claim) = health.decode() {
                    assert_eq!(claim.encode().decode(), Some(claim));
                }
            }
        }
        let good = Claim::NOTHING.encode();
        for number in 0..=u8::MAX {
            let refused = |health: Health| health.decode().is_none();
            let states = ArchiveState::from_wire(number).filter(|&state| state != ArchiveState::Faulted);
            assert_eq!(refused(Health { state: number, ..good }), states.is_none());
            let volume_state = Health { volume_state: number, ..good };
            assert_eq!(refused(volume_state), VolumeState::from_wire(number).is_none());
            assert_eq!(refused(Health { recorded: number, ..good }), Standing::from_wire(number).is_none());
            assert_eq!(refused(Health { check: number, ..good }), Check::from_wire(number).is_none());
            assert_eq!(refused(Health { check_area: number, ..good }), Area::from_u8(number).is_none());
        }
    }
}
