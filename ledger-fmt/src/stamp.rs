//! What the vault itself writes into a volume: run stamps and frontier hints.
//!
//! A commit is one *run*: a stamp of 256 bytes, directly followed by the record bytes it commits, in
//! whole blocks at the ledger's append frontier; what is left of the last block is zero. The stamp also names the asset blocks the run commits
//! and carries a digest of both, so that after a power cut a run whose blocks did not all reach the disk
//! is recognised and treated as absent. Stamps are chained by hash. Nothing in them comes from the
//! archive but the byte count, so the frontier found from them is out of its control.
//!
//! The frontier is recovered by walking stamp to stamp, from the newest valid [`Hint`] if there is one.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::hash::Domain;
use crate::layout::{BLOCK_SIZE, FORMAT_VERSION, Layout};
use crate::{Hash, ZERO_HASH};

/// Bytes of a stamp at the start of a run.
pub const STAMP_SIZE: usize = 256;

/// Blocks of one run at most.
pub const RUN_BLOCKS_MAX: usize = 8;

/// Record bytes of one run at most: 32512.
pub const RUN_PAYLOAD_MAX: usize = RUN_BLOCKS_MAX * BLOCK_SIZE - STAMP_SIZE;

/// What a stamp says of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum StampKind {
    /// The run commits records (and assets).
    Commit = 1,
    /// The volume is sealed: the last run, without payload.
    Seal = 2,
}

/// The append frontier of a volume: where the next run and the next asset go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// Runs committed so far; the number of the next one.
    pub runs: u64,
    /// The next free block of `ledger/`, relative to the directory.
    pub ledger_next: u64,
    /// The next free block of `assets/`, relative to the directory.
    pub assets_next: u64,
    /// The hash of the last stamp; zero before the first.
    pub last_stamp: Hash,
    /// Whether the last stamp sealed the volume.
    pub sealed: bool,
}

impl Frontier {
    /// The frontier of an empty volume.
    pub const EMPTY: Frontier =
        Frontier { runs: 0, ledger_next: 0, assets_next: 0, last_stamp: ZERO_HASH, sealed: false };
}

/// The first 256 bytes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Stamp {
    /// [`Stamp::MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub version: U16,
    /// [`StampKind`].
    pub kind: U16,
    /// Blocks of the run, this one included: 1 to [`RUN_BLOCKS_MAX`].
    pub ledger_blocks: U32,
    /// The run's number, from 0.
    pub run: U64,
    /// The volume, as in its superblock.
    pub volume: [u8; 16],
    /// Where this stamp stands, in blocks from the start of `ledger/`.
    pub ledger_block: U64,
    /// Record bytes after the stamp.
    pub payload_len: U32,
    /// Zero.
    pub reserved: U32,
    /// The first asset block the run commits, from the start of `assets/`: the previous run's `assets_to`.
    pub assets_from: U64,
    /// The block after the last asset block the run commits.
    pub assets_to: U64,
    /// Asset blocks of this run below this one had been flushed before the stamp was written (a long
    /// upload is flushed every few MiB, so that recovery has little to read); at least `assets_from`.
    pub assets_durable: U64,
    /// [`Domain::RunLedger`] over the record bytes.
    pub ledger_digest: Hash,
    /// [`Domain::RunAssets`] over the asset blocks from `assets_durable` to `assets_to`.
    pub assets_digest: Hash,
    /// The hash of the previous stamp; zero for run 0.
    pub previous: Hash,
    /// Zero.
    pub reserved_tail: [u8; 48],
    /// [`Domain::Stamp`] over the bytes before. This is the stamp's hash.
    pub check: Hash,
}

const _: () = assert!(size_of::<Stamp>() == STAMP_SIZE);

/// What the vault knows of a run when it stamps it.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Commit or seal.
    pub kind: StampKind,
    /// The volume, as in its superblock.
    pub volume: [u8; 16],
    /// Record bytes, at most [`RUN_PAYLOAD_MAX`].
    pub payload_len: u32,
    /// The asset block after the last one committed.
    pub assets_to: u64,
    /// Asset blocks below this one are durable already.
    pub assets_durable: u64,
    /// [`Domain::RunLedger`] over the record bytes.
    pub ledger_digest: Hash,
    /// [`Domain::RunAssets`] over the asset blocks from `assets_durable` to `assets_to`.
    pub assets_digest: Hash,
}

/// Why a stamp was not accepted at a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampError {
    /// There is no stamp here: the ledger ends, or its bytes are gone.
    Absent,
    /// A stamp whose check does not match.
    Damaged,
    /// A whole stamp, but not the one that continues this chain: of another volume, place or history.
    Stray,
    /// A whole stamp in its place whose fields contradict each other.
    Inconsistent,
}

