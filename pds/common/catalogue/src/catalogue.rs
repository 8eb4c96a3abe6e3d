//! The catalogue itself: takes entries, writes them as runs, merges runs, and keeps the manifest.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::block::{BLOCK, Key, Range};
use crate::config::{Config, MERGES_MAX};
use crate::entry::{Entry, NAME_MAX};
use crate::job::{Job, Reader, Source, Stepped};
use crate::layout::Layout;
use crate::manifest::{Frame, Head, MANIFEST_BYTES, Manifest, RUNS_MAX};
use crate::report::{Found, Progress, Refused, Traffic};
use crate::space::Space;
use crate::store::{Damage, Live, Store};
use crate::table::Table;

/// Requests under way at most.
const REQUESTS_MAX: usize = 16;

/// Of two runs that follow each other the newer one is merged into the older once it has at least the older's blocks
/// divided by this.
const RATIO: u32 = 2;

/// Records that a start has to be fed again at most because a table was not full, in each of two tables.
pub const LAG_RECORDS: u64 = 1 << 16;

/// What a request under way is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Cache { at: usize, serial: u32, index: u32 },
    Merge { job: u32, which: usize, blocks: u32 },
    Run { job: u32, blocks: u32 },
    ManifestRead { copy: usize },
    ManifestWrite,
}

/// Where the newest manifest is.
#[derive(Debug)]
pub(crate) enum Writing {
    /// The two copies are to be read, or being read.
    Opening { asked: usize, answered: usize, failed: usize },
    /// It is durable.
    Durable,
    /// It waits until what it names is durable.
    Made { bytes: Vec<u8>, needs: u64, head: Head, sent: bool },
    /// It is written, when so many writes had been answered.
    Written { answered: u64, head: Head },
}

/// The catalogue of one volume.
#[derive(Debug)]
pub struct Catalogue {
    pub(crate) store: Store,
    pub(crate) active: Table,
    pub(crate) frozen: Table,
    pub(crate) layout: Layout,
    pub(crate) frame: Frame,
    pub(crate) manifest_key: Key,
    pub(crate) found: Found,
    pub(crate) head: Head,
    /// What the frozen table holds up to.
    pub(crate) frozen_head: Head,
    /// What the runs hold up to.
    pub(crate) runs_head: Head,
    pub(crate) durable_head: Head,
    pub(crate) space: Space,
    pub(crate) jobs: Vec<Job>,
    /// While not more segments than these are free, no merge is begun: one failed with as many.
    pub(crate) merge_needs_more_than: Option<usize>,
    /// The same of writing the table.
    pub(crate) table_needs_more_than: Option<usize>,
    pub(crate) manifest: Writing,
    pub(crate) copies: Vec<u8>,
    /// The generation of the newest manifest that was made.
    pub(crate) generation: u64,
    pub(crate) changed: bool,
    pub(crate) requests: [Option<Purpose>; REQUESTS_MAX],
    pub(crate) answered: u64,
    pub(crate) durable: u64,
    pub(crate) stopped: bool,
    pub(crate) traffic: Traffic,
}

impl Catalogue {
    /// A catalogue that is to be opened: it will ask for its manifests.
    pub fn new(config: &Config) -> Self {
        let layout = Layout::new(config.begin, config.blocks);
        let frame = Frame {
            volume: config.volume,
            segment_blocks: layout.segment_blocks,
            segments: layout.segments.into(),
            first: config.first,
        };
        let key = |what| Key::derive(&config.key, what, &config.volume);
        let store =
            Store::new(key("totebox.v2.catalogue.block"), layout.data, layout.segment_blocks, config.cache_blocks);
        let head = Manifest::empty(config.first).head;
        Catalogue {
            store,
            active: Table::new(config.table_bytes),
            frozen: Table::new(config.table_bytes),
            layout,
            frame,
            manifest_key: key("totebox.v2.catalogue.manifest"),
            found: Found::Opening,
            head,
            frozen_head: head,
            runs_head: head,
            durable_head: head,
            space: Space::new(layout.segments.into()),
            jobs: Vec::with_capacity(MERGES_MAX + 1),
            merge_needs_more_than: None,
            table_needs_more_than: None,
            manifest: Writing::Opening { asked: 0, answered: 0, failed: 0 },
            copies: vec![0; 2 * MANIFEST_BYTES],
            generation: 0,
            changed: false,
            requests: [None; REQUESTS_MAX],
            answered: 0,
            durable: 0,
            stopped: false,
            traffic: Traffic::default(),
        }
    }

    /// What was found on the disk when it was opened.
    pub fn found(&self) -> Found {
        self.found
    }

