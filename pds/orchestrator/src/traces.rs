//! The traces of all domains, this one's own among them, and the last one that the operator asked for. They are read
//! when somebody asks. A domain that has faulted never runs again before the next start, and nobody else can write its
//! trace: so that stays as it was at the fault.

use alloc::vec::Vec;

use totebox_domain::SetupError;
use totebox_link::{Tracer, trace_reader};
use totebox_manifest::{Manifest, Role, SERVICES};
use totebox_protocol::operator::Traced;
use totebox_protocol::trace::{Event, EventRow, NOTES_MAX, NoteRow};
use totebox_shm::{Mapped, TraceReader};

/// The traces.
pub struct Traces {
    own: Tracer,
    archives: Vec<TraceReader<EventRow>>,
    services: Vec<(Role, TraceReader<EventRow>)>,
    /// What the order for the last one is called, and what was in that trace.
    tag: u32,
    notes: Vec<NoteRow>,
}

/// What the clocks show: by the CPU's counter, and in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The counter.
    pub counter_ms: u64,
    /// The wall clock; 0 if it has not told the time.
    pub wall_ms: u64,
}

impl Now {
    /// When it was that the counter showed this. What is in the future is now.
    fn wall_ms_of(self, counter_ms: u64) -> u64 {
        self.wall_ms.saturating_sub(self.counter_ms.saturating_sub(counter_ms))
    }
}

impl Traces {
    /// The traces of every domain of the deployment in `manifest`.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Traces, SetupError> {
        let archive = |index| trace_reader(manifest, mapped, Role::Archive, index);
        let service = |role| Ok((role, trace_reader(manifest, mapped, role, 0)?));
        Ok(Traces {
            own: Tracer::open(manifest, mapped)?,
            archives: (0..manifest.header().archives).map(archive).collect::<Result<_, _>>()?,
            services: SERVICES.into_iter().map(service).collect::<Result<_, _>>()?,
            tag: 0,
            notes: Vec::with_capacity(NOTES_MAX),
        })
    }

    /// This domain is woken, when the CPU's counter shows this.
    pub fn wake(&mut self, counter_ms: u64) {
        self.own.wake(counter_ms);
    }

    /// Notes what this domain does.
    pub fn note(&mut self, event: Event) {
        self.own.note(event);
    }

    /// Whether there is such a domain.
    pub fn has(&self, domain: Traced) -> bool {
        self.reader(domain).is_some()
    }

    fn reader(&self, domain: Traced) -> Option<&TraceReader<EventRow>> {
        match domain {
            Traced::Archive(index) => self.archives.get(index),
            Traced::Service(role) => {
                self.services.iter().find(|service| service.0 == role).map(|service| &service.1)
            }
        }
    }

    /// Reads a domain's trace for the order of this name. Nobody here looks into what it says.
    pub fn read(&mut self, domain: Traced, tag: u32, now: Now) {
        let mut notes = core::mem::take(&mut self.notes);
        notes.clear();
        let rows = self.reader(domain).into_iter().flat_map(TraceReader::rows);
        notes.extend(rows.map(|(sequence, event)| {
            let time_ms = now.wall_ms_of(event.time_ms.get()).into();
            NoteRow { sequence: sequence.into(), event: EventRow { time_ms, ..event } }
        }));
        notes.sort_unstable_by_key(|note| note.sequence.get());
        (self.tag, self.notes) = (tag, notes);
    }

    /// The last trace that was read: what the order for it is called, and what was in it, the oldest first.
    pub fn last(&self) -> (u32, &[NoteRow]) {
        (self.tag, &self.notes)
    }
}
