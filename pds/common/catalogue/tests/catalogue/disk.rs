//! A directory in memory, with a record of what was written and flushed, so that it can be cut off at any moment.

use std::collections::BTreeSet;

use totebox_catalogue::BLOCK;

const SECTOR: usize = 512;

/// What happened to the directory.
#[derive(Clone, Debug)]
pub enum Event {
    /// A write was sent.
    Sent { block: u64, data: Vec<u8> },
    /// The write with this number, counted as they were sent, was answered.
    Answered(usize),
    /// A flush begins: of the writes answered before.
    FlushBegun,
    /// Those are durable.
    Flushed,
}

/// A directory.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub bytes: Vec<u8>,
    /// What happened, if it is recorded.
    pub events: Option<Vec<Event>>,
    /// Blocks that were read, if it is recorded.
    pub read: Option<Vec<u64>>,
    sent: usize,
}

impl Disk {
    pub fn new(blocks: u64) -> Self {
        Disk { bytes: vec![0; blocks as usize * BLOCK], ..Disk::default() }
    }

    pub fn of(bytes: Vec<u8>) -> Self {
        Disk { bytes, ..Disk::default() }
    }

    pub fn block(&self, block: u64) -> &[u8] {
        &self.bytes[block as usize * BLOCK..][..BLOCK]
    }

    pub fn read(&mut self, block: u64, blocks: usize) -> Vec<u8> {
        if let Some(read) = &mut self.read {
            read.extend(block..block + blocks as u64);
        }
        self.bytes[block as usize * BLOCK..][..blocks * BLOCK].to_vec()
    }

    /// Sends a write. Returns its number.
    pub fn send(&mut self, block: u64, data: &[u8]) -> usize {
        self.bytes[block as usize * BLOCK..][..data.len()].copy_from_slice(data);
        if let Some(events) = &mut self.events {
            events.push(Event::Sent { block, data: data.to_vec() });
        }
        self.sent += 1;
        self.sent - 1
    }

    pub fn note(&mut self, event: Event) {
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }
}

/// What a directory is after each event, if the power is cut there.
pub struct Cuts {
    durable: Vec<u8>,
    volatile: Vec<(usize, u64, Vec<u8>)>,
    answered: BTreeSet<usize>,
    flushing: BTreeSet<usize>,
    sent: usize,
}

impl Cuts {
    /// Of a directory that begins as these bytes.
    pub fn of(durable: Vec<u8>) -> Self {
        Cuts { durable, volatile: Vec::new(), answered: BTreeSet::new(), flushing: BTreeSet::new(), sent: 0 }
    }

    pub fn happens(&mut self, event: &Event) {
        match event {
            Event::Sent { block, data } => {
                self.volatile.push((self.sent, *block, data.clone()));
                self.sent += 1;
            }
            Event::Answered(number) => _ = self.answered.insert(*number),
            Event::FlushBegun => self.flushing = self.answered.clone(),
            Event::Flushed => {
                let (durable, answered) = (&mut self.durable, &self.flushing);
                self.volatile.retain(|(number, block, data)| {
                    let flushed = answered.contains(number);
                    if flushed {
                        durable[*block as usize * BLOCK..][..data.len()].copy_from_slice(data);
                    }
                    !flushed
                });
            }
        }
    }

    /// The directory after a cut here. `keeps` says of each sector that was written and not flushed whether it
    /// reached the disk.
    pub fn cut(&self, keeps: &mut dyn FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (_, block, data) in &self.volatile {
            for (at, sector) in data.chunks(SECTOR).enumerate() {
                if keeps() {
                    bytes[*block as usize * BLOCK + at * SECTOR..][..SECTOR].copy_from_slice(sector);
                }
            }
        }
        bytes
    }

    /// True if a cut here can lose anything.
    pub fn is_volatile(&self) -> bool {
        !self.volatile.is_empty()
    }
}
