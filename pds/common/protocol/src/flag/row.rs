//! A flag in a message and on the status page, and in the words of the audit record.

use ledger_fmt::layout::Area;
use ledger_fmt::verify::{Finding, FindingKind};
use totebox_domain::{Fault, FaultKind};
use totebox_manifest::Role;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{About, Acknowledged, Flag, FlagKind, Loss, Place};
use crate::lifecycle::Standing;
use crate::vault::VolumeState;

/// In [`FlagRow::what`] of a flag about a hint: the vault found it damaged, and overwrote it.
pub const OVERWRITTEN: u8 = 1;

/// No volume, in [`FlagRow::volume`].
pub const NO_VOLUME: u8 = 0xff;

/// No record, in a field that names one.
const NO_RECORD: u64 = u64::MAX;

/// The record a field names, if it names one.
fn some(record: U64) -> Option<u64> {
    Some(record.get()).filter(|&record| record != NO_RECORD)
}

/// A flag as it crosses between domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FlagRow {
    /// [`Flag::id`]; 0 if this row is not in use.
    pub id: U32,
    pub kind: u8,
    /// The volume's number in the manifest; [`NO_VOLUME`] if it is about none.
    pub volume: u8,
    /// The [`Area`] the block is counted in; 0 of a flag about no place.
    pub area: u8,
    /// What of its kind the flag is about: a volume's state, a kind of fault, a domain's role, or [`OVERWRITTEN`]; else
    /// 0.
    pub what: u8,
    pub block: U64,
    /// The record concerned; all ones if none.
    pub record: U64,
    /// The number that the audit record gives as `detail`: see `docs/audit-record.md`; else 0.
    pub detail: U64,
    /// Of a fault: the address of the instruction.
    pub instruction: U64,
    /// Of a fault: what the processor says of it.
    pub status: U64,
    /// When it was raised, in milliseconds since 1970-01-01 UTC.
    pub raised_ms: U64,
    /// Sequence number of the flag in the audit record; all ones if it could not be recorded.
    pub audit_record: U64,
    pub tag: U32,
    pub acknowledged: u8,
    pub reserved: [u8; 3],
}

impl FlagRow {
    pub fn of(flag: &Flag) -> FlagRow {
        let Arguments { what, detail, instruction, status } = flag.about.arguments();
        let place = flag.about.place();
        FlagRow {
            id: flag.id.into(),
            kind: flag.about.kind().number(),
            volume: flag.volume.unwrap_or(NO_VOLUME),
            area: place.map_or(0, |place| place.area as u8),
            what,
            block: place.map_or(0, |place| place.block).into(),
            record: place.and_then(|place| place.record).unwrap_or(NO_RECORD).into(),
            detail: detail.into(),
            instruction: instruction.into(),
            status: status.into(),
            raised_ms: flag.raised_ms.into(),
            audit_record: flag.audit_record.unwrap_or(NO_RECORD).into(),
            tag: flag.tag.into(),
            acknowledged: flag.acknowledged as u8,
            reserved: [0; 3],
        }
    }

    /// The flag in the row; `None` if the row is not in use, or holds no flag.
    pub fn decode(&self) -> Option<Flag> {
        let (about, acknowledged) = (self.about()?, Acknowledged::from_wire(self.acknowledged)?);
        self.with(about, acknowledged)
    }

    /// The flag in the row, for somebody who shows every row in use, whatever stands in it.
    pub fn shown(&self) -> Option<Flag> {
        let acknowledged = Acknowledged::from_wire(self.acknowledged).unwrap_or_default();
        self.with(self.about().unwrap_or(About::Unknown), acknowledged)
    }

    fn about(&self) -> Option<About> {
        let place = Place { area: Area::from_u8(self.area)?, block: self.block.get(), record: some(self.record) };
        let arguments = Arguments {
            what: self.what,
            detail: self.detail.get(),
            instruction: self.instruction.get(),
            status: self.status.get(),
        };
        About::of(FlagKind::from_wire(self.kind)?, arguments, place)
    }

