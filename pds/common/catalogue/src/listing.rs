//! Listings: names in order under a prefix, with names that have a delimiter summed up, current versions alone or
//! all of them. What a listing shows is what there was when it began, whatever is inserted or merged meanwhile.

use alloc::vec::Vec;

use crate::catalogue::Catalogue;
use crate::cursor::{Cursor, Settled};
use crate::entry::{Entry, NAME_MAX, NEWEST, Target, compare};
use crate::find::Polled;
use crate::report::Found;
use crate::store::Damage;

/// Blocks that a poll looks at at most, those in the cache included, and entries it passes over.
const FUEL: u32 = 256;

/// Where a listing begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After<'a> {
    /// With the first name there is.
    Start,
    /// After every version of this name.
    Name(&'a [u8]),
    /// After this version of this name.
    Version(&'a [u8], u64),
    /// After every name that begins so: where a common prefix came last.
    Prefix(&'a [u8]),
}

/// What is to be listed.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What the names begin with.
    pub prefix: &'a [u8],
    /// Names that have this after the prefix are summed up by what they begin with, up to and with the first such
    /// place. Empty: none are.
    pub delimiter: &'a [u8],
    /// Where to begin.
    pub after: After<'a>,
    /// True if to list all versions, with delete markers; otherwise the newest of each name, if it is not a delete
    /// marker.
    pub versions: bool,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A version of a name.
    Entry {
        /// The name.
        name: &'a [u8],
        /// The version.
        entry: Entry,
        /// True if it is the newest of its name.
        newest: bool,
    },
    /// Names that begin so, up to and with the delimiter.
    CommonPrefix(&'a [u8]),
}

/// A listing that is under way.
#[derive(Debug)]
pub struct Listing {
    prefix: Vec<u8>,
    delimiter: Vec<u8>,
    versions: bool,
    /// Entries from here on came after the listing began.
    limit: u64,
    /// Nothing before this place is shown any more.
    target: Target,
    /// True if that is likely to be far from what came last.
    far: bool,
    ended: bool,
    /// The name that was passed last: versions of it are not the newest.
    passed: Vec<u8>,
    version: Option<u64>,
    cursors: Vec<Cursor>,
}

impl Listing {
    /// A listing of what there is now.
    pub fn new(catalogue: &Catalogue, query: &Query<'_>) -> Self {
        let (mut target, mut passed, mut ended) = (Target::default(), Vec::new(), false);
        match query.after {
            After::Start => target.set(b"", NEWEST),
            After::Name(name) => target.set_after_name(&name[..name.len().min(NAME_MAX + 1)]),
            After::Version(name, version) => {
                target.set_after(&name[..name.len().min(NAME_MAX + 1)], version);
                passed.extend_from_slice(&name[..name.len().min(NAME_MAX + 1)]);
            }
            After::Prefix(prefix) => ended = !target.set_after_prefix(&prefix[..prefix.len().min(NAME_MAX + 1)]),
        }
        if target.name[..] < *query.prefix {
            target.set(query.prefix, NEWEST);
        }
        Listing {
            prefix: query.prefix.to_vec(),
            delimiter: query.delimiter.to_vec(),
            versions: query.versions,
            limit: catalogue.head().next,
            target,
            far: true,
            ended,
            passed,
            version: None,
            cursors: Vec::new(),
        }
    }

    /// The next item; nothing after the last.
    pub fn poll(&mut self, catalogue: &mut Catalogue) -> Result<Polled<Option<Item<'_>>>, Damage> {
        let mut fuel = FUEL;
        loop {
            if let Some(damage) = catalogue.damage() {
                return Err(damage);
            }
            if catalogue.found() == Found::Opening {
                return Ok(Polled::Waiting);
            }
            if self.ended || self.prefix.len() > NAME_MAX {
                return Ok(Polled::Ready(None));
            }
            let Some(left) = fuel.checked_sub(1) else { return Ok(Polled::More) };
            fuel = left;
            match self.settle(catalogue, &mut fuel) {
                Settled::Yes => {}
                Settled::Waiting => return Ok(Polled::Waiting),
                Settled::More => return Ok(Polled::More),
                Settled::Damaged => return catalogue.damage().map_or(Ok(Polled::More), Err),
            }
            let Some((name, entry)) = first(&self.cursors, &self.target, catalogue) else {
                self.ended = true;
                continue;
            };
            if !name.starts_with(&self.prefix) {
                self.ended = true;
                continue;
            }
            if entry.sequence >= self.limit {
                self.target.set_after(name, entry.sequence);
                self.far = false;
                continue;
            }
            let newest = self.passed != name;
            if !self.versions && (!newest || entry.delete_marker) {
                if newest {
                    self.passed.clear();
                    self.passed.extend_from_slice(name);
                }
                self.target.set_after_name(name);
                self.far = true;
                continue;
            }
            if let Some(end) = end_of_common_prefix(name, self.prefix.len(), &self.delimiter) {
                self.passed.clear();
                self.passed.extend_from_slice(&name[..end]);
                self.ended = !self.target.set_after_prefix(&self.passed);
                self.far = true;
                return Ok(Polled::Ready(Some(Item::CommonPrefix(&self.passed))));
            }
            if newest {
                self.passed.clear();
                self.passed.extend_from_slice(name);
            }
            // The next version stands next to this one; the next name may have all the versions before it.
            self.far = !self.versions;
            if self.versions {
                self.target.set_after(name, entry.sequence);
            } else {
                self.target.set_after_name(name);
            }
            return Ok(Polled::Ready(Some(Item::Entry { name: &self.passed, entry, newest })));
        }
    }

    /// Brings every run's cursor to its place. All the blocks that this needs are asked for together.
    fn settle(&mut self, catalogue: &mut Catalogue, fuel: &mut u32) -> Settled {
        if self.version != Some(catalogue.store.version) {
            self.version = Some(catalogue.store.version);
            self.cursors.clear();
            let store = &catalogue.store;
            self.cursors.extend(store.runs.iter().map(|live| Cursor::new(store, live.serial)));
        }
        let mut all = Settled::Yes;
        for cursor in &mut self.cursors {
            match cursor.settle(&mut catalogue.store, &self.target, self.far, false, fuel) {
                Settled::Yes => {}
                Settled::Damaged => return Settled::Damaged,
                Settled::Waiting => all = Settled::Waiting,
                Settled::More if all == Settled::Yes => all = Settled::More,
                Settled::More => {}
            }
        }
        all
    }
}

/// The first entry of all that is not before the target.
fn first<'a>(cursors: &'a [Cursor], target: &Target, catalogue: &'a Catalogue) -> Option<(&'a [u8], Entry)> {
    let in_memory = [&catalogue.active, &catalogue.frozen].into_iter();
    let in_memory = in_memory.filter_map(|table| table.at(table.first_from(target)));
    let at_entry = cursors.iter().filter(|cursor| cursor.at_entry());
    let on_disk = at_entry.map(|cursor| (&cursor.position.name[..], cursor.position.entry));
    in_memory.chain(on_disk).min_by(|(a, x), (b, y)| compare(a, x.sequence, b, y.sequence))
}

/// Where a name's common prefix ends: after the first delimiter that is after the prefix.
fn end_of_common_prefix(name: &[u8], prefix: usize, delimiter: &[u8]) -> Option<usize> {
    if delimiter.is_empty() {
        return None;
    }
    let at = name.get(prefix..)?.windows(delimiter.len()).position(|window| window == delimiter)?;
    Some(prefix + at + delimiter.len())
}
