//! The archive's own scrub: in the background, while nothing else is to be done, it reads what it has
//! committed and compares it with what it knows. Apart from the auditor's verification in code and in memory,
//! so that the two can disagree.
//!
//! A pass reads batch after batch up to where the ledger ended when it began: batch header and checksum, each record's
//! check, sequence and previous hash, each content's BLAKE3; at the end the head and the tree must be those the
//! archive has in memory. The first thing wrong ends it.
//!
//! **What it costs others.** One read is under way at a time, none while a document is. Of those between two signs of
//! life a few ([`READS_PER_BEAT`]) are reads like any other, so that a pass ends however busy the disk is; the rest
//! ([`BACKGROUND_PER_BEAT`]) the vault serves when it has nothing else to do, one at a time over all archives. A
//! document never waits for more than one read. Between two passes there is a pause of at least a period, and of
//! [`REST`] times what the pass took.
//!
//! **What is served.** A document or listing that turns out not to be what was committed counts as if a pass had found
//! it: otherwise only who read it would know. One place at a time is told, until the next pass ends.
//!
//! **Restarts.** Now and then it keeps its [`Position`], and a start goes on there. A pass that went on from one and
//! finds something begins anew before anything is told; the passes after it begin at the first batch anyway.

use alloc::boxed::Box;
use alloc::vec;

use ledger_fmt::batch_header::{BATCH_BLOCKS_MAX, Frontier, STAMP_SIZE};
use ledger_fmt::hash::Hasher;
use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout};
use ledger_fmt::payload;
use totebox_ledger_writer::{Batch, LedgerWriter, NoBatch, State, Totals};
use totebox_manifest::conversation::VAULT_DATA;
use totebox_protocol::flag::Place;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{Check, OwnCheck};
use totebox_protocol::vault::Op;
use totebox_vault_client::{Received, VaultClient};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::position::{POSITION_BLOCK, Position};
use super::{Purpose, VOLUME};

/// Reads of at most 32 KiB between two signs of life that wait for nobody: with one a second, 256 KiB/s.
pub const READS_PER_BEAT: u32 = 8;

/// Reads between two signs of life that the vault serves when it has nothing else to do: with one a second, 16 MiB/s,
/// which leaves half of an archive's CPU budget for the documents that may come.
pub const BACKGROUND_PER_BEAT: u32 = 512;

/// The position is kept after so many reads: what a restart can cost, and a write of one block in 32 MiB read.
pub const READS_PER_POSITION: u32 = 1024;

/// A pause between two passes is at least so many times as long as the pass was.
const REST: u64 = 3;

/// Blocks of one read.
const READ_BLOCKS: u64 = (VAULT_DATA / BLOCK_SIZE) as u64;

/// Time between two passes where the deployment has no audit period.
const PERIOD_MS_DEFAULT: u64 = 3_600_000;

pub fn period_ms(header: &totebox_manifest::Header) -> u64 {
    match header.audit_period_s.get() {
        0 => PERIOD_MS_DEFAULT,
        period_s => u64::from(period_s) * 1000,
    }
}

/// Something wrong that was found beside a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// [`Check::Mismatch`] or [`Check::Unreadable`].
    pub check: Check,
    /// Where the block is counted.
    pub area: Area,
    /// The block, or one not far before it.
    pub block: u64,
    pub record: Option<u64>,
}

/// How the last pass ended, or what was found since.
#[derive(Clone, Copy, Debug)]
struct ScrubEnd {
    check: Check,
    area: Area,
    block: u64,
    record: Option<u64>,
    records: u64,
}

impl ScrubEnd {
    const fn wrong(check: Check, area: Area, block: u64, record: Option<u64>) -> ScrubEnd {
        ScrubEnd { check, area, block, record, records: 0 }
    }
}

/// Whether a pass can go on where one before the start had come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restore {
    Due,
    UnderWay,
    /// It was, or there was no use for it.
    Done,
}

