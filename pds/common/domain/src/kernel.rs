//! What a domain may ask of its kernel, and what the kernel may ask of a domain.

use totebox_manifest::{Device, Link, NO_CHANNEL};

/// A channel of this PD, as its manifest numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel(pub u8);

impl Channel {
    pub fn of(link: &Link) -> Option<Channel> {
        (link.channel != NO_CHANNEL).then_some(Channel(link.channel))
    }

    pub fn of_interrupt(device: &Device) -> Option<Channel> {
        (device.irq_channel != NO_CHANNEL).then_some(Channel(device.irq_channel))
    }
}

/// The channels on which notifications have arrived. A set, not a count: "look again".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelSet(pub u64);

impl ChannelSet {
    pub fn contains(self, channel: Channel) -> bool {
        self.0 >> channel.0 & 1 == 1
    }

    pub fn insert(&mut self, channel: Channel) {
        self.0 |= 1 << channel.0;
    }
}

/// A child of this PD, as its manifest numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child(pub u8);

/// Why a child was stopped by the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FaultKind {
    /// A memory access outside its rights.
    Memory = 1,
    /// An instruction it may not execute, or a panic.
    Exception = 2,
    /// A system call that does not exist.
    Syscall = 3,
    /// Anything else.
    Other = 4,
}

impl FaultKind {
    pub const fn from_wire(n: u8) -> Option<FaultKind> {
        Some(match n {
            1 => FaultKind::Memory,
            2 => FaultKind::Exception,
            3 => FaultKind::Syscall,
            4 => FaultKind::Other,
            _ => return None,
        })
    }

    pub fn from_name(name: &str) -> Option<FaultKind> {
        (0..=u8::MAX).filter_map(FaultKind::from_wire).find(|kind| kind.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::Memory => "memory",
            FaultKind::Exception => "exception",
            FaultKind::Syscall => "syscall",
            FaultKind::Other => "other",
        }
    }
}

/// A child's fault. The child stays stopped until its parent resumes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// The address it concerned, or 0.
    pub address: u64,
    /// The address of the instruction, or 0 where the backend does not know it.
    pub instruction: u64,
    /// What the processor says of it, in its own code, or 0: on seL4 the syndrome or status register, of a system call
    /// its number, and on Linux the signal's code.
    pub status: u64,
}

/// What a domain may ask of its kernel. Nothing here blocks.
pub trait Kernel {
    fn notify(&mut self, channel: Channel);
    /// Milliseconds by the CPU's own counter, from some moment in the past: it never goes back, and goes on
    /// whatever becomes of the clock domain. To judge how long another domain has been silent, and for traces; what
    /// is shown or written into records is the clock's time.
    fn counter_ms(&mut self) -> u64;
    /// Lets the interrupt of this channel arrive again.
    fn acknowledge(&mut self, interrupt: Channel);
    /// Stops a child's thread where it is.
    fn stop(&mut self, child: Child);
    /// Lets a stopped child's thread go on.
    fn resume(&mut self, child: Child);
}

/// A protection domain's logic. The backend calls these one at a time.
pub trait Domain {
    /// Once, before anything else.
    fn start(&mut self, kernel: &mut dyn Kernel);
    /// Notifications (and interrupts) have arrived.
    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet);
    /// A child has faulted and is stopped.
    fn fault(&mut self, _kernel: &mut dyn Kernel, _child: Child, _fault: Fault) {}
}
