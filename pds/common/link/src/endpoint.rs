//! The one end of a queue that every domain uses: typed message headers, when to notify the peer, and what is
//! left of a peer that broke its protocol.

use core::marker::PhantomData;

use totebox_domain::{Channel, Kernel, SetupError};
use totebox_manifest::conversation::{self, MESSAGE_HEADER, QueueForm};
use totebox_manifest::{Link, LinkKind, Manifest, Role};
use totebox_shm::{Consumer, Mapped, PeerError, Producer, queue_pair};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A domain's end of a queue to one peer. `Out` and `In` are the headers of what it sends and receives; up to
/// [`Endpoint::data_max`] bytes of data follow a header.
///
/// A peer whose indices are invalid, or whose messages its receiver calls invalid ([`Endpoint::break_off`]), is
/// *broken*, for good: nothing is read from it any more and nothing sent, as if both rings stood still.
///
/// The peer is owed a notification when something was sent or a slot given back; [`Endpoint::notify`], at the
/// end of a handler, pays all that is owed with one.
#[derive(Debug)]
pub struct Endpoint<Out, In> {
    producer: Producer,
    consumer: Consumer,
    channel: Channel,
    form: QueueForm,
    notify_owed: bool,
    broken: bool,
    headers: PhantomData<fn(Out) -> In>,
}

