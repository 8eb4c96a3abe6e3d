//! What the console reads: one document or listing at a time, streamed as the console makes room.

use alloc::boxed::Box;
use alloc::vec;
use core::num::NonZeroU64;
use core::ops::Range;

use ledger_fmt::hash::Hasher;
use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::payload::{self, DOCUMENT_NAME_MAX};
use ledger_fmt::record::Record;
use ledger_fmt::{Hash, ZERO_HASH};
use totebox_ledger_writer::LedgerWriter;
use totebox_manifest::conversation::{INTAKE_DATA, VAULT_DATA};
use totebox_protocol::intake::{Answered, Refusal, Stored};
use totebox_protocol::page::Check;
use totebox_protocol::vault::{Area, Status};
use totebox_vault_client::{Received, VaultClient};

use super::console::Console;
use super::records::Found;
use super::scrub::Wrong;
use super::search::Search;
use super::{Purpose, VOLUME};

/// Answers a reading leaves room for, so that a submission or a `Cancel` behind it is not held up.
const ROOM_LEFT: usize = 2;

/// Reads of the ledger that may fail before the disk is taken for dead.
const UNREADABLE_MAX: u32 = 64;

/// What is being read.
struct Task {
    tag: u32,
    step: ReadingStep,
    unreadable: u32,
    failed: Option<Refusal>,
}

#[expect(clippy::large_enum_variant, reason = "there is one, and nothing is allocated after start")]
enum ReadingStep {
    /// A document is looked for, to send its content from this byte on.
    Find {
        offset: u64,
    },
    /// So many records are still to be listed; the first of those that were not there.
    List {
        left: u64,
        gap: Option<u64>,
    },
    Content(Content),
}

struct Content {
    record: u64,
    size: u64,
    hash: Hash,
    block: u64,
    hasher: Hasher,
    /// Bytes read and hashed, of which the last `held` are in the buffer.
    hashed: u64,
    held: usize,
    sent: u64,
}

/// What a task does next.
enum Next {
    /// It goes on.
    Again,
    /// It wants these blocks.
    Read(Area, u64, usize),
    End(Result<Answered, Refusal>),
}

/// The reading under way, if there is one.
pub struct Reading {
    task: Option<Task>,
    search: Search,
    buffer: Box<[u8]>,
    /// A read is under way; `stale` if for a task that is gone.
    under_way: bool,
    stale: bool,
    /// What the last task has met first that is not what was committed.
    wrong: Option<Wrong>,
}

impl Reading {
    pub fn new(ledger: &LedgerWriter<Purpose>) -> Reading {
        let buffer = vec![0; VAULT_DATA].into_boxed_slice();
        Reading { task: None, search: Search::new(ledger), buffer, under_way: false, stale: false, wrong: None }
    }

    /// What is not what was committed, as a task has found: once.
    pub fn take_wrong(&mut self) -> Option<Wrong> {
        self.wrong.take()
    }

    /// Whether a document or listing is being sent.
    pub fn is_busy(&self) -> bool {
        self.task.is_some()
    }

    pub fn get(&mut self, tag: u32, sequence: u64, offset: u64, ledger: &LedgerWriter<Purpose>) {
        self.begin(tag, sequence, ReadingStep::Find { offset }, ledger);
    }

    pub fn list(&mut self, tag: u32, from: u64, count: u64, ledger: &LedgerWriter<Purpose>) {
        self.begin(tag, from, ReadingStep::List { left: count, gap: None }, ledger);
    }

    fn begin(&mut self, tag: u32, wanted: u64, step: ReadingStep, ledger: &LedgerWriter<Purpose>) {
        self.search.begin(wanted, ledger);
        self.task = Some(Task { tag, step, unreadable: 0, failed: None });
    }

    /// `Cancel`. There must be room for an answer.
    pub fn cancel(&mut self, console: &mut Console) {
        if let Some(task) = self.drop_task() {
            console.refuse(task.tag, Refusal::Cancelled);
        }
    }

    fn drop_task(&mut self) -> Option<Task> {
        self.stale = self.under_way;
        self.task.take()
    }

