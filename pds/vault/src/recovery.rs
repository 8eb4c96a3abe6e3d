//! How a volume's append frontier is found again after a start: superblock, hints, and a walk from
//! stamp to stamp. Sans I/O: it says which blocks it wants and takes their bytes.
//!
//! ```text
//! Head ─ superblock wrong ──────────────────────────────► Unusable
//!  │ a hint is valid          │ both blank    │ neither
//!  ▼                          │               │ (then `thorough`)
//! HintedStamp ─ gone ─► Search  ▼             ▼
//!  └──────────────────► Ledger ⇄ Assets     a run that is not whole, twice, ends the walk
//!                         │ thorough: Search ─ later stamps, or a hinted one gone ─► Damaged
//!                         ▼
//!                       Clear ──────────────────────────► Found
//! ```
//!
//! *Clear* overwrites with zeros what is left of runs that were never acknowledged. Such leftovers are
//! the archive's bytes in places where a later walk looks for stamps: without this, a hostile archive
//! could leave a forged stamp there and have a later power cut bring it to life.

use ledger_fmt::hash::{Domain, Hasher};
use ledger_fmt::layout::{BLOCK_SIZE, HINT_BLOCKS, Layout, SUPERBLOCK, Superblock, SuperblockError};
use ledger_fmt::stamp::{Frontier, Hint, RUN_BLOCKS_MAX, STAMP_SIZE, Stamp};
use totebox_manifest::Role;
use totebox_manifest::conversation::queue;
use totebox_protocol::vault::VolumeState;
use zerocopy::{FromBytes, FromZeros};

use super::disk::TRANSFER_BLOCKS;

/// Runs accepted and not yet durable, at most: as many as an archive's ring holds requests. Recovery looks this far
/// behind the frontier for what a power cut left.
pub const RUNS_IN_FLIGHT_MAX: usize = match queue(Role::Archive, Role::Vault) {
    Some(ring) => ring.slots,
    None => panic!("archives have a ring to the vault"),
};

/// Ledger blocks behind the frontier that unacknowledged runs can have touched.
const LEFTOVER_BLOCKS: u64 = (RUNS_IN_FLIGHT_MAX * RUN_BLOCKS_MAX) as u64;

// A whole run fits one read, and so do superblock and hints.
const _: () = assert!(RUN_BLOCKS_MAX <= TRANSFER_BLOCKS);
const _: () = assert!(SUPERBLOCK == 0 && HINT_BLOCKS[0] == 1 && HINT_BLOCKS[1] == 2);

/// A recovery under way.
#[derive(Debug)]
pub struct Recovery {
    step: Step,
    found: Found,
    /// There were hints, but none is valid: the walk's end must be distrusted.
    thorough: bool,
    /// There is damage for certain; what is looked for is how far the ledger went all the same.
    damaged: bool,
    /// What stands at the frontier was not a whole run when it was looked at first.
    doubted: bool,
    /// The run at the frontier while its assets are read, and the digest of those read so far.
    stamp: Stamp,
    assets: Hasher,
}

/// What a recovery found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The frontier behind the last whole run.
    pub frontier: Frontier,
    /// Where the last stamp stands, in blocks from the start of `ledger/`; 0 if there is none.
    pub stamp_block: u64,
    /// Runs of the newest valid hint; `None` without one.
    pub hinted_runs: Option<u64>,
    /// Which of the two hints to write next.
    pub hint_slot: usize,
    /// What the two hints' blocks hold; `None` if one is damaged.
    pub hints: [Option<Hint>; 2],
    /// Leftovers were overwritten.
    pub cleared: bool,
    /// The superblock is the one this volume must have: whatever else is wrong, its archive may look at its blocks.
    pub identified: bool,
    /// Where the farthest run ends that was seen behind damage, in blocks of `ledger/` and of `assets/`.
    pub seen: (u64, u64),
}

#[derive(Debug)]
enum Step {
    Head,
    HintedStamp,
    /// The run at the frontier is next.
    Ledger,
    /// The assets of `Recovery::stamp`'s run from block `next` of `assets/`.
    Assets {
        next: u64,
    },
    /// Stamps from block `next` of `ledger/`.
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
pub enum Outcome {
    /// Read what [`Recovery::wants`] says.
    Read,
    /// First write the same blocks back: they were changed.
    WriteBack,
    /// The volume can be used: see [`Recovery::found`].
    Found,
    /// The volume cannot be used; the frontier is as far as it is known.
    Unusable(VolumeState),
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery::new()
    }
}

impl Recovery {
    /// A recovery at its start.
    pub fn new() -> Recovery {
        let found = Found {
            frontier: Frontier::EMPTY,
            stamp_block: 0,
            hinted_runs: None,
            hint_slot: 0,
            hints: [Some(Hint::BLANK); 2],
            cleared: false,
            identified: false,
            seen: (0, 0),
        };
        Recovery {
            step: Step::Head,
            found,
            thorough: false,
            damaged: false,
            doubted: false,
            stamp: Stamp::new_zeroed(),
            assets: Domain::RunAssets.hasher(),
        }
    }

