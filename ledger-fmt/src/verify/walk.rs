//! The walk itself: from the first block to the end of the batches, as a machine of steps. Some steps want
//! blocks, the others only think; every step that wants none leads to one that does, or to the end.

use super::chain::Chain;
use super::known::Known;
use super::region::{Content, Region};
use super::window::{self, Window, first_nonzero};
use super::{FindingKind, Mode, Point, Reporter, Summary, Visitor, Want};
use crate::batch_header::{BATCH_BLOCKS_MAX, BatchHeader, Frontier, STAMP_SIZE};
use crate::hash::{self, ContentHash, ContentHasher};
use crate::layout::{Area, BLOCK_SIZE, DIRECTORIES_START, Layout, Superblock};
use crate::payload;
use crate::record::{RECORD_ALIGN, RECORD_MAX, Record};

/// Verifies one volume: ask [`Verifier::want`], read those blocks, [`Verifier::feed`] them (or say
/// [`Verifier::unreadable`]), until nothing is wanted. About 40 KiB; allocates nothing.
pub struct Verifier {
    expected: Superblock,
    layout: Layout,
    mode: Mode,
    /// Nothing behind this block of `ledger/` is looked at.
    limit: u64,
    /// Up to here everything must be whole.
    bound: Frontier,
    /// Where the walk stands, and where the last batch header before stands, if it was read.
    frontier: Frontier,
    last_header_block: Option<u64>,
    known: Known,
    window: Window,
    region: Region,
    content: Option<Content>,
    /// Of the content, where it is read in pieces; and whether SHA-256 is compared too.
    hasher: ContentHasher,
    sha256: bool,
    chain: Chain,
    step: WalkStep,
    /// Blocks still to be read one by one, because reading them together failed.
    singly: usize,
    /// The block of `ledger/` the walk began at, and the bytes after which it ends between two batches.
    began: u64,
    budget: u64,
    report: Reporter,
    documents: u64,
    content_bytes: u64,
    bytes_read: u64,
    tail: Option<u64>,
}

/// What is done next. Blocks `next..end` are wanted.
#[derive(Clone, Copy)]
enum WalkStep {
    Labels {
        end: u64,
    },
    Frontier,
    /// Read `ledger/` up to `end` into the window, and on to `ahead` if all of it can be read, for a batch (or
    /// else for the records of the region).
    Fill {
        end: u64,
        ahead: u64,
        batch: bool,
    },
    /// Read the asset blocks under the batch's checksum: to see whether a batch behind the bound is whole
    /// (`probe`), or because some of them belong to no record.
    Checksum {
        next: u64,
        end: u64,
        probe: bool,
    },
    /// Look for a batch header from here on.
    Search {
        next: u64,
        end: u64,
    },
    Records,
    Content {
        next: u64,
        end: u64,
    },
    Close,
    Done,
}

static ZEROS: [u8; BLOCK_SIZE] = [0; BLOCK_SIZE];

impl Verifier {
    /// A verifier of the volume that must have this superblock. `claimed` is the frontier its vault says
    /// it has; without one the volume is taken as a disk that is not in service.
    ///
    /// # Panics
    /// If the superblock declares no possible layout; one from a manifest or from
    /// [`Superblock::decode`] does.
    pub fn new(expected: &Superblock, claimed: Option<Frontier>, mode: Mode) -> Self {
        let layout = expected.layout().expect("a checked superblock");
        let blocks = layout.blocks_of(Area::Ledger);
        Verifier {
            expected: *expected,
            layout,
            mode,
            limit: claimed.map_or(blocks, |claimed| claimed.ledger_next.min(blocks)),
            bound: Frontier::EMPTY,
            frontier: Frontier::EMPTY,
            last_header_block: Some(0),
            known: Known::new(claimed),
            window: Window::new(),
            region: Region::lost(&Frontier::EMPTY, &Frontier::EMPTY, 0),
            content: None,
            hasher: ContentHasher::default(),
            sha256: true,
            chain: Chain::at(&Point::START),
            step: WalkStep::Labels { end: DIRECTORIES_START },
            began: 0,
            budget: u64::MAX,
            singly: 0,
            report: Reporter { findings: 0 },
            documents: 0,
            content_bytes: 0,
            bytes_read: 0,
            tail: None,
        }
    }

