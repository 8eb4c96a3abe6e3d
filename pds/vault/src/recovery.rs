//! How a volume's append frontier is found again after a start: superblock, hints, and a walk from
//! batch header to batch header. Sans I/O: it says which blocks it wants and takes their bytes.
//!
//! ```text
//! Head ─ superblock wrong ──────────────────────────────► Unusable
//!  │ a hint is valid          │ both blank    │ neither
//!  ▼                          │               │ (then `thorough`)
//! HintedHeader ─ gone ─► Search  ▼             ▼
//!  └──────────────────► Ledger ⇄ Assets     a batch that is not whole, twice, ends the walk
//!                         │ thorough: Search ─ later batch headers, or a hinted one gone ─► Damaged
//!                         ▼
//!                       Clear ──────────────────────────► Found
//! ```
//!
//! *Clear* overwrites with zeros what is left of batches that were never acknowledged. Such leftovers are
//! the archive's bytes in places where a later walk looks for batch headers: without this, a hostile archive
//! could leave a forged batch header there and have a later power cut bring it to life.

use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, BatchHeader, Frontier, Hint, STAMP_SIZE};
use ledger_fmt::hash::{Checksummer, Domain, checksum};
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Layout, SUPERBLOCK, Superblock, SuperblockError};
use totebox_manifest::Role;
use totebox_manifest::conversation::queue;
use totebox_protocol::vault::VolumeState;
use zerocopy::{FromBytes, FromZeros};

use super::disk::TRANSFER_BLOCKS;

/// Batches accepted and not yet durable, at most: as many as an archive's ring holds requests. Recovery looks this far
/// behind the frontier for what a power cut left.
pub const RUNS_IN_FLIGHT_MAX: usize = match queue(Role::Archive, Role::Vault) {
    Some(ring) => ring.slots,
    None => panic!("archives have a ring to the vault"),
};

/// Ledger blocks behind the frontier that unacknowledged batches can have touched.
const LEFTOVER_BLOCKS: u64 = (RUNS_IN_FLIGHT_MAX * BATCH_BLOCKS_MAX) as u64;

// A whole batch fits one read, and so do superblock and hints.
const _: () = assert!(BATCH_BLOCKS_MAX <= TRANSFER_BLOCKS);
const _: () = assert!(SUPERBLOCK == 0 && HINT_BLOCKS[0] == 1 && HINT_BLOCKS[1] == 2);

#[derive(Debug)]
pub struct Recovery {
    step: RecoveryStep,
    found: Found,
    /// There were hints, but none is valid: the walk's end must be distrusted.
    thorough: bool,
    /// There is damage for certain; what is looked for is how far the ledger went all the same.
    damaged: bool,
    /// What stands at the frontier was not a whole batch when it was looked at first.
    doubted: bool,
    /// The batch at the frontier while its assets are read, and the checksum of those read so far.
    header: BatchHeader,
    assets: Checksummer,
}

#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The frontier behind the last whole batch.
    pub frontier: Frontier,
    /// Where the last batch header stands, in blocks from the start of `ledger/`; 0 if there is none.
    pub header_block: u64,
    /// Batches of the newest valid hint; `None` without one.
    pub hinted_batches: Option<u64>,
    /// What its hint says of how far content may have been written; `None` if no hint says so any more.
    assets_written: Option<u64>,
    /// Which of the two hints to write next.
    pub hint_slot: usize,
    /// What the two hints' blocks hold; `None` if one is damaged.
    pub hints: [Option<Hint>; 2],
    /// Leftovers were overwritten.
    pub cleared: bool,
    /// The superblock is the one this volume must have: whatever else is wrong, its archive may look at its blocks.
    pub identified: bool,
    /// Where the farthest batch ends that was seen behind damage, in blocks of `ledger/` and of `assets/`.
    pub seen: (u64, u64),
}

