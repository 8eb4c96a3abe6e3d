//! The way to the archives: a link to each, and the one request that waits for room in one of them.

use alloc::vec::Vec;

use totebox_domain::{Kernel, SetupError};
use totebox_manifest::Manifest;
use totebox_protocol::intake::Asked;
use totebox_shm::Mapped;

use super::links::{ArchiveLink, Message, Misbehaviour, Outbox};

/// Milliseconds in which an awaited archive must take or send something: far more than a slow flush.
pub const ANSWER_MS: u64 = 45_000;

pub struct Archives {
    links: Vec<ArchiveLink>,
    outbox: Outbox,
    /// Tags count up; every answer of an archive carries its request's.
    last_tag: u32,
    /// The archive whose answers are looked for first.
    next: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Nothing,
    Cancellation,
    /// To the archive with this index.
    Request(usize, Asked),
}

impl Archives {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let links = (0..manifest.header().archives).map(|index| ArchiveLink::new(manifest, mapped, index));
        Ok(Archives { links: links.collect::<Result<_, _>>()?, outbox: Outbox::new(), last_tag: 0, next: 0 })
    }

    pub fn len(&self) -> usize {
        self.links.len()
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        self.links.iter_mut().for_each(|link| link.notify(kernel));
    }

    /// Whether the link to an archive is closed, because the archive broke its protocol.
    pub fn is_closed(&self, link: usize) -> bool {
        self.links[link].is_closed()
    }

    pub fn close(&mut self, link: usize) {
        self.links[link].close();
    }

    pub fn answer_waits(&mut self, link: usize) -> bool {
        self.links[link].answer_waits()
    }

    /// Whether an archive has neither taken nor sent anything for [`ANSWER_MS`].
    pub fn is_overdue(&self, link: usize, now_ms: u64) -> bool {
        let link = &self.links[link];
        !link.is_closed() && now_ms.saturating_sub(link.moved_ms) >= ANSWER_MS
    }

    pub fn new_tag(&mut self) -> u32 {
        self.last_tag = self.last_tag.wrapping_add(1).max(1);
        self.last_tag
    }

    pub fn has_given(&self, tag: u32) -> bool {
        (1..=self.last_tag).contains(&tag)
    }

    /// Asks an archive for something, and returns the tag of the answers.
    pub fn ask(&mut self, link: usize, asked: Asked) -> u32 {
        let tag = self.new_tag();
        self.put(link, tag, asked, &[]);
        tag
    }

    /// Has a request sent as soon as there is room. Only one waits at a time.
    pub fn put(&mut self, link: usize, tag: u32, asked: Asked, data: &[&[u8]]) {
        self.outbox.put(link, tag, asked, data);
    }

    pub fn request_waits(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Takes back the request that waits for room, and returns what it was.
    pub fn withdraw(&mut self) -> Option<Asked> {
        self.outbox.withdraw()
    }

    /// Sends a cancellation as soon as there is room, before anything else.
    pub fn cancel(&mut self, link: usize, cancellation: Asked, tag: u32) {
        self.links[link].owe(cancellation, tag);
    }

    /// The next answer, of whichever archive has one: copied into `message`, unless the archive broke its protocol.
    pub fn receive(&mut self, message: &mut Message, now_ms: u64) -> Option<(usize, Result<(), Misbehaviour>)> {
        let count = self.links.len();
        for link in (self.next..count).chain(0..self.next) {
            let outcome = match self.links[link].receive(message) {
                Ok(false) => continue,
                Ok(true) => Ok(()),
                Err(misbehaviour) => Err(misbehaviour),
            };
            self.next = (link + 1) % count;
            self.links[link].moved_ms = now_ms;
            return Some((link, outcome));
        }
        None
    }

    /// Sends what waits, if there is room. Says which archive broke its protocol.
    pub fn send(&mut self, now_ms: u64) -> Result<Sent, (usize, Misbehaviour)> {
        for (index, link) in self.links.iter_mut().enumerate() {
            if link.settle().map_err(|misbehaviour| (index, misbehaviour))? {
                link.moved_ms = now_ms;
                return Ok(Sent::Cancellation);
            }
        }
        let Some(to) = self.outbox.link() else { return Ok(Sent::Nothing) };
        match self.outbox.flush(&mut self.links).map_err(|misbehaviour| (to, misbehaviour))? {
            None => Ok(Sent::Nothing),
            Some(asked) => {
                self.links[to].moved_ms = now_ms;
                Ok(Sent::Request(to, asked))
            }
        }
    }
}