    pub fn receive(&mut self, vault: &VaultClient<Purpose>, reply: &Received<Purpose>) {
        self.under_way = false;
        let stale = core::mem::take(&mut self.stale);
        let Some(task) = self.task.as_mut().filter(|_| !stale) else { return };
        match (reply.answered.status, &mut task.step) {
            (Status::Ok, step) => {
                vault.data(&mut self.buffer[..reply.len]);
                match step {
                    ReadingStep::Content(content) => content.take(&self.buffer[..reply.len]),
                    ReadingStep::Find { .. } | ReadingStep::List { .. } => self.search.records.filled(reply.len),
                }
            }
            (Status::Unavailable, _) => {
                task.failed = Some(Refusal::Unavailable);
            }
            (_, ReadingStep::Find { .. } | ReadingStep::List { .. }) if task.unreadable < UNREADABLE_MAX => {
                task.unreadable += 1;
                self.search.records.unreadable();
            }
            (_, step) => {
                if let ReadingStep::Content(content) = step {
                    self.wrong = Some(content.wrong(Check::Unreadable));
                }
                task.failed = Some(Refusal::Io);
            }
        }
    }

    /// Goes on as far as there are blocks and room.
    pub fn advance(
        &mut self,
        console: &mut Console,
        ledger: &LedgerWriter<Purpose>,
        vault: &mut VaultClient<Purpose>,
    ) {
        if console.is_broken() {
            self.drop_task();
        }
        while let Some(task) = &mut self.task {
            if vault.is_broken() {
                self.under_way = false;
                task.failed = Some(Refusal::Io);
            }
            if self.under_way || console.room() <= ROOM_LEFT {
                return;
            }
            match task.advance(&mut self.search, &self.buffer, console, ledger) {
                Next::Again => {}
                Next::Read(area, block, blocks) => {
                    let blocks = blocks.min(ledger.layout().run(area, block).blocks as usize);
                    self.under_way = vault.read(Purpose::Reading, VOLUME, area, block, blocks);
                    return;
                }
                Next::End(end) => {
                    if let Err(Refusal::Damaged) = end {
                        self.wrong = Some(task.wrong(&self.search, ledger));
                    }
                    console.answer(task.tag, end.unwrap_or_else(Answered::Failed), &[]);
                    self.task = None;
                }
            }
        }
    }
}

impl Task {
    fn wrong(&self, search: &Search, ledger: &LedgerWriter<Purpose>) -> Wrong {
        let record = match &self.step {
            ReadingStep::Content(content) => return content.wrong(Check::Mismatch),
            ReadingStep::Find { .. } => search.wanted,
            ReadingStep::List { gap, .. } => gap.unwrap_or(search.wanted),
        };
        let block = ledger.indexed_before(record).block.get();
        Wrong { check: Check::Mismatch, area: Area::Ledger, block, record: Some(record) }
    }

    /// Does what can be done with the blocks there are, and one answer.
    fn advance(
        &mut self,
        search: &mut Search,
        buffer: &[u8],
        console: &mut Console,
        ledger: &LedgerWriter<Purpose>,
    ) -> Next {
        if let Some(refusal) = self.failed {
            return Next::End(Err(refusal));
        }
        match &mut self.step {
            ReadingStep::Content(content) => content.advance(self.tag, buffer, console),
            &mut ReadingStep::List { left: 0, gap } => Next::End(Self::listed(gap.is_some(), search, ledger)),
            &mut ReadingStep::List { left, gap } => match search.find(buffer) {
                Found::Blocks(block, blocks) => Next::Read(Area::Ledger, block, blocks),
                found => match (search.missing(found, buffer), found) {
                    // First what is missing before the record found, then the record.
                    (Some(missing), _) => {
                        self.tell_gap(&missing, console);
                        search.wanted = missing.end;
                        self.step = ReadingStep::List { left, gap: gap.or(Some(missing.start)) };
                        Next::Again
                    }
                    (None, Found::Record) => {
                        let record = search.records.record(buffer);
                        let entry = Answered::Entry(stored(&record), record.kind);
                        console.answer(self.tag, entry, name(&record));
                        search.pass(buffer);
                        self.step = ReadingStep::List { left: left - 1, gap };
                        Next::Again
                    }
                    (None, _) => {
                        let gap = gap.is_some() || search.is_missing();
                        if search.has_damaged_end() {
                            self.tell_gap(&(search.wanted..search.wanted), console);
                        }
                        Next::End(Self::listed(gap, search, ledger))
                    }
                },
            },
            &mut ReadingStep::Find { offset } => match search.find(buffer) {
                Found::Blocks(block, blocks) => Next::Read(Area::Ledger, block, blocks),
                Found::Record if search.sequence(buffer) == search.wanted => {
                    let record = search.records.record(buffer);
                    match Content::of(&record, offset, ledger) {
                        Ok(content) => {
                            let document = Answered::Document(stored(&record));
                            console.answer(self.tag, document, name(&record));
                            self.step = ReadingStep::Content(content);
                            Next::Again
                        }
                        Err(refusal) => Next::End(Err(refusal)),
                    }
                }
                Found::Record => Next::End(Err(Refusal::Damaged)),
                Found::End if search.is_missing() => Next::End(Err(Refusal::Damaged)),
                Found::End => {
                    let records = ledger.totals().head.records;
                    Next::End(Err(Refusal::NotFound(records)))
                }
            },
        }
    }

