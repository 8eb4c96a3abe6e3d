//! Reads a volume's blocks through the vault, ahead of what is wanted, so that the disk works while the
//! verifier hashes.
//!
//! A verifier walks `ledger/` and `assets/` each from front to back, in turns. So each has a *stream* of
//! its own: a stretch of blocks held in memory, of which the front is wanted and the back is still under
//! way. A want outside the stretch starts the stream anew there.

use alloc::boxed::Box;
use alloc::vec;

use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, Frontier};
use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout};
use ledger_fmt::verify::Want;
use totebox_vault_client::{Received, VaultClient};

use super::{Purpose, READS_MAX};

/// Blocks one request reads: as many as a message carries, and as a want has at most.
const READ_BLOCKS: usize = BATCH_BLOCKS_MAX;

/// Blocks a stream holds or has under way ahead of its reader: one request fed, one waiting, one coming.
const AHEAD: usize = 3 * READ_BLOCKS;

/// Blocks of a stream's buffer: so much larger than [`AHEAD`] that its content is seldom moved.
const BUFFER: usize = 2 * AHEAD;

pub enum Blocks<'a> {
    /// They are here.
    Ready(&'a [u8]),
    /// They are under way, or will be when the vault has answered something.
    UnderWay,
    /// The vault could not read them.
    Failed,
}

/// The request of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    stream: usize,
    /// Blocks asked for before the stream was last started anew are nobody's any more.
    generation: u32,
    blocks: usize,
}

/// A stretch of blocks, numbered within their area.
struct Stream {
    bytes: Box<[u8]>,
    area: Area,
    /// The first block held, and its place in the buffer.
    first: u64,
    offset: usize,
    /// Blocks held.
    held: usize,
    /// Blocks under way behind them.
    under_way: usize,
    generation: u32,
    /// Nothing is read ahead: some read has failed, and what is wanted may be readable none the less.
    careful: bool,
    /// The read of what is wanted, and nothing else, has failed.
    failed: bool,
}

pub struct Reader {
    volume: u8,
    layout: Layout,
    /// Read ahead up to here.
    frontier: Frontier,
    streams: [Stream; 2],
}

impl Stream {
    fn new() -> Stream {
        Stream {
            bytes: vec![0; BUFFER * BLOCK_SIZE].into_boxed_slice(),
            area: Area::Volume,
            first: 0,
            offset: 0,
            held: 0,
            under_way: 0,
            generation: 0,
            careful: false,
            failed: false,
        }
    }

    fn restart(&mut self, area: Area, first: u64) {
        (self.area, self.first, self.offset) = (area, first, 0);
        (self.held, self.under_way, self.failed) = (0, 0, false);
        self.generation = self.generation.wrapping_add(1);
    }

    /// Makes `block` the first one held.
    fn move_to(&mut self, area: Area, block: u64) {
        let passed = block.checked_sub(self.first).filter(|&passed| passed <= self.held as u64);
        match passed {
            Some(passed) if self.area == area => {
                self.first = block;
                self.offset += passed as usize;
                self.held -= passed as usize;
            }
            _ => self.restart(area, block),
        }
    }

    /// Makes room for `blocks` behind those held and under way.
    fn make_room(&mut self, blocks: usize) {
        if self.offset + self.held + self.under_way + blocks > BUFFER {
            let from = self.offset * BLOCK_SIZE;
            self.bytes.copy_within(from..from + self.held * BLOCK_SIZE, 0);
            self.offset = 0;
        }
    }

    /// The next request towards `wanted` blocks, and further if there are blocks up to `end`.
    /// What is not in one piece on the disk takes several.
    fn next_request(&self, wanted: usize, end: u64, layout: &Layout) -> Option<(u64, usize)> {
        let asked = self.held + self.under_way;
        let next = self.first + asked as u64;
        let missing = wanted.saturating_sub(asked);
        let ahead = end.saturating_sub(next).min(READ_BLOCKS as u64) as usize;
        let blocks = match self.careful {
            true => missing,
            false if missing > 0 => missing.max(ahead),
            false if asked + ahead <= AHEAD + wanted => ahead,
            false => 0,
        };
        let run = layout.run(self.area, next).blocks.min(READ_BLOCKS as u64) as usize;
        let blocks = blocks.min(run);
        (blocks > 0).then_some((next, blocks))
    }
}

impl Reader {
    pub fn new(layout: Layout) -> Reader {
        Reader { volume: 0, layout, frontier: Frontier::EMPTY, streams: [Stream::new(), Stream::new()] }
    }

    /// Starts on another volume, committed up to `frontier`.
    pub fn begin(&mut self, volume: u8, layout: Layout, frontier: Frontier) {
        (self.volume, self.layout, self.frontier) = (volume, layout, frontier);
        for stream in &mut self.streams {
            stream.restart(Area::Volume, 0);
            stream.careful = false;
        }
    }

    /// The blocks wanted, if they are here; else asks the vault for them. Asks for those behind them, too.
    pub fn get(&mut self, vault: &mut VaultClient<Purpose>, want: Want) -> Blocks<'_> {
        let Want { area, block, .. } = want;
        let index = usize::from(area == Area::Assets);
        let end = match area {
            Area::Assets => self.frontier.assets_next,
            Area::Ledger => self.frontier.ledger_next,
            Area::Input | Area::Volume => 0,
        };
        let volume = self.volume;
        let stream = &mut self.streams[index];
        stream.move_to(area, block);
        if core::mem::take(&mut stream.failed) {
            return Blocks::Failed;
        }
        while vault.in_flight() < READS_MAX {
            let Some((next, blocks)) = stream.next_request(want.blocks, end, &self.layout) else { break };
            stream.make_room(blocks);
            let ticket = Ticket { stream: index, generation: stream.generation, blocks };
            if !vault.read(Purpose::Blocks(ticket), volume, area, next, blocks) {
                break;
            }
            stream.under_way += blocks;
        }
        if stream.held < want.blocks {
            return Blocks::UnderWay;
        }
        stream.careful &= want.blocks == 1;
        let from = stream.offset * BLOCK_SIZE;
        Blocks::Ready(&stream.bytes[from..from + want.blocks * BLOCK_SIZE])
    }

    pub fn receive(&mut self, vault: &VaultClient<Purpose>, ticket: Ticket, reply: &Received<Purpose>) {
        let stream = &mut self.streams[ticket.stream];
        if ticket.generation != stream.generation {
            return;
        }
        if reply.is_ok() {
            let from = (stream.offset + stream.held) * BLOCK_SIZE;
            vault.data(&mut stream.bytes[from..from + reply.len]);
            stream.held += ticket.blocks;
            stream.under_way -= ticket.blocks;
        } else {
            // Those behind it that are under way would leave a gap.
            stream.generation = stream.generation.wrapping_add(1);
            stream.under_way = 0;
            stream.failed = stream.careful;
            stream.careful = true;
        }
    }
}
