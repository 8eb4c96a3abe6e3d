//! The archive's end of its link to the console: requests in, each copied out once, and answers out.

use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::intake::{Answered, Asked, Refusal, Reply, Request};
use totebox_shm::{Mapped, PeerError};

#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub asked: Asked,
    pub tag: u32,
    pub len: usize,
}

pub struct Console {
    link: Endpoint<Reply, Request>,
    /// The oldest request, if it was copied out and not finished yet.
    held: Option<Message>,
    /// Nobody has looked at it yet.
    new: bool,
}

impl Console {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        Ok(Console { link: Endpoint::open(manifest, mapped, Role::Console, 0)?, held: None, new: false })
    }

    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

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
            self.new = self.held.is_some();
        }
        self.held.filter(|_| !self.is_broken())
    }

    /// Whether the request that [`Console::request`] returned is looked at for the first time; says so once.
    pub fn is_new(&mut self) -> bool {
        core::mem::take(&mut self.new)
    }

    fn next_request(&mut self) -> Result<Option<Message>, PeerError> {
        let Some(request) = self.link.peek() else { return Ok(None) };
        let (asked, len) = request.decode().ok_or(PeerError)?;
        Ok(Some(Message { asked, tag: request.tag.get(), len }))
    }

    /// Copies the start of the oldest request's data, at most its `len`. Once only: the console may change them.
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

    /// Answers the request with this tag. Only after [`Console::room`] said that there is room; an answer to a console
    /// that has just broken the protocol is dropped.
    pub fn answer(&mut self, tag: u32, answered: Answered, data: &[u8]) {
        let sent = self.link.send(&answered.encode(tag, data.len()), data);
        assert!(sent || self.is_broken(), "room() said there was a slot");
    }

    pub fn refuse(&mut self, tag: u32, refusal: Refusal) {
        self.answer(tag, Answered::Failed(refusal), &[]);
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.link.notify(kernel);
    }
}
