//! The archive's end of its link to the console: requests in, each copied out once, and answers out.

use ledger_fmt::Hash;
use totebox_domain::{Channel, Kernel, SetupError};
use totebox_manifest::conversation::{self, INTAKE_DATA, MESSAGE_HEADER};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::intake::{Answer, Failure, HASH_DECLARED, Op, Reply, Request};
use totebox_shm::{Consumer, Mapped, PeerError, Producer, queue_pair};
use zerocopy::{FromZeros, IntoBytes};

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
    answers: Producer,
    requests: Consumer,
    channel: Channel,
    /// The oldest request, if it was copied out and not finished yet.
    held: Option<Message>,
    /// The console broke the protocol: nothing is read from it any more.
    broken: bool,
    /// The console is to look again.
    wake: bool,
}

impl Console {
    /// The link this archive's manifest describes.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let missing = SetupError::Link(Role::Console, LinkKind::Queue);
        let link = manifest.link(Role::Console, 0, LinkKind::Queue).ok_or(missing)?;
        let form = conversation::queue(Role::Archive, Role::Console).ok_or(missing)?;
        let (answers, requests) = queue_pair(mapped, link, form).ok_or(missing)?;
        let channel = Channel::of(link).ok_or(missing)?;
        Ok(Console { answers, requests, channel, held: None, broken: false, wake: false })
    }

    /// Whether the console broke the protocol.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Answers that can be sent now.
    pub fn room(&mut self) -> usize {
        if self.broken {
            return 0;
        }
        self.answers.free().unwrap_or_else(|_| self.break_off())
    }

    fn break_off<T: Default>(&mut self) -> T {
        self.broken = true;
        self.held = None;
        T::default()
    }

    /// The oldest request, if there is one. It stays the oldest until [`Console::done`].
    pub fn request(&mut self) -> Option<Message> {
        if self.broken {
            return None;
        }
        if self.held.is_none() {
            self.held = match self.next_request() {
                Ok(message) => message,
                Err(PeerError) => self.break_off(),
            };
        }
        self.held
    }

    fn next_request(&mut self) -> Result<Option<Message>, PeerError> {
        if self.requests.available()? == 0 {
            return Ok(None);
        }
        let mut request = Request::new_zeroed();
        self.requests.read(0, request.as_mut_bytes());
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
        self.requests.read(MESSAGE_HEADER, out);
    }

    /// The oldest request was served: its slot is given back.
    pub fn done(&mut self) {
        if self.held.take().is_some() {
            self.requests.release();
            self.wake = true;
        }
    }

    /// Sends an answer; `reply`'s `answer` and `len` are filled in. Only after [`Console::room`] said that
    /// there is some; an answer to a console that has just broken the protocol is dropped.
    pub fn answer(&mut self, answer: Answer, mut reply: Reply, data: &[u8]) {
        (reply.answer, reply.len) = (answer as u8, (data.len() as u16).into());
        match self.answers.send(reply.as_bytes(), data) {
            Ok(sent) => assert!(sent, "room() said there was a slot"),
            Err(PeerError) => self.break_off(),
        }
        self.wake = true;
    }

    /// Answers that a request failed.
    pub fn refuse(&mut self, tag: u32, refusal: Refusal) {
        let mut reply = reply(tag, refusal.value);
        reply.code = refusal.failure as u8;
        self.answer(Answer::Failed, reply, &[]);
    }

    /// Wakes the console if there is something new for it.
    pub fn announce(&mut self, kernel: &mut dyn Kernel) {
        if core::mem::take(&mut self.wake) {
            kernel.notify(self.channel);
        }
    }
}

/// An answer to the request with this tag, with this `value`; the rest is zero.
pub fn reply(tag: u32, value: u64) -> Reply {
    let mut reply = Reply::new_zeroed();
    (reply.tag, reply.value) = (tag.into(), value.into());
    reply
}
