//! What the vault says of the disk and of every volume, on its page.

use heapless::Vec;
use totebox_manifest::VOLUMES_MAX;
use totebox_manifest::conversation::PAGE;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::row::{Crosses, row};
use crate::vault::VolumeState;

row! {
    #[derive(Default)]
    VolumeReport as VolumeRow {
        state: VolumeState,
        /// The client whose volume this is broke the protocol and was cut off.
        closed: bool,
        /// How often the vault has written a newer hint over each of the two that it had found damaged, since its start.
        hints_damaged: [u16; 2],
        /// Requests refused since start: those that break a rule, and a client's cutting-off.
        refused: u64,
        assets_next: u64,
        ledger_next: u64,
    }
}

/// What the vault says of the disk and of every volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultReport {
    /// Whether the disk can flush; `None` before the vault has said it.
    pub durable: Option<bool>,
    pub read_only: bool,
    /// Counts up whenever the orchestrator asks for a sign of life.
    pub heartbeat: u64,
    /// Operations the disk was given and has not completed.
    pub in_flight: u64,
    /// Operations the disk has completed since start.
    pub completed: u64,
    /// Every volume, as numbered in the manifest.
    pub volumes: Vec<VolumeReport, VOLUMES_MAX>,
}

impl VaultReport {
    pub fn nothing(volumes: usize) -> VaultReport {
        let volumes = core::iter::repeat_n(VolumeReport::default(), volumes).collect();
        VaultReport { durable: None, read_only: false, heartbeat: 0, in_flight: 0, completed: 0, volumes }
    }

    pub fn encode(&self) -> VaultPage {
        let mut page = VaultPage {
            durable: self.durable.row(),
            read_only: u8::from(self.read_only),
            heartbeat: self.heartbeat.into(),
            in_flight: self.in_flight.into(),
            completed: self.completed.into(),
            ..VaultPage::new_zeroed()
        };
        for (row, volume) in page.volumes.iter_mut().zip(&self.volumes) {
            *row = volume.encode();
        }
        page
    }
}

/// A [`VaultReport`] as it crosses. What is true is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct VaultPage {
    pub durable: u8,
    pub read_only: u8,
    pub reserved: [u8; 6],
    pub heartbeat: U64,
    pub in_flight: U64,
    pub completed: U64,
    pub volumes: [VolumeRow; VOLUMES_MAX],
}

const _: () = assert!(size_of::<VaultPage>() + 8 <= PAGE);

impl VaultPage {
    /// What the vault of so many volumes says; `None` if no vault says that.
    pub fn decode(&self, volumes: usize) -> Option<VaultReport> {
        Some(VaultReport {
            durable: Crosses::of(&self.durable)?,
            read_only: self.read_only == 1,
            heartbeat: self.heartbeat.get(),
            in_flight: self.in_flight.get(),
            completed: self.completed.get(),
            volumes: self.volumes.get(..volumes)?.iter().map(VolumeRow::decode).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_comes_out_of_its_page_as_it_went_in() {
        for state in (0..=u8::MAX).filter_map(VolumeState::from_wire) {
            let mut report = VaultReport::nothing(VOLUMES_MAX);
            report.volumes[3] = VolumeReport { state, closed: true, refused: 9, ..VolumeReport::default() };
            (report.volumes[4].hints_damaged, report.volumes[5].assets_next) = ([1, u16::MAX], 7);
            (report.durable, report.heartbeat, report.in_flight, report.completed) = (Some(false), 4, 5, 6);
            let page = report.encode();
            let page = VaultPage::read_from_bytes(page.as_bytes()).unwrap();
            assert_eq!(page.decode(VOLUMES_MAX), Some(report));
            assert_eq!(page.decode(4).unwrap().volumes.len(), 4);
            assert_eq!(page.decode(VOLUMES_MAX + 1), None);
        }
    }

    #[test]
    fn a_page_with_a_state_there_is_not_is_refused() {
        let good = VaultReport::nothing(2).encode();
        for number in 0..=u8::MAX {
            let mut page = good;
            page.volumes[1].state = number;
            assert_eq!(page.decode(2).is_some(), VolumeState::from_wire(number).is_some());
            assert!(page.decode(1).is_some(), "nobody looks at rows of no volume");
            (page.durable, page.read_only) = (number, number);
            let report = page.decode(1).unwrap();
            let durable = match number {
                1 => Some(true),
                2 => Some(false),
                _ => None,
            };
            assert_eq!((report.durable, report.read_only), (durable, number == 1));
        }
    }
}