    /// What was found so far.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The blocks wanted next: the first, from the start of the volume, and how many.
    pub fn wants(&self, layout: &Layout) -> (u64, usize) {
        let within = |start: u64, next: u64, end: u64| (start + next, (end - next).min(TRANSFER_BLOCKS as u64));
        let (block, blocks) = match &self.step {
            Step::Head => (SUPERBLOCK, 1 + HINT_BLOCKS.len() as u64),
            Step::HintedStamp => (layout.ledger.start + self.found.stamp_block, 1),
            Step::Ledger => within(layout.ledger.start, self.found.frontier.ledger_next, layout.ledger.blocks),
            Step::Assets { next } => within(layout.assets.start, *next, self.stamp.assets_to.get()),
            Step::Search { next } => within(layout.ledger.start, *next, layout.ledger.blocks),
            Step::Clear { next } => within(layout.ledger.start, *next, self.clear_end(layout)),
        };
        (block, blocks as usize)
    }

    fn clear_end(&self, layout: &Layout) -> u64 {
        layout.ledger.blocks.min(self.found.frontier.ledger_next + LEFTOVER_BLOCKS)
    }

    /// Takes the blocks wanted last. They are hostile input, and may be changed: see
    /// [`Outcome::WriteBack`], which only comes if the disk is `writable`.
    pub fn take(&mut self, bytes: &mut [u8], expected: &Superblock, layout: &Layout, writable: bool) -> Outcome {
        let outcome = match &mut self.step {
            Step::Head => self.take_head(bytes, expected, layout),
            Step::HintedStamp => self.take_hinted_stamp(bytes, layout),
            Step::Ledger => self.take_ledger(bytes, &expected.volume, layout),
            Step::Assets { next } => {
                self.assets.update(bytes);
                *next += (bytes.len() / BLOCK_SIZE) as u64;
                if *next < self.stamp.assets_to.get() {
                    Outcome::Read
                } else if self.assets.finish() == self.stamp.assets_digest {
                    let stamp = self.stamp;
                    self.advance(&stamp, layout)
                } else {
                    self.end_walk(layout)
                }
            }
            Step::Search { next } => {
                let at = *next;
                *next += (bytes.len() / BLOCK_SIZE) as u64;
                self.take_search(bytes, at, &expected.volume, layout)
            }
            Step::Clear { next } => {
                *next += (bytes.len() / BLOCK_SIZE) as u64;
                if writable && bytes.iter().any(|&b| b != 0) {
                    bytes.fill(0);
                    self.found.cleared = true;
                    return Outcome::WriteBack;
                }
                Outcome::Read
            }
        };
        if matches!(outcome, Outcome::Read) { self.resume(layout) } else { outcome }
    }

    /// What is to be done next, after a [`Outcome::WriteBack`] too.
    pub fn resume(&self, layout: &Layout) -> Outcome {
        match self.step {
            Step::Clear { next } if next == self.clear_end(layout) => Outcome::Found,
            _ => Outcome::Read,
        }
    }

