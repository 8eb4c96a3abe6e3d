//! What a catalogue says of itself, and what it asks for.

/// What was found on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is being looked at.
    Opening,
    /// Nothing was ever written there: the catalogue is empty.
    Blank,
    /// A catalogue, complete up to its head. Whether that is the ledger's head, or an older one of the same ledger, is
    /// for the caller to see.
    Whole,
    /// A catalogue of another volume, or of another layout. It is not used; the catalogue is empty.
    Foreign,
    /// Neither copy of the manifest is whole. The catalogue is empty.
    Damaged,
    /// The disk did not give the manifests. The catalogue is empty and writes nothing.
    Unreadable,
}

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not now: what is under way has to get on first, and that may take a flush. The entry is to be offered again
    /// before any later one.
    Busy,
    /// A record before it was not given: the next one is that of the [head](crate::Catalogue::head).
    Gap,
    /// There is no room on the disk. The catalogue stays as it is, complete up to its head.
    Full,
    /// The name is empty or has more than [`NAME_MAX`](crate::NAME_MAX) bytes.
    Name,
    /// Something is damaged: the catalogue has to be [rebuilt](crate::Catalogue::rebuild).
    Damaged,
    /// The disk takes no writes.
    Stopped,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing to do.
    Idle,
    /// Something waits for the disk, or for a flush.
    Waiting,
    /// There is more to do.
    Moved,
}

/// A request to the disk. Its number is given back with the answer.
#[derive(Debug)]
pub enum Request<'a> {
    /// Blocks of the directory are to be read.
    Read {
        /// The number.
        ticket: u8,
        /// The first block.
        block: u64,
        /// How many, at most [`TRANSFER_BLOCKS`](crate::TRANSFER_BLOCKS).
        blocks: usize,
    },
    /// Blocks of the directory are to be written.
    Write {
        /// The number.
        ticket: u8,
        /// The first block.
        block: u64,
        /// Whole blocks, at most [`TRANSFER_BLOCKS`](crate::TRANSFER_BLOCKS): to be copied at once.
        data: &'a [u8],
    },
}

/// What was read and written, in requests and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests to read.
    pub reads: u64,
    /// Blocks read.
    pub blocks_read: u64,
    /// Requests to write.
    pub writes: u64,
    /// Blocks written.
    pub blocks_written: u64,
}
