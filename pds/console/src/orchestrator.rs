//! The link to the orchestrator: orders, their answers, and whether it lives. An orchestrator whose indices or
//! answers are invalid is cut off for good; one that answers nothing is asked again for ever, and documents go on.

use heapless::Deque;
use totebox_domain::watch::{BEAT_MS, Watch};
use totebox_domain::{Channel, Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::conversation::{self, ORDER_DATA};
use totebox_manifest::{Manifest, Role};
use totebox_protocol::operator::{ALL_VOLUMES, LATEST, Op, Outcome, Reply, Request};
use totebox_shm::{Mapped, PeerError};
use zerocopy::FromZeros;

/// Orders that can be under way: no more than the ring of answers has slots.
const ORDERS_MAX: usize = conversation::ring(Role::Orchestrator, Role::Console).slots;

/// What an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Nothing,
    AllVolumes,
    Volume(usize),
    Flag(u32),
    /// Records of the audit record: those from this number on, or the last ones.
    Records(Option<u64>),
}

impl About {
    /// The volume and the number of a request.
    pub fn wire(self) -> (u8, u64) {
        match self {
            About::Nothing => (0, 0),
            About::AllVolumes => (ALL_VOLUMES, 0),
            About::Volume(volume) => (volume as u8, 0),
            About::Flag(flag) => (0, flag.into()),
            About::Records(from) => (0, from.unwrap_or(LATEST)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub tag: u32,
    pub outcome: Outcome,
    /// What the status page will call the order.
    pub name: u32,
}

/// The console's end of the link.
pub struct OrchestratorLink {
    link: Endpoint<Request, Reply>,
    /// Orders it owes an answer to, oldest first.
    owed: Deque<(u32, Op), ORDERS_MAX>,
    last_tag: u32,
    watch: Watch,
    /// When it last answered, by the CPU's counter; before that, when this domain started.
    heard_ms: u64,
}

impl OrchestratorLink {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        Ok(OrchestratorLink {
            link: Endpoint::open(manifest, mapped, Role::Orchestrator, 0)?,
            owed: Deque::new(),
            last_tag: 0,
            watch: Watch::default(),
            heard_ms: 0,
        })
    }

    /// The channel to the orchestrator.
    pub fn channel(&self) -> Channel {
        self.link.channel()
    }

    /// Whether it broke its protocol.
    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

    /// This domain starts.
    pub fn start(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
    }

    /// Whether it gives no sign of life, or was cut off.
    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.is_broken() || self.watch.is_silent(now_ms)
    }

    /// Milliseconds since it last answered, which it does when its status page is up to date.
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms)
    }

    /// Sends an order; its tag. `None` if it is cut off, or takes nothing from its queue.
    pub fn send(&mut self, now_ms: u64, op: Op, about: About, reason: &str) -> Option<u32> {
        debug_assert!(reason.len() <= ORDER_DATA, "the longest reason is shorter");
        if self.owed.is_full() {
            return None;
        }
        let tag = self.last_tag.wrapping_add(1).max(1);
        let mut request = Request::new_zeroed();
        let (volume, number) = about.wire();
        (request.op, request.volume, request.tag) = (op as u8, volume, tag.into());
        (request.len, request.number) = ((reason.len() as u16).into(), number.into());
        if !self.link.send(&request, reason.as_bytes()) {
            return None;
        }
        self.last_tag = tag;
        self.owed.push_back((tag, op)).expect("it is not full");
        self.watch.expect(now_ms);
        Some(tag)
    }

    /// Asks for a sign of life, if it is time and none is due.
    pub fn beat(&mut self, now_ms: u64) {
        if self.owed.is_empty() && self.age_ms(now_ms) >= BEAT_MS {
            self.send(now_ms, Op::Ping, About::Nothing, "");
        }
    }

    /// The next answer, if there is one.
    pub fn receive(&mut self, now_ms: u64) -> Option<Answered> {
        self.next_answer(now_ms).unwrap_or_else(|PeerError| {
            self.link.break_off();
            None
        })
    }

    fn next_answer(&mut self, now_ms: u64) -> Result<Option<Answered>, PeerError> {
        let Some(reply) = self.link.peek() else { return Ok(None) };
        self.link.release_quietly();
        let (tag, op) = self.owed.pop_front().ok_or(PeerError)?;
        let outcome = Outcome::from_wire(reply.outcome).ok_or(PeerError)?;
        if reply.tag.get() != tag || reply.op != op as u8 {
            return Err(PeerError);
        }
        self.watch.lives();
        if !self.owed.is_empty() {
            self.watch.expect(now_ms);
        }
        self.heard_ms = now_ms;
        Ok(Some(Answered { tag, outcome, name: reply.name.get() }))
    }

    /// Notifies the orchestrator, if it is owed that.
    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}
