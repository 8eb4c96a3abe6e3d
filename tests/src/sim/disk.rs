//! A disk that does what disks are allowed to do, at the worst moment.
//!
//! Writes that have completed are seen by reads, but only a flush puts those that completed before it was
//! submitted onto the medium. When the power is cut, of every other write any subset of its 512-byte
//! sectors is on the medium, in any order. Operations complete in the order the simulator picks. An operation
//! may have a [`DiskFault`]. What is written is held to the write-once rule of `write_once`. Domains and tests
//! have the disk through the handles of `driver`.

mod driver;

use std::collections::{HashMap, VecDeque};

use super::START_MS;
use super::write_once::WriteOnce;
use fastrand::Rng;
use ledger_fmt::layout::BLOCK_SIZE;
use totebox_deployment::Deployment;
use totebox_domain::device::{IoError, Operation};

pub use driver::{DiskHandle, SimDisk};

/// What a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// What a disk can and cannot do.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// It can flush.
    pub flush: bool,
    /// It says that it has flushed, and has not: above it every vault is one that skips its flushes.
    pub skips_flushes: bool,
    /// It refuses writes.
    pub read_only: bool,
    /// Blocks it says it has, if that is not all of them.
    pub blocks: Option<u64>,
    /// Transfer buffers of its driver.
    pub buffers: usize,
}

impl Default for Abilities {
    fn default() -> Self {
        Abilities { flush: true, skips_flushes: false, read_only: false, blocks: None, buffers: 32 }
    }
}

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// It fails. Of a write those sectors have happened all the same whose bit is set.
    Error {
        /// Bit i is the write's sector i.
        sectors: u64,
    },
    /// A read returns what some of its blocks held before they were last written.
    Stale {
        /// The first of them, from the start of the disk.
        block: u64,
        /// How many.
        blocks: usize,
    },
    /// A read returns a byte with other bits.
    Flipped {
        /// From the start of the disk.
        byte: usize,
        /// The bits that are not as they are.
        bits: u8,
    },
}

/// What goes wrong with which operations.
type Faults = Box<dyn FnMut(&Operation) -> Option<DiskFault>>;

/// Which operations something happens to.
type Which = Box<dyn FnMut(&Operation) -> bool>;

/// What becomes of the bytes of a write to a block.
type Alter = Box<dyn FnMut(u64, &mut [u8])>;

/// The disk itself. It outlives the domains that use it.
pub struct Medium {
    /// What no power cut can take away.
    stable: Vec<u8>,
    /// What reads see.
    seen: Vec<u8>,
    /// Completed writes that are not stable, in the order of their completion.
    cached: Vec<Cached>,
    /// What each block held before it was last written.
    older: HashMap<u64, Vec<u8>>,
    /// Writes that have completed.
    completions: u64,
    in_flight: Vec<InFlight>,
    done: VecDeque<Done>,
    interrupt: bool,
    abilities: Abilities,
    faults: Option<Faults>,
    hold: Option<Which>,
    alter: Option<Alter>,
    /// Submissions and completions of operations.
    events: u64,
    /// Events after which the power is gone.
    cut_after: Option<u64>,
    flushes: u64,
    write_once: Option<WriteOnce>,
    writes: Vec<(u64, Vec<u8>)>,
    /// What the battery-backed clock showed when the domains were last there.
    wall_ms: u64,
}

#[derive(Clone)]
struct Cached {
    completion: u64,
    block: u64,
    bytes: Vec<u8>,
}

struct InFlight {
    buffer: usize,
    operation: Operation,
    /// What a write writes.
    bytes: Vec<u8>,
    /// Writes completed before a flush was submitted.
    covers: u64,
}

struct Done {
    buffer: usize,
    /// What a read has read.
    bytes: Vec<u8>,
    result: Result<(), IoError>,
}

