//! Disks spoilt at random: bits, blocks, an end that is missing, and structures that say something else and
//! have their checks made right again. Their keys are public: whoever holds the disk can do that.

use fastrand::Rng;
use ledger_fmt::batch_header::{BatchHeader, Hint, STAMP_SIZE};
use ledger_fmt::hash::{Domain, checksum};
use ledger_fmt::layout::{BLOCK_SIZE, HINT_BLOCKS, Superblock};
use ledger_fmt::payload::PAYLOAD_MAX;
use ledger_fmt::record::{CHECK_SIZE, HEADER_SIZE, Header};
use zerocopy::{FromBytes, IntoBytes};

use crate::disk::Disk;

/// Does a few things to the disk.
pub fn spoil(disk: &mut Disk, rng: &mut Rng) {
    for _ in 0..rng.usize(1..=3) {
        match rng.u8(0..10) {
            0..2 => flip(disk, rng),
            2 => wipe(disk, rng),
            3 => copy(disk, rng),
            4 if rng.bool() => cut(disk, rng),
            _ => forge(disk, rng),
        }
    }
}

/// The start of some block that is not blank.
fn some_block(disk: &Disk, rng: &mut Rng) -> usize {
    let blocks = disk.bytes.chunks_exact(BLOCK_SIZE).enumerate();
    let used: Vec<usize> =
        blocks.filter(|(_, block)| block.iter().any(|&byte| byte != 0)).map(|(i, _)| i).collect();
    rng.choice(used).unwrap_or(0) * BLOCK_SIZE
}

fn flip(disk: &mut Disk, rng: &mut Rng) {
    let at = some_block(disk, rng) + rng.usize(..BLOCK_SIZE);
    if let Some(byte) = disk.bytes.get_mut(at) {
        *byte ^= 1 << rng.u8(..8);
    }
}

fn wipe(disk: &mut Disk, rng: &mut Rng) {
    let at = some_block(disk, rng);
    disk.bytes.iter_mut().skip(at).take(BLOCK_SIZE).for_each(|byte| *byte = 0);
}

/// One block, to another's place or close by.
fn copy(disk: &mut Disk, rng: &mut Rng) {
    let from = some_block(disk, rng);
    let to = if rng.bool() { some_block(disk, rng) } else { from + BLOCK_SIZE * rng.usize(1..4) };
    if from.max(to) + BLOCK_SIZE <= disk.bytes.len() {
        disk.bytes.copy_within(from..from + BLOCK_SIZE, to);
    }
}

fn cut(disk: &mut Disk, rng: &mut Rng) {
    let at = some_block(disk, rng) + rng.usize(..BLOCK_SIZE);
    disk.bytes.truncate(at);
}

/// A field of some structure gets another value.
fn forge(disk: &mut Disk, rng: &mut Rng) {
    let volume = rng.choice(&disk.volumes).expect("there are volumes").clone();
    let start = volume.offset() as usize;
    let Some(bytes) = disk.bytes.get_mut(start..start + volume.size() as usize) else { return };
    let ledger = &mut bytes[volume.layout.space.start as usize * BLOCK_SIZE..];
    match rng.u8(..8) {
        0 => {
            change(&mut bytes[..120], rng);
            sign(&mut bytes[..size_of::<Superblock>()], Domain::Superblock);
        }
        1 => {
            let hint = &mut bytes[HINT_BLOCKS[rng.usize(..2)] as usize * BLOCK_SIZE..][..size_of::<Hint>()];
            change(&mut hint[..104], rng);
            sign(hint, Domain::Hint);
        }
        2..4 => {
            if let Some(at) = rng.choice(headers(ledger)) {
                change(&mut ledger[at..at + 224], rng);
                sign(&mut ledger[at..at + STAMP_SIZE], Domain::BatchHeader);
                if rng.bool() {
                    join(bytes, volume.layout.space.start);
                }
            }
        }
        _ => {
            if let Some(at) = rng.choice(records(ledger)) {
                forge_record(&mut ledger[at..], rng);
                if rng.bool() {
                    join(bytes, volume.layout.space.start);
                }
            }
        }
    }
}

