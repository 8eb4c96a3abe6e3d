//! Power cuts: at every write, with every sort of loss among what was not flushed.

use fastrand::Rng;
use totebox_catalogue::{Config, Found, Head, Refused};

use crate::disk::{Cuts, Disk, Event};
use crate::world::{Ledger, World, config, some_name};

const BLOCKS: u64 = 400;

fn small() -> Config {
    config(BLOCKS, 4096, 32)
}

/// A run that was recorded.
struct Recorded {
    ledger: Ledger,
    events: Vec<Event>,
    /// After so many events, what the catalogue said was durable.
    promised: Vec<(usize, Head)>,
}

/// Goes on from a directory for so many records, in ways that the seed chooses.
fn record(bytes: Vec<u8>, ledger: Ledger, records: usize, rng: &mut Rng) -> Recorded {
    let mut disk = Disk::of(bytes);
    disk.events = Some(Vec::new());
    let mut world = World::over(small(), disk, ledger);
    world.answers = rng.usize(1..4);
    world.entries = rng.u32(4..40);
    let flush_every = rng.u8(2..40);
    let mut promised = Vec::new();
    let end = world.ledger.len() + records;
    while world.catalogue.head().next < end as u64 {
        if world.catalogue.head().next == world.ledger.len() as u64 {
            let name = (rng.u8(..) < 240).then(|| some_name(rng));
            world.append(name, rng);
        }
        match world.feed(world.catalogue.head().next) {
            Ok(()) => {}
            Err(Refused::Busy) => world.flush_one_half(),
            Err(refused) => panic!("{refused:?}"),
        }
        world.step();
        if rng.u8(..flush_every) == 0 {
            world.flush_one_half();
        }
        match rng.u8(..) {
            0 => _ = world.catalogue.checkpoint(),
            1 => world.restart(),
            _ => {}
        }
        let events = world.disk.events.as_ref().unwrap().len();
        promised.push((events, world.catalogue.durable_head()));
    }
    Recorded { ledger: world.ledger, events: world.disk.events.take().unwrap(), promised }
}

/// Opens what a cut has left: it is whole up to its head, which is not before what was promised.
fn open(bytes: Vec<u8>, ledger: &Ledger, promised: Head) -> World {
    let mut world = World::over(small(), Disk::of(bytes), ledger.clone());
    let (found, head) = (world.catalogue.found(), world.catalogue.head());
    assert!(head.next >= promised.next && head.next <= ledger.len() as u64, "{head:?}, {promised:?}");
    // The very first manifest can be torn.
    let torn_first = found == Found::Damaged && promised.next == 0;
    assert!(matches!(found, Found::Blank | Found::Whole) || torn_first, "{found:?}");
    world.check().unwrap();
    world
}

fn cuts(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let blank = vec![0; Disk::new(BLOCKS).bytes.len()];
    let recorded = record(blank.clone(), Ledger::new(), 500, &mut rng);
    let (mut cuts, mut opened, mut twice) = (Cuts::of(blank), 0, 0);
    for (at, event) in recorded.events.iter().enumerate() {
        cuts.happens(event);
        let promised = recorded.promised.iter().rfind(|(events, _)| *events <= at + 1);
        let promised = promised.map_or(Head::default(), |promised| promised.1);
        let losses: &[u8] = if cuts.is_volatile() { &[0, 1, 50, 90] } else { &[0] };
        for &kept in losses {
            let bytes = cuts.cut(&mut || rng.u8(..100) < kept || kept == 1);
            opened += 1;
            let mut world = open(bytes, &recorded.ledger, promised);
            if rng.u8(..) < 12 {
                // It goes on, and is cut off again.
                let again = core::mem::take(&mut world.disk.bytes);
                let known = recorded.ledger.clone();
                let second = record(again.clone(), known, 60, &mut rng);
                let mut cuts = Cuts::of(again);
                let stop = rng.usize(..=second.events.len());
                second.events[..stop].iter().for_each(|event| cuts.happens(event));
                let promised = second.promised.iter().rfind(|(events, _)| *events <= stop);
                let promised = promised.map_or(Head::default(), |promised| promised.1);
                let mut world = open(cuts.cut(&mut || rng.bool()), &second.ledger, promised);
                assert!(world.catch_up());
                world.check().unwrap();
                twice += 1;
            }
        }
    }
    println!("{opened} cuts at {} events, {twice} with a second one", recorded.events.len());
}

#[test]
fn after_a_cut_it_is_whole_up_to_its_head() {
    let only = std::env::var("CATALOGUE_SEED").ok().map(|seed| seed.parse().unwrap());
    for seed in only.map_or(0..4, |seed: u64| seed..seed + 1) {
        let ran = std::panic::catch_unwind(|| cuts(seed));
        assert!(ran.is_ok(), "CATALOGUE_SEED={seed} repeats this");
    }
}
