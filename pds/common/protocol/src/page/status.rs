//! What the operator sees of the appliance, on the orchestrator's status page.

use alloc::vec::Vec;

use totebox_domain::{Fault, FaultKind};
use totebox_manifest::conversation::STATUS_SIZE;
use totebox_manifest::{ARCHIVES_MAX, VOLUMES_MAX};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Check, degraded};
use crate::audit::{AuditResult, EventRow, PlaceRow, RangeRows, ResultRow, Verdict};
use crate::flag::{FLAGS_MAX, Flag, FlagRow};
use crate::lifecycle::{ArchiveState, Standing};
use crate::operator::Completion;
use crate::row::{Crosses, NONE, row};
use crate::trace::{NOTES_MAX, NoteRow};
use crate::vault::VolumeState;

/// Records of the audit record the status page shows at a time.
pub const HISTORY_MAX: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audited {
    pub result: AuditResult,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub ended_ms: u64,
}

row! {
    #[derive(Default)]
    VolumeStatus as StatusRow {
        state: ArchiveState,
        /// When it came into that state, in milliseconds since the machine started.
        since_ms: u64,
        volume_state: VolumeState,
        /// What its lifecycle says it is to be.
        target: Standing,
        moving: bool,
        records: u64,
        documents: u64,
        bytes: u64,
        /// The largest document there is room for, in bytes: 0 if `ledger/` takes no more records, or the archive nothing any
        /// more. Of the audit volume: bytes free in `ledger/`, where all it holds goes.
        free: u64,
        /// Documents of one block at most that certainly fit, whenever they come; of the audit volume: records.
        left: u64,
        refused: u64,
        /// What the archive's own last scrub came to.
        check: Check,
        /// When that ended, in milliseconds since 1970-01-01 UTC.
        checked_ms: u64,
        checked_records: u64,
        verifying: bool,
        /// The operator's last order that a verification has answered: what its answer called it. It stays there when a
        /// scheduled verification has followed.
        verify_tag: Option<u32>,
        /// When the next scheduled audit is due, in milliseconds since the machine started.
        audit_due_ms: Option<u64>,
        /// Flags about this volume that are not acknowledged.
        flags: u32,
    } spread {
        /// Why the kernel stopped the archive, if it did.
        fault: Option<Fault> => (fault: u8, fault_address: U64, fault_instruction: U64, fault_status: U64),
        /// The operator's last lifecycle command that ended: what its answer called it, and how it ended.
        command: Option<(u32, Completion)> => (command_tag: U32, completion: u8),
        audited: Option<Audited> => (
            verify_op: u8, verdict: u8, finding: u8, finding_area: u8, finding_block: U64, finding_record: U64,
            findings: U32, verified_records: U64, verified_bytes: U64, verify_duration_ms: U64, audit_record: U64,
            verified_ms: U64
        ),
    }
}

impl VolumeStatus {
    pub fn verdict(&self) -> Option<Verdict> {
        self.audited.map(|audited| audited.result.verdict)
    }

    pub fn findings(&self) -> u32 {
        self.audited.map_or(0, |audited| audited.result.findings)
    }
}

impl Crosses for Option<Fault> {
    type Row = (u8, U64, U64, U64);

    fn row(&self) -> Self::Row {
        let Some(Fault { kind, address, instruction, status }) = self else {
            return (0, U64::ZERO, U64::ZERO, U64::ZERO);
        };
        (kind.row(), address.row(), instruction.row(), status.row())
    }

    fn of(&(kind, address, instruction, status): &Self::Row) -> Option<Self> {
        if kind == 0 {
            return Some(None);
        }
        let kind = FaultKind::from_wire(kind)?;
        let [address, instruction, status] = [address, instruction, status].map(U64::get);
        Some(Some(Fault { kind, address, instruction, status }))
    }
}

impl Crosses for Option<(u32, Completion)> {
    type Row = (U32, u8);

    fn row(&self) -> Self::Row {
        self.map_or((U32::ZERO, 0), |(tag, completion)| (tag.row(), completion.row()))
    }

    fn of(&(tag, completion): &Self::Row) -> Option<Self> {
        if tag.get() == 0 { Some(None) } else { Some(Some((tag.get(), Completion::from_wire(completion)?))) }
    }
}

impl Crosses for Option<Audited> {
    type Row = (u8, u8, u8, u8, U64, U64, U32, U64, U64, U64, U64, U64);

    fn row(&self) -> Self::Row {
        let Some(Audited { result, ended_ms }) = self else {
            return (
                0,
                0,
                0,
                0,
                U64::ZERO,
                NONE.row(),
                U32::ZERO,
                U64::ZERO,
                U64::ZERO,
                U64::ZERO,
                NONE.row(),
                U64::ZERO,
            );
        };
        let ResultRow { scope: op, verdict, first, findings, records, bytes, duration_ms, audit_record } =
            result.encode();
        let PlaceRow { kind, area, block, record, .. } = first;
        let ended_ms = ended_ms.row();
        (op, verdict, kind, area, block, record, findings, records, bytes, duration_ms, audit_record, ended_ms)
    }