    /// Says which records are missing from a listing; an empty range if that is not known.
    fn tell_gap(&self, missing: &Range<u64>, console: &mut Console) {
        let count = NonZeroU64::new(missing.end - missing.start);
        console.answer(self.tag, Answered::Gap { first: missing.start, count }, &[]);
    }

    /// How a listing ends: with the records there were when it began.
    fn listed(gap: bool, search: &Search, ledger: &LedgerWriter<Purpose>) -> Result<Answered, Refusal> {
        let records = search.known().unwrap_or(ledger.totals().head.records);
        match gap {
            true => Err(Refusal::Damaged),
            false => Ok(Answered::Listed { records }),
        }
    }
}

/// What is said of a record.
fn stored(record: &Record<'_>) -> Stored {
    let header = &record.header;
    let content = content(record);
    Stored {
        sequence: header.sequence.get(),
        size: content.map_or(0, |content| content.size),
        hash: content.map_or(ZERO_HASH, |content| content.hash.blake3),
        time_ms: header.time_ms.get(),
    }
}

/// Its content, if it has any.
fn content(record: &Record<'_>) -> Option<payload::Content> {
    record.document()?.content
}

/// Its name; nothing of a record without one.
fn name<'a>(record: &Record<'a>) -> &'a [u8] {
    record.document().map_or(&[], |document| document.name.as_bytes())
}

const _: () = assert!(DOCUMENT_NAME_MAX <= INTAKE_DATA, "an answer holds a name");

impl Content {
    /// The content of `record`, to be sent from byte `offset` on.
    fn of(record: &Record<'_>, offset: u64, ledger: &LedgerWriter<Purpose>) -> Result<Content, Refusal> {
        let payload::Content { size, hash, block } = content(record).ok_or(Refusal::NotADocument)?;
        if offset > size {
            return Err(Refusal::BadRequest);
        }
        let end = block.checked_add(size.div_ceil(BLOCK_SIZE as u64));
        if end.is_none_or(|end| end > ledger.assets_end()) {
            return Err(Refusal::Damaged);
        }
        let (hash, hasher) = (hash.blake3, Hasher::content());
        let record = record.header.sequence.get();
        Ok(Content { record, size, hash, block, hasher, hashed: 0, held: 0, sent: offset })
    }

    fn wrong(&self, check: Check) -> Wrong {
        Wrong { check, area: Area::Assets, block: self.block, record: Some(self.record) }
    }

    /// Takes the next blocks.
    fn take(&mut self, bytes: &[u8]) {
        self.held = (self.size - self.hashed).min(bytes.len() as u64) as usize;
        self.hasher.update(&bytes[..self.held]);
        self.hashed += self.held as u64;
    }

    fn advance(&mut self, tag: u32, buffer: &[u8], console: &mut Console) -> Next {
        if self.sent < self.hashed {
            let unsent = (self.hashed - self.sent) as usize;
            let bytes = &buffer[self.held - unsent..self.held];
            let bytes = &bytes[..unsent.min(INTAKE_DATA)];
            console.answer(tag, Answered::Data { offset: self.sent }, bytes);
            self.sent += bytes.len() as u64;
            Next::Again
        } else if self.hashed < self.size {
            let blocks = (self.size - self.hashed).div_ceil(BLOCK_SIZE as u64);
            let blocks = blocks.min((VAULT_DATA / BLOCK_SIZE) as u64) as usize;
            Next::Read(Area::Assets, self.block + self.hashed / BLOCK_SIZE as u64, blocks)
        } else if self.hasher.finish() == self.hash {
            Next::End(Ok(Answered::End { size: self.size, hash: self.hash }))
        } else {
            Next::End(Err(Refusal::Damaged))
        }
    }
}
