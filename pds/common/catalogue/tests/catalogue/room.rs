//! What it does with little room: on the disk, and in memory.

use fastrand::Rng;
use totebox_catalogue::{Catalogue, Found, Progress, Refused, Request, catalogue_blocks, table_bytes};

use crate::world::{World, config, some_name};

#[test]
fn a_full_directory_is_said_and_what_was_taken_stays() {
    for (seed, blocks) in [(1, 0), (2, 6), (3, 20), (4, 60), (5, 200), (6, 500)] {
        let mut rng = Rng::with_seed(seed);
        let mut world = World::new(config(blocks.max(6), 8192, 16));
        for _ in 0..20_000 {
            let name = Some(some_name(&mut rng));
            world.append(name, &mut rng);
        }
        assert!(!world.catch_up(), "{blocks} blocks are enough");
        let head = world.catalogue.head();
        assert!(world.catalogue.is_full());
        assert_eq!(world.feed(head.next), Err(Refused::Full));
        world.check().unwrap();
        // At least a third of the room holds runs, or there is none to speak of.
        let used: u64 = world.catalogue.runs().map(u64::from).sum();
        println!("{blocks} blocks: {used} in {} runs, {} records", world.catalogue.runs().count(), head.next);
        assert!(used * 3 > blocks || blocks <= 60, "{used} of {blocks}");
        world.restart();
        assert!(!world.catch_up());
        world.check().unwrap();
        world.catalogue.rebuild();
        assert!(!world.catch_up());
        world.check().unwrap();
    }
}

#[test]
fn memory_is_what_was_computed() {
    let config = config(6000, 96 << 10, 64);
    let bound = config.memory();
    let mut rng = Rng::with_seed(9);
    let mut ledger = Vec::new();
    // The largest names, and names in the way of their index.
    let mut oracle = World::new(crate::world::config(6, 0, 0));
    for at in 0..30_000u32 {
        let name = match at % 3 {
            0 => some_name(&mut rng),
            1 => [vec![(at % 251) as u8; 1000], at.to_be_bytes().to_vec()].concat(),
            _ => at.to_be_bytes().to_vec(),
        };
        oracle.append(Some(name), &mut rng);
    }
    core::mem::swap(&mut ledger, &mut oracle.ledger);
    let disk = crate::disk::Disk::new(config.blocks);
    let used = allocation_counter::measure(|| {
        let mut world = World::over(config, disk, ledger);
        world.catch_up();
        world.settle();
        assert!(world.catalogue.runs().sum::<u32>() > 500);
        core::mem::forget(world);
    });
    // Requests under way are this test's.
    let requests = 16 * totebox_catalogue::TRANSFER_BLOCKS as u64 * totebox_catalogue::BLOCK as u64;
    println!("{} bytes, {bound} computed", used.bytes_max);
    assert!(used.bytes_max <= bound as u64 + requests, "{} bytes, {bound} computed", used.bytes_max);
    assert!(used.bytes_max * 2 > bound as u64);
}

#[test]
fn a_volume_has_a_thirty_second_for_it() {
    // 128 MiB, 1 TiB.
    assert_eq!([catalogue_blocks(32_768), catalogue_blocks(1 << 28)], [1024, 1 << 23]);
    assert_eq!(
        [0, 256, 1024, 1 << 23, u64::MAX].map(table_bytes),
        [16 << 10, 64 << 10, 256 << 10, 1 << 20, 1 << 20]
    );
}

#[test]
fn a_disk_that_fails_stops_it() {
    let mut rng = Rng::with_seed(7);
    let mut world = World::new(config(400, 4096, 16));
    let mut catalogue = Catalogue::new(&world.config);
    while let Some(request) = catalogue.request() {
        let Request::Read { ticket, .. } = request else { panic!("it writes before it has read") };
        catalogue.answered(ticket, false);
    }
    assert_eq!(catalogue.found(), Found::Unreadable);
    assert_eq!(catalogue.insert(b"name", &Default::default(), &[0; 32]), Err(Refused::Stopped));
    // A write that fails.
    for _ in 0..300 {
        let name = Some(some_name(&mut rng));
        world.append(name, &mut rng);
    }
    let failed = loop {
        world.catalogue.step(32);
        if let Some(Request::Write { ticket, .. }) = world.catalogue.request() {
            world.catalogue.answered(ticket, false);
            break world.feed(world.catalogue.head().next);
        }
        world.feed(world.catalogue.head().next).unwrap();
    };
    assert_eq!(failed, Err(Refused::Stopped));
    while world.catalogue.step(32) != Progress::Idle {
        world.pump();
    }
    world.check().unwrap();
}

#[test]
fn a_head_goes_on_without_names() {
    let mut world = World::new(config(400, 4096, 16));
    let mut rng = Rng::with_seed(8);
    world.append(Some(b"one".to_vec()), &mut rng);
    (0..300_000).for_each(|_| world.append(None, &mut rng));
    assert!(world.catch_up());
    world.settle();
    let durable = world.catalogue.durable_head().next;
    assert!(durable + totebox_catalogue::LAG_RECORDS >= world.ledger.len() as u64, "{durable}");
    world.restart();
    world.check().unwrap();
    assert!(world.newest(b"one").unwrap().is_some());
}

#[test]
fn a_name_is_one_to_1024_bytes() {
    let mut world = World::new(config(400, 8192, 16));
    for len in [0, 1025, 5000] {
        let refused = world.catalogue.insert(&vec![b'n'; len], &Default::default(), &[0; 32]);
        assert_eq!(refused, Err(Refused::Name));
    }
    for len in [1, 1024] {
        let sequence = world.catalogue.head().next;
        let entry = totebox_catalogue::Entry { sequence, ..Default::default() };
        world.catalogue.insert(&vec![b'n'; len], &entry, &[0; 32]).unwrap();
        assert_eq!(world.newest(&vec![b'n'; len]), Ok(Some(entry)));
    }
}

#[test]
fn a_gap_is_refused_and_what_it_has_is_passed_over() {
    let mut world = World::new(config(400, 8192, 16));
    let mut entry = totebox_catalogue::Entry { sequence: 1, ..Default::default() };
    assert_eq!(world.catalogue.insert(b"name", &entry, &[1; 32]), Err(Refused::Gap));
    assert_eq!(world.catalogue.pass(1, &[1; 32]), Err(Refused::Gap));
    world.catalogue.pass(0, &[1; 32]).unwrap();
    world.catalogue.insert(b"name", &entry, &[2; 32]).unwrap();
    world.catalogue.insert(b"another", &entry, &[3; 32]).unwrap();
    entry.sequence = u64::MAX;
    assert_eq!(world.catalogue.insert(b"name", &entry, &[4; 32]), Err(Refused::Gap));
    let head = world.catalogue.head();
    assert_eq!((head.next, head.anchor), (2, [2; 32]));
    assert_eq!(world.newest(b"another"), Ok(None));
}