    fn of(row: &Self::Row) -> Option<Self> {
        let &(
            op,
            verdict,
            kind,
            area,
            block,
            record,
            findings,
            records,
            bytes,
            duration_ms,
            audit_record,
            ended_ms,
        ) = row;
        if verdict == 0 {
            return Some(None);
        }
        let first = PlaceRow { kind, area, block, record, ..PlaceRow::default() };
        let row = ResultRow { scope: op, verdict, first, findings, records, bytes, duration_ms, audit_record };
        Some(Some(Audited { result: row.decode()?, ended_ms: ended_ms.get() }))
    }
}

/// What the operator sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplianceStatus {
    /// Milliseconds since the machine started.
    pub uptime_ms: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub wall_ms: u64,
    /// Whether an acknowledged record is durable on this disk; `None` unless the vault says so of a disk in service.
    pub durable: Option<bool>,
    /// Every archive has come up or failed to.
    pub settled: bool,
    pub read_only: bool,
    /// The archives' states were read back from the audit record, or cannot be.
    pub restored: bool,
    pub degraded: u8,
    /// Some archive's volume is in service: if none is, nothing can be put.
    pub in_service: bool,
    /// Events of this start that the audit record does not tell of: it took no records, or none of that kind.
    pub unrecorded: u32,
    /// Flags that are not acknowledged, shown or not.
    pub flags_open: u32,
    pub flags_hidden: u32,
    /// Every volume, as numbered in the manifest; the audit volume is the last.
    pub volumes: Vec<VolumeStatus>,
    /// Flags: the unacknowledged first, the most serious first, then the oldest.
    pub flags: Vec<Flag>,
    /// The last history that was read: what the order for it is called, or 0.
    pub history: u32,
    /// Records in the audit record then; `None` if it could not be read.
    pub history_end: Option<u64>,
    /// The records the operator asked for, in their order.
    pub events: Vec<EventRow>,
    /// The last findings that were asked for: what the order for them is called, or 0.
    pub findings: u32,
    /// Findings in all of the last verification of that volume.
    pub found: u32,
    pub more: RangeRows,
    /// The last trace that was asked for: what the order for it is called, or 0.
    pub trace: u32,
    /// What the domain noted last, the oldest first.
    pub notes: Vec<NoteRow>,
}

impl ApplianceStatus {
    /// Nothing yet, of so many volumes. Nothing is allocated afterwards.
    pub fn nothing(volumes: usize) -> ApplianceStatus {
        ApplianceStatus {
            uptime_ms: 0,
            wall_ms: 0,
            durable: None,
            settled: false,
            read_only: false,
            restored: false,
            degraded: 0,
            in_service: false,
            unrecorded: 0,
            flags_open: 0,
            flags_hidden: 0,
            volumes: core::iter::repeat_n(VolumeStatus::default(), volumes).collect(),
            flags: Vec::with_capacity(FLAGS_MAX),
            history: 0,
            history_end: None,
            events: Vec::with_capacity(HISTORY_MAX),
            findings: 0,
            found: 0,
            more: crate::audit::NO_RANGES,
            trace: 0,
            notes: Vec::with_capacity(NOTES_MAX),
        }
    }

    /// Bytes of heap one of so many volumes takes.
    pub const fn heap(volumes: usize) -> usize {
        let shown = FLAGS_MAX * size_of::<Flag>() + HISTORY_MAX * size_of::<EventRow>();
        volumes * size_of::<VolumeStatus>() + shown + NOTES_MAX * size_of::<NoteRow>()
    }

    pub fn encode(&self, page: &mut StatusPage) {
        (page.uptime_ms, page.wall_ms) = (self.uptime_ms.into(), self.wall_ms.into());
        (page.durable, page.settled) = (self.durable.row(), u8::from(self.settled));
        (page.read_only, page.restored) = (u8::from(self.read_only), u8::from(self.restored));
        (page.degraded, page.in_service) = (self.degraded, u8::from(self.in_service));
        page.unrecorded = self.unrecorded.into();
        (page.flags_open, page.flags_hidden) = (self.flags_open.into(), self.flags_hidden.into());
        for (row, volume) in page.rows.iter_mut().zip(&self.volumes) {
            *row = volume.encode();
        }
        let flags = self.flags.iter().map(FlagRow::of).chain(core::iter::repeat(FlagRow::new_zeroed()));
        page.flags.iter_mut().zip(flags).for_each(|(row, flag)| *row = flag);
        let events = self.events.iter().copied().chain(core::iter::repeat(EventRow::new_zeroed()));
        page.history.iter_mut().zip(events).for_each(|(row, event)| *row = event);
        (page.history_tag, page.history_len) = (self.history.into(), (self.events.len() as u32).into());
        page.history_end = self.history_end.unwrap_or(0).into();
        (page.findings_tag, page.findings, page.more) = (self.findings.into(), self.found.into(), self.more);
        let notes = self.notes.iter().copied().chain(core::iter::repeat(NoteRow::new_zeroed()));
        page.notes.iter_mut().zip(notes).for_each(|(row, note)| *row = note);
        (page.trace_tag, page.notes_len) = (self.trace.into(), (self.notes.len() as u32).into());
    }
}