    fn with(&self, about: About, acknowledged: Acknowledged) -> Option<Flag> {
        Some(Flag {
            id: Some(self.id.get()).filter(|&id| id != 0)?,
            volume: Some(self.volume).filter(|&volume| volume != NO_VOLUME),
            about,
            raised_ms: self.raised_ms.get(),
            audit_record: some(self.audit_record),
            acknowledged,
            tag: self.tag.get(),
        })
    }
}

/// What a flag says beside its kind and its place; zero where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// [`FlagRow::what`].
    pub what: u8,
    /// [`FlagRow::detail`].
    pub detail: u64,
    /// [`FlagRow::instruction`].
    pub instruction: u64,
    /// [`FlagRow::status`].
    pub status: u64,
}

impl About {
    /// What a flag of this kind says, with these arguments; `None` if they cannot be. Of what is about no place `place`
    /// is ignored.
    pub(crate) fn of(kind: FlagKind, arguments: Arguments, place: Place) -> Option<About> {
        let Arguments { what, detail, instruction, status } = arguments;
        let small = || u8::try_from(detail).ok();
        let Place { area, block, record } = place;
        Some(match kind {
            FlagKind::Finding(FindingKind::Hint) if what == OVERWRITTEN => About::HintOverwritten(place),
            FlagKind::Finding(kind) => About::Finding(Finding { kind, area, block, record }),
            FlagKind::MissingVolume => About::MissingVolume(VolumeState::from_wire(small()?)?),
            FlagKind::Fault => {
                About::Fault(Fault { kind: FaultKind::from_wire(what)?, address: detail, instruction, status })
            }
            FlagKind::Hung => About::Hung,
            FlagKind::StopTimeout => About::StopTimeout,
            FlagKind::Protocol => About::Protocol,
            FlagKind::Refused => About::Refused(detail),
            FlagKind::CrossCheck => About::CrossCheck(place),
            FlagKind::Lifecycle => About::Lifecycle(Standing::from_wire(small()?)?),
            FlagKind::AuditVolume => About::AuditVolume { left_out: detail },
            FlagKind::Degraded => {
                let role = Role::from_u8(what).filter(|&role| role != Role::Archive)?;
                About::Degraded(role, Loss::from_wire(small()?)?)
            }
            FlagKind::ClockBack => About::ClockBack(detail),
            FlagKind::AuditNearlyFull => About::AuditNearlyFull,
            FlagKind::Unknown => return None,
        })
    }

    /// Its arguments in the row.
    pub fn arguments(&self) -> Arguments {
        let (what, detail) = match *self {
            About::HintOverwritten(_) => (OVERWRITTEN, 0),
            About::MissingVolume(state) => (state as u8, state as u64),
            About::Fault(Fault { kind, address, instruction, status }) => {
                return Arguments { what: kind as u8, detail: address, instruction, status };
            }
            About::Refused(requests) => (0, requests),
            About::Lifecycle(standing) => (0, standing.state() as u64),
            About::AuditVolume { left_out } => (0, left_out),
            About::Degraded(role, loss) => (role as u8, loss as u64),
            About::ClockBack(by_ms) => (0, by_ms),
            About::Finding(_) | About::CrossCheck(_) | About::AuditNearlyFull => (0, 0),
            About::Hung | About::StopTimeout | About::Protocol | About::Unknown => (0, 0),
        };
        Arguments { what, detail, ..Arguments::default() }
    }

    /// What the audit record gives as `what`: the name of what of its kind the flag is about, if that has one.
    pub const fn what_name(&self) -> Option<&'static str> {
        match self {
            About::HintOverwritten(_) => Some("overwritten"),
            About::MissingVolume(state) => Some(state.name()),
            About::Fault(fault) => Some(fault.kind.name()),
            About::Degraded(role, _) => role_name(*role),
            _ => None,
        }
    }

    /// What a flag says according to the audit record: `kind`, `what` and the other arguments as they stand there. The
    /// number of `what` is ignored.
    pub fn from_words(kind: FlagKind, what: Option<&str>, arguments: Arguments, place: Place) -> Option<About> {
        let all = (0..=u8::MAX).filter_map(|what| About::of(kind, Arguments { what, ..arguments }, place));
        all.into_iter().find(|about| about.what_name() == what)
    }
}

