//! The queues to and from the console: the operator's orders, and the answers to them. The console asks for a
//! sign of life once a second, which is one of its own.
//!
//! An answer is sent when the surface is up to date with it. A console whose indices cannot be is cut off for
//! good.

use heapless::{Deque, Vec};
use totebox_domain::watch::Watch;
use totebox_domain::{Channel, Kernel, SetupError};
use totebox_manifest::conversation::{self, MESSAGE_HEADER, ORDER_DATA, QueueForm};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::operator::{Reply, Request};
use totebox_shm::{Consumer, Mapped, PeerError, Producer, queue_pair};
use zerocopy::{FromZeros, IntoBytes};

const RING: QueueForm = match conversation::queue(Role::Orchestrator, Role::Console) {
    Some(form) => form,
    None => panic!("orchestrator and console share a queue"),
};

/// An order as it came: nothing in it has been checked.
pub struct Order {
    /// Its header.
    pub request: Request,
    /// What follows it; `None` if that is longer than a message.
    pub reason: Option<Vec<u8, ORDER_DATA>>,
}

/// The link to the console.
pub struct ConsoleLink {
    to_console: Producer,
    from_console: Consumer,
    channel: Channel,
    broken: bool,
    /// Answers that wait for the surface.
    answers: Deque<Reply, { RING.slots }>,
    unannounced: bool,
    watch: Watch,
}

impl ConsoleLink {
    /// Opens the link.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<ConsoleLink, SetupError> {
        let missing = SetupError::Link(Role::Console, LinkKind::Queue);
        let link = manifest.link(Role::Console, 0, LinkKind::Queue).ok_or(missing)?;
        let (to_console, from_console) = queue_pair(mapped, link, RING).ok_or(missing)?;
        Ok(ConsoleLink {
            to_console,
            from_console,
            channel: Channel::of(link).ok_or(missing)?,
            broken: false,
            answers: Deque::new(),
            unannounced: false,
            watch: Watch::default(),
        })
    }

    /// Whether the console gives no sign of life, or broke its protocol.
    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.broken || self.watch.is_silent(now_ms)
    }

    /// It was not woken: the sign of life that was due is due anew.
    pub fn excuse(&mut self) {
        self.watch.lives();
    }

    /// The next order, if there is one and room for its answer.
    pub fn order(&mut self, now_ms: u64) -> Option<Order> {
        self.watch.expect(now_ms);
        if self.broken {
            return None;
        }
        self.next_order(now_ms).unwrap_or_else(|PeerError| {
            self.broken = true;
            None
        })
    }

    fn next_order(&mut self, now_ms: u64) -> Result<Option<Order>, PeerError> {
        if self.from_console.available()? == 0 || self.to_console.free()? <= self.answers.len() {
            return Ok(None);
        }
        let mut request = Request::new_zeroed();
        self.from_console.read(0, request.as_mut_bytes());
        let mut reason = Vec::new();
        let whole = reason.resize_default(request.len.get().into()).is_ok();
        if whole {
            self.from_console.read(MESSAGE_HEADER, &mut reason);
        }
        self.from_console.release();
        self.watch.lives();
        self.watch.expect(now_ms);
        self.unannounced = true;
        Ok(Some(Order { request, reason: whole.then_some(reason) }))
    }

    /// Answers an order, once the surface is published.
    pub fn answer(&mut self, reply: Reply) {
        assert!(self.answers.push_back(reply).is_ok(), "an order is taken only if there is room for its answer");
    }

    /// The surface is published: sends the answers.
    pub fn send_answers(&mut self) {
        while let Some(reply) = self.answers.pop_front() {
            // There was room when the order was taken, or the console has broken its queue since.
            let sent = self.to_console.send(reply.as_bytes(), &[]);
            self.broken |= !sent.is_ok_and(|sent| sent);
        }
    }

    /// Wakes the console if it is to look at the surface, or at its queue.
    pub fn announce(&mut self, kernel: &mut dyn Kernel, surface_changed: bool) {
        if core::mem::take(&mut self.unannounced) | surface_changed {
            kernel.notify(self.channel);
        }
    }
}