#[derive(Debug)]
enum RecoveryStep {
    Head,
    HintedHeader,
    /// The batch at the frontier is next.
    Ledger,
    /// The assets of `Recovery::header`'s batch from block `next` of `assets/`.
    Assets {
        next: u64,
    },
    /// Batch headers from block `next` of `ledger/`.
    Search {
        next: u64,
    },
    /// Leftovers from block `next` of `ledger/`.
    Clear {
        next: u64,
    },
}

/// What is to be done after some blocks were looked at.
#[derive(Debug)]
pub enum LookedAt {
    /// Read what [`Recovery::wants`] says.
    Read,
    /// First write the same blocks back: they were changed.
    WriteBack,
    /// The volume can be used: see [`Recovery::found`].
    Found,
    /// The volume cannot be used; the frontier is as far as it is known.
    Unusable(VolumeState),
}

impl Found {
    /// How far content may have been written: see [`Hint::assets_written`].
    pub fn assets_written(&self, layout: &Layout) -> u64 {
        let written = self.assets_written.unwrap_or_else(|| layout.assets_end(self.frontier.ledger_next));
        written.max(self.frontier.assets_next)
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery::new()
    }
}

impl Recovery {
    pub fn new() -> Recovery {
        let found = Found {
            frontier: Frontier::EMPTY,
            header_block: 0,
            hinted_batches: None,
            assets_written: Some(0),
            hint_slot: 0,
            hints: [Some(Hint::BLANK); 2],
            cleared: false,
            identified: false,
            seen: (0, 0),
        };
        Recovery {
            step: RecoveryStep::Head,
            found,
            thorough: false,
            damaged: false,
            doubted: false,
            header: BatchHeader::new_zeroed(),
            assets: Checksummer::default(),
        }
    }

    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The blocks wanted next: the first, from the start of the volume, and how many.
    pub fn wants(&self, layout: &Layout) -> (u64, usize) {
        let within = |area: Area, next: u64, end: u64| {
            let run = layout.run(area, next);
            (run.start, (end - next).min(run.blocks).min(TRANSFER_BLOCKS as u64))
        };
        let (block, blocks) = match &self.step {
            RecoveryStep::Head => (SUPERBLOCK, 1 + HINT_BLOCKS.len() as u64),
            RecoveryStep::HintedHeader => {
                within(Area::Ledger, self.found.header_block, self.found.header_block + 1)
            }
            RecoveryStep::Ledger => within(Area::Ledger, self.found.frontier.ledger_next, self.walk_end(layout)),
            RecoveryStep::Assets { next } => within(Area::Assets, *next, self.header.assets_to.get()),
            RecoveryStep::Search { next } => within(Area::Ledger, *next, self.walk_end(layout)),
            RecoveryStep::Clear { next } => within(Area::Ledger, *next, self.clear_end(layout)),
        };
        (block, blocks as usize)
    }

    /// The block of `ledger/` from which on there is content for certain.
    fn walk_end(&self, layout: &Layout) -> u64 {
        layout.ledger_end(self.found.frontier.assets_next)
    }

    fn clear_end(&self, layout: &Layout) -> u64 {
        let Frontier { ledger_next, .. } = self.found.frontier;
        self.walk_end(layout).min(ledger_next + LEFTOVER_BLOCKS).max(ledger_next)
    }

    /// Takes the blocks wanted last. They are hostile input, and may be changed: see
    /// [`LookedAt::WriteBack`], which only comes if the disk is `writable`.
    pub fn take(&mut self, bytes: &mut [u8], expected: &Superblock, layout: &Layout, writable: bool) -> LookedAt {
        let outcome = match &mut self.step {
            RecoveryStep::Head => self.take_head(bytes, expected, layout),
            RecoveryStep::HintedHeader => self.take_hinted_header(bytes, layout),
            RecoveryStep::Ledger => self.take_ledger(bytes, &expected.volume, layout),
            RecoveryStep::Assets { next } => {
                self.assets.update(bytes);
                *next += (bytes.len() / BLOCK_SIZE) as u64;
                if *next < self.header.assets_to.get() {
                    LookedAt::Read
                } else if self.assets.finish() == self.header.assets_checksum {
                    let header = self.header;
                    self.advance(&header, layout)
                } else {
                    self.end_walk(layout)
                }
            }
            RecoveryStep::Search { next } => {
                let at = *next;
                *next += (bytes.len() / BLOCK_SIZE) as u64;
                self.take_search(bytes, at, &expected.volume, layout)
            }
            RecoveryStep::Clear { next } => {
                *next += (bytes.len() / BLOCK_SIZE) as u64;
                if writable && bytes.iter().any(|&b| b != 0) {
                    bytes.fill(0);
                    self.found.cleared = true;
                    return LookedAt::WriteBack;
                }
                LookedAt::Read
            }
        };
        if matches!(outcome, LookedAt::Read) { self.resume(layout) } else { outcome }
    }