/// The name of a domain beside the archives.
const fn role_name(role: Role) -> Option<&'static str> {
    if matches!(role, Role::Archive) { None } else { Some(role.name()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Flags of every kind, with every state, fault, role and loss.
    fn flags() -> Vec<Flag> {
        let place = Place { area: Area::Assets, block: 33, record: Some(3) };
        let mut flags = Vec::new();
        for (kind, what) in FlagKind::all().flat_map(|kind| (0..=u8::MAX).map(move |what| (kind, what))) {
            for detail in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 255, 256, u64::MAX] {
                let arguments = Arguments { what, detail, instruction: detail / 2, status: detail / 3 };
                let Some(about) = About::of(kind, arguments, place) else { continue };
                let acknowledged = Acknowledged::from_wire(what % 4).unwrap();
                let volume = (detail % 3 > 0).then_some(what / 2);
                let flag = Flag { id: 7, raised_ms: 9, acknowledged, tag: 5, ..Flag::new(volume, about) };
                flags.push(Flag { audit_record: (detail % 2 > 0).then_some(detail / 2), ..flag });
            }
        }
        flags
    }

    #[test]
    fn every_flag_comes_out_of_its_row_as_it_went_in() {
        let flags = flags();
        let kinds = |kind| flags.iter().any(|flag| flag.about.kind() == kind);
        assert!(FlagKind::all().all(kinds), "there is one of each kind");
        for flag in flags {
            let row = FlagRow::of(&flag);
            assert_eq!(row.decode(), Some(flag));
            let read = FlagRow::read_from_bytes(row.as_bytes()).unwrap();
            assert_eq!(read.decode(), Some(flag));
        }
    }

    #[test]
    fn the_words_of_the_audit_record_lead_back_to_what_a_flag_says() {
        for Flag { about, .. } in flags() {
            let place = about.place().unwrap_or(Place { area: Area::Volume, block: 0, record: None });
            let read = About::from_words(about.kind(), about.what_name(), about.arguments(), place);
            assert_eq!(read, Some(about));
        }
        let place = Place { area: Area::Volume, block: 0, record: None };
        let of = |kind, what, detail| {
            About::from_words(kind, Some(what), Arguments { detail, ..Arguments::default() }, place)
        };
        assert_eq!(of(FlagKind::Fault, "dragon", 0), None);
        assert_eq!(of(FlagKind::MissingVolume, "ready", 6), None);
    }

    /// Every value of every byte that has a closed set of values, and bytes at random.
    #[test]
    fn what_is_no_flag_is_refused() {
        let good = FlagRow::of(&flags()[0]);
        for n in 0..=u8::MAX {
            assert_eq!(
                FlagRow { kind: n, ..good }.decode().is_some(),
                FlagKind::from_wire(n).is_some() && {
                    // These need an argument.
                    !["fault", "lifecycle", "degraded"].contains(&FlagKind::from_wire(n).unwrap().name())
                }
            );
            assert_eq!(FlagRow { area: n, ..good }.decode().is_some(), n < 4);
            assert_eq!(FlagRow { acknowledged: n, ..good }.decode().is_some(), n < 4);
            let fault = FlagRow { kind: FlagKind::Fault.number(), what: n, ..good };
            assert_eq!(fault.decode().is_some(), FaultKind::from_wire(n).is_some());
            let degraded = FlagRow { kind: FlagKind::Degraded.number(), what: n, ..good };
            assert_eq!(degraded.decode().is_some(), (2..=6).contains(&n));
        }
        assert_eq!(FlagRow { id: 0.into(), ..good }.decode(), None, "it is not in use");
        let mut random = 1_u64;
        for _ in 0..100_000 {
            let mut bytes = [0; size_of::<FlagRow>()];
            for byte in &mut bytes {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (random >> 33) as u8;
            }
            // So that some are flags.
            (bytes[0], bytes[4], bytes[6]) = (1, bytes[4] % 48, bytes[6] % 5);
            let row = FlagRow::read_from_bytes(&bytes).unwrap();
            let flag = row.decode();
            if let Some(flag) = flag {
                assert_eq!(FlagRow::of(&flag).decode(), Some(flag));
            }
            let shown = row.shown().expect("the row is in use");
            assert!(flag == Some(shown) || flag.is_none(), "{row:?}");
        }
    }
}
