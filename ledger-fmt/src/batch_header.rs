//! What the vault itself writes into a volume: batch headers and frontier hints.
//!
//! A commit is one *batch*: a batch header of 256 bytes, directly followed by the record bytes it commits, in
//! whole blocks at the ledger's append frontier; what is left of the last block is zero. The batch header also names
//! the asset blocks the batch commits and carries a checksum of both, so that after a power cut a batch whose blocks did
//! not all reach the disk is recognised and treated as absent. Batch headers are chained by hash. Nothing in them comes
//! from the archive but the byte count, so the frontier found from them is out of its control.
//!
//! The frontier is recovered by walking batch header to batch header, from the newest valid [`Hint`] if there is one.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::hash::{Checksum, Domain};
use crate::layout::{Area, BLOCK_SIZE, FORMAT_VERSION, Layout};
use crate::{Hash, ZERO_HASH};

/// Bytes of a batch header at the start of a batch.
pub const STAMP_SIZE: usize = 256;

/// Blocks of one batch at most.
pub const BATCH_BLOCKS_MAX: usize = 8;

/// Record bytes of one batch at most: 32512.
pub const BATCH_PAYLOAD_MAX: usize = BATCH_BLOCKS_MAX * BLOCK_SIZE - STAMP_SIZE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum BatchKind {
    /// The batch commits records (and assets).
    Commit = 1,
    /// The volume is sealed: the last batch, without payload.
    Seal = 2,
}

/// The append frontier of a volume: where the next batch and the next asset go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// Batches committed so far; the number of the next one.
    pub batches: u64,
    /// The next free block of `ledger/`, relative to the directory.
    pub ledger_next: u64,
    /// The next free block of `assets/`, relative to the directory.
    pub assets_next: u64,
    /// The hash of the last batch header; zero before the first.
    pub last_header: Hash,
    /// Whether the last batch header sealed the volume.
    pub sealed: bool,
}

impl Frontier {
    pub const EMPTY: Frontier =
        Frontier { batches: 0, ledger_next: 0, assets_next: 0, last_header: ZERO_HASH, sealed: false };

    /// Whether a volume of this layout can stand there: its two directories do not meet, and every batch took a block.
    pub const fn is_within(&self, layout: &Layout) -> bool {
        self.assets_next <= layout.blocks_of(Area::Assets)
            && self.ledger_next <= layout.ledger_end(self.assets_next)
            && self.batches <= self.ledger_next
    }
}

/// The first 256 bytes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BatchHeader {
    /// [`BatchHeader::MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub version: U16,
    /// [`BatchKind`].
    pub kind: U16,
    /// Blocks of the batch, this one included: 1 to [`BATCH_BLOCKS_MAX`].
    pub ledger_blocks: U32,
    /// The batch's number, from 0.
    pub batch: U64,
    /// The volume, as in its superblock.
    pub volume: [u8; 16],
    /// Where this batch header stands, in blocks from the start of `ledger/`.
    pub ledger_block: U64,
    /// Record bytes after the batch header.
    pub payload_len: U32,
    /// Zero.
    pub reserved: U32,
    /// The first asset block the batch commits, from the start of `assets/`: the previous batch's `assets_to`.
    pub assets_from: U64,
    /// The block after the last asset block the batch commits.
    pub assets_to: U64,
    /// Asset blocks of this batch below this one had been flushed before the batch header was written (a long
    /// upload is flushed every few MiB, so that recovery has little to read); at least `assets_from`.
    pub assets_durable: U64,
    /// [`checksum`](crate::hash::checksum) of the record bytes.
    pub ledger_checksum: Checksum,
    /// [`checksum`](crate::hash::checksum) of the asset blocks from `assets_durable` to `assets_to`.
    pub assets_checksum: Checksum,
    /// The hash of the previous batch header; zero for batch 0.
    pub previous: Hash,
    /// Zero.
    pub reserved_tail: [u8; 80],
    /// [`Domain::BatchHeader`] over the bytes before. This is the batch header's hash.
    pub check: Hash,
}

const _: () = assert!(size_of::<BatchHeader>() == STAMP_SIZE);

/// What the vault knows of a batch when it writes a batch header.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Commit or seal.
    pub kind: BatchKind,
    /// The volume, as in its superblock.
    pub volume: [u8; 16],
    /// Record bytes, at most [`BATCH_PAYLOAD_MAX`].
    pub payload_len: u32,
    /// The asset block after the last one committed.
    pub assets_to: u64,
    /// Asset blocks below this one are durable already.
    pub assets_durable: u64,
    /// [`checksum`](crate::hash::checksum) of the record bytes.
    pub ledger_checksum: Checksum,
    /// [`checksum`](crate::hash::checksum) of the asset blocks from `assets_durable` to `assets_to`.
    pub assets_checksum: Checksum,
}

/// Why a batch header was not accepted at a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchHeaderError {
    /// There is no batch header here: the ledger ends, or its bytes are gone.
    Absent,
    /// A batch header whose check does not match.
    Damaged,
    /// A whole batch header, but not the one that continues this chain: of another volume, place or history.
    Stray,
    /// A whole batch header in its place whose fields contradict each other.
    Inconsistent,
}