    /// What is to be done next, after a [`LookedAt::WriteBack`] too.
    pub fn resume(&self, layout: &Layout) -> LookedAt {
        match self.step {
            RecoveryStep::Clear { next } if next == self.clear_end(layout) => LookedAt::Found,
            _ => LookedAt::Read,
        }
    }

    fn take_head(&mut self, bytes: &[u8], expected: &Superblock, layout: &Layout) -> LookedAt {
        if let Err(error) = Superblock::decode(bytes).and_then(|(found, _)| found.matches(expected)) {
            return LookedAt::Unusable(match error {
                SuperblockError::Foreign => VolumeState::Foreign,
                SuperblockError::Damaged => VolumeState::Damaged,
                SuperblockError::Version(_) => VolumeState::OtherVersion,
                SuperblockError::Inconsistent | SuperblockError::OtherVolume => VolumeState::OtherVolume,
                SuperblockError::OtherDeployment => VolumeState::OtherDeployment,
            });
        }
        self.found.identified = true;
        let mut blank = true;
        for (slot, block) in HINT_BLOCKS.into_iter().enumerate() {
            let bytes = &bytes[block as usize * BLOCK_SIZE..][..BLOCK_SIZE];
            self.found.hints[slot] = Hint::held(bytes, &expected.volume, layout);
            blank &= self.found.hints[slot] == Some(Hint::BLANK);
            let Some(hint) = Hint::find(bytes, &expected.volume, layout) else { continue };
            if self.found.hinted_batches.is_none_or(|batches| batches < hint.batches.get()) {
                self.found.frontier = hint.frontier();
                self.found.header_block = hint.last_header_block.get();
                self.found.assets_written = Some(hint.assets_written.get());
                self.found.hinted_batches = Some(hint.batches.get());
                self.found.hint_slot = 1 - slot;
            }
        }
        // Only the other slot of a hint without batches was never written.
        for slot in 0..2 {
            let other_has_batches = self.found.hints[1 - slot].is_some_and(|hint| hint.batches.get() > 0);
            self.found.hints[slot].take_if(|hint| *hint == Hint::BLANK && other_has_batches);
        }
        self.thorough = self.found.hinted_batches.is_none() && !blank;
        if self.thorough {
            self.found.assets_written = None;
        }
        self.step =
            if self.found.frontier.batches > 0 { RecoveryStep::HintedHeader } else { self.at_frontier(layout) };
        LookedAt::Read
    }

    /// The batch header a hint names was durable before the hint was written: without it, there is damage.
    fn take_hinted_header(&mut self, block: &[u8], layout: &Layout) -> LookedAt {
        let header = BatchHeader::read_from_prefix(block).ok().map(|(header, _)| header);
        let there = header.is_some_and(|header| {
            header.check == self.found.frontier.last_header
                && header.check == Domain::BatchHeader.hash(&block[..STAMP_SIZE - size_of_val(&header.check)])
        });
        if there {
            self.step = self.at_frontier(layout);
            return LookedAt::Read;
        }
        self.damaged = true;
        self.search(self.found.frontier.ledger_next, layout)
    }