/// The pass that is under way.
#[derive(Debug)]
struct Pass {
    /// It went on where one before the start had come to.
    resumed: bool,
    began_ms: u64,
    frontier: Frontier,
    totals: Totals,
    /// What the ledger added up to, and where it ended, when the pass began.
    expected: Totals,
    end: u64,
    /// The ledger blocks held: the first one, their bytes, and where in them the next batch begins.
    base: u64,
    len: usize,
    batch_at: usize,
    /// Where the next record of the batch looked at stands, and where its records end.
    at: usize,
    records_end: usize,
    /// The frontier behind that batch.
    after: Frontier,
    content: Option<Content>,
    /// Where `assets/` ended when the pass began, and the blocks of it that are held: the first, and how many.
    assets_end: u64,
    held: u64,
    held_blocks: u64,
    /// A read ahead of what is needed has failed: no further than that the next time.
    careful: bool,
}

/// Content that is being read.
#[derive(Debug)]
struct Content {
    record: u64,
    block: u64,
    len: u64,
    done: u64,
    expected: ledger_fmt::Hash,
    hasher: Hasher,
}

pub struct Scrub {
    pass: Option<Pass>,
    batch: Box<[u8]>,
    blocks: Box<[u8]>,
    under_way: bool,
    reads_left: u32,
    background_left: u32,
    period_ms: u64,
    /// When the last pass ended: uptime and wall clock; and when the next one may begin.
    ended_at: Option<(u64, u64)>,
    due_ms: u64,
    restore: Restore,
    position: Box<Position>,
    /// Reads since the position was kept.
    unkept: u32,
    /// What was kept is of no use any more: it is to be cleared.
    outdated: bool,
    passes: u64,
    last: Option<ScrubEnd>,
}

impl Scrub {
    /// None made yet; one is due every `period_ms`.
    pub fn new(period_ms: u64) -> Scrub {
        Scrub {
            pass: None,
            batch: vec![0; BATCH_BLOCKS_MAX * BLOCK_SIZE].into_boxed_slice(),
            blocks: vec![0; VAULT_DATA].into_boxed_slice(),
            under_way: false,
            reads_left: 0,
            background_left: 0,
            period_ms,
            ended_at: None,
            due_ms: 0,
            restore: Restore::Due,
            position: Position::new_box_zeroed().expect("the heap holds what the domain is made of"),
            unkept: 0,
            outdated: false,
            passes: 0,
            last: None,
        }
    }

    /// A sign of life is due: the pass may go on, or a new one begin.
    pub fn beat(&mut self, ledger: &LedgerWriter<Purpose>, uptime_ms: u64) {
        (self.reads_left, self.background_left) = (READS_PER_BEAT, BACKGROUND_PER_BEAT);
        if self.pass.is_some() || !is_whole(ledger) || uptime_ms < self.due_ms {
            return;
        }
        // What cannot be cleared when the pass has ended must not be gone on from.
        if self.restore == Restore::Due && !takes_writes(ledger) {
            self.restore = Restore::Done;
        }
        if self.restore == Restore::Done {
            self.pass = Some(Pass::from(Frontier::EMPTY, Totals::EMPTY, ledger, uptime_ms));
        }
    }