    fn take_head(&mut self, bytes: &[u8], expected: &Superblock, layout: &Layout) -> Outcome {
        if let Err(error) = Superblock::decode(bytes).and_then(|(found, _)| found.matches(expected)) {
            return Outcome::Unusable(match error {
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
            self.found.hints[slot] = Hint::held(bytes, &expected.volume);
            blank &= self.found.hints[slot] == Some(Hint::BLANK);
            let Some((frontier, stamp_block)) = Hint::decode(bytes, &expected.volume) else { continue };
            if self.found.hinted_runs.is_none_or(|runs| runs < frontier.runs) {
                self.found.frontier = frontier;
                self.found.stamp_block = stamp_block;
                self.found.hinted_runs = Some(frontier.runs);
                self.found.hint_slot = 1 - slot;
            }
        }
        // Only the other slot of a hint without runs was never written.
        for slot in 0..2 {
            let other_has_runs = self.found.hints[1 - slot].is_some_and(|hint| hint.runs.get() > 0);
            self.found.hints[slot].take_if(|hint| *hint == Hint::BLANK && other_has_runs);
        }
        let Frontier { runs, ledger_next, assets_next, .. } = self.found.frontier;
        // Every run takes a block at least.
        if runs > ledger_next || ledger_next > layout.ledger.blocks || assets_next > layout.assets.blocks {
            self.found.identified = false;
            return Outcome::Unusable(VolumeState::Damaged);
        }
        self.thorough = self.found.hinted_runs.is_none() && !blank;
        self.step = if runs > 0 { Step::HintedStamp } else { self.at_frontier(layout) };
        Outcome::Read
    }

    /// The stamp a hint names was durable before the hint was written: without it, there is damage.
    fn take_hinted_stamp(&mut self, block: &[u8], layout: &Layout) -> Outcome {
        let stamp = Stamp::read_from_prefix(block).ok().map(|(stamp, _)| stamp);
        let there = stamp.is_some_and(|stamp| {
            stamp.check == self.found.frontier.last_stamp
                && stamp.check == Domain::Stamp.hash(&block[..STAMP_SIZE - size_of_val(&stamp.check)])
        });
        if there {
            self.step = self.at_frontier(layout);
            return Outcome::Read;
        }
        self.damaged = true;
        self.search(self.found.frontier.ledger_next, layout)
    }

    /// Looks for later runs in `ledger/` from block `next` on, or ends.
    fn search(&mut self, next: u64, layout: &Layout) -> Outcome {
        if next < layout.ledger.blocks {
            self.step = Step::Search { next };
        } else if self.damaged {
            return Outcome::Unusable(VolumeState::Damaged);
        } else {
            self.step = Step::Clear { next: self.found.frontier.ledger_next };
        }
        Outcome::Read
    }

    /// Walks over the runs in `bytes`, which start at the frontier.
    fn take_ledger(&mut self, bytes: &[u8], volume: &[u8; 16], layout: &Layout) -> Outcome {
        let start = self.found.frontier.ledger_next;
        loop {
            let frontier = &self.found.frontier;
            let rest = &bytes[(frontier.ledger_next - start) as usize * BLOCK_SIZE..];
            if rest.is_empty() {
                break;
            }
            let decoded = Stamp::decode(rest, volume, frontier, layout.ledger.blocks, layout.assets.blocks);
            let Ok(stamp) = decoded else { return self.end_walk(layout) };
            let payload = STAMP_SIZE..STAMP_SIZE + stamp.payload_len.get() as usize;
            let Some(payload) = rest.get(payload) else { break };
            if Domain::RunLedger.hash(payload) != stamp.ledger_digest {
                return self.end_walk(layout);
            }
            let next = stamp.assets_durable.get();
            if next < stamp.assets_to.get() {
                (self.stamp, self.assets) = (stamp, Domain::RunAssets.hasher());
                self.step = Step::Assets { next };
                return Outcome::Read;
            }
            if stamp.assets_digest != Domain::RunAssets.hash(&[]) {
                return self.end_walk(layout);
            }
            self.advance(&stamp, layout);
        }
        self.step = self.at_frontier(layout);
        Outcome::Read
    }

    /// Takes in a whole run.
    fn advance(&mut self, stamp: &Stamp, layout: &Layout) -> Outcome {
        self.found.stamp_block = stamp.ledger_block.get();
        self.found.frontier = stamp.frontier_after();
        self.doubted = false;
        self.step = self.at_frontier(layout);
        Outcome::Read
    }

    /// The step that looks at the frontier, if there is room for anything there.
    fn at_frontier(&self, layout: &Layout) -> Step {
        let next = self.found.frontier.ledger_next;
        if next < layout.ledger.blocks { Step::Ledger } else { Step::Clear { next } }
    }

    /// What stands at the frontier is not a whole run. It is looked at twice: what follows is overwritten, and a
    /// committed run must not be because the disk returned it wrong once.
    fn end_walk(&mut self, layout: &Layout) -> Outcome {
        if !core::mem::replace(&mut self.doubted, true) {
            self.step = Step::Ledger;
            return Outcome::Read;
        }
        let next = self.found.frontier.ledger_next;
        if self.thorough {
            return self.search(next, layout);
        }
        self.step = Step::Clear { next };
        Outcome::Read
    }

    /// Looks for stamps of later runs than the one missing at the frontier: there is damage if there are any, and what
    /// is whole of them can be read.
    fn take_search(&mut self, bytes: &[u8], at: u64, volume: &[u8; 16], layout: &Layout) -> Outcome {
        for (block, number) in bytes.chunks_exact(BLOCK_SIZE).zip(at..) {
            let Ok((stamp, _)) = Stamp::read_from_prefix(block) else { continue };
            // A stamp that continues a frontier made from its own fields is whole and in its place.
            let before = Frontier {
                runs: stamp.run.get(),
                ledger_next: number,
                assets_next: stamp.assets_from.get(),
                last_stamp: stamp.previous,
                sealed: false,
            };
            let whole = Stamp::decode(block, volume, &before, layout.ledger.blocks, layout.assets.blocks);
            let Ok(stamp) = whole.map(|stamp| stamp.frontier_after()) else { continue };
            // Its number is one more than that of the run it is behind.
            if stamp.runs > self.found.frontier.runs + 1 {
                self.damaged = true;
            }
            let (ledger, assets) = self.found.seen;
            self.found.seen = (ledger.max(stamp.ledger_next), assets.max(stamp.assets_next));
        }
        match self.step {
            Step::Search { next } => self.search(next, layout),
            _ => Outcome::Read,
        }
    }
}