    /// A verifier of what such a volume has gained since it was verified up to `point`, superblock and hints
    /// included. At `point` nothing but the volume that was verified then can go on. Of content BLAKE3 alone is
    /// compared, as in [`Verifier::sample`].
    ///
    /// # Panics
    /// As [`Verifier::new`].
    pub fn resume(expected: &Superblock, claimed: Frontier, mode: Mode, point: &Point) -> Self {
        let mut verifier = Verifier::new(expected, Some(claimed), mode);
        verifier.begin_at(point);
        verifier.known.remember(point.frontier, point.head);
        verifier.sha256 = false;
        verifier
    }

    /// A verifier of a stretch of such a volume that was verified up to the frontier `end`: from `point` on,
    /// until `bytes` were read and the batch that was begun is complete. No superblock, no hints.
    ///
    /// # Panics
    /// As [`Verifier::new`].
    pub fn sample(expected: &Superblock, end: Frontier, point: &Point, bytes: u64) -> Self {
        let mut verifier = Verifier::new(expected, Some(end), Mode::Full);
        verifier.begin_at(point);
        (verifier.bound, verifier.budget, verifier.sha256) = (end, bytes, false);
        let at = point.frontier.ledger_next;
        verifier.step = if at < verifier.limit { verifier.fill(at, at + 1, true) } else { WalkStep::Done };
        verifier
    }

    fn begin_at(&mut self, point: &Point) {
        self.frontier = point.frontier;
        self.began = point.frontier.ledger_next;
        // Hints may name frontiers from before.
        self.last_header_block = None;
        self.chain = Chain::at(point);
    }

    /// The volume was seen at this point before: one that no longer goes through it was rolled back.
    pub fn remember(&mut self, point: &Point) {
        self.known.remember(point.frontier, point.head);
    }

    /// Where the walk stands, when it has ended: where a later one can begin.
    pub fn point(&self) -> Point {
        Point { frontier: self.frontier, head: self.chain.head, tree: self.chain.whole_tree() }
    }

    /// The block of `ledger/` in which the last batch header before where the walk stands is, 0 if there is none;
    /// `None` directly behind lost batch headers.
    pub fn last_header_block(&self) -> Option<u64> {
        self.last_header_block
    }

    /// The blocks to be read next; `None` when the verification is complete.
    pub fn want(&self) -> Option<Want> {
        let (area, next, end) = self.reading()?;
        let most = if self.singly > 0 { 1 } else { BATCH_BLOCKS_MAX as u64 };
        let blocks = (end - next).min(self.layout.run(area, next).blocks).min(most) as usize;
        let content = self.content.as_ref().map(|content| content.len);
        let content = content.filter(|len| len.div_ceil(BLOCK_SIZE as u64) == blocks as u64);
        Some(Want { area, block: next, blocks, content })
    }

    /// Takes the blocks wanted.
    ///
    /// # Panics
    /// If `bytes` is not as long as the blocks wanted.
    pub fn feed(&mut self, bytes: &[u8], visitor: &mut dyn Visitor) {
        self.bytes_read += bytes.len() as u64;
        self.take(bytes, true, visitor);
    }

    /// Takes the blocks wanted, which are all of a content ([`Want::content`]), and has its hashes already:
    /// [`hash::content`] of these very bytes, up to the content's end.
    ///
    /// # Panics
    /// If those are not the blocks wanted.
    pub fn feed_hashed(&mut self, bytes: &[u8], hash: ContentHash, visitor: &mut dyn Visitor) {
        let whole = self.want().is_some_and(|want| want.content.is_some());
        self.content.as_mut().filter(|_| whole).expect("not all of a content").hash = Some(hash);
        self.feed(bytes, visitor);
    }

    /// The blocks wanted cannot be read. They are asked for again, one by one, to find out which.
    pub fn unreadable(&mut self, visitor: &mut dyn Visitor) {
        match self.want() {
            Some(want) if want.blocks > 1 => self.singly = want.blocks,
            Some(_) => self.take(&ZEROS, false, visitor),
            None => {}
        }
    }