impl BatchHeader {
    /// `"TBXSTAMP"`.
    pub const MAGIC: [u8; 8] = *b"TBXSTAMP";

    pub const fn blocks_for(payload_len: usize) -> usize {
        (STAMP_SIZE + payload_len).div_ceil(BLOCK_SIZE)
    }

    /// The batch header of `batch` at `frontier`. The batch must fit [`BATCH_PAYLOAD_MAX`].
    pub fn new(frontier: &Frontier, batch: &Batch) -> BatchHeader {
        debug_assert!(batch.payload_len as usize <= BATCH_PAYLOAD_MAX);
        let mut header = BatchHeader {
            magic: Self::MAGIC,
            version: FORMAT_VERSION.into(),
            kind: (batch.kind as u16).into(),
            ledger_blocks: (Self::blocks_for(batch.payload_len as usize) as u32).into(),
            batch: frontier.batches.into(),
            volume: batch.volume,
            ledger_block: frontier.ledger_next.into(),
            payload_len: batch.payload_len.into(),
            reserved: 0.into(),
            assets_from: frontier.assets_next.into(),
            assets_to: batch.assets_to.into(),
            assets_durable: batch.assets_durable.into(),
            ledger_checksum: batch.ledger_checksum,
            assets_checksum: batch.assets_checksum,
            previous: frontier.last_header,
            reserved_tail: [0; 80],
            check: [0; 32],
        };
        header.check = header.expected_check();
        header
    }

    fn expected_check(&self) -> Hash {
        Domain::BatchHeader.hash(&self.as_bytes()[..STAMP_SIZE - 32])
    }

    /// Reads the batch header at the start of `block`, which stands at block `at` of the `ledger/` of a volume of this
    /// layout, and checks all that can be checked without knowing the batches before it. To look for later batches
    /// behind damage; a walk uses [`BatchHeader::decode`].
    pub fn find(
        block: &[u8],
        volume: &[u8; 16],
        at: u64,
        layout: &Layout,
    ) -> Result<BatchHeader, BatchHeaderError> {
        let (header, _) = BatchHeader::read_from_prefix(block).map_err(|_| BatchHeaderError::Absent)?;
        if header.magic != Self::MAGIC {
            return Err(BatchHeaderError::Absent);
        }
        if header.check != header.expected_check() {
            return Err(BatchHeaderError::Damaged);
        }
        if header.volume != *volume || header.ledger_block.get() != at || header.version.get() != FORMAT_VERSION {
            return Err(BatchHeaderError::Stray);
        }
        let payload = header.payload_len.get() as usize;
        let blocks = header.ledger_blocks.get() as usize;
        let (from, to, durable) = (header.assets_from.get(), header.assets_to.get(), header.assets_durable.get());
        let sound = header.kind().is_some_and(|kind| kind == BatchKind::Commit || payload == 0)
            && header.reserved.get() == 0
            && header.reserved_tail == [0; 80]
            && payload <= BATCH_PAYLOAD_MAX
            && blocks == Self::blocks_for(payload)
            && header.batch.get() <= at
            && at < layout.blocks_of(Area::Ledger)
            && from <= durable
            && durable <= to
            && header.frontier_after().is_within(layout);
        if sound { Ok(header) } else { Err(BatchHeaderError::Inconsistent) }
    }

    /// Reads the batch header at the start of `block` and checks that it continues `frontier`, within a volume of this
    /// layout. Checksums are the caller's to compare.
    pub fn decode(
        block: &[u8],
        volume: &[u8; 16],
        frontier: &Frontier,
        layout: &Layout,
    ) -> Result<BatchHeader, BatchHeaderError> {
        let header = Self::find(block, volume, frontier.ledger_next, layout)?;
        if header.batch.get() != frontier.batches || header.previous != frontier.last_header {
            return Err(BatchHeaderError::Stray);
        }
        if header.assets_from.get() != frontier.assets_next || frontier.sealed {
            return Err(BatchHeaderError::Inconsistent);
        }
        Ok(header)
    }

    /// The frontier this batch header continues, by its own word.
    pub fn frontier_before(&self) -> Frontier {
        Frontier {
            batches: self.batch.get(),
            ledger_next: self.ledger_block.get(),
            assets_next: self.assets_from.get(),
            last_header: self.previous,
            sealed: false,
        }
    }

    /// Commit or seal; `None` if the field holds neither.
    pub fn kind(&self) -> Option<BatchKind> {
        match self.kind.get() {
            1 => Some(BatchKind::Commit),
            2 => Some(BatchKind::Seal),
            _ => None,
        }
    }

    pub fn frontier_after(&self) -> Frontier {
        Frontier {
            batches: self.batch.get() + 1,
            ledger_next: self.ledger_block.get() + u64::from(self.ledger_blocks.get()),
            assets_next: self.assets_to.get(),
            last_header: self.check,
            sealed: self.kind() == Some(BatchKind::Seal),
        }
    }
}

