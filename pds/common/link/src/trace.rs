//! Traces, found in the manifest: what this domain notes, and, in the orchestrator, what others have noted.

use totebox_domain::SetupError;
use totebox_manifest::conversation::TRACE_READER;
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::trace::{Event, EventRow};
use totebox_shm::{Mapped, TraceReader, TraceWriter};

/// What this domain notes of what it does. To note an event is a few stores.
#[derive(Debug)]
pub struct Tracer {
    trace: TraceWriter<EventRow>,
    now_ms: u64,
}

impl Tracer {
    /// The trace of the domain with this manifest, nothing noted yet.
    pub fn open(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Tracer, SetupError> {
        let missing = SetupError::Link(TRACE_READER, LinkKind::Trace);
        let link = manifest.link(TRACE_READER, 0, LinkKind::Trace).ok_or(missing)?;
        Ok(Tracer { trace: TraceWriter::new(mapped, link.mine).ok_or(missing)?, now_ms: 0 })
    }

    /// A handler begins, when the CPU's counter shows this: what it notes happened then.
    pub fn wake(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Notes an event.
    pub fn note(&mut self, event: Event) {
        self.trace.note(&EventRow::of(self.now_ms, event));
    }
}

/// The trace of `peer` (`index` among archives, else 0).
pub fn trace_reader(
    manifest: &Manifest<'_>,
    mapped: Mapped,
    peer: Role,
    index: u8,
) -> Result<TraceReader<EventRow>, SetupError> {
    let missing = SetupError::Link(peer, LinkKind::Trace);
    let link = manifest.link(peer, index, LinkKind::Trace).ok_or(missing)?;
    TraceReader::new(mapped, link.theirs).ok_or(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use totebox_shm::testing::mapped;
    use totebox_testing::TestManifest;

    #[test]
    fn what_a_domain_notes_is_read_with_its_time() {
        let mut description = TestManifest::new(TRACE_READER);
        let bytes = description.bytes();
        let mut tracer = Tracer::open(&Manifest::parse(&bytes).unwrap(), mapped()).unwrap();
        let reader = trace_reader(&Manifest::parse(&bytes).unwrap(), mapped(), TRACE_READER, 0).unwrap();
        tracer.wake(7);
        tracer.note(Event::Started);
        tracer.wake(9);
        tracer.note(Event::Committed { records: 3 });
        let expected = [(0, 7, Event::Started), (1, 9, Event::Committed { records: 3 })];
        let read = reader.rows().map(|(number, row)| (number, row.time_ms.get(), row.decode().unwrap()));
        assert!(read.eq(expected));

        description.links.clear();
        let bytes = description.bytes();
        let error = Tracer::open(&Manifest::parse(&bytes).unwrap(), mapped()).err();
        assert_eq!(error, Some(SetupError::Link(TRACE_READER, LinkKind::Trace)));
    }
}
