//! Blocks and manifests that somebody with the archive's key made up: no panic, and an end in bounded work.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use fastrand::Rng;

use crate::block::{BLOCK, HEADER, Key};
use crate::manifest::{MANIFEST_BLOCKS, MANIFEST_BYTES};
use crate::{
    After, Catalogue, Config, Entry, Find, Found, Listing, Polled, Progress, Query, Refused, Request, Tag,
};

const BLOCKS: u64 = 200;

fn config() -> Config {
    Config {
        volume: [1; 16],
        key: [2; 32],
        first: 0,
        begin: 0,
        blocks: BLOCKS,
        table_bytes: 4096,
        cache_blocks: 16,
    }
}

fn serve(catalogue: &mut Catalogue, disk: &mut [u8]) {
    while let Some(request) = catalogue.request() {
        let (ticket, read) = match request {
            Request::Read { ticket, block, blocks } => (ticket, Some((block as usize * BLOCK, blocks * BLOCK))),
            Request::Write { ticket, block, data } => {
                disk[block as usize * BLOCK..][..data.len()].copy_from_slice(data);
                (ticket, None)
            }
        };
        if let (Some((at, len)), Some(buffer)) = (read, catalogue.reading(ticket)) {
            buffer.copy_from_slice(&disk[at..at + len]);
        }
        catalogue.answered(ticket, true);
    }
    catalogue.durable(catalogue.written());
}

/// Works until there is nothing to do; not for ever.
fn settle(catalogue: &mut Catalogue, disk: &mut [u8]) {
    for _ in 0..20_000 {
        if catalogue.step(16) == Progress::Idle {
            return;
        }
        serve(catalogue, disk);
        if catalogue.is_full() {
            return;
        }
    }
    panic!("it never comes to rest");
}

fn feed(catalogue: &mut Catalogue, disk: &mut [u8], until: u64) {
    let mut tries = 0;
    while catalogue.head().next < until {
        let sequence = catalogue.head().next;
        let name = format!(
            "{}{}",
            ["a/", "b/", &"long ".repeat(40)][sequence as usize % 3],
            (sequence / 5).wrapping_mul(7919) % 1000
        );
        let tag = Tag::new(&[3; 16], 0).unwrap();
        let entry = Entry { sequence, size: 5, tag, ..Entry::default() };
        match catalogue.insert(name.as_bytes(), &entry, &[4; 32]) {
            Ok(()) | Err(Refused::Busy) => {}
            Err(_) => return,
        }
        catalogue.step(16);
        serve(catalogue, disk);
        tries += 1;
        assert!(tries < 50_000);
    }
}

fn filled() -> Vec<u8> {
    let mut disk = vec![0; BLOCKS as usize * BLOCK];
    let mut catalogue = Catalogue::new(&config());
    serve(&mut catalogue, &mut disk);
    feed(&mut catalogue, &mut disk, 1500);
    catalogue.checkpoint();
    settle(&mut catalogue, &mut disk);
    assert!(catalogue.runs().any(|blocks| blocks > 8));
    disk
}

/// Does everything with a directory that a caller can do.
fn exercise(disk: &mut [u8], rng: &mut Rng) {
    let mut catalogue = Catalogue::new(&config());
    serve(&mut catalogue, disk);
    assert_ne!(catalogue.found(), Found::Opening);
    for _ in 0..5 {
        let name = format!("a/{}", rng.u16(..1000));
        let mut find = Find::up_to(&catalogue, name.as_bytes(), rng.u64(..));
        for polls in 0.. {
            assert!(polls < 1000, "a lookup has no end");
            match find.poll(&mut catalogue) {
                Ok(Polled::Ready(_)) | Err(_) => break,
                Ok(_) => serve(&mut catalogue, disk),
            }
        }
    }
    for versions in [false, true] {
        let delimiter: &[u8] = if rng.bool() { b"/" } else { b"" };
        let query = Query { prefix: b"", delimiter, after: After::Start, versions };
        let (mut listing, mut last) = (Listing::new(&catalogue, &query), Vec::new());
        for polls in 0.. {
            assert!(polls < 20_000, "a listing has no end");
            match listing.poll(&mut catalogue) {
                Ok(Polled::Ready(None)) | Err(_) => break,
                Ok(Polled::Ready(Some(item))) => {
                    let name = match item {
                        crate::Item::Entry { name, .. } | crate::Item::CommonPrefix(name) => name.to_vec(),
                    };
                    assert!(name >= last, "names are in order");
                    last = name;
                }
                Ok(_) => serve(&mut catalogue, disk),
            }
        }
    }
    let head = catalogue.head().next;
    feed(&mut catalogue, disk, head.saturating_add(300));
    settle(&mut catalogue, disk);
    if catalogue.damage().is_some() {
        catalogue.rebuild();
    }
    feed(&mut catalogue, disk, 300);
    settle(&mut catalogue, disk);
}

