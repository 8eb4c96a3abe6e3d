//! Leaves, index blocks, runs and numbers, written and read back.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use fastrand::Rng;

use crate::block::{self, BLOCK, HEADER, Key, Range};
use crate::build::{Builder, Unfit};
use crate::code::{Bytes, Short, VALUES_MAX};
use crate::entry::{Entry, NAME_MAX, NEWEST, Tag, Target, common, compare};
use crate::index;
use crate::leaf::Position;
use crate::space::{Space, segment_blocks};

const KEY: Key = Key([9; 32]);

fn entry(sequence: u64, rng: &mut Rng) -> Entry {
    let digest: Vec<u8> = (0..rng.usize(0..=16)).map(|_| rng.u8(..)).collect();
    Entry {
        sequence,
        place: rng.u64(..) >> rng.u32(..64),
        size: rng.u64(..) >> rng.u32(..64),
        time_ms: rng.u64(..) >> rng.u32(..64),
        tag: Tag::new(&digest, if rng.bool() { rng.u16(..) } else { 0 }).unwrap(),
        delete_marker: rng.bool(),
    }
}

#[test]
fn numbers_and_values_come_back() {
    let mut rng = Rng::with_seed(1);
    for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX - 1, u64::MAX] {
        let mut short = Short::<10>::new();
        short.number(number);
        let mut bytes = Bytes::new(short.bytes(), 0);
        assert_eq!(bytes.number(), Ok(number));
        assert_eq!(bytes.at, short.bytes().len());
    }
    // More than 64 bits, and an end in the middle.
    assert!(Bytes::new(&[0xFF; 9], 0).number().is_err());
    assert!(Bytes::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2], 0).number().is_err());
    for _ in 0..10_000 {
        let from = rng.u64(..1 << 60);
        let written = entry(from + (rng.u64(..) >> rng.u32(4..64)), &mut rng);
        let before = rng.u64(..);
        let mut short = Short::<VALUES_MAX>::new();
        short.values(&written, from, before);
        assert_eq!(Bytes::new(short.bytes(), 0).values(from, u64::MAX, before), Ok(written));
        assert!(Bytes::new(short.bytes(), 0).values(from, written.sequence, before).is_err());
    }
    let largest = Entry {
        sequence: u64::MAX,
        place: u64::MAX,
        size: u64::MAX,
        time_ms: 1 << 63,
        tag: Tag::new(&[1; 16], u16::MAX).unwrap(),
        delete_marker: true,
    };
    let mut short = Short::<VALUES_MAX>::new();
    short.values(&largest, 0, 0);
    assert_eq!(short.bytes().len(), VALUES_MAX);
    assert!(Tag::new(&[1; 17], 0).is_none());
}

#[test]
fn names_are_compared_byte_by_byte() {
    let mut rng = Rng::with_seed(2);
    for _ in 0..10_000 {
        let name = |rng: &mut Rng| -> Vec<u8> { (0..rng.usize(..20)).map(|_| rng.u8(..2)).collect() };
        let (a, b) = (name(&mut rng), name(&mut rng));
        let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        assert_eq!(common(&a, &b), shared);
        // Nothing is between a place and the one after it.
        let (version, other) = (rng.u64(..3), rng.u64(..3));
        let mut target = Target::default();
        target.set_after(&a, version);
        assert_eq!(target.reached(&b, other), compare(&b, other, &a, version).is_gt());
        target.set_after_name(&a);
        assert_eq!(target.reached(&b, other), b > a);
        let ends = !target.set_after_prefix(&a);
        assert_eq!(!ends && target.reached(&b, other), b > a && !b.starts_with(&a));
    }
    assert!(!Target::default().set_after_prefix(&[0xFF, 0xFF]));
}

/// A run with these entries: its blocks.
fn run(entries: &BTreeMap<(Vec<u8>, Reverse<u64>), Entry>, range: Range) -> (Vec<u8>, Builder) {
    let (mut builder, mut out) = (Builder::new(range), Vec::new());
    for ((name, _), entry) in entries {
        builder.push(&KEY, name, entry, &mut out).unwrap();
    }
    builder.finish(&KEY, &mut out).unwrap();
    assert_eq!(out.len(), builder.blocks() as usize * BLOCK);
    (out, builder)
}

/// The leaf that a target belongs to.
fn leaf_of(blocks: &[u8], levels: u8, range: Range, target: &Target) -> usize {
    let mut at = blocks.len() / BLOCK - 1;
    for level in (0..levels).rev() {
        let child = index::find(&blocks[at * BLOCK..][..BLOCK], range, target).unwrap() as usize;
        assert!(child < at);
        assert_eq!(block::header(&blocks[child * BLOCK..]).level, level);
        at = child;
    }
    at
}

