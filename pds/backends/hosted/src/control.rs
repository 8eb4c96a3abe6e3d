//! What the supervisor and the process of a protection domain (PD) say to each other: fixed-size messages
//! over one `SOCK_SEQPACKET` socket per PD, with the descriptors they grant.

use std::io::{Error, IoSlice, IoSliceMut, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use totebox_domain::{Fault, FaultKind};
use zerocopy::IntoBytes;

/// A message on the wire: its number and up to five fields.
pub type Words = [u64; 6];

/// Descriptors one message carries at most.
const DESCRIPTORS_MAX: usize = 2;

/// What a PD may do with a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Write,
    /// Another PD writes it.
    Read,
    Constant,
}

/// From the supervisor to a PD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    Region {
        vaddr: u64,
        /// Bytes.
        size: u64,
        access: Access,
    },
    /// A channel: the eventfd this PD waits on and, if it may notify its peer, the one that wakes that.
    Channel {
        id: u8,
    },
    Disk {
        read_only: bool,
    },
    /// The operator's line.
    Line {
        /// Whether it is a socket to accept peers from, not a line itself.
        listening: bool,
    },
    /// Say [`Report::Reached`] when everything before this is done.
    Checkpoint,
    /// Everything is there.
    Start {
        manifest: u64,
        /// Bytes of its region.
        size: u64,
    },
    Fault {
        child: u8,
        fault: Fault,
    },
}

/// From a PD to the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Everything up to the [`Grant::Checkpoint`] is done.
    Reached,
    Stop {
        child: u8,
    },
    Resume {
        child: u8,
    },
    /// This process is about to be killed by a fault.
    Faulted {
        address: u64,
        instruction: u64,
        status: u64,
    },
}

impl Grant {
    fn encode(self) -> Words {
        match self {
            Grant::Region { vaddr, size, access } => [1, vaddr, size, access as u64, 0, 0],
            Grant::Channel { id } => [2, id.into(), 0, 0, 0, 0],
            Grant::Disk { read_only } => [3, read_only.into(), 0, 0, 0, 0],
            Grant::Line { listening } => [4, listening.into(), 0, 0, 0, 0],
            Grant::Checkpoint => [5, 0, 0, 0, 0, 0],
            Grant::Start { manifest, size } => [6, manifest, size, 0, 0, 0],
            Grant::Fault { child, fault: Fault { kind, address, instruction, status } } => {
                [7, child.into(), kind as u64, address, instruction, status]
            }
        }
    }

    fn decode(words: Words) -> Option<Grant> {
        let [number, a, b, c, d, e] = words;
        Some(match number {
            1 => {
                let access = match c {
                    0 => Access::Write,
                    1 => Access::Read,
                    2 => Access::Constant,
                    _ => return None,
                };
                Grant::Region { vaddr: a, size: b, access }
            }
            2 => Grant::Channel { id: a.try_into().ok()? },
            3 => Grant::Disk { read_only: a != 0 },
            4 => Grant::Line { listening: a != 0 },
            5 => Grant::Checkpoint,
            6 => Grant::Start { manifest: a, size: b },
            7 => {
                let kind = FaultKind::from_wire(b.try_into().ok()?)?;
                let fault = Fault { kind, address: c, instruction: d, status: e };
                Grant::Fault { child: a.try_into().ok()?, fault }
            }
            _ => return None,
        })
    }
}

impl Report {
    /// The message's words. Allocates nothing: a signal handler uses it.
    pub fn encode(self) -> Words {
        match self {
            Report::Reached => [1, 0, 0, 0, 0, 0],
            Report::Stop { child } => [2, child.into(), 0, 0, 0, 0],
            Report::Resume { child } => [3, child.into(), 0, 0, 0, 0],
            Report::Faulted { address, instruction, status } => [4, address, instruction, status, 0, 0],
        }
    }

    fn decode(words: Words) -> Option<Report> {
        let [number, a, b, c, ..] = words;
        Some(match number {
            1 => Report::Reached,
            2 => Report::Stop { child: a.try_into().ok()? },
            3 => Report::Resume { child: a.try_into().ok()? },
            4 => Report::Faulted { address: a, instruction: b, status: c },
            _ => return None,
        })
    }
}

/// Sends a grant and its descriptors. Waits while the PD's queue is full.
pub fn grant(socket: impl AsFd, grant: Grant, descriptors: &[BorrowedFd]) -> Result<()> {
    send(socket.as_fd(), grant.encode(), descriptors)
}

pub fn report(socket: impl AsFd, report: Report) -> Result<()> {
    send(socket.as_fd(), report.encode(), &[])
}

/// Waits for the next grant; `None` if the supervisor is gone.
pub fn next_grant(socket: impl AsFd) -> Result<Option<(Grant, Vec<OwnedFd>)>> {
    let Some((words, descriptors)) = receive(socket.as_fd(), RecvFlags::empty())? else { return Ok(None) };
    Grant::decode(words).map(|grant| Some((grant, descriptors))).ok_or_else(unknown)
}

/// Waits for the next report; `None` if the PD is gone.
pub fn next_report(socket: impl AsFd) -> Result<Option<Report>> {
    let Some((words, _)) = receive(socket.as_fd(), RecvFlags::empty())? else { return Ok(None) };
    Report::decode(words).map(Some).ok_or_else(unknown)
}

/// The next report that is already there.
pub fn try_report(socket: impl AsFd) -> Option<Report> {
    let (words, _) = receive(socket.as_fd(), RecvFlags::DONTWAIT).ok()??;
    Report::decode(words)
}

fn unknown() -> Error {
    Error::other("a message between supervisor and domain has no meaning")
}

fn send(socket: BorrowedFd, words: Words, descriptors: &[BorrowedFd]) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)), "too many descriptors");
    }
    let bytes = [IoSlice::new(words.as_bytes())];
    retry_on_intr(|| sendmsg(socket, &bytes, &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// The next message; `None` if the other end is closed.
fn receive(socket: BorrowedFd, flags: RecvFlags) -> Result<Option<(Words, Vec<OwnedFd>)>> {
    let mut words = Words::default();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        let mut bytes = [IoSliceMut::new(words.as_mut_bytes())];
        recvmsg(socket, &mut bytes, &mut ancillary, flags | RecvFlags::CMSG_CLOEXEC)
    });
    let received = match received {
        Err(Errno::CONNRESET) => return Ok(None),
        other => other?,
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    if received.bytes != size_of::<Words>() || received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(unknown());
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(granted) = message {
            descriptors.extend(granted);
        }
    }
    Ok(Some((words, descriptors)))
}
