//! What a domain notes of what it does, in its trace: a few events with small arguments. A trace is read when something
//! has gone wrong, so nobody believes it: what cannot be an event is shown as one that cannot be read.

use totebox_manifest::conversation::{TRACE_ROW, TRACE_ROWS};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::audit::{Scope, Verdict};
use crate::lifecycle::Standing;
use crate::row::Crosses;
use crate::vault::Status;
use crate::{intake, operator, wire_enum};

/// Events of a trace that are shown at most: all there are.
pub const NOTES_MAX: usize = TRACE_ROWS;

/// What a domain notes. A volume is numbered as in the manifest, an archive as its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has started.
    Started,
    /// An order of the operator: the console gives it, the orchestrator takes it up.
    Order(operator::Op),
    /// A request to an archive: the console sends it, the archive takes it.
    Request {
        /// The archive.
        archive: u8,
        /// What is asked.
        op: intake::Op,
    },
    /// So many records of its own ledger are durable now.
    Committed {
        /// How many.
        records: u32,
    },
    /// What was written to the disk is durable.
    Flushed,
    /// A flush of the disk failed.
    FlushFailed,
    /// An audit begins.
    AuditBegan {
        /// Of this volume.
        volume: u8,
        /// Of how much of it.
        scope: Scope,
    },
    /// An audit has ended; with [`Verdict::NotVerified`] it was given up.
    AuditEnded {
        /// Of this volume.
        volume: u8,
        /// With this verdict.
        verdict: Verdict,
    },
    /// The vault refused a request that no sound client makes.
    Refused {
        /// It was about this volume.
        volume: u8,
        /// Why.
        status: Status,
    },
    /// The vault cut a client off, which broke its protocol.
    CutOff {
        /// The volume of the client.
        volume: u8,
    },
    /// An archive was commanded to be this.
    Commanded(Standing),
    /// An archive is now what it was commanded to be.
    Obeyed(Standing),
    /// Its own ledger cannot be continued.
    LedgerFailed,
    /// The vault broke its protocol, as far as it can tell.
    VaultLost,
    /// The orchestrator got an archive's fault.
    Faulted {
        /// The archive.
        archive: u8,
    },
}

impl Event {
    /// What is to be noted of a request to an archive; of a submission that is its beginning.
    pub const fn request(archive: u8, asked: intake::Asked) -> Option<Event> {
        use intake::{Asked, Op};
        let op = match asked {
            Asked::PutBegin { .. } => Op::PutBegin,
            Asked::Get { .. } => Op::Get,
            Asked::List { .. } => Op::List,
            Asked::Sign => Op::Sign,
            Asked::PutData { .. } | Asked::PutEnd | Asked::PutCancel | Asked::Cancel => return None,
        };
        Some(Event::Request { archive, op })
    }
}

wire_enum! {
    /// The number of an [`Event`].
    Kind: u8 {
        /// See [`Event::Started`], and so on.
        Started = 1,
        /// `what` is the order.
        Order = 2,
        /// `volume` is the archive, `what` the request.
        Request = 3,
        /// `count` is how many records.
        Committed = 4,
        /// No arguments.
        Flushed = 5,
        /// No arguments.
        FlushFailed = 6,
        /// `what` is the kind of verification.
        AuditBegan = 7,
        /// `what` is the verdict.
        AuditEnded = 8,
        /// `what` is the status.
        Refused = 9,
        /// `volume` is the client's.
        CutOff = 10,
        /// `what` is the state.
        Commanded = 11,
        /// `what` is the state.
        Obeyed = 12,
        /// No arguments.
        LedgerFailed = 13,
        /// No arguments.
        VaultLost = 14,
        /// `volume` is the archive.
        Faulted = 15,
    }
}

/// An event in a trace. What its kind does not need is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EventRow {
    /// When: in a trace what the CPU's counter showed, in milliseconds; on the status page milliseconds since 1970-01-01
    /// UTC.
    pub time_ms: U64,
    /// [`Kind`].
    pub kind: u8,
    /// The volume it is about.
    pub volume: u8,
    /// See [`Kind`].
    pub what: U16,
    /// See [`Kind`].
    pub count: U32,
}

/// An event on the status page, with its number in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct NoteRow {
    /// Which one it is in its trace, counted from 0.
    pub sequence: U64,
    /// The event.
    pub event: EventRow,
}

const _: () = assert!(size_of::<EventRow>() + 8 == TRACE_ROW);