/// An [`ApplianceStatus`] as it crosses. What is true is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct StatusPage {
    pub uptime_ms: U64,
    pub wall_ms: U64,
    pub durable: u8,
    pub settled: u8,
    pub read_only: u8,
    pub restored: u8,
    pub degraded: u8,
    pub in_service: u8,
    pub reserved: [u8; 2],
    pub unrecorded: U32,
    pub flags_open: U32,
    pub flags_hidden: U32,
    /// The tag of the last [`History`](crate::operator::Op::History) that ended; 0 if none.
    pub history_tag: U32,
    /// Rows of `history` in use.
    pub history_len: U32,
    /// The tag of the last [`Findings`](crate::operator::Op::Findings) that ended; 0 if none.
    pub findings_tag: U32,
    /// Records in the audit record, when that history was read.
    pub history_end: U64,
    /// One row a volume, as numbered in the manifest; the audit volume's is the last in use.
    pub rows: [StatusRow; VOLUMES_MAX],
    /// Flags: those in use first; of these the unacknowledged first, the most serious first, then the oldest.
    pub flags: [FlagRow; FLAGS_MAX],
    pub history: [EventRow; HISTORY_MAX],
    pub findings: U32,
    pub more: RangeRows,
    /// The tag of the last [`Trace`](crate::operator::Op::Trace) that ended; 0 if none.
    pub trace_tag: U32,
    /// Rows of `notes` in use.
    pub notes_len: U32,
    /// What the domain the operator asked for noted last, the oldest first.
    pub notes: [NoteRow; NOTES_MAX],
}

// The page fits its region behind the sequence word.
const _: () = assert!(size_of::<StatusPage>() + 8 <= STATUS_SIZE);
const _: () = assert!(VOLUMES_MAX == ARCHIVES_MAX + 1);

impl StatusPage {
    /// Reads the page of so many volumes as `status` has; `None` (`status` undefined) if it is not possible.
    pub fn decode(&self, status: &mut ApplianceStatus) -> Option<()> {
        (status.uptime_ms, status.wall_ms) = (self.uptime_ms.get(), self.wall_ms.get());
        (status.durable, status.settled) = (Crosses::of(&self.durable)?, self.settled == 1);
        (status.read_only, status.restored) = (self.read_only == 1, self.restored == 1);
        (status.degraded, status.in_service) = (self.degraded & degraded::EVERY, self.in_service == 1);
        status.unrecorded = self.unrecorded.get();
        (status.flags_open, status.flags_hidden) = (self.flags_open.get(), self.flags_hidden.get());
        for (volume, row) in status.volumes.iter_mut().zip(&self.rows) {
            *volume = row.decode()?;
        }
        status.flags.clear();
        status.flags.extend(self.flags.iter().filter_map(FlagRow::shown));
        status.events.clear();
        status.events.extend(self.history.iter().take(self.history_len.get() as usize));
        status.history = self.history_tag.get();
        status.history_end = Some(self.history_end.get()).filter(|&end| end > 0);
        (status.findings, status.found, status.more) = (self.findings_tag.get(), self.findings.get(), self.more);
        status.notes.clear();
        status.notes.extend(self.notes.iter().take(self.notes_len.get() as usize));
        status.trace = self.trace_tag.get();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Scope;
    use crate::flag::About;
    use ledger_fmt::layout::Area;
    use ledger_fmt::verify::{Finding, FindingKind};

    /// Volumes in every state, with every kind of what can be said of them.
    fn volumes() -> Vec<VolumeStatus> {
        let mut volumes = Vec::from([VolumeStatus::default()]);
        let mut add = |change: &dyn Fn(&mut VolumeStatus)| {
            let mut volume =
                VolumeStatus { since_ms: 1, records: 2, documents: 3, bytes: 4, ..VolumeStatus::default() };
            (volume.free, volume.left, volume.refused, volume.flags) = (5, 6, 7, 8);
            (volume.checked_ms, volume.checked_records, volume.audit_due_ms) = (9, 10, Some(11));
            change(&mut volume);
            volumes.push(volume);
        };
        let numbers = || 0..=u8::MAX;
        for state in numbers().filter_map(ArchiveState::from_wire) {
            add(&|volume| volume.state = state);
            if let Some(target) = Standing::of(state) {
                add(&|volume| (volume.target, volume.moving) = (target, true));
            }
        }
        for state in numbers().filter_map(VolumeState::from_wire) {
            add(&|volume| volume.volume_state = state);
        }
        for kind in numbers().filter_map(FaultKind::from_wire) {
            add(&|volume| volume.fault = Some(Fault { kind, address: 77, instruction: 78, status: 79 }));
        }
        for completion in numbers().filter_map(Completion::from_wire) {
            add(&|volume| volume.command = Some((5, completion)));
        }
        for check in numbers().filter_map(Check::from_wire) {
            add(&|volume| (volume.check, volume.verifying, volume.verify_tag) = (check, true, Some(3)));
        }
        for verdict in numbers().filter_map(Verdict::from_wire) {
            for (scope, record) in [(Scope::Full, None), (Scope::Incremental, Some(4))] {
                let found = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 33, record };
                let first = (verdict == Verdict::Mismatch).then_some(found);
                let (findings, records, bytes, duration_ms) = (1, 2, 3, 4);
                let result = AuditResult {
                    scope,
                    verdict,
                    first,
                    findings,
                    records,
                    bytes,
                    duration_ms,
                    audit_record: record,
                };
                add(&|volume| volume.audited = Some(Audited { result, ended_ms: 6 }));
            }
        }
        volumes
    }

