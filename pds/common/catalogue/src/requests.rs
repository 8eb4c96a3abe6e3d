//! What the catalogue wants read and written, and what becomes of the answers; its opening among them.

use alloc::vec::Vec;

use crate::block::BLOCK;
use crate::catalogue::{Catalogue, Purpose, Writing};
use crate::job::{Job, Source, TRANSFER_BLOCKS};
use crate::manifest::{Copy, MANIFEST_BLOCKS, MANIFEST_BYTES, Manifest};
use crate::report::{Found, Request};
use crate::store::Live;

impl Catalogue {
    /// The next request, which counts as sent: it is to be called only when one can be.
    pub fn request(&mut self) -> Option<Request<'_>> {
        let ticket = self.requests.iter().position(Option::is_none)?;
        if let Writing::Opening { asked, .. } = &mut self.manifest {
            let copy = (*asked < 2).then_some(*asked)?;
            *asked += 1;
            self.requests[ticket] = Some(Purpose::ManifestRead { copy });
            let block = self.layout.manifest(copy as u64);
            return Some(Request::Read { ticket: ticket as u8, block, blocks: MANIFEST_BLOCKS });
        }
        if let Some((at, serial, index, block)) = self.store.next_wanted() {
            self.requests[ticket] = Some(Purpose::Cache { at, serial, index });
            return Some(Request::Read { ticket: ticket as u8, block, blocks: 1 });
        }
        if self.stopped {
            return None;
        }
        if let Writing::Made { needs, sent, .. } = &mut self.manifest
            && !*sent
            && self.durable >= *needs
        {
            *sent = true;
            self.requests[ticket] = Some(Purpose::ManifestWrite);
            let block = self.layout.manifest(self.generation % 2);
            let Writing::Made { bytes, .. } = &self.manifest else { return None };
            return Some(Request::Write { ticket: ticket as u8, block, data: bytes });
        }
        self.job_request(ticket)
    }

    fn job_request(&mut self, ticket: usize) -> Option<Request<'_>> {
        let segment_blocks = self.frame.segment_blocks;
        for at in 0..self.jobs.len() {
            let job = &mut self.jobs[at];
            if let Some((which, first, blocks)) = job.next_read(segment_blocks) {
                let Source::Runs(readers) = &job.source else { continue };
                let Some(live) = self.store.get(readers[which].serial) else { continue };
                let block = self.store.place(&live.run, first);
                self.requests[ticket] = Some(Purpose::Merge { job: job.serial, which, blocks });
                return Some(Request::Read { ticket: ticket as u8, block, blocks: blocks as usize });
            }
            match job.next_write(&mut self.space, segment_blocks) {
                Ok(None) => {}
                Ok(Some(write)) => {
                    let blocks = (write.len / BLOCK) as u32;
                    self.requests[ticket] = Some(Purpose::Run { job: job.serial, blocks });
                    let block = self.store.block_in_segment(write.segment, write.block);
                    let data = self.jobs[at].writing(write.len);
                    self.store.keep_indexes(self.jobs[at].serial, write.index, data);
                    return Some(Request::Write { ticket: ticket as u8, block, data });
                }
                Err(_) => self.give_up(at),
            }
        }
        None
    }

    fn job(&mut self, serial: u32) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.serial == serial)
    }

    /// Where the answer to a read belongs, to be filled before [`Catalogue::answered`]; nothing for other requests.
    pub fn reading(&mut self, ticket: u8) -> Option<&mut [u8]> {
        match (*self.requests.get(usize::from(ticket))?)? {
            Purpose::Cache { at, .. } => Some(self.store.loading(at)),
            Purpose::Merge { job, which, blocks } => self.job(job)?.reading(which, blocks),
            Purpose::ManifestRead { copy } => Some(&mut self.copies[copy * MANIFEST_BYTES..][..MANIFEST_BYTES]),
            Purpose::Run { .. } | Purpose::ManifestWrite => None,
        }
    }

    /// A request was answered: a write has reached the disk, though it need not be durable, or a read's bytes were put
    /// where they belong. `done` is false if the disk failed.
    pub fn answered(&mut self, ticket: u8, done: bool) {
        let Some(purpose) = self.requests.get_mut(usize::from(ticket)).and_then(Option::take) else { return };
        match purpose {
            Purpose::Cache { at, serial, index } => {
                self.count_read(1);
                self.store.loaded(at, serial, index, done);
            }
            Purpose::Merge { job, which, blocks } => {
                self.count_read(blocks);
                let Some(job) = self.job(job) else { return };
                job.read(which, blocks, done);
                if let (false, Source::Runs(readers)) = (done, &job.source) {
                    let (serial, index) = (readers[which].serial, readers[which].first);
                    self.store.damaged(serial, index, true);
                }
            }
            Purpose::Run { job, blocks } => {
                self.count_written(blocks, done);
                if let Some(job) = self.job(job) {
                    job.wrote();
                }
            }
            Purpose::ManifestRead { .. } => {
                self.count_read(MANIFEST_BLOCKS as u32);
                self.opened(done);
            }
            Purpose::ManifestWrite => {
                self.count_written(MANIFEST_BLOCKS as u32, done);
                if let Writing::Made { head, .. } = self.manifest {
                    self.manifest = Writing::Written { answered: self.answered, head };
                }
            }
        }
    }

    fn count_read(&mut self, blocks: u32) {
        self.traffic.reads += 1;
        self.traffic.blocks_read += u64::from(blocks);
    }

    fn count_written(&mut self, blocks: u32, done: bool) {
        self.traffic.writes += 1;
        self.traffic.blocks_written += u64::from(blocks);
        self.answered += 1;
        self.stopped |= !done;
    }

    /// A copy of the manifest was read; once both were, the newer one counts.
    fn opened(&mut self, read: bool) {
        let Writing::Opening { answered, failed, .. } = &mut self.manifest else { return };
        *answered += 1;
        *failed += usize::from(!read);
        if *answered < 2 {
            return;
        }
        let failed = *failed;
        let (a, b) = self.copies.split_at(MANIFEST_BYTES);
        let copies = [(0, a), (1, b)].map(|(copy, bytes)| {
            // One that is not in its own place was put there by somebody else, and would be written over too early.
            match Manifest::decode(bytes, &self.manifest_key, &self.frame) {
                Copy::Whole(manifest) if manifest.generation % 2 != copy => Copy::Damaged,
                found => found,
            }
        });
        self.copies = Vec::new();
        self.found = match () {
            () if failed > 0 => Found::Unreadable,
            () if copies.iter().any(|copy| matches!(copy, Copy::Whole(_))) => Found::Whole,
            () if copies.contains(&Copy::Foreign) => Found::Foreign,
            () if copies.contains(&Copy::Damaged) => Found::Damaged,
            () => Found::Blank,
        };
        // A write is counted here, so that nothing before this moment can be taken for a flush after it.
        self.answered += 1;
        self.store.version += 1;
        self.stopped = failed > 0;
        let mut whole: Vec<Manifest> = copies
            .into_iter()
            .filter_map(|copy| if let Copy::Whole(manifest) = copy { Some(manifest) } else { None })
            .collect();
        whole.sort_by_key(|manifest| manifest.generation);
        match whole.pop().filter(|_| failed == 0) {
            Some(newest) => self.take_up(newest, whole.pop()),
            None => self.manifest = Writing::Durable,
        }
    }

    /// Goes on from what was found. It may not be durable yet (the program alone was started anew, without a power
    /// cut), so what the manifest before it names is kept until something was flushed.
    fn take_up(&mut self, newest: Manifest, older: Option<Manifest>) {
        self.generation = newest.generation;
        self.durable_head = older.as_ref().map_or(Manifest::empty(self.frame.first).head, |older| older.head);
        for segment in newest.runs.iter().flat_map(|run| &run.segments) {
            self.space.claim(*segment);
        }
        for segment in older.iter().flat_map(|older| &older.runs).flat_map(|run| &run.segments) {
            if self.space.claim(*segment) {
                self.space.retire(*segment, newest.generation);
            }
        }
        for run in newest.runs {
            let serial = self.store.serial();
            self.store.runs.push(Live { run, serial, busy: false, written: 0 });
        }
        self.store.warm_up();
        (self.head, self.frozen_head, self.runs_head) = (newest.head, newest.head, newest.head);
        self.manifest = Writing::Written { answered: self.answered, head: newest.head };
    }
}

const _: () = assert!(MANIFEST_BLOCKS <= TRANSFER_BLOCKS);