    /// Looks for later batches in `ledger/` from block `next` on, or ends.
    fn search(&mut self, next: u64, layout: &Layout) -> LookedAt {
        if next < self.walk_end(layout) {
            self.step = RecoveryStep::Search { next };
        } else if self.damaged {
            return LookedAt::Unusable(VolumeState::Damaged);
        } else {
            self.step = RecoveryStep::Clear { next: self.found.frontier.ledger_next };
        }
        LookedAt::Read
    }

    /// Walks over the batches in `bytes`, which start at the frontier.
    fn take_ledger(&mut self, bytes: &[u8], volume: &[u8; 16], layout: &Layout) -> LookedAt {
        let start = self.found.frontier.ledger_next;
        loop {
            let frontier = &self.found.frontier;
            let rest = &bytes[(frontier.ledger_next - start) as usize * BLOCK_SIZE..];
            if rest.is_empty() {
                break;
            }
            let decoded = BatchHeader::decode(rest, volume, frontier, layout);
            let Ok(header) = decoded else { return self.end_walk(layout) };
            let payload = STAMP_SIZE..STAMP_SIZE + header.payload_len.get() as usize;
            let Some(payload) = rest.get(payload) else { break };
            if checksum(payload) != header.ledger_checksum {
                return self.end_walk(layout);
            }
            let next = header.assets_durable.get();
            if next < header.assets_to.get() {
                (self.header, self.assets) = (header, Checksummer::default());
                self.step = RecoveryStep::Assets { next };
                return LookedAt::Read;
            }
            if header.assets_checksum != checksum(&[]) {
                return self.end_walk(layout);
            }
            self.advance(&header, layout);
        }
        self.step = self.at_frontier(layout);
        LookedAt::Read
    }

    /// Takes in a whole batch.
    fn advance(&mut self, header: &BatchHeader, layout: &Layout) -> LookedAt {
        self.found.header_block = header.ledger_block.get();
        self.found.frontier = header.frontier_after();
        self.doubted = false;
        self.step = self.at_frontier(layout);
        LookedAt::Read
    }

    /// The step that looks at the frontier, if there is room for anything there.
    fn at_frontier(&self, layout: &Layout) -> RecoveryStep {
        let next = self.found.frontier.ledger_next;
        if next < self.walk_end(layout) { RecoveryStep::Ledger } else { RecoveryStep::Clear { next } }
    }

    /// What stands at the frontier is not a whole batch. It is looked at twice: what follows is overwritten, and a
    /// committed batch must not be because the disk returned it wrong once.
    fn end_walk(&mut self, layout: &Layout) -> LookedAt {
        if !core::mem::replace(&mut self.doubted, true) {
            self.step = RecoveryStep::Ledger;
            return LookedAt::Read;
        }
        let next = self.found.frontier.ledger_next;
        if self.thorough {
            return self.search(next, layout);
        }
        self.step = RecoveryStep::Clear { next };
        LookedAt::Read
    }

    /// Looks for batch headers of later batches than the one missing at the frontier: there is damage if there are any,
    /// and what is whole of them can be read.
    fn take_search(&mut self, bytes: &[u8], at: u64, volume: &[u8; 16], layout: &Layout) -> LookedAt {
        for (block, number) in bytes.chunks_exact(BLOCK_SIZE).zip(at..) {
            let Ok((header, _)) = BatchHeader::read_from_prefix(block) else { continue };
            // A batch header that continues a frontier made from its own fields is whole and in its place.
            let before = Frontier {
                batches: header.batch.get(),
                ledger_next: number,
                assets_next: header.assets_from.get(),
                last_header: header.previous,
                sealed: false,
            };
            let whole = BatchHeader::decode(block, volume, &before, layout);
            let Ok(header) = whole.map(|header| header.frontier_after()) else { continue };
            // Its number is one more than that of the batch it is behind.
            if header.batches > self.found.frontier.batches + 1 {
                self.damaged = true;
            }
            let (ledger, assets) = self.found.seen;
            self.found.seen = (ledger.max(header.ledger_next), assets.max(header.assets_next));
        }
        match self.step {
            RecoveryStep::Search { next } => self.search(next, layout),
            _ => LookedAt::Read,
        }
    }
}
