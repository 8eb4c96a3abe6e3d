//! The link to the orchestrator: orders, their answers, and whether it lives. An orchestrator whose indices or
//! answers are invalid is cut off for good; one that answers nothing is asked again for ever, and documents go on.

use heapless::Deque;
use totebox_domain::watch::{BEAT_MS, Watch};
use totebox_domain::{Channel, Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::{Manifest, Role, conversation};
use totebox_protocol::operator::{Order, Refusal, Reply, Request};
use totebox_shm::{Mapped, PeerError};

/// Orders that can be under way: no more than the ring of answers has slots.
const ORDERS_MAX: usize = conversation::ring(Role::Orchestrator, Role::Console).slots;

#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub tag: u32,
    /// What the status page will call the order, or why it was not taken up.
    pub outcome: Result<u32, Refusal>,
}

pub struct OrchestratorLink {
    link: Endpoint<Request, Reply>,
    /// Orders it owes an answer to, oldest first.
    owed: Deque<Request, ORDERS_MAX>,
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

    pub fn channel(&self) -> Channel {
        self.link.channel()
    }

    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

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
    pub fn send(&mut self, now_ms: u64, order: Order, reason: &str) -> Option<u32> {
        if self.owed.is_full() {
            return None;
        }
        let tag = self.last_tag.wrapping_add(1).max(1);
        let request = order.encode(tag, reason.len());
        if !self.link.send(&request, reason.as_bytes()) {
            return None;
        }
        self.last_tag = tag;
        self.owed.push_back(request).expect("it is not full");
        self.watch.expect(now_ms);
        Some(tag)
    }

    /// Asks for a sign of life, if it is time and none is due.
    pub fn beat(&mut self, now_ms: u64) {
        if self.owed.is_empty() && self.age_ms(now_ms) >= BEAT_MS {
            self.send(now_ms, Order::Ping, "");
        }
    }

    pub fn receive(&mut self, now_ms: u64) -> Option<Answered> {
        self.next_answer(now_ms).unwrap_or_else(|PeerError| {
            self.link.break_off();
            None
        })
    }

    fn next_answer(&mut self, now_ms: u64) -> Result<Option<Answered>, PeerError> {
        let Some(reply) = self.link.peek() else { return Ok(None) };
        self.link.release_quietly();
        let request = self.owed.pop_front().ok_or(PeerError)?;
        let outcome = reply.decode(&request).ok_or(PeerError)?;
        self.watch.lives();
        if !self.owed.is_empty() {
            self.watch.expect(now_ms);
        }
        self.heard_ms = now_ms;
        Ok(Some(Answered { tag: request.tag.get(), outcome }))
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}