    #[test]
    fn every_volume_comes_out_of_its_row_as_it_went_in() {
        for volume in volumes() {
            assert_eq!(StatusRow::read_from_bytes(volume.encode().as_bytes()).unwrap().decode(), Some(volume));
        }
    }

    /// Every value of every byte of every row: what is taken for a volume is one, and nothing panics.
    #[test]
    fn what_is_no_row_is_refused() {
        for volume in volumes() {
            for at in 0..size_of::<StatusRow>() {
                for value in 0..=u8::MAX {
                    let mut row = volume.encode();
                    row.as_mut_bytes()[at] = value;
                    if let Some(read) = row.decode() {
                        assert_eq!(read.encode().decode(), Some(read));
                    }
                }
            }
        }
        let good = volumes()[1].encode();
        for number in 0..=u8::MAX {
            let refused = |row: StatusRow| row.decode().is_none();
            assert_eq!(refused(StatusRow { state: number, ..good }), ArchiveState::from_wire(number).is_none());
            let row = StatusRow { volume_state: number, ..good };
            assert_eq!(refused(row), VolumeState::from_wire(number).is_none());
            assert_eq!(refused(StatusRow { target: number, ..good }), Standing::from_wire(number).is_none());
            assert_eq!(refused(StatusRow { check: number, ..good }), Check::from_wire(number).is_none());
            let row = StatusRow { fault: number, ..good };
            assert_eq!(refused(row), number != 0 && FaultKind::from_wire(number).is_none());
            let row = StatusRow { command_tag: 1.into(), completion: number, ..good };
            assert_eq!(refused(row), Completion::from_wire(number).is_none());
        }
    }

    #[test]
    fn the_page_says_what_was_put_into_it() {
        let mut status = ApplianceStatus::nothing(volumes().len());
        (status.uptime_ms, status.wall_ms, status.unrecorded) = (1, 2, 3);
        (status.durable, status.restored, status.degraded) = (Some(true), true, degraded::EVERY);
        (status.flags_open, status.flags_hidden) = (4, 5);
        status.volumes = volumes();
        status.flags.push(Flag { id: 6, ..Flag::new(Some(0), About::Hung) });
        status.events.push(EventRow::new_zeroed());
        (status.history, status.history_end, status.findings, status.found) = (7, Some(8), 9, 10);
        status.notes.push(NoteRow::new_zeroed());
        status.trace = 11;
        let mut page = StatusPage::new_box_zeroed().unwrap();
        status.encode(&mut page);
        let mut read = ApplianceStatus::nothing(volumes().len());
        assert_eq!((page.decode(&mut read), &read), (Some(()), &status));
        // What was said before leaves nothing behind.
        ApplianceStatus::nothing(volumes().len()).encode(&mut page);
        assert_eq!(page.decode(&mut read), Some(()));
        assert_eq!(read, ApplianceStatus::nothing(volumes().len()));
        // Any numbers where no volume's row is do no harm.
        (page.history_len, page.notes_len) = (u32::MAX.into(), u32::MAX.into());
        page.degraded = 0xff;
        assert_eq!(page.decode(&mut read), Some(()));
        assert_eq!((read.events.len(), read.notes.len()), (HISTORY_MAX, NOTES_MAX));
        assert_eq!(read.degraded, degraded::EVERY);
        page.rows[2].state = 99;
        assert_eq!(page.decode(&mut read), None);
    }
}