/// A field of 2, 4 or 8 bytes gets a value of which something may follow, or a byte another.
fn change(bytes: &mut [u8], rng: &mut Rng) {
    let width = (1 << rng.usize(..4)).min(1 << bytes.len().ilog2());
    let at = rng.usize(..bytes.len() / width) * width;
    let field = &mut bytes[at..at + width];
    let old = field.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let values =
        [0, 1, old.wrapping_add(1), old.wrapping_sub(1), old ^ 0x8000, u64::MAX, rng.u64(..4096), rng.u64(..)];
    let new = rng.choice(values).expect("there are values");
    field.copy_from_slice(&new.to_le_bytes()[..width]);
}

/// Makes the check at the end right.
fn sign(structure: &mut [u8], domain: Domain) {
    let (said, check) = structure.split_at_mut(structure.len() - 32);
    check.copy_from_slice(&domain.hash(said));
}

fn headers(ledger: &[u8]) -> Vec<usize> {
    (0..ledger.len()).step_by(BLOCK_SIZE).filter(|&at| ledger[at..].starts_with(&BatchHeader::MAGIC)).collect()
}

fn records(ledger: &[u8]) -> Vec<usize> {
    let end = ledger.len() - HEADER_SIZE - PAYLOAD_MAX;
    (0..end).step_by(8).filter(|&at| ledger[at..].starts_with(&Header::MAGIC)).collect()
}

/// The record at the start of `bytes` says something else in its header or its payload.
fn forge_record(bytes: &mut [u8], rng: &mut Rng) {
    let len = |bytes: &[u8]| u32::from_le_bytes(*bytes[8..].first_chunk().expect("a header")) as usize;
    let payload = len(bytes).min(PAYLOAD_MAX);
    if payload > 0 && rng.u8(..3) == 0 {
        change(&mut bytes[HEADER_SIZE..HEADER_SIZE + payload], rng);
    } else {
        change(&mut bytes[..HEADER_SIZE - CHECK_SIZE], rng);
    }
    let payload = len(bytes).min(PAYLOAD_MAX);
    let mut hasher = Domain::Record.hasher();
    hasher.update(&bytes[..HEADER_SIZE - CHECK_SIZE]);
    hasher.update(&bytes[HEADER_SIZE..HEADER_SIZE + payload]);
    bytes[HEADER_SIZE - CHECK_SIZE..HEADER_SIZE].copy_from_slice(&hasher.finish()[..CHECK_SIZE]);
}

/// Joins the batches again, as the vault would have written them: checksums, previous hashes and hints are right.
fn join(volume: &mut [u8], ledger_start: u64) {
    let (head, ledger) = volume.split_at_mut(ledger_start as usize * BLOCK_SIZE);
    let mut previous = [0; 32];
    for at in headers(ledger) {
        let (header, rest) = ledger[at..].split_at_mut(STAMP_SIZE);
        let record_bytes = u32::from_le_bytes(*header[48..].first_chunk().expect("a batch header")) as usize;
        header[80..96].copy_from_slice(&checksum(&rest[..record_bytes.min(rest.len())]));
        header[112..144].copy_from_slice(&previous);
        sign(header, Domain::BatchHeader);
        previous.copy_from_slice(&header[224..]);
        let (header, _) = BatchHeader::read_from_prefix(header).expect("256 bytes");
        for block in HINT_BLOCKS {
            let bytes = &mut head[block as usize * BLOCK_SIZE..][..size_of::<Hint>()];
            let Ok(mut hint) = Hint::read_from_bytes(bytes) else { continue };
            if hint.batches.get() == header.batch.get().wrapping_add(1) {
                hint.last_header = previous;
                bytes.copy_from_slice(hint.as_bytes());
                sign(bytes, Domain::Hint);
            }
        }
    }
}
