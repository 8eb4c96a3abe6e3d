//! How a volume is laid out: 4 KiB blocks, three directories, one superblock.
//!
//! ```text
//! block 0            superblock            written once, by the host tool
//! block 1, 2         frontier hints A, B   rewritten by the vault, never by a client
//! input.start ..     app-console-input/    may be rewritten by its archive
//! space.start ..     ledger/ and assets/   append only; they share this room
//! ```
//!
//! The *space* has no border between its two directories. `ledger/` grows up from its first block, one block after
//! another. `assets/` grows down from its end, chunk by chunk; within a chunk its blocks are in order:
//!
//! ```text
//! space.start                                                            space.end()
//! | ledger 0, 1, 2, …  →      free      ←  … | chunk 1: K … 2K-1 | chunk 0: 0 … K-1 |
//! ```
//!
//! The volume is full when the two meet. Everybody but the disk counts in blocks of a directory ([`Area`]).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Hash;
use crate::hash::Domain;

/// Bytes in a block: the unit of every append, and at least the physical sector of the disks in use,
/// so that a block once committed never shares a sector with one that is still to be written.
pub const BLOCK_SIZE: usize = 4096;

/// Memory for a block on its way from or to a disk. It begins where a page begins: to copy from a page cache to
/// anywhere else takes some processors several times as long.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
pub struct Block([u8; BLOCK_SIZE]);

/// The version all structures of this format carry.
pub const FORMAT_VERSION: u16 = 2;

/// Bytes of a volume's or archive's name at most; names are `[a-z0-9-]`, padded with zeros.
pub const NAME_LEN_MAX: usize = 32;

/// The block of the superblock, relative to the volume.
pub const SUPERBLOCK: u64 = 0;
/// The blocks of the two frontier hints, relative to the volume.
pub const HINT_BLOCKS: [u64; 2] = [1, 2];
/// The first block that may belong to a directory.
pub const DIRECTORIES_START: u64 = 3;

/// A part of a volume in which blocks are counted: one of the three directories, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Area {
    /// `app-console-input/`: rewritable by its archive.
    Input = 0,
    /// `assets/`: document content, append only.
    Assets = 1,
    /// `ledger/`: batches of records, append only.
    Ledger = 2,
    /// The whole volume: where superblock and hints are counted.
    Volume = 3,
}

impl Area {
    pub const ALL: [Area; 4] = [Area::Input, Area::Assets, Area::Ledger, Area::Volume];

    pub const fn from_u8(n: u8) -> Option<Area> {
        Some(match n {
            0 => Area::Input,
            1 => Area::Assets,
            2 => Area::Ledger,
            3 => Area::Volume,
            _ => return None,
        })
    }

    /// The directory's name, as `disk extract` and every message give it.
    pub const fn name(self) -> &'static str {
        match self {
            Area::Input => "app-console-input",
            Area::Assets => "assets",
            Area::Ledger => "ledger",
            Area::Volume => "volume",
        }
    }
}

/// A range of blocks, relative to the start of its volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub start: u64,
    pub blocks: u64,
}

impl Extent {
    /// The block after the last.
    pub const fn end(self) -> u64 {
        self.start + self.blocks
    }
}

/// Where the directories of a volume are. Always valid: see [`Layout::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Blocks in the volume.
    pub blocks: u64,
    /// `app-console-input/`.
    pub input: Extent,
    /// The room that `ledger/` and `assets/` share.
    pub space: Extent,
    /// Blocks in a chunk of `assets/`: a power of two, from 8 to [`CHUNK_BLOCKS_MAX`].
    pub chunk: u64,
}

/// Blocks of `app-console-input/` at least: room for an archive's head snapshot, twice, and its submissions.
pub const INPUT_BLOCKS_MIN: u64 = 61;

/// One block in so many of a volume belongs to `app-console-input/`: its catalogue grows with its documents.
const INPUT_PART: u64 = 32;

/// The longest chunk: 1 MiB, as much as a disk wants to read at once.
pub const CHUNK_BLOCKS_MAX: u64 = 256;

/// A space has so many chunks at least, so that a small one is not lost in the last of them.
const CHUNKS_MIN: u64 = 16;

/// The smallest volume: 1 MiB.
pub const VOLUME_BLOCKS_MIN: u64 = 256;

/// The largest volume: 16 TiB, so that no block number times [`BLOCK_SIZE`] can overflow.
pub const VOLUME_BLOCKS_MAX: u64 = 1 << 32;

impl Layout {
    /// The layout of a volume of so many blocks; `None` outside the size limits.
    pub const fn new(blocks: u64) -> Option<Layout> {
        if blocks < VOLUME_BLOCKS_MIN || blocks > VOLUME_BLOCKS_MAX {
            return None;
        }
        let part = blocks / INPUT_PART;
        let input = if part > INPUT_BLOCKS_MIN { part } else { INPUT_BLOCKS_MIN };
        let input = Extent { start: DIRECTORIES_START, blocks: input };
        let space = Extent { start: input.end(), blocks: blocks - input.end() };
        let longest = 1 << (space.blocks / CHUNKS_MIN).ilog2();
        let chunk = if longest < CHUNK_BLOCKS_MAX { longest } else { CHUNK_BLOCKS_MAX };
        Some(Layout { blocks, input, space, chunk })
    }

    /// Blocks an area can have at most. Those of `ledger/` and `assets/` are never there together: see
    /// [`Layout::ledger_end`] and [`Layout::assets_end`].
    pub const fn blocks_of(&self, area: Area) -> u64 {
        match area {
            Area::Input => self.input.blocks,
            Area::Assets => self.assets_end(0),
            Area::Ledger => self.space.blocks,
            Area::Volume => self.blocks,
        }
    }