impl Stamp {
    /// `"TBXSTAMP"`.
    pub const MAGIC: [u8; 8] = *b"TBXSTAMP";

    /// Blocks a run with `payload_len` record bytes takes.
    pub const fn blocks_for(payload_len: usize) -> usize {
        (STAMP_SIZE + payload_len).div_ceil(BLOCK_SIZE)
    }

    /// The stamp of `run` at `frontier`. The run must fit [`RUN_PAYLOAD_MAX`].
    pub fn new(frontier: &Frontier, run: &Run) -> Stamp {
        debug_assert!(run.payload_len as usize <= RUN_PAYLOAD_MAX);
        let mut stamp = Stamp {
            magic: Self::MAGIC,
            version: FORMAT_VERSION.into(),
            kind: (run.kind as u16).into(),
            ledger_blocks: (Self::blocks_for(run.payload_len as usize) as u32).into(),
            run: frontier.runs.into(),
            volume: run.volume,
            ledger_block: frontier.ledger_next.into(),
            payload_len: run.payload_len.into(),
            reserved: 0.into(),
            assets_from: frontier.assets_next.into(),
            assets_to: run.assets_to.into(),
            assets_durable: run.assets_durable.into(),
            ledger_digest: run.ledger_digest,
            assets_digest: run.assets_digest,
            previous: frontier.last_stamp,
            reserved_tail: [0; 48],
            check: [0; 32],
        };
        stamp.check = stamp.expected_check();
        stamp
    }

    fn expected_check(&self) -> Hash {
        Domain::Stamp.hash(&self.as_bytes()[..STAMP_SIZE - 32])
    }

    /// Reads the stamp at the start of `block`, which stands at block `at` of a ledger of `ledger_blocks`
    /// blocks with assets of `assets_blocks`, and checks all that can be checked without knowing the
    /// runs before it. To look for later runs behind damage; a walk uses [`Stamp::decode`].
    pub fn find(
        block: &[u8],
        volume: &[u8; 16],
        at: u64,
        ledger_blocks: u64,
        assets_blocks: u64,
    ) -> Result<Stamp, StampError> {
        let (stamp, _) = Stamp::read_from_prefix(block).map_err(|_| StampError::Absent)?;
        if stamp.magic != Self::MAGIC {
            return Err(StampError::Absent);
        }
        if stamp.check != stamp.expected_check() {
            return Err(StampError::Damaged);
        }
        if stamp.volume != *volume || stamp.ledger_block.get() != at || stamp.version.get() != FORMAT_VERSION {
            return Err(StampError::Stray);
        }
        let payload = stamp.payload_len.get() as usize;
        let blocks = stamp.ledger_blocks.get() as usize;
        let (from, to, durable) = (stamp.assets_from.get(), stamp.assets_to.get(), stamp.assets_durable.get());
        let sound = stamp.kind().is_some_and(|kind| kind == StampKind::Commit || payload == 0)
            && stamp.reserved.get() == 0
            && stamp.reserved_tail == [0; 48]
            && payload <= RUN_PAYLOAD_MAX
            && blocks == Self::blocks_for(payload)
            && stamp.run.get() <= at
            && at.checked_add(blocks as u64).is_some_and(|end| end <= ledger_blocks)
            && from <= durable
            && durable <= to
            && to <= assets_blocks;
        if sound { Ok(stamp) } else { Err(StampError::Inconsistent) }
    }

    /// Reads the stamp at the start of `block` and checks that it continues `frontier`, within a ledger
    /// of `ledger_blocks` and assets of `assets_blocks` blocks. Digests are the caller's to compare.
    pub fn decode(
        block: &[u8],
        volume: &[u8; 16],
        frontier: &Frontier,
        ledger_blocks: u64,
        assets_blocks: u64,
    ) -> Result<Stamp, StampError> {
        let stamp = Self::find(block, volume, frontier.ledger_next, ledger_blocks, assets_blocks)?;
        if stamp.run.get() != frontier.runs || stamp.previous != frontier.last_stamp {
            return Err(StampError::Stray);
        }
        if stamp.assets_from.get() != frontier.assets_next || frontier.sealed {
            return Err(StampError::Inconsistent);
        }
        Ok(stamp)
    }

    /// The frontier this stamp continues, by its own word.
    pub fn frontier_before(&self) -> Frontier {
        Frontier {
            runs: self.run.get(),
            ledger_next: self.ledger_block.get(),
            assets_next: self.assets_from.get(),
            last_stamp: self.previous,
            sealed: false,
        }
    }

    /// Commit or seal; `None` if the field holds neither.
    pub fn kind(&self) -> Option<StampKind> {
        match self.kind.get() {
            1 => Some(StampKind::Commit),
            2 => Some(StampKind::Seal),
            _ => None,
        }
    }