    /// How far it is complete, with what it has in memory: the next record it is to be given, and by what the caller
    /// knows the one before. After a start that is what was durable; a caller whose ledger ends before it, or has
    /// another record there, has to [rebuild](Catalogue::rebuild) it.
    pub fn head(&self) -> Head {
        self.head
    }

    /// How far it will be complete after a power cut now.
    pub fn durable_head(&self) -> Head {
        self.durable_head
    }

    /// What was found damaged; nothing is looked up any more until it is [rebuilt](Catalogue::rebuild).
    pub fn damage(&self) -> Option<Damage> {
        self.store.damage
    }

    /// What was read and written so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// True while it reads the index blocks after a start, some with each step: until then a lookup
    /// costs up to three reads more a run.
    pub fn is_warming(&self) -> bool {
        self.store.is_warming()
    }

    /// Blocks of each run, the oldest first.
    pub fn runs(&self) -> impl Iterator<Item = u32> {
        self.store.runs.iter().map(|live| live.run.blocks)
    }

    /// True if nothing more can be taken for lack of room, whatever is waited for.
    pub fn is_full(&self) -> bool {
        let is_at_rest = self.jobs.is_empty() && !self.changed && matches!(self.manifest, Writing::Durable);
        let has_work = self.next_merge().is_some() || self.can_flush();
        !self.frozen.is_empty() && is_at_rest && !self.space.has_retired() && !has_work
    }

    /// Takes an entry of the ledger. Entries come in the order of their sequence numbers, with a
    /// [pass](Catalogue::pass) for each record without a name, and only those whose record is durable; one it has is
    /// passed over. `anchor` is by what the caller will know the record again: its hash.
    pub fn insert(&mut self, name: &[u8], entry: &Entry, anchor: &[u8; 32]) -> Result<(), Refused> {
        if !(1..=NAME_MAX).contains(&name.len()) {
            return Err(Refused::Name);
        }
        if !self.is_next(entry.sequence)? {
            return Ok(());
        }
        if !self.active.insert(name, entry) {
            self.freeze()?;
            if !self.active.insert(name, entry) {
                return Err(Refused::Full);
            }
        }
        self.pass_to(entry.sequence + 1, anchor);
        Ok(())
    }

    /// Notes that the record with this number has no name.
    pub fn pass(&mut self, sequence: u64, anchor: &[u8; 32]) -> Result<(), Refused> {
        if self.is_next(sequence)? {
            self.pass_to(sequence + 1, anchor);
        }
        Ok(())
    }

    /// True if this record is the one to be given next, false if it was given.
    fn is_next(&self, sequence: u64) -> Result<bool, Refused> {
        self.check_taking()?;
        // A gap would make the head say what is not so.
        match sequence.cmp(&self.head.next) {
            Ordering::Less => Ok(false),
            Ordering::Equal if sequence < u64::MAX => Ok(true),
            _ => Err(Refused::Gap),
        }
    }

    fn pass_to(&mut self, next: u64, anchor: &[u8; 32]) {
        self.head = Head { next, anchor: *anchor };
        let before = if self.frozen.is_empty() { self.runs_head } else { self.frozen_head };
        if next - before.next >= LAG_RECORDS {
            self.checkpoint();
        }
    }

    fn check_taking(&self) -> Result<(), Refused> {
        match (self.found, self.store.damage) {
            (Found::Opening, _) => Err(Refused::Busy),
            (_, Some(_)) => Err(Refused::Damaged),
            _ if self.stopped => Err(Refused::Stopped),
            _ => Ok(()),
        }
    }

    /// Has what is in memory written soon, so that a start has less to be fed. False if what was to be written
    /// before is not written yet.
    pub fn checkpoint(&mut self) -> bool {
        if self.active.is_empty() && self.frozen.is_empty() {
            self.changed |= self.runs_head != self.head;
            self.runs_head = self.head;
            return true;
        }
        self.active.is_empty() || self.freeze().is_ok()
    }

    fn freeze(&mut self) -> Result<(), Refused> {
        if !self.frozen.is_empty() {
            return Err(if self.is_full() { Refused::Full } else { Refused::Busy });
        }
        core::mem::swap(&mut self.active, &mut self.frozen);
        self.frozen_head = self.head;
        self.store.version += 1;
        Ok(())
    }