    /// Goes on, while the archive has nothing better to do.
    pub fn advance(&mut self, ledger: &LedgerWriter<Purpose>, vault: &mut VaultClient<Purpose>, now: (u64, u64)) {
        if self.restore == Restore::Due && takes_writes(ledger) && self.reads_left > 0 {
            let asked = !self.under_way && vault.read(Purpose::Check, VOLUME, Area::Input, POSITION_BLOCK, 1);
            if asked {
                (self.restore, self.under_way) = (Restore::UnderWay, true);
                self.reads_left -= 1;
            }
        }
        while !self.under_way {
            if self.outdated && takes_writes(ledger) {
                self.position.as_mut_bytes().fill(0);
                self.outdated =
                    !vault.write_input(Purpose::Check, VOLUME, POSITION_BLOCK, self.position.as_bytes());
            }
            let Some(pass) = &mut self.pass else { return };
            let buffer = if pass.content.is_some() { &self.blocks } else { &self.batch };
            match pass.next(buffer, ledger) {
                Next::Again => {}
                Next::End(outcome) => self.end(outcome, ledger, now),
                Next::Read(area, block, blocks) => {
                    let blocks = blocks.min(ledger.layout().run(area, block).blocks as usize);
                    if area == Area::Ledger && self.unkept >= READS_PER_POSITION && takes_writes(ledger) {
                        // The frontier is behind whole batches here.
                        self.position.fill(ledger.volume_id(), &pass.frontier, &pass.totals);
                        let bytes = self.position.as_bytes();
                        if vault.write_input(Purpose::Check, VOLUME, POSITION_BLOCK, bytes) {
                            self.unkept = 0;
                        }
                    }
                    let sent = if self.reads_left > 0 {
                        vault.read(Purpose::Check, VOLUME, area, block, blocks)
                    } else {
                        self.background_left > 0
                            && vault.read_in_background(Purpose::Check, VOLUME, area, block, blocks)
                    };
                    if !sent {
                        return;
                    }
                    match self.reads_left {
                        0 => self.background_left -= 1,
                        _ => self.reads_left -= 1,
                    }
                    self.unkept += 1;
                    self.under_way = true;
                }
            }
        }
    }

    fn end(&mut self, outcome: ScrubEnd, ledger: &LedgerWriter<Purpose>, now: (u64, u64)) {
        let Some(pass) = self.pass.take() else { return };
        self.unkept = 0;
        if pass.resumed && outcome.check != Check::Clean {
            // Perhaps it is the position that was wrong.
            self.pass = Some(Pass::from(Frontier::EMPTY, Totals::EMPTY, ledger, pass.began_ms));
            return;
        }
        let rest_ms = self.period_ms.max(now.0.saturating_sub(pass.began_ms).saturating_mul(REST));
        self.outdated = true;
        self.passes += 1;
        self.ended_at = Some(now);
        self.due_ms = now.0.saturating_add(rest_ms);
        self.last = Some(outcome);
    }

    /// Something that was to be served is not what was committed, or could not be read.
    pub fn found(&mut self, place: Wrong, now: (u64, u64)) {
        let records = self.last.map_or(0, |last| last.records);
        self.last =
            Some(ScrubEnd { records, ..ScrubEnd::wrong(place.check, place.area, place.block, place.record) });
        self.ended_at = Some(now);
    }

    /// Takes blocks from the vault. `now` is uptime and wall clock in milliseconds.
    pub fn receive(
        &mut self,
        vault: &VaultClient<Purpose>,
        ledger: &LedgerWriter<Purpose>,
        reply: &Received<Purpose>,
        now: (u64, u64),
    ) {
        // Whether a position was kept makes no difference to this life.
        if reply.op == Op::WriteInput {
            return;
        }
        self.under_way = false;
        if self.restore == Restore::UnderWay {
            self.restore = Restore::Done;
            return self.go_on(vault, ledger, reply, now.0);
        }
        let Some(pass) = &mut self.pass else { return };
        if !reply.is_ok() {
            if let Some(unreadable) = pass.unreadable() {
                self.end(unreadable, ledger, now);
            }
            return;
        }
        let buffer = if pass.content.is_some() { &mut self.blocks } else { &mut self.batch };
        vault.data(&mut buffer[..reply.len]);
        pass.filled(reply.len);
    }