impl EventRow {
    /// The row of an event at this time.
    pub fn of(time_ms: u64, event: Event) -> EventRow {
        let (kind, volume, what, count) = match event {
            Event::Started => (Kind::Started, 0, 0, 0),
            Event::Order(op) => (Kind::Order, 0, op as u16, 0),
            Event::Request { archive, op } => (Kind::Request, archive, op as u16, 0),
            Event::Committed { records } => (Kind::Committed, 0, 0, records),
            Event::Flushed => (Kind::Flushed, 0, 0, 0),
            Event::FlushFailed => (Kind::FlushFailed, 0, 0, 0),
            Event::AuditBegan { volume, scope } => (Kind::AuditBegan, volume, scope.row().into(), 0),
            Event::AuditEnded { volume, verdict } => (Kind::AuditEnded, volume, verdict as u16, 0),
            Event::Refused { volume, status } => (Kind::Refused, volume, status as u16, 0),
            Event::CutOff { volume } => (Kind::CutOff, volume, 0, 0),
            Event::Commanded(standing) => (Kind::Commanded, 0, standing.state() as u16, 0),
            Event::Obeyed(standing) => (Kind::Obeyed, 0, standing.state() as u16, 0),
            Event::LedgerFailed => (Kind::LedgerFailed, 0, 0, 0),
            Event::VaultLost => (Kind::VaultLost, 0, 0, 0),
            Event::Faulted { archive } => (Kind::Faulted, archive, 0, 0),
        };
        let (kind, what, count) = (kind as u8, what.into(), count.into());
        EventRow { time_ms: time_ms.into(), kind, volume, what, count }
    }

    /// The event in the row; `None` if it is none that this version notes.
    pub fn decode(&self) -> Option<Event> {
        let (volume, what) = (self.volume, self.what.get());
        let small = u8::try_from(what).ok();
        let event = match Kind::from_wire(self.kind)? {
            Kind::Started => Event::Started,
            Kind::Order => Event::Order(operator::Op::from_wire(small?)?),
            Kind::Request => Event::Request { archive: volume, op: intake::Op::from_wire(what)? },
            Kind::Committed => Event::Committed { records: self.count.get() },
            Kind::Flushed => Event::Flushed,
            Kind::FlushFailed => Event::FlushFailed,
            Kind::AuditBegan => Event::AuditBegan { volume, scope: Crosses::of(&small?)? },
            Kind::AuditEnded => Event::AuditEnded { volume, verdict: Verdict::from_wire(small?)? },
            Kind::Refused => Event::Refused { volume, status: Status::from_wire(what)? },
            Kind::CutOff => Event::CutOff { volume },
            Kind::Commanded => Event::Commanded(Standing::from_wire(small?)?),
            Kind::Obeyed => Event::Obeyed(Standing::from_wire(small?)?),
            Kind::LedgerFailed => Event::LedgerFailed,
            Kind::VaultLost => Event::VaultLost,
            Kind::Faulted => Event::Faulted { archive: volume },
        };
        // Nothing stands where nothing belongs.
        (EventRow::of(self.time_ms.get(), event) == *self).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use zerocopy::FromZeros;

    /// Events of every kind, with every argument.
    fn events() -> Vec<Event> {
        let mut events = Vec::from([Event::Started, Event::Flushed, Event::FlushFailed]);
        events.extend([Event::LedgerFailed, Event::VaultLost]);
        events.extend((0..=u8::MAX).filter_map(operator::Op::from_wire).map(Event::Order));
        for volume in [0, 1, u8::MAX] {
            events.extend([Event::CutOff { volume }, Event::Faulted { archive: volume }]);
            let requests = (0..=u16::MAX).filter_map(intake::Op::from_wire);
            events.extend(requests.map(|op| Event::Request { archive: volume, op }));
            events.extend([Scope::Full, Scope::Incremental].map(|scope| Event::AuditBegan { volume, scope }));
            let verdicts = (0..=u8::MAX).filter_map(Verdict::from_wire);
            events.extend(verdicts.map(|verdict| Event::AuditEnded { volume, verdict }));
            let statuses = (0..=u16::MAX).filter_map(Status::from_wire);
            events.extend(statuses.map(|status| Event::Refused { volume, status }));
        }
        events.extend([0, 1, u32::MAX].map(|records| Event::Committed { records }));
        for standing in [Standing::Active, Standing::Suspended, Standing::Archived] {
            events.extend([Event::Commanded(standing), Event::Obeyed(standing)]);
        }
        events
    }

    #[test]
    fn every_event_comes_out_of_its_row_as_it_went_in() {
        let mut kinds = Vec::new();
        for (event, time_ms) in events().into_iter().zip((0..u64::MAX).step_by(7)) {
            let row = EventRow::of(time_ms, event);
            let read = EventRow::read_from_bytes(row.as_bytes()).unwrap();
            assert_eq!((read.decode(), read.time_ms.get()), (Some(event), time_ms));
            kinds.push(row.kind);
        }
        let all = (0..=u8::MAX).filter(|&kind| Kind::from_wire(kind).is_some());
        assert!(all.into_iter().all(|kind| kinds.contains(&kind)), "there is one of each kind");
    }

    /// Every value of every byte of every event: what is taken for one is one, and nothing panics.
    #[test]
    fn what_is_no_event_is_refused() {
        for event in events() {
            for at in 0..size_of::<EventRow>() {
                for value in 0..=u8::MAX {
                    let mut row = EventRow::of(77, event);
                    row.as_mut_bytes()[at] = value;
                    if let Some(read) = row.decode() {
                        assert_eq!(EventRow::of(row.time_ms.get(), read), row);
                    }
                }
            }
        }
        assert_eq!(EventRow::new_zeroed().decode(), None);
    }
}
