//! The archive's end of its link to the console: requests in, each copied out once, and answers out.

use ledger_fmt::Hash;
use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::conversation::INTAKE_DATA;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::intake::{Answer, Failure, HASH_DECLARED, Op, Reply, Request};
use totebox_shm::{Mapped, PeerError};
use zerocopy::FromZeros;

/// The header of a request, in range.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub op: Op,
    pub tag: u32,
    /// Data bytes, at most [`INTAKE_DATA`].
    pub len: usize,
    pub value: u64,
    pub extra: u64,
    /// The declared hash, if there is one.
    pub hash: Option<Hash>,
}

/// Why a request is refused, and the detail that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub failure: Failure,
    pub value: u64,
}

impl Refusal {
    /// A refusal without a detail.
    pub const fn new(failure: Failure) -> Refusal {
        Refusal { failure, value: 0 }
    }
}

/// The archive's end.
pub struct Console {
    link: Endpoint<Reply, Request>,
    /// The oldest request, if it was copied out and not finished yet.
    held: Option<Message>,
}

impl Console {
    /// The link this archive's manifest describes.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        Ok(Console { link: Endpoint::open(manifest, mapped, Role::Console, 0)?, held: None })
    }

    /// Whether the console broke the protocol.
    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

    /// Answers that can be sent now.
    pub fn room(&mut self) -> usize {
        self.link.room()
    }

    /// The oldest request, copied out once. It stays in its slot until [`Console::done`].
    pub fn request(&mut self) -> Option<Message> {
        if self.held.is_none() {
            self.held = self.next_request().unwrap_or_else(|PeerError| {
                self.link.break_off();
                None
            });
        }
        self.held.filter(|_| !self.is_broken())
    }

    fn next_request(&mut self) -> Result<Option<Message>, PeerError> {
        let Some(request) = self.link.peek() else { return Ok(None) };
        let len = request.len.get() as usize;
        if len > INTAKE_DATA {
            return Err(PeerError);
        }
        Ok(Some(Message {
            op: Op::from_wire(request.op.get()).ok_or(PeerError)?,
            tag: request.tag.get(),
            len,
            value: request.value.get(),
            extra: request.extra.get(),
            hash: (request.flags.get() & HASH_DECLARED != 0).then_some(request.hash),
        }))
    }

    /// Copies the first bytes of the oldest request's data, at most its `len`. Once only: the console may
    /// change them meanwhile.
    pub fn data(&self, out: &mut [u8]) {
        assert!(self.held.is_some(), "there is no request to read from");
        self.link.data(out);
    }

    /// The oldest request was served: its slot is given back.
    pub fn done(&mut self) {
        if self.held.take().is_some() {
            self.link.release();
        }
    }

    /// Sends an answer; `reply`'s `answer` and `len` are filled in. Only after [`Console::room`] said that
    /// there is some; an answer to a console that has just broken the protocol is dropped.
    pub fn answer(&mut self, answer: Answer, mut reply: Reply, data: &[u8]) {
        (reply.answer, reply.len) = (answer as u8, (data.len() as u16).into());
        let sent = self.link.send(&reply, data);
        assert!(sent || self.is_broken(), "room() said there was a slot");
    }

    /// Answers that a request failed.
    pub fn refuse(&mut self, tag: u32, refusal: Refusal) {
        let mut reply = reply(tag, refusal.value);
        reply.code = refusal.failure as u8;
        self.answer(Answer::Failed, reply, &[]);
    }

    /// Notifies the console, if it is owed that.
    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}

/// An answer to the request with this tag, with this `value`; the rest is zero.
pub fn reply(tag: u32, value: u64) -> Reply {
    let mut reply = Reply::new_zeroed();
    (reply.tag, reply.value) = (tag.into(), value.into());
    reply
}
