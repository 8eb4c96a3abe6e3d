//! Random operations, held against a map.

use fastrand::Rng;
use totebox_catalogue::{After, Find, Found, Listing, Query, Refused};

use crate::world::{Listed, World, config, listed, names, some_name};

/// A listing that is under way, and what it has to show yet.
struct Open {
    listing: Listing,
    expected: std::vec::IntoIter<Listed>,
}

/// What comes after a place in a list.
fn rest(all: Vec<Listed>, after: &After<'_>) -> Vec<Listed> {
    let comes_after = |item: &Listed| match (item, after) {
        (_, After::Start) => true,
        (Listed::Entry(name, ..), After::Name(after)) => name[..] > **after,
        (Listed::Entry(name, entry, _), After::Version(after, version)) => {
            name[..] > **after || (name[..] == **after && entry.sequence < *version)
        }
        (Listed::Entry(name, ..), After::Prefix(prefix)) => name[..] > **prefix && !name.starts_with(prefix),
        (Listed::Prefix(name), After::Prefix(prefix)) => name[..] > **prefix && !name.starts_with(prefix),
        // Some name under it comes after; whether one was under it is known to the caller.
        (Listed::Prefix(name), After::Name(after) | After::Version(after, _)) => name[..] > **after,
    };
    all.into_iter().filter(comes_after).collect()
}

fn begin(world: &World, rng: &mut Rng) -> Open {
    let names = names(&world.ledger[..world.catalogue.head().next as usize]);
    let prefix: Vec<u8> = match rng.u8(0..6) {
        0 => format!("{}/", rng.u8(0..4)).into_bytes(),
        1 => format!("{}/{}/", rng.u8(0..4), rng.u8(0..10)).into_bytes(),
        2 => vec![b'p'; rng.usize(1..202)],
        3 => vec![rng.u8(..)],
        _ => Vec::new(),
    };
    let delimiter: &[u8] = rng.choice([&b""[..], b"/", b"/", b"pp", b"0/"].iter()).unwrap();
    let versions = rng.bool();
    let all = listed(&names, &prefix, delimiter, versions);
    // Where it goes on, as somebody would who has seen some of it.
    let last = if rng.bool() { rng.choice(&all).cloned() } else { None };
    let after = match &last {
        None => After::Start,
        Some(Listed::Entry(name, entry, _)) if versions => After::Version(name, entry.sequence),
        Some(Listed::Entry(name, ..)) => After::Name(name),
        Some(Listed::Prefix(prefix)) => After::Prefix(prefix),
    };
    let query = Query { prefix: &prefix, delimiter, after, versions };
    Open { listing: Listing::new(&world.catalogue, &query), expected: rest(all, &after).into_iter() }
}

fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let table = rng.usize(2500..20_000);
    let mut world = World::new(config(3000, table, rng.usize(8..64)));
    world.answers = rng.usize(1..6);
    world.entries = rng.u32(1..80);
    let mut open: Vec<Open> = Vec::new();
    for _ in 0..rng.usize(500..4000) {
        match rng.u8(0..100) {
            0..60 => {
                let name = (rng.u8(..) < 230).then(|| some_name(&mut rng));
                world.append(name, &mut rng);
                if world.catalogue.head().next == world.ledger.len() as u64 - 1 {
                    match world.feed(world.ledger.len() as u64 - 1) {
                        Ok(()) | Err(Refused::Busy) => {}
                        Err(refused) => panic!("{refused:?}"),
                    }
                }
            }
            60..66 => assert!(world.catch_up()),
            66..80 => _ = world.step(),
            80..86 => world.flush_one_half(),
            86..92 => {
                let known = &world.ledger[..world.catalogue.head().next as usize];
                let name = match rng.choice(known) {
                    Some(Some((name, _))) if rng.bool() => name.clone(),
                    _ => some_name(&mut rng),
                };
                let version = if rng.bool() { u64::MAX } else { rng.u64(0..=world.ledger.len() as u64) };
                let versions = names(known).remove(&name).unwrap_or_default();
                let expected = versions.iter().rfind(|entry| entry.sequence <= version).copied();
                let found = world.find(Find::up_to(&world.catalogue, &name, version)).unwrap();
                assert_eq!(found, expected);
            }
            92..94 if open.len() < 4 => open.push(begin(&world, &mut rng)),
            94..98 => {
                if !open.is_empty() {
                    let at = rng.usize(..open.len());
                    for _ in 0..rng.usize(1..50) {
                        let (item, due) = (world.next(&mut open[at].listing).unwrap(), open[at].expected.next());
                        assert!(item == due, "{item:?} instead of {due:?}");
                        if item.is_none() {
                            open.swap_remove(at);
                            break;
                        }
                    }
                }
            }
            98 if rng.u8(..) < 50 => {
                open.clear();
                let durable = world.catalogue.durable_head();
                world.restart();
                assert!(world.catalogue.head().next >= durable.next);
            }
            99 if rng.u8(..) < 20 => {
                open.clear();
                world.catalogue.rebuild();
            }
            _ => _ = world.catalogue.checkpoint(),
        }
    }
    assert!(world.catch_up());
    world.check().unwrap();
    world.catalogue.checkpoint();
    world.settle();
    world.check().unwrap();
    world.restart();
    let is_fed = world.catalogue.head().next > 0;
    assert_eq!(world.catalogue.found(), if is_fed { Found::Whole } else { Found::Blank });
    assert!(world.catch_up());
    world.check().unwrap();
}

#[test]
fn it_has_what_a_map_has() {
    let only = std::env::var("CATALOGUE_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = only.map_or(0..60, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "CATALOGUE_SEED={seed} repeats this");
    }
}