    /// Where `ledger/` must end when the first `assets` blocks of `assets/` are taken: it reaches into none of their chunks.
    pub const fn ledger_end(&self, assets: u64) -> u64 {
        self.space.blocks.saturating_sub(assets.div_ceil(self.chunk).saturating_mul(self.chunk))
    }

    /// Where `assets/` must end when the first `ledger` blocks of `ledger/` are taken.
    pub const fn assets_end(&self, ledger: u64) -> u64 {
        self.space.blocks.saturating_sub(ledger) / self.chunk * self.chunk
    }

    /// Where this block of an area and those after it are, as far as they lie in one piece: blocks of the volume.
    /// Empty behind the area's last block.
    pub const fn run(&self, area: Area, block: u64) -> Extent {
        let blocks = self.blocks_of(area);
        if block >= blocks {
            return Extent { start: self.blocks, blocks: 0 };
        }
        let (start, blocks) = match area {
            Area::Input => (self.input.start + block, blocks - block),
            Area::Ledger => (self.space.start + block, blocks - block),
            Area::Volume => (block, blocks - block),
            Area::Assets => {
                let within = block % self.chunk;
                (self.space.end() - (block - within) - self.chunk + within, self.chunk - within)
            }
        };
        Extent { start, blocks }
    }

    /// Where so many blocks of an area are, from `block` on; `None` if they are not all of the area and in one piece.
    pub const fn place(&self, area: Area, block: u64, blocks: u64) -> Option<Extent> {
        let run = self.run(area, block);
        if blocks > run.blocks {
            return None;
        }
        Some(Extent { start: run.start, blocks })
    }
}

/// The first block of a volume; the rest of it is zero. The host tool writes it once; the vault only compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Superblock {
    /// [`Superblock::MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub version: U16,
    /// log2 of [`BLOCK_SIZE`].
    pub block_shift: U16,
    /// Zero.
    pub reserved: U32,
    pub deployment: [u8; 16],
    /// This volume; also its GPT partition's unique id.
    pub volume: [u8; 16],
    /// The archive's name, padded with zeros.
    pub name: [u8; NAME_LEN_MAX],
    /// Blocks in the volume; the rest follows from [`Layout::new`].
    pub blocks: U64,
    /// Zero.
    pub reserved_tail: [u8; 32],
    /// [`Domain::Superblock`] over the bytes before.
    pub check: Hash,
}

const _: () = assert!(size_of::<Superblock>() == 152);

/// A volume's name, padded with zeros or not; `None` if no volume can be called that.
pub fn volume_name(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().rposition(|&byte| byte != 0)? + 1;
    let usable =
        end <= NAME_LEN_MAX && bytes[..end].iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    core::str::from_utf8(&bytes[..end]).ok().filter(|_| usable)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuperblockError {
    /// Not a Totebox superblock: the disk is blank or foreign.
    Foreign,
    /// The check does not match: the block is damaged.
    Damaged,
    Version(u16),
    Inconsistent,
    OtherDeployment,
    /// It belongs to another volume of this deployment, or its size differs from the deployment's.
    OtherVolume,
}

impl Superblock {
    /// `"TOTEBOXV"`.
    pub const MAGIC: [u8; 8] = *b"TOTEBOXV";

    /// The superblock of a volume of so many blocks.
    pub fn new(deployment: [u8; 16], volume: [u8; 16], name: [u8; NAME_LEN_MAX], blocks: u64) -> Self {
        let mut block = Superblock {
            magic: Self::MAGIC,
            version: FORMAT_VERSION.into(),
            block_shift: (BLOCK_SIZE.trailing_zeros() as u16).into(),
            reserved: 0.into(),
            deployment,
            volume,
            name,
            blocks: blocks.into(),
            reserved_tail: [0; 32],
            check: [0; 32],
        };
        block.check = block.expected_check();
        block
    }

    fn expected_check(&self) -> Hash {
        let bytes = self.as_bytes();
        Domain::Superblock.hash(&bytes[..bytes.len() - 32])
    }

    /// Reads and checks the superblock at the start of `block`, and the layout it declares.
    /// The caller still compares deployment and volume: see [`Superblock::matches`].
    pub fn decode(block: &[u8]) -> Result<(Superblock, Layout), SuperblockError> {
        let (superblock, _) = Superblock::read_from_prefix(block).map_err(|_| SuperblockError::Foreign)?;
        if superblock.magic != Self::MAGIC {
            return Err(SuperblockError::Foreign);
        }
        if superblock.check != superblock.expected_check() {
            return Err(SuperblockError::Damaged);
        }
        if superblock.version.get() != FORMAT_VERSION {
            return Err(SuperblockError::Version(superblock.version.get()));
        }
        let sound = superblock.block_shift.get() as u32 == BLOCK_SIZE.trailing_zeros()
            && superblock.reserved.get() == 0
            && superblock.reserved_tail == [0; 32]
            && volume_name(&superblock.name).is_some();
        if !sound {
            return Err(SuperblockError::Inconsistent);
        }
        let layout = superblock.layout().ok_or(SuperblockError::Inconsistent)?;
        Ok((superblock, layout))
    }

    /// The layout of a volume of this size; `None` if there is no such layout.
    pub const fn layout(&self) -> Option<Layout> {
        Layout::new(self.blocks.get())
    }

    /// Whether this is the superblock the deployment expects.
    pub fn matches(&self, expected: &Superblock) -> Result<(), SuperblockError> {
        if self.deployment != expected.deployment {
            return Err(SuperblockError::OtherDeployment);
        }
        if self != expected {
            return Err(SuperblockError::OtherVolume);
        }
        Ok(())
    }
}
