//! The queues to and from the console: the operator's orders, and the answers to them. The console asks for a
//! sign of life once a second, which is one of its own.
//!
//! An answer is sent when the status page is up to date with it. A console whose indices cannot be is cut off for
//! good.

use heapless::Deque;
use totebox_domain::watch::Watch;
use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::{Manifest, Role, conversation};
use totebox_protocol::operator::{Order, Reason, Refusal, Reply, Request};
use totebox_shm::Mapped;

/// Answers that can wait: no more than their ring has slots.
const ANSWERS_MAX: usize = conversation::ring(Role::Orchestrator, Role::Console).slots;

pub struct Received {
    pub request: Request,
    /// What it says, with the reason if it has one; or why it says nothing.
    pub order: Result<(Order, Reason), Refusal>,
}

pub struct ConsoleLink {
    link: Endpoint<Reply, Request>,
    /// Answers that wait for the status page.
    answers: Deque<Reply, ANSWERS_MAX>,
    watch: Watch,
}

impl ConsoleLink {
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<ConsoleLink, SetupError> {
        let link = Endpoint::open(manifest, mapped, Role::Console, 0)?;
        Ok(ConsoleLink { link, answers: Deque::new(), watch: Watch::default() })
    }

    /// Whether the console gives no sign of life, or broke its protocol.
    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.link.is_broken() || self.watch.is_silent(now_ms)
    }

    /// It was not woken: the sign of life that was due is due anew.
    pub fn excuse(&mut self) {
        self.watch.lives();
    }

    /// The next order, if there is one and room for its answer.
    pub fn receive(&mut self, now_ms: u64) -> Option<Received> {
        self.watch.expect(now_ms);
        if self.link.room() <= self.answers.len() {
            return None;
        }
        let request = self.link.peek()?;
        let order = request.decode(|data| self.link.data(data));
        self.link.release();
        self.watch.lives();
        self.watch.expect(now_ms);
        Some(Received { request, order })
    }

    /// Answers an order, once the status page is published.
    pub fn answer(&mut self, reply: Reply) {
        assert!(self.answers.push_back(reply).is_ok(), "an order is taken only if there is room for its answer");
    }

    /// The status page is published: sends the answers.
    pub fn send_answers(&mut self) {
        while let Some(reply) = self.answers.pop_front() {
            let sent = self.link.send(&reply, &[]);
            assert!(sent || self.link.is_broken(), "an order is taken only if there is room for its answer");
        }
    }

    /// Notifies the console if it is to look at the status page, or at its queue.
    pub fn notify(&mut self, kernel: &mut dyn Kernel, status_changed: bool) {
        if status_changed {
            self.link.owe_notification();
        }
        self.link.notify(kernel);
    }
}
