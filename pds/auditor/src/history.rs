//! Reading the audit record back for the operator: some of its records at a time.

use alloc::boxed::Box;
use alloc::vec;

use heapless::Deque;
use ledger_fmt::batch_header::BATCH_BLOCKS_MAX;
use ledger_fmt::layout::{Area, BLOCK_SIZE};
use ledger_fmt::record::Record;
use totebox_ledger_writer::Batch;
use totebox_protocol::audit::{EventRow, Reported};
use totebox_protocol::page::HISTORY_MAX;
use totebox_vault_client::{Received, VaultClient};

use super::Purpose;
use super::journal::Journal;
use super::replay::Replay;

/// What was asked for, and how far it has come.
#[derive(Clone, Copy, Debug)]
struct Task {
    tag: u32,
    /// The record wanted next, and the one behind the last wanted.
    next: u64,
    end: u64,
    /// The batch that is to be read, and where batches end.
    block: u64,
    ledger_next: u64,
    under_way: bool,
    done: bool,
}

pub struct History {
    number: u8,
    task: Option<Task>,
    buffer: Box<[u8]>,
    found: Deque<EventRow, HISTORY_MAX>,
    sent: u32,
}

impl History {
    /// The history of the audit record, which is the volume with this number.
    pub fn new(number: u8) -> History {
        let buffer = vec![0; BATCH_BLOCKS_MAX * BLOCK_SIZE].into_boxed_slice();
        History { number, task: None, buffer, found: Deque::new(), sent: 0 }
    }

    /// Whether another one can be asked for.
    pub fn is_idle(&self) -> bool {
        self.task.is_none()
    }

    /// Begins to read what was asked for, if none is under way.
    ///
    /// At most `count` records are wanted, from the sequence number `from` on; without one the last of them.
    pub fn begin(&mut self, tag: u32, from: Option<u64>, count: u32, journal: &Journal) {
        let (records, ledger_next) = journal.extent();
        let count = u64::from(count).min(HISTORY_MAX as u64);
        let next = from.map_or(records.saturating_sub(count), |from| from.min(records));
        let end = next.saturating_add(count).min(records);
        let block = journal.block_before(next);
        self.sent = 0;
        self.task = Some(Task { tag, next, end, block, ledger_next, under_way: false, done: next >= end });
    }

    /// Asks for the next blocks, if some are wanted and there is a slot.
    pub fn advance(&mut self, vault: &mut VaultClient<Purpose>) {
        let Some(task) = self.task.as_mut().filter(|task| !task.done && !task.under_way) else { return };
        let blocks = task.ledger_next.saturating_sub(task.block).min(BATCH_BLOCKS_MAX as u64) as usize;
        task.done = blocks == 0 || vault.is_broken();
        if !task.done {
            task.under_way = vault.read(Purpose::History, self.number, Area::Ledger, task.block, blocks);
        }
    }

    /// Takes the blocks.
    pub fn receive(
        &mut self,
        vault: &VaultClient<Purpose>,
        reply: &Received<Purpose>,
        journal: &Journal,
        replay: &Replay,
    ) {
        let Some(task) = &mut self.task else { return };
        task.under_way = false;
        if !reply.is_ok() {
            task.done = true;
            return;
        }
        vault.data(&mut self.buffer[..reply.len]);
        let (volume, layout) = journal.place();
        let mut at = 0;
        while !task.done {
            // What does not fit the blocks read, or is damaged, is asked for again or given up.
            let Ok(batch) = Batch::at(task.block, volume, layout, &self.buffer[at..reply.len]) else {
                task.done = at == 0;
                return;
            };
            let mut records = batch.records;
            while let Ok((record, len)) = Record::decode(records) {
                if record.header.sequence.get() == task.next && task.next < task.end {
                    self.found.push_back(replay.event(&record)).expect("no more than fit were asked for");
                    task.next += 1;
                }
                records = &records[len..];
            }
            at += batch.len;
            task.block += (batch.len / BLOCK_SIZE) as u64;
            task.done = task.next >= task.end;
        }
    }

    /// The report that leaves next; after that it [`History::has_left`].
    pub fn report(&self, records: u64) -> Option<Reported> {
        let tag = self.task.filter(|task| task.done)?.tag;
        Some(match self.found.front() {
            Some(event) => Reported::Event { tag, event: *event },
            None => Reported::Complete { tag, records, sent: self.sent },
        })
    }

    pub fn has_left(&mut self) {
        match self.found.pop_front() {
            Some(_) => self.sent += 1,
            None => self.task = None,
        }
    }
}
