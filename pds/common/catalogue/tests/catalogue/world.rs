//! A catalogue, its directory, and what the ledger has: the oracle it is held against.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use totebox_catalogue::{
    After, Catalogue, Config, Damage, Entry, Find, Found, Item, Listing, Polled, Progress, Query, Refused,
    Request, Tag,
};

use crate::disk::{Disk, Event};

/// What the ledger has: names and entries by their sequence numbers; `None` is a record without a name.
pub type Ledger = Vec<Option<(Vec<u8>, Entry)>>;

/// Versions by name, the newest last.
pub type Names = BTreeMap<Vec<u8>, Vec<Entry>>;

/// An item of a listing, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    Entry(Vec<u8>, Entry, bool),
    Prefix(Vec<u8>),
}

impl Listed {
    pub fn from(item: Item<'_>) -> Self {
        match item {
            Item::Entry { name, entry, newest } => Listed::Entry(name.to_vec(), entry, newest),
            Item::CommonPrefix(prefix) => Listed::Prefix(prefix.to_vec()),
        }
    }
}

pub fn config(blocks: u64, table_bytes: usize, cache_blocks: usize) -> Config {
    Config { volume: *b"the volume's id.", key: [7; 32], first: 0, begin: 0, blocks, table_bytes, cache_blocks }
}

/// By what the ledger's record with this number is known.
pub fn anchor(sequence: u64) -> [u8; 32] {
    let mut anchor = [0x5A; 32];
    anchor[..8].copy_from_slice(&sequence.to_le_bytes());
    anchor
}

pub fn names(ledger: &[Option<(Vec<u8>, Entry)>]) -> Names {
    let mut names = Names::new();
    for (name, entry) in ledger.iter().flatten() {
        names.entry(name.clone()).or_default().push(*entry);
    }
    names
}

/// A request that was sent and is not answered.
enum UnderWay {
    Read { ticket: u8, data: Vec<u8> },
    Write { ticket: u8, number: usize },
}

pub struct World {
    pub config: Config,
    pub catalogue: Catalogue,
    pub disk: Disk,
    pub ledger: Ledger,
    under_way: VecDeque<UnderWay>,
    /// Writes answered when the flush under way began.
    flush: Option<u64>,
    /// The most requests answered at once; the rest waits.
    pub answers: usize,
    /// Steps of the background work: entries each.
    pub entries: u32,
    /// True if the records have other hashes.
    pub otherwise: bool,
}

impl World {
    pub fn new(config: Config) -> Self {
        let disk = Disk::new(config.begin + config.blocks);
        Self::over(config, disk, Ledger::new())
    }

    pub fn over(config: Config, disk: Disk, ledger: Ledger) -> Self {
        let catalogue = Catalogue::new(&config);
        let mut world = World {
            config,
            catalogue,
            disk,
            ledger,
            under_way: VecDeque::new(),
            flush: None,
            answers: usize::MAX,
            entries: 32,
            otherwise: false,
        };
        while world.catalogue.found() == Found::Opening {
            world.pump();
        }
        world
    }

    /// The program starts anew; what was written is what the disk says, flushed or not.
    pub fn restart(&mut self) {
        let (disk, ledger) = (core::mem::take(&mut self.disk), core::mem::take(&mut self.ledger));
        let (answers, entries) = (self.answers, self.entries);
        *self = Self::over(self.config.clone(), disk, ledger);
        (self.answers, self.entries) = (answers, entries);
    }

    /// Sends what is to be sent, and answers what was.
    pub fn pump(&mut self) {
        while let Some(request) = self.catalogue.request() {
            self.under_way.push_back(match request {
                Request::Read { ticket, block, blocks } => {
                    UnderWay::Read { ticket, data: self.disk.read(block, blocks) }
                }
                Request::Write { ticket, block, data } => {
                    UnderWay::Write { ticket, number: self.disk.send(block, data) }
                }
            });
        }
        for _ in 0..self.answers.min(self.under_way.len()) {
            match self.under_way.pop_front().expect("counted") {
                UnderWay::Read { ticket, data } => {
                    if let Some(buffer) = self.catalogue.reading(ticket) {
                        buffer.copy_from_slice(&data);
                    }
                    self.catalogue.answered(ticket, true);
                }
                UnderWay::Write { ticket, number } => {
                    self.disk.note(Event::Answered(number));
                    self.catalogue.answered(ticket, true);
                }
            }
        }
    }

    /// A flush begins, with a commit; or the one under way ends.
    pub fn flush_one_half(&mut self) {
        match self.flush.take() {
            None => {
                self.flush = Some(self.catalogue.written());
                self.disk.note(Event::FlushBegun);
            }
            Some(written) => {
                self.disk.note(Event::Flushed);
                self.catalogue.durable(written);
            }
        }
    }

    pub fn flush(&mut self) {
        self.flush_one_half();
        self.flush_one_half();
    }

    pub fn step(&mut self) -> Progress {
        let progress = self.catalogue.step(self.entries);
        self.pump();
        progress
    }