    /// Forgets everything, to be fed from the first record again. What is on the disk is left until what comes
    /// instead is durable.
    pub fn rebuild(&mut self) {
        if self.found == Found::Opening {
            return;
        }
        self.jobs.iter_mut().for_each(|job| job.given_up = true);
        let needed = self.next_generation();
        for live in core::mem::take(&mut self.store.runs) {
            self.store.forget(live.serial);
            live.run.segments.iter().for_each(|&segment| self.space.retire(segment, needed));
        }
        self.store.runs.reserve(RUNS_MAX);
        self.active.clear();
        self.frozen.clear();
        self.head = Manifest::empty(self.frame.first).head;
        (self.frozen_head, self.runs_head, self.durable_head) = (self.head, self.head, self.head);
        self.store.damage = None;
        self.store.version += 1;
        (self.merge_needs_more_than, self.table_needs_more_than) = (None, None);
        self.changed = true;
    }

    /// The generation of the next manifest that is made of what there is then.
    fn next_generation(&self) -> u64 {
        self.generation + 1
    }

    /// A measure for [`Catalogue::durable`]: writes answered so far.
    pub fn written(&self) -> u64 {
        self.answered
    }

    /// All writes that had been answered when [`Catalogue::written`] gave this number are durable: it was asked
    /// before the flush began.
    pub fn durable(&mut self, written: u64) {
        self.durable = self.durable.max(written.min(self.answered));
    }

    /// Does a piece of work: it moves up to `entries` entries from the smallest job that can go on, begins jobs, and
    /// sees to the manifest. Whatever has to be read or written for it is among the [requests](Catalogue::request).
    pub fn step(&mut self, entries: u32) -> Progress {
        if self.found == Found::Opening {
            return Progress::Waiting;
        }
        self.clear_given_up();
        self.advance_manifest();
        if self.stopped || self.store.damage.is_some() {
            self.jobs.iter_mut().for_each(|job| job.given_up = true);
            return if self.jobs.is_empty() { Progress::Idle } else { Progress::Waiting };
        }
        let is_warming = self.store.go_on_warming();
        self.begin_jobs();
        self.jobs.sort_unstable_by_key(|job| job.size);
        for at in 0..self.jobs.len() {
            let job = &mut self.jobs[at];
            if job.given_up {
                continue;
            }
            match job.step(&self.store.key, &self.frozen, entries) {
                Stepped::Moved => return Progress::Moved,
                Stepped::Waiting => {}
                Stepped::Done => {
                    self.complete(at);
                    return Progress::Moved;
                }
                Stepped::Damaged(serial, index) => {
                    self.store.damaged(serial, index, false);
                    return Progress::Moved;
                }
                Stepped::TooDeep => self.give_up(at),
            }
        }
        let is_idle =
            self.jobs.is_empty() && !is_warming && !self.changed && matches!(self.manifest, Writing::Durable);
        if is_idle { Progress::Idle } else { Progress::Waiting }
    }

    /// Gives up a job for lack of room. It is not tried again with no more room than there will be.
    pub(crate) fn give_up(&mut self, at: usize) {
        self.jobs[at].given_up = true;
        *self.needs_more_than(at) = Some(usize::MAX);
    }

    fn needs_more_than(&mut self, at: usize) -> &mut Option<usize> {
        match self.jobs[at].source {
            Source::Table(_) => &mut self.table_needs_more_than,
            Source::Runs(_) => &mut self.merge_needs_more_than,
        }
    }

    /// Removes the jobs that were given up and have nothing under way.
    fn clear_given_up(&mut self) {
        while let Some(at) = self.jobs.iter().position(|job| job.given_up && job.is_at_rest()) {
            let failed = self.needs_more_than(at).is_some();
            let is_merge = matches!(self.jobs[at].source, Source::Runs(_));
            let job = self.jobs.remove(at);
            for live in self.store.runs.iter_mut().filter(|live| job.merges(live.serial)) {
                live.busy = false;
            }
            self.store.forget(job.serial);
            job.into_segments().iter().for_each(|&segment| self.space.give_back(segment));
            let free = failed.then_some(self.space.free());
            *(if is_merge { &mut self.merge_needs_more_than } else { &mut self.table_needs_more_than }) = free;
        }
    }

    fn unreserved(&self) -> usize {
        let reserved: usize = self.jobs.iter().map(|job| job.reserved).sum();
        self.space.free().saturating_sub(reserved)
    }

    /// Segments that so many blocks take, and one for what does not fit as well as before.
    fn segments_for(&self, blocks: u32) -> usize {
        blocks.div_ceil(self.frame.segment_blocks) as usize + 1
    }

    fn has_room(&self, segments: usize, needs_more_than: Option<usize>) -> bool {
        self.unreserved() >= segments && needs_more_than.is_none_or(|few| self.space.free() > few)
    }

