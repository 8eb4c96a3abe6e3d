//! The link to one archive, and what waits to be sent over it. Nothing here waits: a request that does
//! not fit the ring stays in the outbox until the archive has made room.

use alloc::boxed::Box;
use alloc::vec;

use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::conversation::INTAKE_DATA;
use totebox_manifest::{ARCHIVES_MAX, Manifest, Role};
use totebox_protocol::intake::{Answered, Asked, Reply, Request};
use totebox_shm::Mapped;

/// Bytes of heap the links take, the last answer and what waits to be sent.
pub const HEAP: usize = ARCHIVES_MAX * size_of::<ArchiveLink>() + 2 * INTAKE_DATA;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misbehaviour(pub &'static str);

/// An archive's answer, copied out of the ring.
pub struct Message {
    pub tag: u32,
    pub answer: Answered,
    data: Box<[u8]>,
    /// Bytes of it in use.
    len: usize,
}

impl Message {
    pub fn new() -> Self {
        let data = vec![0; INTAKE_DATA].into_boxed_slice();
        Message { tag: 0, answer: Answered::Ready, data, len: 0 }
    }

    pub fn data(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

/// The console's end of the link to one archive.
pub struct ArchiveLink {
    link: Endpoint<Request, Reply>,
    /// The console knows that it broke its protocol, and has said so.
    closed: bool,
    /// When something last went over it, in either direction, by the CPU's counter.
    pub moved_ms: u64,
    /// A cancellation that must go out before anything else.
    owed: Option<(Asked, u32)>,
}

impl ArchiveLink {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped, index: u8) -> Result<Self, SetupError> {
        let link = Endpoint::open(manifest, mapped, Role::Archive, index)?;
        Ok(ArchiveLink { link, closed: false, moved_ms: 0, owed: None })
    }

    /// Whether it is closed: nothing is read from it or sent to it any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Closes it for good: the archive broke its protocol.
    pub fn close(&mut self) {
        self.link.break_off();
        self.closed = true;
    }

    /// `done`, unless the queue turns out to be broken.
    fn checked(&self, done: bool) -> Result<bool, Misbehaviour> {
        match self.link.is_broken() && !self.closed {
            true => Err(Misbehaviour("the indices of its queue are invalid")),
            false => Ok(done),
        }
    }

    /// Copies the next answer out, if there is one. Whether it answers anything is not known yet.
    pub fn receive(&mut self, message: &mut Message) -> Result<bool, Misbehaviour> {
        let Some(header) = self.link.peek() else { return self.checked(false) };
        (message.tag, message.len) = (header.tag.get(), usize::from(header.len.get()));
        let data = message.data.get_mut(..message.len).ok_or(Misbehaviour("an answer is longer than its slot"))?;
        self.link.data(data);
        self.link.release();
        message.answer = header.decode().map_err(Misbehaviour)?;
        Ok(true)
    }

    /// Whether an answer waits. A closed link has none.
    pub fn answer_waits(&mut self) -> bool {
        self.link.waiting() > 0
    }

    /// Sends a cancellation as soon as there is room, before anything else.
    pub fn owe(&mut self, cancellation: Asked, tag: u32) {
        self.owed = Some((cancellation, tag));
    }

    /// Sends the cancellation that is owed, if there is one and it fits; returns whether it did.
    pub fn settle(&mut self) -> Result<bool, Misbehaviour> {
        let Some((cancellation, tag)) = self.owed else { return Ok(false) };
        let sent = self.send(&cancellation.encode(tag, 0), &[])?;
        if sent {
            self.owed = None;
        }
        Ok(sent)
    }

    /// Sends a request if it fits and no cancellation must go first.
    fn send_in_turn(&mut self, request: &Request, data: &[u8]) -> Result<bool, Misbehaviour> {
        if self.owed.is_some() { Ok(false) } else { self.send(request, data) }
    }

    fn send(&mut self, request: &Request, data: &[u8]) -> Result<bool, Misbehaviour> {
        let sent = self.link.send(request, data);
        self.checked(sent)
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}

/// The one request that waits for room in its archive's ring.
pub struct Outbox {
    waiting: Option<Waiting>,
    data: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Waiting {
    link: usize,
    tag: u32,
    asked: Asked,
    len: usize,
}

impl Outbox {
    pub fn new() -> Self {
        Outbox { waiting: None, data: vec![0; INTAKE_DATA].into_boxed_slice() }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Puts a request in, with its data, at most [`INTAKE_DATA`] bytes.
    pub fn put(&mut self, link: usize, tag: u32, asked: Asked, data: &[&[u8]]) {
        assert!(self.is_empty(), "one request at a time");
        let mut len = 0;
        for part in data {
            self.data[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        self.waiting = Some(Waiting { link, tag, asked, len });
    }

    /// Takes the waiting request back; returns what it was.
    pub fn withdraw(&mut self) -> Option<Asked> {
        self.waiting.take().map(|waiting| waiting.asked)
    }

    /// The link the waiting request is for.
    pub fn link(&self) -> Option<usize> {
        self.waiting.map(|waiting| waiting.link)
    }

    /// Sends the waiting request if there is room; returns what was sent.
    pub fn flush(&mut self, links: &mut [ArchiveLink]) -> Result<Option<Asked>, Misbehaviour> {
        let Some(Waiting { link, tag, asked, len }) = self.waiting else { return Ok(None) };
        let sent = links[link].send_in_turn(&asked.encode(tag, len), &self.data[..len])?;
        Ok(if sent { self.withdraw() } else { None })
    }
}
