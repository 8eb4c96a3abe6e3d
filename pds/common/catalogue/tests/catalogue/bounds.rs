//! What lookups, listings and insertions cost, counted in blocks of 4 KiB.

use std::collections::BTreeSet;

use fastrand::Rng;
use totebox_catalogue::{After, Config, Entry, Query, Refused, Tag, Traffic};

use crate::parse;
use crate::world::{Listed, World, anchor, config};

/// A name nobody else has, which looks random: 32 digits, as of a UUID.
fn random_name(sequence: u64) -> Vec<u8> {
    let mixed = |word: u64| {
        let mut word = word.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    };
    format!("{:016x}{:016x}", mixed(sequence + 1), mixed(!sequence)).into_bytes()
}

/// The same after 200 bytes that all have in common.
fn deep_name(sequence: u64) -> Vec<u8> {
    [vec![b'd'; 200], random_name(sequence)].concat()
}

/// A folder with many names below it: of 40 folders, 39 have 100 names in all and one has all others.
fn folder_name(sequence: u64) -> Vec<u8> {
    let folder = if sequence.is_multiple_of(100) { sequence / 100 % 40 } else { 17 };
    [format!("{folder:02}/").into_bytes(), random_name(sequence)].concat()
}

/// The processor's time this thread has used, in microseconds, if the system says.
fn processor_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0u64) / 1000
}

fn record(sequence: u64, name: fn(u64) -> Vec<u8>) -> (Vec<u8>, Entry) {
    let tag =
        Tag::new(&(sequence as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060).to_le_bytes(), 0).unwrap();
    let time_ms = 1_790_000_000_000 + sequence;
    (name(sequence), Entry { sequence, place: sequence * 2, size: 4096, time_ms, tag, delete_marker: false })
}

/// Appends records up to this number with a step after each, and a flush after 16. Returns the most runs there were.
fn fill(world: &mut World, count: u64, name: fn(u64) -> Vec<u8>) -> usize {
    let mut runs = 0;
    for sequence in world.catalogue.head().next..count {
        let (name, entry) = record(sequence, name);
        while let Err(refused) = world.catalogue.insert(&name, &entry, &anchor(sequence)) {
            assert_eq!(refused, Refused::Busy);
            world.step();
            world.flush();
        }
        world.step();
        if sequence % 16 == 15 {
            world.flush();
            runs = runs.max(world.catalogue.runs().count());
        }
    }
    runs
}

fn blocks_read(world: &World, before: Traffic) -> u64 {
    world.catalogue.traffic().blocks_read - before.blocks_read
}

/// Blocks read for each of so many lookups, in order of size.
fn lookups(world: &mut World, count: u64, looked_up: u64, name: fn(u64) -> Vec<u8>, rng: &mut Rng) -> Vec<u64> {
    let mut costs: Vec<u64> = (0..looked_up)
        .map(|_| {
            let sequence = rng.u64(0..count);
            let before = world.catalogue.traffic();
            let found = world.newest(&name(sequence)).unwrap();
            assert_eq!(found.unwrap().sequence, sequence);
            blocks_read(world, before)
        })
        .collect();
    costs.sort_unstable();
    costs
}

/// What pages of 1,000 names cost: blocks read, those of them that hold a name of the page, and the entries of the
/// page in blocks if they stood together.
fn pages(world: &mut World, count: u64, pages: usize, rng: &mut Rng) -> Vec<(u64, u64)> {
    // A prefix with about a thousand names: as many digits as leave that many.
    let digits = ((count as f64 / 1000.0).log2() / 4.0).floor().max(0.0) as usize;
    (0..pages)
        .map(|_| {
            let prefix = random_name(rng.u64(0..count))[..digits].to_vec();
            let query = Query { prefix: &prefix, delimiter: b"", after: After::Start, versions: false };
            world.disk.read = Some(Vec::new());
            let before = world.catalogue.traffic();
            let listed = world.list(&query, 1000).unwrap();
            let read = world.disk.read.take().unwrap();
            assert_eq!(read.len() as u64, blocks_read(world, before));
            let names: BTreeSet<&[u8]> = listed
                .iter()
                .map(|item| match item {
                    Listed::Entry(name, ..) => &name[..],
                    Listed::Prefix(_) => panic!("there is no delimiter"),
                })
                .collect();
            assert!(names.len() == 1000 || digits > 0);
            let distinct: BTreeSet<u64> = read.iter().copied().collect();
            let holds = distinct.iter().filter(|&&block| {
                let block = world.disk.block(block);
                parse::level(block) == 0 && parse::leaf(block).iter().any(|(name, _)| names.contains(&name[..]))
            });
            (read.len() as u64, holds.count() as u64)
        })
        .collect()
}