impl Medium {
    /// A disk with this content.
    pub fn new(content: Vec<u8>) -> Medium {
        assert!(content.len().is_multiple_of(BLOCK_SIZE), "a disk has whole blocks");
        Medium {
            seen: content.clone(),
            stable: content,
            cached: Vec::new(),
            older: HashMap::new(),
            completions: 0,
            in_flight: Vec::new(),
            done: VecDeque::new(),
            interrupt: false,
            abilities: Abilities::default(),
            faults: None,
            hold: None,
            alter: None,
            events: 0,
            cut_after: None,
            flushes: 0,
            write_once: None,
            writes: Vec::new(),
            wall_ms: START_MS,
        }
    }

    /// What reads see.
    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// What no power cut can take away.
    pub fn stable(&self) -> &[u8] {
        &self.stable
    }

    /// Whether no write to this block is in flight or in the cache.
    pub fn is_stable(&self, block: u64) -> bool {
        let touches =
            |start: u64, bytes: &Vec<u8>| (start..start + (bytes.len() / BLOCK_SIZE) as u64).contains(&block);
        let in_flight = self.in_flight.iter().any(|other| match other.operation {
            Operation::Write { block, .. } => touches(block, &other.bytes),
            _ => false,
        });
        !in_flight && !self.cached.iter().any(|write| touches(write.block, &write.bytes))
    }

    /// Changes bytes on the medium, behind everybody's back.
    pub fn damage(&mut self, at: usize, change: impl Fn(&mut u8)) {
        change(&mut self.stable[at]);
        change(&mut self.seen[at]);
    }

    /// Puts other bytes onto the medium, from byte `at` on. What stands there now is what must stay.
    pub fn put_back(&mut self, at: usize, bytes: &[u8]) {
        for content in [&mut self.stable, &mut self.seen] {
            content[at..at + bytes.len()].copy_from_slice(bytes);
        }
        if let Some(rule) = &mut self.write_once {
            rule.begin_anew(&self.stable);
        }
    }

    /// Holds every write from now on to the write-once rule, for the volumes of this deployment. A disk without
    /// blocks is nobody's: the vault has another.
    pub(super) fn hold_to_write_once(&mut self, deployment: &Deployment) {
        if self.write_once.is_none() && !self.stable.is_empty() {
            self.write_once = Some(WriteOnce::new(deployment, &self.stable));
        }
    }

    /// The time of day, in milliseconds since 1970-01-01 UTC: the clock, too, outlives the domains.
    pub fn wall_ms(&self) -> u64 {
        self.wall_ms
    }

    /// The domains are gone at this time of day.
    pub(super) fn left_at(&mut self, wall_ms: u64) {
        self.wall_ms = wall_ms;
    }

    /// Changes what the disk can do.
    pub fn set_abilities(&mut self, abilities: Abilities) {
        self.abilities = abilities;
    }

    /// Has operations go wrong as `faults` says when they complete.
    pub fn set_faults(&mut self, faults: impl FnMut(&Operation) -> Option<DiskFault> + 'static) {
        self.faults = Some(Box::new(faults));
    }

    /// Has every operation fail for which `fails` says so when it completes.
    pub fn fail_when(&mut self, mut fails: impl FnMut(&Operation) -> bool + 'static) {
        self.set_faults(move |operation| fails(operation).then_some(DiskFault::Error { sectors: 0 }));
    }

    /// Has the simulator not complete the operations for which `hold` says so.
    pub fn hold_while(&mut self, hold: impl FnMut(&Operation) -> bool + 'static) {
        self.hold = Some(Box::new(hold));
    }

    /// Has every write changed when it is submitted, as by a vault that writes something else.
    pub fn alter_writes(&mut self, alter: impl FnMut(u64, &mut [u8]) + 'static) {
        self.alter = Some(Box::new(alter));
    }