    /// What was found out; final once nothing is wanted any more.
    pub fn summary(&self) -> Summary {
        Summary {
            records: self.chain.head.records,
            documents: self.documents,
            content_bytes: self.content_bytes,
            bytes_read: self.bytes_read,
            findings: self.report.findings,
            head: self.chain.head.hash,
            tree: self.chain.tree,
            frontier: self.frontier,
            tail: self.tail,
        }
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Where the directories of the volume are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What will be read: so many blocks of `ledger/` and of `assets/`, each from front to back unless there is damage.
    /// Known when the first blocks were read; offline, batches behind the newest hint come on top.
    pub fn expected(&self) -> [(Area, u64); 2] {
        let assets = if self.mode == Mode::Full { self.bound.assets_next } else { 0 };
        [(Area::Ledger, self.bound.ledger_next), (Area::Assets, assets)]
    }

    /// What the present step reads: blocks of an area, from and to.
    fn reading(&self) -> Option<(Area, u64, u64)> {
        match self.step {
            WalkStep::Labels { end } => Some((Area::Volume, self.window.end(), end)),
            // Where reading fails, nothing is read ahead: only what is needed may be called unreadable.
            WalkStep::Fill { end, ahead, .. } => {
                Some((Area::Ledger, self.window.end(), if self.singly > 0 { end } else { ahead }))
            }
            WalkStep::Search { next, end } => Some((Area::Ledger, next, end)),
            WalkStep::Checksum { next, end, .. } | WalkStep::Content { next, end } => {
                Some((Area::Assets, next, end))
            }
            WalkStep::Frontier | WalkStep::Records | WalkStep::Close | WalkStep::Done => None,
        }
    }

    fn take(&mut self, bytes: &[u8], readable: bool, visitor: &mut dyn Visitor) {
        let (area, first, end) = self.reading().expect("nothing is wanted");
        let blocks = self.want().map_or(0, |want| want.blocks);
        assert_eq!(bytes.len(), blocks * BLOCK_SIZE, "not the blocks that were wanted");
        self.singly = self.singly.saturating_sub(blocks);
        // What a search passes over is read again, for its records.
        if !readable && !matches!(self.step, WalkStep::Search { .. }) {
            let record = self.content.as_ref().map(|content| content.sequence);
            self.report.finding(visitor, FindingKind::Unreadable, area, first, record);
        }
        let next = first + blocks as u64;
        let complete = next == end;
        self.step = match self.step {
            WalkStep::Labels { .. } | WalkStep::Fill { .. } => {
                self.window.push(bytes, readable);
                match self.step {
                    step if !complete => step,
                    WalkStep::Labels { .. } => self.labels(visitor),
                    WalkStep::Fill { batch: true, .. } => WalkStep::Frontier,
                    _ => WalkStep::Records,
                }
            }
            WalkStep::Search { end, .. } => self.search(first, end, bytes, visitor),
            WalkStep::Checksum { end, probe, .. } => {
                self.region.checksum.update(bytes);
                self.region.assets_reported |= !readable;
                if complete { self.checksummed(probe, visitor) } else { WalkStep::Checksum { next, end, probe } }
            }
            WalkStep::Content { end, .. } => {
                self.content(bytes, readable, visitor);
                if complete { self.content_end(end, visitor) } else { WalkStep::Content { next, end } }
            }
            step => step,
        };
        self.think(visitor);
    }

    /// Goes on until blocks are wanted, or to the end.
    fn think(&mut self, visitor: &mut dyn Visitor) {
        loop {
            self.step = match self.step {
                WalkStep::Frontier => self.at_frontier(visitor),
                WalkStep::Records => self.records(visitor),
                WalkStep::Close => self.close(visitor),
                _ => return,
            };
        }
    }

    fn labels(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        let Verifier { known, window, expected, layout, report, .. } = self;
        self.bound = known.read(window, expected, layout, report, visitor);
        self.window.clear();
        WalkStep::Frontier
    }

    /// Reads on so that the window begins at `block` and holds all before `end`.
    fn fill(&mut self, block: u64, end: u64, batch: bool) -> WalkStep {
        self.window.move_to(block);
        let ahead = (block + window::BLOCKS as u64).min(self.limit()).max(end);
        WalkStep::Fill { end, ahead, batch }
    }

    /// The block of `ledger/` at which looking for batches ends: behind a seal there is none, and where there is content
    /// it may be made of batch headers. Up to the bound everything is looked at.
    fn limit(&self) -> u64 {
        let Frontier { ledger_next, assets_next, sealed, .. } = self.frontier;
        let end = if sealed { ledger_next } else { self.layout.ledger_end(assets_next) };
        self.limit.min(end.max(self.bound.ledger_next))
    }

    fn at_frontier(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        let at = self.frontier.ledger_next;
        self.known.compare(&self.frontier, &self.chain.head, self.last_header_block, &mut self.report, visitor);
        if at >= self.limit() {
            return self.finish(visitor);
        }
        if self.bytes_read >= self.budget && at > self.began {
            return WalkStep::Done;
        }
        if !self.window.covers(at, at + 1) {
            return self.fill(at, at + 1, true);
        }
        let decoded =
            BatchHeader::decode(self.window.block(at), &self.expected.volume, &self.frontier, &self.layout);
        let Ok(header) = decoded else { return self.not_whole(visitor) };
        let end = at + u64::from(header.ledger_blocks.get());
        if !self.window.covers(at, end) {
            return self.fill(at, end, true);
        }
        let start = at * BLOCK_SIZE as u64 + STAMP_SIZE as u64;
        let records = self.window.bytes(start, start + u64::from(header.payload_len.get()));
        let sound = hash::checksum(records) == header.ledger_checksum;
        self.region = Region::batch(&header, sound, self.report.findings);
        if at < self.bound.ledger_next {
            self.enter(visitor)
        } else if sound {
            self.checksum(true, visitor)
        } else {
            self.not_whole(visitor)
        }
    }

    /// Looks at the asset blocks under the batch's checksum.
    fn checksum(&mut self, probe: bool, visitor: &mut dyn Visitor) -> WalkStep {
        let (next, end) = (self.region.checksum_from, self.region.assets_to);
        if next < end { WalkStep::Checksum { next, end, probe } } else { self.checksummed(probe, visitor) }
    }

    fn checksummed(&mut self, probe: bool, visitor: &mut dyn Visitor) -> WalkStep {
        let region = &mut self.region;
        region.checksummed = true;
        let matches = region.checksum.finish() == region.checksum_expected;
        match (probe, matches) {
            (true, true) => return self.enter(visitor),
            (true, false) => return self.not_whole(visitor),
            (false, false) if !region.assets_reported => {
                let block = region.unreferenced.unwrap_or(region.checksum_from);
                self.report.finding(visitor, FindingKind::Asset, Area::Assets, block, None);
            }
            (false, _) => {}
        }
        WalkStep::Close
    }

    /// Begins with the records of a batch that is to be taken as committed.
    fn enter(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        let Region { end, after, .. } = self.region;
        let padding = self.window.bytes(end, after.ledger_next * BLOCK_SIZE as u64);
        if let Some(offset) = first_nonzero(padding) {
            let block = (end + offset as u64) / BLOCK_SIZE as u64;
            self.report.finding(visitor, FindingKind::Record, Area::Ledger, block, None);
        }
        WalkStep::Records
    }

    /// There is no whole batch at the frontier.
    fn not_whole(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        let at = self.frontier.ledger_next;
        if at < self.bound.ledger_next {
            // The block itself is not read again: what it held once is what it holds, or this may never end.
            if let Some(header) = self.following(self.window.block(at), at).filter(|header| self.within(header)) {
                return self.lost(header.frontier_before(), visitor);
            }
            return self.search_on(at + 1, self.bound.ledger_next, visitor);
        }
        let end = self.limit();
        if self.known.hints_lost(&self.frontier) && at + 1 < end {
            return WalkStep::Search { next: at + 1, end };
        }
        self.end_of_batches(visitor)
    }

    /// The walk has come to where the ledger may end.
    fn end_of_batches(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        let at = self.frontier.ledger_next;
        self.tail = first_nonzero(self.window.block(at)).map(|_| at);
        self.finish(visitor)
    }

    fn finish(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        self.known.finish(&self.frontier, &mut self.report, visitor);
        WalkStep::Done
    }

    /// Looks for a batch header behind the frontier in blocks from `first` on.
    fn search(&mut self, first: u64, end: u64, bytes: &[u8], visitor: &mut dyn Visitor) -> WalkStep {
        let committed = self.frontier.ledger_next < self.bound.ledger_next;
        for (block, at) in bytes.chunks_exact(BLOCK_SIZE).zip(first..) {
            let Some(header) = self.following(block, at) else { continue };
            let before = header.frontier_before();
            if committed && self.within(&header) {
                return self.lost(before, visitor);
            }
            if !committed {
                // There are later batches, so what lies before them was committed.
                self.bound = before;
                return WalkStep::Frontier;
            }
        }
        self.search_on(first + (bytes.len() / BLOCK_SIZE) as u64, end, visitor)
    }

    /// Looks for a batch header from block `next` on.
    fn search_on(&mut self, next: u64, end: u64, visitor: &mut dyn Visitor) -> WalkStep {
        if next < end {
            WalkStep::Search { next, end }
        } else if self.frontier.ledger_next < self.bound.ledger_next {
            self.lost(self.bound, visitor)
        } else {
            self.end_of_batches(visitor)
        }
    }

    /// The batch header in the block `at` of `ledger/`, if it may follow the frontier.
    fn following(&self, block: &[u8], at: u64) -> Option<BatchHeader> {
        let header = BatchHeader::find(block, &self.expected.volume, at, &self.layout).ok()?;
        let (before, frontier) = (header.frontier_before(), &self.frontier);
        let batches = before.batches.checked_sub(frontier.batches)?;
        let follows = before.assets_next >= frontier.assets_next && batches <= at - frontier.ledger_next;
        follows.then_some(header)
    }

    /// Whether the frontier behind this batch is not beyond the bound.
    fn within(&self, header: &BatchHeader) -> bool {
        let after = header.frontier_after();
        after.batches <= self.bound.batches
            && after.ledger_next <= self.bound.ledger_next
            && after.assets_next <= self.bound.assets_next
    }

    /// The batch header at the frontier is lost. The walk goes on at `to`; whole records are sought before it.
    fn lost(&mut self, to: Frontier, visitor: &mut dyn Visitor) -> WalkStep {
        let at = self.frontier.ledger_next;
        if self.window.readable(at) {
            let never = to.ledger_next == self.bound.ledger_next && first_nonzero(self.window.block(at)).is_none();
            // A whole batch header behind a frontier seen before, of another history: so is all before it.
            let found = BatchHeader::find(self.window.block(at), &self.expected.volume, at, &self.layout);
            let other = self.known.is_remembered(&self.frontier) && found.is_ok();
            let kind = if never || other { FindingKind::Rollback } else { FindingKind::BatchHeader };
            self.report.finding(visitor, kind, Area::Ledger, at, None);
        }
        self.chain.interrupted(at * BLOCK_SIZE as u64);
        self.region = Region::lost(&self.frontier, &to, self.report.findings);
        WalkStep::Records
    }

    fn records(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        loop {
            let Region { at, end, headed, sound, .. } = self.region;
            if at >= end {
                return WalkStep::Close;
            }
            let stop = end.min(at + RECORD_MAX as u64);
            let (first, last) = (at / BLOCK_SIZE as u64, stop.div_ceil(BLOCK_SIZE as u64));
            if !self.window.covers(first, last) {
                return self.fill(first, last, false);
            }
            let decoded = Record::decode(self.window.bytes(at, stop)).ok();
            let whole = decoded.filter(|(record, _)| sound || self.chain.plausible(record, at));
            let Some((record, len)) = whole else {
                if headed {
                    self.chain.damaged(at, &mut self.report, visitor);
                } else {
                    self.chain.interrupted(at);
                }
                self.region.at += RECORD_ALIGN as u64;
                continue;
            };
            self.chain.accept(&record, at, &self.expected, &mut self.report, visitor);
            visitor.record(&record, first, (at % BLOCK_SIZE as u64) as usize);
            let (sequence, document) = (record.header.sequence.get(), record.document());
            self.region.at += len as u64;
            let Some(document) = document else { continue };
            let content = document.content;
            self.documents += 1;
            self.content_bytes = self.content_bytes.saturating_add(content.map_or(0, |content| content.size));
            if let Some(content) = content
                && let Some(step) = self.begin_content(sequence, &content, first, visitor)
            {
                return step;
            }
        }
    }

    /// Begins to read the content of the record in this block of `ledger/`, if there is any to read.
    fn begin_content(
        &mut self,
        sequence: u64,
        content: &payload::Content,
        ledger_block: u64,
        visitor: &mut dyn Visitor,
    ) -> Option<WalkStep> {
        let region = &mut self.region;
        let &payload::Content { size: len, hash: expected, block } = content;
        let end = if len == 0 {
            Some(region.assets_next)
        } else {
            let end = block.checked_add(len.div_ceil(BLOCK_SIZE as u64));
            end.filter(|&end| region.assets_next <= block && end <= region.assets_to)
        };
        let Some(end) = end else {
            self.report.finding(visitor, FindingKind::Record, Area::Ledger, ledger_block, Some(sequence));
            if self.mode == Mode::Full {
                visitor.content_end(sequence, false);
            }
            return None;
        };
        if self.mode == Mode::Ledger {
            region.assets_next = end;
            return None;
        }
        self.content = Some(Content { sequence, block, len, done: 0, expected, hash: None, unreadable: false });
        self.hasher.reset();
        if len == 0 {
            return Some(self.content_end(end, visitor));
        }
        region.leave_out(block);
        Some(WalkStep::Content { next: block, end })
    }

    fn content(&mut self, bytes: &[u8], readable: bool, visitor: &mut dyn Visitor) {
        let Some(content) = &mut self.content else { return };
        content.unreadable |= !readable;
        let left = usize::try_from(content.len - content.done).unwrap_or(usize::MAX);
        let (body, padding) = bytes.split_at(left.min(bytes.len()));
        match (body.len() as u64 == content.len, self.sha256) {
            (true, true) => content.hash = content.hash.or_else(|| Some(hash::content(body))),
            (false, true) => self.hasher.update(body),
            (_, false) => self.hasher.update_blake3(body),
        }
        visitor.content(content.sequence, content.done, body);
        content.done += body.len() as u64;
        if first_nonzero(padding).is_some() {
            let last = content.block + (content.len - 1) / BLOCK_SIZE as u64;
            self.report.finding(visitor, FindingKind::Asset, Area::Assets, last, Some(content.sequence));
            self.region.assets_reported = true;
        }
    }

    /// All content of the record was read; it ends before the asset block `end`.
    fn content_end(&mut self, end: u64, visitor: &mut dyn Visitor) -> WalkStep {
        self.region.assets_next = end;
        if let Some(content) = self.content.take() {
            let mut hash = content.hash.unwrap_or_else(|| self.hasher.finish());
            if !self.sha256 {
                hash.sha256 = content.expected.sha256;
            }
            let sound = hash == content.expected && !content.unreadable;
            if !sound && !content.unreadable {
                let Content { block, sequence, .. } = content;
                self.report.finding(visitor, FindingKind::Asset, Area::Assets, block, Some(sequence));
            }
            self.region.assets_reported |= !sound;
            visitor.content_end(content.sequence, sound);
        }
        WalkStep::Records
    }

    fn close(&mut self, visitor: &mut dyn Visitor) -> WalkStep {
        let region = &mut self.region;
        if region.headed && self.mode == Mode::Full {
            region.leave_out(region.assets_to);
            // Where every block belongs to a record whose content is sound, the checksum can say nothing new.
            if region.unreferenced.is_some() && !region.checksummed && !region.assets_reported {
                return self.checksum(false, visitor);
            }
        }
        // Whole records, but not those the vault committed.
        if region.headed && !region.sound && self.report.findings == region.findings_before {
            self.report.finding(visitor, FindingKind::Record, Area::Ledger, region.block, None);
        }
        self.frontier = region.after;
        self.last_header_block = region.last_header_block;
        WalkStep::Frontier
    }
}
