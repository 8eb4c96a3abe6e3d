//! A serial line over a Unix stream socket: one peer at a time, others wait their turn.

use std::io::{ErrorKind, Read, Result, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use totebox_domain::device::Uart;

/// The line. Without a peer it is a cable that is not plugged in: what is sent is lost.
#[derive(Debug)]
pub struct SocketUart {
    /// An epoll, readable when the line has changed: the interrupt. Everything in it is edge-triggered, so a
    /// console that will not take more input for now is not woken for it.
    changes: OwnedFd,
    /// Written when the peer was found gone, which may be on reading or writing, with no event to come.
    gone: OwnedFd,
    /// Where peers come from; `None` on a line whose one peer was there from the start.
    listener: Option<UnixListener>,
    peer: Option<UnixStream>,
    hung_up: bool,
}

impl SocketUart {
    /// A line for whoever connects.
    pub fn listening(listener: UnixListener) -> Result<SocketUart> {
        let mut line = SocketUart::unplugged()?;
        listener.set_nonblocking(true)?;
        line.subscribe(&listener, EventFlags::IN)?;
        line.listener = Some(listener);
        Ok(line)
    }

    /// A line to this peer alone.
    pub fn connected(peer: UnixStream) -> Result<SocketUart> {
        let mut line = SocketUart::unplugged()?;
        line.attach(peer)?;
        Ok(line)
    }

    fn unplugged() -> Result<SocketUart> {
        let changes = epoll::create(CreateFlags::CLOEXEC)?;
        let gone = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let line = SocketUart { changes, gone, listener: None, peer: None, hung_up: false };
        line.subscribe(&line.gone, EventFlags::IN)?;
        Ok(line)
    }

    pub fn interrupt(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }

    fn subscribe(&self, source: impl AsFd, interest: EventFlags) -> Result<()> {
        Ok(epoll::add(&self.changes, source, EventData::new_u64(0), interest | EventFlags::ET)?)
    }

    fn attach(&mut self, peer: UnixStream) -> Result<()> {
        peer.set_nonblocking(true)?;
        self.subscribe(&peer, EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP)?;
        self.peer = Some(peer);
        Ok(())
    }

    /// The peer is gone. The next is not taken before the console has asked [`Uart::hung_up`], so that the
    /// two cannot be taken for one.
    fn lost_peer(&mut self) {
        self.peer = None;
        self.hung_up = true;
        // Fails only if the counter is full, which takes longer than any run.
        let _ = rustix::io::write(&self.gone, &1u64.to_ne_bytes());
    }

    fn next_peer(&mut self) {
        while let (None, false, Some(listener)) = (&self.peer, self.hung_up, &self.listener) {
            let Ok((peer, _)) = listener.accept() else { return };
            // One that cannot be attached is gone already.
            let _ = self.attach(peer);
        }
    }
}

impl Uart for SocketUart {
    fn receive(&mut self, out: &mut [u8]) -> usize {
        let Some(peer) = self.peer.as_mut().filter(|_| !out.is_empty()) else { return 0 };
        match peer.read(out) {
            Ok(0) => {
                self.lost_peer();
                0
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.lost_peer();
                0
            }
        }
    }

    fn transmit(&mut self, bytes: &[u8]) -> usize {
        let Some(peer) = &mut self.peer else { return bytes.len() };
        match peer.write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.lost_peer();
                bytes.len()
            }
        }
    }

    fn acknowledge(&mut self) {
        let mut events = [const { MaybeUninit::<Event>::uninit() }; 3];
        // Taking the events ends the interrupt; which they were does not matter, and if the wait is
        // interrupted they stay.
        let _ = epoll::wait(&self.changes, &mut events, Some(&Timespec::default()));
        self.next_peer();
    }

    fn hung_up(&mut self) -> bool {
        let hung_up = std::mem::take(&mut self.hung_up);
        self.next_peer();
        hung_up
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    const TIMEOUT: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

    fn interrupted(line: &SocketUart, timeout: Timespec) -> bool {
        poll(&mut [PollFd::new(&line.interrupt(), PollFlags::IN)], Some(&timeout)).unwrap() == 1
    }

    /// What a console does on an interrupt: everything there is to read, and whether the peer hung up.
    fn attend(line: &mut SocketUart) -> (Vec<u8>, bool) {
        assert!(interrupted(line, TIMEOUT), "no interrupt");
        line.acknowledge();
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16]);
        loop {
            match line.receive(&mut buffer) {
                0 => break,
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
        (bytes, line.hung_up())
    }

    #[test]
    fn bytes_arrive_with_an_interrupt_each_time() {
        let (mut far, near) = UnixStream::pair().unwrap();
        let mut line = SocketUart::connected(near).unwrap();
        assert_eq!(attend(&mut line), (vec![], false)); // it can transmit
        assert!(!interrupted(&line, Timespec::default()));
        for _ in 0..2 {
            far.write_all(b"0123456789abcdefXYZ").unwrap();
            assert_eq!(attend(&mut line), (b"0123456789abcdefXYZ".to_vec(), false));
            assert!(!interrupted(&line, Timespec::default()), "the interrupt does not end");
        }
        assert_eq!(line.transmit(b"answer"), 6);
        let mut answer = [0; 6];
        far.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
    }

    #[test]
    fn input_that_is_not_taken_does_not_interrupt_again_and_is_not_lost() {
        let (mut far, near) = UnixStream::pair().unwrap();
        let mut line = SocketUart::connected(near).unwrap();
        far.write_all(b"later").unwrap();
        line.acknowledge();
        assert!(!interrupted(&line, Timespec::default()));
        let mut buffer = [0; 16];
        assert_eq!(line.receive(&mut buffer), 5);
    }

    #[test]
    fn a_full_line_takes_no_more_and_interrupts_when_it_does() {
        let (mut far, near) = UnixStream::pair().unwrap();
        let mut line = SocketUart::connected(near).unwrap();
        let mut sent = 0;
        while let count @ 1.. = line.transmit(&[b'x'; 4096]) {
            sent += count;
        }
        line.acknowledge();
        assert!(!interrupted(&line, Timespec::default()));
        far.read_exact(&mut vec![0; sent]).unwrap();
        assert!(interrupted(&line, TIMEOUT), "no interrupt for room on the line");
        assert_eq!(line.transmit(b"more"), 4);
    }

    #[test]
    fn a_hang_up_interrupts_and_is_told_once() {
        let (mut far, near) = UnixStream::pair().unwrap();
        let mut line = SocketUart::connected(near).unwrap();
        far.write_all(b"last words").unwrap();
        drop(far);
        line.acknowledge();
        let mut buffer = [0; 16];
        assert_eq!(line.receive(&mut buffer), 10);
        assert_eq!(line.receive(&mut buffer), 0);
        // A console that asked before it read learns of it by a further interrupt.
        assert_eq!(attend(&mut line), (vec![], true));
        assert!(!line.hung_up());
        assert_eq!(line.transmit(b"lost"), 4);
    }

    #[test]
    fn the_next_peer_waits_until_the_last_one_was_seen_to_hang_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("line");
        let mut line = SocketUart::listening(UnixListener::bind(&path).unwrap()).unwrap();
        let connect = |bytes: &[u8]| {
            let mut peer = UnixStream::connect(&path).unwrap();
            peer.write_all(bytes).unwrap();
            peer
        };
        let first = connect(b"first");
        let _second = connect(b"second");
        assert_eq!(attend(&mut line), (b"first".to_vec(), false));
        drop(first);
        assert!(interrupted(&line, TIMEOUT));
        line.acknowledge();
        let mut buffer = [0; 16];
        assert_eq!(line.receive(&mut buffer), 0);
        assert_eq!(line.receive(&mut buffer), 0, "the second peer's bytes came before the hang-up was told");
        assert!(line.hung_up());
        assert_eq!(attend(&mut line), (b"second".to_vec(), false));
    }
}