    /// Begins a pass where the last one before the start had come to, if that can be believed so far.
    fn go_on(
        &mut self,
        vault: &VaultClient<Purpose>,
        ledger: &LedgerWriter<Purpose>,
        reply: &Received<Purpose>,
        uptime_ms: u64,
    ) {
        let (mut frontier, mut totals) = (Frontier::EMPTY, Totals::EMPTY);
        if reply.is_ok() {
            vault.data(&mut self.blocks[..reply.len]);
            let position =
                Position::ref_from_bytes(&self.blocks[..BLOCK_SIZE]).expect("its size and no alignment");
            let records = ledger.totals().head.records;
            if let Some(found) = position.usable(ledger.volume_id(), ledger.ledger_next(), records) {
                (frontier, totals) = found;
            }
        }
        if is_whole(ledger) {
            self.pass = Some(Pass::from(frontier, totals, ledger, uptime_ms));
        }
    }

    /// What there is to say of the last one.
    pub fn report(&self) -> OwnCheck {
        let nothing = OwnCheck { passes: self.passes, ..OwnCheck::default() };
        self.last.zip(self.ended_at).map_or(nothing, |(end, (_, ended_ms))| {
            let ScrubEnd { check: result, area, block, record, records } = end;
            let place = result.found().then_some(Place { area, block, record });
            OwnCheck { result, place, records, ended_ms, ..nothing }
        })
    }
}

/// What a pass does next.
enum Next {
    Again,
    Read(Area, u64, usize),
    End(ScrubEnd),
}

/// Whether the position can be kept. An archive that is closed, or may be soon, writes nothing more: once its volume is
/// sealed, that would be a request that breaks a rule.
fn takes_writes(ledger: &LedgerWriter<Purpose>) -> bool {
    ledger.state() == State::Ready && ledger.totals().standing == Standing::Active
}

/// Whether there is a whole ledger to be looked at.
fn is_whole(ledger: &LedgerWriter<Purpose>) -> bool {
    matches!(ledger.state(), State::Ready | State::Closed(_)) && ledger.totals().head.records > 0
}

impl Pass {
    /// A pass over what comes behind `frontier`, before which the records add up to `totals`.
    fn from(frontier: Frontier, totals: Totals, ledger: &LedgerWriter<Purpose>, began_ms: u64) -> Pass {
        Pass {
            resumed: frontier.batches > 0,
            began_ms,
            frontier,
            totals,
            expected: *ledger.totals(),
            end: ledger.ledger_next(),
            base: 0,
            len: 0,
            batch_at: 0,
            at: 0,
            records_end: 0,
            after: frontier,
            content: None,
            assets_end: ledger.assets_end(),
            held: 0,
            held_blocks: 0,
            careful: false,
        }
    }

    /// The blocks that were asked for are the first `len` bytes of their buffer.
    fn filled(&mut self, len: usize) {
        self.careful = false;
        match &self.content {
            Some(content) => {
                (self.held, self.held_blocks) = (content.next_block(), (len / BLOCK_SIZE) as u64);
            }
            None => (self.base, self.len, self.batch_at) = (self.frontier.ledger_next, len, 0),
        }
    }

    /// `batch` are the blocks held of what is looked at: of content, or else of batches.
    fn next(&mut self, batch: &[u8], ledger: &LedgerWriter<Purpose>) -> Next {
        if self.content.is_some() {
            return self.next_of_content(batch);
        }
        if self.at < self.records_end {
            return self.next_record(batch);
        }
        self.frontier = self.after;
        if self.batch_at < self.len {
            return self.begin_batch(batch, ledger);
        }
        let at = self.frontier.ledger_next;
        if at < self.end {
            let blocks = (self.end - at).min(BATCH_BLOCKS_MAX as u64);
            return Next::Read(Area::Ledger, at, blocks as usize);
        }
        let same = at == self.end
            && self.totals.head == self.expected.head
            && self.totals.tree.root() == self.expected.tree.root();
        let end = ScrubEnd::wrong(Check::Mismatch, Area::Ledger, self.end.saturating_sub(1), None);
        Next::End(if same { ScrubEnd { check: Check::Clean, ..end } } else { end }.with(&self.totals))
    }

