//! What the records of the audit record say, and how it crosses between domains.

use ledger_fmt::record::Kind;
use totebox_domain::{Fault, FaultKind};
use totebox_manifest::conversation::AUDIT_DATA;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{NO_RECORD, PlaceRow};
use super::{AuditResult, ResultRow};
use crate::UNKNOWN;
use crate::flag::{About, Flag, FlagKind, FlagRow, NO_VOLUME};
use crate::lifecycle::{Cause, Standing};
use crate::operator::{REASON_MAX, Reason};

/// What happened, as a record of the audit record tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    Genesis,
    Boot,
    Result(AuditResult),
    Flag {
        id: u32,
        about: About,
    },
    Acknowledgement {
        flag: u32,
        kind: FlagKind,
        reason: Reason,
    },
    /// An archive is to change its state.
    Transition {
        from: Standing,
        to: Standing,
        cause: Cause,
    },
    Fault(Fault),
}

impl AuditEvent {
    pub const fn kind(&self) -> Kind {
        match self {
            AuditEvent::Genesis => Kind::Genesis,
            AuditEvent::Boot => Kind::Boot,
            AuditEvent::Result(_) => Kind::AuditResult,
            AuditEvent::Flag { .. } => Kind::Flag,
            AuditEvent::Acknowledgement { .. } => Kind::Acknowledgement,
            AuditEvent::Transition { .. } => Kind::Lifecycle,
            AuditEvent::Fault(_) => Kind::Fault,
        }
    }
}

/// What a record of the audit record says, or is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The volume it is about, as the manifest numbers it; `None` if it is about none, or about one this deployment no
    /// longer has.
    pub volume: Option<u8>,
    /// How many milliseconds before it was entered it happened, if that was not possible at once; else 0.
    pub late_ms: u64,
    pub event: AuditEvent,
}

impl Entry {
    /// Something that happens now.
    pub const fn new(volume: Option<u8>, event: AuditEvent) -> Entry {
        Entry { volume, late_ms: 0, event }
    }
}

/// An [`Entry`] as it crosses between domains. What its kind does not need is zero, and all ones in `record` where no
/// record is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EntryRow {
    pub kind: u8,
    /// The volume's number in the manifest, or [`NO_VOLUME`].
    pub volume: u8,
    pub verdict: u8,
    /// Audit result: the kind of verification, an [`Op`](super::Op).
    pub verified: u8,
    /// Audit result: the [`FindingKind`](ledger_fmt::verify::FindingKind) of the first finding, or 0.
    pub finding: u8,
    /// Flag, audit result: the [`Area`](ledger_fmt::layout::Area) the block is counted in.
    pub area: u8,
    pub flag_kind: u8,
    pub flag_what: u8,
    pub from: u8,
    pub to: u8,
    pub cause: u8,
    pub fault: u8,
    pub reason_len: u8,
    pub reserved: [u8; 3],
    pub flag: U32,
    pub findings: U32,
    /// Flag, audit result: the block (of the first finding), in its area.
    pub block: U64,
    pub record: U64,
    pub detail: U64,
    pub address: U64,
    pub instruction: U64,
    pub status: U64,
    pub records: U64,
    pub bytes: U64,
    pub duration_ms: U64,
    pub late_ms: U64,
    /// Acknowledgement: why, in UTF-8.
    pub reason: [u8; REASON_MAX],
}

/// A record of the audit ledger with its place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EventRow {
    pub sequence: U64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: U64,
    /// What it says. Of a record whose payload this version cannot read, the kind alone.
    pub entry: EntryRow,
}

const _: () = assert!(size_of::<EventRow>() <= AUDIT_DATA);