    /// Until there is nothing to do.
    pub fn settle(&mut self) {
        for _ in 0..100_000_000u64 {
            match self.step() {
                Progress::Idle => return,
                Progress::Waiting => self.flush(),
                Progress::Moved => {}
            }
            if self.catalogue.is_full() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Gives the catalogue the record with this number.
    pub fn feed(&mut self, sequence: u64) -> Result<(), Refused> {
        let mut anchor = anchor(sequence);
        anchor[15] ^= u8::from(self.otherwise);
        match &self.ledger[sequence as usize] {
            Some((name, entry)) => self.catalogue.insert(name, entry, &anchor),
            None => self.catalogue.pass(sequence, &anchor),
        }
    }

    /// Gives it what it does not have yet of the ledger, with a step after each record. False if it is full.
    pub fn catch_up(&mut self) -> bool {
        while self.catalogue.head().next < self.ledger.len() as u64 {
            match self.feed(self.catalogue.head().next) {
                Ok(()) => _ = self.step(),
                Err(Refused::Busy) => {
                    if self.step() == Progress::Waiting {
                        self.flush();
                    }
                }
                Err(Refused::Full) => return false,
                Err(refused) => panic!("{refused:?}"),
            }
        }
        true
    }

    /// Appends a record to the ledger.
    pub fn append(&mut self, name: Option<Vec<u8>>, rng: &mut Rng) {
        let sequence = self.ledger.len() as u64;
        let size = rng.u64(..) >> (24 + rng.u32(..40));
        let entry = |rng: &mut Rng| Entry {
            sequence,
            place: sequence * 2,
            size,
            time_ms: 1_790_000_000_000 + sequence * 10 + rng.u64(0..1000),
            tag: Tag::new(&rng.u128(..).to_le_bytes(), if rng.u8(..) < 10 { rng.u16(..) } else { 0 }).unwrap(),
            delete_marker: rng.u8(..) < 20,
        };
        self.ledger.push(name.map(|name| (name, entry(rng))));
    }

    pub fn find(&mut self, mut find: Find) -> Result<Option<Entry>, Damage> {
        loop {
            match find.poll(&mut self.catalogue)? {
                Polled::Ready(found) => return Ok(found),
                Polled::Waiting => self.pump(),
                Polled::More => {}
            }
        }
    }

    pub fn newest(&mut self, name: &[u8]) -> Result<Option<Entry>, Damage> {
        self.find(Find::newest(&self.catalogue, name))
    }

    /// The next item of a listing.
    pub fn next(&mut self, listing: &mut Listing) -> Result<Option<Listed>, Damage> {
        loop {
            match listing.poll(&mut self.catalogue)? {
                Polled::Ready(item) => return Ok(item.map(Listed::from)),
                Polled::Waiting => self.pump(),
                Polled::More => {}
            }
        }
    }

    pub fn list(&mut self, query: &Query<'_>, max: usize) -> Result<Vec<Listed>, Damage> {
        let mut listing = Listing::new(&self.catalogue, query);
        let mut listed = Vec::new();
        while listed.len() < max {
            match self.next(&mut listing)? {
                Some(item) => listed.push(item),
                None => break,
            }
        }
        Ok(listed)
    }

    /// All it has, all versions.
    pub fn all(&mut self) -> Result<Vec<Listed>, Damage> {
        self.list(&Query { prefix: b"", delimiter: b"", after: After::Start, versions: true }, usize::MAX)
    }

    /// That it has what the ledger has before its head, and knows the head's anchor.
    pub fn check(&mut self) -> Result<(), Damage> {
        let head = self.catalogue.head();
        let expected = listed(&names(&self.ledger[..head.next as usize]), b"", b"", true);
        let all = self.all()?;
        assert_eq!(all.len(), expected.len());
        assert!(all == expected);
        assert_eq!(head.anchor, head.next.checked_sub(1).map_or([0; 32], anchor));
        Ok(())
    }
}

/// What a listing has to show.
pub fn listed(names: &Names, prefix: &[u8], delimiter: &[u8], versions: bool) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for (name, entries) in names.range(prefix.to_vec()..).take_while(|(name, _)| name.starts_with(prefix)) {
        let newest = entries.last().expect("a name has a version");
        if !versions && newest.delete_marker {
            continue;
        }
        let at = (!delimiter.is_empty())
            .then(|| name[prefix.len()..].windows(delimiter.len()).position(|window| window == delimiter))
            .flatten();
        if let Some(at) = at {
            let common = Listed::Prefix(name[..prefix.len() + at + delimiter.len()].to_vec());
            if listed.last() != Some(&common) {
                listed.push(common);
            }
        } else if versions {
            let entries = entries.iter().rev().enumerate();
            listed.extend(entries.map(|(at, entry)| Listed::Entry(name.clone(), *entry, at == 0)));
        } else {
            listed.push(Listed::Entry(name.clone(), *newest, true));
        }
    }
    listed
}

/// A name among few or many, short or long, with much in common or little.
pub fn some_name(rng: &mut Rng) -> Vec<u8> {
    match rng.u8(0..10) {
        0 => vec![rng.choice([0, 1, b'/', 0xFE, 0xFF]).unwrap(); rng.usize(1..5)],
        1 => [vec![b'p'; 200], format!("/{}", rng.u32(0..300)).into_bytes()].concat(),
        2 => [vec![b'x'; 1000], vec![rng.u8(..); rng.usize(1..25)]].concat(),
        3 => (0..rng.usize(1..1025)).map(|_| rng.u8(..)).collect(),
        4..7 => format!("{}/{}/{}", rng.u8(0..4), rng.u8(0..10), rng.u8(0..100)).into_bytes(),
        7 => b"the same name".to_vec(),
        _ => format!("{:016x}", rng.u64(..)).into_bytes(),
    }
}
