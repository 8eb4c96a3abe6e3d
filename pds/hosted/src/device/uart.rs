//! A serial line over a Unix stream socket: one peer at a time, others wait their turn.

use std::io::{ErrorKind, Read, Result, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use totebox_pds::device::Uart;

/// The line. Without a peer it is a cable that is not plugged in: what is sent is lost.
#[derive(Debug)]
pub struct SocketUart {
    /// Readable when the line has changed: the interrupt. Everything in it is edge-triggered, so a console
    /// that will not take more input for now is not woken for it.
    changes: OwnedFd,
    /// Where peers come from; `None` on a line whose one peer was there from the start.
    listener: Option<UnixListener>,
    peer: Option<UnixStream>,
    hung_up: bool,
}

impl SocketUart {
    /// A line for whoever connects.
    pub fn listening(listener: UnixListener) -> Result<SocketUart> {
        let changes = epoll::create(CreateFlags::CLOEXEC)?;
        listener.set_nonblocking(true)?;
        epoll::add(&changes, &listener, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
        Ok(SocketUart { changes, listener: Some(listener), peer: None, hung_up: false })
    }

    /// A line to this peer alone.
    pub fn connected(peer: UnixStream) -> Result<SocketUart> {
        let changes = epoll::create(CreateFlags::CLOEXEC)?;
        let mut line = SocketUart { changes, listener: None, peer: None, hung_up: false };
        line.attach(peer)?;
        Ok(line)
    }

    /// Readable when the line has an interrupt.
    pub fn interrupt(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }

    fn attach(&mut self, peer: UnixStream) -> Result<()> {
        peer.set_nonblocking(true)?;
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.changes, &peer, EventData::new_u64(1), interest)?;
        self.peer = Some(peer);
        Ok(())
    }

    /// The peer is gone. The next is not taken before the console has asked [`Uart::hung_up`], so that the
    /// two cannot be taken for one.
    fn lost_peer(&mut self) {
        self.peer = None;
        self.hung_up = true;
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
        let Some(peer) = &mut self.peer else { return 0 };
        match peer.read(out) {
            Ok(0) if !out.is_empty() => {
                self.lost_peer();
                0
            }
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
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
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(_) => {
                self.lost_peer();
                bytes.len()
            }
        }
    }

    fn acknowledge(&mut self) {
        let mut events = [const { MaybeUninit::<Event>::uninit() }; 2];
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
