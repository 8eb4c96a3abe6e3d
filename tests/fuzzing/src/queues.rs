//! Queues, pages and traces in shared memory whose peer writes what it likes, whenever it likes.

use arbitrary::{Arbitrary, Unstructured};
use totebox_manifest::Region;
use totebox_manifest::conversation::{PAGE, QUEUE_HEADER, QueueForm, TRACE_ROW, TRACE_ROWS};
use totebox_protocol::trace::EventRow;
use totebox_shm::testing::{give_back, mapped, queue_link, region};
use totebox_shm::{Consumer, PageReader, PeerError, Producer, Shared, TraceReader, queue_pair};

use crate::{Target, noise};

/// The target. What is counted are the regions, and the copies they are compared with.
pub const TARGET: Target =
    Target { name: "queues", run, memory: 32 * 1024, memory_per_byte: 16, mutations: 20000, seeds: noise };

/// Small, so that a ring is soon gone round.
const FORM: QueueForm = QueueForm { slot_size: 24, slots: 3 };

/// Words of a region that the peer writes: the queue's, and some behind it.
const WORDS: usize = (QUEUE_HEADER + FORM.slot_size * FORM.slots) / 8 + 4;

const TAIL: usize = 0;
const HEAD: usize = 8;

type Value = [u64; 5];

/// What happens next.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    /// The peer stores a word.
    Store { word: u8, value: u64 },
    /// The peer says it has sent so many messages more than were taken.
    Tail { ahead: i8 },
    /// The peer says it has taken so many messages less than were sent.
    Head { behind: i8 },
    /// We send, if there is room.
    Send { header: u8, data: u8, fill: u8 },
    /// We take a message, if there is one.
    Take { at: u8, len: u8 },
    /// We read the peer's page, which is the same region.
    Page,
    /// We read the peer's trace, which is the same region, too.
    Trace,
}

struct Harness {
    producer: Producer,
    consumer: Consumer,
    page: PageReader<Value>,
    trace: TraceReader<EventRow>,
    mine: Shared,
    theirs: Shared,
    /// What our region must hold.
    expected: Vec<u8>,
    sent: u64,
    taken: u64,
}

fn run(input: &[u8]) {
    let regions = [region(PAGE), region(PAGE)];
    let mut harness = Harness::new(regions);
    let steps = Unstructured::new(input).arbitrary_take_rest_iter::<Step>();
    for step in steps.expect("bytes are always steps").flatten() {
        let theirs = harness.peer(step);
        harness.step(step);
        assert_eq!(contents(&harness.theirs), theirs, "the peer's region is only read");
        assert_eq!(contents(&harness.mine), harness.expected, "nothing but the message and the index is written");
    }
    give_back(regions);
}

fn contents(region: &Shared) -> Vec<u8> {
    let mut bytes = vec![0; WORDS * 8];
    region.read(0, &mut bytes);
    bytes
}

impl Harness {
    fn new([mine, theirs]: [Region; 2]) -> Harness {
        let (producer, consumer) =
            queue_pair(mapped(), &queue_link(mine, theirs), FORM).expect("regions of a page");
        let shared = |region| Shared::new(mapped(), region).expect("a region of a page");
        let page = PageReader::new(mapped(), theirs).expect("a region of a page");
        let trace = TraceReader::new(mapped(), theirs).expect("a region of a page");
        let (mine, theirs) = (shared(mine), shared(theirs));
        Harness { producer, consumer, page, trace, mine, theirs, expected: vec![0; WORDS * 8], sent: 0, taken: 0 }
    }

    /// The peer's part of a step. Returns what its region holds then.
    fn peer(&mut self, step: Step) -> Vec<u8> {
        match step {
            Step::Store { word, value } => self.theirs.store(usize::from(word) % WORDS * 8, value),
            Step::Tail { ahead } => self.theirs.store(TAIL, self.taken.wrapping_add_signed(ahead.into())),
            Step::Head { behind } => self.theirs.store(HEAD, self.sent.wrapping_sub_signed(behind.into())),
            _ => {}
        }
        contents(&self.theirs)
    }

    /// Ours. We go on after an error, though a domain does not.
    fn step(&mut self, step: Step) {
        match step {
            Step::Send { header, data, fill } => self.send(header, data, fill),
            Step::Take { at, len } => self.take(at, len),
            Step::Page => self.read_page(),
            Step::Trace => self.read_trace(),
            _ => {}
        }
    }

    fn send(&mut self, header: u8, data: u8, fill: u8) {
        let header = vec![fill; usize::from(header) % (FORM.slot_size + 1)];
        let start = header.len().next_multiple_of(8);
        let data = vec![!fill; usize::from(data) % (FORM.slot_size - start + 1)];
        let head = self.theirs.load(HEAD);
        match self.producer.send(&header, &data) {
            Ok(false) => assert_eq!(self.sent - head, FORM.slots as u64, "the ring is full"),
            Ok(true) => {
                assert!(head <= self.sent && self.sent - head < FORM.slots as u64, "there is room");
                let slot = QUEUE_HEADER + (self.sent % FORM.slots as u64) as usize * FORM.slot_size;
                for (at, part) in [(slot, header), (slot + start, data)] {
                    // The last word is padded with zeros.
                    self.expected[at..at + part.len().next_multiple_of(8)].fill(0);
                    self.expected[at..at + part.len()].copy_from_slice(&part);
                }
                self.sent += 1;
                self.expected[TAIL..TAIL + 8].copy_from_slice(&self.sent.to_le_bytes());
            }
            Err(PeerError) => {}
        }
    }

    fn take(&mut self, at: u8, len: u8) {
        let at = usize::from(at) % (FORM.slot_size / 8) * 8;
        let len = usize::from(len) % (FORM.slot_size - at + 1);
        match self.consumer.available() {
            Ok(0) | Err(PeerError) => {}
            Ok(waiting) => {
                assert!(waiting <= FORM.slots, "{waiting} messages in the ring");
                assert_eq!(self.theirs.load(TAIL), self.taken + waiting as u64);
                let mut out = vec![0; len];
                self.consumer.read(at, &mut out);
                let slot = QUEUE_HEADER + (self.taken % FORM.slots as u64) as usize * FORM.slot_size;
                assert_eq!(out, contents(&self.theirs)[slot + at..][..len]);
                self.consumer.release();
                self.taken += 1;
                self.expected[HEAD..HEAD + 8].copy_from_slice(&self.taken.to_le_bytes());
            }
        }
    }

    fn read_trace(&self) {
        let mut last = None;
        let mut rows: Vec<(u64, EventRow)> = self.trace.rows().collect();
        rows.sort_unstable_by_key(|row| row.0);
        assert!(rows.len() <= TRACE_ROWS);
        for (number, row) in rows {
            assert!(last < Some(number), "each once");
            last = Some(number);
            let stamp = self.theirs.load((number % TRACE_ROWS as u64) as usize * TRACE_ROW);
            assert_eq!(stamp, number + 1);
            if let Some(event) = row.decode() {
                assert_eq!(EventRow::of(row.time_ms.get(), event), row);
            }
        }
    }

    fn read_page(&self) {
        let (sequence, mut out) = (self.theirs.load(0), Value::default());
        let readable = sequence != 0 && sequence.is_multiple_of(2);
        assert_eq!(self.page.read(&mut out), readable, "sequence {sequence}");
        if readable {
            assert_eq!(out, std::array::from_fn(|word| self.theirs.load(8 + word * 8)));
        }
    }
}
