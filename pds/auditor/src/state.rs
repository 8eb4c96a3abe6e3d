//! The auditor's state on the disk: both copies are read at start, and what is to be kept and published is written to
//! one of them, signed with the auditor's key. See `docs/ledger-format.md`, "Auditor's state".
//!
//! What is written becomes durable with the next commit of anybody, so a power cut may tear it. Until the audit record
//! is committed, which flushes the disk, the same copy is written over again: the other one stays whole.

use alloc::boxed::Box;
use alloc::vec;
use core::array;

use ledger_fmt::auditor_state::{COPIES, COPY_BLOCKS, COPY_SIZE, Copy, HEAD_SIZE, seal};
use ledger_fmt::batch_header::BATCH_BLOCKS_MAX;
use ledger_fmt::cbor::{self, MapWriter};
use ledger_fmt::layout::{Area, BLOCK_SIZE};
use ledger_fmt::note::Signer;
use totebox_manifest::Volume;
use totebox_vault_client::{Received, VaultClient};

use super::Purpose;

/// Blocks that go to the vault, or come from it, in one message.
const PIECE: usize = BATCH_BLOCKS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Read the next piece of a copy, which begins at this block of it.
    Read(usize, usize),
    Idle,
    /// Write the next piece of a copy, and how many blocks there are.
    Write(usize, usize, usize),
}

pub struct StateStore {
    pub signer: Signer,
    number: u8,
    volume: [u8; 16],
    step: Step,
    under_way: bool,
    copies: [Box<[u8]>; 2],
    generation: u64,
    /// The copy to be written next, and the batches of the audit record when the other one was.
    next: usize,
    batches: u64,
}

impl StateStore {
    /// The state on the audit volume, which has this number; it is signed with this key.
    pub fn new(volume: &Volume, number: u8, signer: Signer) -> StateStore {
        StateStore {
            signer,
            number,
            volume: volume.superblock.volume,
            step: Step::Read(0, 0),
            under_way: false,
            copies: array::from_fn(|_| vec![0; COPY_SIZE].into_boxed_slice()),
            generation: 0,
            next: 0,
            batches: 0,
        }
    }

    /// Whether both copies were read, or cannot be.
    pub fn is_read(&self) -> bool {
        !matches!(self.step, Step::Read(..))
    }

    fn sound(&self) -> impl Iterator<Item = (usize, Copy<'_>)> {
        let copies = self.copies.iter().map(|bytes| Copy::read(bytes, &self.volume));
        let ours = |copy: &Copy| copy.is_signed_by(self.signer.verifier());
        copies.map(move |copy| copy.filter(ours)).enumerate().filter_map(|(number, copy)| Some((number, copy?)))
    }

    /// Sends what is next, if there is a slot.
    pub fn advance(&mut self, vault: &mut VaultClient<Purpose>) {
        if self.under_way {
            return;
        }
        let (purpose, number) = (Purpose::State, self.number);
        self.under_way = match self.step {
            Step::Idle => return,
            Step::Read(..) if vault.is_broken() => return self.has_read(),
            Step::Read(copy, from) => {
                vault.read(purpose, number, Area::Input, COPIES[copy] + from as u64, piece(from, COPY_BLOCKS))
            }
            Step::Write(copy, from, blocks) => {
                let piece = &self.copies[copy][from * BLOCK_SIZE..][..piece(from, blocks) * BLOCK_SIZE];
                vault.write_input(purpose, number, COPIES[copy] + from as u64, piece)
            }
        };
    }

    pub fn receive(&mut self, vault: &VaultClient<Purpose>, reply: &Received<Purpose>) {
        self.under_way = false;
        match self.step {
            Step::Idle => {}
            Step::Read(copy, from) => {
                // What cannot be read counts as zeros: no copy.
                if reply.is_ok() {
                    vault.data(&mut self.copies[copy][from * BLOCK_SIZE..][..reply.len]);
                }
                match from + PIECE {
                    next if next < COPY_BLOCKS => self.step = Step::Read(copy, next),
                    _ if copy + 1 < COPIES.len() => self.step = Step::Read(copy + 1, 0),
                    _ => self.has_read(),
                }
            }
            Step::Write(copy, from, blocks) => {
                let next = from + PIECE;
                // A write that fails is the end of the volume's service, which its ledger's writer tells of.
                self.step = if next < blocks { Step::Write(copy, next, blocks) } else { Step::Idle };
            }
        }
    }

    fn has_read(&mut self) {
        self.step = Step::Idle;
        let newest = self.sound().map(|(number, copy)| (copy.generation, number)).max();
        if let Some((generation, number)) = newest {
            (self.generation, self.next) = (generation, 1 - number);
        }
    }

    /// Whether a new state can be written: nothing of the last one is left to be.
    pub fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// Begins to write the state that `fill` fills in, when the audit record has so many batches. False if it is too long.
    pub fn write(&mut self, batches: u64, fill: impl FnOnce(&mut MapWriter<'_, '_>)) -> bool {
        assert!(self.is_idle(), "one at a time");
        // The copy written last is durable if the record was committed since.
        let copy = if self.batches == batches { 1 - self.next } else { self.next };
        let bytes = &mut self.copies[copy];
        let Some(len) = cbor::write(&mut bytes[HEAD_SIZE..], fill) else { return false };
        self.generation = self.generation.saturating_add(1);
        let blocks = seal(bytes, &self.volume, self.generation, len, &self.signer);
        (self.next, self.batches) = (1 - copy, batches);
        self.step = Step::Write(copy, 0, blocks);
        true
    }
}

/// Blocks of the piece that begins at a block of so many.
fn piece(from: usize, blocks: usize) -> usize {
    (blocks - from).min(PIECE)
}