fn spoil(bytes: &mut [u8], rng: &mut Rng) {
    match rng.u8(..4) {
        0 => {
            for _ in 0..rng.usize(1..20) {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
            }
        }
        1 => {
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..bytes.len().min(100));
                bytes[at] = *rng.choice(&[0, 1, 0x7F, 0x80, 0xFF]).unwrap();
            }
        }
        2 => {
            let at = rng.usize(..bytes.len());
            rng.fill(&mut bytes[at..]);
        }
        _ => {
            let (from, len) = (rng.usize(..bytes.len()), rng.usize(..60));
            let to = rng.usize(..bytes.len());
            let len = len.min(bytes.len() - from).min(bytes.len() - to);
            bytes.copy_within(from..from + len, to);
        }
    }
}

#[test]
fn blocks_with_the_right_check_do_no_harm() {
    let whole = filled();
    let key = Key::derive(&config().key, "totebox.v2.catalogue.block", &config().volume);
    let used: Vec<usize> = (2 * MANIFEST_BLOCKS..BLOCKS as usize)
        .filter(|block| whole[block * BLOCK..][..BLOCK].iter().any(|&byte| byte != 0))
        .collect();
    for seed in 0..600 {
        let mut rng = Rng::with_seed(seed);
        let mut disk = whole.clone();
        for _ in 0..rng.usize(1..8) {
            let at = *rng.choice(&used).unwrap() * BLOCK;
            if rng.u8(..4) == 0 {
                // Another block of the same run, or of another, as this one.
                let other = *rng.choice(&used).unwrap() * BLOCK;
                let bound = disk[at + 16..at + 36].to_vec();
                disk.copy_within(other..other + BLOCK, at);
                disk[at + 16..at + 36].copy_from_slice(&bound);
            } else {
                let begin = if rng.bool() { HEADER } else { 36 };
                let end = if rng.bool() { 200 } else { BLOCK };
                spoil(&mut disk[at + begin..at + end], &mut rng);
            }
            disk[at..at + 16].copy_from_slice(&[4; 16]);
            let check = key.hash(&disk[at..at + BLOCK]);
            disk[at..at + 16].copy_from_slice(&check[..16]);
        }
        exercise(&mut disk, &mut rng);
    }
}

#[test]
fn manifests_with_the_right_check_do_no_harm() {
    let whole = filled();
    let key = Key::derive(&config().key, "totebox.v2.catalogue.manifest", &config().volume);
    for seed in 0..1500 {
        let mut rng = Rng::with_seed(seed);
        let mut disk = whole.clone();
        for copy in 0..2 {
            let bytes = &mut disk[copy * MANIFEST_BYTES..][..MANIFEST_BYTES];
            let end = if rng.bool() { 500 } else { MANIFEST_BYTES - 32 };
            spoil(&mut bytes[..end], &mut rng);
            let check = key.hash(&bytes[..MANIFEST_BYTES - 32]);
            bytes[MANIFEST_BYTES - 32..].copy_from_slice(&check);
        }
        exercise(&mut disk, &mut rng);
    }
}

#[test]
fn a_run_with_other_entries_than_the_manifest_says_is_damaged() {
    let mut disk = filled();
    let key = Key::derive(&config().key, "totebox.v2.catalogue.manifest", &config().volume);
    for copy in disk[..2 * MANIFEST_BYTES].chunks_exact_mut(MANIFEST_BYTES) {
        // The first run's entries.
        let entries = u64::from_le_bytes(copy[112..120].try_into().unwrap());
        copy[112..120].copy_from_slice(&(entries - 1).to_le_bytes());
        let check = key.hash(&copy[..MANIFEST_BYTES - 32]);
        copy[MANIFEST_BYTES - 32..].copy_from_slice(&check);
    }
    let mut catalogue = Catalogue::new(&config());
    serve(&mut catalogue, &mut disk);
    assert_eq!(catalogue.found(), Found::Whole);
    feed(&mut catalogue, &mut disk, 5000);
    assert!(catalogue.damage().is_some());
}

#[test]
fn answers_nobody_asked_for_are_passed_over() {
    let mut catalogue = Catalogue::new(&config());
    for ticket in 0..=255 {
        assert!(catalogue.reading(ticket).is_none());
        catalogue.answered(ticket, true);
    }
    assert_eq!(catalogue.found(), Found::Opening);
}