impl<Out, In> Endpoint<Out, In>
where
    Out: IntoBytes + Immutable,
    In: FromBytes + IntoBytes,
{
    /// The queue to `peer` (`index` among archives, else 0) that this domain's manifest describes.
    pub fn open(manifest: &Manifest<'_>, mapped: Mapped, peer: Role, index: u8) -> Result<Self, SetupError> {
        let link = manifest.link(peer, index, LinkKind::Queue);
        let missing = SetupError::Link(peer, LinkKind::Queue);
        Self::over(manifest.role(), link.ok_or(missing)?, mapped).ok_or(missing)
    }

    /// The queue over this link of a domain in this role. `None` if the two roles share none, the link has no
    /// channel, or a region is missing or too small.
    pub fn over(role: Role, link: &Link, mapped: Mapped) -> Option<Self> {
        const { assert!(size_of::<Out>() <= MESSAGE_HEADER && size_of::<In>() <= MESSAGE_HEADER) };
        let form = conversation::queue(role, Role::from_u8(link.peer)?)?;
        let (producer, consumer) = queue_pair(mapped, link, form)?;
        let channel = Channel::of(link)?;
        let headers = PhantomData;
        Some(Endpoint { producer, consumer, channel, form, notify_owed: false, broken: false, headers })
    }

    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Bytes of data that a message carries at most.
    pub fn data_max(&self) -> usize {
        self.form.slot_size - MESSAGE_HEADER
    }

    pub fn slots(&self) -> usize {
        self.form.slots
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The peer broke its protocol.
    pub fn break_off(&mut self) {
        self.broken = true;
    }

    pub fn room(&mut self) -> usize {
        let free = if self.broken { Ok(0) } else { self.producer.free() };
        self.or_break_off(free)
    }

    pub fn waiting(&mut self) -> usize {
        let available = if self.broken { Ok(0) } else { self.consumer.available() };
        self.or_break_off(available)
    }

    fn or_break_off(&mut self, count: Result<usize, PeerError>) -> usize {
        count.unwrap_or_else(|PeerError| {
            self.break_off();
            0
        })
    }

    /// Sends a message; false if there is no room.
    pub fn send(&mut self, header: &Out, data: &[u8]) -> bool {
        if self.room() == 0 {
            return false;
        }
        self.producer.write(0, header.as_bytes());
        self.producer.write(MESSAGE_HEADER, data);
        self.producer.publish();
        self.notify_owed = true;
        true
    }

    /// Copies out the header of the oldest message, which stays in its slot. Look once: the peer may change it.
    pub fn peek(&mut self) -> Option<In> {
        (self.waiting() > 0).then(|| {
            let mut header = In::new_zeroed();
            self.consumer.read(0, header.as_mut_bytes());
            header
        })
    }

    /// Copies out the first bytes of the data behind the header [`Endpoint::peek`] returned, at most
    /// [`Endpoint::data_max`]. Copy each byte once: the peer may change it.
    pub fn data(&self, out: &mut [u8]) {
        self.consumer.read(MESSAGE_HEADER, out);
    }

    /// Gives the slot of the oldest message back, which [`Endpoint::peek`] returned.
    pub fn release(&mut self) {
        self.release_quietly();
        self.notify_owed = true;
    }

    /// The same, without a notification: to a peer that never waits for room, because no more requests are
    /// under way than there are slots for answers.
    pub fn release_quietly(&mut self) {
        self.consumer.release();
    }

    /// The peer is to look at something beside its queue, such as a page.
    pub fn owe_notification(&mut self) {
        self.notify_owed = true;
    }

    pub fn notify(&mut self, kernel: &mut dyn Kernel) {
        if core::mem::take(&mut self.notify_owed) {
            kernel.notify(self.channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use totebox_shm::Shared;
    use totebox_shm::testing::mapped;
    use totebox_testing::{TestKernel, TestManifest};

    type Words = [u64; 2];

    /// An auditor's end of its queue to the orchestrator, and the orchestrator's.
    fn both() -> [Endpoint<Words, Words>; 2] {
        let mut manifest = TestManifest::new(Role::Auditor);
        let (_, theirs) = manifest.link(Role::Orchestrator, 0, LinkKind::Queue);
        let bytes = manifest.bytes();
        let manifest = Manifest::parse(&bytes).unwrap();
        [
            Endpoint::open(&manifest, mapped(), Role::Orchestrator, 0).unwrap(),
            Endpoint::over(Role::Orchestrator, &theirs, mapped()).unwrap(),
        ]
    }

    #[test]
    fn a_message_arrives_with_its_data_and_its_slot_comes_back() {
        let [mut one, mut other] = both();
        let room = one.room();
        assert!(one.send(&[1, 2], b"data"));
        assert_eq!((one.room(), other.waiting()), (room - 1, 1));
        let mut data = [0; 4];
        assert_eq!(other.peek(), Some([1, 2]));
        other.data(&mut data);
        other.release();
        assert_eq!((&data, other.peek(), one.room()), (b"data", None, room));
    }

    #[test]
    fn a_full_queue_takes_nothing() {
        let [mut one, mut other] = both();
        let room = one.room();
        for number in 0..room as u64 {
            assert!(one.send(&[number, 0], &[]));
        }
        assert!(!one.send(&[9, 9], &[]) && !one.is_broken());
        other.peek().unwrap();
        other.release();
        assert!(one.send(&[9, 9], &[]));
    }

    #[test]
    fn whatever_was_sent_and_given_back_is_one_notification() {
        let [mut one, mut other] = both();
        let mut kernel = TestKernel::default();
        one.notify(&mut kernel);
        assert_eq!(kernel.notified, [], "nothing is owed");
        one.send(&[1, 1], &[]);
        one.send(&[2, 2], &[]);
        one.notify(&mut kernel);
        one.notify(&mut kernel);
        assert_eq!(kernel.notified, [one.channel()]);
        other.peek().unwrap();
        other.notify(&mut kernel);
        assert_eq!(kernel.notified.len(), 1, "to look is no news");
        other.release();
        other.notify(&mut kernel);
        assert_eq!(kernel.notified.len(), 2);
    }

    #[test]
    fn a_peer_with_invalid_indices_is_broken() {
        for word in [0, 8] {
            let mut manifest = TestManifest::new(Role::Auditor);
            let (link, _) = manifest.link(Role::Orchestrator, 0, LinkKind::Queue);
            let mut one = Endpoint::<Words, Words>::over(Role::Auditor, &link, mapped()).unwrap();
            Shared::new(mapped(), link.theirs).unwrap().store(word, u64::MAX);
            assert!(one.room() == 0 || one.peek().is_none());
            assert!(one.is_broken() && !one.send(&[1, 1], &[]));
        }
    }

    #[test]
    fn of_a_broken_peer_nothing_is_read_and_nothing_sent() {
        let [mut one, mut other] = both();
        other.send(&[1, 1], &[]);
        one.break_off();
        assert!(one.is_broken());
        assert_eq!((one.room(), one.waiting(), one.peek()), (0, 0, None));
        assert!(!one.send(&[2, 2], &[]));
        assert_eq!(other.waiting(), 0);
    }
}