    /// Has the power end after so many more events of the disk, each of them the submission or the completion
    /// of an operation: what is submitted afterwards never happens, and nothing completes any more.
    pub fn cut_after(&mut self, events: u64) {
        self.cut_after = Some(self.events + events);
    }

    /// Whether the power has ended by [`Medium::cut_after`].
    pub fn is_without_power(&self) -> bool {
        self.cut_after.is_some_and(|end| self.events >= end)
    }

    /// Flushes completed since the disk was made.
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    /// First block and bytes of every write submitted since this was last asked.
    pub fn take_writes(&mut self) -> Vec<(u64, Vec<u8>)> {
        std::mem::take(&mut self.writes)
    }

    /// The operations in flight, oldest first.
    pub fn in_flight(&self) -> Vec<Operation> {
        self.in_flight.iter().map(|operation| operation.operation).collect()
    }

    /// The positions in [`Medium::in_flight`] of the operations that may complete next.
    pub fn completable(&mut self) -> Vec<usize> {
        if self.is_without_power() {
            return Vec::new();
        }
        let mut held = |operation: &Operation| self.hold.as_mut().is_some_and(|hold| hold(operation));
        let in_flight = self.in_flight.iter().enumerate();
        in_flight.filter(|(_, other)| !held(&other.operation)).map(|(position, _)| position).collect()
    }

    /// Whether an interrupt is due.
    pub fn interrupt(&self) -> bool {
        self.interrupt
    }

    /// Completes the operation at this position of [`Medium::in_flight`].
    pub fn complete(&mut self, position: usize) {
        let InFlight { buffer, operation, bytes, covers } = self.in_flight.remove(position);
        self.events += 1;
        let fault = self.faults.as_mut().and_then(|faults| faults(&operation));
        let mut done = Done { buffer, bytes: Vec::new(), result: Ok(()) };
        match (operation, fault) {
            (Operation::Write { block, .. }, Some(DiskFault::Error { sectors })) => {
                done.result = Err(IoError);
                self.happen_in_part(block, &bytes, |sector| sectors >> sector.min(63) & 1 == 1);
            }
            (_, Some(DiskFault::Error { .. })) => done.result = Err(IoError),
            (Operation::Read { block, blocks }, fault) => done.bytes = self.read(block, blocks, fault),
            (Operation::Write { block, .. }, _) => self.happen_in_part(block, &bytes, |_| true),
            (Operation::Flush, _) if self.abilities.skips_flushes => {}
            (Operation::Flush, _) => self.flush(covers),
        }
        self.done.push_back(done);
        self.interrupt = true;
    }

    fn read(&self, block: u64, blocks: usize, fault: Option<DiskFault>) -> Vec<u8> {
        let start = block as usize * BLOCK_SIZE;
        let mut bytes = self.seen[start..start + blocks * BLOCK_SIZE].to_vec();
        match fault {
            Some(DiskFault::Stale { block: first, blocks: count }) => {
                let stale = first..first + count as u64;
                for (content, block) in bytes.chunks_exact_mut(BLOCK_SIZE).zip(block..) {
                    if let Some(older) = self.older.get(&block).filter(|_| stale.contains(&block)) {
                        content.copy_from_slice(older);
                    }
                }
            }
            Some(DiskFault::Flipped { byte, bits }) => {
                if let Some(byte) = byte.checked_sub(start).and_then(|at| bytes.get_mut(at)) {
                    *byte ^= bits;
                }
            }
            _ => {}
        }
        bytes
    }

    /// A write has happened, as far as `sector` says; it is in the cache.
    fn happen_in_part(&mut self, block: u64, bytes: &[u8], mut sector: impl FnMut(usize) -> bool) {
        let start = block as usize * BLOCK_SIZE;
        let blocks = self.seen[start..start + bytes.len()].chunks_exact(BLOCK_SIZE);
        self.older.extend((block..).zip(blocks.map(<[u8]>::to_vec)));
        for (i, bytes) in bytes.chunks_exact(SECTOR).enumerate().filter(|(i, _)| sector(*i)) {
            let at = start + i * SECTOR;
            self.seen[at..at + SECTOR].copy_from_slice(bytes);
        }
        self.completions += 1;
        let bytes = self.seen[start..start + bytes.len()].to_vec();
        self.cached.push(Cached { completion: self.completions, block, bytes });
    }

