//! What a domain asks of its devices. Each backend has its own; the simulator's may be hostile.

use alloc::boxed::Box;

use totebox_manifest::conversation::VAULT_DATA;

/// Bytes one transfer moves at most; each transfer buffer has this size.
pub const TRANSFER_SIZE: usize = VAULT_DATA;

/// One operation on a block device. Blocks (`ledger_fmt::layout::BLOCK_SIZE`) count from the disk's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Fill the transfer buffer from the disk.
    Read {
        block: u64,
        /// How many; at most [`TRANSFER_SIZE`] bytes.
        blocks: usize,
    },
    /// Write the transfer buffer to the disk. Not durable before a flush that starts later completes.
    Write {
        block: u64,
        /// How many; at most [`TRANSFER_SIZE`] bytes.
        blocks: usize,
    },
    /// Make every write that completed before this was submitted durable.
    Flush,
}

/// The device reported an error, or cannot take the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoError;

/// An asynchronous block device with its own transfer buffers, numbered from 0. An operation occupies
/// one buffer (a flush too, as its name) from `submit` until `completed` hands it back. Operations in
/// flight may complete, and reach the disk, in any order.
pub trait BlockDevice {
    /// Blocks on the disk; 0 if there is no disk.
    fn capacity(&self) -> u64;
    fn read_only(&self) -> bool;
    /// Whether the disk can flush. Without it nothing may be called durable.
    fn can_flush(&self) -> bool;
    fn buffers(&self) -> usize;
    /// A transfer buffer that is not in flight: [`TRANSFER_SIZE`] bytes.
    fn buffer(&mut self, index: usize) -> &mut [u8];
    /// Starts an operation with this buffer. Its interrupt announces the completion.
    fn submit(&mut self, index: usize, operation: Operation) -> Result<(), IoError>;
    /// The next completed operation's buffer and result. Never waits.
    fn completed(&mut self) -> Option<(usize, Result<(), IoError>)>;
    /// Tells the device its interrupt was seen. Called before looking for completions.
    fn acknowledge(&mut self);
}

pub trait Uart {
    /// Takes received bytes out; returns how many. Never waits.
    fn receive(&mut self, out: &mut [u8]) -> usize;
    /// Hands bytes to the line; returns how many it took. An interrupt follows when it can take more.
    fn transmit(&mut self, bytes: &[u8]) -> usize;
    /// Tells the device its interrupt was seen. Called before `receive`.
    fn acknowledge(&mut self);
    /// True once, if the line was seen to break (the peer hung up) since the last call.
    fn hung_up(&mut self) -> bool {
        false
    }
}

pub trait Ticker {
    /// Milliseconds since this machine started. Never goes back.
    fn uptime_ms(&mut self) -> u64;
    /// Milliseconds since 1970-01-01 UTC as the wall clock has it. May jump.
    fn wall_ms(&mut self) -> u64;
    /// Arms the interrupt of the next tick, `ms` from now, and clears a pending one.
    fn arm(&mut self, ms: u64);
}

// A backend that has several drivers of a device hands over whichever the board names.

impl<D: BlockDevice + ?Sized> BlockDevice for Box<D> {
    fn capacity(&self) -> u64 {
        (**self).capacity()
    }

    fn read_only(&self) -> bool {
        (**self).read_only()
    }

    fn can_flush(&self) -> bool {
        (**self).can_flush()
    }

    fn buffers(&self) -> usize {
        (**self).buffers()
    }

    fn buffer(&mut self, index: usize) -> &mut [u8] {
        (**self).buffer(index)
    }

    fn submit(&mut self, index: usize, operation: Operation) -> Result<(), IoError> {
        (**self).submit(index, operation)
    }

    fn completed(&mut self) -> Option<(usize, Result<(), IoError>)> {
        (**self).completed()
    }

    fn acknowledge(&mut self) {
        (**self).acknowledge();
    }
}

impl<U: Uart + ?Sized> Uart for Box<U> {
    fn receive(&mut self, out: &mut [u8]) -> usize {
        (**self).receive(out)
    }

    fn transmit(&mut self, bytes: &[u8]) -> usize {
        (**self).transmit(bytes)
    }

    fn acknowledge(&mut self) {
        (**self).acknowledge();
    }

    fn hung_up(&mut self) -> bool {
        (**self).hung_up()
    }
}