    fn begin_batch(&mut self, bytes: &[u8], ledger: &LedgerWriter<Purpose>) -> Next {
        let (volume, layout): (_, &Layout) = (ledger.volume_id(), ledger.layout());
        match Batch::after(&self.frontier, volume, layout, &bytes[self.batch_at..self.len]) {
            Ok(batch) if batch.whole => {
                self.after = batch.header.frontier_after();
                self.at = self.batch_at + STAMP_SIZE;
                self.records_end = self.at + batch.records.len();
                self.batch_at += batch.len;
                Next::Again
            }
            // It goes on behind the blocks held.
            Err(NoBatch::Cut) if self.batch_at > 0 => {
                self.len = 0;
                Next::Again
            }
            _ => self.wrong(Area::Ledger, self.frontier.ledger_next, None),
        }
    }

    fn next_record(&mut self, batch: &[u8]) -> Next {
        let block = self.base + (self.at / BLOCK_SIZE) as u64;
        let sequence = self.totals.head.records;
        let Some((record, len)) = self.totals.add_next(&batch[self.at..self.records_end]) else {
            return self.wrong(Area::Ledger, block, Some(sequence));
        };
        self.at += len;
        let content = record.document().and_then(|document| document.content);
        let Some(payload::Content { size: len, hash, block: first }) = content else { return Next::Again };
        let end = first.checked_add(len.div_ceil(BLOCK_SIZE as u64));
        if end.is_none_or(|end| end > self.after.assets_next && len > 0) {
            return self.wrong(Area::Ledger, block, Some(sequence));
        }
        let (expected, hasher) = (hash.blake3, Hasher::content());
        self.content = Some(Content { record: sequence, block: first, len, done: 0, expected, hasher });
        Next::Again
    }

    fn next_of_content(&mut self, blocks: &[u8]) -> Next {
        let content = self.content.as_mut().expect("there is some");
        let left = content.len - content.done;
        if left > 0 {
            // Contents that follow each other are read together.
            let at = content.next_block().wrapping_sub(self.held);
            if at < self.held_blocks {
                content.take(&blocks[at as usize * BLOCK_SIZE..self.held_blocks as usize * BLOCK_SIZE]);
                return Next::Again;
            }
            let needed = left.div_ceil(BLOCK_SIZE as u64);
            let there = self.assets_end.saturating_sub(content.next_block());
            let blocks = if self.careful { needed } else { needed.max(there) }.min(READ_BLOCKS);
            return Next::Read(Area::Assets, content.next_block(), blocks as usize);
        }
        if content.hasher.finish() != content.expected {
            let (block, record) = (content.block, content.record);
            return self.wrong(Area::Assets, block, Some(record));
        }
        self.content = None;
        Next::Again
    }

    fn wrong(&self, area: Area, block: u64, record: Option<u64>) -> Next {
        Next::End(ScrubEnd::wrong(Check::Mismatch, area, block, record).with(&self.totals))
    }

    /// The read under way has failed: what that says of the volume, or nothing if more was asked for than is needed.
    fn unreadable(&mut self) -> Option<ScrubEnd> {
        let careful = core::mem::replace(&mut self.careful, true);
        let (area, block, record) = match &self.content {
            Some(_) if !careful => return None,
            Some(content) => (Area::Assets, content.next_block(), Some(content.record)),
            None => (Area::Ledger, self.frontier.ledger_next, None),
        };
        Some(ScrubEnd::wrong(Check::Unreadable, area, block, record).with(&self.totals))
    }
}

impl Content {
    /// The block its next byte is in.
    fn next_block(&self) -> u64 {
        self.block + self.done / BLOCK_SIZE as u64
    }

    fn take(&mut self, bytes: &[u8]) {
        let len = (self.len - self.done).min(bytes.len() as u64) as usize;
        self.hasher.update(&bytes[..len]);
        self.done += len as u64;
    }
}

impl ScrubEnd {
    fn with(self, totals: &Totals) -> ScrubEnd {
        ScrubEnd { records: totals.head.records, ..self }
    }
}