    fn table_blocks(&self) -> u32 {
        (self.frozen.bytes().div_ceil(BLOCK) + 1) as u32
    }

    fn can_flush(&self) -> bool {
        self.store.runs.len() < RUNS_MAX
            && self.has_room(self.segments_for(self.table_blocks()), self.table_needs_more_than)
    }

    /// The rank of the older of two runs that are to be merged, and can be.
    fn next_merge(&self) -> Option<usize> {
        let runs = &self.store.runs;
        (1..runs.len()).rev().map(|newer| newer - 1).find(|&at| {
            let (older, newer) = (&runs[at], &runs[at + 1]);
            let blocks = older.run.blocks.saturating_add(newer.run.blocks);
            !older.busy
                && !newer.busy
                && newer.run.blocks.saturating_mul(RATIO) >= older.run.blocks
                && self.has_room(self.segments_for(blocks), self.merge_needs_more_than)
        })
    }

    fn begin_jobs(&mut self) {
        let is_flushing = self.jobs.iter().any(|job| matches!(job.source, Source::Table(_)));
        if !self.frozen.is_empty() && !is_flushing && self.can_flush() {
            let range = self.frozen_head.range_from(self.runs_head.next);
            self.begin(range, Source::Table(0), self.table_blocks());
        }
        while self.jobs.iter().filter(|job| matches!(job.source, Source::Runs(_))).count() < MERGES_MAX {
            let Some(at) = self.next_merge() else { break };
            let two = &mut self.store.runs[at..at + 2];
            two.iter_mut().for_each(|live| live.busy = true);
            let readers = [Reader::new(two[0].serial, &two[0].run), Reader::new(two[1].serial, &two[1].run)];
            let range = Range { from: two[0].run.range.from, ..two[1].run.range };
            let blocks = two[0].run.blocks + two[1].run.blocks;
            self.begin(range, Source::Runs(Box::new(readers)), blocks);
        }
    }

    fn begin(&mut self, range: Range, source: Source, blocks: u32) {
        let reserved = self.segments_for(blocks);
        self.jobs.push(Job::new(self.store.serial(), range, source, blocks, reserved));
    }

    /// A job's run takes the place of what it was made of. If not every entry came through, a run is not what the
    /// manifest said it was.
    fn complete(&mut self, at: usize) {
        let due = match &self.jobs[at].source {
            Source::Table(_) => self.frozen.len() as u64,
            Source::Runs(readers) => {
                let entries = |reader: &Reader| self.store.get(reader.serial).map_or(0, |live| live.run.entries);
                readers.iter().map(entries).fold(0, u64::saturating_add)
            }
        };
        if self.jobs[at].entries() != due {
            if let Source::Runs(readers) = &self.jobs[at].source {
                self.store.damaged(readers[0].serial, 0, false);
            }
            self.jobs[at].given_up = true;
            return;
        }
        let job = self.jobs.remove(at);
        let needed = self.next_generation();
        let first = self.store.runs.iter().position(|live| job.merges(live.serial));
        if let Some(first) = first {
            for _ in 0..2 {
                let live = self.store.runs.remove(first);
                self.store.forget(live.serial);
                live.run.segments.iter().for_each(|&segment| self.space.retire(segment, needed));
            }
        } else {
            self.frozen.clear();
            self.runs_head = self.frozen_head;
        }
        let serial = job.serial;
        let run = job.into_run();
        let live = Live { run, serial, busy: false, written: self.answered };
        let at = first.unwrap_or(self.store.runs.len());
        self.store.runs.insert(at, live);
        self.store.version += 1;
        self.changed = true;
        (self.merge_needs_more_than, self.table_needs_more_than) = (None, None);
    }

    fn advance_manifest(&mut self) {
        if let Writing::Written { answered, head } = self.manifest
            && self.durable >= answered
        {
            self.durable_head = head;
            self.space.durable(self.generation);
            self.manifest = Writing::Durable;
        }
        if self.changed && !self.stopped && matches!(self.manifest, Writing::Durable) {
            self.generation += 1;
            let runs = self.store.runs.iter().map(|live| live.run.clone()).collect();
            let manifest = Manifest { generation: self.generation, head: self.runs_head, runs };
            let bytes = manifest.encode(&self.manifest_key, &self.frame);
            let needs = self.store.runs.iter().map(|live| live.written).max().unwrap_or(0);
            self.manifest = Writing::Made { bytes, needs, head: self.runs_head, sent: false };
            // After a rebuild began the newer one says less.
            if self.runs_head.next < self.durable_head.next {
                self.durable_head = self.runs_head;
            }
            self.changed = false;
        }
    }
}