impl EntryRow {
    pub fn of(entry: &Entry) -> EntryRow {
        let mut row = EntryRow::of_kind(entry.event.kind());
        row.volume = entry.volume.unwrap_or(NO_VOLUME);
        row.late_ms = entry.late_ms.into();
        match &entry.event {
            AuditEvent::Genesis | AuditEvent::Boot => {}
            AuditEvent::Result(result) => {
                let ResultRow { scope, verdict, first, findings, records, bytes, duration_ms, .. } =
                    result.encode();
                let PlaceRow { kind: finding, area, block, record, .. } = first;
                row = EntryRow { verified: scope, verdict, finding, area, block, record, ..row };
                row = EntryRow { findings, records, bytes, duration_ms, ..row };
            }
            AuditEvent::Flag { id, about } => {
                let flag = FlagRow::of(&Flag { id: *id, ..Flag::new(entry.volume, *about) });
                (row.flag, row.flag_kind, row.flag_what) = (flag.id, flag.kind, flag.what);
                (row.area, row.block) = (flag.area, flag.block);
                (row.record, row.detail) = (flag.record, flag.detail);
                (row.instruction, row.status) = (flag.instruction, flag.status);
            }
            AuditEvent::Acknowledgement { flag, kind, reason } => {
                (row.flag, row.flag_kind) = ((*flag).into(), kind.number());
                row.reason[..reason.len()].copy_from_slice(reason.as_bytes());
                const { assert!(REASON_MAX <= u8::MAX as usize) };
                row.reason_len = reason.len() as u8;
            }
            AuditEvent::Transition { from, to, cause } => {
                (row.from, row.to, row.cause) = (from.state() as u8, to.state() as u8, *cause as u8);
            }
            &AuditEvent::Fault(Fault { kind, address, instruction, status }) => {
                (row.fault, row.address) = (kind as u8, address.into());
                (row.instruction, row.status) = (instruction.into(), status.into());
            }
        }
        row
    }

    /// The row of a record of which no more than the kind is known.
    pub fn of_kind(kind: Kind) -> EntryRow {
        EntryRow { kind: kind as u8, volume: NO_VOLUME, record: NO_RECORD.into(), ..EntryRow::new_zeroed() }
    }

    /// The entry in the row; `None` if it is none.
    pub fn decode(&self) -> Option<Entry> {
        let event = match Kind::from_u16(self.kind.into())? {
            Kind::Genesis => AuditEvent::Genesis,
            Kind::Boot => AuditEvent::Boot,
            Kind::AuditResult => AuditEvent::Result(self.result()?),
            Kind::Flag => {
                let Flag { id, about, .. } = self.flag_row().decode()?;
                AuditEvent::Flag { id, about }
            }
            Kind::Acknowledgement => {
                let reason = core::str::from_utf8(self.reason.get(..self.reason_len.into())?).ok()?;
                AuditEvent::Acknowledgement {
                    flag: self.flag.get(),
                    kind: FlagKind::from_wire(self.flag_kind)?,
                    reason: Reason::try_from(reason).ok().filter(|reason| !reason.contains(char::is_control))?,
                }
            }
            Kind::Lifecycle => AuditEvent::Transition {
                from: Standing::from_wire(self.from)?,
                to: Standing::from_wire(self.to)?,
                cause: Cause::from_wire(self.cause)?,
            },
            Kind::Fault => AuditEvent::Fault(Fault {
                kind: FaultKind::from_wire(self.fault)?,
                address: self.address.get(),
                instruction: self.instruction.get(),
                status: self.status.get(),
            }),
            // Of no audit record.
            _ => return None,
        };
        let volume = Some(self.volume).filter(|&volume| volume != NO_VOLUME);
        Some(Entry { volume, late_ms: self.late_ms.get(), event })
    }

    fn flag_row(&self) -> FlagRow {
        let mut row = FlagRow::new_zeroed();
        (row.id, row.kind, row.volume, row.what) = (self.flag, self.flag_kind, self.volume, self.flag_what);
        (row.area, row.block, row.record, row.detail) = (self.area, self.block, self.record, self.detail);
        (row.instruction, row.status) = (self.instruction, self.status);
        row
    }

    fn result(&self) -> Option<AuditResult> {
        let &EntryRow { finding: kind, area, block, record, .. } = self;
        let first = PlaceRow { kind, area, block, record, ..PlaceRow::default() };
        let &EntryRow { verified: scope, verdict, findings, records, bytes, duration_ms, .. } = self;
        let audit_record = NO_RECORD.into();
        ResultRow { scope, verdict, first, findings, records, bytes, duration_ms, audit_record }.decode()
    }