    fn flush(&mut self, covers: u64) {
        self.flushes += 1;
        self.cached.retain(|write| {
            let stays = write.completion > covers;
            if !stays {
                let start = write.block as usize * BLOCK_SIZE;
                self.stable[start..start + write.bytes.len()].copy_from_slice(&write.bytes);
            }
            stays
        });
        self.look_for_runs();
    }

    /// The medium has changed: it may hold more runs.
    fn look_for_runs(&mut self) {
        if let Some(rule) = &mut self.write_once {
            rule.advance(&self.stable);
        }
    }

    /// Notes a write that is submitted, and judges it; a disk that cannot flush keeps no rule.
    fn judge(&mut self, block: u64, bytes: &[u8]) {
        self.writes.push((block, bytes.to_vec()));
        if let Some(rule) = self.write_once.as_ref().filter(|_| self.abilities.flush) {
            rule.judge(block, bytes, |block| self.is_stable(block));
        }
    }

    /// The power is cut: every write that no flush covered keeps a random subset of its sectors. The domains
    /// are gone; a new [`SimDisk`] finds what is left.
    pub fn cut_power(&mut self, random: &mut Rng) {
        let mut sectors = self.volatile_sectors();
        random.shuffle(&mut sectors);
        for (at, bytes) in sectors {
            if random.bool() {
                self.stable[at..at + SECTOR].copy_from_slice(&bytes);
            }
        }
        self.restart();
    }

    /// The power is cut, and of the sectors that no flush covered exactly those are on the medium whose bit is
    /// set in `kept`, in the order they were written. Returns how many such sectors there were.
    pub fn cut_power_keeping(&mut self, kept: u64) -> usize {
        let sectors = self.volatile_sectors();
        for (index, (at, bytes)) in sectors.iter().enumerate() {
            if kept >> index.min(63) & 1 == 1 {
                self.stable[*at..at + SECTOR].copy_from_slice(bytes);
            }
        }
        self.restart();
        sectors.len()
    }

    /// Sectors a power cut may lose, and what they would become.
    fn volatile_sectors(&self) -> Vec<(usize, Vec<u8>)> {
        let cached = self.cached.iter().map(|write| (write.block, &write.bytes));
        let in_flight = self.in_flight.iter().filter_map(|operation| match operation.operation {
            Operation::Write { block, .. } => Some((block, &operation.bytes)),
            _ => None,
        });
        let sectors = cached.chain(in_flight).flat_map(|(block, bytes)| {
            let start = block as usize * BLOCK_SIZE;
            bytes.chunks_exact(SECTOR).enumerate().map(move |(i, bytes)| (start + i * SECTOR, bytes.to_vec()))
        });
        // What is there already cannot be lost.
        sectors.filter(|(at, bytes)| self.stable[*at..at + SECTOR] != bytes[..]).collect()
    }

    /// The domains are killed, but not the machine: completed writes stay in its cache, those in flight
    /// have happened in part.
    pub fn kill(&mut self, random: &mut Rng) {
        for InFlight { operation, bytes, .. } in std::mem::take(&mut self.in_flight) {
            let Operation::Write { block, .. } = operation else { continue };
            self.happen_in_part(block, &bytes, |_| random.bool());
        }
        self.done.clear();
        self.interrupt = false;
    }

    fn restart(&mut self) {
        self.cached.clear();
        self.in_flight.clear();
        self.done.clear();
        self.interrupt = false;
        self.cut_after = None;
        self.seen.copy_from_slice(&self.stable);
        self.look_for_runs();
    }
}