fn percentile(costs: &[u64], percent: usize) -> u64 {
    costs[(costs.len() - 1) * percent / 100]
}

fn report(what: &str, costs: &[u64]) {
    let sum: u64 = costs.iter().sum();
    println!(
        "{what}: {} at the median, {} at 99 %, {} at most, {:.2} on average",
        percentile(costs, 50),
        percentile(costs, 99),
        costs.last().unwrap(),
        sum as f64 / costs.len() as f64
    );
}

/// Fills a catalogue, and holds what it costs against the bounds.
fn measure(config: Config, count: u64) {
    println!("{count} names, at most {} KiB of memory", config.memory() / 1024);
    let mut rng = Rng::with_seed(1);
    let began = processor_us();
    for sequence in 0..count {
        std::hint::black_box((record(sequence, random_name), anchor(sequence)));
    }
    let of_this_test = processor_us() - began;
    let mut world = World::new(config);
    let (mut took, mut runs, mut costs, mut looked_up) = (0, 0, Vec::new(), Traffic::default());
    for part in 1..=200 {
        let began = processor_us();
        runs = runs.max(fill(&mut world, count * part / 200, random_name));
        took += processor_us() - began;
        let before = world.catalogue.traffic();
        costs.extend(lookups(&mut world, count * part / 200, 50, random_name, &mut rng));
        let after = world.catalogue.traffic();
        looked_up.reads += after.reads - before.reads;
        looked_up.blocks_read += after.blocks_read - before.blocks_read;
    }
    took -= of_this_test.min(took);
    println!("{runs} runs at most");
    costs.sort_unstable();
    report("blocks read by a lookup at any time", &costs);
    assert!(percentile(&costs, 50) <= 6 && *costs.last().unwrap() <= 10);
    let mut traffic = world.catalogue.traffic();
    traffic.reads -= looked_up.reads;
    traffic.blocks_read -= looked_up.blocks_read;
    let each = |blocks: u64| blocks as f64 * 4096.0 / count as f64;
    let live: u32 = world.catalogue.runs().sum();
    println!(
        "an entry takes {:.1} bytes; written for one {:.0} bytes in {:.4} requests, read {:.0} bytes in {:.4}",
        each(live.into()),
        each(traffic.blocks_written),
        traffic.writes as f64 / count as f64,
        each(traffic.blocks_read),
        traffic.reads as f64 / count as f64,
    );
    println!(
        "written {:.1} times; {:.2} us of the processor each, with the copies to and from this test's memory",
        traffic.blocks_written as f64 / f64::from(live),
        took as f64 / count as f64,
    );
    println!("runs, in blocks: {:?}", world.catalogue.runs().collect::<Vec<_>>());
    // As it stands, with merges under way; and as it is after a start that had time to read the index blocks.
    let fresh = lookups(&mut world, count, 300, random_name, &mut rng);
    report("blocks read by the first 300 lookups", &fresh);
    assert!(*fresh.last().unwrap() <= 10);
    world.restart();
    let before = world.catalogue.traffic();
    while world.catalogue.is_warming() {
        world.pump();
        world.catalogue.step(0);
    }
    println!("{} blocks read to warm up", blocks_read(&world, before));
    // What was not on the disk yet would be fed again.
    let absent_from = count;
    let count = world.catalogue.head().next;
    let cold = lookups(&mut world, count, 300, random_name, &mut rng);
    report("blocks read by the first 300 lookups after a start", &cold);
    let warm = lookups(&mut world, count, 20_000, random_name, &mut rng);
    report("blocks read by a lookup", &warm);
    assert!(percentile(&warm, 50) <= 6 && *warm.last().unwrap() <= 10, "{:?}", &warm[warm.len() - 10..]);
    assert!(*cold.last().unwrap() <= 10);
    let pages = pages(&mut world, count, 200, &mut rng);
    let read: Vec<u64> = pages.iter().map(|page| page.0).collect();
    let hold: Vec<u64> = pages.iter().map(|page| page.1).collect();
    let sorted = |mut costs: Vec<u64>| {
        costs.sort_unstable();
        costs
    };
    report("blocks read by a page", &sorted(read));
    report("of them hold a name of it", &sorted(hold));
    for (read, hold) in pages {
        assert!(read as f64 <= 1.2 * hold as f64 + 6.0, "{read} blocks for a page in {hold}");
    }
    // A name that is not there costs what one that is costs.
    let before = world.catalogue.traffic();
    for at in 0..1000 {
        assert_eq!(world.newest(&random_name(absent_from + at)), Ok(None));
    }
    let absent = (world.catalogue.traffic().blocks_read - before.blocks_read) as f64 / 1000.0;
    println!("blocks read for a name that is not there: {absent:.2} on average");
    assert!(absent <= 10.0);
}