#[test]
fn a_run_has_every_entry_in_the_leaf_that_its_key_leads_to() {
    let mut rng = Rng::with_seed(3);
    for round in 0..40 {
        let range = Range { from: 1000, to: 1_000_000, anchor: [6; 16] };
        let mut entries = BTreeMap::new();
        for sequence in 0..rng.u64(1..3000) {
            let name: Vec<u8> = match round % 4 {
                0 => (0..rng.usize(1..=NAME_MAX)).map(|_| rng.u8(..)).collect(),
                1 => [vec![7; 1000], vec![rng.u8(..); rng.usize(1..=24)]].concat(),
                2 => vec![rng.u8(..3); rng.usize(1..4)],
                _ => rng.u64(..).to_be_bytes().to_vec(),
            };
            let sequence = 1000 + sequence * 3;
            entries.insert((name, Reverse(sequence)), entry(sequence, &mut rng));
        }
        let (blocks, builder) = run(&entries, range);
        assert_eq!(builder.entries(), entries.len() as u64);
        // All of them in order, with index blocks between.
        let (mut position, mut read) = (Position::default(), Vec::new());
        for (block, index) in blocks.chunks_exact(BLOCK).zip(0..) {
            let header = block::open(&mut block.to_vec(), &KEY, range, index).unwrap();
            assert!(block[header.end.get().into()..].iter().all(|&byte| byte == 0));
            if header.level == 0 {
                position.start(block);
                while position.next(block, range).unwrap() {
                    read.push((position.name.clone(), position.entry));
                }
            }
        }
        assert!(
            read.iter().map(|(name, entry)| (name, entry)).eq(entries.iter().map(|(key, entry)| (&key.0, entry)))
        );
        // Each by its key, and by one between it and the version before.
        for ((name, Reverse(sequence)), entry) in entries.iter().step_by(7) {
            for version in [*sequence, sequence + 1, sequence + 2] {
                let target = Target { name: name.clone(), version };
                let leaf = leaf_of(&blocks, builder.index_levels(), range, &target);
                let leaf = &blocks[leaf * BLOCK..][..BLOCK];
                position.start(leaf);
                while position.next(leaf, range).unwrap()
                    && !target.reached(&position.name, position.entry.sequence)
                {}
                assert_eq!((&position.name, &position.entry), (name, entry));
            }
        }
        let first = Target { name: Vec::new(), version: NEWEST };
        assert_eq!(leaf_of(&blocks, builder.index_levels(), range, &first), 0);
        // The same range is the same bytes.
        assert!(run(&entries, range).0 == blocks);
    }
}

#[test]
fn what_is_not_in_order_is_not_built() {
    let mut rng = Rng::with_seed(4);
    let (mut builder, mut out) = (Builder::new(Range { from: 0, to: 10, anchor: [6; 16] }), Vec::new());
    let mut push = |name: &[u8], sequence| {
        let entry = entry(sequence, &mut rng);
        builder.push(&KEY, name, &entry, &mut out)
    };
    push(b"b", 5).unwrap();
    for (name, sequence) in [(&b"a"[..], 6), (b"b", 5), (b"b", 6)] {
        assert_eq!(push(name, sequence), Err(Unfit::OutOfOrder));
    }
    push(b"b", 4).unwrap();
    push(b"b\0", 9).unwrap();
}

#[test]
fn a_block_is_of_one_place_in_one_run() {
    let mut rng = Rng::with_seed(5);
    let range = Range { from: 4, to: 20, anchor: [6; 16] };
    let mut block = vec![0; BLOCK];
    rng.fill(&mut block[HEADER..100]);
    block::seal(&mut block, &KEY, range, 3, 0, 1, 100);
    let opens = |block: &[u8], key, range, index| block::open(&mut block.to_vec(), key, range, index).is_some();
    assert!(opens(&block, &KEY, range, 3));
    assert!(!opens(&block, &KEY, range, 2));
    assert!(!opens(&block, &KEY, Range { from: 5, ..range }, 3));
    assert!(!opens(&block, &KEY, Range { to: 21, ..range }, 3));
    assert!(!opens(&block, &KEY, Range { anchor: [7; 16], ..range }, 3));
    assert!(!opens(&block, &Key([8; 32]), range, 3));
    for at in 0..BLOCK {
        block[at] ^= 4;
        assert!(!opens(&block, &KEY, range, 3), "byte {at}");
        block[at] ^= 4;
    }
    assert!(!opens(&block[..BLOCK - 1], &KEY, range, 3));
}

#[test]
fn segments_grow_with_the_directory() {
    let sizes = [1, 256, 8 * 4096, 8 * 4096 + 1, 1 << 23, u64::from(u32::MAX)];
    assert_eq!(sizes.map(segment_blocks), [8, 8, 8, 16, 2048, 1 << 20]);
}

#[test]
fn what_is_given_up_is_free_once_no_manifest_names_it() {
    let mut space = Space::new(3);
    let taken: Vec<u16> = core::iter::from_fn(|| space.take()).collect();
    assert_eq!(taken, [0, 1, 2]);
    space.retire(1, 7);
    space.retire(2, 8);
    space.durable(6);
    assert_eq!((space.free(), space.take()), (0, None));
    space.durable(7);
    assert_eq!((space.free(), space.has_retired()), (1, true));
    assert!(space.claim(1) && !space.claim(1) && !space.claim(9));
}