    /// The frontier after this run.
    pub fn frontier_after(&self) -> Frontier {
        Frontier {
            runs: self.run.get() + 1,
            ledger_next: self.ledger_block.get() + u64::from(self.ledger_blocks.get()),
            assets_next: self.assets_to.get(),
            last_stamp: self.check,
            sealed: self.kind() == Some(StampKind::Seal),
        }
    }
}

/// A frontier that was durable when the hint was written. The rest of its block is zero. Two blocks hold one each, written in turn, so
/// that one of them is whole whatever a power cut does to the other. The vault writes one whenever it has
/// nothing else to do, and at every start; a volume in service always has a valid one.
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
    /// [`Frontier::runs`].
    pub runs: U64,
    /// [`Frontier::ledger_next`].
    pub ledger_next: U64,
    /// [`Frontier::assets_next`].
    pub assets_next: U64,
    /// Where the last stamp stands, from the start of `ledger/`, so that it can be compared.
    pub last_stamp_block: U64,
    /// [`Frontier::last_stamp`].
    pub last_stamp: Hash,
    /// [`Domain::Hint`] over the bytes before.
    pub check: Hash,
}

const _: () = assert!(size_of::<Hint>() == 128);

impl Hint {
    /// `"TBXHINT\0"`.
    pub const MAGIC: [u8; 8] = *b"TBXHINT\0";

    /// What stands where no hint was written yet: zeros.
    pub const BLANK: Hint = zerocopy::transmute!([0u8; 128]);

    /// What a hint's block holds: a valid hint of this volume, or [`Hint::BLANK`]; `None` if it is damaged.
    pub fn held(block: &[u8], volume: &[u8; 16]) -> Option<Hint> {
        let (hint, rest) = Hint::read_from_prefix(block).ok()?;
        let written = hint == Hint::BLANK || Hint::decode(block, volume).is_some();
        (written && rest.iter().all(|&byte| byte == 0)).then_some(hint)
    }

    /// The hint for `frontier`, whose last stamp stands at `last_stamp_block`.
    pub fn new(volume: [u8; 16], frontier: &Frontier, last_stamp_block: u64) -> Hint {
        let mut hint = Hint {
            magic: Self::MAGIC,
            version: FORMAT_VERSION.into(),
            sealed: u16::from(frontier.sealed).into(),
            reserved: 0.into(),
            volume,
            runs: frontier.runs.into(),
            ledger_next: frontier.ledger_next.into(),
            assets_next: frontier.assets_next.into(),
            last_stamp_block: last_stamp_block.into(),
            last_stamp: frontier.last_stamp,
            check: [0; 32],
        };
        hint.check = hint.expected_check();
        hint
    }

    fn expected_check(&self) -> Hash {
        Domain::Hint.hash(&self.as_bytes()[..96])
    }

    /// The frontier a hint block vouches for and the block of its last stamp, or `None` if the block
    /// holds no valid hint of this volume. The caller still compares the stamp it names.
    pub fn decode(block: &[u8], volume: &[u8; 16]) -> Option<(Frontier, u64)> {
        let (hint, _) = Hint::read_from_prefix(block).ok()?;
        let frontier = Frontier {
            runs: hint.runs.get(),
            ledger_next: hint.ledger_next.get(),
            assets_next: hint.assets_next.get(),
            last_stamp: hint.last_stamp,
            sealed: hint.sealed.get() == 1,
        };
        let last_stamp_block = hint.last_stamp_block.get();
        let possible = match frontier.runs {
            0 => frontier == Frontier::EMPTY && last_stamp_block == 0,
            _ => last_stamp_block < frontier.ledger_next,
        };
        let valid = hint.magic == Self::MAGIC
            && hint.check == hint.expected_check()
            && hint.version.get() == FORMAT_VERSION
            && hint.volume == *volume
            && hint.sealed.get() <= 1
            && hint.reserved.get() == 0;
        (valid && possible).then_some((frontier, last_stamp_block))
    }

    /// As [`Hint::decode`], of a volume with this layout: the frontier lies within it, and the last stamp's run can
    /// end there.
    pub fn find(block: &[u8], volume: &[u8; 16], layout: &Layout) -> Option<(Frontier, u64)> {
        let (frontier, last_stamp_block) = Hint::decode(block, volume)?;
        let possible = frontier.ledger_next <= layout.ledger.blocks
            && frontier.assets_next <= layout.assets.blocks
            && frontier.runs <= frontier.ledger_next
            && frontier.ledger_next - last_stamp_block.min(frontier.ledger_next) <= RUN_BLOCKS_MAX as u64;
        possible.then_some((frontier, last_stamp_block))
    }
}