    pub fn kind_name(&self) -> &'static str {
        Kind::from_u16(self.kind.into()).map_or(UNKNOWN, Kind::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Scope, Verdict};
    use alloc::vec::Vec;
    use ledger_fmt::layout::Area;
    use ledger_fmt::verify::{Finding, FindingKind};
    use zerocopy::FromBytes;

    /// Entries of every kind.
    fn entries() -> Vec<Entry> {
        let finding = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 33, record: Some(3) };
        let mut events = Vec::from([AuditEvent::Genesis, AuditEvent::Boot]);
        for (scope, first) in [(Scope::Full, None), (Scope::Incremental, Some(finding))] {
            for verdict in [Verdict::Clean, Verdict::Mismatch, Verdict::Unreadable, Verdict::NotVerified] {
                let (findings, records, bytes, duration_ms) = (first.map_or(0, |_| 2), 17, 40_960, 7);
                let result = AuditResult {
                    scope,
                    verdict,
                    first,
                    findings,
                    records,
                    bytes,
                    duration_ms,
                    audit_record: None,
                };
                events.push(AuditEvent::Result(result));
            }
        }
        for about in [About::Finding(finding), About::Hung, About::ClockBack(5000), About::Refused(u64::MAX)] {
            events.push(AuditEvent::Flag { id: 7, about });
        }
        for kind in FlagKind::all() {
            let reason = Reason::try_from("restored from the copy: é").unwrap();
            events.push(AuditEvent::Acknowledgement { flag: 7, kind, reason });
        }
        for standing in [Standing::Active, Standing::Suspended, Standing::Archived] {
            for cause in (0..=u8::MAX).filter_map(Cause::from_wire) {
                events.push(AuditEvent::Transition { from: Standing::Active, to: standing, cause });
            }
        }
        for kind in (0..=u8::MAX).filter_map(FaultKind::from_wire) {
            let fault = Fault { kind, address: 4096, instruction: 0x20_0004, status: u64::MAX };
            events.push(AuditEvent::Fault(fault));
            events.push(AuditEvent::Flag { id: 7, about: About::Fault(fault) });
        }
        let entry = |(number, event): (u64, AuditEvent)| Entry {
            late_ms: number % 3,
            ..Entry::new((number % 2 > 0).then_some(number as u8), event)
        };
        (0..).zip(events).map(entry).collect()
    }

    #[test]
    fn every_entry_comes_out_of_its_row_as_it_went_in() {
        for entry in entries() {
            let row = EntryRow::of(&entry);
            assert_eq!(row.kind_name(), entry.event.kind().name());
            assert_eq!(EntryRow::read_from_bytes(row.as_bytes()).unwrap().decode(), Some(entry));
        }
    }

    /// Every value of every byte of every entry: what is taken for an entry is one, and nothing panics.
    #[test]
    fn what_is_no_entry_is_refused() {
        for entry in entries() {
            let row = EntryRow::of(&entry);
            for at in 0..size_of::<EntryRow>() {
                for value in 0..=u8::MAX {
                    let mut bytes = row;
                    bytes.as_mut_bytes()[at] = value;
                    if let Some(read) = bytes.decode() {
                        assert_eq!(EntryRow::of(&read).decode(), Some(read));
                    }
                }
            }
        }
        let mut row = EntryRow::of_kind(Kind::Acknowledgement);
        row.flag_kind = FlagKind::Hung.number();
        assert!(row.decode().is_some());
        for (len, bytes) in [(121, [b'a'; 2]), (2, [0xff; 2]), (2, *b"\n\n")] {
            row.reason_len = len;
            row.reason[..2].copy_from_slice(&bytes);
            assert_eq!(row.decode(), None, "{len} {bytes:?}");
        }
        for kind in [Kind::Document, Kind::Checkpoint, Kind::Flag, Kind::Lifecycle, Kind::Fault, Kind::AuditResult]
        {
            assert_eq!(EntryRow::of_kind(kind).decode(), None, "{kind:?}");
        }
    }
}