#[test]
fn two_hundred_thousand_names_cost_what_they_may() {
    // With tables of 64 KiB it has as many runs as ten million names have with the usual ones.
    let blocks = 12_000;
    measure(config(blocks, 64 << 10, 128), 200_000);
}

/// `cargo test --release -p totebox-catalogue ten_million -- --ignored --nocapture`: about a minute, 3 GiB.
#[test]
#[ignore = "the measurement of docs/catalogue.md: a minute, and 3 GiB of memory"]
fn ten_million_names_cost_what_they_may() {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let count = number("CATALOGUE_NAMES").unwrap_or(10_000_000);
    let table = number("CATALOGUE_TABLE").unwrap_or(1 << 20);
    let cache = number("CATALOGUE_CACHE").unwrap_or(384);
    measure(config(count / 18, table as usize, cache as usize), count);
}

#[test]
fn names_that_share_200_bytes_cost_little_more() {
    let mut world = World::new(config(12_000, 128 << 10, 128));
    fill(&mut world, 100_000, deep_name);
    let live: u32 = world.catalogue.runs().sum();
    let each = f64::from(live) * 4096.0 / 100_000.0;
    println!("an entry takes {each:.1} bytes of a name of 232");
    // The 200 bytes stand once in a block of sixty entries.
    assert!(each < 75.0, "{each}");
    let costs = lookups(&mut world, 100_000, 5000, deep_name, &mut Rng::with_seed(2));
    report("blocks read by a lookup", &costs);
    assert!(percentile(&costs, 50) <= 6 && *costs.last().unwrap() <= 10);
}

#[test]
fn a_delimiter_costs_by_the_common_prefix() {
    let mut world = World::new(config(12_000, 128 << 10, 128));
    fill(&mut world, 100_000, folder_name);
    let runs = world.catalogue.runs().count() as u64;
    let query = Query { prefix: b"", delimiter: b"/", after: After::Start, versions: false };
    let before = world.catalogue.traffic();
    let folders = world.list(&query, 1000).unwrap();
    assert_eq!(folders.len(), 40);
    let read = blocks_read(&world, before);
    println!("{read} blocks for 40 common prefixes over {runs} runs, of which one has 99,000 names");
    // A leaf of each run for each prefix, and the index blocks on the way.
    assert!(read <= 40 * runs + 3 * runs, "{read}");
}

#[test]
fn versions_and_delete_markers_are_passed_by_seeking() {
    let mut world = World::new(config(12_000, 64 << 10, 128));
    let mut rng = Rng::with_seed(5);
    for at in 0..60_000u64 {
        let name = match at % 1000 {
            0 => format!("a {at:08}"),
            1 => format!("c {at:08}"),
            _ => "b".to_owned(),
        };
        world.append(Some(name.into_bytes()), &mut rng);
        let (_, entry) = world.ledger.last_mut().unwrap().as_mut().unwrap();
        entry.delete_marker = false;
    }
    assert!(world.catch_up());
    let before = world.catalogue.traffic();
    let query = Query { prefix: b"", delimiter: b"", after: After::Start, versions: false };
    let listed = world.list(&query, usize::MAX).unwrap();
    assert_eq!(listed.len(), 121);
    let (read, runs) = (blocks_read(&world, before), world.catalogue.runs().count() as u64);
    println!("{read} blocks for 121 names over {runs} runs, one of them with 59,880 versions");
    assert!(read <= 6 * runs + 20, "{read}");
}