/// A frontier that was durable when the hint was written, and how far content may have been written since. The rest of
/// its block is zero. Two blocks hold one each, written in turn, so that one of them is whole whatever a power cut does
/// to the other. The vault writes one whenever it has nothing else to do, and at every start; a volume in service always
/// has a valid one.
///
/// What an upload wrote and gave up may look like batches. So the block behind the last batch is never one that content
/// was written to, unless the vault has overwritten it with zeros; for that it must know how far content came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Hint {
    /// [`Hint::MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub version: U16,
    /// 1 if the volume was sealed, else 0.
    pub sealed: U16,
    /// Zero.
    pub reserved: U32,
    /// The volume, as in its superblock.
    pub volume: [u8; 16],
    /// [`Frontier::batches`].
    pub batches: U64,
    /// [`Frontier::ledger_next`].
    pub ledger_next: U64,
    /// [`Frontier::assets_next`].
    pub assets_next: U64,
    /// No content was ever written to this block of `assets/` or one behind it, unless it was overwritten with zeros
    /// since. At least `assets_next`.
    pub assets_written: U64,
    /// Where the last batch header stands, from the start of `ledger/`, so that it can be compared.
    pub last_header_block: U64,
    /// [`Frontier::last_header`].
    pub last_header: Hash,
    /// [`Domain::Hint`] over the bytes before.
    pub check: Hash,
}

const _: () = assert!(size_of::<Hint>() == 136);

impl Hint {
    /// `"TBXHINT\0"`.
    pub const MAGIC: [u8; 8] = *b"TBXHINT\0";

    /// What stands where no hint was written yet: zeros.
    pub const BLANK: Hint = zerocopy::transmute!([0u8; 136]);

    /// What a hint's block holds: a valid hint of this volume, or [`Hint::BLANK`]; `None` if it is damaged.
    pub fn held(block: &[u8], volume: &[u8; 16], layout: &Layout) -> Option<Hint> {
        let (hint, rest) = Hint::read_from_prefix(block).ok()?;
        let written = hint == Hint::BLANK || hint.is_valid(volume, layout);
        (written && rest.iter().all(|&byte| byte == 0)).then_some(hint)
    }

    /// The hint for `frontier`, whose last batch header stands at `last_header_block`.
    pub fn new(volume: [u8; 16], frontier: &Frontier, last_header_block: u64, assets_written: u64) -> Hint {
        let mut hint = Hint {
            magic: Self::MAGIC,
            version: FORMAT_VERSION.into(),
            sealed: u16::from(frontier.sealed).into(),
            reserved: 0.into(),
            volume,
            batches: frontier.batches.into(),
            ledger_next: frontier.ledger_next.into(),
            assets_next: frontier.assets_next.into(),
            assets_written: assets_written.into(),
            last_header_block: last_header_block.into(),
            last_header: frontier.last_header,
            check: [0; 32],
        };
        hint.check = hint.expected_check();
        hint
    }

    fn expected_check(&self) -> Hash {
        Domain::Hint.hash(&self.as_bytes()[..104])
    }

    /// The hint at the start of a block, or `None` if there is no valid hint of this volume. The caller still compares
    /// the batch header it names.
    pub fn find(block: &[u8], volume: &[u8; 16], layout: &Layout) -> Option<Hint> {
        let (hint, _) = Hint::read_from_prefix(block).ok()?;
        hint.is_valid(volume, layout).then_some(hint)
    }

    /// It is whole, this volume's, and names a frontier it can have.
    fn is_valid(&self, volume: &[u8; 16], layout: &Layout) -> bool {
        let frontier = self.frontier();
        let last_header_block = self.last_header_block.get();
        let possible = match frontier.batches {
            0 => frontier == Frontier::EMPTY && last_header_block == 0,
            _ => {
                last_header_block < frontier.ledger_next
                    && frontier.ledger_next - last_header_block <= BATCH_BLOCKS_MAX as u64
            }
        };
        let written = self.assets_written.get();
        self.magic == Self::MAGIC
            && self.check == self.expected_check()
            && self.version.get() == FORMAT_VERSION
            && self.volume == *volume
            && self.sealed.get() <= 1
            && self.reserved.get() == 0
            && possible
            && frontier.is_within(layout)
            && frontier.assets_next <= written
            && written <= layout.blocks_of(Area::Assets)
            && frontier.ledger_next <= self.ledger_limit(layout)
    }

    /// The frontier it vouches for.
    pub fn frontier(&self) -> Frontier {
        Frontier {
            batches: self.batches.get(),
            ledger_next: self.ledger_next.get(),
            assets_next: self.assets_next.get(),
            last_header: self.last_header,
            sealed: self.sealed.get() == 1,
        }
    }

    /// The block of `ledger/` from which on content may have been written.
    pub fn ledger_limit(&self, layout: &Layout) -> u64 {
        layout.ledger_end(self.assets_written.get())
    }
}
